/** Starts a broker, says its process id and folder, and waits to be killed. */
import { startBroker } from '../../../infra/kafka/broker.ts'

const { pid, directory } = await startBroker()
process.stdout.write(`${JSON.stringify({ pid, directory })}\n`)
