/**
 * Every event of the queue log, and what it says of a caller. The numbers are places among the data, from 0, negative
 * ones from the end. From apps/app_queue.c and main/logger.c of Asterisk (1.2 to 23), its page "Queue Logs", and from
 * the dialplans of XiVO and Wazo, which write what Asterisk leaves to them.
 */

export type Meaning =
  /** The caller enters a queue. */
  | { readonly kind: 'entered'; readonly caller: number; readonly position: number; readonly name: number }
  /** The caller could not enter it. */
  | { readonly kind: 'turned_away'; readonly why: 'closed' | 'full' | 'empty' | 'diverted' }
  /** The wait ended with an agent. */
  | { readonly kind: 'answered'; readonly wait: number }
  /** The wait ended because the caller hung up. */
  | { readonly kind: 'gave_up'; readonly wait: number }
  /** The wait ended otherwise. */
  | {
      readonly kind: 'left'
      readonly ended: 'timeout' | 'empty' | 'key' | 'system'
      readonly wait: number | null
      readonly key?: number
    }
  /** The conversation ended. */
  | { readonly kind: 'talked'; readonly talk: number; readonly endedBy: 'caller' | 'agent' }
  /** The conversation with this agent ended by a transfer. `to`: the places that say to where, to be joined so. */
  | {
      readonly kind: 'transferred'
      readonly talk: number
      readonly to: readonly [from: number, end: number]
      readonly join: '@' | ' '
    }
  /** Asterisk started: whatever went on is over. */
  | { readonly kind: 'restarted' }
  /** Nothing of a caller. */
  | { readonly kind: 'ignored'; readonly about: 'agents' | 'ringing' | 'the system' }

const AGENTS: Meaning = { kind: 'ignored', about: 'agents' }
const RINGING: Meaning = { kind: 'ignored', about: 'ringing' }
const SYSTEM: Meaning = { kind: 'ignored', about: 'the system' }

export const QUEUE_LOG_EVENTS: ReadonlyMap<string, Meaning> = new Map<string, Meaning>([
  // ENTERQUEUE(url|caller id|position|caller name)
  ['ENTERQUEUE', { kind: 'entered', caller: 1, position: 2, name: 3 }],
  // CONNECT(holdtime|channel of the agent|ringtime)
  ['CONNECT', { kind: 'answered', wait: 0 }],
  // ABANDON(position|first position|waittime)
  ['ABANDON', { kind: 'gave_up', wait: 2 }],
  // COMPLETEAGENT(holdtime|calltime|first position), and so the other
  ['COMPLETEAGENT', { kind: 'talked', talk: 1, endedBy: 'agent' }],
  ['COMPLETECALLER', { kind: 'talked', talk: 1, endedBy: 'caller' }],
  // TRANSFER(extension|context|holdtime|calltime|first position); since Asterisk 12 BLINDTRANSFER
  ['TRANSFER', { kind: 'transferred', talk: 3, to: [0, 2], join: '@' }],
  ['BLINDTRANSFER', { kind: 'transferred', talk: 3, to: [0, 2], join: '@' }],
  // ATTENDEDTRANSFER(BRIDGE|bridge, APP|application, or LINK|channel|channel, then holdtime|calltime|first position)
  ['ATTENDEDTRANSFER', { kind: 'transferred', talk: -2, to: [1, -3], join: ' ' }],
  // EXITEMPTY(position|first position|waittime), and so the others; before Asterisk 1.8 some lack the last fields
  ['EXITEMPTY', { kind: 'left', ended: 'empty', wait: 2 }],
  ['EXITWITHTIMEOUT', { kind: 'left', ended: 'timeout', wait: 2 }],
  ['EXITWITHKEY', { kind: 'left', ended: 'key', wait: 3, key: 0 }],
  ['WITHDRAW', { kind: 'left', ended: 'system', wait: 2 }],
  // The channels of caller and agent do not fit: the call is dropped.
  ['SYSCOMPAT', { kind: 'left', ended: 'system', wait: null }],

  // XiVO and Wazo; LEAVEEMPTY comes after an EXITEMPTY, or instead of it.
  ['LEAVEEMPTY', { kind: 'left', ended: 'empty', wait: null }],
  ['CLOSED', { kind: 'turned_away', why: 'closed' }],
  ['FULL', { kind: 'turned_away', why: 'full' }],
  ['JOINEMPTY', { kind: 'turned_away', why: 'empty' }],
  ['DIVERT_CA_RATIO', { kind: 'turned_away', why: 'diverted' }],
  ['DIVERT_HOLDTIME', { kind: 'turned_away', why: 'diverted' }],

  ['QUEUESTART', { kind: 'restarted' }],
  ['CONFIGRELOAD', SYSTEM],
  ['DID', SYSTEM],
  ['INFO', SYSTEM],

  // The agent hung up during the announcement: the caller waits on.
  ['AGENTDUMP', RINGING],
  ['RINGNOANSWER', RINGING],
  ['RINGCANCELED', RINGING],

  ['ADDMEMBER', AGENTS],
  ['REMOVEMEMBER', AGENTS],
  ['AGENTLOGIN', AGENTS],
  ['AGENTLOGOFF', AGENTS],
  ['AGENTCALLBACKLOGIN', AGENTS],
  ['AGENTCALLBACKLOGOFF', AGENTS],
  ['PAUSE', AGENTS],
  ['UNPAUSE', AGENTS],
  ['PAUSEALL', AGENTS],
  ['UNPAUSEALL', AGENTS],
  ['PENALTY', AGENTS],
  ['RINGINUSE', AGENTS],
  ['WRAPUPSTART', AGENTS],
  // A call by an agent; it does not say to whom.
  ['OUTCALL', AGENTS],
])
