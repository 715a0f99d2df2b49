/**
 * The process of the embedded server: `clickhouse local` out of the library, told to listen. It knows only what its
 * parent writes as the first line of its standard input, and lives as long as that input stays open: the kernel closes
 * it with the parent, however that dies.
 *
 * It always ends by SIGKILL. `process.exit()` would wait for ever for the engine's threads, and there is nothing to
 * flush: the engine survives SIGKILL, and what must outlive a power cut too is in tables with `fsync_after_insert = 1`.
 */
import { writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { lockFile } from '@weaklink/runtime'
import { DataType, load, open } from 'ffi-rs'
import { START_UP } from './config.ts'

/** The first line of standard input, as JSON. */
export interface ChildOrder {
  readonly library: string
  readonly configFile: string
  /** Locked by this process itself, so that a successor waits until an orphan is really gone. */
  readonly lockFile: string
}

/** How long an orphan of a killed parent may take to die. */
const ORPHAN_WAIT_MS = 10_000

const LIBRARY = 'libchdb'

process.title = 'weaklink-clickhouse'
// A terminal's Ctrl-C or a service manager signals the whole group; the parent still wants to write and stops us itself.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

const input = createInterface({ input: process.stdin })
input.on('close', die)
input.once('line', (line) => {
  serve(JSON.parse(line) as ChildOrder).catch((error: unknown) => {
    say(error instanceof Error ? error.message : String(error))
    die()
  })
})

async function serve(order: ChildOrder): Promise<void> {
  await lockFile(order.lockFile, 'the embedded ClickHouse', { waitMs: ORPHAN_WAIT_MS })
  open({ library: LIBRARY, path: order.library })
  const args = ['clickhouse', `--config-file=${order.configFile}`, '--query', START_UP]
  const result = await load({
    library: LIBRARY,
    funcName: 'chdb_query_cmdline',
    retType: DataType.External,
    runInNewThread: true,
    paramsType: [DataType.I32, DataType.StringArray],
    paramsValue: [args.length, args],
  })
  // It returned, so the start failed: the engine says why in its result and nowhere else.
  say(
    load({
      library: LIBRARY,
      funcName: 'chdb_result_error',
      retType: DataType.String,
      paramsType: [DataType.External],
      paramsValue: [result],
    }),
  )
  die()
}

/** Synchronous, because we die right after it. */
function say(text: string): void {
  try {
    writeSync(2, `${text}\n`)
  } catch {
    // The parent is gone; nobody listens.
  }
}

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}
