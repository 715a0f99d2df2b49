export { api } from './api.ts'
export type { BoardCall, WaitingEvent, WaitingNow } from './live/board-shape.ts'
export type { ApiLimits, ApiOptions, Refused, RevisedCustomer } from './options.ts'
