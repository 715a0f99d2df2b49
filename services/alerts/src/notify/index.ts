export {
  mayBeSecret,
  type NotifyConfig,
  NotifyError,
  type NotifyFile,
  notifySchema,
  resolveNotify,
} from './config.ts'
export { type Failed, failedIn } from './failed.ts'
export { type NotifierOptions, notifierFactory } from './notifier.ts'
export {
  addSilence,
  expireSilence,
  matcherText,
  parseMatcher,
  type Silence,
  SilenceError,
  silencesIn,
} from './silences.ts'
export { type Trial, tryReceivers } from './trial.ts'
