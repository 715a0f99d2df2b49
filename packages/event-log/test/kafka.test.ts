import { describeOnKafka } from '../../../tests/support/kafka.ts'
import { openKafkaLog } from '../src/kafka/index.ts'
import { describeEventLog } from './contract.ts'

await describeOnKafka('on a real broker', ({ brokers }) => {
  describeEventLog('Kafka', async () => ({
    open: async () => openKafkaLog({ brokers }),
    dispose: async () => {},
  }))
})
