import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'

export type { Logger } from 'pino'

/** Fields that never reach the log, at the top of what is logged and up to two levels below it. */
const SECRET_FIELDS = ['password', 'secret', 'token', 'apiKey', 'writeKey', 'authorization', '["x-api-key"]']
const REDACTED = SECRET_FIELDS.flatMap((field) => {
  const below = field.startsWith('[') ? field : `.${field}`
  return [field, `*${below}`, `*.*${below}`]
})

export interface LoggerOptions {
  /** The service, like `tracker`; in every line. */
  readonly name: string
  /** The least important level to write: `trace` `debug` `info` (default) `warn` `error` `fatal` `silent`. */
  readonly level?: string
  /** One readable line each instead of JSON, for a person at a terminal. */
  readonly pretty?: boolean
}

/**
 * A logger that writes to stderr (stdout belongs to results), at once: a line is out before a crash can swallow it.
 * Fields that hold keys or passwords are replaced by `[Redacted]`.
 */
export function createLogger({ name, level = 'info', pretty = false }: LoggerOptions): Logger {
  return pino(
    { name, level, base: { name }, timestamp: stdTimeFunctions.isoTime, redact: { paths: REDACTED } },
    pretty ? readable(stderr()) : stderr(),
  )
}

const stderr = (): DestinationStream => destination({ dest: 2, sync: true })

/** Pino has already redacted and serialised; this only lays the line out. */
function readable(out: DestinationStream): DestinationStream {
  return {
    write(line) {
      const { level, time, name, msg, err, ...rest } = JSON.parse(line)
      const clock = new Date(time).toTimeString().slice(0, 8)
      const fields = Object.entries(rest).map(([key, value]) => ` ${key}=${JSON.stringify(value)}`)
      const cause = err === undefined ? '' : `\n  ${String(err.stack ?? err.message).replaceAll('\n', '\n  ')}`
      out.write(`${clock} ${pino.levels.labels[level]} ${name}: ${msg ?? ''}${fields.join('')}${cause}\n`)
    },
  }
}
