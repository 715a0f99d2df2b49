import type { AbandonRateCondition, AverageWaitCondition, ServiceLevelCondition } from '../rules/rule.ts'
import type { EndedWait } from './calls.ts'
import type { Level, ReadingText } from './level.ts'
import { Window } from './window.ts'
import { counted, durationWords, percentWords } from './words.ts'

/** Rates over the calls whose wait ended in the last minutes. */

/** More queues than a company has: what comes beyond is a mistake in the data, and must not fill the memory. */
const MOST_QUEUES = 2_000

interface Measure {
  /** What a wait adds; null: it does not count. */
  part(wait: EndedWait): number | null
  readonly bound: number
  /** Null at the bound itself: as good as it was asked for. */
  isBeyond(value: number, bound: number): boolean
  /** In the unit of an alert's value. */
  value(measured: number): number
  text(measured: number, calls: number, part: number, where: string): Omit<ReadingText, 'placeholders'>
  /** Placeholders of its own. */
  placeholders(measured: number): Readonly<Record<string, string>>
}

export function serviceLevel(rule: ServiceLevelCondition): Level {
  const within = durationWords(rule.withinMs)
  return overCalls(rule, {
    part: ({ how, waitMs }) => (how === 'other' ? null : Number(how === 'answered' && waitMs <= rule.withinMs)),
    bound: rule.below,
    isBeyond: (value, bound) => value < bound,
    value: (measured) => measured,
    text: (measured, calls, part, where) => ({
      summary: `Only ${percentWords(measured)} of the calls${where} were answered within ${within}`,
      description: `Of ${counted(calls, 'call')}${where} that were answered or given up, ${part} were answered within ${within}; expected at least ${percentWords(rule.below)}.`,
      over: `${percentWords(measured)} of the calls${where} were answered within ${within}.`,
    }),
    placeholders: (measured) => ({ value: percentWords(measured), bound: percentWords(rule.below), within }),
  })
}

export function abandonRate(rule: AbandonRateCondition): Level {
  return overCalls(rule, {
    part: ({ how }) => (how === 'other' ? null : Number(how === 'abandoned')),
    bound: rule.above,
    isBeyond: (value, bound) => value > bound,
    value: (measured) => measured,
    text: (measured, calls, part, where) => ({
      summary: `${percentWords(measured)} of the callers${where} gave up`,
      description: `Of ${counted(calls, 'caller')}${where}, ${part} hung up before anybody answered; expected at most ${percentWords(rule.above)}.`,
      over: `${percentWords(measured)} of the callers${where} gave up.`,
    }),
    placeholders: (measured) => ({ value: percentWords(measured), bound: percentWords(rule.above) }),
  })
}

export function averageWait(rule: AverageWaitCondition): Level {
  return overCalls(rule, {
    part: ({ waitMs }) => waitMs,
    bound: rule.above,
    isBeyond: (value, bound) => value > bound,
    value: (measured) => measured / 1_000,
    text: (measured, calls, _, where) => ({
      summary: `Callers${where} wait ${durationWords(measured)} on average`,
      description: `${counted(calls, 'wait')}${where} took ${durationWords(measured)} on average; expected at most ${durationWords(rule.above)}.`,
      over: `Waits${where} took ${durationWords(measured)} on average.`,
    }),
    placeholders: (measured) => ({ value: durationWords(measured), bound: durationWords(rule.above) }),
  })
}

function overCalls(rule: ServiceLevelCondition | AbandonRateCondition | AverageWaitCondition, measure: Measure): Level {
  const { overMs, atLeast, recover, perQueue, queues } = rule
  const windows = new Map<string, Window>()
  const over = durationWords(overMs)
  return {
    gone: `No call has ended there in the last ${over}.`,
    count(wait, now) {
      if (queues !== null && (wait.queue === null || !queues.includes(wait.queue))) return
      const part = measure.part(wait)
      if (part === null) return
      const group = perQueue ? (wait.queue ?? '') : ''
      let window = windows.get(group)
      if (window === undefined) {
        if (windows.size >= MOST_QUEUES) return
        window = new Window(overMs)
        windows.set(group, window)
      }
      window.add(wait.at, part, now)
    },
    read(now) {
      return [...windows].flatMap(([group, window]) => {
        const { calls, part } = window.sum(now)
        if (calls === 0) {
          if (window.isEmpty) windows.delete(group)
          return []
        }
        const measured = part / calls
        // Of few calls nothing can be concluded, but that they went well is enough for an alert to be over.
        return {
          group,
          labels: queueLabels(perQueue, group, queues),
          holds: calls >= atLeast && measure.isBeyond(measured, measure.bound),
          isOver: !measure.isBeyond(measured, recover),
          value: measure.value(measured),
          since: null,
          text() {
            const where = inQueue(perQueue, group, queues)
            const { summary, description, over: past } = measure.text(measured, calls, part, where)
            const own = measure.placeholders(measured)
            const queue = queueWords(perQueue, group, queues)
            return {
              summary,
              description: `${description.slice(0, -1)} (last ${over}).`,
              over: `${past.slice(0, -1)} (last ${over}, ${counted(calls, 'call')}).`,
              placeholders: { ...own, queue, over, calls: String(calls) },
            }
          },
        }
      })
    },
  }
}

/** Of a rule for each queue, or of one about a single queue. */
export function queueLabels(
  perQueue: boolean,
  group: string,
  queues: readonly string[] | null,
): Readonly<Record<string, string>> {
  const queue = perQueue ? group : queues?.length === 1 ? queues[0] : ''
  return queue ? { queue } : {}
}

/** ` in support`; nothing where all queues are meant. */
export function inQueue(perQueue: boolean, group: string, queues: readonly string[] | null): string {
  return perQueue || queues !== null ? ` in ${queueWords(perQueue, group, queues)}` : ''
}

export function queueWords(perQueue: boolean, group: string, queues: readonly string[] | null): string {
  if (perQueue) return group === '' ? 'no queue' : group
  return queues === null ? 'all queues' : queues.join(', ')
}
