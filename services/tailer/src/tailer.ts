import { appendFile, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type EventCounts, type Interaction, QueueLogReader, type Rejection } from '@weaklink/interactions'
import { type Checkpoint, checkpointText, loadCheckpoint, saveCheckpoint } from './checkpoint.ts'
import { type FollowEvent, type FollowedBlock, type FollowedLine, followLines } from './follow.ts'
import type { Position } from './position.ts'
import { deliver, type Target } from './sender.ts'

export interface TailerOptions {
  /** The queue log. It need not be there yet. */
  readonly path: string
  /** The file where it remembers how far it came; what it rejects is written beside it. */
  readonly checkpointPath: string
  /** Asked before each request: a Weaklink that starts anew may answer elsewhere. */
  readonly target: () => Promise<Target>
  /** Which customer a caller is, as `QueueLogOptions` has it. */
  readonly customer?: string
  readonly onEvent: (event: TailerEvent) => void
}

export type TailerEvent =
  | FollowEvent
  /** The collector is away, or busy: it is tried again. */
  | { readonly kind: 'retrying'; readonly why: string }
  /** It answers again. */
  | { readonly kind: 'delivering' }
  | RejectedLine
  /** The checkpoint cannot be read: the log is sent once more from its start, which doubles nothing. */
  | { readonly kind: 'checkpoint_damaged'; readonly path: string }

interface RejectedLine {
  readonly kind: 'rejected'
  readonly text: string
  readonly rejection: Rejection
}

export interface TailerCounts extends EventCounts {
  readonly lines: number
  /** Acknowledged, repeats included. */
  readonly accepted: number
  readonly rejected: number
}

export interface Tailer {
  counts(): TailerCounts
  /** Ends in order: what is under way is acknowledged and remembered, or sent again by the next one. */
  stop(): Promise<void>
  /** Rejects with a TailerError, or what the disk says, where it cannot go on; it is stopped then. */
  readonly done: Promise<void>
}

/** How long a line may lie in the file unseen. */
const POLL_MS = 100
/** Checkpoints need not be newer: what comes after them is only sent again. Nor may they take a tenth of the time. */
const CHECKPOINT_MS = 1_000
const CHECKPOINT_SHARE = 1 / 20
/** Room for what is rejected, then it is only counted: the disk of a PBX is not ours to fill. */
const REJECTED_BYTES = 10_000_000
const TEXT_AT_MOST = 10_000

/**
 * Follows a queue log and sends its interactions to a collector.
 *
 * @throws InvalidCallerRule, and what the disk says of the checkpoint
 */
export async function startTailer(options: TailerOptions): Promise<Tailer> {
  const { path, checkpointPath, onEvent } = options
  await mkdir(dirname(checkpointPath), { recursive: true })
  const loaded = await loadCheckpoint(checkpointPath)
  if (loaded === 'damaged') onEvent({ kind: 'checkpoint_damaged', path: checkpointPath })
  const checkpoint = loaded === 'damaged' ? null : loaded
  const work = new Work(options, checkpoint)
  const ending = new AbortController()
  const follow = followLines({
    path,
    from: checkpoint?.position ?? null,
    pollMs: POLL_MS,
    signal: ending.signal,
    onEvent,
  })
  const done = work.run(follow, ending.signal)
  done.catch(() => {})
  return {
    counts: () => work.counts(),
    async stop() {
      ending.abort()
      await done.catch(() => {})
    },
    done,
  }
}

class Work {
  readonly #options: TailerOptions
  readonly #reader: QueueLogReader
  /** What is delivered and not yet written down; null while lines after it are under way. */
  #unsaved: Position | null = null
  #saving: Promise<void> = Promise.resolve()
  #dueAt = 0
  #isAway = false
  #rejectedBytes: number | null = null
  #lines = 0
  #accepted = 0
  #rejected = 0

  constructor(options: TailerOptions, from: Checkpoint | null) {
    this.#options = options
    const { customer } = options
    this.#reader = new QueueLogReader(customer === undefined ? {} : { customer }, from?.calls)
  }

