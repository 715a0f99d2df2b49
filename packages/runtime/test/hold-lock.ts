/** A process that takes the lock named by its argument, says so on stdout and lives until it is ended. */
import { lockFile } from '../src/index.ts'

lockFile(process.argv[2]!, 'the holder of the test')
console.log('locked')
setInterval(() => {}, 60_000)
