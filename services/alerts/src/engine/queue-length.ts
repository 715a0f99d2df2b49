import type { QueueLengthCondition } from '../rules/rule.ts'
import { inQueue, queueLabels, queueWords } from './call-rates.ts'
import type { Calls } from './calls.ts'
import type { Level, Reading } from './level.ts'
import { counted } from './words.ts'

/** How many calls wait now. */
export function queueLength(rule: QueueLengthCondition, calls: Calls): Level {
  const { above, recover, perQueue, queues } = rule
  const reading = (group: string, length: number): Reading => ({
    group,
    labels: queueLabels(perQueue, group, queues),
    holds: length > above,
    isOver: length <= recover,
    value: length,
    since: null,
    text() {
      const where = inQueue(perQueue, group, queues)
      const waiting = `${counted(length, 'caller')} ${length === 1 ? 'waits' : 'wait'}`
      return {
        summary: `${waiting}${where}`,
        description: `${waiting}${where} at the same time; expected at most ${above}.`,
        over: `${waiting}${where} now.`,
        placeholders: { queue: queueWords(perQueue, group, queues), value: String(length), bound: String(above) },
      }
    },
  })
  return {
    gone: 'Nobody waits there any more.',
    read() {
      const lengths = [...calls.lengths].filter(
        ([queue]) => queues === null || (queue !== null && queues.includes(queue)),
      )
      if (perQueue) return lengths.map(([queue, length]) => reading(queue ?? '', length))
      return [
        reading(
          '',
          lengths.reduce((sum, [, length]) => sum + length, 0),
        ),
      ]
    },
  }
}
