import { calendar, hoursText } from '../calendar.ts'
import type { AbsenceCondition } from '../rules/rule.ts'
import type { Level } from './level.ts'
import { durationWords, instantWords } from './words.ts'

/**
 * Nothing at a touchpoint for so long. Outside of its hours nothing is expected: silence counts from when they begin, and an
 * alert is over when they end.
 */
export function absence({ touchpoint, forMs, between }: AbsenceCondition, logBegan: number): Level {
  const hours = between === null ? null : calendar(between)
  /** Of the touchpoint, or as far back as can be known. */
  let newest = logBegan
  return {
    gone: 'The hours in which one is expected are over.',
    meet({ touchpoint: where, at }, now) {
      // A clock that is ahead must not hide what is missing.
      if (where === touchpoint) newest = Math.max(Math.min(newest, now), Math.min(at, now))
    },
    read(now) {
      const began = hours === null ? Number.NEGATIVE_INFINITY : hours.beganWithin(now)
      if (began === null) return []
      const due = Math.max(began, newest) + forMs
      const holds = now >= due
      const since = holds && due > Number.NEGATIVE_INFINITY ? due : null
      return [
        {
          group: '',
          labels: { touchpoint },
          holds,
          isOver: !holds,
          value: newest > logBegan ? Math.max(0, now - newest) / 1_000 : null,
          since,
          text() {
            const words = durationWords(forMs)
            const seen = newest > logBegan ? `The last one was at ${instantWords(newest)}.` : 'None is known.'
            const expected = between === null ? '' : ` One is expected in these hours: ${hoursText(between)}.`
            return {
              summary: `No ${touchpoint} for ${words}`,
              description: `Nothing has happened at ${touchpoint} for ${words}. ${seen}${expected}`,
              over: `Something happened at ${touchpoint} again, at ${instantWords(newest)}.`,
              placeholders: { touchpoint, for: words },
            }
          },
        },
      ]
    },
  }
}
