import type { Interaction } from '@weaklink/interactions'

/** What one request may hold. */
const MAX_BATCH = 1_000
const MAX_BATCH_BYTES = 500_000
/** Batches that wait in a lane before whoever fills it has to wait. */
const FULL = 2

/**
 * One batch after the other, in the order in which they were put in: who always takes the same lane is told about in
 * order, whatever the other lanes do.
 */
export class Lane {
  readonly #send: (body: string, size: number) => Promise<void>
  #texts: string[] = []
  /** Of the JSON array of them. */
  #bytes = 2
  #batches: { readonly body: string; readonly size: number }[] = []
  #running: Promise<void> | null = null
  #failure: unknown
  #room: (() => void)[] = []

  constructor(send: (body: string, size: number) => Promise<void>) {
    this.#send = send
  }

  /** Resolves once there is room for more. */
  async put(interaction: Interaction): Promise<void> {
    const text = JSON.stringify(interaction)
    const bytes = Buffer.byteLength(text) + 1
    if (this.#texts.length === MAX_BATCH || this.#bytes + bytes > MAX_BATCH_BYTES) this.flush()
    this.#texts.push(text)
    this.#bytes += bytes
    while (this.#batches.length >= FULL && this.#failure === undefined) {
      await new Promise<void>((resolve) => this.#room.push(resolve))
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** What was put in goes out as soon as what is before it has. */
  flush(): void {
    if (this.#texts.length > 0) {
      this.#batches.push({ body: `[${this.#texts.join(',')}]`, size: this.#texts.length })
      this.#texts = []
      this.#bytes = 2
    }
    if (this.#batches.length > 0 && this.#failure === undefined) this.#running ??= this.#run()
  }

  /** Resolves when everything is sent. @throws what ended the sending */
  async drain(): Promise<void> {
    this.flush()
    while (this.#running !== null) await this.#running
    if (this.#failure !== undefined) throw this.#failure
  }

  async #run(): Promise<void> {
    try {
      for (let batch = this.#batches[0]; batch !== undefined; batch = this.#batches[0]) {
        await this.#send(batch.body, batch.size)
        this.#batches.shift()
        this.#wake()
      }
    } catch (error) {
      this.#failure ??= error
      this.#wake()
    } finally {
      this.#running = null
    }
  }

  #wake(): void {
    for (const resolve of this.#room.splice(0)) resolve()
  }
}
