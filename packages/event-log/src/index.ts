export { type EmbeddedLog, type EmbeddedLogOptions, openEmbeddedLog } from './embedded/log.ts'
export type { Retention } from './embedded/store.ts'
export { LogError, type LogErrorCode, PositionOutOfRangeError } from './errors.ts'
export { COMPRESSIONS, type Compression } from './kafka/codecs.ts'
export { type KafkaLog, openKafkaLog } from './kafka/log.ts'
export { KAFKA_VARIABLES, type KafkaOptions, kafkaOptionsOf } from './kafka/options.ts'
export type { UnreadableBatch } from './kafka/record-batch.ts'
export type { TopicSettings } from './kafka/topic-settings.ts'
export type {
  Consumer,
  EventLog,
  LogRecord,
  NewRecord,
  PartitionHandler,
  PartitionRange,
  TopicDescription,
} from './port.ts'
