import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Rules of each kind that somebody meets at once, and two who are told: one listens, the other is gone. */
export const ALERTS_YAML = (receivers: string) => `
rules:
  - { name: waiting-too-long, waiting: { longerThan: 60s }, severity: page }
  - { name: long-queue, queueLength: { above: 1, by: queue } }
  - { name: giving-up, abandonRate: { above: 1%, over: 30m, atLeast: 2 } }
  - { name: visits-break, breakRate: { touchpoint: site_visit, over: 1d, against: 28d, above: 1.5, atLeast: 50 } }
notify:
  receivers:
    - { name: hook, webhook: { url: "${receivers}/hook" } }
    - { name: gone, webhook: { url: "${receivers}/gone" } }
`

export async function startReceivers(): Promise<{ readonly url: string; stop(): void }> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(request.url === '/gone' ? 404 : 200).end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
