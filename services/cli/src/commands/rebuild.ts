import type { EventLog, NewRecord } from '@weaklink/event-log'
import { encodeFact, INTERACTIONS_TOPIC, type Person } from '@weaklink/interactions'
import { Command } from 'commander'
import { type Derivation, type Run, withTracker } from '../run.ts'

/** Records in one append: the log takes them in together. */
const APPEND = 5_000

export function rebuildCommand(): Command {
  return new Command('rebuild')
    .description('derive chains again: of the customers who stand on an older catalogue, or of all')
    .option('--all', 'every customer, also those who are up to date')
    .addHelpText('after', '\nExamples:\n  weaklink catalogue apply touchpoints.yaml\n  weaklink rebuild')
    .action((flags: { all?: boolean }, command: Command) =>
      withTracker(command, {}, async (run) => {
        const rebuilt = await rebuild(run, { all: flags.all ?? false })
        run.terminal.answer(
          () =>
            rebuilt === 0
              ? 'Every customer already stands on the catalogue in force.'
              : `${rebuilt.toLocaleString('en-US')} customers derived again under the catalogue in force.`,
          () => ({ rebuilt }),
        )
      }),
    )
}

/**
 * Asks the tracker, by one record in the log for each, to derive customers again; resolves when it has. A crash on the
 * way loses nothing: what is left stands in the log or is found by the next rebuild.
 */
export async function rebuild(
  { workspace, log, tracker, terminal }: Run & { log: EventLog; tracker: Derivation },
  { all }: { all: boolean },
): Promise<number> {
  await tracker.settled()
  const inForce = tracker.positions()
  const { partitions } = await log.describe(INTERACTIONS_TOPIC)
  const people = await workspace.store.query<Person & { home: number }>(CUSTOMERS, {
    all: all ? 1 : 0,
    count: partitions,
    partitions: inForce.map(({ partition }) => partition),
    catalogues: inForce.map(({ catalogue }) => catalogue),
  })
  const bar = terminal.progress()
  try {
    for (let k = 0; k < people.length; k += APPEND) {
      const records = people.slice(k, k + APPEND).map(
        ({ kind, customer, home }): NewRecord => ({
          partition: home,
          ...encodeFact({ kind: 'touch', person: { kind, customer } }),
        }),
      )
      await log.append(INTERACTIONS_TOPIC, records)
      bar.show(k / people.length, 'asking for the customers to be derived again')
    }
    await tracker.settled()
  } finally {
    bar.stop()
  }
  return people.length
}

// The partition is that of the log of today: the row may have been written when another log was followed.
const CUSTOMERS = `
  SELECT kind, customer, kafkaMurmurHash(customer) % {count:UInt32} AS home
  FROM customer_chains FINAL
  WHERE movedTo = '' AND ({all:UInt8} OR catalogue != transform(home, {partitions:Array(UInt32)}, {catalogues:Array(String)}, ''))
  ORDER BY customer, kind`
