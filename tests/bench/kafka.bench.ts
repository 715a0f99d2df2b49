import { readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { clientsInShort, clientsText, measureClients } from './kafka-clients.ts'
import { measureStored } from './kafka-restart.ts'
import { storedInShort, storedText } from './kafka-stored-text.ts'
import { measureTracking, trackingInShort, trackingText } from './kafka-tracking.ts'
import { cpuSecondsOfMachine, markdownTable, writeBenchmark } from './support.ts'

/**
 * What Kafka costs, in one run on one machine: our log against kafkajs, trackers against the embedded log, the start of a
 * tracker over much that is stored, and the way of an interaction to its row.
 * `npm run bench:kafka [-- RECORDS INTERACTIONS STORED SECONDS]`; the page is docs/benchmarks/kafka.md.
 */

const [records = 500_000, interactions = 500_000, stored = 1_000_000, seconds = 60] = process.argv.slice(2).map(Number)

/** CPU-seconds of this process and of all those that it started and that have ended. */
function cpuSecondsOfOurs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const ticks = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 15)
  return ticks.reduce((sum, each) => sum + Number(each) / 100, 0)
}

const pom = readFileSync(new URL('../../infra/kafka/pom.xml', import.meta.url), 'utf8')
const kafka = /<kafka\.version>([^<]+)</.exec(pom)?.[1] ?? ''
const { version: kafkajs } = JSON.parse(
  readFileSync(new URL('../../node_modules/kafkajs/package.json', import.meta.url), 'utf8'),
) as { version: string }

const [begun, machine, ours] = [performance.now(), cpuSecondsOfMachine(), cpuSecondsOfOurs()]
process.stderr.write('1 of 3: our log against kafkajs\n')
const clients = await measureClients(records)
process.stderr.write('2 of 3: through the tracker\n')
const tracking = await measureTracking(interactions)
process.stderr.write('3 of 3: a tracker starts with nothing; from the log to the row\n')
const trackers = await measureStored(stored, seconds)
const others = cpuSecondsOfMachine() - machine - (cpuSecondsOfOurs() - ours)
const otherCores = Math.max(0, others) / ((performance.now() - begun) / 1_000)

const inShort = markdownTable(
  [
    { title: 'what', align: 'left' },
    { title: 'figure', align: 'left' },
  ],
  [...clientsInShort(clients), ...trackingInShort(tracking), ...storedInShort(trackers)],
)
writeBenchmark(
  'kafka',
  `# Kafka

Written by \`npm run bench:kafka -- ${records} ${interactions} ${stored} ${seconds}\` on ${new Date().toISOString().slice(0, 10)}: ${availableParallelism()} cores (${cpus()[0]?.model ?? 'of an unknown model'}), ${Math.round(totalmem() / 2 ** 30)} GiB; Node ${process.version}, Apache Kafka ${kafka}, kafkajs ${kafkajs}. The broker is that of the tests (one, in 512 MB, with the fast start rather than the best code of Java: its CPU-seconds are those of a small one); it, ClickHouse (the embedded engine, as a server) and everything else share the machine. Other processes took ${otherCores.toFixed(1)} of its cores meanwhile: the more they took, the less times say against CPU-seconds.

## In short

${inShort}
${clientsText(clients)}
${trackingText(tracking)}
${storedText(trackers)}`,
)
process.stdout.write(`\n${inShort}`)
