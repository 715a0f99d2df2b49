import { builtinCatalogue } from '../../packages/chains/src/index.ts'
import { type ConnectOptions, connect } from '../../packages/clickhouse/src/index.ts'
import type { EventLog } from '../../packages/event-log/src/index.ts'
import { type LogPlace, openLog } from '../../services/cli/src/workspace.ts'
import {
  clickhouseStore,
  startTracker,
  type TrackerOptions,
  type TrackerStore,
} from '../../services/tracker/src/index.ts'

/**
 * A tracker on its own, on the log as services open it: what `weaklink up --services tracker` runs, without its HTTP
 * server. Tells when it comes to what. Ends on SIGTERM as a service does, or with its parent.
 */
export interface TrackerOrder {
  readonly log: LogPlace
  readonly clickhouse: ConnectOptions
  readonly settings: Pick<TrackerOptions, 'clock' | 'breaks' | 'flushMs'>
}

/** What happened. */
type Happened =
  /** It runs; it has asked what it must know before it asks for partitions. */
  | { readonly what: 'loaded' | 'asks to join' }
  /** It is told its first partition, having used so much of the CPU. */
  | { readonly what: 'joined'; readonly cpuSeconds: number }
  /** A partition is its own, and everything loaded that it needs for it. */
  | { readonly what: 'owns'; readonly partition: number }
  /** The first records of a partition that it owns which have keys: those of some. */
  | { readonly what: 'takes'; readonly partition: number; readonly keys: readonly string[] }
  /** The store has answered something. */
  | { readonly what: 'store'; readonly asked: string; readonly ms: number }

/** @param at epoch milliseconds */
export type Told = Happened & { readonly at: number }

const FIRST_KEYS = 50
/** Of what the store is asked the first ones are told: those of a start. */
const FIRST_ANSWERS = 200

const tell = (happened: Happened) => process.send?.({ at: Date.now(), ...happened } satisfies Told)

function watchedLog(log: EventLog): EventLog {
  return {
    createTopic: (topic, partitions) => log.createTopic(topic, partitions),
    describe: (topic) => log.describe(topic),
    ranges: (topic) => log.ranges(topic),
    append: (topic, records) => log.append(topic, records),
    read: (topic, partition, position, max) => log.read(topic, partition, position, max),
    close: () => log.close(),
    consume(topic, group, handler) {
      tell({ what: 'asks to join' })
      let joined = false
      const taking = new Set<number>()
      return log.consume(topic, group, {
        async assigned(partition) {
          const { user, system } = process.cpuUsage()
          if (!joined) tell({ what: 'joined', cpuSeconds: (user + system) / 1e6 })
          joined = true
          const position = await handler.assigned(partition)
          taking.delete(partition)
          tell({ what: 'owns', partition })
          return position
        },
        async records(partition, records) {
          if (!taking.has(partition)) {
            const some = records.slice(0, FIRST_KEYS)
            const keys = some.flatMap(({ key }) => (key === null ? [] : Buffer.from(key).toString()))
            if (keys.length > 0) {
              taking.add(partition)
              tell({ what: 'takes', partition, keys })
            }
          }
          await handler.records(partition, records)
        },
        caughtUp: (partition, position) => handler.caughtUp(partition, position),
        revoked: (partition) => handler.revoked(partition),
        lost: (partition) => handler.lost(partition),
      })
    },
  }
}

function watchedStore(store: TrackerStore): TrackerStore {
  let answers = 0
  const watched =
    <Args extends unknown[], T>(asked: string, ask: (...args: Args) => Promise<T>) =>
    async (...args: Args) => {
      const started = performance.now()
      const answer = await ask(...args)
      if (answers++ < FIRST_ANSWERS) tell({ what: 'store', asked, ms: performance.now() - started })
      return answer
    }
  return {
    ...store,
    loadPositions: watched('positions', store.loadPositions),
    loadDeadlines: watched('deadlines', store.loadDeadlines),
    loadAhead: watched('ahead', store.loadAhead),
    loadHistories: watched('histories', store.loadHistories),
    loadCatalogues: watched('catalogues', store.loadCatalogues),
  }
}

const order = JSON.parse(process.argv[2] ?? '') as TrackerOrder
tell({ what: 'loaded' })
const log = await openLog(order.log)
const store = connect(order.clickhouse)
const tracker = await startTracker({
  log: watchedLog(log),
  store: watchedStore(clickhouseStore(store, (operation) => operation())),
  catalogue: builtinCatalogue,
  ...order.settings,
})
process.once('disconnect', () => process.exit())
process.once('SIGTERM', async () => {
  await tracker.stop()
  await log.close()
  await store.close()
  process.disconnect()
})
await tracker.done
