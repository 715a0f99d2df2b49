export { InputError } from './input-error.ts'
export { type ReadOptions, type RowBatch, type RowFormat, readRows } from './read-rows.ts'
export { type Sniffed, sniff } from './sniff.ts'
