import { statfs } from 'node:fs/promises'
import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import manifest from '../../package.json' with { type: 'json' }
import type { ServiceLog } from './log.ts'
import type { Pipeline } from './pipeline.ts'
import type { ServiceStore } from './store.ts'

/** The metrics of the process; services add theirs. */
export function createRegistry(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  // Gauges with a counter's name: `promtool check metrics` refuses them, and those without `_total` say the same.
  for (const name of ['active_handles', 'active_requests', 'active_resources'])
    registry.removeSingleMetric(`nodejs_${name}_total`)
  new Gauge({
    name: 'weaklink_build_info',
    help: '1, with the version that runs.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version: manifest.version }, 1)
  return registry
}

/** The disk that the data directory is on. */
export function measureDisk(registry: Registry, directory: string): void {
  const registers = [registry]
  const of = async (gauge: Gauge, bytes: 'bavail' | 'blocks') => {
    try {
      const disk = await statfs(directory)
      gauge.set(disk[bytes] * disk.bsize)
    } catch {
      gauge.remove()
    }
  }
  new Gauge({
    name: 'weaklink_data_disk_free_bytes',
    help: 'Bytes that are free for Weaklink where its data directory is.',
    registers,
    async collect() {
      await of(this, 'bavail')
    },
  })
  new Gauge({
    name: 'weaklink_data_disk_size_bytes',
    help: 'Size of the disk that the data directory is on.',
    registers,
    async collect() {
      await of(this, 'blocks')
    },
  })
}

export function measureLog(registry: Registry, log: ServiceLog): void {
  new Gauge({
    name: 'weaklink_log_up',
    help: '1 where the log answers, else 0.',
    registers: [registry],
    collect() {
      this.set(log.trouble() === null ? 1 : 0)
    },
  })
}

export function measureStore(registry: Registry, store: ServiceStore): void {
  const registers = [registry]
  new Gauge({
    name: 'weaklink_clickhouse_up',
    help: '1 where ClickHouse answers and can be written, else 0.',
    registers,
    collect() {
      this.set(store.trouble() === null ? 1 : 0)
    },
  })
  if (store.place !== 'embedded') return
  new Counter({
    name: 'weaklink_clickhouse_restarts_total',
    help: 'How often the embedded ClickHouse ended by itself and was started again.',
    registers,
    collect() {
      this.reset()
      this.inc(store.restarts())
    },
  })
}

/** Where the tracker stands with the partitions that it owns, asked whenever somebody looks. */
export function measurePipeline(registry: Registry, pipeline: () => Pipeline | null): void {
  const registers = [registry]
  const labelNames = ['partition']
  // Partitions come and go: each time only those of now are told.
  const standing = () => pipeline()?.standing() ?? []
  new Gauge({
    name: 'weaklink_tracker_partitions',
    help: 'Partitions of the interactions log that this tracker owns.',
    registers,
    collect() {
      this.set(pipeline()?.positions().length ?? 0)
    },
  })
  new Gauge({
    name: 'weaklink_log_end_offset',
    help: 'Offset that the next record of the interactions log will get.',
    labelNames,
    registers,
    collect() {
      this.reset()
      for (const { partition, end } of standing()) this.set({ partition }, end)
    },
  })
  new Gauge({
    name: 'weaklink_tracker_offset',
    help: 'Offset of the next record that the tracker will take in.',
    labelNames,
    registers,
    collect() {
      this.reset()
      for (const { partition, offset } of standing()) this.set({ partition }, offset)
    },
  })
  new Gauge({
    name: 'weaklink_tracker_lag_records',
    help: 'Records of the interactions log that the tracker has not taken in yet.',
    labelNames,
    registers,
    collect() {
      this.reset()
      for (const { partition, lag } of standing()) this.set({ partition }, lag)
    },
  })
  new Gauge({
    name: 'weaklink_tracker_time_seconds',
    help: 'T: the instant as of which chains are judged, Unix time.',
    labelNames,
    registers,
    collect() {
      this.reset()
      for (const { partition, tick } of pipeline()?.positions() ?? [])
        if (tick !== null) this.set({ partition }, tick / 1_000)
    },
  })
  new Counter({
    name: 'weaklink_tracker_interactions_total',
    help: 'Interactions that the tracker has read, since the log began; conflicts are among the duplicates.',
    labelNames: ['partition', 'result'],
    registers,
    collect() {
      // They are counted in the position, which outlives the process.
      this.reset()
      for (const { partition, accepted, duplicates, conflicts, rejected } of pipeline()?.positions() ?? []) {
        for (const [result, n] of Object.entries({ accepted, duplicates, conflicts, rejected }))
          this.inc({ partition, result }, n)
      }
    },
  })
}
