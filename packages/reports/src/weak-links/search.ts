import { newcombe } from '../intervals.ts'
import { explain } from './explain.ts'
import { Family } from './family.ts'
import {
  bestPeriod,
  type Compared,
  comparison,
  type Located,
  located,
  logPOf,
  type Period,
  type ScanSettings,
} from './scan.ts'
import { type Loss, minus, type Series, type Shared, seriesKey, sumsOf, total } from './series.ts'
import { dispersion, logFisher, shrunk } from './statistics.ts'
import type { Window } from './windows.ts'

/** Chains that came through a touchpoint or link on days of a window, and began in a segment. */
export interface Spot {
  readonly element: string
  readonly segment: readonly number[]
  readonly window: Window
}

/** Where the counts come from: the store, or chains in memory. */
export interface Source {
  /** Every touchpoint and link that is looked at, for everybody and for each value of a segment. */
  singles(): Promise<readonly Series[]>
  /** Of these touchpoints and links, for each two values of different keys. */
  pairs(elements: readonly string[]): Promise<readonly Series[]>
  /** The chains lost there at the last spot, and at none of those before, in every series that was handed out. */
  lostAt(spots: readonly Spot[]): Promise<readonly Shared[]>
}

export interface SearchSettings extends ScanSettings {
  /** Which share of the findings may be mere chance, at most, on average: 0.05. */
  readonly fdr: number
  readonly limit: number
}

export interface Finding extends Spot {
  /** How sure it is when it began and ended; null where it is told for all the time. */
  readonly days: Located | null
  readonly reached: number
  /** Of them, those that were lost there. */
  readonly lost: number
  /** Of `lost`: what other findings account for. */
  readonly explained: number
  readonly rateOtherwise: number
  /** lost = explained + expected + excess. */
  readonly expected: number
  readonly excess: number
  /** The 95 % interval of `excess`: of the difference of the two rates (Newcombe 1998), times the chains that came. */
  readonly low: number
  readonly high: number
  readonly lostAtAll: number
  readonly rateAtAllOtherwise: number
  /** Of "more of them are lost at all", this one question alone. */
  readonly pValueAtAll: number
  readonly dispersion: number
  /** Corrected for the periods that were tried with this touchpoint or link and segment. */
  readonly pValue: number
  /** Corrected for everything that was tried. */
  readonly qValue: number
}

export interface SearchResult {
  /** A segment or everybody, in a period: first of all where it is surest that more chains are lost at all. */
  readonly periods: readonly Finding[]
  /** A segment against the others, all the time. */
  readonly standing: readonly Finding[]
  /** The touchpoints and links that were looked at. */
  readonly elements: readonly string[]
  /** Those times segments. */
  readonly combinations: number
  /** Combinations, times periods. */
  readonly questions: number
}

/** Segments differ everywhere; the first few say it. */
const MOST_STANDING = 5

/** Rounds for each finding that may be told: most are told in one. */
const TRIES = 3

/** Level of the question whether a finding is a loss at all. */
const SURE = 0.01

/**
 * Looks for the strongest finding, takes what it explains out of everything else, and looks again, until nothing is left that
 * chance would not do as well. So one cause is told once: as the touchpoint or link, segment and period that explains most.
 *
 * The j-th finding is told while its p-value, corrected for everything that was tried, is at most j · fdr (Benjamini & Hochberg
 * 1995, in the step-down form of Gavrilov, Benjamini & Sarkar 2009). A finding counts once, however many overlapping questions
 * it answers: the tens of questions that one incident answers must not make room for a false one.
 */
