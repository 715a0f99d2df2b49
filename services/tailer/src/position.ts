import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { createGunzip } from 'node:zlib'

/**
 * A place in a log that is rotated: how far a file was read, and which file that is. It is known by what it begins with,
 * so that it is found under its next name, in a copy of it, and when it has been compressed.
 */
export interface Position {
  /** Hash of the first `headBytes` bytes. */
  readonly head: string
  readonly headBytes: number
  /** Bytes of it that were read. */
  readonly offset: number
}

/** A file to read, from a byte on. */
export interface Part {
  readonly path: string
  readonly gzipped: boolean
  /** Another one, where something was written to it since. */
  readonly version: string
  readonly offset: number
}

/** What a file begins with is enough to tell it from all others: lines begin with the time. */
const HEAD_BYTES = 1_024
export const LINE_FEED = 0x0a
const EMPTY_HEAD = headOf(Buffer.alloc(0))
/** Sees a new file from its start. */
export const START: Position = { head: EMPTY_HEAD, headBytes: 0, offset: 0 }

/** The place at a byte of an open file; at its start, too, it says which file it is, as far as that is written. */
export async function positionAt(file: FileHandle, offset: number, before: Position): Promise<Position> {
  if (before.headBytes === HEAD_BYTES) return { ...before, offset }
  return positionIn(await firstBytes(file, HEAD_BYTES), offset)
}

/** @param first bytes of the file: what is written there never changes */
function positionIn(first: Buffer, offset: number): Position {
  const head = first.subarray(0, HEAD_BYTES)
  return { head: headOf(head), headBytes: head.length, offset }
}

/** Whether a file still is the one that a position is in, and reaches so far. */
export async function holds(file: FileHandle, { head, headBytes, offset }: Position): Promise<boolean> {
  if ((await file.stat()).size < offset) return false
  return headBytes === 0 || headOf(await firstBytes(file, headBytes)) === head
}

/**
 * The files that hold what came after a position, in the order of their lines, up to the one that has the name of the
 * log now; null where the file of the position is gone.
 */
export async function partsSince(path: string, position: Position): Promise<readonly Part[] | null> {
  const current = currentLog(path)
  if (position.headBytes === 0) return [current]
  if (await isIn(current, position)) return [{ ...current, offset: position.offset }]
  const older = await rotatedFiles(path)
  const own = await Promise.all(older.map((part) => isIn(part, position)))
  // While one is compressed, both are there, and the one is not whole yet.
  const plain = older.findLastIndex(({ gzipped }, index) => own[index] === true && !gzipped)
  const k = plain === -1 ? own.lastIndexOf(true) : plain
  const found = older[k]
  if (found === undefined) return null
  const later = older.slice(k + 1).filter((_, index) => !own[k + 1 + index])
  return [{ ...found, offset: position.offset }, ...later, current]
}

/** The file that has the name of the log now, whichever that is. */
export function currentLog(path: string): Part {
  return { path, gzipped: false, version: '', offset: 0 }
}

/** The files beside it that have its name and more (`queue_log.1`, `queue_log-20240501.gz`), by when they were written. */
async function rotatedFiles(path: string): Promise<Part[]> {
  const name = basename(path)
  const found: (Part & { readonly writtenAt: number })[] = []
  for (const other of await readdir(dirname(path)).catch(() => [])) {
    if (!other.startsWith(name) || !/^[.-]/.test(other.slice(name.length))) continue
    const full = join(dirname(path), other)
    const status = await stat(full).catch(() => null)
    if (status?.isFile() !== true) continue
    found.push({
      path: full,
      gzipped: other.endsWith('.gz'),
      version: `${status.ino} ${status.size} ${status.mtimeMs}`,
      offset: 0,
      writtenAt: status.mtimeMs,
    })
  }
  return found.sort((a, b) => a.writtenAt - b.writtenAt)
}

async function isIn(part: Part, position: Position): Promise<boolean> {
  try {
    if (part.gzipped) return (await gzipHead(part.path, position.headBytes)) === position.head
    const file = await open(part.path)
    try {
      return await holds(file, position)
    } finally {
      await file.close()
    }
  } catch {
    // Gone in this moment, or not ours to read.
    return false
  }
}

async function gzipHead(path: string, bytes: number): Promise<string> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of unpacked(path)) {
    chunks.push(chunk)
    length += chunk.length
    if (length >= bytes) break
  }
  return headOf(Buffer.concat(chunks).subarray(0, bytes))
}

/** The whole lines of a gzipped file from a byte on, with the place after them; fails where the file is damaged. */
export async function* readGzipped({
  path,
  offset: from,
}: Part): AsyncGenerator<{ readonly bytes: Buffer; readonly position: Position }> {
  let head = Buffer.alloc(0)
  let rest = Buffer.alloc(0)
  let [skip, offset] = [from, from]
  for await (const chunk of unpacked(path)) {
    if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)])
    const bytes = Buffer.concat([rest, chunk.subarray(Math.min(skip, chunk.length))])
    skip = Math.max(0, skip - chunk.length)
    const end = bytes.lastIndexOf(LINE_FEED) + 1
    rest = bytes.subarray(end)
    offset += end
    if (end > 0) yield { bytes: bytes.subarray(0, end), position: positionIn(head, offset) }
  }
}

async function* unpacked(path: string): AsyncGenerator<Buffer> {
  const source = createReadStream(path)
  const gunzip = createGunzip()
  source.on('error', (error) => gunzip.destroy(error))
  try {
    yield* source.pipe(gunzip) as AsyncIterable<Buffer>
  } finally {
    source.destroy()
    gunzip.destroy()
  }
}

async function firstBytes(file: FileHandle, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes)
  const { bytesRead } = await file.read(buffer, 0, bytes, 0)
  return buffer.subarray(0, bytesRead)
}

function headOf(bytes: Buffer): string {
  return hash('sha256', bytes, 'hex').slice(0, 32)
}
