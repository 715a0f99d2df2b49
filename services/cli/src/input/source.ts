import { createReadStream } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { createGunzip } from 'node:zlib'
import { InputError } from './input-error.ts'

/** The bytes of a plain or gzipped file. */
export interface Source {
  readonly path: string
  /** Of the file as it lies on the disk; 0 where that is not known, as of a pipe. */
  readonly bytesTotal: number
  readonly bytesRead: () => number
  /** Unpacked. Ends with an InputError where the file is damaged, after all that could be unpacked. */
  readonly chunks: AsyncIterable<Buffer>
}

const CHUNK_BYTES = 64 * 1024
/** Compressed bytes unpacked at a time: gzip packs at most 1000 : 1, so this bounds the memory that a chunk takes. */
const PACKED_BYTES = 16 * 1024

/**
 * A pipe is opened once, when its chunks are read: what a first look took out of it, nobody could read again.
 * @throws {InputError} where there is no file to read, or it is empty
 */
export async function openSource(path: string): Promise<Source> {
  const { size, gzipped, regular } = await inspect(path)
  let bytesRead = 0
  const count = (bytes: number) => {
    bytesRead = Math.max(bytesRead, bytes)
  }
  const chunks = gzipped ? unpacked(path, regular, count) : read(path, () => CHUNK_BYTES, count)
  return { path, bytesTotal: size, bytesRead: () => bytesRead, chunks }
}

async function inspect(path: string): Promise<{ size: number; gzipped: boolean; regular: boolean }> {
  try {
    const status = await stat(path)
    if (status.isDirectory()) throw new InputError('is_directory', path)
    if (status.isFile() && status.size === 0) throw new InputError('empty_file', path)
    const named = path.toLowerCase().endsWith('.gz')
    if (!status.isFile()) return { size: 0, gzipped: named, regular: false }
    const gzipped = await beginsAsGzip(path)
    if (named && !gzipped) throw new InputError('corrupt_gzip', path, 'it is no gzip file')
    return { size: status.size, gzipped, regular: true }
  } catch (error) {
    throw inputErrorOf(error, path)
  }
}

async function beginsAsGzip(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0)
    return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b
  } finally {
    await file.close()
  }
}

function inputErrorOf(error: unknown, path: string): unknown {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (error instanceof InputError || code === '') return error
  if (code === 'ENOENT' || code === 'ENOTDIR') return new InputError('not_found', path)
  if (code === 'EISDIR') return new InputError('is_directory', path)
  if (code === 'EACCES' || code === 'EPERM') return new InputError('no_permission', path)
  return new InputError('read_failed', path, (error as Error).message)
}

/** The bytes of the file in pieces of at most `sizeAt(position)`. */
async function* read(
  path: string,
  sizeAt: (position: number) => number,
  count: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const stream = createReadStream(path, { highWaterMark: CHUNK_BYTES })
  let position = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      for (let from = 0; from < chunk.length; ) {
        const size = Math.min(sizeAt(position), chunk.length - from)
        position += size
        count(position)
        yield chunk.subarray(from, from + size)
        from += size
      }
    }
  } catch (error) {
    throw inputErrorOf(error, path)
  } finally {
    stream.destroy()
  }
}

/** @param rereadable false for a pipe: of a damaged one, what the failing piece had unpacked is lost */
async function* unpacked(path: string, rereadable: boolean, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  let delivered = 0
  let good = 0
  try {
    for await (const chunk of gunzip(
      path,
      read(path, () => PACKED_BYTES, count),
      (bytes) => {
        good += bytes
      },
    )) {
      delivered += chunk.length
      yield chunk
    }
  } catch (error) {
    if (!(error instanceof InputError) || error.code !== 'corrupt_gzip' || !rereadable) throw error
    // zlib keeps to itself what it unpacked of the piece that failed. Given byte by byte, it delivers that too.
    const bytewise = read(path, (position) => (position < good ? PACKED_BYTES : 1), count)
    let skip = delivered
    try {
      for await (const chunk of gunzip(path, bytewise, () => {})) {
        if (chunk.length > skip) yield chunk.subarray(skip)
        skip = Math.max(0, skip - chunk.length)
      }
    } catch (again) {
      if (!(again instanceof InputError)) throw again
    }
    throw error
  }
}

/**
 * Unpacks piece by piece. Not by a pipe: when a stream fails, what it had ready is lost with it.
 * @param taken called with the size of each piece that was unpacked whole
 */
async function* gunzip(
  path: string,
  pieces: AsyncIterable<Buffer>,
  taken: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  const stream = createGunzip()
  const ready: Buffer[] = []
  let failure: Error | undefined
  const over = new Promise<void>((resolve) => {
    stream.on('data', (chunk: Buffer) => ready.push(chunk))
    stream.on('end', resolve)
    stream.on('error', (error) => {
      failure = error
      resolve()
    })
  })
  try {
    for await (const piece of pieces) {
      await Promise.race([over, new Promise<void>((resolve) => stream.write(piece, () => resolve()))])
      yield* ready.splice(0)
      if (failure !== undefined || stream.readableEnded) break
      taken(piece.length)
    }
    if (failure === undefined && !stream.readableEnded) {
      stream.end()
      await over
      yield* ready.splice(0)
    }
    if (failure !== undefined) throw gzipError(failure, path)
  } finally {
    stream.destroy()
  }
}

function gzipError(failure: Error, path: string): InputError {
  const breaksOff = 'code' in failure && failure.code === 'Z_BUF_ERROR'
  return new InputError(breaksOff ? 'truncated_gzip' : 'corrupt_gzip', path, failure.message)
}
