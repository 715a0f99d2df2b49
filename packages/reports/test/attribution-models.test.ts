import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { removalEffects } from '../src/attribution/markov.ts'
import { apportion, decimal, unitOf } from '../src/attribution/rounding.ts'
import { exactShapley, MOST_EXACT, sampledShapley, shapley, worthOfSets } from '../src/attribution/shapley.ts'
import { Tally } from '../src/attribution/tally.ts'
import { copyOf, takeOut, Walks } from '../src/attribution/walks.ts'
import { Turns } from '../src/turns.ts'
import { naiveWorth } from './attribution-naive.ts'

/** A path with how many chains went it, and what each of them earned. */
interface Gone {
  readonly path: readonly string[]
  readonly chains: number
  readonly each: number
}

const gone = (names: readonly string[], longest = 6): fc.Arbitrary<Gone> =>
  fc.record({
    path: fc.array(fc.constantFrom(...names), { minLength: 1, maxLength: longest }),
    chains: fc.integer({ min: 1, max: 40 }),
    each: fc.constantFrom(0, 1, 1, 2.5),
  })
const journeys = (names: readonly string[]) => fc.array(gone(names), { minLength: 1, maxLength: 12 })

function walksOf(all: readonly Gone[], order: number): Walks {
  const walks = new Walks(order)
  for (const { path, chains, each } of all) walks.add(path, chains, new Map([[0, chains * each]]))
  return walks
}

const oneByOne = (all: readonly Gone[]) =>
  all.flatMap(({ path, chains, each }) => Array.from({ length: chains }, () => ({ path, amount: each })))
const total = (all: readonly Gone[]) => all.reduce((sum, { chains, each }) => sum + chains * each, 0)
const count = (all: readonly Gone[]) => all.reduce((sum, { chains }) => sum + chains, 0)

describe('sharing out', () => {
  const weights = fc.array(fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true })), {
    minLength: 1,
    maxLength: 30,
  })
  const totals = fc.oneof(fc.integer({ min: 0, max: 1e9 }), fc.double({ min: 0, max: 1e15, noNaN: true }))

  test('adds up exactly, in units, to whatever it is; nobody is a unit away from their part', () => {
    fc.assert(
      fc.property(weights, totals, (weights, total) => {
        const unit = unitOf(total)
        const sum = weights.reduce((a, b) => a + b, 0)
        const credits = apportion(weights, total, unit)
        const units = credits.map((credit) => Math.round(credit / unit))
        expect(units.reduce((a, b) => a + b, 0)).toBe(sum === 0 ? 0 : Math.round(total / unit))
        for (const [index, credit] of credits.entries()) {
          expect(credit).toBeGreaterThanOrEqual(0)
          // What JSON shows is the decimal number itself.
          expect(credit).toBe(decimal(units[index]!, unit))
          const part = sum === 0 ? 0 : (weights[index]! / sum) * total
          expect(Math.abs(credit - part)).toBeLessThan(unit * 1.01 + part * 1e-14)
        }
      }),
    )
  })

  test('is in millionths up to a thousand million', () => {
    expect([0, 1, 1e9].map(unitOf)).toEqual([1e-6, 1e-6, 1e-6])
    expect([1.1e9, 1e12, 1e15, 1e16].map(unitOf)).toEqual([1e-5, 1e-3, 1, 10])
  })

  test('gives what is left over to the largest remainders, the first of equals first', () => {
    expect(apportion([19 / 6, 19 / 6, 5 / 3], 8, 1)).toEqual([3, 3, 2])
    expect(apportion([1, 1, 1], 1, 1e-6)).toEqual([0.333334, 0.333333, 0.333333])
    expect(apportion([1, 0, 2], 0, 1e-6)).toEqual([0, 0, 0])
  })
})

