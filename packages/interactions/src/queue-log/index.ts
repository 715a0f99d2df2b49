export { DEFAULT_CALLER_RULE, InvalidCallerRule } from './caller.ts'
export { QUEUE_LOG_EVENTS } from './events.ts'
export type { QueueLogState } from './memory.ts'
export {
  type EventCounts,
  type QueueLogOptions,
  QueueLogReader,
  type QueueLogReading,
  readQueueLog,
} from './reader.ts'
