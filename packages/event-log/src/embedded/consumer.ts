import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Consumer, LogRecord, PartitionHandler } from '../port.ts'

/** What a consumer reads from. */
export interface Source {
  readonly partitions: number
  /** The next records, bounded in number and bytes; empty at the end. */
  read(partition: number, position: number): readonly LogRecord[]
  /** Resolves when something may have been appended. */
  changed(): Promise<void>
  /** Makes `changed` resolve. */
  wake(): void
  /** Called once, when the consumer has ended. */
  ended(): void
}

const IDLE_REPORT_MS = 1000

/**
 * Hands all partitions of a topic to a handler: each partition's calls one after the other, the partitions side by side.
 *
 *     assigned (each partition) → records* ⇄ caughtUp → revoked (each partition)
 *
 * After a call of the handler that threw there is no further one, not even `revoked`.
 */
export class AllPartitionsConsumer implements Consumer {
  readonly done: Promise<void>
  readonly #source: Source
  readonly #handler: PartitionHandler
  readonly #ended = Promise.withResolvers<void>()
  #stopping = false
  #handlerThrew = false
  #failure: { readonly error: unknown } | undefined

  constructor(source: Source, handler: PartitionHandler) {
    this.#source = source
    this.#handler = handler
    this.done = this.#run()
  }

  stop(): Promise<void> {
    this.#stopping = true
    this.#source.wake()
    return this.#ended.promise
  }

  async #run(): Promise<void> {
    const assigned: { readonly partition: number; readonly position: number }[] = []
    for (let partition = 0; partition < this.#source.partitions && !this.#stopping; partition++) {
      await this.#attempt(async () => {
        const position = await this.#call(() => this.#handler.assigned(partition))
        assigned.push({ partition, position })
      })
    }
    await Promise.all(
      assigned.map(({ partition, position }) => this.#attempt(() => this.#deliver(partition, position))),
    )
    for (const { partition } of assigned) {
      if (!this.#handlerThrew) await this.#attempt(() => this.#call(() => this.#handler.revoked(partition)))
    }
    this.#source.ended()
    this.#ended.resolve()
    if (this.#failure !== undefined) throw this.#failure.error
  }

  async #deliver(partition: number, from: number): Promise<void> {
    let position = from
    let reported: { readonly position: number; readonly at: number } | undefined
    while (!this.#stopping) {
      const records = this.#source.read(partition, position)
      const last = records.at(-1)
      if (last !== undefined) {
        await this.#call(() => this.#handler.records(partition, records))
        position = last.offset + 1
        // Reading is synchronous: a handler that never waits must not starve everything else.
        await nextTurn()
      } else if (position !== reported?.position || performance.now() - reported.at >= IDLE_REPORT_MS) {
        await this.#call(() => this.#handler.caughtUp(partition, position))
        reported = { position, at: performance.now() }
      } else {
        await this.#source.changed()
      }
    }
  }

  async #call<T>(handle: () => Promise<T>): Promise<T> {
    try {
      return await handle()
    } catch (error) {
      this.#handlerThrew = true
      throw error
    }
  }

  /** The first failure ends the consumer and is the one that `done` tells. */
  async #attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action()
    } catch (error) {
      this.#failure ??= { error }
      this.#stopping = true
      this.#source.wake()
    }
  }
}
