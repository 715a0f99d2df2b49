import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { migrate } from '../src/index.ts'
import { startTestStore, type TestStore } from '../src/test-support.ts'

let db: TestStore

const START = '2026-01-01T00:00:00.000Z'

function interaction(id: string, touchpoint: string, more: object = {}) {
  const times = { at: START, waitMs: null, durationMs: null, value: null, cost: null }
  const words = { by: 'customer', outcome: 'continued', reaction: 'neutral', epilogue: false, place: true }
  const texts = { episode: '', order: '', currency: '', channel: '', campaign: '', queue: '', agent: '', props: '' }
  return { id, touchpoint, ...times, ...words, ...texts, ...more }
}

function chain(id: string, ordinal: number, more: object = {}) {
  const marks = {
    atRisk: false,
    reversed: false,
    complained: false,
    returned: false,
    returnedAndBought: false,
    staff: 0,
  }
  const times = { startedAt: START, lastAt: START, closedAt: null, deadline: null }
  const end = { state: 'open', reason: '', place: 'home', placeIndex: 1, furthest: 'home', brokenEpisode: '' }
  return {
    id,
    ordinal,
    previous: '',
    ...end,
    ...times,
    ...marks,
    recovered: [],
    interactions: [],
    episodes: [],
    ...more,
  }
}

const BROKEN = chain('x', 1, {
  state: 'broken',
  reason: 'silence',
  place: 'quote',
  placeIndex: 2,
  closedAt: '2026-02-01T00:00:00.000Z',
  recovered: ['call_wait', 'home'],
  interactions: [interaction('1', 'home'), interaction('2', 'quote', { waitMs: 12, value: 1.5, props: '{"a":1}' })],
  episodes: [
    {
      id: 'e',
      group: 'phone',
      startedAt: START,
      endedAt: START,
      interactions: 1,
      waitMs: 3,
      broke: false,
      brokeAt: '',
    },
  ],
})
const OPEN = chain('y', 2, {
  previous: 'x',
  deadline: '2026-03-01T00:00:00.000Z',
  interactions: [interaction('3', 'home')],
})

beforeAll(async () => {
  db = await startTestStore()
  await migrate(db.store, fileURLToPath(new URL('../migrations', import.meta.url)))
  const row = {
    kind: 'customer',
    customer: 'ann',
    partition: 0,
    version: 2,
    catalogue: 'h',
    nextDeadline: null,
    chains: [BROKEN, OPEN],
  }
  const rows = [
    { ...row, version: 1, chains: [chain('old', 1)] },
    row,
    { ...row, kind: 'anonymous', chains: [OPEN] },
    { ...row, customer: 'bob', chains: [] },
  ]
  for (const each of rows)
    await db.store.command(`INSERT INTO customer_chains FORMAT JSONEachRow ${JSON.stringify(each)}`)
  const log = {
    kind: 'customer',
    customer: 'ann',
    id: '1',
    touchpoint: 'home',
    at: START,
    version: 10,
    value: 2.5,
    props: '',
  }
  for (const each of [log, { ...log, version: 20, touchpoint: 'later' }, { ...log, id: '2', version: 11 }]) {
    await db.store.command(`INSERT INTO interactions_log FORMAT JSONEachRow ${JSON.stringify(each)}`)
  }
})
afterAll(() => db.stop())

test('interactions: the earliest of a repeated id counts', async () => {
  const rows = await db.store.query('SELECT id, touchpoint, value, waitMs, at FROM interactions ORDER BY id')
  expect(rows).toEqual([
    { id: '1', touchpoint: 'home', value: 2.5, waitMs: null, at: START },
    { id: '2', touchpoint: 'home', value: 2.5, waitMs: null, at: START },
  ])
})

test('chains: one row a chain of the newest version, nested lists and nulls included', async () => {
  const rows = await db.store.query('SELECT * FROM chains ORDER BY kind, ordinal')
  expect(rows).toMatchObject([
    {
      kind: 'customer',
      customer: 'ann',
      id: 'x',
      previous: null,
      state: 'broken',
      reason: 'silence',
      place: 'quote',
      closedAt: '2026-02-01T00:00:00.000Z',
      deadline: null,
      recovered: ['call_wait', 'home'],
      touchpoints: ['home', 'quote'],
      interactions: 2,
    },
    {
      id: 'y',
      previous: 'x',
      state: 'open',
      reason: '',
      closedAt: null,
      deadline: '2026-03-01T00:00:00.000Z',
      recovered: [],
      touchpoints: ['home'],
      interactions: 1,
    },
    { kind: 'anonymous', id: 'y' },
  ])
})

test('chain_interactions: one row an interaction; only a broken chain broke somewhere', async () => {
  const sql = `SELECT chain, ordinal, state, id, position, touchpoint, waitMs, value, props, brokeHere = 1 AS brokeHere
    FROM chain_interactions WHERE kind = 'customer' ORDER BY ordinal, position`
  expect(await db.store.query(sql)).toEqual([
    {
      chain: 'x',
      ordinal: 1,
      state: 'broken',
      id: '1',
      position: 1,
      touchpoint: 'home',
      waitMs: null,
      value: null,
      props: '',
      brokeHere: 0,
    },
    {
      chain: 'x',
      ordinal: 1,
      state: 'broken',
      id: '2',
      position: 2,
      touchpoint: 'quote',
      waitMs: 12,
      value: 1.5,
      props: '{"a":1}',
      brokeHere: 1,
    },
    {
      chain: 'y',
      ordinal: 2,
      state: 'open',
      id: '3',
      position: 1,
      touchpoint: 'home',
      waitMs: null,
      value: null,
      props: '',
      brokeHere: 0,
    },
  ])
})

describe('a query over chains reads the arrays that it asks for, not the whole tuple', () => {
  test.each([
    ['SELECT state, count() FROM chains GROUP BY state', ['chains.id', 'chains.state']],
    [
      "SELECT place, count() FROM chains WHERE state = 'broken' GROUP BY place",
      ['chains.id', 'chains.place', 'chains.state'],
    ],
  ])('%s', async (sql, columns) => {
    const plan = await db.store.query<{ explain: string }>(`EXPLAIN header = 1 ${sql}`)
    const lines = plan.map(({ explain }) => explain.trim())
    const read = lines.findIndex((line) => line.includes('ReadFromMergeTree'))
    const header = lines
      .slice(read + 1)
      .map((line) => /^(?:Header: )?(\S+) (?:Array|Enum|String|Tuple|LowCardinality)/.exec(line)?.[1])
    const names = header.slice(0, header.indexOf(undefined)).sort()
    expect(names).toEqual(columns)
  })
})
