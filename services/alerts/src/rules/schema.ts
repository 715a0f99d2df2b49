import { createHash } from 'node:crypto'
import { LONGEST_WAIT_MS } from '@weaklink/chains'
import { isTouchpoint } from '@weaklink/interactions'
import { durationOf } from '@weaklink/reports'
import { z } from 'zod'
import { type Hours, hoursOf, hoursSchema } from '../calendar.ts'
import type { Condition, Kind, Rule } from './rule.ts'
import { placeholdersIn } from './template.ts'

/** The shape of the rules in `alerts.yaml`. The `error` of each schema is what was expected there. */

const DURATION = 'a duration like 500ms 20s 3m 24h 7d'
const PERCENT = 'a percentage as 80%'

/** @param most a duration as well */
const duration = (most = '3650d', least = '1ms') =>
  z
    .string({ error: DURATION })
    .refine((text) => durationOf(text) !== null, { error: DURATION, abort: true })
    .refine((text) => msOf(text) <= msOf(most) && msOf(text) >= msOf(least), {
      error: `a duration from ${least} to ${most}`,
    })
const percent = z.string({ error: PERCENT }).refine((text) => percentOf(text) !== null, { error: PERCENT })
const positive = (error: string) => z.number({ error }).positive({ error })
const whole = (error: string) => z.int({ error }).min(1, { error })
const text = (error: string, most = 256) => z.string({ error }).min(1, { error }).max(most, { error })

const touchpoint = z
  .string({ error: 'the id of a touchpoint' })
  .refine(isTouchpoint, { error: 'the id of a touchpoint' })
  .describe('The id of a touchpoint.')
const QUEUES = 'the name of a queue, or a list of names'
const queue = z
  .union([text('the name of a queue', 128), z.array(text('the name of a queue', 128)).min(1, { error: QUEUES })], {
    error: QUEUES,
  })
  .optional()
  .describe('Only calls of this queue, or of these queues. Default: all.')
const by = z
  .literal('queue', { error: 'queue' })
  .optional()
  .describe('queue: an alert for each queue. Default: one for all of them together.')

/** The log is read over as long a time when the service starts. */
const LONGEST_WINDOW = '1d'
const over = duration(LONGEST_WINDOW, '10s').describe(
  `The calls that ended in the last so long; at most ${LONGEST_WINDOW}.`,
)
const atLeast = whole('a whole number from 1').optional().describe('With fewer calls nothing can be said. Default: 10.')
const overCalls = { over, atLeast, queue, by }

const map = (shape: z.ZodRawShape) => ({ error: `a map with ${Object.keys(shape).join(', ')}` })
const strict = <const T extends z.ZodRawShape>(shape: T) => z.strictObject(shape, map(shape))

const LONGEST_WAIT = `${LONGEST_WAIT_MS / 60_000 - 1}m`
const kinds = {
  waiting: strict({
    longerThan: duration(LONGEST_WAIT).describe(
      `Longer than this; at most ${LONGEST_WAIT}: who waits longer was forgotten.`,
    ),
    queue,
  })
    .optional()
    .describe('One customer has waited for so long and still waits: an alert for each call.'),
  serviceLevel: strict({
    within: duration('1h').describe('Answered in time is who waited at most so long.'),
    below: percent.describe('Answered in time, of those answered and those who gave up.'),
    ...overCalls,
  })
    .optional()
    .describe('Too few calls are answered in time.'),
  abandonRate: strict({
    above: percent.describe('Who gave up, of those answered and those who gave up.'),
    ...overCalls,
  })
    .optional()
    .describe('Too many callers give up.'),
  averageWait: strict({ above: duration('1h').describe('The mean wait, however it ended.'), ...overCalls })
    .optional()
    .describe('Callers wait long on average.'),
  queueLength: strict({ above: whole('a whole number from 1').describe('Calls that wait now.'), queue, by })
    .optional()
    .describe('Too many calls wait at the same time.'),
  breakRate: strict({
    touchpoint,
    over: duration('90d', '1h').describe('Chains that ended in the last so long.'),
    against: duration('3650d', '1h').describe('The time before that, with which it is compared.'),
    above: z
      .number({ error: 'a factor above 1, as 1.5' })
      .gt(1, { error: 'a factor above 1, as 1.5' })
      .describe('So many times the rate of the past.'),
    atLeast: whole('a whole number from 1')
      .optional()
      .describe('Chains that reached the touchpoint; with fewer nothing can be said. Default: 50.'),
  })
    .optional()
    .describe('More chains break at a touchpoint than in its own past, and not by chance (99 %).'),
  absence: strict({
    touchpoint,
    for: duration(LONGEST_WINDOW, '10s').describe(`For so long, at most ${LONGEST_WINDOW}.`),
    between: hoursSchema.optional().describe('Only in these hours something is expected. Default: always.'),
  })
    .optional()
    .describe('Nothing happened at a touchpoint, though something should.'),
}

