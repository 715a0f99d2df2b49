import { createRequire } from 'node:module'
import type { Kafka } from 'kafkajs'

/**
 * The door to what kafkajs 2.2.4 has and does not show: its connections to the brokers, for the two requests that it cannot
 * make (reading a partition from a position without a group, and asking for the identity of a topic). Its version is pinned;
 * `test/kafka.test.ts` would notice another one.
 */

/** The brokers of a cluster, and which of them leads a partition. */
export interface Cluster {
  /** Topics whose leaders are asked for, all together: one that is gone fails the others. */
  readonly targetTopics: Set<string>
  connect(): Promise<void>
  disconnect(): Promise<void>
  isConnected(): boolean
  addTargetTopic(topic: string): Promise<void>
  refreshMetadata(): Promise<void>
  refreshMetadataIfNecessary(): Promise<void>
  findTopicPartitionMetadata(topic: string): readonly PartitionMetadata[]
  findBroker(node: { readonly nodeId: number }): Promise<Broker>
  findControllerBroker(): Promise<Broker>
  removeBroker(address: { readonly host: string; readonly port: number }): void
}

interface PartitionMetadata {
  readonly partitionId: number
  readonly leader: number | null | undefined
}

export interface Broker {
  readonly connectionPool: {
    send<T>(protocol: {
      readonly request: Request
      readonly response: { decode(bytes: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<T> }
      readonly requestTimeout?: number
    }): Promise<T>
  }
}

interface Request {
  readonly apiKey: number
  readonly apiVersion: number
  readonly apiName: string
  encode(): Promise<unknown>
}

interface RequestQueue {
  readonly pending: readonly unknown[]
  scheduleCheckPendingRequests(): void
}

/** A private member of the client, by the name of its symbol. */
const CREATE_CLUSTER = 'private:Kafka:createCluster'
const require = createRequire(import.meta.url)
const Encoder = require('kafkajs/src/protocol/encoder') as new () => { writeBufferInternal(bytes: Buffer): void }
const { prototype: requestQueue } = require('kafkajs/src/network/requestQueue') as { readonly prototype: RequestQueue }
const { createErrorFromCode } = require('kafkajs/src/protocol/error') as { createErrorFromCode(code: number): Error }

// After every answer kafkajs sets a timer to look for requests that wait, and sets it in the past where none do: newer
// versions of Node warn of that.
const { scheduleCheckPendingRequests } = requestQueue
requestQueue.scheduleCheckPendingRequests = function (this: RequestQueue) {
  if (this.pending.length > 0) scheduleCheckPendingRequests.call(this)
}

/** Connections of their own to the brokers of this client. */
export function clusterOf(kafka: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === CREATE_CLUSTER)
  const create = symbol && (kafka as unknown as Record<symbol, (options: object) => Cluster>)[symbol]
  if (create === undefined) throw new Error('this version of kafkajs is not 2.2.4, whose connections are used here')
  return create({ metadataMaxAge: 300_000, allowAutoTopicCreation: false })
}

/** What a broker refused, as kafkajs names it; null for 0. */
export const protocolError = (code: number): Error | null => (code === 0 ? null : createErrorFromCode(code))

/** Sends one request and reads its answer. */
export function ask<T>(
  broker: Broker,
  { apiKey, apiVersion, apiName }: Omit<Request, 'encode'>,
  body: Buffer,
  read: (bytes: Buffer) => T,
  timeoutMs?: number,
): Promise<T> {
  return broker.connectionPool.send<T>({
    request: {
      apiKey,
      apiVersion,
      apiName,
      async encode() {
        const encoder = new Encoder()
        encoder.writeBufferInternal(body)
        return encoder
      },
    },
    response: { decode: async (bytes) => read(bytes), parse: async (decoded) => decoded as T },
    ...(timeoutMs !== undefined && { requestTimeout: timeoutMs }),
  })
}
