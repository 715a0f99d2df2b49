import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'

export interface Mail {
  readonly to: readonly string[]
  readonly from: string
  readonly isEncrypted: boolean
  readonly user: string | null
  /** Headers by their names in lower case, decoded; and the parts by their types. */
  readonly headers: Readonly<Record<string, string>>
  readonly parts: Readonly<Record<string, string>>
}

/** A mail server of the test, on a free port of 127.0.0.1, which takes what comes. */
export class TestMailServer {
  readonly mails: Mail[] = []
  readonly #server: SMTPServer

  private constructor(options: SMTPServerOptions) {
    this.#server = new SMTPServer({
      disabledCommands: options.authOptional === true ? [] : ['AUTH'],
      logger: false,
      ...options,
      onData: (stream, session, callback) => {
        const chunks: Buffer[] = []
        stream.on('data', (chunk: Buffer) => chunks.push(chunk))
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope
          this.mails.push({
            to: rcptTo.map(({ address }) => address),
            from: mailFrom === false ? '' : (mailFrom?.address ?? ''),
            isEncrypted: session.secure,
            user: (session.user as string | undefined) ?? null,
            ...parsed(Buffer.concat(chunks).toString()),
          })
          callback()
        })
      },
    })
    // A client that goes away is no fault of the server.
    this.#server.on('error', () => {})
  }

  static async start(options: SMTPServerOptions = {}): Promise<TestMailServer> {
    const server = new TestMailServer(options)
    const listening = server.#server.listen(0, '127.0.0.1')
    await once(listening, 'listening')
    return server
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }
}

/** As much of MIME as our own mails need. */
function parsed(text: string): Pick<Mail, 'headers' | 'parts'> {
  const { headers, body } = split(text)
  const boundary = /boundary="([^"]+)"/.exec(headers['content-type'] ?? '')?.[1]
  const parts: Record<string, string> = {}
  for (const part of boundary === undefined ? [] : body.split(`--${boundary}`).slice(1, -1)) {
    const one = split(part.replace(/^\r\n/, ''))
    const type = (one.headers['content-type'] ?? '').split(';')[0] ?? ''
    parts[type] = decodedBody(one.body, one.headers['content-transfer-encoding'] ?? '')
  }
  return { headers, parts }
}

function split(text: string): { headers: Record<string, string>; body: string } {
  const end = text.indexOf('\r\n\r\n')
  const lines = text
    .slice(0, end)
    .replace(/\r\n[ \t]+/g, ' ')
    .split('\r\n')
  const headers = Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      words(line.slice(line.indexOf(':') + 1).trim()),
    ]),
  )
  return { headers, body: text.slice(end + 4) }
}

/** Encoded words (RFC 2047). */
function words(text: string): string {
  return text
    .replace(/\?= =\?/g, '?==?')
    .replace(/=\?utf-8\?([bq])\?([^?]*)\?=/gi, (_, encoding: string, content: string) =>
      encoding.toLowerCase() === 'b' ? Buffer.from(content, 'base64').toString() : quoted(content.replaceAll('_', ' ')),
    )
}

function decodedBody(body: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString().replace(/\r\n/g, '\n')
  return (encoding === 'quoted-printable' ? quoted(body.replace(/=\r\n/g, '')) : body).replace(/\r\n/g, '\n')
}

function quoted(text: string): string {
  const bytes = text.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(bytes, 'latin1').toString()
}
