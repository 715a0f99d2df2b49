import { STATUS_CODES } from 'node:http'

/** Media type of every error answer (RFC 9457). */
export const PROBLEM_JSON = 'application/problem+json'

/** What goes wrong in a request and is to be told: it becomes an RFC 9457 answer. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly status: number
  /** What is worth knowing beside the text: `limit`, `field`, … */
  readonly extra: Readonly<Record<string, unknown>>
  /** After so many seconds it is worth another try. */
  readonly retryAfter: number | undefined

  /** @param detail what was wrong with this request, and what would have been right */
  constructor(status: number, detail: string, options: { retryAfter?: number; extra?: Record<string, unknown> } = {}) {
    super(detail)
    this.status = status
    this.extra = options.extra ?? {}
    this.retryAfter = options.retryAfter
  }
}

/** The body of an error answer. `title` says the kind by its status, `detail` this very case. */
export function problemBody(status: number, detail: string, extra: Readonly<Record<string, unknown>> = {}): object {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, ...extra }
}
