import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Alert, MemoryRecord } from '../src/alert.ts'
import { type Grouping, type IsMuted, Outbox, statusOf, type Telling } from '../src/notify/outbox.ts'
import { alert, NIGHT } from './receivers/samples.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const LATE = 4 * HOUR
const grouping: Grouping = {
  by: ['alertname', 'queue'],
  waitMs: 0,
  intervalMs: MINUTE,
  repeatMs: 4 * HOUR,
  closesQuietly: false,
  needsRefresh: false,
  most: 500,
}

/** What the receiver was told, as `+anna` for firing, `-anna` for resolved, `=anna` for what it knew already. */
class Story {
  readonly #outbox: Outbox
  readonly #memory: Omit<MemoryRecord, 'timestamp'>[]
  readonly told: string[] = []
  readonly ids: string[] = []
  now = NIGHT
  isMuted: IsMuted = () => false
  isAway = false

  constructor(over: Partial<Grouping> = {}, memory: Omit<MemoryRecord, 'timestamp'>[] = []) {
    this.#outbox = new Outbox('ops', { ...grouping, ...over }, LATE, 0)
    this.#memory = memory
    for (const record of memory) this.#outbox.recall(record)
  }

  at(ms: number): this {
    while (this.#outbox.nextAt() < NIGHT + ms) {
      this.now = Math.max(this.now, this.#outbox.nextAt())
      this.#send()
    }
    this.now = NIGHT + ms
    this.#send()
    return this
  }

  tell(...alerts: readonly Alert[]): this {
    for (const one of alerts) this.#outbox.learn(one, this.isMuted, this.now)
    this.#send()
    return this
  }

  muted(isMuted: IsMuted): this {
    this.isMuted = isMuted
    this.#outbox.reconsider(this.now)
    this.#send()
    return this
  }

  away(isAway: boolean): this {
    this.isAway = isAway
    return this
  }

  /** The next process, which knows what this one remembered; `lost` of the newest were not written. */
  restarted(over: Partial<Grouping> = {}, lost = 0): Story {
    const next = new Story(over, this.#memory.slice(0, this.#memory.length - lost))
    next.now = this.now
    next.isMuted = this.isMuted
    return next
  }

  get waiting(): number {
    return this.#outbox.waiting(this.now)
  }

  #send(): void {
    for (;;) {
      const tellings = this.#outbox.due(this.isMuted, this.now, 4)
      if (tellings.length === 0) return
      for (const telling of tellings) {
        if (this.isAway) {
          this.#outbox.failed(telling, this.now + 10_000)
          continue
        }
        this.told.push(textOf(telling))
        this.ids.push(telling.id)
        this.#memory.push(...this.#outbox.done(telling))
      }
    }
  }
}

function textOf({ firing, resolved, fresh, reason, leftOut }: Telling): string {
  const mark = (one: Alert) => (!fresh.has(one.key) ? '=' : one.endsAt === null ? '+' : '-') + one.labels.customer
  const more = leftOut === 0 ? [] : [`=${leftOut} more`]
  return [...(reason === 'repeat' ? ['again'] : []), ...[...firing, ...resolved].map(mark), ...more].join(' ')
}

const anna = alert({ id: 'anna' })
const ben = alert({ id: 'ben', startsAt: NIGHT + 10 })
const over = (one: Alert, ms: number): Alert => ({ ...one, endsAt: NIGHT + ms })

describe('groups', () => {
  it('tells the first of a group at once, and further ones together after the interval', () => {
    const story = new Story().tell(anna).at(1_000).tell(ben).at(59_000)
    expect(story.told).toEqual(['+anna'])
    expect(story.at(60_000).told).toEqual(['+anna', '+ben =anna'])
  })

  it('waits for others, where it is asked to', () => {
    const story = new Story({ waitMs: 10_000 }).tell(anna).at(5_000).tell(ben).at(9_999)
    expect(story.told).toEqual([])
    expect(story.at(10_000).told).toEqual(['+anna +ben'])
  })

  it('keeps groups apart by their labels', () => {
    const sales = alert({ id: 'carl', labels: { alertname: 'waiting-too-long', queue: 'sales', customer: 'carl' } })
    expect(new Story().tell(anna, sales).told).toEqual(['+anna', '+carl'])
    expect(new Story({ by: [] }).tell(anna, sales).told).toEqual(['+anna +carl'])
    expect(new Story({ by: ['...'] }).tell(anna, ben).told).toEqual(['+anna', '+ben'])
    expect(new Story({ by: 'key' }).tell(anna, ben).told).toEqual(['+anna', '+ben'])
  })

  it('tells the end once, with those that still fire', () => {
    const story = new Story({ intervalMs: 0 }).tell(anna, ben)
    story.at(5_000).tell(over(anna, 5_000)).tell(over(anna, 5_000)).at(HOUR).tell(over(ben, HOUR))
    expect(story.told).toEqual(['+anna +ben', '=ben -anna', '-ben'])
    expect(story.at(24 * HOUR).told).toHaveLength(3)
  })

  it('begins anew when all of a group is over', () => {
    const story = new Story()
      .tell(anna)
      .at(MINUTE)
      .tell(over(anna, MINUTE))
      .at(MINUTE + 1_000)
      .tell(ben)
    expect(story.told).toEqual(['+anna', '-anna', '+ben'])
  })

  it('tells what began and ended between two messages, once', () => {
    const story = new Story().tell(anna).at(1_000).tell(ben).at(2_000).tell(over(ben, 2_000)).at(MINUTE)
    expect(story.told).toEqual(['+anna', '=anna -ben'])
  })

  it('says the same for the same, and nothing for what it was told before', () => {
    expect(new Story().tell(anna, anna, anna).at(HOUR).told).toEqual(['+anna'])
  })

  it('leaves out most of those that are known, and cuts what is new into parts', () => {
    const crowd = Array.from({ length: 150 }, (_, k) => alert({ id: `c${k}`, startsAt: NIGHT + k }))
    const story = new Story({ most: 100 }).tell(...crowd)
    expect(story.told.map((text) => text.split(' ').length)).toEqual([100, 150])
    expect(
      story
        .at(MINUTE)
        .tell(anna)
        .at(2 * MINUTE)
        .told.at(-1),
    ).toMatch(/^\+anna =c0 .*=c99 =50 more$/)
  })
})

describe('repeats', () => {
  it('tells again what still fires, not what is over', () => {
    const story = new Story()
      .tell(anna, ben)
      .at(MINUTE)
      .tell(over(ben, MINUTE))
      .at(MINUTE + 8 * HOUR)
    expect(story.told).toEqual(['+anna +ben', '=anna -ben', 'again =anna', 'again =anna'])
    expect(new Set(story.ids).size).toBe(story.ids.length)
  })

  it('counts from the last message', () => {
    const story = new Story()
      .tell(anna)
      .at(3 * HOUR)
      .tell(ben)
      .at(7 * HOUR - 1)
    expect(story.told).toEqual(['+anna', '+ben =anna'])
    expect(story.at(7 * HOUR).told.at(-1)).toBe('again =anna =ben')
  })

  it('refreshes who forgets: all that fire, at their own pace, also what is muted by now', () => {
    const story = new Story({ needsRefresh: true, by: [], intervalMs: 0, repeatMs: MINUTE, closesQuietly: true })
    story
      .tell(anna)
      .at(30_000)
      .tell(ben)
      .at(50_000)
      .muted(() => true)
    expect(story.told).toEqual(['+anna', '+ben'])
    expect(story.at(MINUTE).told.at(-1)).toBe('again =anna =ben')
    expect(
      story
        .at(2 * MINUTE)
        .tell(over(ben, 2 * MINUTE))
        .told.slice(-2),
    ).toEqual(['again =anna =ben', '-ben'])
  })
})

describe('muted', () => {
  const until =
    (ms: number): IsMuted =>
    (_, at) =>
      at < NIGHT + ms

  it('is told when the quiet time is over and it still fires', () => {
    const story = new Story()
      .muted(until(HOUR))
      .tell(anna)
      .at(HOUR - 1)
    expect(story.told).toEqual([])
    expect(story.at(HOUR + 1_000).told).toEqual(['+anna'])
  })

  it('is not told of at all when it began and ended in the quiet time', () => {
    const story = new Story()
      .muted(until(HOUR))
      .tell(anna)
      .at(MINUTE)
      .tell(over(anna, MINUTE))
      .at(2 * HOUR)
    expect(story.told).toEqual([])
    expect(story.waiting).toBe(0)
  })

  it('holds the end of what was told back, except where it wakes nobody', () => {
    const quiet: IsMuted = (_, at) => at >= NIGHT + 1_000 && at < NIGHT + HOUR
    const story = new Story()
      .muted(quiet)
      .tell(anna)
      .at(MINUTE)
      .tell(over(anna, MINUTE))
      .at(HOUR - 1)
    expect(story.told).toEqual(['+anna'])
    expect(story.at(HOUR + 1_000).told).toEqual(['+anna', '-anna'])
    const incident = new Story({ closesQuietly: true, intervalMs: 0, by: 'key' }).muted(quiet).tell(anna)
    expect(incident.at(MINUTE).tell(over(anna, MINUTE)).told).toEqual(['+anna', '-anna'])
  })

  it('does not repeat', () => {
    const story = new Story()
      .tell(anna)
      .at(1_000)
      .muted(until(10 * HOUR))
      .at(10 * HOUR - 1)
    expect(story.told).toEqual(['+anna'])
    expect(story.at(10 * HOUR + 1_000).told).toEqual(['+anna', 'again =anna'])
  })

  it('mutes one of a group, not the others', () => {
    const story = new Story()
      .muted((one) => one.labels.customer === 'anna')
      .tell(anna, ben)
      .at(MINUTE)
    expect(story.told).toEqual(['+ben'])
    expect(story.muted(() => false).at(2 * MINUTE).told).toEqual(['+ben', '+anna =ben'])
  })

  it('is told at once when a silence ends early', () => {
    const story = new Story()
      .muted(() => true)
      .tell(anna)
      .at(5_500)
    expect(story.muted(() => false).told).toEqual(['+anna'])
  })
})

describe('a receiver that is away', () => {
  it('gets one message with what is so by then', () => {
    const story = new Story().away(true).tell(anna).at(5_000).tell(ben, over(anna, 5_000)).at(HOUR)
    expect(story.waiting).toBe(2)
    expect(story.away(false).at(HOUR + 10_000).told).toEqual(['+ben -anna'])
  })

  it('hears of what is over as well: that it was, and how long', () => {
    const story = new Story()
      .away(true)
      .tell(anna)
      .at(MINUTE)
      .tell(over(anna, MINUTE))
      .away(false)
      .at(2 * MINUTE)
    expect(story.told).toEqual(['-anna'])
  })

  it('is not told of what was over long ago', () => {
    expect(new Story().at(10 * HOUR).tell(over(anna, MINUTE)).told).toEqual([])
  })
})

describe('a clock that is put back', () => {
  it('does not keep anybody waiting', () => {
    const story = new Story().at(5 * HOUR).tell(anna)
    story.now = NIGHT
    story.tell(ben).at(2 * MINUTE)
    expect(story.told).toEqual(['+anna', '+ben =anna'])
  })
})

describe('after a restart', () => {
  it('tells nothing twice, and what was not told', () => {
    const first = new Story().tell(anna)
    const second = first.restarted().tell(anna).at(MINUTE)
    expect(second.told).toEqual([])
    expect(second.tell(ben).at(2 * MINUTE).told).toEqual(['+ben =anna'])
    const third = second
      .restarted()
      .tell(over(anna, MINUTE), over(ben, MINUTE))
      .at(4 * MINUTE)
    expect(third.told).toEqual(['-anna -ben'])
    expect(
      third
        .restarted()
        .tell(over(anna, MINUTE), over(ben, MINUTE))
        .at(9 * HOUR).told,
    ).toEqual([])
  })

  it('goes on with intervals and repeats where the one before stood', () => {
    const second = new Story().tell(anna).at(30_000).restarted().tell(anna, ben).at(59_999)
    expect(second.told).toEqual([])
    expect(second.at(MINUTE).told).toEqual(['+ben =anna'])
    expect(
      second
        .restarted()
        .tell(anna, ben)
        .at(MINUTE + 4 * HOUR).told,
    ).toEqual(['again =anna =ben'])
  })

  it('tells what it cannot know was told, in a message of the same id', () => {
    const first = new Story().tell(anna)
    const second = first.restarted({}, 1).tell(anna)
    expect(second.told).toEqual(['+anna'])
    expect(second.ids).toEqual(first.ids)
  })
})

describe('whatever happens', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('fire' as const), who: fc.nat(5) }),
    fc.record({ kind: fc.constant('end' as const), who: fc.nat(5) }),
    fc.record({ kind: fc.constant('time' as const), ms: fc.constantFrom(1, 999, 5_000, 61_000, 4 * HOUR) }),
    fc.record({ kind: fc.constant('away' as const), is: fc.boolean() }),
    fc.record({ kind: fc.constant('restart' as const), lost: fc.nat(1) }),
  )
  const groupings = fc.record({
    by: fc.constantFrom<Grouping['by']>(['alertname', 'queue'], [], 'key'),
    waitMs: fc.constantFrom(0, 3_000),
    intervalMs: fc.constantFrom(0, MINUTE),
    needsRefresh: fc.boolean(),
    most: fc.constantFrom(1, 3, 500),
  })

  it('every alert is told in the end as it is, each state once but for what a crash forgot', () => {
    fc.assert(
      fc.property(groupings, fc.array(step, { maxLength: 40 }), (how, steps) => {
        const alerts = new Map<number, Alert>()
        let story = new Story(how)
        const stories = [story]
        let restarts = 0
        let ms = 0
        for (const one of steps) {
          if (one.kind === 'fire' && !alerts.has(one.who)) {
            alerts.set(one.who, alert({ id: `c${one.who}`, startsAt: NIGHT + ms }))
            story.tell(alerts.get(one.who) as Alert)
          } else if (one.kind === 'end') {
            const known = alerts.get(one.who)
            if (known === undefined || known.endsAt !== null) continue
            alerts.set(one.who, over(known, ms))
            story.tell(over(known, ms))
          } else if (one.kind === 'time') {
            ms += one.ms
            story.at(ms)
          } else if (one.kind === 'away') story.away(one.is)
          else if (one.kind === 'restart') {
            restarts += one.lost
            story = story.restarted(how, one.lost)
            stories.push(story)
            story.tell(...alerts.values())
          }
        }
        story.away(false).at(ms + 2 * MINUTE)
        const told = stories.flatMap((each) => each.told.flatMap((text) => text.split(' ')))
        for (const [who, one] of alerts) {
          const mine = told.filter((word) => word === `+c${who}` || word === `-c${who}`)
          const isOld = one.endsAt !== null && one.endsAt < NIGHT + ms - LATE
          if (!isOld) expect(mine.at(-1)?.[0]).toBe(statusOf(one) === 'firing' ? '+' : '-')
          const repeats = mine.length - new Set(mine).size
          expect(repeats).toBeLessThanOrEqual(restarts)
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('a receiver that was never told anything', () => {
  const over = alert({ key: 'over', startsAt: NIGHT - 600_000, endsAt: NIGHT - 300_000 })
  const outbox = () => new Outbox('ops', grouping, LATE, NIGHT)

  it('is told what fires, and nothing of what was over before it was there', () => {
    const one = outbox()
    one.learn(over, () => false, NIGHT)
    one.learn(alert({ key: 'fires', startsAt: NIGHT - 600_000 }), () => false, NIGHT)
    expect(one.due(() => false, NIGHT, 10).flatMap(({ firing, resolved }) => [...firing, ...resolved])).toMatchObject([
      { key: 'fires' },
    ])
  })

  it('otherwise is told of what began and ended while nobody could tell it', () => {
    const one = outbox()
    one.recall({ key: 'told/ops/other', value: { status: 'resolved', at: NIGHT - 900_000 } })
    one.learn(over, () => false, NIGHT)
    expect(one.due(() => false, NIGHT, 10).flatMap(({ resolved }) => resolved)).toMatchObject([{ key: 'over' }])
  })
})
