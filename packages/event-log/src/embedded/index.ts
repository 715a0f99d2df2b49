export { type EmbeddedLog, type EmbeddedLogOptions, openEmbeddedLog } from './log.ts'
export type { Retention } from './store.ts'
