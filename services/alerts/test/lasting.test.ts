import { describe, expect, it } from 'vitest'
import { type Arrival, Course, calls, enters, gaveUp, rulesIn, START, t, visits, waited } from './course.ts'

/** A rule in one line, what comes, and what is told; `(until)` where it matters. */
function check(given: string, rule: string, arrivals: readonly Arrival[], then: readonly string[], until = t(60)) {
  it(given, () => {
    expect(new Course(rulesIn(`rules: [{ name: r, ${rule} }]`)).until(until, arrivals).lines()).toEqual(then)
  })
}

const LATE = 30_000
const QUICK = 10_000
const LEVEL = 'serviceLevel: { within: 20s, below: 80%, over: 15m, atLeast: 10 }'

describe('service level', () => {
  check('exactly what was asked for', LEVEL, [...calls(8, t(0), QUICK), ...calls(2, t(0, 10), LATE)], [], t(1, 30))
  check(
    'one less: fires, and is over when they are forgotten',
    LEVEL,
    [...calls(16, t(0), QUICK), ...calls(5, t(1), LATE)],
    ['09:01:48 r firing', '09:16:45 r resolved'],
  )
  check('exactly in time counts as in time', LEVEL, calls(20, t(0), 20_000), [])
  check('a millisecond more does not', LEVEL, calls(10, t(0), 20_001), ['09:00:54 r firing', '09:15:50 r resolved'])
  check('too few to say', LEVEL, calls(9, t(0), LATE), [])
  check(
    'who gave up was not answered in time',
    LEVEL,
    [...calls(7, t(0), QUICK), ...calls(3, t(1), QUICK, { outcome: 'abandoned' })],
    ['09:01:40 r firing', '09:16:40 r resolved'],
  )
  check(
    'who was sent away by the queue does not count',
    LEVEL,
    [...calls(9, t(0), QUICK), ...calls(9, t(0), LATE, { props: { ended: 'timeout' } })],
    [],
  )
  check(
    'told once, however often they come',
    LEVEL,
    [1, 2, 3].flatMap((minute) =>
      calls(9, t(0), LATE).map((one, k) => ({ ...one, id: `same${k}`, customer: 'anna', receivedAt: t(minute, k) })),
    ),
    [],
  )
  check(
    'late ones count by when they happened',
    LEVEL,
    calls(10, t(0), LATE).map((one) => ({ ...one, receivedAt: t(14) })),
    ['09:14:00 r firing', '09:15:50 r resolved'],
  )
  check(
    'those that come after the window do not count',
    LEVEL,
    calls(10, t(0), LATE).map((one) => ({ ...one, receivedAt: t(17) })),
    [],
  )
  check(
    'for each queue',
    'serviceLevel: { within: 20s, below: 80%, over: 15m, atLeast: 10, by: queue }',
    [
      ...calls(10, t(0), LATE),
      ...calls(10, t(0), QUICK, { queue: 'sales' }),
      ...calls(10, t(1), LATE, { queue: 'claims' }),
    ],
    [
      '09:00:54 r firing support',
      '09:01:54 r firing claims',
      '09:15:50 r resolved support',
      '09:16:50 r resolved claims',
    ],
  )
  check(
    'one queue of several',
    'serviceLevel: { within: 20s, below: 80%, over: 15m, atLeast: 10, queue: sales }',
    [...calls(10, t(0), LATE), ...calls(10, t(1), LATE, { queue: 'sales' })],
    ['09:01:54 r firing sales', '09:16:50 r resolved sales'],
  )
})

describe('for', () => {
  const rule = `${LEVEL}, for: 2m`
  check('not so for long enough', rule, [...calls(10, t(0), LATE), ...calls(60, t(1), QUICK)], [])
  check('just long enough', rule, calls(10, t(0), LATE), ['09:02:54 r firing', '09:15:50 r resolved'])
  it('counts on through a restart', () => {
    const course = new Course(rulesIn(`rules: [{ name: r, ${rule} }]`))
      .until(t(1, 30), calls(10, t(0), LATE))
      .restart()
      .until(t(4))
    expect(course.lines()).toEqual(['09:02:54 r firing'])
  })
  it('a clock that was ahead does not make it wait for longer', () => {
    const course = new Course(rulesIn('rules: [{ name: r, queueLength: { above: 1 }, for: 2m }]'), t(60))
    course.until(t(60, 30), [enters('anna', t(60)), enters('boris', t(60))])
    course.jump(t(30)).until(t(40))
    expect(course.lines()).toEqual(['09:32:01 r firing'])
  })
})

