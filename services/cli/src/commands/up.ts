import { Command, Option } from 'commander'
import type { CommonOptions } from '../run.ts'
import { openTerminal } from '../terminal.ts'
import { DEFAULT_HOST, DEFAULT_PORT, portOf } from '../up/http.ts'
import { SERVICES, type ServiceName, servicesOf } from '../up/plan.ts'
import { untilStopped } from '../up/signals.ts'
import { welcome, welcomeJson } from '../up/welcome.ts'

interface UpFlags extends CommonOptions {
  readonly port: number
  readonly host: string
  readonly services?: readonly ServiceName[]
  readonly alerts?: string
  readonly baseUrl?: string
}

export function upCommand(): Command {
  return new Command('up')
    .description('start everything and go on: take interactions in over HTTP, derive chains, answer reports')
    .addOption(
      new Option('--port <n>', 'where it listens; 0 takes any free one')
        .default(DEFAULT_PORT)
        .env('WEAKLINK_PORT')
        .argParser(portOf),
    )
    .addOption(
      new Option('--host <address>', 'beyond this machine only with keys given by the environment')
        .default(DEFAULT_HOST)
        .env('WEAKLINK_HOST'),
    )
    .addOption(
      new Option('--services <names>', 'what runs in this process, with commas; a part of it only with KAFKA_BROKERS')
        .default(undefined, `${SERVICES.join(',')}; alerts only where there are rules`)
        .env('WEAKLINK_SERVICES')
        .argParser(servicesOf),
    )
    .addOption(
      new Option('--alerts <file>', 'alert by these rules; default: alerts.yaml of the data directory').env(
        'WEAKLINK_ALERTS',
      ),
    )
    .addOption(
      new Option('--base-url <url>', 'where people find this Weaklink, for links in alerts').env('WEAKLINK_BASE_URL'),
    )
    .addHelpText(
      'after',
      `
Examples:
  weaklink up
  weaklink up --data-dir /var/lib/weaklink --port 8080
  weaklink up --port 0 --json           one JSON document when it is ready: url, keys …

From its start on chains are judged by the clock on the wall, also those of a directory that was imported with --clock
data: what is past its patience by now has ended, and time does not go back. To look at an old export, do without it.

While it runs, the other commands work on the same data directory as ever:
  weaklink send --touchpoint site_visit --customer anna
  weaklink tail
  weaklink import events.jsonl
  weaklink report breakpoints

Keys: the first start makes one to send (write) and one to ask (admin), keeps them in keys.json of the data directory,
and shows them once. Further ones come from the environment, several of a kind with commas between:
  WEAKLINK_WRITE_KEYS, WEAKLINK_READ_KEYS, WEAKLINK_ADMIN_KEYS
ClickHouse is embedded unless CLICKHOUSE_URL names one, the log unless KAFKA_BROKERS names one (host:port, several with
commas; its topics are made by weaklink migrate). With both, each part may run in processes of its own, as many as you
like of each, and trackers share the partitions:
  weaklink up --services collector --port 7575
  weaklink up --services tracker --port 7576
  weaklink up --services api --port 7577
  weaklink up --services alerts --alerts alerts.yaml --port 7578
KAFKA_SSL=true for TLS, KAFKA_SSL_CA, KAFKA_SSL_CERT, KAFKA_SSL_KEY (paths of PEM files); KAFKA_SASL_MECHANISM (plain,
scram-sha-256, scram-sha-512), KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD; KAFKA_COMPRESSION (none, gzip, snappy, lz4, zstd),
KAFKA_CLIENT_ID, KAFKA_SESSION_MS; CLICKHOUSE_CLUSTER for a cluster of ClickHouse servers. docs/kafka.md says more.
Such a process needs no data directory where the keys come from the environment. /readyz says in words what is away.
What it logs goes to stderr, as JSON lines.
Ctrl-C or SIGTERM ends it in good order; a second one at once.`,
    )
    .action(async (_flags: unknown, command: Command) => {
      const { dataDir, port, host, services, alerts, baseUrl, json = false } = command.optsWithGlobals<UpFlags>()
      const terminal = openTerminal({ json })
      // What a service brings along is large: only it loads it.
      const [{ startUp }, { createLogger }] = await Promise.all([
        import('../up/start.ts'),
        import('@weaklink/runtime/logger'),
      ])
      await untilStopped(
        (signal) =>
          startUp({
            ...{ dataDir, port, host, alerts, baseUrl, environment: process.env, logger: createLogger(), signal },
            ...(services !== undefined && { services }),
          }),
        {
          async ready(running) {
            terminal.answer(
              () => welcome(running, terminal.style),
              () => welcomeJson(running),
            )
            return 'go on'
          },
          stopping: () => terminal.note('Stopping: what is under way is finished. Once more to end at once.'),
        },
      )
    })
}
