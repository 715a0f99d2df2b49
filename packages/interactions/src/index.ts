export { createDefaultIds } from './default-id.ts'
export {
  EVENT_TYPE,
  eventHeaders,
  FILE_HEADER,
  IMPORT_HEADER,
  LINE_HEADER,
  LINK_HEADER,
  RECORD_HEADER,
  REPLAY_HEADER,
} from './event-headers.ts'
export * from './interaction.ts'
export { interactionJsonSchema, mappingJsonSchema } from './json-schema.ts'
export { applyMapping, checkMapping, identityMapping, type MappedRow, type Mapping, parseMapping } from './mapping.ts'
export { InvalidMapping, type MappingError, type MappingFile, mappingErrorText } from './mapping-file.ts'
export { partitionKey, partitionOf, partitionOfKey } from './partition.ts'
export {
  DEFAULT_CALLER_RULE,
  type EventCounts,
  InvalidCallerRule,
  QUEUE_LOG_EVENTS,
  type QueueLogOptions,
  QueueLogReader,
  type QueueLogReading,
  type QueueLogState,
  readQueueLog,
} from './queue-log/index.ts'
export {
  ALERTS_TOPIC,
  BREAKS_TOPIC,
  type Decoded,
  decodeFact,
  encodeFact,
  type Fact,
  type IdentityLink,
  INTERACTIONS_TOPIC,
  MAX_INTERACTION_BYTES,
  type Place,
  type RawRecord,
  REJECTED_TOPIC,
} from './records.ts'
export {
  decodeRejected,
  encodeRejected,
  REJECTED_HEADERS,
  REJECTED_ROOM_BYTES,
  type RejectedRecord,
  rejectedText,
  type Source,
} from './rejected.ts'
export {
  LOG_REASONS,
  nearestName,
  REJECTION_REASONS,
  type Rejection,
  type RejectionReason,
  rejectionText,
  show,
} from './rejection.ts'
export { expectedIn, FIELD_NAMES, type FieldName, interactionSchema, MAX_PROPS } from './schema.ts'
export { isTouchpoint, MAX_TOUCHPOINT_LENGTH, slug } from './slug.ts'
export { END_OF_TIME, FIRST_INSTANT } from './time.ts'
export {
  encode,
  MAX_AHEAD_MS,
  type ProducedInteraction,
  sameContent,
  type ValidateOptions,
  type Validation,
  validate,
  withId,
} from './validate.ts'
