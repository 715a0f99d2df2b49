import { setTimeout as sleep } from 'node:timers/promises'
import { InUseError, retryAfterMs } from '@weaklink/runtime'
import { EventSourceParserStream } from 'eventsource-parser/stream'
import { connectionFault, refusalOf, type Target } from '../target.ts'
import { CommandError } from '../terminal.ts'

/** One event of a stream. */
export interface LiveEvent {
  readonly event: string
  readonly id: string | undefined
  readonly data: unknown
}

export interface StreamOptions {
  /** Asked before each connection: a service that was started again may be elsewhere. */
  readonly target: () => Promise<Target>
  /** Its path. */
  readonly route: string
  /** Its parameters. */
  readonly filter: Readonly<Record<string, string | readonly string[] | undefined>>
  /** From the oldest record of the log on, instead of from now on. */
  readonly sinceStart: boolean
  readonly signal: AbortSignal
  /** Told when the connection is lost. */
  readonly onLost: (why: string) => void
}

const FIRST_DELAY_MS = 250
const MAX_DELAY_MS = 5_000

/**
 * What happens, as it happens. A connection that is lost is made again and goes on exactly where it was.
 *
 * @throws CommandError where nothing answers at first, or the request is refused
 */
export async function* liveEvents(options: StreamOptions): AsyncGenerator<LiveEvent> {
  let lastId = options.sinceStart ? 'start' : undefined
  let connected = false
  let delayMs = FIRST_DELAY_MS
  while (!options.signal.aborted) {
    const opened = await open(options, lastId)
    if ('events' in opened) {
      connected = true
      delayMs = FIRST_DELAY_MS
      try {
        for await (const event of opened.events) {
          lastId = event.id ?? lastId
          yield event
        }
      } catch {
        // Lost: said below.
      }
    } else if (!connected || opened.final) throw new CommandError(opened.why)
    if (options.signal.aborted) return
    options.onLost('events' in opened ? 'The connection ended.' : opened.why)
    const afterMs = 'events' in opened ? null : opened.afterMs
    await sleep(afterMs ?? delayMs, undefined, { signal: options.signal }).catch(() => {})
    delayMs = Math.min(MAX_DELAY_MS, delayMs * 2)
  }
}

type Opened =
  | { readonly events: AsyncIterable<LiveEvent> }
  /** `final`: no further attempt can do better. */
  | { readonly why: string; readonly final: boolean; readonly afterMs: number | null }

async function open({ target, route, filter, signal }: StreamOptions, lastId: string | undefined): Promise<Opened> {
  let where: Target
  try {
    where = await target()
  } catch (error) {
    // It is just being started or stopped, or it does not run.
    if (error instanceof CommandError || error instanceof InUseError)
      return { why: error.message, final: false, afterMs: null }
    throw error
  }
  const url = urlOf(where, route, filter)
  let response: Response
  try {
    response = await fetch(url, {
      headers: {
        authorization: `Bearer ${where.key}`,
        accept: 'text/event-stream',
        ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
      },
      signal,
    })
  } catch (error) {
    return { why: nothingAnswers(where, error), final: false, afterMs: null }
  }
  if (response.ok && response.body !== null) return { events: eventsOf(response.body) }
  const why = `${where.url} refuses: ${await refusalOf(response)}`
  return { why, final: response.status < 500 && response.status !== 429, afterMs: retryAfterMs(response) }
}

/** The address of a question. */
export function urlOf({ url }: Target, route: string, parameters: StreamOptions['filter']): URL {
  const address = new URL(url + route)
  for (const [name, values] of Object.entries(parameters)) {
    for (const value of [values ?? []].flat()) address.searchParams.append(name, value)
  }
  return address
}

export function nothingAnswers({ url }: Target, error: unknown): string {
  return `Nothing answers at ${url} (${connectionFault(error)}). Is it the right address? Start one with "weaklink up".`
}

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<LiveEvent> {
  // Node's own types of the two streams are not quite the same.
  const text = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
  for await (const { event = 'message', id, data } of text.pipeThrough(new EventSourceParserStream())) {
    yield { event, id, data: JSON.parse(data) }
  }
}
