import type { ServerResponse } from 'node:http'
import type { EventType, LiveEvent } from './events.ts'

/** What a client wants to hear of. */
export interface Wanted {
  readonly types: ReadonlySet<EventType>
  /** Known or anonymous. */
  readonly customer: string | null
  readonly touchpoint: string | null
}

export function wants({ customer, touchpoint }: Wanted, event: Pick<LiveEvent, 'people' | 'touchpoint'>): boolean {
  return (
    (customer === null || event.people.includes(customer)) && (touchpoint === null || event.touchpoint === touchpoint)
  )
}

export interface Framed {
  readonly event: LiveEvent
  readonly text: string
}

export type DropReason = 'slow' | 'stalled' | 'failed'

const END_MS = 1_000

/**
 * One connection of the live stream. It never makes others wait: what it does not take is kept up to a limit, and then
 * it is dropped.
 */
export class Client {
  readonly wanted: Wanted
  /** Resolves when the connection is over, whoever ended it. */
  readonly closed: Promise<void>
  readonly #response: ServerResponse
  readonly #buffer: number
  readonly #stalledMs: number
  readonly #onDrop: (reason: DropReason) => void
  #held: string[] | null = null
  #heldLength = 0

  constructor(
    response: ServerResponse,
    wanted: Wanted,
    limits: { readonly liveBuffer: number; readonly stalledMs: number },
    onDrop: (reason: DropReason) => void,
  ) {
    this.#response = response
    this.wanted = wanted
    this.#buffer = limits.liveBuffer
    this.#stalledMs = limits.stalledMs
    this.#onDrop = onDrop
    this.closed = response.destroyed ? Promise.resolve() : new Promise((resolve) => response.once('close', resolve))
    // A connection that breaks while we write: `close` follows.
    response.on('error', () => {})
  }

  get gone(): boolean {
    return this.#response.destroyed || this.#response.writableEnded
  }

  /** Those of the events that it wants. */
  take(events: readonly Framed[]): void {
    const text = this.chosen(events)
    if (text !== '') this.send(text)
  }

  /** The text of those of the events that it wants. */
  chosen(events: readonly Framed[]): string {
    let text = ''
    for (const { event, text: one } of events) {
      if (this.wanted.types.has(event.type) && wants(this.wanted, event)) text += one
    }
    return text
  }

  /** Sends at once, or drops a client that is too far behind. */
  send(text: string): void {
    if (this.gone) return
    if (this.#held === null) {
      this.#response.write(text)
    } else {
      this.#held.push(text)
      this.#heldLength += text.length
    }
    if (this.#heldLength + this.#response.writableLength > this.#buffer) this.drop('slow')
  }

  /** Sends what it missed, in front of what is held; resolves when it took that. */
  async catchUp(text: string): Promise<void> {
    if (this.gone || text === '' || this.#response.write(text)) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.drop('stalled'), this.#stalledMs)
      const done = () => {
        clearTimeout(timer)
        this.#response.off('drain', done)
        this.#response.off('close', done)
        resolve()
      }
      this.#response.once('drain', done).once('close', done)
    })
  }

  /** From now on what is sent waits until `release`. */
  hold(): void {
    this.#held = []
  }

  release(): void {
    const text = this.#held?.join('') ?? ''
    this.#held = null
    this.#heldLength = 0
    if (text !== '') this.send(text)
  }

  drop(reason: DropReason): void {
    if (this.gone) return
    this.#onDrop(reason)
    this.#held = null
    this.#response.destroy()
  }

  /** Ends the stream in order; resolves when that was sent, or soon. */
  async end(): Promise<void> {
    if (!this.gone) this.#response.end()
    const timer = setTimeout(() => this.#response.destroy(), END_MS)
    await this.closed
    clearTimeout(timer)
  }
}
