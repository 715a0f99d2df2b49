import type { Store } from '@weaklink/clickhouse'
import { Params } from '../keys.ts'
import type { Source, Spot } from './search.ts'
import { type Series, type Shared, total } from './series.ts'
import { FACTOR, type Places, type Scope, type SeriesQuestion, seriesSql } from './sql.ts'

/** Touchpoints and links are not looked at below so many times the chains that a finding has at least: what is compared needs as many. */
const LEAST_CHAINS = 2
/** The most frequent links. */
const MOST_LINKS = 300
const NOTHING = new Float64Array()

type Row = readonly [
  element: number,
  segment: number,
  bins: readonly number[],
  reached: readonly number[],
  lost: readonly number[],
  lostAtAll: readonly number[],
  after: readonly number[],
]

/** Counts out of the store, which does the counting: only sums by day are read. */
export function storeSource(store: Store, scope: Scope, places: Places, minChains: number): Source {
  const days = Math.ceil((scope.to - scope.from) / scope.step)
  const numberOf = new Map(places.names.map((name, index) => [name, index + 1]))
  const elementOf = (number: number) =>
    number < FACTOR
      ? (places.names[number - 1] ?? '')
      : `${places.names[Math.floor(number / FACTOR) - 1] ?? ''}>${places.names[(number % FACTOR) - 1] ?? ''}`
  const codeOf = (element: string) =>
    element.split('>').reduce((code, name) => code * FACTOR + (numberOf.get(name) ?? 0), 0)
  let paired: readonly number[] = []

  async function series(question: SeriesQuestion): Promise<(Series & Shared)[]> {
    const params = new Params()
    const sql = seriesSql(scope, places, question, params)
    const all: (Series & Shared)[] = []
    for await (const rows of store.stream<Row>(sql, params.values)) {
      for (const [element, segment, bins, reached, lost, lostAtAll, after] of rows) {
        const spread = (counts: readonly number[]) => {
          const byDay = new Float64Array(days)
          for (const [index, bin] of bins.entries()) byDay[bin] = counts[index] ?? 0
          return byDay
        }
        all.push({
          element: elementOf(element),
          segment: segmentOf(segment),
          reached: spread(reached),
          lost: spread(lost),
          lostAtAll: spread(lostAtAll),
          after: question.lostAt === undefined ? NOTHING : spread(after),
        })
      }
    }
    return all
  }

  return {
    async singles() {
      const all = await series({ segments: 'singles', least: minChains })
      const reached = new Map(
        all.filter(({ segment }) => segment.length === 0).map((one) => [one.element, total(one.reached)]),
      )
      const frequent = [...reached]
        .filter(([, chains]) => chains >= LEAST_CHAINS * minChains)
        .sort(([a, some], [b, others]) => others - some || (a < b ? -1 : 1))
        .map(([element]) => element)
      const links = frequent.filter((element) => element.includes('>')).slice(0, MOST_LINKS)
      const looked = new Set([...frequent.filter((element) => !element.includes('>')), ...links])
      return all.filter(({ element }) => looked.has(element))
    },
    async pairs(elements) {
      paired = elements.map(codeOf)
      return series({ segments: 'pairs', elements: paired, least: minChains })
    },
    lostAt(spots) {
      const lostAt = spots.map((spot: Spot) => ({ ...spot, element: codeOf(spot.element) }))
      return series({ segments: 'both', elements: paired, least: 1, lostAt })
    },
  }
}

function segmentOf(number: number): readonly number[] {
  if (number === 0) return []
  return number < FACTOR ? [number] : [Math.floor(number / FACTOR), number % FACTOR]
}
