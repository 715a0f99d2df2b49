// `npm run chaos -- --seed N --minutes M`: kills, pauses and replaces every part of Weaklink on a real broker, and holds
// what is stored in the end against the naive oracle.
import { parseArgs } from 'node:util'
import { chaos } from './chaos.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string', default: '2' },
    interactions: { type: 'string' },
    faults: { type: 'string' },
    trackers: { type: 'string', default: '3' },
    partitions: { type: 'string', default: '6' },
  },
})
const minutes = Number(values.minutes)
const options = {
  seed: Number(values.seed ?? Math.floor(Math.random() * 2 ** 31)),
  interactions: Number(values.interactions ?? minutes * 60_000),
  seconds: minutes * 60,
  faults: Number(values.faults ?? minutes * 15),
  trackers: Number(values.trackers),
  partitions: Number(values.partitions),
  longSeconds: Math.min(120, minutes * 12),
  say: (line: string) => console.log(line),
}
console.log(`Seed ${options.seed}: ${options.interactions.toLocaleString('en-US')} interactions, ${minutes} minutes`)
const { wrong, faults, fell, ...figures } = await chaos(options)
console.table(faults)
console.table(figures)
for (const what of fell) console.log(`Ended without being killed, and was started again: ${what}`)
if (Object.keys(wrong).length > 0) {
  console.log(`\nWrong, with seed ${options.seed}:`)
  for (const [kind, some] of Object.entries(wrong)) console.log(`- ${kind}:\n  ${some.join('\n  ')}`)
  process.exitCode = 1
} else {
  console.log(
    `\nNothing lost, nothing counted twice, every report equal to the oracle: ${figures.interactions.toLocaleString('en-US')} ` +
      `interactions of ${figures.customers.toLocaleString('en-US')} customers, ${figures.kills} kills and ${figures.pauses} pauses.`,
  )
}