describe('models of places', () => {
  const tallyOf = (...paths: string[]) => {
    const tally = new Tally()
    for (const path of paths) tally.add(path.split(' '), 1, [])
    return tally
  }

  test('who occurs twice is credited twice', () => {
    const tally = tallyOf('a b a')
    expect([tally.first('a'), tally.last('a'), tally.touched('a'), tally.touches('a')]).toEqual([1, 1, 1, 2])
    expect(tally.linear('a')).toBeCloseTo(2 / 3, 12)
    expect(tally.position('a')).toBeCloseTo(0.8, 12)
    expect(tally.position('b')).toBeCloseTo(0.2, 12)
  })

  test('position: one gets all, of two each half', () => {
    const tally = tallyOf('a', 'b c')
    expect([tally.position('a'), tally.position('b'), tally.position('c')]).toEqual([1, 0.5, 0.5])
  })
})

describe('the graph of walks', () => {
  const names = ['a', 'b', 'c', 'd', 'e']

  test('earns what the chains earned, when everything is taken out in any order', () => {
    fc.assert(
      fc.property(journeys(names), fc.integer({ min: 1, max: 3 }), fc.infiniteStream(fc.nat()), (all, order, picks) => {
        const graph = walksOf(all, order).graph(1)
        const left = Array.from({ length: graph.size - 1 }, (_, state) => state + 1)
        const solved = copyOf(graph)
        while (left.length > 0) takeOut(solved, left.splice((picks.next().value ?? 0) % left.length, 1)[0]!)
        expect(solved.earns[0]! * count(all)).toBeCloseTo(total(all), 6)
        expect(solved.ends[0]).toBeCloseTo(1, 10)
      }),
    )
  })

  test('is the same in whatever order the walks come', () => {
    fc.assert(
      fc.property(journeys(names), fc.integer({ min: 1, max: 3 }), (all, order) => {
        expect(walksOf(all.toReversed(), order).graph(1)).toEqual(walksOf(all, order).graph(1))
      }),
    )
  })

  test('loses by a removal what equations say, for each order', async () => {
    await fc.assert(
      fc.asyncProperty(journeys(names), fc.integer({ min: 1, max: 3 }), async (all, order) => {
        const walks = walksOf(all, order)
        const [sum, number] = [total(all), count(all)]
        const own = walks.names()
        const effects = await removalEffects(walks.graph(1), own.length, [sum / number], new Turns())
        const worth = naiveWorth(oneByOne(all), order)
        for (const [index, name] of own.entries()) {
          const left = worth(new Set(own.filter((other) => other !== name)))
          expect(effects![index]![0]).toBeCloseTo(sum === 0 ? 0 : 1 - left / sum, 9)
        }
      }),
    )
  })

  test('of order 1 is the same whether or not somebody meets a name several times in a row', async () => {
    await fc.assert(
      fc.asyncProperty(journeys(names), async (all) => {
        const once = all.map((one) => ({ ...one, path: one.path.filter((name, at) => name !== one.path[at - 1]) }))
        const perWalk = [total(all) / count(all)]
        const [twice, folded] = [walksOf(all, 1), walksOf(once, 1)]
        const repeated = await removalEffects(twice.graph(1), twice.names().length, perWalk, new Turns())
        const simple = await removalEffects(folded.graph(1), folded.names().length, perWalk, new Turns())
        for (const [index, [effect]] of simple!.entries()) expect(repeated![index]![0]).toBeCloseTo(effect!, 9)
      }),
    )
  })

  // Chains in which what comes next depends on more than the last touch, and walks may go in circles.
  const SHOP: readonly Gone[] = [
    { path: ['ad', 'site', 'ad', 'site', 'pay'], chains: 40, each: 1 },
    { path: ['ad', 'site'], chains: 90, each: 0 },
    { path: ['mail', 'site', 'pay'], chains: 30, each: 1 },
    { path: ['mail', 'site', 'call', 'site', 'call', 'pay'], chains: 15, each: 1 },
    { path: ['call', 'call', 'call'], chains: 25, each: 0 },
    { path: ['site', 'mail', 'ad', 'call', 'pay'], chains: 12, each: 1 },
    { path: ['site', 'pay', 'site'], chains: 20, each: 0 },
    { path: ['pay'], chains: 5, each: 1 },
  ]

  for (const order of [1, 2, 3]) {
    test(`of order ${order} agrees with a million walks at random`, async () => {
      const walks = walksOf(SHOP, order)
      const own = walks.names()
      const exact = await removalEffects(walks.graph(1), own.length, [total(SHOP) / count(SHOP)], new Turns())
      const { earned, lost } = simulate(SHOP, order, 1_000_000)
      const rate = total(SHOP) / count(SHOP)
      expect(Math.abs(earned / 1e6 - rate)).toBeLessThan(4 * Math.sqrt((rate * (1 - rate)) / 1e6))
      for (const [index, name] of own.entries()) {
        const share = exact![index]![0]!
        const error = Math.sqrt((share * (1 - share)) / earned)
        // One of fifteen comparisons is further away by chance once in a thousand times.
        expect(Math.abs((lost.get(name) ?? 0) / earned - share), name).toBeLessThanOrEqual(4 * error)
      }
    })
  }

  test('gives several measures at once what each would get alone', async () => {
    await fc.assert(
      fc.asyncProperty(journeys(names), async (all) => {
        const both = new Walks(2)
        const second = new Walks(2)
        for (const [index, { path, chains, each }] of all.entries()) {
          both.add(
            path,
            chains,
            new Map([
              [0, each * chains],
              [1, index * chains],
            ]),
          )
          second.add(path, chains, new Map([[0, index * chains]]))
        }
        const number = count(all)
        const earned = all.reduce((sum, { chains }, index) => sum + index * chains, 0) / number
        const together = await removalEffects(
          both.graph(2),
          both.names().length,
          [total(all) / number, earned],
          new Turns(),
        )
        const alone = await removalEffects(second.graph(1), both.names().length, [earned], new Turns())
        for (const [index, [effect]] of alone!.entries()) expect(together![index]![1]).toBeCloseTo(effect!, 12)
      }),
    )
  })
})

