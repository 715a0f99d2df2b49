import { describe, expect, it } from 'vitest'
import { type Interaction, InvalidCallerRule, QUEUE_LOG_EVENTS, readQueueLog } from '../src/index.ts'

const ENTER = '100|c1|sales|NONE|ENTERQUEUE||+4930123456|2'
const CONNECT = '105|c1|sales|SIP/7|CONNECT|5|c2|3'

/** The interactions as short texts: touchpoint, seconds, and whatever tells it from a plain one. */
function told(lines: readonly string[], customer?: string): string[] {
  return readQueueLog(lines, customer === undefined ? {} : { customer }).interactions.map(short)
}

function short({ touchpoint, at, props, outcome, reaction, waitMs, durationMs, agent, queue }: Interaction): string {
  const rest = { queue, agent, waitMs, durationMs, outcome, reaction, ...props }
  const texts = Object.entries(rest).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]))
  return [`${touchpoint}@${at / 1000}`, ...texts].join(' ')
}

describe('every event of the format', () => {
  const ignored = ['ignored'] as const
  /** Given these lines, then the event says this; `ignored`: nothing of a caller. */
  const table: Readonly<Record<string, readonly [lines: readonly string[], ...then: string[]]>> = {
    ENTERQUEUE: [['100|c1|sales|NONE|ENTERQUEUE||5551234567|2|Ann'], 'call_queue@100 queue=sales position=2'],
    CONNECT: [[ENTER, CONNECT], 'call_wait@105 queue=sales agent=SIP/7 waitMs=5000'],
    ABANDON: [[ENTER, '110|c1|sales|NONE|ABANDON|1|2|9'], 'call_wait@110 queue=sales waitMs=9000 outcome=abandoned'],
    COMPLETEAGENT: [
      [ENTER, CONNECT, '165|c1|sales|SIP/7|COMPLETEAGENT|5|60|2'],
      'call_answer@165 queue=sales agent=SIP/7 durationMs=60000 endedBy=agent',
    ],
    COMPLETECALLER: [
      [ENTER, CONNECT, '165|c1|sales|SIP/7|COMPLETECALLER|5|59|2'],
      'call_answer@165 queue=sales agent=SIP/7 durationMs=59000 endedBy=caller',
    ],
    TRANSFER: [
      [ENTER, CONNECT, '165|c1|sales|SIP/7|TRANSFER|200|office|5|58|2'],
      'call_answer@165 queue=sales agent=SIP/7 durationMs=58000',
      'call_transfer@165.001 queue=sales agent=SIP/7 to=200@office',
    ],
    BLINDTRANSFER: [
      [ENTER, CONNECT, '165|c1|sales|SIP/7|BLINDTRANSFER|200|office|5|58|2'],
      'call_answer@165 queue=sales agent=SIP/7 durationMs=58000',
      'call_transfer@165.001 queue=sales agent=SIP/7 to=200@office',
    ],
    ATTENDEDTRANSFER: [
      [ENTER, CONNECT, '165|c1|sales|SIP/7|ATTENDEDTRANSFER|LINK|SIP/7-a|SIP/9-b|5|57|2'],
      'call_answer@165 queue=sales agent=SIP/7 durationMs=57000',
      'call_transfer@165.001 queue=sales agent=SIP/7 to=SIP/7-a SIP/9-b',
    ],
    EXITEMPTY: [
      [ENTER, '130|c1|sales|NONE|EXITEMPTY|1|2|29'],
      'call_wait@130 queue=sales waitMs=29000 reaction=negative ended=empty',
    ],
    LEAVEEMPTY: [
      [ENTER, '130|c1|sales|NONE|LEAVEEMPTY|'],
      'call_wait@130 queue=sales waitMs=30000 reaction=negative ended=empty',
    ],
    EXITWITHTIMEOUT: [
      [ENTER, '130|c1|sales|NONE|EXITWITHTIMEOUT|1|2|29'],
      'call_wait@130 queue=sales waitMs=29000 reaction=negative ended=timeout',
    ],
    EXITWITHKEY: [
      [ENTER, '130|c1|sales|NONE|EXITWITHKEY|9|1|2|29'],
      'call_wait@130 queue=sales waitMs=29000 ended=key key=9',
    ],
    WITHDRAW: [
      [ENTER, '130|c1|sales|NONE|WITHDRAW|1|2|29|by the boss'],
      'call_wait@130 queue=sales waitMs=29000 reaction=negative ended=system',
    ],
    SYSCOMPAT: [
      [ENTER, '130|c1|sales|SIP/7|SYSCOMPAT|'],
      'call_wait@130 queue=sales waitMs=30000 reaction=negative ended=system',
    ],
    CLOSED: [
      ['100|c1|sales|NONE|CLOSED|'],
      'call_queue@100 queue=sales reaction=negative event=CLOSED turnedAway=closed',
    ],
    FULL: [['100|c1|sales|NONE|FULL'], 'call_queue@100 queue=sales reaction=negative event=FULL turnedAway=full'],
    JOINEMPTY: [
      ['100|c1|sales|NONE|JOINEMPTY|||||'],
      'call_queue@100 queue=sales reaction=negative event=JOINEMPTY turnedAway=empty',
    ],
    DIVERT_CA_RATIO: [
      ['100|c1|sales|NONE|DIVERT_CA_RATIO|'],
      'call_queue@100 queue=sales reaction=negative event=DIVERT_CA_RATIO turnedAway=diverted',
    ],
    DIVERT_HOLDTIME: [
      ['100|c1|sales|NONE|DIVERT_HOLDTIME|'],
      'call_queue@100 queue=sales reaction=negative event=DIVERT_HOLDTIME turnedAway=diverted',
    ],
    QUEUESTART: [[ENTER, '130|NONE|NONE|NONE|QUEUESTART|'], 'call_wait@130 queue=sales reaction=negative ended=system'],
    CONFIGRELOAD: [['100|NONE|NONE|NONE|CONFIGRELOAD|'], ...ignored],
    DID: [['100|c1|sales|NONE|DID|4930999'], ...ignored],
    INFO: [['100|c1|sales|NONE|INFO|IVR|1'], ...ignored],
    AGENTDUMP: [['100|c1|sales|SIP/7|AGENTDUMP|'], ...ignored],
    RINGNOANSWER: [['100|c1|sales|SIP/7|RINGNOANSWER|15000'], ...ignored],
    RINGCANCELED: [['100|c1|sales|SIP/7|RINGCANCELED|4000'], ...ignored],
    ADDMEMBER: [['100|MANAGER|sales|SIP/7|ADDMEMBER|PAUSED'], ...ignored],
    REMOVEMEMBER: [['100|REALTIME|sales|SIP/7|REMOVEMEMBER|'], ...ignored],
    AGENTLOGIN: [['100|c1|NONE|Agent/1|AGENTLOGIN|SIP/7-1'], ...ignored],
    AGENTLOGOFF: [['100|c1|NONE|Agent/1|AGENTLOGOFF|SIP/7-1|3600'], ...ignored],
    AGENTCALLBACKLOGIN: [['100|c1|NONE|Agent/1|AGENTCALLBACKLOGIN|1002@office'], ...ignored],
    AGENTCALLBACKLOGOFF: [['100|NONE|NONE|Agent/1|AGENTCALLBACKLOGOFF|1002@office|43|CommandLogoff'], ...ignored],
    PAUSE: [['100|NONE|sales|SIP/7|PAUSE|lunch'], ...ignored],
    UNPAUSE: [['100|NONE|sales|SIP/7|UNPAUSE|'], ...ignored],
    PAUSEALL: [['100|NONE|NONE|SIP/7|PAUSEALL|'], ...ignored],
    UNPAUSEALL: [['100|NONE|NONE|SIP/7|UNPAUSEALL|'], ...ignored],
    PENALTY: [['100|NONE|sales|SIP/7|PENALTY|2'], ...ignored],
    RINGINUSE: [['100|NONE|sales|SIP/7|RINGINUSE|1'], ...ignored],
    WRAPUPSTART: [['100|NONE|NONE|Agent/1|WRAPUPSTART|30'], ...ignored],
    OUTCALL: [['100|c1|sales|SIP/7|OUTCALL|ANSWER|60|'], ...ignored],
  }

  it('has a row here', () => {
    expect(Object.keys(table).sort()).toEqual([...QUEUE_LOG_EVENTS.keys()].sort())
  })

  it.each(Object.entries(table))('%s', (event, [lines, ...then]) => {
    const before = readQueueLog(lines.slice(0, -1))
    const after = readQueueLog(lines)
    expect(after.rejected).toEqual([])
    if (then[0] === 'ignored') expect(after).toMatchObject({ interactions: [], ignored: { [event]: 1 } })
    else expect(after.interactions.slice(before.interactions.length).map(short)).toEqual(then)
  })
})

