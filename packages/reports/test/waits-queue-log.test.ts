import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { builtinCatalogue, deriveChains } from '@weaklink/chains'
import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import { type Interaction, personKey, personOf, readQueueLog } from '@weaklink/interactions'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { waitsQuestion } from '../src/waits/question.ts'
import type { CallFigures } from '../src/waits/shape.ts'
import { createTables, storeAll } from './stored.ts'

// Every figure of a call centre's acceptance tests, from the rows of its queue log. Their times have no zone: UTC here.

interface Scenario {
  readonly scenario: string
  readonly given: readonly Readonly<
    Record<'time' | 'callid' | 'queuename' | 'agent' | 'event' | `data${number}`, string>
  >[]
  readonly config: readonly string[]
  readonly expect: readonly { readonly what: string; readonly rows: readonly Readonly<Record<string, string>>[] }[]
}

const FILE = fileURLToPath(new URL('../../../../shared/data/queue-log-stats.json', import.meta.url))
const { scenarios }: { scenarios: readonly Scenario[] } = JSON.parse(readFileSync(FILE, 'utf8'))

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

describe.each(scenarios)('$scenario', ({ given, config, expect: expected }) => {
  beforeAll(async () => {
    const { interactions, rejected } = readQueueLog(given.map(lineOf))
    expect(rejected).toEqual([])
    const catalogue = builtinCatalogue
    const tick = Math.max(...interactions.map(({ at }) => at)) + 86_400_000
    const people = [...Map.groupBy(interactions, (one) => personKey(personOf(one))).values()].map((its) => {
      const person = personOf(its[0] as Interaction)
      return { person, chains: deriveChains(person, its, catalogue, tick) }
    })
    await storeAll(db.store, catalogue, tick, people)
  })

  test.each(expected)('$what', async ({ what, rows }) => {
    const [queue = '', day = '', name = ''] = [...what.matchAll(/"([^"]+)"/g)].map(([, word]) => word)
    const [from, to] = openingHours(config, name)
    const query = waitsQuestion.query({ queue, from: `${day}T${from}:00Z`, to: `${day}T${to}:00Z` })
    const report = await waitsQuestion.ask(db.store, query)
    const found = report.groups[0]!.queues.find((one) => one.queue === queue)!
    const shown = [
      ...found.slots.map(({ start, ...figures }) => shownAs(hoursFrom(start), figures, rows[0]!)),
      shownAs('Total', found.totals, rows[0]!),
    ]
    expect(shown).toEqual(rows)
  })
})

test('all of the file is tested', () => {
  expect(scenarios.flatMap((one) => one.expect).length).toBe(6)
  expect(new Set(scenarios.flatMap((one) => one.expect).flatMap(({ rows }) => Object.keys(rows[0]!)))).toEqual(
    new Set(['', ...Object.keys(COLUMNS)]),
  )
})

const COLUMNS: Readonly<Record<string, (figures: CallFigures) => string>> = {
  Received: ({ received }) => String(received),
  Answered: ({ answered }) => String(answered),
  Abandoned: ({ abandoned }) => String(abandoned),
  Closed: ({ closed }) => String(closed),
  // In whole seconds, cut.
  AWT: ({ averageWaitMs }) =>
    averageWaitMs === null ? '' : new Date(Math.trunc(averageWaitMs / 1000) * 1000).toISOString().slice(11, 19),
  'Answered rate': ({ answeredRate }) => percent(answeredRate),
  QoS: ({ serviceLevel }) => percent(serviceLevel.ofAnswered),
}

/** The columns that the file has there. */
function shownAs(label: string, figures: CallFigures, like: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.keys(like).map((column) => [column, column === '' ? label : COLUMNS[column]!(figures)]),
  )
}

function percent(rate: number | null): string {
  return rate === null ? '' : `${rate * 100} %`
}

/** `9h-10h`. */
function hoursFrom(start: string | null): string {
  const hour = Number(start?.slice(11, 13))
  return `${hour}h-${hour + 1}h`
}

/** `from "8:00" to "12:00"`, as `08:00` and `12:00`. */
function openingHours(config: readonly string[], name: string): [string, string] {
  const line = config.find((one) => one.includes(`"${name}"`)) ?? ''
  const [, from = '', to = ''] = /from "([\d:]+)" to "([\d:]+)"/.exec(line) ?? []
  return [from.padStart(5, '0'), to.padStart(5, '0')]
}

/** As Asterisk writes it. */
function lineOf(row: Scenario['given'][number]): string {
  const [whole, fraction] = row.time.split('.')
  const seconds = Date.parse(`${whole?.replace(' ', 'T')}Z`) / 1000
  const data = [1, 2, 3, 4, 5].map((index) => row[`data${index}`])
  return [`${seconds}.${fraction}`, row.callid, row.queuename, row.agent, row.event, ...data].join('|')
}
