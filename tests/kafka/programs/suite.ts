import { expect, test } from 'vitest'
import { describeOnKafka, describeWithJava } from '../../support/kafka.ts'

// Run by finding.test.ts, in environments where this or that is missing.

await describeOnKafka('on Kafka', ({ brokers, how }) => {
  test('runs', () =>
    expect({ brokers, how }).toEqual({ brokers: ['one:9092', 'two:9092'], how: 'named by KAFKA_BROKERS' }))
})

await describeWithJava('with Java', () => {
  test('runs', () => {})
})
