/** A question that cannot be answered as it was asked. Asking it again changes nothing; the message says what would. */
export class QueryError extends Error {
  override readonly name = 'QueryError'
  /** Name of the option, without dashes: `from`, `where`. */
  readonly option: string
  readonly got: string
  readonly expected: string

  constructor(option: string, got: string, expected: string) {
    super(`--${flagOf(option)} ${got === '' ? "''" : got}: expected ${expected}`)
    this.option = option
    this.got = got
    this.expected = expected
  }
}

/** How a command line writes it: `minChains` is `--min-chains`. */
export function flagOf(option: string): string {
  return option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
}