export const KINDS = Object.keys(kinds) as readonly Kind[]
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const LABEL_EXPECTED = 'a label: letters, digits and _, as team'
/** Labels that alerts have by themselves. */
const OWN_LABELS = ['alertname', 'severity', 'queue', 'touchpoint', 'customer', 'episode']
const KIND_EXPECTED = `exactly one of ${KINDS.join(', ')}`

const shape = {
  name: text('a name', 128).describe('Unique; the label alertname of its alerts.'),
  severity: text('a word as page or warning', 64).optional().describe('Free text. Default: warning.'),
  labels: z
    .record(
      z
        .string()
        .regex(LABEL, { error: LABEL_EXPECTED })
        .refine((name) => !OWN_LABELS.includes(name), { error: `a label other than ${OWN_LABELS.join(', ')}` }),
      text('a text'),
      { error: 'a map of labels as { team: support }' },
    )
    .optional()
    .describe('Further labels of its alerts.'),
  runbook: z
    .url({ protocol: /^https?$/, error: 'an address that begins with https:// or http://' })
    .optional()
    .describe('Where it stands what to do.'),
  summary: text('a text', 512)
    .optional()
    .describe('What people read first, with placeholders as {queue}. There is a good one by default.'),
  quiet: z
    .array(hoursSchema, {
      error: 'a list of hours as { days: mon-fri, from: "22:00", to: "06:00", zone: Europe/Berlin }',
    })
    .optional()
    .describe('When nobody is to be told; what still fires afterwards is told then.'),
  for: duration('7d').optional().describe('It fires once it has been so for so long. Default: at once.'),
  recover: z
    .union([z.string(), positive('a number')], { error: 'a value as the one that the rule compares with' })
    .optional()
    .describe('It is over only when this is reached again. Default: the bound itself.'),
  ...kinds,
}

const ruleSchema = z.strictObject(shape, { error: `a map with name and ${KIND_EXPECTED}` }).superRefine(check)

export const rulesSchema = z.array(ruleSchema, { error: 'a list of rules' }).superRefine((rules, context) => {
  const first = new Map<string, number>()
  for (const [index, { name }] of rules.entries()) {
    const before = first.get(name)
    if (before === undefined) first.set(name, index)
    else {
      const message = `a name of its own (rule ${before + 1} has it already)`
      context.addIssue({ code: 'custom', path: [index, 'name'], message })
    }
  }
})

type RuleEntry = z.infer<typeof ruleSchema>

function check(entry: RuleEntry, context: z.RefinementCtx): void {
  const issue = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message })
  const found = KINDS.filter((kind) => entry[kind] !== undefined)
  const [kind] = found
  if (kind === undefined || found.length > 1) {
    issue(found.slice(1, 2), KIND_EXPECTED)
    return
  }
  for (const key of ['for', 'recover'] as const) {
    if (entry[key] === undefined) continue
    if (kind === 'waiting') issue([key], `no "${key}" with waiting: longerThan says it`)
    if (kind === 'absence')
      issue([key], `no "${key}" with absence: it is over with the next one, and its own for is within`)
  }
  checkRecover(entry, kind, issue)
  for (const unknown of placeholdersIn(entry.summary ?? '').filter((name) => !PLACEHOLDERS[kind].includes(name))) {
    issue(
      ['summary'],
      `placeholders of ${kind}: ${PLACEHOLDERS[kind].map((name) => `{${name}}`).join(' ')}, not {${unknown}}`,
    )
  }
  if (entry.breakRate !== undefined && durationOf(entry.breakRate.against) !== null) {
    const { over, against } = entry.breakRate
    if (msOf(against) < msOf(over)) issue(['breakRate', 'against'], 'at least as long as "over"')
  }
}

function checkRecover(entry: RuleEntry, kind: Kind, issue: (path: string[], message: string) => void): void {
  if (entry.recover === undefined || kind === 'waiting' || kind === 'absence') return
  const bound = BOUNDS[kind]
  const value = bound.read(entry.recover)
  const from = bound.of(entry)
  if (value === null) issue(['recover'], bound.expected)
  else if (kind === 'serviceLevel' ? value < from : value > from) {
    issue(['recover'], kind === 'serviceLevel' ? 'at least what "below" says' : 'at most what "above" says')
  }
}

const asNumber = (value: string | number) => (typeof value === 'number' ? value : null)
const asPercent = (value: string | number) => (typeof value === 'string' ? percentOf(value) : null)
const asDuration = (value: string | number) => (typeof value === 'string' ? durationOf(value) : null)
/** What a rule of each kind compares with, and how its `recover` is written. */
const BOUNDS = {
  serviceLevel: { read: asPercent, expected: PERCENT, of: (rule) => percentOf(rule.serviceLevel?.below ?? '') ?? 0 },
  abandonRate: { read: asPercent, expected: PERCENT, of: (rule) => percentOf(rule.abandonRate?.above ?? '') ?? 0 },
  averageWait: { read: asDuration, expected: DURATION, of: (rule) => msOf(rule.averageWait?.above ?? '') },
  queueLength: { read: asNumber, expected: 'a number of calls', of: (rule) => rule.queueLength?.above ?? 0 },
  breakRate: { read: asNumber, expected: 'a factor as 1.2', of: (rule) => rule.breakRate?.above ?? 0 },
} as const satisfies Record<
  Exclude<Kind, 'waiting' | 'absence'>,
  { read(value: string | number): number | null; expected: string; of(rule: RuleEntry): number }
