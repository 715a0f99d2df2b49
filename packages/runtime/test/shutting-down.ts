/** A process that registers closers, says so on stdout and waits for a signal; the argument names its behaviour. */
import { createLogger, Shutdown } from '../src/index.ts'

const shutdown = new Shutdown(createLogger({ name: 'test' }))
shutdown.add('first', () => console.log('first closed'))
shutdown.add('second', async () => {
  if (process.argv[2] === 'hang') {
    console.log('hanging')
    await new Promise(() => {})
  }
  if (process.argv[2] === 'fail') throw new Error('does not close')
  console.log('second closed')
})
setInterval(() => {}, 60_000)
console.log('ready')
