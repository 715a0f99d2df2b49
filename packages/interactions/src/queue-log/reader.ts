import { hash } from 'node:crypto'
import type { Interaction, Props } from '../interaction.ts'
import { type Rejection, show } from '../rejection.ts'
import { END_OF_TIME } from '../time.ts'
import { validate } from '../validate.ts'
import { type CallerRule, DEFAULT_CALLER_RULE, parseCallerRule } from './caller.ts'
import { type Meaning, QUEUE_LOG_EVENTS } from './events.ts'
import { parseQueueLogLine, type QueueLogLine, secondsIn } from './line.ts'
import { type Call, Calls, type QueueLogState, type Stay } from './memory.ts'

/**
 * Makes interactions of the lines of a queue log, with a memory of the calls that go on.
 *
 *     ENTERQUEUE ──▶ waiting ──CONNECT──▶ talking ──COMPLETE…, …TRANSFER──▶ over
 *                       └──ABANDON, EXIT…, …──────────────────────────────▶ over
 *
 * Each queue of a call has such a stay of its own, and the same queue again is a new one. An id is made of its line
 * alone: reading a part of a log again gives the same ids, and the same line twice is one event.
 */

export interface QueueLogOptions {
  /** Which customer a caller is: a template over `{caller}`, `{name}`, `{queue}`. Default: `DEFAULT_CALLER_RULE`. */
  readonly customer?: string
}

/** What became of a line. */
export type QueueLogResult =
  | { readonly kind: 'interactions'; readonly interactions: readonly Interaction[] }
  /** About no caller; or an end that was told before. */
  | { readonly kind: 'ignored' }
  | { readonly kind: 'rejected'; readonly rejection: Rejection }

/** How many lines gave no interaction, by the name of their event. */
export interface EventCounts {
  readonly ignored: Readonly<Record<string, number>>
  /** Not in the table of events: rejected as `unknown_event`. */
  readonly unknown: Readonly<Record<string, number>>
}

/** Names that are counted apart: a file of something else has any number of them. */
const COUNTED_AT_MOST = 100
const OTHERS = 'others'
/** Who waited longer when Asterisk started anew had left long before. */
const LONGEST_WAIT_MS = 3_600_000

type CallLine = QueueLogLine & { readonly callId: string }
type CallMeaning = Exclude<Meaning, { kind: 'ignored' | 'restarted' }>

export class QueueLogReader {
  readonly #customerOf: CallerRule
  readonly #calls: Calls
  readonly #ignored = new Map<string, number>()
  readonly #unknown = new Map<string, number>()

  /**
   * @param state what `state` said after the line before the next one
   * @throws {InvalidCallerRule}
   */
  constructor({ customer = DEFAULT_CALLER_RULE }: QueueLogOptions = {}, state?: QueueLogState) {
    this.#customerOf = parseCallerRule(customer)
    this.#calls = new Calls(state)
  }

