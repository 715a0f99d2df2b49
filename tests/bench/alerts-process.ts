import { Registry } from 'prom-client'
import { createLogger } from '../../packages/runtime/src/logger.ts'
import { parseAlerts, startAlerts } from '../../services/alerts/src/index.ts'
import { openLog } from '../../services/cli/src/workspace.ts'

// Nothing but the alerts on the embedded log of a directory, so that what they cost can be read off the process. What they
// tell goes nowhere; the parent hears whether they work.

const [directory = '', rules = ''] = process.argv.slice(2)
const log = await openLog({ directory, environment: {} })
const registry = new Registry()
const alerts = startAlerts({
  log,
  store: null,
  rules: parseAlerts(rules, 'alerts.yaml', {}).rules,
  notifier: () => ({ tell() {}, recall() {}, async stop() {} }),
  registry,
  logger: createLogger({ level: 'fatal' }),
})
setInterval(() => process.send?.({ isWorking: alerts.isWorking() }), 500)
process.on('disconnect', () => process.exit())
