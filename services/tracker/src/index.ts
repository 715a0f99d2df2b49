export { clickhouseStore } from './clickhouse-store.ts'
export { PartitionTracker } from './partition.ts'
export type { Position, TrackerStore } from './store.ts'
export { FOLLOWING_ROUNDS, startTracker, type Tracker, type TrackerOptions } from './tracker.ts'