>

const CALLS = ['rule', 'queue', 'value', 'bound', 'over', 'calls']
/** What the summary of a rule may name. */
const PLACEHOLDERS: Readonly<Record<Kind, readonly string[]>> = {
  waiting: ['rule', 'customer', 'waited', 'queue', 'episode'],
  serviceLevel: [...CALLS, 'within'],
  abandonRate: CALLS,
  averageWait: CALLS,
  queueLength: ['rule', 'queue', 'value', 'bound'],
  breakRate: ['rule', 'touchpoint', 'value', 'past', 'over', 'against'],
  absence: ['rule', 'touchpoint', 'for'],
}

/** The rules of a valid file. */
export function rulesOf(entries: readonly RuleEntry[]): Rule[] {
  return entries.map((entry) => {
    const { name, severity = 'warning', labels = {}, runbook = null, summary = null, quiet = [] } = entry
    const condition = conditionOf(entry)
    const print = hashOf([name, severity, labels, condition])
    return { name, severity, labels, runbook, summary, quiet: quiet.map(hoursOf), print, ...condition }
  })
}

/** Of anything that JSON can say: 20 characters that differ where it does. */
export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64url').slice(0, 20)
}

function conditionOf(entry: RuleEntry): Condition {
  const { waiting, serviceLevel, abandonRate, averageWait, queueLength, breakRate, absence } = entry
  if (waiting !== undefined)
    return { kind: 'waiting', longerThanMs: msOf(waiting.longerThan), queues: queuesOf(waiting.queue) }
  if (serviceLevel !== undefined) {
    const { within, below, ...calls } = serviceLevel
    const bound = { withinMs: msOf(within), below: percentOf(below) ?? 0 }
    return { kind: 'serviceLevel', ...bound, ...overCallsOf(calls), ...lasting(entry, 'serviceLevel') }
  }
  if (abandonRate !== undefined) {
    const above = percentOf(abandonRate.above) ?? 0
    return { kind: 'abandonRate', above, ...overCallsOf(abandonRate), ...lasting(entry, 'abandonRate') }
  }
  if (averageWait !== undefined) {
    const above = msOf(averageWait.above)
    return { kind: 'averageWait', above, ...overCallsOf(averageWait), ...lasting(entry, 'averageWait') }
  }
  if (queueLength !== undefined) {
    const { above, queue, by } = queueLength
    const calls = { queues: queuesOf(queue), perQueue: by === 'queue' }
    return { kind: 'queueLength', above, ...calls, ...lasting(entry, 'queueLength') }
  }
  if (breakRate !== undefined) {
    const { touchpoint, over, against, above, atLeast = 50 } = breakRate
    const window = { overMs: msOf(over), againstMs: msOf(against), atLeast }
    return { kind: 'breakRate', touchpoint, above, ...window, ...lasting(entry, 'breakRate') }
  }
  if (absence === undefined) throw new Error('a rule without a condition is not valid')
  const between: Hours | null = absence.between === undefined ? null : hoursOf(absence.between)
  return { kind: 'absence', touchpoint: absence.touchpoint, forMs: msOf(absence.for), between }
}

function lasting(entry: RuleEntry, kind: keyof typeof BOUNDS) {
  const { read, of } = BOUNDS[kind]
  const forMs = entry.for === undefined ? 0 : msOf(entry.for)
  return { forMs, recover: entry.recover === undefined ? of(entry) : (read(entry.recover) ?? of(entry)) }
}

interface CallsEntry {
  readonly over: string
  readonly atLeast?: number | undefined
  readonly queue?: string | string[] | undefined
  readonly by?: 'queue' | undefined
}

function overCallsOf({ over, atLeast = 10, queue, by }: CallsEntry) {
  return { overMs: msOf(over), atLeast, queues: queuesOf(queue), perQueue: by === 'queue' }
}

function queuesOf(queue: string | string[] | undefined): readonly string[] | null {
  return queue === undefined ? null : [queue].flat()
}

function msOf(duration: string): number {
  return durationOf(duration) ?? 0
}

/** 0 to 1; null where it is no percentage. */
function percentOf(text: string): number | null {
  const [, number] = /^(\d{1,3}(?:\.\d+)?) ?%$/.exec(text.trim()) ?? []
  return number === undefined || Number(number) > 100 ? null : Number(number) / 100
}
