/** Asks for Kafka's jars in a cache folder and says the class path. */
import { kafkaOnJava } from '../../../infra/kafka/java.ts'

process.stdout.write((await kafkaOnJava(process.argv[2])).classPath)
