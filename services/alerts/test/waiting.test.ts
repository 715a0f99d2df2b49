import { describe, expect, it } from 'vitest'
import { type Arrival, Course, enters, gaveUp, rulesIn, t, visits, waited } from './course.ts'

const RULE = rulesIn('rules: [{ name: too-long, severity: page, waiting: { longerThan: 2m } }]')
const SUPPORT = rulesIn('rules: [{ name: too-long, waiting: { longerThan: 2m, queue: support } }]')
const FIRES = '09:02:00 too-long firing anna'

function check(
  given: string,
  arrivals: readonly Arrival[],
  then: readonly string[],
  { rules = RULE, until = t(90) }: { rules?: typeof RULE; until?: number } = {},
) {
  it(given, () => {
    expect(new Course(rules).until(until, arrivals).lines()).toEqual(then)
  })
}

describe('one customer who waits', () => {
  check('answered just inside', [enters('anna', t(0)), waited('anna', t(1, 59.999), 119_999)], [])
  check('answered exactly at the threshold', [enters('anna', t(0)), waited('anna', t(2), 120_000)], [])
  check(
    'answered just after',
    [enters('anna', t(0)), waited('anna', t(2, 0.001), 120_001)],
    [FIRES, '09:02:00.001 too-long resolved anna'],
  )
  check(
    'gave up',
    [enters('anna', t(0)), gaveUp('anna', t(3, 20), 200_000)],
    [FIRES, '09:03:20 too-long resolved anna'],
  )
  check(
    'never ended: an hour later nobody waits any more',
    [enters('anna', t(0))],
    [FIRES, '10:00:01 too-long resolved anna'],
  )
  check(
    'another episode of the same customer ends nothing',
    [enters('anna', t(0)), visits('checkout', t(1), { customer: 'anna', episode: 'shop' })],
    [FIRES],
    { until: t(5) },
  )
  check(
    'anything later of the call ends it',
    [enters('anna', t(0)), visits('call_answer', t(1), { customer: 'anna', episode: 'call-of-anna' })],
    [],
  )
  check('turned away: does not wait', [enters('anna', t(0), { props: { turnedAway: 'closed' } })], [])
  check('another queue than the rule is about', [enters('anna', t(0), { queue: 'sales' })], [], { rules: SUPPORT })
  check('no queue, and the rule names one', [{ ...enters('anna', t(0)), queue: undefined as never }], [], {
    rules: SUPPORT,
  })
  check(
    'two calls, an alert each',
    [enters('anna', t(0)), enters('boris', t(0, 30)), waited('anna', t(3), 180_000), waited('boris', t(4), 210_000)],
    [FIRES, '09:02:30 too-long firing boris', '09:03:00 too-long resolved anna', '09:04:00 too-long resolved boris'],
  )
  check(
    'a second queue of one call begins a second wait',
    [
      enters('anna', t(0)),
      waited('anna', t(1), 60_000),
      enters('anna', t(1), { queue: 'sales' }),
      waited('anna', t(4), 180_000, { queue: 'sales' }),
    ],
    ['09:03:00 too-long firing anna', '09:04:00 too-long resolved anna'],
  )
  check(
    'heard of late, still waiting: ten seconds after that, since the end may be on its way',
    [enters('anna', t(0), { receivedAt: t(3, 7) })],
    ['09:03:17 too-long firing anna'],
    { until: t(5) },
  )
  check(
    'heard of late, and of the end a moment after (a file that is caught up with): nobody waits',
    [enters('anna', t(0), { receivedAt: t(30) }), waited('anna', t(4), 240_000, { receivedAt: t(30, 3) })],
    [],
    { until: t(32) },
  )
  check(
    'two customers whose calls have the same ids, at the same instant: both',
    [enters('anna', t(0), { id: '1', episode: '1' }), enters('boris', t(0), { id: '1', episode: '1' })],
    ['09:02:00 too-long firing anna', '09:02:00 too-long firing boris'],
    { until: t(3) },
  )
  check(
    'heard of after its end: nobody waits',
    [waited('anna', t(1), 60_000), enters('anna', t(0), { receivedAt: t(4) })],
    [],
  )
  check('of long ago (an import): nobody waits', [enters('anna', t(-70), { receivedAt: t(1) })], [])
  check(
    'the clock of the producer is ahead',
    [enters('anna', t(4), { receivedAt: t(0) })],
    ['09:06:00 too-long firing anna'],
    { until: t(10) },
  )

  const enter = enters('anna', t(0))
  const end = gaveUp('anna', t(3), 180_000)
  check(
    'everything comes three times',
    [
      enter,
      { ...enter, receivedAt: t(1) },
      { ...enter, receivedAt: t(2, 30) },
      end,
      { ...end, receivedAt: t(4) },
      { ...enter, receivedAt: t(5) },
    ],
    [FIRES, '09:03:00 too-long resolved anna'],
  )

  it('says who, where, how long, and how it ended', () => {
    const [firing, resolved] = new Course(RULE).until(t(5), [enter, end]).told
    expect(firing?.alert).toMatchObject({
      rule: 'too-long',
      labels: { alertname: 'too-long', severity: 'page', customer: 'anna', queue: 'support', episode: 'call-of-anna' },
      summary: 'anna has waited 2 min in support',
      description:
        'Since 2026-03-02 09:00:00 UTC customer anna has waited in support, and still does (call call-of-anna).',
      startsAt: t(2),
      endsAt: null,
      value: 120,
    })
    expect(resolved?.alert).toMatchObject({
      key: firing?.alert.key,
      summary: 'anna waited 3 min in support',
      description: 'The caller gave up at 2026-03-02 09:03:00 UTC (call call-of-anna).',
      startsAt: t(2),
      endsAt: t(3),
      value: 180,
    })
  })

  it('fills in the summary of the rule', () => {
    const rules = rulesIn(
      'rules: [{ name: r, waiting: { longerThan: 90s }, summary: "{customer}: {waited}, {queue} ({rule})" }]',
    )
    const { told } = new Course(rules).until(t(5), [enter, end])
    expect(told.map(({ alert }) => alert.summary)).toEqual([
      'anna: 1 min 30 s, support (r)',
      'anna: 3 min, support (r)',
    ])
  })

  it('goes on when the clock jumps back, and ends once', () => {
    const course = new Course(RULE).until(t(3), [enter])
    course
      .jump(t(-30))
      .until(t(-29))
      .jump(t(4))
      .until(t(6), [waited('anna', t(5), 300_000)])
    expect(course.lines()).toEqual([FIRES, '09:05:00 too-long resolved anna'])
  })
})

