import { fileURLToPath } from 'node:url'
import { contentOf } from '@weaklink/chains'
import { migrate, type Store } from '@weaklink/clickhouse'
import { startTestStore } from '@weaklink/clickhouse/test-support'
import { personKey } from '@weaklink/interactions'
import { breakpoints, breakpointsQuery } from '@weaklink/reports'
import { clickhouseStore } from '@weaklink/tracker'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { naiveBreakpoints } from '../../packages/reports/test/naive.ts'
import { CATALOGUE, PEOPLE, TICK } from '../../packages/reports/test/story.ts'
import { realClickHouse } from '../support/clickhouse.ts'

// The way to the store once more, on a server as ClickHouse ships it: the embedded one is the same engine in another
// build. Registered only where it can run, since not every CI can have one.

const MIGRATIONS = fileURLToPath(new URL('../../packages/clickhouse/migrations', import.meta.url))

interface Server {
  readonly store: Store
  stop(): Promise<void>
}
const servers: [name: string, start: () => Promise<Server>][] = [['the embedded server', startTestStore]]
const real = await realClickHouse()
if (real.store === null) process.stderr.write(`Left out: an official ClickHouse server, because ${real.missing}\n`)
else servers.push([`the server ${real.how}`, async () => real])

describe.each(servers)('%s', (_, start) => {
  let server: Server
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server.stop())

  test('takes the migrations, once', async () => {
    expect((await migrate(server.store, MIGRATIONS)).applied).not.toEqual([])
    expect((await migrate(server.store, MIGRATIONS)).applied).toEqual([])
  })

  test('takes what a tracker writes, and answers as of a version and with a report', async () => {
    const tracker = clickhouseStore(server.store, (operation) => operation())
    await tracker.storeCatalogue(CATALOGUE.hash, contentOf(CATALOGUE))
    const catalogue = CATALOGUE.hash
    const rows = tracker.newRows()
    let version = 0
    for (const { person, chains } of PEOPLE) {
      for (const { interaction } of chains.flatMap((chain) => chain.interactions)) {
        rows.addInteraction({ interaction, link: '', behind: '', catalogue, partition: 0, version: version++ })
      }
      const stands = { partition: 0, version, catalogue, nextDeadline: null, movedTo: null }
      rows.addCustomer({ person, chains, ...stands })
    }
    await rows.write()

    const persons = PEOPLE.map(({ person }) => person)
    const counted = async (below: number) => {
      const histories = await tracker.loadHistories(persons, below)
      return persons.map((person) => histories.get(personKey(person))?.interactions.length ?? 0)
    }
    expect(await counted(version)).toEqual([7, 2, 2, 1, 1])
    expect(await counted(8)).toEqual([7, 1, 0, 0, 0])

    const counts = { accepted: version, duplicates: 0, conflicts: 0, rejected: 0, newestAt: null, imports: [] }
    await tracker.writePositions([
      { partition: 0, epoch: 0, logIdentity: 'log', offset: version, tick: TICK, catalogue, ...counts },
    ])
    expect(await breakpoints(server.store, breakpointsQuery({}))).toEqual(
      naiveBreakpoints(PEOPLE, { catalogue: CATALOGUE }, TICK),
    )
  })
})
