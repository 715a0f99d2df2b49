export { COMPRESSIONS, type Compression } from './codecs.ts'
export { type KafkaLog, openKafkaLog } from './log.ts'
export { KAFKA_VARIABLES, type KafkaOptions, kafkaOptionsOf } from './options.ts'
export type { TopicSettings } from './topic-settings.ts'
