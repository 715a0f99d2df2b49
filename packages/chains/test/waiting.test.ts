import { encodeFact, type Fact, type Interaction, LINK_HEADER, personKey, personOf } from '@weaklink/interactions'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { concernsWaiting, LONGEST_WAIT_MS, Waiting, type WaitingChange } from '../src/index.ts'

const NOW = Date.parse('2024-03-04T11:00:00Z')
const MINUTE = 60_000

/** `12 call_queue sales`: twelve seconds after eleven; `@anonymous`, `#id`, `customer=`, `episode=` where it is not anna's call. */
function met(text: string): Fact {
  const [seconds = '0', touchpoint = '', ...words] = text.split(' ')
  const more = Object.fromEntries(words.filter((word) => word.includes('=')).map((word) => word.split('=')))
  const { customer, anonymousId, episode = 'c1', id = text, turnedAway, outcome } = more
  const queue = words.find((word) => !word.includes('='))
  return {
    kind: 'interaction',
    interaction: {
      id,
      ...(anonymousId === undefined ? { customer: customer ?? 'anna' } : {}),
      ...(customer === undefined ? {} : { customer }),
      ...(anonymousId === undefined ? {} : { anonymousId }),
      touchpoint,
      at: NOW + Number(seconds) * 1_000,
      ...(episode === 'none' ? {} : { episode }),
      ...(queue === undefined ? {} : { queue }),
      ...(outcome === undefined ? {} : { outcome: outcome as 'abandoned' }),
      ...(turnedAway === undefined ? {} : { props: { turnedAway } }),
    },
  }
}

const link = (anonymousId: string, customer: string): Fact => ({
  kind: 'link',
  link: { id: `${anonymousId}-${customer}`, anonymousId, customer },
})

/** `anna@sales`, or the id of who is not known, with a mark. */
const shown = (waiting: Waiting) =>
  waiting.calls().map(({ customer, anonymousId, queue, since }) => {
    const who = customer ?? `?${anonymousId}`
    return `${who}@${queue ?? '-'} since ${(since - NOW) / 1_000}`
  })

const changesOf = (changes: readonly WaitingChange[]) =>
  changes.map((change) =>
    change.state === 'began'
      ? `began ${change.call.id}`
      : `ended ${change.call.id} by ${change.by?.touchpoint ?? 'none'}`,
  )

type Given = string | Fact
const factOf = (given: Given) => (typeof given === 'string' ? met(given) : given)

function check(given: readonly Given[], when: Given, then: readonly string[], waiting: readonly string[]): void {
  const board = new Waiting()
  for (const one of given) board.take(factOf(one), NOW + MINUTE)
  expect(changesOf(board.take(factOf(when), NOW + MINUTE))).toEqual(then)
  expect(shown(board)).toEqual(waiting)
}

const Q = '0 call_queue sales id=q'
const W = '9 call_wait sales id=w'