it('a call that was given up does not fire again, whatever the clock does and is repeated', () => {
  const enter = enters('anna', t(0))
  const course = new Course(RULE).until(t(61), [enter])
  course.jump(t(5)).until(t(10), [{ ...enter, receivedAt: t(6) }])
  expect(course.lines()).toEqual([FIRES, '10:00:01 too-long resolved anna'])
})

describe('restarts while calls wait', () => {
  it('the same process, the same keys: fired before, ended after', () => {
    const course = new Course(RULE)
      .until(t(2, 30), [enters('anna', t(0))])
      .restart()
      .until(t(5), [waited('anna', t(4), 240_000)])
    expect(course.lines()).toEqual([FIRES, '09:04:00 too-long resolved anna'])
    expect(new Set(course.told.map(({ alert }) => alert.key)).size).toBe(1)
  })

  it('passed the threshold while nobody was there, and still waits: fires at the start, as of the threshold', () => {
    const course = new Course(RULE).until(t(1), [enters('anna', t(0))]).restart({ after: 300_000 })
    expect(course.lines()).toEqual(['09:06:00 too-long firing anna'])
    expect(course.told[0]?.alert.startsAt).toBe(t(2))
  })

  it('passed it and ended while nobody was there: nothing is told', () => {
    const course = new Course(RULE).until(t(1), [enters('anna', t(0))])
    course.restart({ after: 300_000, meanwhile: [waited('anna', t(3), 180_000)] }).until(t(10))
    expect(course.lines()).toEqual([])
  })

  it('fired before, ended while nobody was there: resolved at the start, as of its end', () => {
    const course = new Course(RULE).until(t(2, 30), [enters('anna', t(0))])
    course
      .restart({ after: 300_000, meanwhile: [waited('anna', t(3), 180_000)] })
      .until(t(10))
      .restart()
      .until(t(11))
    expect(course.lines()).toEqual([FIRES, '09:07:30 too-long resolved anna'])
    expect(course.told[1]?.alert.endsAt).toBe(t(3))
  })

  it('fired, and nobody was there for two hours: over, since nothing is known of the call any more', () => {
    const course = new Course(RULE).until(t(2, 30), [enters('anna', t(0))]).restart({ after: 7_200_000 })
    expect(course.lines()).toEqual([FIRES, '11:02:30 too-long resolved anna'])
  })

  it('a rule that was removed, or changed: its alerts are over, and say why', () => {
    const changed = rulesIn('rules: [{ name: too-long, severity: page, waiting: { longerThan: 3m } }]')
    const course = new Course(RULE)
      .until(t(2, 30), [enters('anna', t(0))])
      .restart({ rules: changed })
      .until(t(3, 30))
    expect(course.lines()).toEqual([FIRES, '09:02:30 too-long resolved anna', '09:03:00 too-long firing anna'])
    expect(course.told[1]?.alert.description).toBe(
      'The rule too-long was changed: this alert is over, whatever it was about.',
    )
    course.restart({ rules: [] })
    expect(course.told.at(-1)?.alert.description).toMatch(/was removed/)
  })
})
