import { inspect } from 'node:util'
import type { Logger } from '@weaklink/runtime/logger'
import { Registry } from 'prom-client'
import { onTestFinished, vi } from 'vitest'
import type { Notifier } from '../../src/alert.ts'
import {
  type NotifierOptions,
  type NotifyFile,
  notifierFactory,
  notifySchema,
  resolveNotify,
} from '../../src/notify/index.ts'
import { TestMemory } from './samples.ts'

export interface Running {
  readonly notifier: Notifier
  readonly memory: TestMemory
  readonly registry: Registry
  /** Everything that was logged, errors with all that they hold. */
  readonly logged: string[]
}

/** A notifier that runs until the test is over, recalled from a memory as a process that starts. */
export async function running(
  notify: NotifyFile,
  options: Partial<NotifierOptions> & {
    readonly memory?: TestMemory
    readonly environment?: Readonly<Record<string, string>>
  } = {},
): Promise<Running> {
  const { memory = new TestMemory(), environment = {}, ...rest } = options
  const logged: string[] = []
  const registry = rest.registry ?? new Registry()
  const config = resolveNotify(notifySchema.parse(notify), environment)
  const logger = loggerInto(logged)
  const notifier = notifierFactory({ config, registry, logger, random: () => 0, ...rest })(memory)
  notifier.recall(await memory.load())
  onTestFinished(() => notifier.stop())
  return { notifier, memory, registry, logged }
}

function loggerInto(logged: string[]): Logger {
  const write =
    (level: string) =>
    (...words: unknown[]) =>
      void logged.push(`${level} ${inspect(words, { depth: 10, showHidden: true })}`)
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']
  return Object.fromEntries(levels.map((level) => [level, write(level)])) as unknown as Logger
}

/** The value of a metric with these labels. */
export async function metric(registry: Registry, name: string, labels: Record<string, string>): Promise<number> {
  const values = (await registry.getSingleMetric(name)?.get())?.values ?? []
  const found = values.find((one) => Object.entries(labels).every(([label, value]) => one.labels[label] === value))
  return found?.value ?? 0
}

/** Waits for as long as a busy machine may need. */
export function eventually(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  return vi.waitUntil(holds, { timeout: 30_000, interval: 10 })
}
