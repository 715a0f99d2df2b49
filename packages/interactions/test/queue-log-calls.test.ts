import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Interaction, QueueLogReader, type QueueLogState, readQueueLog } from '../src/index.ts'

/** `touchpoint@seconds queue`, and how a wait ended. */
function steps(lines: readonly string[]): string[] {
  return readQueueLog(lines).interactions.map(({ touchpoint, at, queue, outcome, props }) => {
    const end = outcome ?? props?.ended
    return `${touchpoint}@${at / 1000} ${queue}${end === undefined ? '' : ` ${end}`}`
  })
}

describe('the calls of a log', () => {
  const enter = (at: number, call: string, queue: string) => `${at}|${call}|${queue}|NONE|ENTERQUEUE||5555555555|1`
  const connect = (at: number, call: string, queue: string) => `${at}|${call}|${queue}|SIP/7|CONNECT|5|x|2`
  const complete = (at: number, call: string, queue: string) => `${at}|${call}|${queue}|SIP/7|COMPLETEAGENT|5|60|1`
  const abandon = (at: number, call: string, queue: string) => `${at}|${call}|${queue}|NONE|ABANDON|1|1|5`

  const table: readonly (readonly [given: string, lines: readonly string[], then: readonly string[]])[] = [
    [
      'two queues, one after the other',
      [
        enter(100, 'c', 'q1'),
        connect(105, 'c', 'q1'),
        complete(165, 'c', 'q1'),
        enter(166, 'c', 'q2'),
        abandon(170, 'c', 'q2'),
      ],
      [
        'call_queue@100 q1',
        'call_wait@105 q1',
        'call_answer@165 q1',
        'call_queue@166 q2',
        'call_wait@170 q2 abandoned',
      ],
    ],
    [
      'the same queue again',
      [enter(100, 'c', 'q'), '130|c|q|NONE|EXITWITHTIMEOUT|1|1|30', enter(131, 'c', 'q'), abandon(140, 'c', 'q')],
      ['call_queue@100 q', 'call_wait@130 q timeout', 'call_queue@131 q', 'call_wait@140 q abandoned'],
    ],
    [
      'everything within one second keeps its order, a millisecond apart',
      [
        enter(100, 'c', 'q1'),
        connect(100, 'c', 'q1'),
        complete(100, 'c', 'q1'),
        enter(100, 'c', 'q2'),
        abandon(100, 'c', 'q2'),
      ],
      [
        'call_queue@100 q1',
        'call_wait@100.001 q1',
        'call_answer@100.002 q1',
        'call_queue@100.003 q2',
        'call_wait@100.004 q2 abandoned',
      ],
    ],
    [
      'an end that is told twice is one',
      [enter(100, 'c', 'q'), '130|c|q|NONE|EXITEMPTY|1|1|30', '130|c|q|NONE|LEAVEEMPTY|'],
      ['call_queue@100 q', 'call_wait@130 q empty'],
    ],
    [
      'after such an end, the next line has its own second',
      [enter(100, 'c', 'q'), '130|c|q|NONE|EXITEMPTY|1|1|30', '131|c|q|NONE|LEAVEEMPTY|', enter(131, 'c', 'q')],
      ['call_queue@100 q', 'call_wait@130 q empty', 'call_queue@131 q'],
    ],
    [
      'a call that was dropped, and is told as abandoned then',
      [enter(100, 'c', 'q'), '130|c|q|SIP/7|SYSCOMPAT|', abandon(130, 'c', 'q')],
      ['call_queue@100 q', 'call_wait@130 q system'],
    ],
    [
      'a conversation that both ended',
      [enter(100, 'c', 'q'), connect(105, 'c', 'q'), complete(165, 'c', 'q'), '165|c|q|SIP/7|COMPLETECALLER|5|60|1'],
      ['call_queue@100 q', 'call_wait@105 q', 'call_answer@165 q'],
    ],
    [
      'the same line twice',
      [enter(100, 'c', 'q'), enter(100, 'c', 'q'), abandon(110, 'c', 'q'), abandon(110, 'c', 'q')],
      ['call_queue@100 q', 'call_wait@110 q abandoned'],
    ],
    ['a call without an end', [enter(100, 'c', 'q')], ['call_queue@100 q']],
    ['an end without a beginning', [abandon(110, 'c', 'q')], ['call_wait@110 q abandoned']],
    ['the file begins in a conversation', [complete(165, 'c', 'q')], ['call_answer@165 q']],
    [
      'the line of the answer is lost',
      [enter(100, 'c', 'q'), complete(165, 'c', 'q')],
      ['call_queue@100 q', 'call_answer@165 q'],
    ],
    [
      'a clock that jumps back',
      [enter(3_700, 'c', 'q'), connect(105, 'c', 'q'), complete(165, 'c', 'q')],
      ['call_queue@3700 q', 'call_wait@105 q', 'call_answer@165 q'],
    ],
    [
      'an agent that hangs up in the announcement: the caller waits on',
      [enter(100, 'c', 'q'), '110|c|q|SIP/7|AGENTDUMP|', connect(120, 'c', 'q')],
      ['call_queue@100 q', 'call_wait@120 q'],
    ],
    [
      'Asterisk starts anew: who waited is gone, whose id comes again is another',
      [
        enter(100, 'c', 'q'),
        enter(101, 'd', 'q'),
        connect(105, 'd', 'q'),
        '110|NONE|NONE|NONE|QUEUESTART|',
        enter(120, 'c', 'q'),
        abandon(130, 'c', 'q'),
      ],
      [
        'call_queue@100 q',
        'call_queue@101 q',
        'call_wait@105 q',
        'call_wait@110 q system',
        'call_queue@120 q',
        'call_wait@130 q abandoned',
      ],
    ],
    ['Asterisk starts the next day', [enter(100, 'c', 'q'), '86500|NONE|NONE|NONE|QUEUESTART|'], ['call_queue@100 q']],
  ]
  it.each(table)('%s', (_given, lines, then) => {
    expect(steps(lines)).toEqual(then)
  })

  it('a reused id gives other ids of interactions', () => {
    const first = [enter(100, 'c', 'q'), abandon(110, 'c', 'q')]
    const second = [enter(200, 'c', 'q'), abandon(210, 'c', 'q')]
    const { interactions } = readQueueLog([...first, '150|NONE|NONE|NONE|QUEUESTART|', ...second])
    expect(new Set(interactions.map(({ id }) => id)).size).toBe(4)
  })

  it('reading again from the middle gives interactions with the same ids, or none', () => {
    const lines = table.flatMap(([, each], k) => each.map((line) => line.replace('|c|', `|c${k}|`)))
    const whole = new Set(readQueueLog(lines).interactions.map(({ id }) => id))
    for (let from = 0; from < lines.length; from++) {
      const part = readQueueLog(lines.slice(from)).interactions
      // But for what only tells the second of two ends: the first stands before the part.
      const others = part.filter(({ id }) => !whole.has(id)).map(({ touchpoint }) => touchpoint)
      expect(others.length).toBeLessThanOrEqual(1)
    }
  })
})