export async function search(source: Source, settings: SearchSettings): Promise<SearchResult> {
  const singles = await source.singles()
  const family = new Family(singles)
  const book = new Book(singles, settings)
  const promising = family.promising(book.candidates('period'))
  if (promising.length > 0) book.add(await source.pairs(promising))

  const spots: Spot[] = []
  const rounds = async (kind: Kind, limit: number): Promise<Finding[]> => {
    const findings: Finding[] = []
    let worst = 0
    for (let round = 0; round < TRIES * limit && findings.length < limit; round++) {
      const rank = findings.length + 1
      const found = book
        .candidates(kind)
        .map((one) => ({ ...one, qValue: Math.exp(family.corrected(one, kind)) / rank }))
        .filter(({ qValue }) => qValue <= settings.fdr)
        .sort((a, b) => a.qValue - b.qValue || (seriesKey(a.series) < seriesKey(b.series) ? -1 : 1))
        .find((one) => book.isLossAtAll(one) && book.isInCounts(one) && book.saysMore(one))
      if (found === undefined) break
      const finding = book.finding(found, Math.max(worst, found.qValue))
      const shared = await source.lostAt([...spots, finding])
      const own = shared.find((part) => seriesKey(part) === seriesKey(finding))
      if (own === undefined || total(own.lost) < finding.lost / 2) {
        // Most of its chains were lost in what has been told: it is no other cause.
        book.close(found.series)
        continue
      }
      worst = finding.qValue
      findings.push(finding)
      spots.push(finding)
      book.changed(explain(finding, shared, book))
    }
    return findings.sort((a, b) => a.pValueAtAll - b.pValueAtAll || a.qValue - b.qValue)
  }
  const periods = await rounds('period', settings.limit)
  const standing = await rounds('standing', Math.min(settings.limit, MOST_STANDING))
  const windows = settings.levels.reduce((sum, level) => sum + level.length, 0)
  return {
    periods,
    standing,
    elements: book.elements,
    combinations: family.size,
    questions: family.size * windows + family.segments,
  }
}

export type Kind = 'period' | 'standing'

export interface Candidate extends Period {
  readonly series: Series
}

function generalOf({ element, segment }: Series): readonly Pick<Series, 'element' | 'segment'>[] {
  const wider = segment.map((_, index) => ({ element, segment: segment.toSpliced(index, 1) }))
  const end = element.split('>')[1]
  return end === undefined ? wider : [...wider, { element: end, segment }]
}

/** All series with what was computed of them, which is computed again only where counts have changed. */
class Book {
  readonly series = new Map<string, Series>()
  readonly #everybody = new Map<string, Series>()
  readonly #settings: SearchSettings
  /** As they were counted, of those that were changed. */
  readonly #raw = new Map<Series, Series>()
  readonly #dispersions = new Map<string, number>()
  readonly #periods = new Map<Series, Candidate | null>()
  readonly #closed = new Set<Series>()

  constructor(singles: readonly Series[], settings: SearchSettings) {
    this.#settings = settings
    for (const one of singles) {
      if (one.segment.length > 0) continue
      this.#everybody.set(one.element, one)
      for (const loss of ['lost', 'lostAtAll'] as const) {
        this.#dispersions.set(`${loss} ${one.element}`, dispersion(one.reached, one[loss]))
      }
    }
    this.add(singles)
  }

