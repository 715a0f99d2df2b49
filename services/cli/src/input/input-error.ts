/** Why a file cannot be read, or not to its end. What was read before the error came stays good. */
const INPUT_ERRORS = {
  not_found: 'there is no such file',
  is_directory: 'it is a directory, not a file',
  no_permission: 'it may not be read',
  read_failed: 'it cannot be read',
  empty_file: 'it is empty',
  unknown_format: 'its name does not say its format',
  unknown_encoding: 'its encoding is not known',
  truncated_gzip: 'the compressed file breaks off',
  corrupt_gzip: 'the compressed file is damaged',
  bad_header: 'its header cannot be used',
  bad_line_ends: 'its lines do not end with a line feed',
  malformed_json: 'it is not JSON',
  too_large: 'it is too large to be read at once',
} as const satisfies Record<string, string>

export type InputErrorCode = keyof typeof INPUT_ERRORS

export class InputError extends Error {
  readonly code: InputErrorCode
  readonly path: string
  /** 1-based line at which reading ended, where it had begun. */
  readonly line: number | undefined
  readonly #detail: string

  /** @param detail what else helps: what was found, and what to do */
  constructor(code: InputErrorCode, path: string, detail = '', line?: number) {
    const place = line === undefined ? path : `${path}:${line}`
    super(`${place}: ${INPUT_ERRORS[code]}${detail === '' ? '' : ` (${detail})`}`)
    this.name = 'InputError'
    this.code = code
    this.path = path
    this.line = line
    this.#detail = detail
  }

  /** The same error, with the line at which it came. */
  at(line: number): InputError {
    return new InputError(this.code, this.path, this.#detail, line)
  }
}