/** Walks step by step through what followed what in the chains. */
function simulate(all: readonly Gone[], order: number, times: number) {
  const next = new Map<string, { name: string | null; earns: boolean; until: number }[]>()
  for (const { path, chains, each } of all) {
    for (let index = 0; index <= path.length; index++) {
      const state = path.slice(Math.max(0, index - order), index).join(' ')
      const choices = next.get(state) ?? []
      next.set(state, choices)
      const before = choices.at(-1)?.until ?? 0
      choices.push({ name: path[index] ?? null, earns: each > 0, until: before + chains })
    }
  }
  let state = 12345
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 4_294_967_296
  }
  let earned = 0
  const lost = new Map<string, number>()
  for (let time = 0; time < times; time++) {
    const walked: string[] = []
    for (;;) {
      const choices = next.get(walked.slice(-order).join(' '))!
      const at = random() * choices.at(-1)!.until
      const step = choices.find(({ until }) => at < until)!
      if (step.name !== null) {
        walked.push(step.name)
        continue
      }
      if (step.earns) {
        earned++
        for (const name of new Set(walked)) lost.set(name, (lost.get(name) ?? 0) + 1)
      }
      break
    }
  }
  return { earned, lost }
}

describe("Shapley's value", () => {
  /** Games of some players: what each set is worth, nothing for none. */
  const games = (players: number) =>
    fc
      .array(fc.double({ min: 0, max: 100, noNaN: true }), { minLength: 2 ** players, maxLength: 2 ** players })
      .map((worth) => Float64Array.from([0, ...worth.slice(1)]))
  const sized = fc
    .integer({ min: 1, max: 6 })
    .chain((players) => fc.record({ players: fc.constant(players), worth: games(players) }))
  const sharesOf = (players: number, worth: Float64Array) => exactShapley(players, worth).map(([share]) => share!)

  test('efficiency: the shares sum to what all are worth', () => {
    fc.assert(
      fc.property(sized, ({ players, worth }) => {
        expect(sharesOf(players, worth).reduce((a, b) => a + b, 0)).toBeCloseTo(worth.at(-1)!, 8)
      }),
    )
  })
  test('symmetry: who add the same to every set get the same', () => {
    fc.assert(
      fc.property(sized, ({ players, worth }) => {
        fc.pre(players >= 2)
        // Makes the first two interchangeable.
        const alike = worth.map((value, set) => ((set & 3) === 2 ? worth[set ^ 3]! : value))
        const [a, b] = sharesOf(players, alike)
        expect(a).toBeCloseTo(b!, 8)
      }),
    )
  })
  test('dummy: who adds the same amount to every set gets that', () => {
    fc.assert(
      fc.property(sized, fc.double({ min: 0, max: 9, noNaN: true }), ({ players, worth }, own) => {
        const dull = worth.map((_, set) => worth[set & ~1]! + ((set & 1) === 1 ? own : 0))
        expect(sharesOf(players, dull)[0]).toBeCloseTo(own, 8)
      }),
    )
  })
  test('additivity: the shares of two games together are the sums of those of each', () => {
    fc.assert(
      fc.property(games(5), games(5), (one, other) => {
        const both = sharesOf(
          5,
          one.map((value, set) => value + other[set]!),
        )
        const [a, b] = [sharesOf(5, one), sharesOf(5, other)]
        for (const [player, share] of both.entries()) expect(share).toBeCloseTo(a[player]! + b[player]!, 8)
      }),
    )
  })

  const names = ['a', 'b', 'c', 'd', 'e', 'f']

  test('is of what walks earn that keep to a set, which grows with the set', () => {
    fc.assert(
      fc.property(journeys(names), (all) => {
        const walks = walksOf(all, 1)
        const own = walks.names()
        const worth = worthOfSets(walks.graph(1))
        const equations = naiveWorth(oneByOne(all), 1)
        for (const [set, value] of worth.entries()) {
          expect(value * count(all)).toBeCloseTo(
            equations(new Set(own.filter((_, player) => (set & (1 << player)) !== 0))),
            6,
          )
          for (const player of own.keys()) expect(worth[set | (1 << player)]).toBeGreaterThanOrEqual(value - 1e-12)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('of chains in which nobody is met twice, and all of whose names sell only together, is in equal parts', async () => {
    const walks = walksOf([{ path: ['a', 'b', 'c'], chains: 7, each: 1 }], 1)
    const { values } = await shapley(walks.graph(1), 100, 1, new Turns())
    for (const [share] of values) expect(share! * 7).toBeCloseTo(7 / 3, 12)
  })

  test('who leads nowhere gets nothing', async () => {
    const walks = walksOf(
      [
        { path: ['a', 'b'], chains: 7, each: 1 },
        { path: ['a', 'z'], chains: 3, each: 0 },
      ],
      1,
    )
    const { values } = await shapley(walks.graph(1), 100, 1, new Turns())
    expect(values.map(([share]) => share! * 10)).toEqual([expect.closeTo(3.5, 12), expect.closeTo(3.5, 12), 0])
  })

  test('from drawn orders is within its error of the exact one, and sums to the same', async () => {
    let [near, all] = [0, 0]
    await fc.assert(
      fc.asyncProperty(journeys(names), fc.integer({ min: 0, max: 1000 }), async (journeys, seed) => {
        const graph = walksOf(journeys, 1).graph(1)
        const exact = exactShapley(graph.size - 1, worthOfSets(graph))
        const drawn = await sampledShapley(graph, 400, seed, new Turns())
        expect(drawn.samples).toBe(400)
        const sum = (values: readonly Float64Array[]) => values.reduce((sum, [share]) => sum + share!, 0)
        expect(sum(drawn.values)).toBeCloseTo(sum(exact), 10)
        for (const [player, [share]] of drawn.values.entries()) {
          const error = drawn.errors![player]![0]!
          const away = Math.abs(share! - exact[player]![0]!)
          expect(away).toBeLessThanOrEqual(5 * error + 1e-12)
          all++
          if (away <= 1.96 * error + 1e-12) near++
        }
      }),
      { numRuns: 60, seed: 1 },
    )
    // 95 % of them are, give or take what chance allows for.
    expect(near / all).toBeGreaterThan(0.9)
  })

  test('is exact up to twelve, drawn beyond', async () => {
    const path = (length: number) => Array.from({ length }, (_, index) => `t${index}`)
    const of = (length: number) => walksOf([{ path: path(length), chains: 1, each: 1 }], 1).graph(1)
    expect(await shapley(of(MOST_EXACT), 100, 1, new Turns())).toMatchObject({ samples: null, errors: null })
    expect(await shapley(of(MOST_EXACT + 1), 100, 1, new Turns())).toMatchObject({ samples: 100 })
  })
})