  get elements(): readonly string[] {
    return [...this.#everybody.keys()]
  }

  add(more: readonly Series[]): void {
    for (const one of more) {
      if (total(one.reached) < this.#settings.minChains) continue
      this.series.set(seriesKey(one), one)
    }
  }

  candidates(kind: Kind): readonly Candidate[] {
    return [...this.series.values()].flatMap((one) => {
      if (this.#closed.has(one)) return []
      return (kind === 'period' ? this.#period(one) : this.#standing(one)) ?? []
    })
  }

  #period(series: Series): Candidate | null {
    let best = this.#periods.get(series)
    if (best === undefined) {
      const period = bestPeriod(this.#compared(series, 'lost'), this.#settings)
      best = period === null ? null : { series, ...period }
      this.#periods.set(series, best)
    }
    return best
  }

  /** The segment at all times, against the other segments. */
  #standing(series: Series): Candidate | null {
    if (series.segment.length === 0) return null
    const compared = this.#compared(series, 'lost')
    const { minChains } = this.#settings
    const own = compared.own.all.reached
    if (own < minChains || compared.everybody.all.reached - own < minChains) return null
    const window = { from: 0, to: compared.own.days }
    return { series, window, logP: logPOf(compared, window) }
  }

  #compared(series: Series, loss: Loss): Compared {
    return {
      own: sumsOf(series, loss),
      everybody: sumsOf(this.#everybodyAt(series.element), loss),
      dispersion: this.#dispersions.get(`${loss} ${series.element}`) ?? 1,
    }
  }

  #everybodyAt(element: string): Series {
    const everybody = this.#everybody.get(element)
    if (everybody === undefined) throw new Error(`no series of everybody at ${element}`)
    return everybody
  }

  #asCounted(series: Series): Series {
    return this.#raw.get(series) ?? series
  }

  /** For whoever takes something out of its counts. */
  toChange(series: Series): Series {
    if (!this.#raw.has(series)) {
      const [reached, lost, lostAtAll] = [series.reached.slice(), series.lost.slice(), series.lostAtAll.slice()]
      this.#raw.set(series, { ...series, reached, lost, lostAtAll })
    }
    return series
  }

  /**
   * Who is lost here instead of a step later is no loss. So more of these chains have to be lost at all, too. Place, segment and
   * period were found by another count, so this is one question.
   */
  isLossAtAll({ series, window }: Candidate): boolean {
    return Math.exp(logPOf(this.#compared(series, 'lostAtAll'), window)) <= SURE
  }

  /** What is taken out of the others makes no finding: the counts themselves have to show it. */
  isInCounts({ series, window }: Candidate): boolean {
    const everybody = this.#everybodyAt(series.element)
    const compared = {
      ...this.#compared(series, 'lost'),
      own: sumsOf(this.#asCounted(series), 'lost'),
      everybody: sumsOf(this.#asCounted(everybody), 'lost'),
    }
    return Math.exp(logPOf(compared, window)) <= SURE
  }

  /** It is told no more. */
  close(series: Series): void {
    this.#closed.add(series)
  }

  /**
   * A special thing is told only where it says more than the general ones that it is part of: in the same period, a segment has to
   * lose more than those outside of it, two values together more than each without the other, and a link more than what else came
   * to its end.
   */
  saysMore({ series, window }: Candidate): boolean {
    const inside = sumsOf(series, 'lost').within(window)
    return generalOf(series).every((general) => {
      const parent = this.series.get(seriesKey(general))
      if (parent === undefined) return true
      const rest = minus(sumsOf(parent, 'lost').within(window), inside)
      const scale = this.#dispersions.get(`lost ${series.element}`) ?? 1
      return rest.reached > 0 && Math.exp(logFisher(shrunk(inside, scale), shrunk(rest, scale))) <= this.#settings.fdr
    })
  }

  changed(series: ReadonlySet<Series>): void {
    const elements = new Set([...series].map(({ element }) => element))
    // What everybody loses is part of what any segment is compared with.
    for (const one of this.#periods.keys()) if (elements.has(one.element)) this.#periods.delete(one)
  }

  finding({ series, window: found, logP }: Candidate, qValue: number): Finding {
    const here = this.#compared(series, 'lost')
    const isPeriod = found.to - found.from < here.own.days
    const days = isPeriod ? located(here, found, this.#settings.minChains) : null
    const window = days?.window ?? found
    const { inside, outside } = comparison(here, window)
    const counted = this.#asCounted(series)
    const rateOtherwise = outside.lost / outside.reached
    const expected = inside.reached * rateOtherwise
    const { reached, lost } = sumsOf(counted, 'lost').within(window)
    const excess = inside.lost - expected
    const anywhere = this.#compared(series, 'lostAtAll')
    const atAll = comparison(anywhere, window).outside
    const [some, others] = [shrunk(inside, here.dispersion), shrunk(outside, here.dispersion)]
    const interval = newcombe(some.lost, some.reached, others.lost, others.reached)
    return {
      element: series.element,
      segment: series.segment,
      window,
      days,
      reached,
      lost,
      explained: lost - expected - excess,
      rateOtherwise,
      expected,
      excess,
      low: (interval?.low ?? 0) * inside.reached,
      high: (interval?.high ?? 0) * inside.reached,
      lostAtAll: sumsOf(counted, 'lostAtAll').within(window).lost,
      rateAtAllOtherwise: atAll.lost / atAll.reached,
      pValueAtAll: Math.exp(logPOf(anywhere, window)),
      dispersion: here.dispersion,
      pValue: Math.exp(logP),
      qValue,
    }
  }
}
