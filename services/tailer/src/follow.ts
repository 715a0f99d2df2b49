import { type FileHandle, open, stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  currentLog,
  holds,
  LINE_FEED,
  type Part,
  type Position,
  partsSince,
  positionAt,
  readGzipped,
  START,
} from './position.ts'
import { TailerError } from './sender.ts'

/**
 * The lines of a log as it grows, through everything that happens to such files:
 *
 *     reading ──end──▶ waiting ──grew──▶ reading
 *        │                ├──another file has the name, and holds something──▶ the rest of this one, then that one
 *        │                ├──shorter, or another beginning──▶ the rest in the copy, where there is one; then from its start
 *        │                └──the name is gone──▶ waiting, in the file as it was
 *        └──last line without its end──▶ waiting for the end
 *
 * A file is left for the next one only when that holds something: until the writer has opened it, it writes to the old.
 */

/** A line without its end, or why it is none. */
export type FollowedLine =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly reason: 'incomplete_line' | 'line_too_long'; readonly text: string }

/** Some consecutive lines, and the place after them. */
export interface FollowedBlock {
  readonly lines: readonly FollowedLine[]
  readonly position: Position
}

export type FollowEvent =
  /** There is no such file, or it may not be read: it is waited for. */
  | { readonly kind: 'missing'; readonly path: string; readonly why: string }
  | { readonly kind: 'reading'; readonly path: string; readonly offset: number }
  /** What came after the position is nowhere to be found: perhaps lines were lost. */
  | { readonly kind: 'lost'; readonly path: string; readonly offset: number }
  /** A compressed older file breaks off or is damaged: the rest of its lines is lost. */
  | { readonly kind: 'damaged'; readonly path: string; readonly why: string }

export interface FollowOptions {
  readonly path: string
  /** Where to go on; null: from the start. */
  readonly from: Position | null
  readonly pollMs: number
  /** Ends it, after the block that was handed over last. */
  readonly signal: AbortSignal
  readonly onEvent: (event: FollowEvent) => void
}

const CHUNK_BYTES = 256 * 1_024
/** Characters shown of a line that is too long. Asterisk writes at most 8 KB. */
const SHOWN = 1_000

export async function* followLines(options: FollowOptions): AsyncGenerator<FollowedBlock> {
  const { path, signal, onEvent } = options
  let position = options.from ?? START
  /** The file of the position was read to its end, although it may be gone: what comes next are those after it. */
  let isRead = false
  /** Files without a whole line: the position cannot say that they were read. */
  const without = new Set<string>()
  if ((await stat(path).catch(() => null))?.isDirectory()) throw new TailerError(`${path} is a directory, not a file.`)
  while (!signal.aborted) {
    const turn = await turnAfter(path, position, isRead, without)
    if (turn === null) {
      if (!isRead) {
        // Only what can be read now says that it is another file.
        const file = await openWhenThere(path, options)
        if (file === null) return
        await file.close()
        if ((await partsSince(path, position)) !== null) continue
        onEvent({ kind: 'lost', path, offset: position.offset })
      }
      position = START
      isRead = false
      continue
    }
    const { part, from, next } = turn
    const file = await openWhenThere(part.path, options)
    if (file === null) return
    let result: 'done' | 'changed' = 'changed'
    try {
      // Files that are rotated just now change their names: then another one is open than was meant.
      if (from === START && !(await isNext(file, part, await turnAfter(path, position, isRead, without)))) continue
      onEvent({ kind: 'reading', path: part.path, offset: from.offset })
      const before = position
      const blocks = part.gzipped ? readOlder(part, options) : readGrowing(file, from, next, options)
      for (let block = await blocks.next(); ; block = await blocks.next()) {
        if (block.done === true) {
          result = block.value
          break
        }
        position = block.value.position
        yield block.value
      }
      if (result === 'done' && from === START && position === before) without.add(part.version)
    } finally {
      await file.close()
    }
    isRead = result === 'done'
  }
}

interface Turn {
  readonly part: Part
  readonly from: Position
  /** What comes after it, where that is known. */
  readonly next: Part | undefined
}

/** What is to be read now; null where the file of the position is nowhere. */
async function turnAfter(
  path: string,
  position: Position,
  isRead: boolean,
  without: ReadonlySet<string>,
): Promise<Turn | null> {
  const found = await partsSince(path, position)
  if (found === null) return null
  const isPassed = isRead && found[0]?.path !== path
  const [part = currentLog(path), next] = isPassed
    ? found.slice(1).filter(({ version }) => !without.has(version))
    : found
  return { part, from: isPassed ? START : position, next }
}

async function isNext(file: FileHandle, part: Part, now: Turn | null): Promise<boolean> {
  return now?.part.path === part.path && !(await isAnother(file, part.path))
}

/**
 * Reads a file until another one has its place.
 *
 * @param next the file that is known to come after it
 * @returns `done` when everything of it was read; `changed` where it is not the file any more that it was
 */
