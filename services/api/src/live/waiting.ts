import type { WaitingCall, WaitingChange } from '@weaklink/chains'
import { type Call, eventOf, instantText, type LiveEvent } from './events.ts'

/** A call that waits, as the live stream tells it. */
export function callOf({ customer, anonymousId, episode, queue, touchpoint, since }: WaitingCall): Call {
  return { customer, anonymousId, episode, queue, touchpoint, since: instantText(since) }
}

export function eventOfWaiting(change: WaitingChange): LiveEvent {
  const { state, call } = change
  const people = [call.customer, call.anonymousId]
  if (state === 'began') return eventOf('waiting', people, call.touchpoint, { state, ...callOf(call) })
  const { by } = change
  return eventOf('waiting', [...people, by?.customer, by?.anonymousId], call.touchpoint, {
    state,
    ...callOf(call),
    endedAt: by === null ? null : instantText(by.at),
    endedBy: by?.touchpoint ?? null,
    outcome: by?.outcome ?? null,
    waitedMs: by === null ? null : by.at - call.since,
  })
}
