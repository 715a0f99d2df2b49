export { type CollectorOptions, collector } from './collector.ts'
export { type CollectorLimits, DEFAULT_LIMITS } from './limits.ts'
export type { RefusedInput } from './refusal.ts'
