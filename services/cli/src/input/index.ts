export { InputError, type InputErrorCode } from './input-error.ts'
export { type ReadOptions, type RowBatch, type RowFormat, type RowResult, readRows } from './read-rows.ts'
export { type Sniffed, sniff } from './sniff.ts'
