/**
 * `npm run kafka`: a broker for development on 127.0.0.1 that keeps its data in `.kafka`, until Ctrl-C.
 *
 *     npm run kafka -- [--port 9092] [--fresh] [--data-dir .kafka]
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { InUseError, lockFile } from '../../packages/runtime/src/index.ts'
import { type Broker, BrokerStartError, startBroker } from './broker.ts'
import { kafkaOnJava, NoJavaError } from './java.ts'
import { isFree } from './ports.ts'

const DIRECTORY = fileURLToPath(new URL('../../.kafka', import.meta.url))
const USAGE = 'npm run kafka -- [--port 9092] [--fresh] [--data-dir .kafka]'

class UsageError extends Error {}

interface Order {
  readonly port: number
  readonly fresh: boolean
  readonly directory: string
}

function order(args: readonly string[]): Order {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${USAGE}\n`)
    process.exit(0)
  }
  const options = {
    port: { type: 'string', default: '9092' },
    fresh: { type: 'boolean', default: false },
    'data-dir': { type: 'string', default: DIRECTORY },
  } as const
  let values: ReturnType<typeof parseArgs<{ options: typeof options }>>['values']
  try {
    values = parseArgs({ args: [...args], options }).values
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : error}\n${USAGE}`)
  }
  const port = Number(values.port)
  if (!/^\d+$/.test(values.port) || port < 1 || port > 65_535)
    throw new UsageError(`--port ${values.port}: expected a number from 1 to 65535\n${USAGE}`)
  return { port, fresh: values.fresh, directory: resolve(values['data-dir']) }
}

async function main({ port, fresh, directory }: Order): Promise<void> {
  // Before anything is taken away.
  await kafkaOnJava()
  if (!(await isFree(port)))
    throw new UsageError(`Port ${port} of 127.0.0.1 is in use: end what listens there, or name another with --port.`)
  // Two on one folder would take each other's data away. The kernel frees it, however this process ends.
  lockFile(join(directory, 'lock'), 'npm run kafka')
  writeFileSync(join(directory, '.gitignore'), '*\n')
  if (fresh) rmSync(join(directory, 'data'), { recursive: true, force: true })

  let ending = false
  let starting: Promise<Broker> | null = null
  const end = async () => {
    if (ending) return
    ending = true
    process.stderr.write('\nKafka ends …\n')
    const broker = await starting?.catch(() => null)
    await broker?.stop()
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void end())

  process.stderr.write('Kafka starts …\n')
  starting = startBroker({ directory, port })
  const broker = await starting
  if (!ending) process.stdout.write(greeting(broker))
  const reason = await broker.ended
  if (ending) return
  process.stderr.write(`Kafka died: ${reason}\n`)
  process.exitCode = 1
}

function greeting({ brokers, directory }: Broker): string {
  return `Apache Kafka answers on ${brokers}; its data and broker.log are in ${directory}.
Ctrl-C ends it; from elsewhere: kill ${process.pid}

In another terminal:

    export KAFKA_BROKERS=${brokers}
    npx weaklink migrate --partitions 8    # once: makes the topics
    npx weaklink up

`
}

try {
  await main(order(process.argv.slice(2)))
} catch (error) {
  const expected = [UsageError, NoJavaError, InUseError, BrokerStartError]
  if (!(error instanceof Error) || !expected.some((kind) => error instanceof kind)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}
