import { statSync } from 'node:fs'
import { basename } from 'node:path'
import { type QueueLogReader, type Rejection, show, validate } from '@weaklink/interactions'
import { InputError, openSource, readLines } from '../input/index.ts'
import type { Line, LineBatch } from './interactions.ts'

/** Whether the name is one that Asterisk and those who rotate give: `queue_log`, `queue_log.1.gz`, `queue_log-20240501`. */
export function isQueueLogName(path: string): boolean {
  return /^queue_log(?:$|[.-])/.test(basename(path)) && !/\.(?:csv|tsv|jsonl|ndjson|json)(?:\.gz)?$/i.test(path)
}

/** Reads one file of a queue log; the reader remembers the calls that go on in the next one. */
export async function* readQueueLogFile(path: string, reader: QueueLogReader, now: number): AsyncGenerator<LineBatch> {
  const source = await openSource(path)
  for await (const { texts, numbers, rejected, unended } of readLines(source)) {
    const rows = texts.map((text, k) => ({ text, line: numbers[k] ?? 0, refused: null as Rejection | null }))
    for (const { text, line, rejection } of rejected) {
      // A name that is not UTF-8 says nothing against the call.
      rows.push({ text, line, refused: rejection.reason === 'invalid_encoding' ? null : rejection })
    }
    rows.sort((a, b) => a.line - b.line)
    const last = rows.at(-1)
    // Asterisk writes its lines whole: it is writing this one, or it was cut, and the rest would be another event.
    if (unended && last !== undefined && last.text.trim() !== '') {
      last.refused = { reason: 'incomplete_line', field: '', expected: 'a line with its end', got: show(last.text) }
    }
    const filled = rows.filter(({ text, refused }) => refused !== null || text.trim() !== '')
    const lines = filled.flatMap(({ text, line, refused }): Line[] =>
      refused !== null ? [{ ok: false, line, rejection: refused, text }] : linesOf(text, line, reader, now),
    )
    const part = source.bytesTotal === 0 ? 0 : source.bytesRead() / source.bytesTotal
    yield { lines, rows: filled.length, part }
  }
}

function linesOf(text: string, line: number, reader: QueueLogReader, now: number): Line[] {
  const result = reader.read(text)
  switch (result.kind) {
    case 'ignored':
      return []
    case 'rejected':
      return [{ ok: false, line, rejection: result.rejection, text }]
    case 'interactions':
      return result.interactions.map((one): Line => {
        const checked = validate(one, { receivedAt: now, idRequired: true })
        return checked.ok
          ? { ok: true, line, interaction: checked.interaction }
          : { ok: false, line, rejection: checked.rejection, text }
      })
  }
}

/** Files of one log by the instant of their first line: a call may begin in the older one and end in the next. */
export async function inOrderOfLog(paths: readonly string[]): Promise<string[]> {
  if (paths.length < 2) return [...paths]
  const found = await Promise.all(paths.map(async (path) => ({ path, from: await firstInstant(path) })))
  return found.sort((a, b) => a.from - b.from).map(({ path }) => path)
}

/** Seconds; what cannot be said, as of a pipe that can be read only once, comes last. */
async function firstInstant(path: string): Promise<number> {
  if (!(statSync(path, { throwIfNoEntry: false })?.isFile() ?? false)) return Number.POSITIVE_INFINITY
  try {
    for await (const { texts } of readLines(await openSource(path))) {
      for (const text of texts) {
        const seconds = /^\s*(\d{1,11}(?:\.\d+)?)\|/.exec(text)?.[1]
        if (seconds !== undefined) return Number(seconds)
      }
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error
  }
  return Number.POSITIVE_INFINITY
}
