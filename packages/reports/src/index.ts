export { type AggregatesState, aggregatesState, LATE_MS } from './aggregates/state.ts'
export {
  type Answer,
  type AnyOptions,
  type AskableQuestion,
  FORMATS,
  type Format,
  parseFormat,
  written,
} from './answer.ts'
export { KeptDays } from './breakpoints/kept-days.ts'
export { type BreakpointsOptions, type BreakpointsQuery, breakpointsQuery } from './breakpoints/options.ts'
export { breakpoints, catalogueInForce } from './breakpoints/query.ts'
export type { Breakpoint, BreakpointsReport } from './breakpoints/shape.ts'
export { breakpointsText } from './breakpoints/text.ts'
export { type ChainsOptions, type ChainsQuery, chainsQuery } from './chains/options.ts'
export { chainsReport } from './chains/query.ts'
export type { ChainSummary, ChainsReport } from './chains/shape.ts'
export { chainsText } from './chains/text.ts'
export { customerReportOf } from './customer/of-chains.ts'
export { customerReport } from './customer/query.ts'
export type { CustomerChain, CustomerInteraction, CustomerReport } from './customer/shape.ts'
export { customerText } from './customer/text.ts'
export { durationOf } from './duration.ts'
export { newcombe, Z99 } from './intervals.ts'
export { flagOf, QueryError } from './query-error.ts'
export type { Kept, Row } from './question.ts'
export { QUESTIONS } from './questions.ts'
export { askSql, type SqlAnswer } from './sql/ask.ts'
export { SqlError, type SqlErrorKind } from './sql/sql-error.ts'
export { sqlText } from './sql/write.ts'
export { fit, printable, type Style, type TextOptions, table } from './terminal.ts'
export { touchpointsReport } from './touchpoints/query.ts'
export type { CatalogueTouchpoint, TouchpointsReport } from './touchpoints/shape.ts'
