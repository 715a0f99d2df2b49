import { Agent, request } from 'node:http'
import { encode } from '../../packages/interactions/src/index.ts'
import { stream } from './stream.ts'

/** Sending to a collector over HTTP as fast, or as often, as a benchmark wants. */

interface Answer {
  readonly status: number
  readonly retryAfter: string | undefined
  readonly body: string
}

export interface Sender {
  send(body: Buffer): Promise<Answer>
  close(): void
}

/** @param connections that are kept open at most; what is sent beyond waits for one */
export function sender(url: string, key: string, connections: number): Sender {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  return {
    send: (body) =>
      new Promise((resolve, reject) => {
        const headers = {
          'content-type': 'application/json',
          'content-length': body.length,
          authorization: `Bearer ${key}`,
        }
        const sent = request(url, { method: 'POST', agent, headers }, (response) => {
          const parts: Buffer[] = []
          response.on('data', (part: Buffer) => parts.push(part))
          response.on('error', reject)
          response.on('end', () => {
            const retryAfter = response.headers['retry-after']
            resolve({ status: response.statusCode ?? 0, retryAfter, body: Buffer.concat(parts).toString('utf8') })
          })
        })
        sent.on('error', reject)
        sent.end(body)
      }),
    close: () => agent.destroy(),
  }
}

/** Bodies of so many interactions each, all different. */
export function bodies(count: number, size: number, idPrefix: string): Buffer[] {
  const all = stream({ interactions: count * size, customers: Math.ceil((count * size) / 5), days: 30, idPrefix })
  return Array.from({ length: count }, () => {
    const batch = Array.from({ length: size }, () => encode(all.next().value!))
    return Buffer.from(`[${batch.join(',')}]`)
  })
}
