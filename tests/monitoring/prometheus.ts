import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { stringify } from 'yaml'
import { spawnMortal } from '../../infra/kafka/mortal.ts'
import { freePorts } from '../../infra/kafka/ports.ts'

interface ScrapeTarget {
  readonly url: string
  /** A read key. */
  readonly key: string
}

interface Series {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Prometheus {
  readonly url: string
  /** What an expression says now. @throws where it cannot be read, with what Prometheus says about it */
  query(expression: string): Promise<readonly Series[]>
  stop(): Promise<void>
}

const START_MS = 30_000

/** A real Prometheus on 127.0.0.1 that scrapes each second, with these rules. It dies with this process. */
export async function startPrometheus(
  program: string,
  { target, rules }: { readonly target: ScrapeTarget; readonly rules: string },
): Promise<Prometheus> {
  const directory = await mkdtemp(join(tmpdir(), 'weaklink-prometheus-'))
  const [port] = (await freePorts(1)) as [number]
  const config = join(directory, 'prometheus.yml')
  await writeFile(
    config,
    stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
      rule_files: [rules],
      scrape_configs: [
        {
          job_name: 'weaklink',
          authorization: { credentials: target.key },
          static_configs: [{ targets: [new URL(target.url).host] }],
        },
      ],
    }),
    { mode: 0o600 },
  )
  const log = join(directory, 'prometheus.log')
  const output = openSync(log, 'a')
  const child = spawnMortal(
    program,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { output, cwd: directory },
  )
  closeSync(output)
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    child.signal('SIGKILL')
    await child.ended
    await rm(directory, { recursive: true, force: true })
  }
  let end: string | null = null
  void child.ended.then((reason) => {
    end = reason || 'it ended in order'
  })
  for (const giveUpAt = performance.now() + START_MS; !(await isReady(url)); await sleep(50)) {
    if (end === null && performance.now() < giveUpAt) continue
    const words = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').slice(-5)
    await stop()
    throw new Error([`Prometheus did not start: ${end ?? 'no answer'}`, ...words].join('\n'))
  }
  return {
    url,
    async query(expression) {
      const answer = await fetch(`${url}/api/v1/query`, {
        method: 'POST',
        body: new URLSearchParams({ query: expression }),
      })
      const body = (await answer.json()) as {
        readonly error?: string
        readonly data?: { readonly result: readonly { metric: Record<string, string>; value: [number, string] }[] }
      }
      if (body.data === undefined) throw new Error(`${expression}: ${body.error ?? answer.status}`)
      return body.data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    },
    stop,
  }
}

async function isReady(url: string): Promise<boolean> {
  return await fetch(`${url}/-/ready`).then(
    (response) => response.ok,
    () => false,
  )
}
