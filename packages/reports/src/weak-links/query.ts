import type { Store } from '@weaklink/clickhouse'
import { type Key, Params } from '../keys.ts'
import { shownPeriod } from '../selection.ts'
import { settledThrough } from '../settled.ts'
import { METHOD } from './method.ts'
import type { WeakLinksQuery } from './options.ts'
import { type Further, furtherOf, type Yield } from './progress.ts'
import { type Finding, type SearchResult, search } from './search.ts'
import { DEFAULT_KEYS, MOST_PROPS, MOST_VALUES, type SegmentValue, whereOf } from './segments.ts'
import type { WeakLink, WeakLinksReport } from './shape.ts'
import { storeSource } from './source.ts'
import { daysSql, FACTOR, placesOf, precedencesSql, propsSql, type Scope, valuesSql, yieldsSql } from './sql.ts'
import { windowLevels } from './windows.ts'

const DAY_MS = 86_400_000
/** Longer periods are looked at in steps of several days. */
const MOST_DAYS = 366
const MOST_TOUCHPOINTS = 200
/** Chains of which the order of touchpoints is learnt. */
const SAMPLE = 100_000

/**
 * Where more chains are lost than otherwise, and since when: see docs/reports/weak-links.md.
 *
 * @throws StoreError
 */
export async function askWeakLinks(store: Store, query: WeakLinksQuery): Promise<WeakLinksReport> {
  const { asOf, settled, first, totals } = await settledChains(store, query)
  const { fdr, minChains, limit } = query
  const to = settled === null ? 0 : Math.min(settled + 1, query.to === null ? Infinity : Math.ceil(query.to / DAY_MS))
  const from = first === null || first >= to ? to : first
  const step = Math.max(1, Math.ceil((to - from) / MOST_DAYS))
  const bare: Scope = { selection: query, from, to, step, values: [] }

  let found: SearchResult = { periods: [], standing: [], elements: [], combinations: 0, questions: 0 }
  let further: Further = new Map()
  let scope = bare
  if (from < to) {
    further = await learntOrder(store, bare, minChains, totals.converted + totals.broken)
    scope = { ...bare, values: await segmentValues(store, bare, query) }
    const levels = windowLevels(Math.ceil((to - from) / step))
    found = await search(storeSource(store, scope, placesOf(further), minChains), { minChains, levels, fdr, limit })
  }

  const shown = (finding: Finding) => shownFinding(finding, query, scope, further)
  return {
    asOf,
    ...shownPeriod(query),
    settledThrough: settled === null ? null : dayText(settled),
    totals,
    looked: {
      from: from < to ? dayText(from) : null,
      to: from < to ? dayText(to) : null,
      daysAtOnce: step,
      touchpoints: found.elements.filter((element) => !element.includes('>')).length,
      links: found.elements.filter((element) => element.includes('>')).length,
      segments: Object.fromEntries(
        [...Map.groupBy(scope.values, ({ key }) => key.name)].map(([name, values]) => [
          name,
          values.map(({ text }) => (text === '' ? null : text)),
        ]),
      ),
      combinations: found.combinations,
      questions: found.questions,
      fdr,
      minChains,
    },
    findings: found.periods.map(shown),
    standing: found.standing.map(shown),
    method: [...METHOD],
  }
}

interface Settled {
  readonly asOf: string | null
  /** The last day through which chains are settled, from 1970-01-01. */
  readonly settled: number | null
  /** The day on which the first chain of the selection started. */
  readonly first: number | null
  readonly totals: WeakLinksReport['totals']
}

async function settledChains(store: Store, query: WeakLinksQuery): Promise<Settled> {
  type Day = readonly [day: number, started: number, ended: number, states: readonly number[]]
  const params = new Params()
  const [row] = await store.query<{ days: readonly Day[]; asOf: string | null }>(
    daysSql(query, params),
    params.values,
    {
      settings: { enable_shared_storage_snapshot_in_query: 1 },
    },
  )
  if (row === undefined) throw new Error('an aggregate without GROUP BY gives one row')
  const settled = settledThrough(row.days)
  const totals = { chains: 0, open: 0, unsettled: 0, ignored: 0, converted: 0, broken: 0 }
  let first: number | null = null
  for (const [day, , , [open = 0, ignored = 0, converted = 0, broken = 0]] of row.days) {
    const chains = open + ignored + converted + broken
    totals.chains += chains
    totals.open += open
    if (settled === null || day > settled) {
      totals.unsettled += chains - open
      continue
    }
    if (converted + broken > 0) first ??= day
    totals.ignored += ignored
    totals.converted += converted
    totals.broken += broken
  }
  return { asOf: row.asOf, settled, first, totals }
}