describe('given | when | then | who waits', () => {
  const rows: [name: string, given: readonly Given[], when: Given, then: string[], waiting: string[]][] = [
    ['enters the queue', [], Q, ['began q'], ['anna@sales since 0']],
    ['no queue named', [], '0 call_queue id=q', ['began q'], ['anna@- since 0']],
    ['is answered', [Q], W, ['ended q by call_wait'], []],
    ['gives up', [Q], '9 call_wait sales outcome=abandoned', ['ended q by call_wait'], []],
    ['the conversation is heard of first', [Q], '9 call_answer sales', ['ended q by call_answer'], []],
    ['… then the wait', [Q, '9 call_answer sales'], W, [], []],
    ['another call of the same customer', [Q], '9 call_wait sales episode=c2', [], ['anna@sales since 0']],
    ['the same call id of another customer', [Q], '9 call_wait sales customer=boris', [], ['anna@sales since 0']],
    ['without an episode', [], '0 call_queue sales episode=none', [], []],
    ['looks at the site while waiting', [Q], '9 site_visit', [], ['anna@sales since 0']],
    ['what came before the queue', [Q], '-5 call_menu', [], ['anna@sales since 0']],
    ['what came at the same instant', [Q], '0 call_menu', [], ['anna@sales since 0']],
    ['a wait of no time', [Q], '0 call_wait sales', ['ended q by call_wait'], []],
    [
      'a wait that ends earlier than it began: a clock jumped',
      [Q],
      '-40 call_wait sales',
      ['ended q by call_wait'],
      [],
    ],

    ['again', [Q], Q, [], ['anna@sales since 0']],
    ['again, after its end', [Q, W], Q, [], []],
    ['its end again', [Q, W], W, [], []],
    ['the end comes first', [W], Q, [], []],
    ['the end of another queue comes first', ['9 call_wait support'], Q, [], []],
    ['the conversation comes first', ['9 call_answer sales'], Q, [], []],
    ['a transfer comes first', ['9 call_transfer support'], Q, [], []],

    ['turned away: closed', [], '0 call_queue sales turnedAway=closed', [], []],
    ['turned away: full', [], '0 call_queue sales turnedAway=full', [], []],
    ['an outcome of its own', [], '0 call_queue sales outcome=abandoned', [], []],
    ['turned away elsewhere, later', [Q], '9 call_queue support turnedAway=full', ['ended q by call_queue'], []],

    ['leaves one queue', [Q], '9 call_wait sales id=w', ['ended q by call_wait'], []],
    [
      '… and enters the next within the same second',
      [Q, W],
      '9 call_queue support id=q2',
      ['began q2'],
      ['anna@support since 9'],
    ],
    ['… which is heard of first', [Q, '9 call_queue support id=q2'], W, [], ['anna@support since 9']],
    [
      'two queues at once: the newest',
      [Q],
      '9 call_queue support id=q2',
      ['ended q by call_queue', 'began q2'],
      ['anna@support since 9'],
    ],
    ['… the older one is heard of late', ['9 call_queue support id=q2'], Q, [], ['anna@support since 9']],
    ['… and the newest ends', [Q, '9 call_queue support id=q2'], '12 call_wait support', ['ended q2 by call_wait'], []],
    [
      '… or only the older one does',
      [Q, '9 call_queue support id=q2'],
      '8 call_wait sales',
      [],
      ['anna@support since 9'],
    ],
    ['the same queue again', [Q, W], '20 call_queue sales id=q2', ['began q2'], ['anna@sales since 20']],
    ['… and its end', [Q, W, '20 call_queue sales id=q2'], '29 call_wait sales', ['ended q2 by call_wait'], []],
    [
      '… of which the first is heard of late',
      [W, '20 call_queue sales id=q2'],
      Q,
      ['began q2'],
      ['anna@sales since 20'],
    ],
    [
      'a transfer, and back into the same queue',
      [Q, W, '20 call_answer sales', '20 call_transfer sales'],
      '20 call_queue sales id=q2',
      ['began q2'],
      ['anna@sales since 20'],
    ],

    ['somebody anonymous', [], '0 call_queue sales anonymousId=+7 id=q', ['began q'], ['?+7@sales since 0']],
    ['… who becomes known', ['0 call_queue sales anonymousId=+7 id=q'], link('+7', 'anna'), [], ['anna@sales since 0']],
    [
      '… as whom the call then ends',
      ['0 call_queue sales anonymousId=+7 id=q', link('+7', 'anna')],
      W,
      ['ended q by call_wait'],
      [],
    ],
    [
      '… by an interaction with both ids, which ends it',
      ['0 call_queue sales anonymousId=+7 id=q'],
      '9 call_wait sales anonymousId=+7 customer=anna',
      ['ended q by call_wait'],
      [],
    ],
    [
      '… by a copy under the customer',
      ['0 call_queue sales anonymousId=+7 id=q'],
      '0 call_queue sales anonymousId=+7 customer=anna id=q',
      [],
      ['anna@sales since 0'],
    ],
    [
      '… by a link that comes after the end',
      ['0 call_queue sales anonymousId=+7 id=q', W],
      link('+7', 'anna'),
      ['ended q by none'],
      [],
    ],
    [
      '… by a link that came before',
      [link('+7', 'anna')],
      '0 call_queue sales anonymousId=+7 id=q',
      ['began q'],
      ['anna@sales since 0'],
    ],
    [
      '… as somebody else: the first word counts',
      ['0 call_queue sales anonymousId=+7 id=q', link('+7', 'anna')],
      link('+7', 'boris'),
      [],
      ['anna@sales since 0'],
    ],
    [
      '… and is taken back, for what comes',
      [link('+7', 'anna'), { kind: 'unlink', anonymousId: '+7' }],
      '0 call_queue sales anonymousId=+7 id=q',
      ['began q'],
      ['?+7@sales since 0'],
    ],
    [
      'a known and an anonymous person with the same id',
      [Q],
      '9 call_wait sales anonymousId=anna',
      [],
      ['anna@sales since 0'],
    ],
    ['what is no interaction', [Q], { kind: 'tick', tick: NOW }, [], ['anna@sales since 0']],
  ]
  test.each(rows)('%s', (_name, given, when, then, waiting) => check(given, when, then, waiting))
})

