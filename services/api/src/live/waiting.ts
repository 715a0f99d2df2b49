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
  return eventOf('waiting', [...people, change.by?.customer, change.by?.anonymousId], call.touchpoint, {
    state,
    ...callOf(call),
    ...endOf(change),
  })
}

/** How a wait ended. How long it was says the one who counted it, where that came: their clock may have jumped meanwhile. */
export function endOf({ call, by }: Extract<WaitingChange, { readonly state: 'ended' }>) {
  return {
    endedAt: by === null ? null : instantText(by.at),
    endedBy: by?.touchpoint ?? null,
    outcome: by?.outcome ?? null,
    waitedMs: by === null ? null : (by.waitMs ?? Math.max(0, by.at - call.since)),
  }
}
