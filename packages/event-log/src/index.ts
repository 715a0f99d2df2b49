export { type EmbeddedLog, type EmbeddedLogOptions, openEmbeddedLog } from './embedded/log.ts'
export type { Retention } from './embedded/store.ts'
export { LogError, type LogErrorCode, PositionOutOfRangeError } from './errors.ts'
export type {
  Consumer,
  EventLog,
  LogRecord,
  NewRecord,
  PartitionHandler,
  PartitionRange,
  TopicDescription,
} from './port.ts'
