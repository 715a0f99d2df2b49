import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { gunzipSync, inflateRawSync, inflateSync } from 'node:zlib'
import { Problem } from '@weaklink/runtime'
import { jsonFault } from './json-fault.ts'
import type { BytesInFlight } from './limits.ts'

/** Takes the room that a body needs while it is here; whoever made it gives it back. */
export class Room {
  readonly #flight: BytesInFlight
  #held = 0

  constructor(flight: BytesInFlight) {
    this.#flight = flight
  }

  /** @throws Problem 503 where there is no room */
  hold(bytes: number): void {
    this.#flight.hold(bytes)
    this.#held += bytes
  }

  release(): void {
    this.#flight.release(this.#held)
    this.#held = 0
  }
}

/**
 * A request's body, plain, gzip or deflate, as UTF-8; empty where it has none.
 *
 * @param limit bytes, both as they come and unpacked
 * @throws Problem 400 for what is broken, with its place; 413 for what is larger; 415 for another encoding; 503 where
 *   there is no room
 */
export async function readBody(request: IncomingMessage, limit: number, room: Room): Promise<Buffer> {
  const unpack = unpackerOf(request.headers['content-encoding'])
  const bytes = await readBytes(request, limit, room)
  if (unpack === null || bytes.length === 0) return utf8(bytes)
  const unpacked = unpacking(unpack, bytes, limit)
  room.hold(unpacked.length)
  return utf8(unpacked)
}

/** What is too much is not kept; the rest of it flows by, so that the answer reaches who is still sending. */
function readBytes(request: IncomingMessage, limit: number, room: Room): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    const end = () => {
      request.off('data', take).off('end', done).off('close', broken).off('error', broken)
    }
    const refuse = (error: unknown) => {
      end()
      // Whoever goes away now is of no concern any more.
      request.on('error', () => {})
      request.resume()
      reject(error)
    }
    const take = (chunk: Buffer) => {
      length += chunk.length
      try {
        if (length > limit) throw tooLarge(limit)
        room.hold(chunk.length)
        chunks.push(chunk)
      } catch (error) {
        refuse(error)
      }
    }
    const done = () => {
      end()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, length))
    }
    const broken = () => refuse(new Problem(400, 'The connection ended before the body did.'))
    if (Number(request.headers['content-length']) > limit) return refuse(tooLarge(limit))
    request.on('data', take).on('end', done).on('close', broken).on('error', broken)
  })
}

function tooLarge(limit: number): Problem {
  return new Problem(413, `The body is larger than ${limit} bytes: send it in several requests.`, { extra: { limit } })
}

type Unpack = (bytes: Buffer, options: { readonly maxOutputLength: number; readonly chunkSize: number }) => Buffer

/** @throws Problem 415 */
function unpackerOf(encoding: string | undefined): Unpack | null {
  switch (encoding?.trim().toLowerCase()) {
    case undefined:
    case '':
    case 'identity':
      return null
    case 'gzip':
    case 'x-gzip':
      return gunzipSync
    case 'deflate':
      // Some send it with the frame of zlib, as they should, and some without; the first four bits tell.
      return (bytes, options) => (((bytes[0] ?? 0) & 0x0f) === 8 ? inflateSync : inflateRawSync)(bytes, options)
    default:
      throw new Problem(415, `Content-Encoding "${encoding}" is not read here; expected gzip, deflate or none.`)
  }
}

/** A bomb gets no further than the limit: zlib stops there. */
function unpacking(unpack: Unpack, bytes: Buffer, limit: number): Buffer {
  try {
    return unpack(bytes, { maxOutputLength: limit, chunkSize: 64 * 1024 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(limit)
    const why = error instanceof Error ? error.message : String(error)
    throw new Problem(400, `The body cannot be unpacked: ${why}; expected what Content-Encoding says, whole.`)
  }
}

/** @throws Problem 400 where it is not UTF-8 */
function utf8(bytes: Buffer): Buffer {
  if (!isUtf8(bytes)) {
    const offset = firstBadByte(bytes)
    throw new Problem(400, `The body is not UTF-8 at byte ${offset}; expected JSON in UTF-8.`, { extra: { offset } })
  }
  // A byte order mark is not JSON, but some programs write one.
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes
}

/** @throws Problem 400 with the place where it stops being JSON */
export function parseJson(bytes: Buffer): unknown {
  const text = bytes.toString('utf8')
  try {
    return JSON.parse(text)
  } catch {
    throw notJson(text)
  }
}

function notJson(text: string): Problem {
  const fault = jsonFault(text)
  if (fault === null) return new Problem(400, 'The body is not JSON.')
  const before = text.slice(0, fault.offset).split('\n')
  const [line, column] = [before.length, before.at(-1)!.length + 1]
  const got = fault.offset === text.length ? 'the end of the body' : JSON.stringify(text.charAt(fault.offset))
  const detail = `The body is not JSON: line ${line}, column ${column}: expected ${fault.expected}, got ${got}.`
  return new Problem(400, detail, { extra: { line, column } })
}

/** What is not UTF-8 was read as U+FFFD; the text may have some of its own before. */
function firstBadByte(bytes: Buffer): number {
  const text = bytes.toString('utf8')
  let [offset, from] = [0, 0]
  for (;;) {
    const at = text.indexOf('\ufffd', from)
    if (at < 0) return bytes.length
    offset += Buffer.byteLength(text.slice(from, at))
    if (bytes[offset] !== 0xef || bytes[offset + 1] !== 0xbf || bytes[offset + 2] !== 0xbd) return offset
    offset += 3
    from = at + 1
  }
}
