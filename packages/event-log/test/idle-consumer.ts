/** A process that consumes a topic until it is killed: `node idle-consumer.ts DIRECTORY TOPIC GROUP` */
import { openEmbeddedLog } from '../src/embedded/index.ts'

const [directory, topic, group] = process.argv.slice(2) as [string, string, string]
const log = await openEmbeddedLog(directory)
await log.consume(topic, group, {
  assigned: async () => 0,
  records: async () => {},
  caughtUp: async () => {},
  revoked: async () => {},
  lost: () => {},
})
console.log('consuming')
