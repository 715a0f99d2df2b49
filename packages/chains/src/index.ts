export {
  type BreakEvent,
  type BreakNews,
  breakEventOf,
  breakEventSchema,
  breakJsonSchema,
  decodeBreak,
  encodeBreak,
} from './break-event.ts'
export { type BreakChange, breakChanges, type Watched, watch, watchNext, watchUntil } from './breaks.ts'
export { builtinCatalogue, builtinFile } from './builtin.ts'
export {
  type Catalogue,
  catalogueFromContent,
  contentOf,
  STAGES,
  type Stage,
  type Touchpoint,
} from './catalogue.ts'
export { CatalogueError, type CatalogueProblem, parseCatalogue } from './catalogue-file.ts'
export { type CatalogueFile, catalogueJsonSchema } from './catalogue-schema.ts'
export { chainId } from './chain-id.ts'
export { nextDeadline } from './derive.ts'
export * from './model.ts'
export * from './reducer.ts'
export { resolve } from './rules.ts'
export { concernsWaiting, LONGEST_WAIT_MS, Waiting, type WaitingCall, type WaitingChange } from './waiting.ts'