async function* readGrowing(
  file: FileHandle,
  from: Position,
  next: Part | undefined,
  { path, signal, pollMs }: FollowOptions,
): AsyncGenerator<FollowedBlock, 'done' | 'changed'> {
  const begin = from === START ? await positionAt(file, 0, from) : from
  // Who is killed before the first line is through finds this file again, whatever it is called then.
  if (from === START && begin.headBytes > 0) yield { lines: [], position: begin }
  const reader = new LineReader(file, begin)
  for (let last = false; !signal.aborted; ) {
    const block = await reader.next()
    if (block === 'changed') return 'changed'
    if (block !== null) yield block
    else if (last) {
      const rest = await reader.rest()
      if (rest !== null) yield rest
      return 'done'
    } else {
      // Then read to its end once more: what the writer wrote before it opened the next.
      last = (next !== undefined && next.path !== path) || (await isAnother(file, path))
      if (!last) await sleep(pollMs, undefined, { signal }).catch(() => {})
    }
  }
  return 'changed'
}

/** A compressed file: nobody writes to it any more. */
async function* readOlder(
  part: Part,
  { onEvent, signal }: FollowOptions,
): AsyncGenerator<FollowedBlock, 'done' | 'changed'> {
  try {
    for await (const { bytes, position } of readGzipped(part)) {
      yield { lines: linesOf(bytes), position }
      if (signal.aborted) return 'changed'
    }
  } catch (error) {
    onEvent({ kind: 'damaged', path: part.path, why: error instanceof Error ? error.message : String(error) })
  }
  return 'done'
}

/** Blocks of whole lines of an open file. */
class LineReader {
  readonly #file: FileHandle
  /** Each block is text before the next one is read. */
  readonly #buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  #position: Position
  /** Within a line that is too long. */
  #passesOver = false

  constructor(file: FileHandle, from: Position) {
    this.#file = file
    this.#position = from
  }

  /** Null where no further line is complete. */
  async next(): Promise<FollowedBlock | 'changed' | null> {
    const bytes = await this.#read()
    // After reading: what was read belongs to the file that it was before.
    if (!(await holds(this.#file, this.#position))) return 'changed'
    const end = bytes.lastIndexOf(LINE_FEED) + 1
    if (end === 0 && bytes.length < CHUNK_BYTES) return null
    if (end === 0) {
      const lines: FollowedLine[] = this.#passesOver ? [] : [tooLong(bytes)]
      this.#passesOver = true
      return await this.#block(lines, bytes.length)
    }
    const begin = this.#passesOver ? bytes.indexOf(LINE_FEED) + 1 : 0
    this.#passesOver = false
    return await this.#block(begin === end ? [] : linesOf(bytes.subarray(begin, end)), end)
  }

  /** What stands after the last whole line: it will never be one. */
  async rest(): Promise<FollowedBlock | null> {
    const bytes = await this.#read()
    if (bytes.length === 0) return null
    const lines: FollowedLine[] = this.#passesOver
      ? []
      : [{ ok: false, reason: 'incomplete_line', text: bytes.toString('utf8') }]
    return await this.#block(lines, bytes.length)
  }

  async #read(): Promise<Buffer> {
    const { bytesRead } = await this.#file.read(this.#buffer, 0, CHUNK_BYTES, this.#position.offset)
    return this.#buffer.subarray(0, bytesRead)
  }

  async #block(lines: readonly FollowedLine[], bytes: number): Promise<FollowedBlock> {
    this.#position = await positionAt(this.#file, this.#position.offset + bytes, this.#position)
    return { lines, position: this.#position }
  }
}

async function openWhenThere(path: string, { signal, pollMs, onEvent }: FollowOptions): Promise<FileHandle | null> {
  for (let told = false; !signal.aborted; ) {
    try {
      return await open(path)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (!told) onEvent({ kind: 'missing', path, why })
      told = true
      await sleep(pollMs, undefined, { signal }).catch(() => {})
    }
  }
  return null
}

/** Whether a name belongs to another file now, into which something was written. */
async function isAnother(file: FileHandle, path: string): Promise<boolean> {
  const now = await stat(path).catch(() => null)
  if (now === null || now.size === 0) return false
  const { dev, ino } = await file.stat()
  return now.dev !== dev || now.ino !== ino
}

/** @param bytes whole lines */
function linesOf(bytes: Buffer): FollowedLine[] {
  // What is not UTF-8 (the name of a caller) is replaced: the line counts all the same.
  return bytes
    .toString('utf8', 0, bytes.length - 1)
    .split('\n')
    .map((text) => ({ ok: true, text: text.endsWith('\r') ? text.slice(0, -1) : text }))
}

function tooLong(bytes: Buffer): FollowedLine {
  return { ok: false, reason: 'line_too_long', text: `${bytes.subarray(0, SHOWN).toString('utf8')}…` }
}
