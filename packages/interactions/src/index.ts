export { createDefaultIds } from './default-id.ts'
export * from './interaction.ts'
export { interactionJsonSchema, mappingJsonSchema } from './json-schema.ts'
export { applyMapping, checkMapping, identityMapping, type MappedRow, type Mapping, parseMapping } from './mapping.ts'
export { InvalidMapping, type MappingError, type MappingFile, mappingErrorText } from './mapping-file.ts'
export { partitionKey, partitionOf } from './partition.ts'
export {
  type Decoded,
  decodeFact,
  encodeFact,
  type Fact,
  FILE_HEADER,
  type IdentityLink,
  IMPORT_HEADER,
  INTERACTIONS_TOPIC,
  LINE_HEADER,
  LINK_HEADER,
  type RawRecord,
  RECORD_HEADER,
  REJECTED_TOPIC,
} from './records.ts'
export {
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