describe('an hour', () => {
  test.each([
    ['exactly', LONGEST_WAIT_MS, 1],
    ['longer', LONGEST_WAIT_MS + 1, 0],
  ])('%s: a call that entered so long ago', (_name, agoMs, waiting) => {
    const board = new Waiting()
    board.take(factOf(Q), NOW + agoMs)
    expect(board.calls()).toHaveLength(waiting)
    const other = new Waiting()
    other.take(factOf(Q), NOW)
    expect(changesOf(other.expire(NOW + agoMs))).toEqual(waiting === 1 ? [] : ['ended q by none'])
    expect(other.calls()).toHaveLength(waiting)
    expect(changesOf(other.expire(NOW + agoMs))).toEqual([])
  })

  test('who was given up does not wait again by a repeat, and their end is no news', () => {
    const board = new Waiting()
    const later = NOW + LONGEST_WAIT_MS + 1
    board.take(factOf(Q), NOW)
    board.expire(later)
    expect([...board.take(factOf(Q), later), ...board.take(factOf(W), later)]).toEqual([])
  })
})

test('who becomes known while waiting ends as the one who began', () => {
  const board = new Waiting()
  const began = board.take(met('0 call_queue sales anonymousId=+7 id=q'), NOW)
  board.take(link('+7', 'anna'), NOW)
  expect(board.calls()).toMatchObject([{ id: 'q', customer: 'anna', anonymousId: '+7' }])
  const [ended] = board.take(factOf(W), NOW + MINUTE)
  expect(ended?.call).toEqual(began[0]?.call)
})

test('of one call with more than is kept in mind, the newest counts', () => {
  const board = new Waiting()
  for (let k = 0; k < 200; k++) {
    board.take(met(`${k} call_queue sales id=q${k}`), NOW + MINUTE)
    expect(shown(board)).toEqual([`anna@sales since ${k}`])
    board.take(met(`${k}.5 call_wait sales id=w${k}`), NOW + MINUTE)
    expect(shown(board)).toEqual([])
  }
})

interface Arrival {
  readonly who: number
  readonly as: 'customer' | 'anonymous' | 'both'
  readonly episode: number
  readonly touchpoint: string
  readonly queue: string | null
  readonly at: number
  readonly turnedAway: boolean
}

const arrivals = fc.array(
  fc.record<Arrival>({
    who: fc.nat(1),
    as: fc.constantFrom('customer', 'anonymous', 'both'),
    episode: fc.nat(1),
    touchpoint: fc.constantFrom(
      'call_queue',
      'call_queue',
      'call_wait',
      'call_wait',
      'call_answer',
      'call_menu',
      'ad_view',
    ),
    queue: fc.constantFrom('a', 'b', null),
    at: fc.nat(6),
    turnedAway: fc.integer({ min: 0, max: 9 }).map((one) => one === 0),
  }),
  { maxLength: 9 },
)
const links = fc.subarray([0, 1])

function interactionsOf(given: readonly Arrival[]): Interaction[] {
  return given.map(({ who, as, episode, touchpoint, queue, at, turnedAway }, k) => ({
    id: `i${k}`,
    ...(as === 'anonymous' ? {} : { customer: `c${who}` }),
    ...(as === 'customer' ? {} : { anonymousId: `a${who}` }),
    touchpoint,
    at: NOW + at * 1_000,
    episode: `e${episode}`,
    ...(queue === null ? {} : { queue }),
    ...(turnedAway ? { props: { turnedAway: 'full' } } : {}),
  }))
}

