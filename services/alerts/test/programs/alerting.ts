import { appendFileSync } from 'node:fs'
import { openEmbeddedLog } from '@weaklink/event-log/embedded'
import { createLogger } from '@weaklink/runtime/logger'
import { Registry } from 'prom-client'
import { parseAlerts, startAlerts } from '../../src/index.ts'

/** A process that alerts, by the rules of its third argument: what it tells goes to a file, a line each. */
const [directory, told, rules] = process.argv.slice(2) as [string, string, string]
const alerts = startAlerts({
  log: await openEmbeddedLog(directory),
  store: null,
  rules: parseAlerts(rules, 'alerts.yaml', {}).rules,
  notifier: () => ({
    tell: (changes) =>
      appendFileSync(told, changes.map((alert) => `${JSON.stringify({ pid: process.pid, alert })}\n`).join('')),
    recall() {},
    stop: async () => {},
  }),
  registry: new Registry(),
  logger: createLogger({ level: 'warn' }),
})
process.on('SIGTERM', () => void alerts.stop().then(() => process.exit(0)))
await alerts.done
