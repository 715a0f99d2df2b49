import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Consumer, LogRecord, PartitionHandler } from './port.ts'

/** What partitions are read from. */
export interface Source {
  /** The next records, bounded in number and bytes; none at the end. May wait while it is not known where the end is. */
  read(partition: number, position: number): Chunk | Promise<Chunk>
  /** Resolves when something may have been appended, and after a while in any case. */
  changed(partition: number): Promise<void>
  /** Makes everything that waits resolve. */
  wake(): void
  /** Called once, when everything was given back. */
  ended(): void | Promise<void>
}

export interface Chunk {
  readonly records: readonly LogRecord[]
  /** Offset after the last of them; further on where the log left some out, such as those of an aborted transaction. */
  readonly next: number
}

const IDLE_REPORT_MS = 1000

/**
 * Hands partitions to a handler, as long as they are ours: each partition's calls one after the other, the partitions side
 * by side.
 *
 *     assigned → records* ⇄ caughtUp → revoked
 *                    ⇣ at any time
 *                   lost
 *
 * After a call of the handler that threw there is no further one, not even `revoked`.
 */
export class Delivery implements Consumer {
  readonly done: Promise<void>
  readonly #source: Source
  readonly #handler: PartitionHandler
  readonly #runs = new Map<number, Run>()
  readonly #ended = Promise.withResolvers<void>()
  readonly #outcome = Promise.withResolvers<void>()
  /** Partitions are assigned one after the other: each may bring a lot into memory. */
  #assigning: Promise<unknown> = Promise.resolve()
  #stopping = false
  #handlerThrew = false
  #failure: { readonly error: unknown } | undefined

  constructor(source: Source, handler: PartitionHandler) {
    this.#source = source
    this.#handler = handler
    this.done = this.#outcome.promise
  }

  /** Where each partition stands that is ours, and since when (`performance.now()`) it waits for records, if it does. */
  standing(): readonly {
    readonly partition: number
    readonly position: number
    readonly hungrySince: number | null
  }[] {
    return [...this.#runs.values()].flatMap(({ partition, position, hungrySince, lost }) =>
      position === null || lost ? [] : { partition, position, hungrySince },
    )
  }

  /** From now on exactly these partitions are ours: others are lost, new ones begin. */
  own(partitions: readonly number[]): void {
    if (this.#stopping) return
    for (const [partition, run] of this.#runs) if (!partitions.includes(partition)) this.#lose(run)
    for (const partition of partitions) {
      const before = this.#runs.get(partition)
      if (before !== undefined && !before.lost) continue
      const run: Run = { partition, position: null, hungrySince: null, lost: false, over: Promise.resolve() }
      this.#runs.set(partition, run)
      // What a lost run is still busy with comes to its end first.
      run.over = (before?.over ?? Promise.resolve()).then(() => this.#run(run))
    }
  }

  /** Everything that is ours was lost. */
  loseAll(): void {
    this.own([])
  }

  /** Ends everything with this error; nothing is written any more for what was ours. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.loseAll()
    void this.stop()
  }

  stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true
      this.#source.wake()
      void this.#end()
    }
    return this.#ended.promise
  }

  async #end(): Promise<void> {
    for (const { over } of this.#runs.values()) await over
    for (const { partition, position, lost } of this.#runs.values()) {
      if (position === null || lost || this.#handlerThrew) continue
      await this.#attempt(() => this.#call(() => this.#handler.revoked(partition)))
    }
    await this.#attempt(async () => this.#source.ended())
    this.#ended.resolve()
    if (this.#failure === undefined) this.#outcome.resolve()
    else this.#outcome.reject(this.#failure.error)
  }

  #lose(run: Run): void {
    if (run.lost) return
    run.lost = true
    this.#source.wake()
    if (run.position !== null && !this.#handlerThrew) this.#handler.lost(run.partition)
  }

  #run(run: Run): Promise<void> {
    return this.#attempt(async () => {
      const position = await this.#assign(run)
      if (position !== null) await this.#deliver(run, position)
    })
  }

  #assign(run: Run): Promise<number | null> {
    const { partition } = run
    const assigned = this.#assigning.then(async () => {
      if (this.#stopping || run.lost) return null
      const position = await this.#call(() => this.#handler.assigned(partition))
      run.position = position
      // It was lost meanwhile, before the handler had anything to lose.
      if (run.lost) this.#handler.lost(partition)
      return position
    })
    this.#assigning = assigned.catch(() => {})
    return assigned
  }

  async #deliver(run: Run, from: number): Promise<void> {
    const { partition } = run
    let position = from
    let reported: { readonly position: number; readonly at: number } | undefined
    while (!this.#stopping && !run.lost) {
      run.hungrySince ??= performance.now()
      const { records, next } = await this.#source.read(partition, position)
      if (this.#stopping || run.lost) break
      if (records.length > 0) {
        if (records[0]!.offset < position)
          throw new Error(`offset ${records[0]?.offset} came, expected ${position} or more`)
        run.hungrySince = null
        await this.#call(() => this.#handler.records(partition, records))
        // Reading may be synchronous: a handler that never waits must not starve everything else.
        await nextTurn()
      }
      if (next > position) {
        position = next
        run.position = position
      } else if (position !== reported?.position || performance.now() - reported.at >= IDLE_REPORT_MS) {
        await this.#call(() => this.#handler.caughtUp(partition, position))
        reported = { position, at: performance.now() }
      } else {
        await this.#source.changed(partition)
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
      void this.stop()
    }
  }
}

/** One time that a partition is ours. */
interface Run {
  readonly partition: number
  /** Offset of the next record to hand over; null before the handler was told that the partition is its own. */
  position: number | null
  hungrySince: number | null
  lost: boolean
  /** Resolves when the handler is not called for it any more, but for `revoked`. */
  over: Promise<void>
}