describe('whose call it is', () => {
  const customerOf = (caller: string, rule?: string): unknown => {
    const [first] = readQueueLog(
      [`100|c1|sales|NONE|ENTERQUEUE||${caller}|1|Ann Lee`],
      rule === undefined ? {} : { customer: rule },
    ).interactions
    return first?.customer ?? first?.anonymousId
  }
  const table: readonly (readonly [caller: string, rule: string | undefined, then: string])[] = [
    ['+49 30 123456', undefined, '+4930123456'],
    ['004930123456', undefined, '+4930123456'],
    ['89161234567', undefined, '+79161234567'],
    ['5555555555', undefined, '5555555555'],
    ['1003', undefined, '1003'],
    [' Anna@PBX ', undefined, 'anna@pbx'],
    ['', undefined, 'call:c1'],
    ['anonymous', undefined, 'call:c1'],
    ['<Unknown>', undefined, 'call:c1'],
    ['No Number', undefined, 'call:c1'],
    ['0000000', undefined, 'call:c1'],
    ['+4930123456', 'tel:{caller:digits}', 'tel:4930123456'],
    ['anonymous', 'tel:{caller:digits}', 'call:c1'],
    ['1003', '{queue}/{name:slug}', 'sales/ann_lee'],
  ]
  it.each(table)('caller "%s", rule %s: %s', (caller, rule, then) => {
    expect(customerOf(caller, rule)).toBe(then)
  })

  it('what is anonymous at first belongs to the customer as soon as the call says who it is', () => {
    const { interactions } = readQueueLog([
      '100|c1|menu|NONE|ENTERQUEUE|||1',
      '110|c1|menu|NONE|EXITWITHKEY|2|1|1|10',
      '111|c1|sales|NONE|ENTERQUEUE||5555555555|1',
      '120|c1|sales|SIP/7|CONNECT|9|c2|3',
    ])
    expect(interactions.map(({ customer, anonymousId }) => [customer, anonymousId])).toEqual([
      [undefined, 'call:c1'],
      [undefined, 'call:c1'],
      ['5555555555', 'call:c1'],
      ['5555555555', undefined],
    ])
  })

  it.each([
    ['{caler}', 'column 2: expected caller, got "caler"'],
    ['{caller:e163}', 'column 9: expected a filter (lower, trim, digits, e164, slug); units are for'],
    ['{caller', 'column 1: expected a } that closes this {'],
    ['shop', 'expected a placeholder, as {caller:e164|caller:trim:lower}, got "shop"'],
  ])('a rule with a mistake: %s', (rule, message) => {
    expect(() => readQueueLog([], { customer: rule })).toThrow(InvalidCallerRule)
    expect(() => readQueueLog([], { customer: rule })).toThrow(message)
  })
})

