import { newcombe, Z99 } from '@weaklink/reports'
import type { BreakRateCondition } from '../rules/rule.ts'
import type { Level } from './level.ts'
import { durationWords, percentWords } from './words.ts'

/** Chains that ended, of those that reached a touchpoint. */
export interface BreakCounts {
  readonly broke: number
  readonly reached: number
}

/** What a store says about a touchpoint. */
export interface BreakRates {
  readonly recent: BreakCounts
  /** Of the time before. */
  readonly past: BreakCounts
}

/**
 * More chains break at a touchpoint than in its own past: by a factor, and so many that the difference is not chance (the lower
 * end of its 99 % interval, Newcombe's method 10, is above 0).
 */
export function breakRate(rule: BreakRateCondition): Level {
  const { touchpoint, above, recover, atLeast } = rule
  const [over, against] = [durationWords(rule.overMs), durationWords(rule.againstMs)]
  let known: BreakRates | null = null
  return {
    gone: `No chain that reached ${touchpoint} has ended in the last ${over}.`,
    measured(rates) {
      known = rates
    },
    read() {
      if (known === null) return null
      const { recent, past } = known
      if (recent.reached === 0 || past.reached === 0) return []
      const [rate, before] = [recent.broke / recent.reached, past.broke / past.reached]
      /** Compared as whole numbers: a bound that is met exactly is met. */
      const isMoreThan = (factor: number) => recent.broke * past.reached > factor * past.broke * recent.reached
      const difference = newcombe(recent.broke, recent.reached, past.broke, past.reached, Z99)
      return [
        {
          group: '',
          labels: { touchpoint },
          holds: recent.reached >= atLeast && isMoreThan(above) && (difference?.low ?? 0) > 0,
          isOver: !isMoreThan(recover),
          value: rate,
          since: null,
          text() {
            const [now, then] = [percentWords(rate), percentWords(before)]
            return {
              summary: `${now} of the chains break at ${touchpoint}, ${then} before`,
              description:
                `Of ${recent.reached} chains that reached ${touchpoint} and ended in the last ${over}, ${recent.broke} broke there: ${now}. ` +
                `In the ${against} before it was ${then} (${past.broke} of ${past.reached}).`,
              over: `${now} of the chains break at ${touchpoint}; in the ${against} before it was ${then}.`,
              placeholders: { touchpoint, value: now, past: then, over, against },
            }
          },
        },
      ]
    },
  }
}
