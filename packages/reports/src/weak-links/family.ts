import type { Candidate, Kind } from './search.ts'
import type { Series } from './series.ts'

/**
 * All that is asked, counted beforehand: also the pairs of segments that are not looked at because nothing points to them.
 * Simple things are more often the cause than special ones, so each kind has its own share of the error, fixed beforehand
 * (weights of p-values: Genovese, Roeder & Wasserman 2006): touchpoints 3/4, links 1/4; of that, everybody 1/2, one value 1/3,
 * two values 1/6.
 */
export class Family {
  readonly size: number
  /** Those with a segment. */
  readonly segments: number
  readonly #counts = new Map<string, number>()

  constructor(singles: readonly Series[]) {
    const values = new Map<string, number>()
    for (const { element, segment } of singles) {
      this.#count(element, segment.length, 1)
      if (segment.length === 1) values.set(element, (values.get(element) ?? 0) + 1)
    }
    for (const [element, count] of values) this.#count(element, 2, (count * (count - 1)) / 2)
    this.size = [...this.#counts.values()].reduce((sum, count) => sum + count, 0)
    this.segments = this.size - [TOUCHPOINT, LINK].reduce((sum, kind) => sum + (this.#counts.get(`${kind} 0`) ?? 0), 0)
  }

  #count(element: string, values: number, more: number): void {
    const key = `${kindOf(element)} ${values}`
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + more)
  }

  /** Logarithm of the p-value corrected for everything that is asked: of all p-values together (Bonferroni), with weights. */
  corrected({ series: { element, segment }, logP }: Candidate, kind: Kind): number {
    const shares = kind === 'period' ? [1 / 2, 1 / 3, 1 / 6] : [0, 2 / 3, 1 / 3]
    const share = (kindOf(element) === LINK ? 1 / 4 : 3 / 4) * (shares[segment.length] ?? 0)
    return logP + Math.log((this.#counts.get(`${kindOf(element)} ${segment.length}`) ?? 1) / share)
  }

  /**
   * Touchpoints and links at which one segment, or everybody, is more conspicuous than the best of all is by chance: only there
   * pairs of segments are looked at. What shows in a pair and in neither of its two alone is not found.
   */
  promising(candidates: readonly Candidate[]): readonly string[] {
    const near = candidates
      .map((one) => ({ element: one.series.element, corrected: this.corrected(one, 'period') }))
      .filter(({ corrected }) => corrected < 0)
      .sort((a, b) => a.corrected - b.corrected || (a.element < b.element ? -1 : 1))
    return [...new Set(near.map(({ element }) => element))].slice(0, MOST_PROMISING)
  }
}

const MOST_PROMISING = 16
const TOUCHPOINT = 'touchpoint'
const LINK = 'link'

function kindOf(element: string): string {
  return element.includes('>') ? LINK : TOUCHPOINT
}
