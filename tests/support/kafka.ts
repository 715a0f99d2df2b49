import { randomBytes } from 'node:crypto'
import { describe, inject } from 'vitest'
import { type KafkaOnJava, kafkaOnJava, NoJavaError } from '../../infra/kafka/java.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where kafka-setup.ts answers. */
    kafkaDesk: string
  }
}

export interface RealKafka {
  /** `host:port`, as for KAFKA_BROKERS. */
  readonly brokers: readonly string[]
  /** How it came about, in words. */
  readonly how: string
}

export type KafkaAnswer = RealKafka | { readonly brokers: null; readonly missing: string }

/**
 * A real broker, the same one for all files of a run, so topics need names of their own (`ownName`): that of
 * KAFKA_BROKERS, or else one that Docker starts, or else one by Java and Maven; `missing` says why there is none.
 * Never kill or pause this one: `startBroker` of infra/kafka is for that.
 *
 * @throws in CI, where there is none
 */
export async function realKafka(): Promise<KafkaAnswer> {
  const response = await fetch(inject('kafkaDesk'))
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  const answer = JSON.parse(text) as KafkaAnswer
  if (answer.brokers === null) failInCi(answer.missing)
  return answer
}

/** A suite that needs `realKafka`. Where there is none it is skipped, and a line says why; in CI it fails. */
export async function describeOnKafka(name: string, body: (kafka: RealKafka) => void): Promise<void> {
  const kafka = await realKafka()
  if (kafka.brokers === null) leaveOut(name, kafka.missing, () => body({ brokers: [], how: kafka.missing }))
  else describe(name, () => body(kafka))
}

/** A suite that starts brokers of its own, or other programs on Kafka's jars; else as `describeOnKafka`. */
export async function describeWithJava(name: string, body: (java: KafkaOnJava) => void): Promise<void> {
  let java: KafkaOnJava
  try {
    java = await kafkaOnJava()
  } catch (error) {
    if (!(error instanceof NoJavaError)) throw error
    failInCi(error.message)
    leaveOut(name, error.message, () => body({ java: '', classPath: '' }))
    return
  }
  describe(name, () => body(java))
}

/** A name for a topic or group that no other file and no other run uses. */
export function ownName(what: string): string {
  return `${what}-${randomBytes(5).toString('hex')}`
}

function failInCi(missing: string): void {
  if (process.env.CI !== undefined && process.env.CI !== '' && process.env.CI !== 'false')
    throw new Error(`In CI nothing may be left out: ${missing}`)
}

function leaveOut(name: string, why: string, body: () => void): void {
  process.stderr.write(`Left out: "${name}", because ${why}\n`)
  describe.skip(`${name} (left out: ${why})`, body)
}
