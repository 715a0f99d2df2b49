import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Socket, connect as tcpConnect } from 'node:net'

const LOWEST = 20_000
/** Below what systems use by default: 32768 on Linux, 49152 elsewhere. */
const HIGHEST = 32_000

/**
 * Free ports of 127.0.0.1, which stay ours while the broker is dead: not out of the range that the system takes local
 * ports of connections from. There, a client that tries again and again could get the very port that it wants to reach,
 * be connected with itself, and keep the broker from coming back.
 */
export async function freePorts(count: number): Promise<number[]> {
  const highest = Math.min(HIGHEST, (await firstLocalPort()) - 1)
  const lowest = highest > LOWEST ? LOWEST : 1024
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1))
    if (await isFree(port)) ports.add(port)
  }
  return [...ports]
}

export async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen({ port, host: '127.0.0.1' })
  try {
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}

async function firstLocalPort(): Promise<number> {
  try {
    return Number.parseInt(await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10)
  } catch {
    // Not Linux.
    return Number.POSITIVE_INFINITY
  }
}

/** Metadata (3) in version 1, no topics, no client id. */
const METADATA_REQUEST = Buffer.from('0000000e 0003 0001 00000001 ffff 00000000'.replaceAll(' ', ''), 'hex')
const ANSWER_MS = 2_000

/** Whether a Kafka broker answers on this port of 127.0.0.1 and counts itself among those that take requests. */
export async function brokerAnswers(port: number): Promise<boolean> {
  const socket: Socket = tcpConnect({ port, host: '127.0.0.1' })
  socket.setTimeout(ANSWER_MS, () => socket.destroy(new Error('no answer')))
  let answer = Buffer.alloc(0)
  try {
    socket.write(METADATA_REQUEST)
    // Size, correlation id, number of brokers.
    for await (const part of socket) {
      answer = Buffer.concat([answer, part as Buffer])
      if (answer.length >= 12) return answer.readInt32BE(8) > 0
    }
  } catch {
    // Not yet.
  } finally {
    socket.destroy()
  }
  return false
}
