import {
  type Fact,
  type IdentityLink,
  type Interaction,
  type Person,
  personKey,
  personOf,
  type RawRecord,
  RECORD_HEADER,
} from '@weaklink/interactions'

/** A call enters a queue here … */
const ENTERS = 'call_queue'
/** … and this is its wait, when it is over. */
const WAITED = 'call_wait'
/** Only what happens on the phone: who waits may well look at the site meanwhile. */
const PHONE = 'call_'
/** Who waits longer was forgotten by somebody: the call did not say that it ended. */
export const LONGEST_WAIT_MS = 3_600_000
const MOST_WAITS = 200_000
/** Calls that wait no more and are kept in mind, so that what comes late or again begins no wait that never ends. */
const MOST_ENDED = 50_000
const MOST_LINKS = 50_000
/** Beyond these limits, before what is too much is forgotten. */
const AT_ONCE = 5_000
/** Queues entered, and waits ended, that are kept in mind of one call. */
const MOST_STEPS = 50

/** A call that waits in a queue. */
export interface WaitingCall {
  /** Of the interaction by which it entered the queue. */
  readonly id: string
  readonly customer: string | null
  readonly anonymousId: string | null
  readonly episode: string
  readonly queue: string | null
  readonly touchpoint: string
  /** When it entered, epoch milliseconds. */
  readonly since: number
}

/** A wait ends as it was told to begin, also where more is known of who waited by then: `calls` says that. */
export type WaitingChange =
  | { readonly state: 'began'; readonly call: WaitingCall }
  /** `by`: what ended it; null where nothing was heard for so long that it was given up, or a link told that it had ended. */
  | { readonly state: 'ended'; readonly call: WaitingCall; readonly by: Interaction | null }

/** A queue that was entered, or a wait that ended. */
interface Step {
  readonly id: string
  /** Empty where none was named. */
  readonly queue: string
  readonly at: number
  readonly anonymousId: string | null
}

/** What is kept in mind of one call: the same, in whatever order it was heard. */
interface Call {
  readonly person: Person
  readonly episode: string
  /** By instant, then by id. */
  readonly entered: Step[]
  readonly waited: Step[]
  /** The newest instant of anything else. */
  elsewhereAt: number
  /** The newest instant of all. */
  newestAt: number
  waiting: WaitingCall | null
  /** As it was told when it began: whoever waits may become known meanwhile. */
  told: WaitingCall | null
}

/**
 * Who waits in a queue now, as the interactions say it, in whatever order they come, however often.
 *
 *     call_queue ──▶ waiting ──(its call_wait, anything later of the call, an hour)──▶ ended
 *
 * A call is an episode of a person. Of one queue, the first `call_wait` ends the first `call_queue`, the second the second,
 * whatever their instants are (clocks jump). Otherwise the newest `call_queue` waits as long as the call has nothing later:
 * another `call_wait`, `call_answer`, `call_transfer` …; what happens at the same instant is not later, because many logs
 * count in seconds and a call leaves one queue and enters the next within one.
 */
export class Waiting {
  /** By person and episode. */
  readonly #calls = new Map<string, Call>()
  /** Those that wait; first the ones that were heard of first. */
  readonly #waiting = new Set<Call>()
  /** The others. */
  readonly #ended = new Set<Call>()
  /** Those of people who are not known yet, by anonymous id. */
  readonly #ofAnonymous = new Map<string, Set<Call>>()
  /** Who they turned out to be. */
  readonly #customerOf = new Map<string, { readonly customer: string; readonly heardAt: number }>()

  /**
   * What a record of the log changes: interactions, also the copies of those that were moved to a customer, and links.
   *
   * @param now epoch milliseconds
   */
  take(fact: Fact, now: number): WaitingChange[] {
    switch (fact.kind) {
      case 'interaction':
        return this.meet(fact.interaction, now)
      case 'link':
        return this.#link(fact.link, now)
      case 'unlink':
        this.#customerOf.delete(fact.anonymousId)
        return []
      default:
        return []
    }
  }

