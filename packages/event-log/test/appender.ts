/**
 * A process that appends batches until their number is reached or it is killed: each brings one record to each of the
 * topic's partitions, with the value `name/batch`. Each acknowledged one is reported as a line of its offsets.
 *
 *     node appender.ts DIRECTORY TOPIC NAME BATCHES
 */
import { writeSync } from 'node:fs'
import { openEmbeddedLog } from '../src/embedded/index.ts'

const [directory, topic, name, batches] = process.argv.slice(2) as [string, string, string, string]
const log = await openEmbeddedLog(directory)
const { partitions } = await log.describe(topic)
for (let batch = 0; batch < Number(batches); batch++) {
  const value = Buffer.from(`${name}/${batch}`)
  const records = Array.from({ length: partitions }, (_, partition) => ({ partition, key: null, value }))
  writeSync(1, `${JSON.stringify(await log.append(topic, records))}\n`)
}
await log.close()
