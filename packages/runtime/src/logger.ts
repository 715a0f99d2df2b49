import pino, { type Logger } from 'pino'

export type { Logger }

/** A logger that writes JSON lines to stderr, so that stdout stays free for answers. Keys never stand in it. */
export function createLogger(options: { level?: string } = {}): Logger {
  return pino(
    {
      level: options.level ?? 'info',
      redact: ['req.headers.authorization', 'headers.authorization', 'key', 'writeKey'],
      timestamp: pino.stdTimeFunctions.isoTime,
      base: null,
    },
    pino.destination({ dest: 2, sync: true }),
  )
}
