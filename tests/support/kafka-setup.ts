/**
 * Vitest's global setup: one broker for all files of a run, started when the first one asks, ended with the run. Test
 * files run in processes of their own, so they ask over HTTP; kafka.ts does that for them.
 */
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { startBroker } from '../../infra/kafka/broker.ts'
import { NoJavaError } from '../../infra/kafka/java.ts'
import { freePorts } from '../../infra/kafka/ports.ts'
import { ONE_NODE } from '../../infra/kafka/settings.ts'
import { noDocker } from './docker.ts'
import type { KafkaAnswer } from './kafka.ts'

const IMAGE = 'apache/kafka:4.3.1'

interface Found {
  readonly answer: KafkaAnswer
  stop(): Promise<void>
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  let found: Promise<Found> | null = null
  const desk = createServer((_, response) => {
    found ??= findKafka()
    found.then(
      ({ answer }) => response.end(JSON.stringify(answer)),
      (error: unknown) => response.writeHead(500).end(error instanceof Error ? error.message : String(error)),
    )
  })
  desk.listen(0, '127.0.0.1').unref()
  await once(desk, 'listening')
  project.provide('kafkaDesk', `http://127.0.0.1:${(desk.address() as AddressInfo).port}`)
  return async () => {
    desk.close()
    desk.closeAllConnections()
    const one = await found?.catch(() => null)
    await one?.stop()
  }
}

/** In this order: KAFKA_BROKERS, Docker, Java with Maven, none. */
async function findKafka(): Promise<Found> {
  const named = (process.env.KAFKA_BROKERS ?? '').split(',').filter((broker) => broker.trim() !== '')
  if (named.length > 0) return { answer: { brokers: named, how: 'named by KAFKA_BROKERS' }, stop: async () => {} }

  let docker = await noDocker()
  if (docker === null) {
    try {
      return await startContainer()
    } catch (error) {
      // An engine without the image and without a way to it: Java may do.
      docker = `Docker could not run ${IMAGE} (${error instanceof Error ? error.message : error})`
      process.stderr.write(`${docker}\n`)
    }
  }
  try {
    const broker = await startBroker()
    return { answer: { brokers: broker.brokers, how: 'started with Java and Maven' }, stop: () => broker.stop() }
  } catch (error) {
    if (!(error instanceof NoJavaError)) throw error
    return { answer: { brokers: null, missing: missingText(docker, error.message) }, stop: async () => {} }
  }
}

function missingText(docker: string, java: string): string {
  return `there is no Kafka: KAFKA_BROKERS is not set; ${docker}; ${java}`
}

/**
 * The image of Apache Kafka, configured as the broker that Java runs. Not by the KafkaContainer of @testcontainers/kafka:
 * that one (12.2) starts the images of Confluent only. The port is chosen here, because the broker has to tell it.
 */
async function startContainer(): Promise<Found> {
  const { GenericContainer, getContainerRuntimeClient, Wait } = await import('testcontainers')
  const { host } = (await getContainerRuntimeClient()).info.containerRuntime
  const [port] = (await freePorts(1)) as [number]
  const properties = {
    ...ONE_NODE,
    listeners: 'PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:9093',
    'advertised.listeners': `PLAINTEXT://${host}:${port}`,
    'controller.quorum.voters': '1@localhost:9093',
  }
  const environment = Object.entries(properties).map(([name, value]) => [
    `KAFKA_${name.toUpperCase().replaceAll('.', '_')}`,
    value,
  ])
  const container = await new GenericContainer(IMAGE)
    .withExposedPorts({ container: 9092, host: port })
    .withEnvironment(Object.fromEntries(environment))
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .withStartupTimeout(120_000)
    .start()
  return {
    answer: { brokers: [`${host}:${port}`], how: `started by Docker out of ${IMAGE}` },
    stop: async () => void (await container.stop()),
  }
}
