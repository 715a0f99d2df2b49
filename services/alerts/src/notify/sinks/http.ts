import { retryAfterMs } from '@weaklink/runtime'
import { decoded } from '../secrets.ts'
import { SendError } from './sink.ts'

export interface Answer {
  readonly status: number
  /** At most the first 64 KB. */
  readonly text: string
  /** It is a page for people, which no API answers: a proxy, a login page, or a wrong address. */
  readonly isPage: boolean
}

const MOST_BYTES = 65_536
const SHOWN = 200

/** What the codes of Node and its HTTP client mean. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ENOTFOUND: 'the name of the host is not known',
  EAI_AGAIN: 'the name of the host could not be looked up',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'no connection in time',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
  UND_ERR_SOCKET: 'the connection was closed before an answer',
  HPE_INVALID_CONSTANT: 'the answer is not HTTP',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate comes from an unknown authority',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another host',
}

/**
 * Posts JSON and answers what came back with 2xx.
 *
 * Redirects are not followed: they would take keys and people's names to another address. User and password of the address
 * go into the header that they belong into.
 *
 * @throws SendError for everything else; only 408, 429, 5xx and what became of the connection are worth another attempt
 */
export async function postJson(
  address: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  hide: (text: string) => string,
): Promise<Answer> {
  const url = new URL(address)
  const account = url.username === '' ? null : `${decoded(url.username)}:${decoded(url.password)}`
  url.username = ''
  url.password = ''
  let response: Response
  let text: string
  try {
    response = await fetch(url, {
      method: 'POST',
      body,
      redirect: 'manual',
      signal,
      headers: {
        'content-type': 'application/json',
        'user-agent': 'weaklink',
        ...(account === null ? {} : { authorization: `Basic ${Buffer.from(account).toString('base64')}` }),
        ...headers,
      },
    })
    text = await beginningOf(response)
  } catch (error) {
    if (signal.aborted) throw new SendError('no answer in time', true)
    throw new SendError(reasonOf(error), true)
  }
  const { status } = response
  const isPage =
    /^\s*<(!doctype|html|\?xml)/i.test(text) || /text\/html/i.test(response.headers.get('content-type') ?? '')
  if (response.ok) return { status, text, isPage }
  if (status >= 300 && status < 400) throw new SendError(`answered ${status}, a redirect, which is not followed`, false)
  const retryHelps = status >= 500 || status === 408 || status === 429
  throw new SendError(`answered ${status}${shown(isPage ? 'a page' : text, hide)}`, retryHelps, retryAfterMs(response))
}

/** `: what it said`, without secrets and short; nothing where it said nothing. */
export function shown(text: string, hide: (text: string) => string): string {
  const line = hide(text)
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
  if (line === '') return ''
  return `: ${line.length > SHOWN ? `${line.slice(0, SHOWN)} …` : line}`
}

async function beginningOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop closes the connection to who would go on for ever.
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    bytes += chunk.byteLength
    if (bytes >= MOST_BYTES) break
  }
  return Buffer.concat(chunks).subarray(0, MOST_BYTES).toString()
}

/** Never the text of the error: it may hold the address. */
export function reasonOf(error: unknown): string {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (typeof code === 'string') return WORDS[code] ?? code
    // Those of other protocols: 1, 25, 6000 …
    if (cause.message === 'bad port') return 'no HTTP client talks to this port'
    if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0])
  }
  return 'the request failed'
}