describe('lines that are none', () => {
  const table: readonly (readonly [line: string, then: string])[] = [
    ['hello', 'malformed_queue_log '],
    ['100|c1|sales|NONE', 'malformed_queue_log '],
    ['100|c1|sales|NONE||1', 'malformed_queue_log '],
    ['soon|c1|sales|NONE|ENTERQUEUE||1|1', 'bad_time epoch'],
    ['2012-07-01 08:00:00|c1|sales|NONE|ENTERQUEUE||1|1', 'bad_time epoch'],
    ['-5|c1|sales|NONE|ENTERQUEUE||1|1', 'bad_time epoch'],
    ['99999999999|c1|sales|NONE|ENTERQUEUE||1|1', 'at_out_of_range epoch'],
    ['100|c1|sales|NONE|QUEUEDANCE|1', 'unknown_event event'],
    ['100|c1|sales|NONE|__proto__|1', 'unknown_event event'],
    ['100|NONE|sales|NONE|ABANDON|1|1|4', 'malformed_queue_log call id'],
    [`100|${'c'.repeat(129)}|sales|NONE|ENTERQUEUE||1|1`, 'too_long episode'],
    [`100|c1|${'q'.repeat(129)}|NONE|ENTERQUEUE||1|1`, 'too_long queue'],
    ['100|c1|sa\u0000les|NONE|ENTERQUEUE||1|1', 'not_unicode queue'],
  ]
  it.each(table)('%s', (line, then) => {
    const { interactions, rejected } = readQueueLog([line, '101|c9|sales|NONE|ENTERQUEUE||7|1'])
    expect(rejected.map(({ rejection }) => `${rejection.reason} ${rejection.field}`)).toEqual([then])
    expect(interactions.map(({ episode }) => episode)).toEqual(['c9'])
  })

  it('unknown events are counted by name, and names without end are not remembered', () => {
    const lines = ['A', 'B', 'A'].map((event) => `100|c1|sales|NONE|${event}|`)
    expect(readQueueLog(lines).unknown).toEqual({ A: 2, B: 1 })
    const many = Array.from({ length: 1_000 }, (_, k) => `100|c1|sales|NONE|E${k}|`)
    const { unknown } = readQueueLog(many)
    expect(Object.keys(unknown).length).toBeLessThanOrEqual(101)
    expect(unknown.others).toBe(900)
  })
})

