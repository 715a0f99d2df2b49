export type SqlErrorKind = 'query' | 'forbidden' | 'limit' | 'timeout'

/** A query that cannot be answered as it is; the message says what can. */
export class SqlError extends Error {
  override readonly name = 'SqlError'
  readonly kind: SqlErrorKind

  constructor(kind: SqlErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.kind = kind
  }
}