  /** Reads the next line, without its end. Whether its instant lies in the future is left to who takes it in. */
  read(text: string): QueueLogResult {
    const line = parseQueueLogLine(text)
    if ('reason' in line) return { kind: 'rejected', rejection: line }
    const meaning = QUEUE_LOG_EVENTS.get(line.event)
    if (meaning === undefined) {
      count(this.#unknown, line.event)
      const expected = 'an event of the queue log, as ENTERQUEUE; docs/queue-log.md lists them'
      return rejected({ reason: 'unknown_event', field: 'event', expected, got: show(line.event) })
    }
    if (meaning.kind === 'ignored') return this.#ignore(line)
    if (meaning.kind === 'restarted') return this.#told(line, this.#restart(line))
    const { callId } = line
    if (callId === null) {
      return rejected({
        reason: 'malformed_queue_log',
        field: 'call id',
        expected: `the id of a call: ${line.event} is about one`,
        got: show(text),
      })
    }
    return this.#told(line, this.#follow({ ...line, callId }, meaning))
  }

  /** What it remembers, to go on from here in another process: JSON, to be written down before the next line is read. */
  state(): QueueLogState {
    return this.#calls.state()
  }

  counts(): EventCounts {
    return { ignored: Object.fromEntries(this.#ignored), unknown: Object.fromEntries(this.#unknown) }
  }

  #ignore({ event }: QueueLogLine): QueueLogResult {
    count(this.#ignored, event)
    return { kind: 'ignored' }
  }

  #told(line: QueueLogLine, inputs: readonly Interaction[]): QueueLogResult {
    const interactions: Interaction[] = []
    for (const input of inputs) {
      const checked = validate(input, { receivedAt: END_OF_TIME, idRequired: true })
      if (!checked.ok) return rejected(checked.rejection)
      interactions.push(checked.interaction)
    }
    return interactions.length === 0 ? this.#ignore(line) : { kind: 'interactions', interactions }
  }

  #follow(line: CallLine, meaning: CallMeaning): Interaction[] {
    const call = this.#calls.find(line.callId) ?? newCall()
    if (call.writtenAt !== line.at) call.lines = []
    if (call.lines.includes(line.digest)) return []
    const told = this.#meaningOf(line, meaning, call)
    if (told.length === 0) return []
    call.lines.push(line.digest)
    this.#calls.put(line.callId, call)
    return told
  }

  #meaningOf(line: CallLine, meaning: CallMeaning, call: Call): Interaction[] {
    const { queue, agent, data } = line
    const stay = stayIn(call, queue)
    const by = agent === null ? {} : { agent }
    switch (meaning.kind) {
      case 'entered': {
        const caller = { caller: data[meaning.caller] ?? '', name: data[meaning.name] ?? '', queue: queue ?? '' }
        call.customer = this.#customerOf(caller) ?? call.customer
        move(call, stay, { queue, stage: 'waiting', since: line.at })
        const position = data[meaning.position] ?? ''
        const props = /^\d{1,6}$/.test(position) ? { props: { position: Number(position) } } : {}
        return [interaction(line, call, 'call_queue', props)]
      }
      case 'turned_away': {
        move(call, stay, { queue, stage: 'over', since: line.at })
        const props = { turnedAway: meaning.why, event: line.event }
        return [interaction(line, call, 'call_queue', { reaction: 'negative', props })]
      }
      case 'answered': {
        const waited = waitOf(line, meaning.wait, stay)
        move(call, stay, { queue, stage: 'talking', since: line.at })
        return [interaction(line, call, 'call_wait', { ...waited, ...by })]
      }
      case 'gave_up':
      case 'left': {
        // The same end is told twice by some (EXITEMPTY, then LEAVEEMPTY), and a wait ends once.
        if (stay !== undefined && stay.stage !== 'waiting') return []
        const waited = waitOf(line, meaning.wait, stay)
        move(call, stay, { queue, stage: 'over', since: line.at })
        return [interaction(line, call, 'call_wait', { ...waited, ...endOf(meaning, data) })]
      }
      case 'talked':
      case 'transferred': {
        if (stay?.stage === 'over') return []
        const durationMs = secondsIn(data.at(meaning.talk)) ?? since(line, stay, 'talking')
        move(call, stay, { queue, stage: 'over', since: line.at })
        const endedBy = meaning.kind === 'talked' ? { props: { endedBy: meaning.endedBy } } : {}
        const answer = interaction(line, call, 'call_answer', { ...measured({ durationMs }), ...by, ...endedBy })
        if (meaning.kind === 'talked') return [answer]
        const to = data.slice(...meaning.to).filter((part) => part !== '')
        const props = to.length === 0 ? {} : { props: { to: to.join(meaning.join) } }
        return [answer, interaction(line, call, 'call_transfer', { ...by, ...props })]
      }
    }
  }

  /** Who waited waits no more. When the connection broke nobody wrote down, so the wait has no length. */
  #restart(line: QueueLogLine): Interaction[] {
    return this.#calls.clear().flatMap(([callId, call]) =>
      call.stays
        .filter(({ stage, since }) => stage === 'waiting' && Math.abs(line.at - since) <= LONGEST_WAIT_MS)
        .map(({ queue, since }) => {
          const digest = hash('sha256', JSON.stringify([line.digest, callId, queue, since]), 'hex').slice(0, 32)
          return interaction({ ...line, callId, queue, digest }, call, 'call_wait', {
            reaction: 'negative',
            props: { ended: 'system' },
          })
        }),
    )
  }
}