/** Which touchpoints are further than which. The order in which they are reached is taken from a sample of many chains. */
async function learntOrder(store: Store, scope: Scope, minChains: number, chains: number): Promise<Further> {
  const params = new Params()
  const yields = (await store.query<Yield>(yieldsSql(scope, params), params.values))
    .filter(({ reached }) => reached >= minChains)
    .slice(0, MOST_TOUCHPOINTS)
  const names = yields.map(({ touchpoint }) => touchpoint)
  const pairParams = new Params()
  const sampled = Math.max(1, Math.floor(chains / SAMPLE))
  const pairs = await store.query<{ pair: number; chains: number }>(
    precedencesSql(scope, names, sampled, pairParams),
    pairParams.values,
  )
  const precedences = pairs.map(({ pair, chains }) => ({
    before: names[Math.floor(pair / FACTOR) - 1] ?? '',
    after: names[(pair % FACTOR) - 1] ?? '',
    chains,
  }))
  return furtherOf(yields, precedences)
}

/** The values by which chains are told apart: of each key the most frequent, where it has at least two that occur often enough. */
async function segmentValues(store: Store, scope: Scope, query: WeakLinksQuery): Promise<readonly SegmentValue[]> {
  const keys = query.by ?? [...DEFAULT_KEYS, ...(await fewValuedProps(store, scope))]
  if (keys.length === 0) return []
  const params = new Params()
  const asked = { ...scope, values: keys.map((key) => ({ key, text: '' })) }
  const rows = await store.query<{ key: number; text: string; chains: number }>(
    valuesSql(asked, MOST_VALUES, params),
    params.values,
  )
  return keys.flatMap((key, index) => {
    const values = rows.filter((row) => row.key === index && row.chains >= query.minChains)
    return values.length < 2 ? [] : values.map(({ text }) => ({ key, text }))
  })
}

async function fewValuedProps(store: Store, scope: Scope): Promise<readonly Key[]> {
  const params = new Params()
  const rows = await store.query<{ name: string; distinct: number }>(
    propsSql(scope, MOST_VALUES, params),
    params.values,
  )
  return rows
    .filter(({ distinct }) => distinct <= MOST_VALUES)
    .slice(0, MOST_PROPS)
    .map(({ name }) => ({ kind: 'props', name: `props.${name}`, prop: name }))
}

function shownFinding(
  finding: Finding,
  query: WeakLinksQuery,
  { from: first, to: end, step, values }: Scope,
  further: Further,
): WeakLink {
  const { window, element } = finding
  const segment = finding.segment.flatMap((number) => values[number - 1] ?? [])
  const [one = '', other] = element.split('>')
  const dayOf = (bin: number) => dayText(Math.min(end, first + bin * step))
  const [from, to] = [dayOf(window.from), dayOf(window.to)]
  const { from: selectedFrom, to: selectedTo } = shownPeriod(query)
  return {
    touchpoint: other === undefined ? one : null,
    link: other === undefined ? null : [one, other],
    segment: Object.fromEntries(segment.map(({ key, text }) => [key.name, text === '' ? null : text])),
    from,
    to,
    fromBetween: finding.days === null ? null : [dayOf(finding.days.from[0]), dayOf(finding.days.from[1])],
    toBetween: finding.days === null ? null : [dayOf(finding.days.to[0]), dayOf(finding.days.to[1])],
    ongoing: first + window.to * step >= end,
    reached: finding.reached,
    lost: finding.lost,
    explained: finding.explained,
    expected: finding.expected,
    excess: finding.excess,
    low: finding.low,
    high: finding.high,
    rate: finding.lost / finding.reached,
    rateOtherwise: finding.rateOtherwise,
    lostAtAll: finding.lostAtAll,
    rateAtAllOtherwise: finding.rateAtAllOtherwise,
    dispersion: finding.dispersion,
    pValue: finding.pValue,
    qValue: finding.qValue,
    chains: {
      state: 'broken',
      through: element,
      throughFrom: from,
      throughTo: to,
      without: [...(further.get(other ?? one) ?? [])],
      where: [...whereOf(segment, query.where)],
      ...(selectedFrom === null ? {} : { from: selectedFrom }),
      ...(selectedTo === null ? {} : { to: selectedTo }),
    },
  }
}

function dayText(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10)
}