describe('recover', () => {
  const rule = 'serviceLevel: { within: 20s, below: 50%, over: 15m, atLeast: 10 }, recover: 90%'
  check(
    'neither better than the bound nor well: goes on firing, begins nothing',
    rule,
    [...calls(10, t(0), LATE), ...calls(20, t(1), QUICK), ...calls(69, t(3), QUICK), waited('x', t(5), QUICK)],
    ['09:00:54 r firing', '09:05:00 r resolved'],
    t(14),
  )
  check('between the two from the beginning: nothing', rule, [...calls(4, t(0), LATE), ...calls(6, t(0), QUICK)], [])
  check(
    'few calls that go well are enough to be over',
    `${rule}`,
    [...calls(10, t(0), LATE), ...calls(2, t(12), QUICK)],
    ['09:00:54 r firing', '09:15:50 r resolved'],
  )
  check(
    'over, and again',
    `${LEVEL}`,
    [...calls(10, t(0), LATE), ...calls(40, t(1), QUICK), ...calls(50, t(3), LATE)],
    ['09:00:54 r firing', '09:01:59 r resolved', '09:03:00 r firing'],
    t(10),
  )
})

describe('abandon rate', () => {
  const rule = 'abandonRate: { above: 10%, over: 30m, atLeast: 20 }'
  check(
    'exactly the bound',
    rule,
    [...calls(18, t(0), QUICK), ...calls(2, t(1), QUICK, { outcome: 'abandoned' })],
    [],
    t(20),
  )
  check(
    'above it',
    rule,
    [...calls(18, t(0), QUICK), ...calls(3, t(1), QUICK, { outcome: 'abandoned' })],
    ['09:01:40 r firing', '09:31:40 r resolved'],
  )
  it('says what it found', () => {
    const rules = rulesIn(`rules: [{ name: r, ${rule}, summary: "{value} of {calls} ({bound}, {over}, {queue})" }]`)
    const { told } = new Course(rules).until(t(5), [
      ...calls(18, t(0), QUICK),
      ...calls(3, t(1), QUICK, { outcome: 'abandoned' }),
    ])
    expect(told[0]?.alert).toMatchObject({
      summary: '14.3 % of 21 (10 %, 30 min, all queues)',
      description: 'Of 21 callers, 3 hung up before anybody answered; expected at most 10 % (last 30 min).',
      value: 3 / 21,
    })
  })
})

describe('average wait', () => {
  const rule = 'averageWait: { above: 60s, over: 15m, atLeast: 10 }'
  check('exactly the bound', rule, calls(10, t(0), 60_000), [])
  check(
    'above it, however the waits ended',
    rule,
    [...calls(9, t(0), 60_000), waited('x', t(1), 60_100, { props: { ended: 'key' } })],
    ['09:01:00 r firing', '09:16:00 r resolved'],
  )
  it('says it in words', () => {
    const { told } = new Course(rulesIn(`rules: [{ name: r, ${rule} }]`)).until(t(20), calls(10, t(0), 90_000))
    expect(told.map(({ alert }) => [alert.summary, alert.description, alert.value])).toEqual([
      [
        'Callers wait 1 min 30 s on average',
        '10 waits took 1 min 30 s on average; expected at most 1 min (last 15 min).',
        90,
      ],
      ['Callers wait 1 min 30 s on average', 'No call has ended there in the last 15 min.', 90],
    ])
  })
})

describe('queue length', () => {
  const three = ['anna', 'boris', 'clara'].map((who, k) => enters(who, t(0, k)))
  check('exactly the bound', 'queueLength: { above: 3 }', three, [], t(30))
  check(
    'one more, until it is over',
    'queueLength: { above: 2 }',
    [...three, gaveUp('boris', t(3), 1)],
    ['09:00:02 r firing', '09:03:00 r resolved'],
    t(30),
  )
  check(
    'recover: not before it is short',
    'queueLength: { above: 2 }, recover: 1',
    [...three, gaveUp('boris', t(3), 1), gaveUp('anna', t(4), 1)],
    ['09:00:02 r firing', '09:04:00 r resolved'],
    t(30),
  )
  check(
    'for each queue',
    'queueLength: { above: 1, by: queue }',
    [...three, enters('dora', t(0), { queue: 'sales' })],
    ['09:00:01 r firing support'],
    t(30),
  )
  check(
    'calls without an end count for an hour',
    'queueLength: { above: 2 }',
    three,
    ['09:00:02 r firing', '10:00:01 r resolved'],
    t(90),
  )
})

describe('breaks against the past', () => {
  const rule = 'breakRate: { touchpoint: checkout, over: 1d, against: 28d, above: 1.5, atLeast: 50 }, recover: 1.2'
  const course = () => new Course(rulesIn(`rules: [{ name: r, ${rule} }]`))
  const past = { broke: 300, reached: 1_000 }
  for (const [given, recent, fires] of [
    ['as before', { broke: 30, reached: 100 }, false],
    ['exactly the factor', { broke: 450, reached: 1_000 }, false],
    ['beyond the factor, and no chance', { broke: 60, reached: 100 }, true],
    ['beyond the factor, by chance perhaps', { broke: 5, reached: 10 }, false],
    ['few chains', { broke: 49, reached: 49 }, false],
    ['just enough chains', { broke: 50, reached: 50 }, true],
    ['none', { broke: 0, reached: 0 }, false],
  ] as const) {
    it(given, () => {
      expect(course().measured('r', { recent, past }).until(t(1)).lines()).toEqual(
        fires ? ['09:00:01 r firing checkout'] : [],
      )
    })
  }
  it('a difference that 99 % of the interval does not carry fires nothing', () => {
    // 1.51 times, of 52 chains.
    expect(
      course()
        .measured('r', { recent: { broke: 24, reached: 52 }, past: { broke: 305, reached: 1_000 } })
        .until(t(1))
        .lines(),
    ).toEqual([])
  })
  it('stays while the store is away, also through a restart, and is over below recover', () => {
    const run = course()
      .until(t(1))
      .measured('r', { recent: { broke: 60, reached: 100 }, past })
      .until(t(2))
      .restart()
      .until(t(3))
    run.measured('r', { recent: { broke: 40, reached: 100 }, past }).until(t(4))
    expect(run.lines()).toEqual(['09:01:01 r firing checkout'])
    run.measured('r', { recent: { broke: 36, reached: 100 }, past }).until(t(5))
    expect(run.lines()[1]).toBe('09:04:01 r resolved checkout')
  })
})