  /**
   * What an interaction changes.
   *
   * @param now epoch milliseconds; a call of long ago (an import) waits no more
   */
  meet(interaction: Interaction, now: number): WaitingChange[] {
    const { episode, touchpoint, at, customer, anonymousId } = interaction
    if (episode === undefined || !touchpoint.startsWith(PHONE)) return []
    const linked = customer === undefined || anonymousId === undefined ? [] : this.#link({ anonymousId, customer }, now)
    const person = this.#known(personOf(interaction))
    const known = this.#calls.get(keyOf(person, episode))
    if (known === undefined && at < now - LONGEST_WAIT_MS) return linked
    const call = known ?? this.#begin(person, episode)
    learn(call, interaction)
    return [...linked, ...this.#judge(call, [call.told], interaction, now), ...this.#keepWithin()]
  }

  /** All calls that wait. */
  calls(): WaitingCall[] {
    const calls: WaitingCall[] = []
    for (const { waiting } of this.#waiting) if (waiting !== null) calls.push(waiting)
    return calls
  }

  /** Ends what nobody ended. */
  expire(now: number): WaitingChange[] {
    const oldest = now - LONGEST_WAIT_MS
    const changes: WaitingChange[] = []
    for (const call of this.#waiting) {
      if (call.told !== null && call.told.since < oldest) changes.push(this.#giveUp(call, call.told))
    }
    for (const call of this.#ended) {
      // What could still come late is too old to wait.
      if (call.newestAt >= oldest) break
      this.#forget(call)
    }
    for (const [anonymousId, { heardAt }] of this.#customerOf) {
      if (heardAt >= oldest) break
      this.#customerOf.delete(anonymousId)
    }
    return changes
  }

  /** Somebody anonymous turns out to be a customer: their calls are the customer's. The first word counts. */
  #link({ anonymousId, customer }: Omit<IdentityLink, 'id'>, now: number): WaitingChange[] {
    if (this.#customerOf.has(anonymousId)) return []
    this.#customerOf.set(anonymousId, { customer, heardAt: now })
    const changes: WaitingChange[] = []
    for (const call of this.#ofAnonymous.get(anonymousId) ?? []) {
      this.#forget(call)
      const person = { kind: 'customer', customer } as const
      const known = this.#calls.get(keyOf(person, call.episode))
      const joined = known ?? this.#begin(person, call.episode)
      const before = known === undefined ? [call.told] : [call.told, known.told]
      for (const step of call.entered) addStep(joined, 'entered', step)
      for (const step of call.waited) addStep(joined, 'waited', step)
      joined.elsewhereAt = Math.max(joined.elsewhereAt, call.elsewhereAt)
      joined.newestAt = Math.max(joined.newestAt, call.newestAt)
      changes.push(...this.#judge(joined, before, null, now))
    }
    return [...changes, ...this.#keepWithin()]
  }

  #known(person: Person): Person {
    const known = person.kind === 'anonymous' ? this.#customerOf.get(person.customer) : undefined
    return known === undefined ? person : { kind: 'customer', customer: known.customer }
  }

  #begin(person: Person, episode: string): Call {
    const nothing = Number.NEGATIVE_INFINITY
    const times = { elsewhereAt: nothing, newestAt: nothing }
    const call: Call = { person, episode, entered: [], waited: [], ...times, waiting: null, told: null }
    this.#calls.set(keyOf(person, episode), call)
    if (person.kind === 'anonymous') {
      const others = this.#ofAnonymous.get(person.customer)
      if (others === undefined) this.#ofAnonymous.set(person.customer, new Set([call]))
      else others.add(call)
    }
    return call
  }

  #forget(call: Call): void {
    const { person, episode } = call
    this.#calls.delete(keyOf(person, episode))
    this.#waiting.delete(call)
    this.#ended.delete(call)
    if (person.kind !== 'anonymous') return
    const others = this.#ofAnonymous.get(person.customer)
    others?.delete(call)
    if (others?.size === 0) this.#ofAnonymous.delete(person.customer)
  }

  /** Whether a call waits now that more is known of it. `before`: what was told to wait of it. */
  #judge(call: Call, before: readonly (WaitingCall | null)[], by: Interaction | null, now: number): WaitingChange[] {
    const next = waitOf(call, now)
    const told = before.filter((one) => one !== null)
    const same = told.find(({ id }) => id === next?.id)
    call.waiting = next
    call.told = same ?? next
    if (next !== null) this.#waiting.add(call)
    else this.#waiting.delete(call)
    // Those first of which nothing was heard for longest.
    this.#ended.delete(call)
    if (next === null) this.#ended.add(call)
    const changes: WaitingChange[] = told
      .filter(({ id }) => id !== next?.id)
      .map((one) => ({ state: 'ended', call: one, by }))
    if (next !== null && same === undefined) changes.push({ state: 'began', call: next })
    return changes
  }

  /** What is too much goes, the oldest first, and much at once: to find the first of a set from which the first was taken is slow. */
  #keepWithin(): WaitingChange[] {
    const changes: WaitingChange[] = []
    if (this.#ended.size > MOST_ENDED + AT_ONCE) {
      for (const call of this.#ended) {
        this.#forget(call)
        if (this.#ended.size <= MOST_ENDED) break
      }
    }
    if (this.#customerOf.size > MOST_LINKS + AT_ONCE) {
      for (const anonymousId of this.#customerOf.keys()) {
        this.#customerOf.delete(anonymousId)
        if (this.#customerOf.size <= MOST_LINKS) break
      }
    }
    if (this.#waiting.size > MOST_WAITS + AT_ONCE) {
      for (const call of this.#waiting) {
        if (call.told !== null) changes.push(this.#giveUp(call, call.told))
        if (this.#waiting.size <= MOST_WAITS) break
      }
    }
    return changes
  }

  #giveUp(call: Call, told: WaitingCall): WaitingChange {
    this.#forget(call)
    return { state: 'ended', call: told, by: null }
  }
}

/**
 * Whether a record of the interactions log may change who waits, without reading it: of an hour of a busy log, nearly none.
 * Never false where it does.
 */
export function concernsWaiting({ value, headers }: Pick<RawRecord, 'value' | 'headers'>): boolean {
  if (headers[RECORD_HEADER] !== undefined) return true
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  // JSON may write any letter as `\u…`.
  return bytes.includes(PHONE_BYTES) || bytes.includes(ESCAPE_BYTES)
}

const PHONE_BYTES = Buffer.from(PHONE)
const ESCAPE_BYTES = Buffer.from('\\u')

function learn(call: Call, interaction: Interaction): void {
  const { id, touchpoint, at, queue = '', anonymousId = null } = interaction
  call.newestAt = Math.max(call.newestAt, at)
  if (entersQueue(interaction)) addStep(call, 'entered', { id, queue, at, anonymousId })
  else if (touchpoint === WAITED) addStep(call, 'waited', { id, queue, at, anonymousId })
  else call.elsewhereAt = Math.max(call.elsewhereAt, at)
}

/** Who was turned away (the queue is closed or full) does not wait. */
function entersQueue({ touchpoint, outcome = 'continued', props }: Interaction): boolean {
  return touchpoint === ENTERS && outcome === 'continued' && props?.turnedAway === undefined
}

/** In its place; a repeat changes nothing. */
function addStep(call: Call, kind: 'entered' | 'waited', step: Step): void {
  const steps = call[kind]
  if (steps.some(({ id }) => id === step.id)) return
  const after = steps.findIndex((other) => isBefore(step, other))
  steps.splice(after < 0 ? steps.length : after, 0, step)
  if (steps.length <= MOST_STEPS) return
  // The oldest goes, with what stands for the same wait.
  const [oldest] = steps
  for (const those of [call.entered, call.waited]) {
    const first = those.findIndex(({ queue }) => queue === oldest?.queue)
    if (first >= 0) those.splice(first, 1)
  }
}

function isBefore(one: Step, other: Step): boolean {
  return one.at < other.at || (one.at === other.at && one.id < other.id)
}

/** The wait that is not over. */
function waitOf({ person, episode, entered, waited, elsewhereAt }: Call, now: number): WaitingCall | null {
  const open = entered.findLast(({ queue }) => countOf(entered, queue) > countOf(waited, queue))
  if (open === undefined || open.at < now - LONGEST_WAIT_MS) return null
  if (elsewhereAt > open.at || (waited.at(-1)?.at ?? open.at) > open.at) return null
  const isCustomer = person.kind === 'customer'
  return {
    id: open.id,
    customer: isCustomer ? person.customer : null,
    anonymousId: isCustomer ? open.anonymousId : person.customer,
    episode,
    queue: open.queue === '' ? null : open.queue,
    touchpoint: ENTERS,
    since: open.at,
  }
}

function countOf(steps: readonly Step[], queue: string): number {
  let count = 0
  for (const step of steps) if (step.queue === queue) count += 1
  return count
}

function keyOf(person: Person, episode: string): string {
  return `${personKey(person)}\u0000\u0000${episode}`
}
