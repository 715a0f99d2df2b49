import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { deriveChains } from '../src/index.ts'
import type { Chain } from '../src/model.ts'
import { oracle } from '../src/oracle.ts'
import { anyCase, type Case, shuffledCase } from './arbitrary.ts'

const PERSON = { kind: 'customer', customer: 'u' } as const

/** `WEAKLINK_SEED` replays the seed of a failure; `WEAKLINK_RUNS` looks longer. */
const { WEAKLINK_SEED, WEAKLINK_RUNS } = process.env
const parameters = {
  numRuns: Number(WEAKLINK_RUNS ?? 2000),
  ...(WEAKLINK_SEED === undefined ? {} : { seed: Number(WEAKLINK_SEED) }),
}

function always<T>(arbitrary: fc.Arbitrary<T>, law: (one: T) => void): void {
  fc.assert(fc.property(arbitrary, law), parameters)
}

const reducerOf = ({ arrivals, catalogue, tick }: Case) => deriveChains(PERSON, arrivals, catalogue, tick)
const oracleOf = ({ arrivals, catalogue, tick }: Case) => oracle(PERSON, arrivals, catalogue, tick)

for (const [name, derive] of [
  ['oracle', oracleOf],
  ['reducer', reducerOf],
] as const) {
  describe(name, () => {
    test('L1: every accepted interaction is in exactly one chain', () => {
      always(anyCase, (one) => {
        const inChains = derive(one).flatMap((chain) => chain.interactions.map((line) => line.interaction))
        const firsts = new Map(one.arrivals.toReversed().map((interaction) => [interaction.id, interaction]))
        expect(inChains).toHaveLength(firsts.size)
        expect(new Set(inChains)).toEqual(new Set(firsts.values()))
      })
    })

    test('L2: the states sum to all chains, the breaks to the broken ones', () => {
      always(anyCase, (one) => {
        const chains = derive(one)
        const inState = (state: Chain['state']) => chains.filter((chain) => chain.state === state).length
        expect(inState('open') + inState('converted') + inState('broken') + inState('ignored')).toBe(chains.length)
        for (const chain of chains) {
          expect(chain.reason !== null).toBe(chain.state === 'broken')
          const place = chain.interactions[chain.placeIndex]!
          expect(place).toMatchObject({ epilogue: false, place: true })
          expect(place.interaction.touchpoint).toBe(chain.place)
          expect(place.interaction.at).toBe(chain.lastAt)
        }
        expect(chains.map((chain) => chain.ordinal)).toEqual(chains.map((_, index) => index + 1))
        expect(chains.map((chain) => chain.previous)).toEqual(
          [null, ...chains.map((chain) => chain.id)].slice(0, chains.length),
        )
      })
    })

    test('L3: neither the order of arrival nor repeats matter', () => {
      always(shuffledCase, (one) => {
        expect(derive({ ...one, arrivals: one.shuffled })).toEqual(derive(one))
      })
    })

    test('L5: an open chain is never counted as dropped', () => {
      always(anyCase, (one) => {
        for (const chain of derive(one)) {
          const open = chain.state === 'open'
          expect(chain.closedAt === null).toBe(open)
          expect(chain.deadline !== null).toBe(open)
          if (!open) continue
          expect(chain).toMatchObject({ reason: null, brokenEpisode: null, returned: false, returnedAndBought: false })
          expect(one.tick ?? Number.NEGATIVE_INFINITY).toBeLessThanOrEqual(chain.deadline!)
        }
      })
    })
  })
}

test('L7: the chains equal those of the oracle', () => {
  always(anyCase, (one) => {
    expect(reducerOf(one)).toEqual(oracleOf(one))
  })
})
