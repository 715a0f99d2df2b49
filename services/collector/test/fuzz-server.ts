import { startCollector } from './running.ts'

// A collector in a process of its own, so that its memory can be measured: prints its address, and for each line that
// it reads the bytes of its heap after collection.

const running = await startCollector({ partitions: 1, limits: { interactionsPerSecond: 1e9 }, onRejected: () => {} })
console.log(running.url)
process.stdin.on('data', async () => {
  // What is finished only in a later turn of the event loop is gone then too.
  for (let k = 0; k < 4; k++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    globalThis.gc?.()
  }
  console.log(process.memoryUsage().heapUsed)
})
process.stdin.on('end', async () => {
  await running.close()
  process.exit()
})
