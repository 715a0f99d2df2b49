import type { Store } from '@weaklink/clickhouse'
import { encodeFact, INTERACTIONS_TOPIC, partitionOf, show } from '@weaklink/interactions'
import { Command } from 'commander'
import { withTracker } from '../run.ts'
import { CommandError } from '../terminal.ts'

export function unlinkCommand(): Command {
  return new Command('unlink')
    .description('take back that an anonymous id is a customer: what was moved there goes back')
    .argument('<anonymous-id>')
    .addHelpText('after', '\nExamples:\n  weaklink unlink cookie-81\n  weaklink sql "SELECT * FROM identities"')
    .action((anonymousId: string, _flags: unknown, command: Command) =>
      withTracker(command, {}, async ({ terminal, workspace, log, tracker }) => {
        const customer = await ownerOf(workspace.store, anonymousId)
        if (customer === null) {
          throw new CommandError(
            `The anonymous id ${show(anonymousId)} is linked to no customer; weaklink sql "SELECT * FROM identities" lists those that are.`,
          )
        }
        const { partitions } = await log.describe(INTERACTIONS_TOPIC)
        const record = encodeFact({ kind: 'unlink', anonymousId })
        await log.append(INTERACTIONS_TOPIC, [{ partition: partitionOf(anonymousId, partitions), ...record }])
        await tracker.settled()
        const [row] = await workspace.store.query<{ interactions: number }>(INTERACTIONS, { anonymousId })
        const interactions = row?.interactions ?? 0
        terminal.answer(
          () =>
            `${anonymousId} is no longer ${customer}; ${interactions} interactions stand under ${anonymousId} again.`,
          () => ({ anonymousId, customer, interactions }),
        )
      }),
    )
}

async function ownerOf(store: Store, anonymousId: string): Promise<string | null> {
  const [row] = await store.query<{ movedTo: string }>(OWNER, { anonymousId })
  return row === undefined || row.movedTo === '' ? null : row.movedTo
}

const OWNER = `SELECT movedTo FROM customer_chains FINAL WHERE customer = {anonymousId:String} AND kind = 'anonymous'`
const INTERACTIONS = `
  SELECT count() AS interactions FROM interactions WHERE customer = {anonymousId:String} AND kind = 'anonymous'`
