export { api } from './api.ts'
export type { ApiLimits, ApiOptions, Refused, RevisedCustomer } from './options.ts'
