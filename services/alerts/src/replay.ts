import { LONGEST_WAIT_MS } from '@weaklink/chains'
import type { EventLog } from '@weaklink/event-log'
import { MAX_AHEAD_MS } from '@weaklink/interactions'
import type { Alert } from './alert.ts'
import { Engine } from './engine/engine.ts'
import { type Change, Remembered } from './engine/remembered.ts'
import { InteractionsReader } from './interactions-reader.ts'
import { concerns, lookBackMs, type Rule } from './rules/rule.ts'

const SECOND_MS = 1_000

/** What rules would have said of a time that is past. */
export interface Replay {
  /** As it would have been told, in that order: each alert when it began and, where it did, when it was over. */
  readonly told: readonly { readonly at: number; readonly alert: Alert }[]
  /** What stood in the log then: the touchpoints that rules name, and all queues. */
  readonly seen: { readonly touchpoints: ReadonlySet<string>; readonly queues: ReadonlySet<string> }
}

/**
 * What the rules would have said of what the log took in between two instants (epoch milliseconds), by the same core as the
 * service, evaluated at the same instants. Rules about breaks say nothing: the store knows only how things are now.
 *
 * @throws LogError
 */
export async function replay(log: EventLog, rules: readonly Rule[], from: number, to: number): Promise<Replay> {
  const touchpoints = new Set<string>()
  const queues = new Set<string>()
  const told: { at: number; alert: Alert }[] = []
  const take = (at: number, { alerts }: Change) => {
    for (const alert of alerts) told.push({ at, alert })
  }
  const back = Math.max(LONGEST_WAIT_MS, ...rules.map(lookBackMs)) + MAX_AHEAD_MS
  const reader = await InteractionsReader.open(log, concerns(rules, ['absence', 'breakRate']), from - back, to)
  // Of the time before the log there is nothing to say.
  const begins = Math.min(Math.max(from, reader.logBegan), to)
  const engine = new Engine(rules, new Remembered([], begins), reader.logBegan)
  let now = from - back
  let isBegun = false
  const advance = (until: number) => {
    if (until >= begins && !isBegun) {
      isBegun = true
      now = begins
      take(now, engine.resume(now))
    }
    while (isBegun) {
      const second = now - (now % SECOND_MS) + SECOND_MS
      const next = Math.min(second, Math.max(engine.nextAt, now))
      if (next > until) break
      now = next
      take(now, next === second ? engine.evaluate(now) : engine.evaluateCalls(now))
    }
    now = Math.max(now, until)
  }
  read: for await (const batch of reader.read()) {
    for (const { fact, isCopy, receivedAt } of batch) {
      if (receivedAt > to) break read
      if (receivedAt > now) advance(receivedAt)
      if (fact.kind === 'interaction') {
        const { touchpoint, queue } = fact.interaction
        touchpoints.add(touchpoint)
        if (queue !== undefined) queues.add(queue)
      }
      // Whatever was told late: it is about what happened.
      engine.meet(fact, isCopy, now, Number.NEGATIVE_INFINITY)
      if (isBegun) take(now, engine.evaluateCalls(now))
    }
  }
  advance(to)
  return { told, seen: { touchpoints, queues } }
}
