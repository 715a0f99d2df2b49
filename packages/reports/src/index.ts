export { type BreakpointsOptions, type BreakpointsQuery, breakpointsQuery } from './breakpoints/options.ts'
export { breakpoints } from './breakpoints/query.ts'
export type { Breakpoint, BreakpointsReport } from './breakpoints/shape.ts'
export { QueryError } from './query-error.ts'