/** A call as a small machine of the PBX writes it, from a moment on. */
const callArbitrary = fc
  .record({
    caller: fc.constantFrom('', '+4930123456', '5555555555', 'anonymous', '1003'),
    start: fc.integer({ min: 1_000, max: 1_050 }),
    stays: fc.array(
      fc.record({
        queue: fc.constantFrom('q1', 'q2'),
        wait: fc.integer({ min: 0, max: 3 }),
        talk: fc.integer({ min: 0, max: 3 }),
        end: fc.constantFrom(
          'ABANDON',
          'COMPLETEAGENT',
          'BLINDTRANSFER',
          'EXITWITHTIMEOUT',
          'EXITEMPTY',
          'CLOSED',
          'lost',
        ),
        told: fc.boolean(),
      }),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map(({ caller, start, stays }) => (id: string): string[] => {
    let at = start
    return stays.flatMap(({ queue, wait, talk, end, told }) => {
      const line = (event: string, data: string, agent = 'NONE') => `${at}|${id}|${queue}|${agent}|${event}|${data}`
      if (end === 'CLOSED') return [line('CLOSED', '')]
      const lines = [line('ENTERQUEUE', `|${caller}|1`)]
      at += wait
      if (end === 'COMPLETEAGENT' || end === 'BLINDTRANSFER') {
        lines.push(line('RINGNOANSWER', '1000', 'SIP/7'), line('CONNECT', `${told ? wait : ''}|x|1`, 'SIP/7'))
        at += talk
        const data = end === 'COMPLETEAGENT' ? `${wait}|${talk}|1` : `200|office|${wait}|${talk}|1`
        lines.push(line(end, data, 'SIP/7'))
      } else if (end !== 'lost') lines.push(line(end, `1|1|${told ? wait : ''}`))
      return lines
    })
  })

/** Some calls, and their lines one among the other, as `order` draws them. */
const logArbitrary = fc
  .record({ calls: fc.array(callArbitrary, { minLength: 1, maxLength: 6 }), order: fc.infiniteStream(fc.nat(5)) })
  .map(({ calls, order }) => {
    const parts = calls.map((call, k) => call(`call-${k}`))
    const rests = parts.map((lines) => [...lines])
    const lines: string[] = []
    for (const k of order) {
      const open = rests.filter((rest) => rest.length > 0)
      if (open.length === 0) break
      const next = open[k % open.length]?.shift()
      if (next !== undefined) lines.push(next)
    }
    return { parts, lines }
  })

describe('properties', () => {
  const ofCall = (interactions: readonly Interaction[], k: number) =>
    interactions.filter(({ episode }) => episode === `call-${k}`)

  it('calls between whose lines others stand give what each gives alone', () => {
    fc.assert(
      fc.property(logArbitrary, ({ parts, lines }) => {
        const { interactions, rejected } = readQueueLog(lines)
        expect(rejected).toEqual([])
        for (const [k, part] of parts.entries()) {
          expect(ofCall(interactions, k)).toEqual(readQueueLog(part).interactions)
        }
      }),
    )
  })

  it('wherever reading is interrupted and goes on with its memory, it gives the same', () => {
    fc.assert(
      fc.property(logArbitrary, fc.array(fc.nat(40), { maxLength: 4 }), ({ lines }, cuts) => {
        const found: Interaction[] = []
        let state: QueueLogState | undefined
        const bounds = [0, ...cuts.map((cut) => Math.min(cut, lines.length)).sort((a, b) => a - b), lines.length]
        for (let k = 1; k < bounds.length; k++) {
          const reader = new QueueLogReader({}, state)
          for (const line of lines.slice(bounds[k - 1], bounds[k])) {
            const result = reader.read(line)
            if (result.kind === 'interactions') found.push(...result.interactions)
          }
          state = JSON.parse(JSON.stringify(reader.state())) as QueueLogState
        }
        expect(found).toEqual(readQueueLog(lines).interactions)
      }),
    )
  })

  it('read twice, as from copies of a file, it gives nothing new; ids are unique, and instants of a call never equal', () => {
    fc.assert(
      fc.property(logArbitrary, ({ parts, lines }) => {
        const { interactions } = readQueueLog(lines)
        const ids = interactions.map(({ id }) => id)
        expect(new Set(ids).size).toBe(ids.length)
        for (const k of parts.keys()) {
          const instants = ofCall(interactions, k).map(({ at }) => at)
          expect(instants).toEqual([...new Set(instants)].sort((a, b) => a - b))
        }
        const again = readQueueLog(lines).interactions
        expect(again).toEqual(interactions)
      }),
    )
  })

  it('any text is taken, ignored or rejected', () => {
    const piece = fc.oneof(
      fc.string(),
      fc.constantFrom('|', '100', 'ENTERQUEUE', 'CONNECT', 'NONE', '"', 'ATTENDEDTRANSFER'),
    )
    fc.assert(
      fc.property(fc.array(fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('|'))), (lines) => {
        const { interactions, rejected, ignored } = readQueueLog(lines)
        const dumb = Object.values(ignored).reduce((sum, n) => sum + n, 0)
        const filled = lines.filter((line) => line.trim() !== '').length
        expect(rejected.length + dumb).toBeLessThanOrEqual(filled)
        expect(interactions.length).toBeLessThanOrEqual(2 * filled)
      }),
    )
  })
})

it('the memory stays bounded, however many calls never end', () => {
  const reader = new QueueLogReader()
  for (let k = 0; k < 120_000; k++) reader.read(`${1_000 + k}|c${k}|q|NONE|ENTERQUEUE||${5_550_000 + k}|1`)
  for (let k = 0; k < 5_000; k++) {
    reader.read(`${200_000 + k}|d${k}|q|NONE|ENTERQUEUE||${5_550_000 + k}|1`)
    reader.read(`${200_001 + k}|d${k}|q|NONE|ABANDON|1|1|1`)
  }
  const { open, over } = reader.state()
  expect([open.length, over.length]).toEqual([99_999, 1_000])
})

it('one call with queues and lines without end is bounded as well', () => {
  const reader = new QueueLogReader()
  for (let k = 0; k < 10_000; k++) reader.read(`100|c|q${k}|NONE|ENTERQUEUE||5550000|1`)
  expect(JSON.stringify(reader.state()).length).toBeLessThan(5_000)
})
