export { InputError } from './input-error.ts'
export { formatOf, type ReadOptions, type RowBatch, type RowFormat, readRows, rowsOf } from './read-rows.ts'
export { type Sniffed, sniff } from './sniff.ts'
export { openSource } from './source.ts'