/** Who waits, read from all that there is at once. */
function naively(interactions: readonly Interaction[], linked: ReadonlyMap<string, string>): string[] {
  const known = new Map(linked)
  for (const { customer, anonymousId, touchpoint } of interactions) {
    if (customer !== undefined && anonymousId !== undefined && touchpoint.startsWith('call_'))
      known.set(anonymousId, customer)
  }
  const callOf = (one: Interaction) => {
    const person = personOf(one)
    const customer = person.kind === 'anonymous' ? known.get(person.customer) : undefined
    return `${customer ?? personKey(person)} ${one.episode}`
  }
  const waits: string[] = []
  for (const call of Map.groupBy(interactions, callOf).values()) {
    const sorted = call
      .filter(({ touchpoint }) => touchpoint.startsWith('call_'))
      .sort((x, y) => x.at - y.at || (x.id < y.id ? -1 : 1))
    const enters = (one: Interaction) => one.touchpoint === 'call_queue' && one.props?.turnedAway === undefined
    const open = sorted.filter(enters).filter((one) => {
      const sameQueue = ({ queue }: Interaction) => queue === one.queue
      const k = sorted.filter(enters).filter(sameQueue).indexOf(one)
      return sorted.filter(({ touchpoint }) => touchpoint === 'call_wait').filter(sameQueue)[k] === undefined
    })
    const newest = open.at(-1)
    if (newest !== undefined && !sorted.some((one) => !enters(one) && one.at > newest.at)) waits.push(newest.id)
  }
  return waits.sort()
}

const waitingIn = (board: Waiting) =>
  board
    .calls()
    .map(({ id }) => id)
    .sort()

describe('in whatever order things come, and however often', () => {
  test('who waits at the end is who waits by all of it; what was told adds up to that', () => {
    fc.assert(
      fc.property(
        arrivals.chain((given) => {
          const count = given.length
          return fc.record({
            given: fc.constant(given),
            linked: links,
            order: fc.shuffledSubarray(
              Array.from({ length: count + 2 }, (_, k) => k),
              { minLength: count + 2 },
            ),
            repeats: fc.array(fc.nat(count + 1), { maxLength: 4 }),
          })
        }),
        ({ given, linked, order, repeats }) => {
          const interactions = interactionsOf(given)
          const facts: (Fact | undefined)[] = [
            ...interactions.map((interaction) => ({ kind: 'interaction', interaction }) as const),
            ...[0, 1].map((who) => (linked.includes(who) ? link(`a${who}`, `c${who}`) : undefined)),
          ]
          const board = new Waiting()
          const told = new Set<string>()
          for (const k of [...order, ...repeats]) {
            const fact = facts[k]
            if (fact === undefined) continue
            for (const { state, call } of board.take(fact, NOW + MINUTE)) {
              expect(told.has(call.id)).toBe(state === 'ended')
              if (state === 'began') told.add(call.id)
              else told.delete(call.id)
            }
          }
          expect(waitingIn(board)).toEqual(naively(interactions, new Map(linked.map((who) => [`a${who}`, `c${who}`]))))
          expect([...told].sort()).toEqual(waitingIn(board))
        },
      ),
      { numRuns: 3_000 },
    )
  })
})

describe('records that cannot matter', () => {
  const record = (fact: Fact, headers = {}) => encodeFact(fact, headers)
  test.each<[string, ReturnType<typeof record>, boolean]>([
    ['a visit', record(met('0 site_visit')), false],
    ['a call', record(met('0 call_queue')), true],
    ['a copy', record(met('0 call_queue anonymousId=x customer=y'), { [LINK_HEADER]: 'l' }), true],
    ['a link', record(link('x', 'y')), true],
    [
      'a call, written otherwise',
      { ...record(met('0 x')), value: Buffer.from('{"touchpoint":"call\\u005fqueue"}') },
      true,
    ],
  ])('%s', (_name, one, concerns) => {
    expect(concernsWaiting(one)).toBe(concerns)
    expect(concernsWaiting({ ...one, value: new Uint8Array(one.value) })).toBe(concerns)
  })
})
