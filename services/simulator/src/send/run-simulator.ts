import { setTimeout as sleep } from 'node:timers/promises'
import { DAY } from '../company/local-time.ts'
import { type Occurrence, type SimulateOptions, simulate } from '../company/simulate.ts'
import { Lane } from './lane.ts'
import { post, type Refusal, type Target } from './post.ts'

export interface SimulatorOptions extends Pick<SimulateOptions, 'seed' | 'weakLinks' | 'utcOffsetHours'> {
  /** Of the collector, as http://127.0.0.1:8787. */
  readonly url: string
  readonly writeKey: string
  /** The days that lie behind when it begins, and how many people came for the first time on an average one. */
  readonly history: { readonly days: number; readonly customersPerDay: number }
  /**
   * How the company goes on; absent: not at all. From then on it has `speed` branches (a whole number), each with its
   * own phone line and quoting desk and with `customersPerDay` new people a day (those of the history where absent). So
   * more happens a minute, while rates and waits stay, and what takes an hour takes an hour.
   */
  readonly live?: { readonly speed: number; readonly customersPerDay?: number }
  /** Epoch milliseconds. */
  readonly now?: () => number
  /** Ends it: what is under way is finished, nothing else is sent. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: SimulatorProgress) => void
  readonly fetch?: typeof fetch
}

export interface SimulatorCounts {
  /** Interactions that the collector has answered for: accepted and rejected. */
  readonly sent: number
  readonly accepted: number
  readonly rejected: number
}

export interface SimulatorProgress extends SimulatorCounts {
  readonly phase: 'history' | 'live'
  /** Up to this instant everything was handed on to be sent. */
  readonly at: number
  /** Why the collector takes nothing at the moment, null where it does. */
  readonly trouble: string | null
  /** What the last batch with a refusal was refused for, the first of it. */
  readonly refusal: Refusal | null
}

/** Requests in flight. */
const LANES = 4
/** What happens live within this time goes out together. */
const TOGETHER_MS = 100

/**
 * A company that lives: sends its history up to now to a collector as fast as it is taken, then what happens when it
 * happens, until the signal. No `at` is ever ahead of `now`. Nothing is lost or doubled, whatever becomes of requests,
 * and what happens to one person arrives in order. The company's customers of the history go on living.
 *
 * @throws RefusedError where the collector refuses requests as such (a wrong key); RangeError for wrong numbers
 */
export async function runSimulator(options: SimulatorOptions): Promise<SimulatorCounts> {
  const { seed, history, live, weakLinks, utcOffsetHours, now = Date.now } = options
  const begin = now()
  const occurrences = simulate({
    seed,
    start: begin - Math.round(history.days * DAY),
    customersPerDay: history.customersPerDay,
    ...(live === undefined
      ? { end: begin }
      : {
          later: {
            from: begin,
            branches: live.speed,
            customersPerDay: live.customersPerDay ?? history.customersPerDay,
          },
        }),
    ...(weakLinks === undefined ? {} : { weakLinks }),
    ...(utcOffsetHours === undefined ? {} : { utcOffsetHours }),
  })

  // Of our own, so that what fails in one lane ends the waiting in the others.
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([stop.signal, options.signal])
  const sender = new Sender(options, signal)
  try {
    await sendAll(occurrences, begin, now, sender, signal)
  } catch (error) {
    stop.abort()
    await sender.drain().catch(() => {})
    if (options.signal?.aborted !== true) throw error
  }
  return sender.counts
}

async function sendAll(
  occurrences: Iterable<Occurrence>,
  begin: number,
  now: () => number,
  sender: Sender,
  signal: AbortSignal,
): Promise<void> {
  for (const occurrence of occurrences) {
    signal.throwIfAborted()
    const { at } = occurrence
    if (at > begin && !sender.isLive) {
      await sender.drain()
      sender.goLive()
    }
    if (at > now()) {
      sender.flush()
      // An instant later than the next one, so that what follows closely goes out with it.
      await sleepUntil(at + TOGETHER_MS, now, signal)
    }
    await sender.put(occurrence)
  }
  await sender.drain()
}

/** Looks at the clock again and again: it may be set, or stand still while a computer sleeps. */
async function sleepUntil(instant: number, now: () => number, signal: AbortSignal): Promise<void> {
  for (let left = instant - now(); left > 0; left = instant - now()) {
    await sleep(Math.min(left, 1_000), undefined, { signal })
  }
}

/** The lanes, and the counts of what they sent. */
class Sender {
  #phase: SimulatorProgress['phase'] = 'history'
  readonly #lanes: readonly Lane[]
  readonly #onProgress: SimulatorOptions['onProgress']
  #counts = { sent: 0, accepted: 0, rejected: 0 }
  #at = 0
  #trouble: string | null = null
  #refusal: Refusal | null = null

  constructor({ url, writeKey, fetch = globalThis.fetch, onProgress }: SimulatorOptions, signal: AbortSignal) {
    this.#onProgress = onProgress
    const onTrouble = (why: string) => {
      this.#trouble = why
      this.#tell()
    }
    const target: Target = { url, writeKey, fetch, signal, onTrouble }
    this.#lanes = Array.from({ length: LANES }, () => new Lane((body, size) => this.#send(body, size, target)))
  }

  get isLive(): boolean {
    return this.#phase === 'live'
  }

  /** The history is sent. */
  goLive(): void {
    this.#phase = 'live'
    this.#tell()
  }

  get counts(): SimulatorCounts {
    return { ...this.#counts }
  }

  async put({ at, who, interaction }: Occurrence): Promise<void> {
    await this.#lanes[who % LANES]!.put(interaction)
    this.#at = at
  }

  flush(): void {
    for (const lane of this.#lanes) lane.flush()
  }

  /** Waits for all lanes, also where one fails. @throws what the first of them failed with */
  async drain(): Promise<void> {
    const results = await Promise.allSettled(this.#lanes.map((lane) => lane.drain()))
    for (const result of results) if (result.status === 'rejected') throw result.reason
  }

  async #send(body: string, size: number, target: Target): Promise<void> {
    target.signal.throwIfAborted()
    const { accepted, rejected } = await post(body, target)
    const { sent, ...before } = this.#counts
    this.#counts = {
      sent: sent + size,
      accepted: before.accepted + accepted,
      rejected: before.rejected + rejected.length,
    }
    this.#trouble = null
    this.#refusal = rejected[0] ?? this.#refusal
    this.#tell()
  }

  #tell(): void {
    const [phase, at, trouble, refusal] = [this.#phase, this.#at, this.#trouble, this.#refusal]
    this.#onProgress?.({ ...this.#counts, phase, at, trouble, refusal })
  }
}
