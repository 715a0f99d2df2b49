import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, mkdirSync, rmSync, type WriteStream } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { Rejection } from '@weaklink/interactions'

/** A line that was not taken in, as the file of rejected lines has it: one JSON object a line. */
export interface RejectedLine extends Rejection {
  readonly file: string
  /** 1-based; the first line of the row where a row spans several. */
  readonly line: number
  /** The line as it came, cut where it is very long. */
  readonly text: string
}

const MAX_TEXT = 100_000
/** Of the imported file's name within ours: a file system takes 255 bytes, and ours ends with more than that name. */
const MAX_NAME_BYTES = 100

/**
 * The file that an import writes its rejected lines to. Its name follows from the files that are imported, and it is
 * begun anew each time: importing the same files again replaces it, so no line stands in it twice.
 */
export class RejectedFile {
  readonly path: string
  #stream: WriteStream | undefined
  #failure: Error | undefined

  constructor(directory: string, files: readonly string[]) {
    const names = files.map((file) => resolve(file))
    const digest = createHash('sha256').update(JSON.stringify(names)).digest('hex').slice(0, 8)
    this.path = join(directory, 'rejected', `${beginningOf(basename(names[0] ?? 'import'))}-${digest}.jsonl`)
    rmSync(this.path, { force: true })
  }

  get isEmpty(): boolean {
    return this.#stream === undefined
  }

  async write(lines: readonly RejectedLine[]): Promise<void> {
    if (lines.length === 0) return
    if (this.#stream === undefined) {
      mkdirSync(join(this.path, '..'), { recursive: true })
      this.#stream = createWriteStream(this.path)
      this.#stream.on('error', (error) => {
        this.#failure = error
      })
    }
    if (this.#failure !== undefined) throw this.#failure
    const text = lines.map((line) => `${JSON.stringify({ ...line, text: line.text.slice(0, MAX_TEXT) })}\n`).join('')
    if (!this.#stream.write(text)) await once(this.#stream, 'drain')
  }

  async close(): Promise<void> {
    if (this.#stream === undefined) return
    this.#stream.end()
    if (this.#failure === undefined) await once(this.#stream, 'close')
    if (this.#failure !== undefined) throw this.#failure
  }
}

/** At most `MAX_NAME_BYTES` of a name, in whole characters. */
function beginningOf(name: string): string {
  let beginning = ''
  let bytes = 0
  for (const character of name) {
    bytes += Buffer.byteLength(character)
    if (bytes > MAX_NAME_BYTES) break
    beginning += character
  }
  return beginning
}
