export type { Alert, Memory, MemoryRecord, Notifier, NotifierFactory } from './alert.ts'
export { type AlertsConfig, AlertsFileError, type AlertsProblem, alertsJsonSchema, parseAlerts } from './alerts-file.ts'
export { type Hours, isWithin } from './calendar.ts'
export { firingIn } from './engine/remembered.ts'
export { durationWords, instantWords } from './engine/words.ts'
export { ALERTS_PARTITIONS, createAlertsTopic, memoryOf } from './memory.ts'
export {
  addSilence,
  expireSilence,
  type Failed,
  failedIn,
  matcherText,
  type NotifierOptions,
  notifierFactory,
  parseMatcher,
  type Silence,
  SilenceError,
  silencesIn,
  type Trial,
  tryReceivers,
} from './notify/index.ts'
export { type Replay, replay } from './replay.ts'
export type { Rule } from './rules/rule.ts'
export { ruleSentence } from './rules/sentence.ts'
export { ALERTS_GROUP, type Alerts, type AlertsOptions, startAlerts } from './start-alerts.ts'