describe('fields', () => {
  const waits = (...lines: string[]) => told(lines).filter((text) => text.startsWith('call_wait'))

  it.each([
    ['a fraction of a second', '1383900788.94807|c1|q|NONE|ENTERQUEUE||5555555555|1', 1383900788948],
    ['binary fractions are no trap', '1383900788.29|c1|q|NONE|ENTERQUEUE||5555555555|1', 1383900788290],
    ['white space and a carriage return', ' 1383900788 |c1|q|NONE|ENTERQUEUE||5555555555|1\r', 1383900788000],
  ])('%s', (_name, line, at) => {
    expect(readQueueLog([line]).interactions[0]).toMatchObject({ at, customer: '5555555555' })
  })

  it('the data of the older table, packed into one field', () => {
    expect(told([ENTER, '110|c1|sales|NONE|ABANDON|"1|2|9"'])).toEqual(told([ENTER, '110|c1|sales|NONE|ABANDON|1|2|9']))
    expect(told(['100|c1|sales|NONE|ENTERQUEUE|"|+4930123456|2"'])).toEqual(told([ENTER]))
  })

  it('empty fields at the end change nothing, not even the id', () => {
    const one = readQueueLog([ENTER])
    expect(readQueueLog([`${ENTER}||`]).interactions).toEqual(one.interactions)
  })

  it.each([
    ['is empty', '110|c1|sales|NONE|ABANDON|1|2|', 'waitMs=10000'],
    ['is missing', '110|c1|sales|NONE|ABANDON', 'waitMs=10000'],
    ['is no number', '110|c1|sales|NONE|ABANDON|1|2|long', 'waitMs=10000'],
    ['is negative', '110|c1|sales|NONE|ABANDON|1|2|-3600', 'waitMs=10000'],
    ['is a broken counter', '110|c1|sales|NONE|ABANDON|1|2|999999999', 'waitMs=10000'],
    ['is right, whatever the clock says', '110|c1|sales|NONE|ABANDON|1|2|600', 'waitMs=600000'],
  ])('a wait that %s', (_name, line, then) => {
    expect(waits(ENTER, line)).toEqual([`call_wait@110 queue=sales ${then} outcome=abandoned`])
  })

  it('a wait is left out where neither its field nor the clock can say it', () => {
    expect(waits('110|c1|sales|NONE|ABANDON|1|2|')).toEqual(['call_wait@110 queue=sales outcome=abandoned'])
    expect(waits(ENTER, '90|c1|sales|NONE|ABANDON|1|2|')).toEqual(['call_wait@90 queue=sales outcome=abandoned'])
  })

  it('a conversation without its length: from the clock, else absent', () => {
    expect(told([ENTER, CONNECT, '165|c1|sales|SIP/7|TRANSFER|200|office']).at(-2)).toContain('durationMs=60000')
    expect(told(['165|c1|sales|SIP/7|COMPLETEAGENT|5||'])).toEqual([
      'call_answer@165 queue=sales agent=SIP/7 endedBy=agent',
    ])
  })
})