  counts(): TailerCounts {
    return { lines: this.#lines, accepted: this.#accepted, rejected: this.#rejected, ...this.#reader.counts() }
  }

  async run(blocks: AsyncIterable<FollowedBlock>, signal: AbortSignal): Promise<void> {
    // A quiet log has no next block that would save the last one.
    const timer = setInterval(() => this.#saveIfDue(), CHECKPOINT_MS)
    try {
      for await (const block of blocks) {
        if (!(await this.#take(block, signal))) break
        this.#saveIfDue()
        await this.#saving
      }
    } finally {
      clearInterval(timer)
      this.#save()
      await this.#saving
    }
  }

  /** Whether all of it is acknowledged: only then may it be remembered as done. */
  async #take({ lines, position }: FollowedBlock, signal: AbortSignal): Promise<boolean> {
    this.#unsaved = null
    const interactions: Interaction[] = []
    const texts: string[] = []
    const refused: RejectedLine[] = []
    for (const line of lines) {
      const result = line.ok ? this.#read(line.text) : { kind: 'rejected' as const, rejection: rejectionOf(line) }
      if (result === null) continue
      if (result.kind === 'rejected') refused.push({ kind: 'rejected', text: line.text, rejection: result.rejection })
      if (result.kind === 'interactions') {
        for (const interaction of result.interactions) {
          interactions.push(interaction)
          texts.push(line.text)
        }
      }
    }
    const { target } = this.#options
    const delivered = await deliver(interactions, { target, signal, onRetry: (why) => this.#retrying(why) })
    if (delivered === null) return false
    if (interactions.length > 0) this.#answered()
    for (const { index, rejection } of delivered.rejected) {
      refused.push({ kind: 'rejected', text: texts[index] ?? '', rejection })
    }
    this.#lines += lines.length
    this.#accepted += delivered.accepted
    await this.#setAside(refused)
    this.#unsaved = position
    return true
  }

  #read(text: string) {
    return text.trim() === '' ? null : this.#reader.read(text)
  }

  #retrying(why: string): void {
    this.#isAway = true
    this.#options.onEvent({ kind: 'retrying', why })
  }

  #answered(): void {
    if (this.#isAway) this.#options.onEvent({ kind: 'delivering' })
    this.#isAway = false
  }

  async #setAside(lines: readonly RejectedLine[]): Promise<void> {
    if (lines.length === 0) return
    const path = rejectedPath(this.#options.checkpointPath)
    this.#rejectedBytes ??= (await stat(path).catch(() => null))?.size ?? 0
    this.#rejected += lines.length
    for (const line of lines) this.#options.onEvent(line)
    if (this.#rejectedBytes > REJECTED_BYTES) return
    const text = lines
      .map(
        (line) =>
          `${JSON.stringify({ file: this.#options.path, ...line.rejection, text: line.text.slice(0, TEXT_AT_MOST) })}\n`,
      )
      .join('')
    await appendFile(path, text)
    this.#rejectedBytes += Buffer.byteLength(text)
  }

  #saveIfDue(): void {
    if (performance.now() >= this.#dueAt) this.#save()
  }

  #save(): void {
    if (this.#unsaved === null) return
    const begun = performance.now()
    // Now, before the reader reads on.
    const text = checkpointText({ position: this.#unsaved, calls: this.#reader.state() })
    this.#unsaved = null
    this.#saving = this.#saving.then(() => saveCheckpoint(this.#options.checkpointPath, text))
    this.#saving.catch(() => {})
    const tookMs = performance.now() - begun
    this.#dueAt = begun + Math.max(CHECKPOINT_MS, tookMs / CHECKPOINT_SHARE)
  }
}

/** Where the lines are that a tailer rejected: one JSON object a line. After a crash some may stand there twice. */
export function rejectedPath(checkpointPath: string): string {
  return `${checkpointPath.replace(/\.json$/, '')}.rejected.jsonl`
}

function rejectionOf({ reason, text }: Extract<FollowedLine, { ok: false }>): Rejection {
  const expected = reason === 'incomplete_line' ? 'a line with its end' : 'a line of at most 256 KB'
  return { reason, field: '', expected, got: JSON.stringify(text.slice(0, 60)) }
}
