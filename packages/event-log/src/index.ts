// The two logs are doors of their own (`/embedded`, `/kafka`): most processes need one of them, and an image may lack the
// other's packages.
export { LogError, type LogErrorCode, PositionOutOfRangeError, type UnreadableBatch } from './errors.ts'
export type {
  Consumer,
  EventLog,
  LogRecord,
  NewRecord,
  PartitionHandler,
  PartitionRange,
  TopicDescription,
} from './port.ts'
export { offsetSince } from './since.ts'