describe('absence', () => {
  const rule = 'absence: { touchpoint: purchase, for: 30m }'
  check('just inside', rule, [visits('purchase', t(0)), visits('purchase', t(29, 59))], [], t(55))
  check(
    'nothing for so long, then something',
    rule,
    [visits('purchase', t(0)), visits('purchase', t(40, 0.5))],
    ['09:30:00 r firing purchase', '09:40:01 r resolved purchase'],
  )
  check(
    'exactly at the threshold is there in time',
    rule,
    [visits('purchase', t(0)), visits('purchase', t(30))],
    [],
    t(50),
  )
  check(
    'another touchpoint does not help',
    rule,
    [visits('purchase', t(0)), visits('checkout', t(20))],
    ['09:30:00 r firing purchase'],
  )
  check(
    'a clock that is ahead hides nothing',
    rule,
    [visits('purchase', t(5), { receivedAt: t(1) })],
    ['09:31:00 r firing purchase'],
  )
  check(
    'an old one that comes late proves nothing',
    rule,
    [visits('purchase', t(0)), visits('purchase', t(-20), { receivedAt: t(20) })],
    ['09:30:00 r firing purchase'],
  )
})

describe('absence in its hours', () => {
  const hours = 'between: { days: mon-fri, from: "09:00", to: "18:00", zone: Europe/Berlin }'
  const rules = rulesIn(`rules: [{ name: r, absence: { touchpoint: purchase, for: 30m, ${hours} } }]`)
  const berlin = (text: string, offset: string) => Date.parse(`${text}:00${offset}`)

  it('silence counts from when they begin, and ends with them', () => {
    const friday = berlin('2026-03-06T17:50', '+01:00')
    const course = new Course(rules, friday).until(berlin('2026-03-09T19:00', '+01:00'), [
      visits('purchase', friday + 1),
      visits('purchase', berlin('2026-03-09T10:15', '+01:00')),
      visits('purchase', berlin('2026-03-09T17:00', '+01:00')),
    ])
    // In UTC: 09:30, 10:15; 10:45, 17:00; 17:30, 18:00 there.
    expect(course.lines()).toEqual([
      '08:30:00 r firing purchase',
      '09:15:00 r resolved purchase',
      '09:45:00 r firing purchase',
      '16:00:00 r resolved purchase',
      '16:30:00 r firing purchase',
      '17:00:00 r resolved purchase',
    ])
    expect(course.told.at(-1)?.alert.description).toBe('The hours in which one is expected are over.')
  })

  it('follows the clock on the wall through summer time', () => {
    const course = new Course(rules, berlin('2026-03-29T12:00', '+02:00')).until(berlin('2026-03-30T10:00', '+02:00'))
    expect(course.lines()).toEqual(['07:30:00 r firing purchase'])
    const winter = new Course(rules, berlin('2026-10-25T12:00', '+01:00')).until(berlin('2026-10-26T10:00', '+01:00'))
    expect(winter.lines()).toEqual(['08:30:00 r firing purchase'])
  })
})

describe('restarts of rules over a window', () => {
  const rules = rulesIn(`rules: [{ name: r, ${LEVEL} }]`)
  it('go on firing under the key they began with', () => {
    const course = new Course(rules)
      .until(t(5), calls(10, t(0), LATE))
      .restart({ after: 60_000 })
      .until(t(20))
    expect(course.lines()).toEqual(['09:00:54 r firing', '09:15:50 r resolved'])
    expect(new Set(course.told.map(({ alert }) => alert.key)).size).toBe(1)
  })
  it('over while nobody was there: resolved at the first look', () => {
    const course = new Course(rules)
      .until(t(5), calls(10, t(0), LATE))
      .restart({ after: 3_600_000 })
      .until(t(66))
    expect(course.lines()).toEqual(['09:00:54 r firing', '10:05:01 r resolved'])
  })
  it('what began and is over meanwhile is not told', () => {
    const course = new Course(rules)
      .restart({ after: 3_600_000, meanwhile: calls(10, t(0), LATE) })
      .until(START + 7_200_000)
    expect(course.lines()).toEqual([])
  })
})