/** All lines of a log at once. */
export interface QueueLogReading extends EventCounts {
  readonly interactions: readonly Interaction[]
  /** `line` is 1-based. */
  readonly rejected: readonly { readonly line: number; readonly text: string; readonly rejection: Rejection }[]
}

/**
 * Reads lines of a queue log, in their order; blank ones are passed over.
 * @throws {InvalidCallerRule}
 */
export function readQueueLog(lines: Iterable<string>, options: QueueLogOptions = {}): QueueLogReading {
  const reader = new QueueLogReader(options)
  const interactions: Interaction[] = []
  const refused: QueueLogReading['rejected'][number][] = []
  let number = 0
  for (const text of lines) {
    number++
    if (text.trim() === '') continue
    const result = reader.read(text)
    if (result.kind === 'interactions') interactions.push(...result.interactions)
    if (result.kind === 'rejected') refused.push({ line: number, text, rejection: result.rejection })
  }
  return { interactions, rejected: refused, ...reader.counts() }
}

function newCall(): Call {
  return { customer: null, wasAnonymous: false, writtenAt: -1, usedAt: -1, lines: [], stays: [] }
}

/** The newest stay in a queue. */
function stayIn(call: Call, queue: string | null): Stay | undefined {
  return call.stays.find((stay) => stay.queue === queue)
}

function move(call: Call, from: Stay | undefined, to: Stay): void {
  call.stays = [...call.stays.filter((stay) => stay !== from), to]
}

/**
 * An interaction of a call. Lines of one call that carry the same second keep their order: each is a millisecond later
 * than the one before.
 */
function interaction(line: CallLine, call: Call, touchpoint: string, fields: Partial<Interaction>): Interaction {
  const at = call.writtenAt === line.at ? call.usedAt + 1 : line.at
  call.writtenAt = line.at
  call.usedAt = at
  const anonymousId = `call:${line.callId}`
  const customer = call.customer === null ? {} : { customer: call.customer }
  // Both ids, once: what was told before belongs to the customer as well.
  const anonymous = call.customer === null || call.wasAnonymous ? { anonymousId } : {}
  call.wasAnonymous = call.customer === null
  return {
    id: `${line.digest}-${touchpoint.slice('call_'.length)}`,
    ...customer,
    ...anonymous,
    touchpoint,
    at,
    episode: line.callId,
    channel: 'phone',
    ...(line.queue === null ? {} : { queue: line.queue }),
    ...fields,
  }
}

/** How long the wait was: as the line says it, else by the clock, which may have jumped. */
function waitOf(line: CallLine, place: number | null, stay: Stay | undefined): { readonly waitMs?: number } {
  const told = place === null ? null : secondsIn(line.data[place])
  return measured({ waitMs: told ?? since(line, stay, 'waiting') })
}

/** Null where it is not known when that began, or the clock jumped. */
function since(line: CallLine, stay: Stay | undefined, stage: Stay['stage']): number | null {
  return stay?.stage === stage && line.at >= stay.since ? line.at - stay.since : null
}

function measured<Name extends string>(of: Readonly<Record<Name, number | null>>): Partial<Record<Name, number>> {
  return Object.fromEntries(Object.entries(of).filter(([, ms]) => ms !== null)) as Partial<Record<Name, number>>
}

function endOf(
  meaning: Extract<Meaning, { kind: 'gave_up' | 'left' }>,
  data: readonly string[],
): Pick<Interaction, 'outcome' | 'reaction' | 'props'> {
  if (meaning.kind === 'gave_up') return { outcome: 'abandoned' }
  const { ended, key } = meaning
  const pressed = key === undefined ? '' : (data[key] ?? '')
  const props: Props = pressed === '' ? { ended } : { ended, key: pressed }
  // Who presses a key chose that; else it is the company that let the caller down.
  return ended === 'key' ? { props } : { reaction: 'negative', props }
}

function count(counts: Map<string, number>, event: string): void {
  const name = counts.has(event) || counts.size < COUNTED_AT_MOST ? event.slice(0, 80) : OTHERS
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function rejected(rejection: Rejection): QueueLogResult {
  return { kind: 'rejected', rejection }
}
