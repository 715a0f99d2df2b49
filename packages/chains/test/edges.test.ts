import { describe, expect, test } from 'vitest'
import { catalogueOf } from '../src/catalogue.ts'
import { deriveChains } from '../src/index.ts'
import type { Chain } from '../src/model.ts'
import { oracle } from '../src/oracle.ts'
import { interactions, shown, UNIT_MS } from './notation.ts'

/** Patience 10, epilogue 2; `visit` waits 4, `offer` 5, `long` 20. */
const CATALOGUE = catalogueOf({
  patienceMs: 10 * UNIT_MS,
  epilogueMs: 2 * UNIT_MS,
  touchpoints: [
    { id: 'ad', step: 1 },
    { id: 'visit', step: 2, patienceMs: 4 * UNIT_MS },
    { id: 'call', step: 2, group: 'phone' },
    { id: 'long', step: 2, patienceMs: 20 * UNIT_MS },
    { id: 'mail', by: 'company' },
    { id: 'offer', by: 'company', step: 3, patienceMs: 5 * UNIT_MS },
    { id: 'basket', step: 4 },
    { id: 'checkout', step: 4 },
    { id: 'pay', step: 5, outcome: 'bought' },
    { id: 'note', result: true },
    { id: 'lost', by: 'company', outcome: 'refused', result: true },
    { id: 'paid', outcome: 'bought', result: true },
    { id: 'delivery', by: 'company', stage: 'post_purchase' },
    { id: 'review', stage: 'post_purchase' },
    { id: 'return', stage: 'post_purchase', outcome: 'refused' },
  ],
})

const PERSON = { kind: 'customer', customer: 'u' } as const

interface Row {
  readonly name: string
  /** Arrivals in the order of the log. */
  readonly given: string
  /** T in units; none where absent. */
  readonly tick?: number
  readonly expected: readonly string[]
  /** More about each chain. */
  readonly also?: readonly Partial<Chain>[]
}

function check(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    for (const { name, given, tick, expected, also } of rows) {
      for (const [by, derive] of Object.entries({ oracle, reducer: deriveChains })) {
        test(`${name} (${by})`, () => {
          const chains = derive(PERSON, interactions(given), CATALOGUE, tick === undefined ? null : tick * UNIT_MS)
          expect(chains.map(shown)).toEqual(expected)
          if (also !== undefined) expect(chains).toMatchObject(also)
        })
      }
    }
  })
}

check('the deadline', [
  { name: 'just inside', given: 'ad@0, ad@9.999', expected: ['open until 19.999 at ad: ad@0 ad@9.999'] },
  { name: 'exact is in time', given: 'ad@0, ad@10', expected: ['open until 20 at ad: ad@0 ad@10'] },
  {
    name: 'just after',
    given: 'ad@0, ad@10.001',
    expected: ['silence@10 at ad: ad@0 (returned)', 'open until 20.001 at ad: ad@10.001'],
  },
  { name: 'a tick at the deadline', given: 'ad@0', tick: 10, expected: ['open until 10 at ad: ad@0'] },
  { name: 'a tick after it', given: 'ad@0', tick: 10.001, expected: ['silence@10 at ad: ad@0'] },
  { name: 'no tick at all', given: 'ad@0', expected: ['open until 10 at ad: ad@0'] },
  {
    name: 'held by an earlier long patience',
    given: 'long@0, visit@1, ad@20',
    expected: ['open until 30 at ad: long@0 visit@1 ad@20'],
  },
  {
    name: 'of a touchpoint that the catalogue lacks',
    given: 'unheard@0',
    expected: ['open until 10 at unheard: unheard@0'],
  },
  {
    name: 'a message of the company does not move it',
    given: 'ad@0, mail@9, ad@11',
    expected: ['silence@10 at ad: ad@0 mail@9 (returned)', 'open until 21 at ad: ad@11'],
  },
])

check('order of events and of arrival', [
  {
    name: 'equal instants: an abandoned call comes after the visit it followed, whatever their ids',
    given: 'call@0 abandoned id:a, ad@0 id:b',
    tick: 99,
    expected: ['abandoned@10 at call: b a'],
  },
  {
    name: 'equal instants: what is not final, then refused, then bought',
    given: 'pay@5 bought id:a, pay@5 refused id:b, ad@5 id:c',
    expected: ['converted@5 at pay: c b a'],
    also: [{ recovered: ['pay'] }],
  },
  {
    name: 'equal instants: ids by UTF-8 bytes',
    given: 'ad@0 id:\u{1F600}, ad@0 id:\uFF41',
    expected: ['open until 10 at ad: \uFF41 \u{1F600}'],
  },
  { name: 'late first', given: 'ad@5, ad@0', expected: ['open until 15 at ad: ad@0 ad@5'] },
  {
    name: 'late purchase that splits',
    given: 'ad@0, ad@5, ad@9, pay@6',
    expected: ['converted@6 at pay: ad@0 ad@5 pay@6', 'open until 19 at ad: ad@9'],
  },
  { name: 'late touch that joins', given: 'ad@0, ad@15, ad@8', expected: ['open until 25 at ad: ad@0 ad@8 ad@15'] },
  { name: 'duplicate', given: 'ad@0 id:x, ad@0 id:x', expected: ['open until 10 at ad: x'] },
  {
    name: 'conflicting id: the first in the log counts',
    given: 'ad@3 id:x, pay@0 id:x',
    expected: ['open until 13 at ad: x'],
  },
])

check('after the sale', [
  { name: 'epilogue, exact end', given: 'ad@0, pay@5, ad@7', expected: ['converted@5 at pay: ad@0 pay@5 + ad@7'] },
  {
    name: 'epilogue, just after',
    given: 'ad@0, pay@5, ad@7.001',
    expected: ['converted@5 at pay: ad@0 pay@5', 'open until 17.001 at ad: ad@7.001'],
  },
  {
    name: 'epilogue counts from the sale, not from what followed it',
    given: 'pay@5, ad@7, ad@8',
    expected: ['converted@5 at pay: pay@5 + ad@7', 'open until 18 at ad: ad@8'],
  },
  {
    name: 'epilogue by episode, exact end',
    given: 'call@0 ep:c, pay@1 ep:c, call@11 ep:c',
    expected: ['converted@1 at pay: call@0 pay@1 + call@11'],
  },
  {
    name: 'epilogue by episode, just after',
    given: 'call@0 ep:c, pay@1 ep:c, call@11.001 ep:c',
    expected: ['converted@1 at pay: call@0 pay@1', 'open until 21.001 at call: call@11.001'],
  },
  {
    name: 'epilogue by episode ends with the patience of what came last',
    given: 'pay@1 ep:c, visit@2 ep:c, call@7 ep:c',
    expected: ['converted@1 at pay: pay@1 + visit@2', 'open until 17 at call: call@7'],
  },
  {
    name: 'another episode',
    given: 'pay@1 ep:c, call@9 ep:d',
    expected: ['converted@1 at pay: pay@1', 'open until 19 at call: call@9'],
  },
  { name: 'two sales', given: 'pay@5, pay@6', expected: ['converted@5 at pay: pay@5', 'converted@6 at pay: pay@6'] },
  {
    name: 'a refusal without an order is about something else',
    given: 'pay@5, call@6 refused',
    expected: ['converted@5 at pay: pay@5', 'refused@6 at call: call@6'],
  },
  {
    name: 'a review while a new chain is open holds its deadline',
    given: 'pay@0, ad@20, review@25, ad@31',
    expected: ['converted@0 at pay: pay@0 + review@25', 'open until 41 at ad: ad@20 ad@31'],
  },
  {
    name: 'a delivery while a new chain is open does not',
    given: 'pay@0, ad@20, delivery@25, ad@31',
    expected: [
      'converted@0 at pay: pay@0 + delivery@25',
      'silence@30 at ad: ad@20 (returned)',
      'open until 41 at ad: ad@31',
    ],
  },
  { name: 'delivery before any sale', given: 'delivery@0', expected: ['open until 10 at delivery: delivery@0'] },
  {
    name: 'return',
    given: 'pay@0, return@50',
    expected: ['converted@0 at pay: pay@0 + return@50 (reversed, complained)'],
  },
  {
    name: 'same order twice',
    given: 'pay@0 order:A, pay@50 order:A',
    expected: ['converted@0 at pay: pay@0 + pay@50'],
  },
  {
    name: 'another order',
    given: 'pay@0 order:A, pay@50 order:B',
    expected: ['converted@0 at pay: pay@0', 'converted@50 at pay: pay@50'],
  },
  {
    name: 'refused and bought again: whole',
    given: 'pay@0 order:A, call@20 refused order:A, pay@30 order:A',
    expected: ['converted@0 at pay: pay@0 + call@20 pay@30 (complained)'],
  },
  {
    name: 'a return goes to the sale of its order',
    given: 'pay@0 order:A, pay@20 order:B, return@40 order:A',
    expected: ['converted@0 at pay: pay@0 + return@40 (reversed, complained)', 'converted@20 at pay: pay@20'],
  },
  {
    name: 'an unknown order belongs to no sale that has another',
    given: 'pay@0 order:A, review@20 order:Z',
    expected: ['converted@0 at pay: pay@0', 'open until 30 at review: review@20'],
  },
  {
    name: 'an unknown order, a sale without one',
    given: 'pay@0, review@20 order:Z',
    expected: ['converted@0 at pay: pay@0 + review@20'],
  },
  {
    name: 'complained',
    given: 'pay@0, review@5 negative',
    expected: ['converted@0 at pay: pay@0 + review@5 (complained)'],
  },
])

check('after a refusal', [
  {
    name: 'then a purchase, exact end of the epilogue',
    given: 'ad@0, pay@1 refused, pay@3',
    expected: ['converted@3 at pay: ad@0 pay@1 pay@3'],
  },
  {
    name: 'then a purchase, just after',
    given: 'pay@1 refused, pay@3.001',
    expected: ['refused@1 at pay: pay@1 (returned and bought)', 'converted@3.001 at pay: pay@3.001'],
  },
  {
    name: 'again, and again, and the third try went through',
    given: 'pay@1 refused, pay@3 refused, pay@5',
    expected: ['converted@5 at pay: pay@1 pay@3 pay@5'],
  },
  {
    name: 'the epilogue goes on with what follows, and becomes part of the chain',
    given: 'pay@1 refused, ad@3, ad@5, pay@7',
    expected: ['converted@7 at pay: pay@1 ad@3 ad@5 pay@7'],
  },
  {
    name: 'a stroll changes nothing',
    given: 'pay@1 refused, ad@2',
    expected: ['refused@1 at pay: pay@1 + ad@2'],
    also: [{ recovered: [] }],
  },
])

check('the company', [
  {
    name: 'first, gathered at its exact deadline',
    given: 'mail@0, ad@10',
    expected: ['open until 20 at ad: mail@0 ad@10'],
  },
  {
    name: 'first, lapsed just after',
    given: 'mail@0, ad@10.001',
    expected: ['ignored@10 at mail: mail@0', 'open until 20.001 at ad: ad@10.001'],
  },
  { name: 'last', given: 'ad@0, mail@3', tick: 11, expected: ['silence@10 at ad: ad@0 mail@3'] },
  { name: 'only, unanswered', given: 'mail@0', tick: 11, expected: ['ignored@10 at mail: mail@0'] },
  { name: 'only, still in time', given: 'mail@0', tick: 10, expected: ['open until 10 at mail: mail@0'] },
  {
    name: 'a gathered offer holds the deadline',
    given: 'offer@0, visit@0.5',
    expected: ['open until 5 at visit: offer@0 visit@0.5'],
  },
  {
    name: 'a gathered message does not',
    given: 'mail@0, visit@1',
    expected: ['open until 5 at visit: mail@0 visit@1'],
  },
  {
    name: 'several gathered, in order',
    given: 'offer@6, mail@0, ad@9',
    expected: ['open until 19 at ad: mail@0 offer@6 ad@9'],
  },
  {
    name: 'one gathered, a later one lapsed',
    given: 'mail@0, offer@1, ad@8',
    expected: ['open until 18 at ad: mail@0 ad@8', 'ignored@6 at offer: offer@1'],
  },
  {
    name: 'a message that nobody left behind waits for a tick',
    given: 'pay@0, mail@5, review@30',
    expected: ['converted@0 at pay: pay@0 + review@30', 'open until 15 at mail: mail@5'],
  },
  {
    name: 'a refusal by the company is no outreach',
    given: 'call@0 refused company',
    expected: ['refused@0 at call: call@0'],
  },
])

check('place, reason and furthest', [
  {
    name: 'an offer that waits is a place',
    given: 'ad@0, offer@3',
    tick: 20,
    expected: ['silence@10 at offer: ad@0 offer@3'],
  },
  {
    name: '"deal lost" after an offer',
    given: 'ad@0, offer@3, lost@4',
    expected: ['refused@4 at offer: ad@0 offer@3 lost@4'],
  },
  {
    name: 'nothing but a result',
    given: 'lost@0',
    expected: ['refused@0 at lost: lost@0'],
    also: [{ furthest: 'lost' }],
  },
  { name: 'a note is not a place', given: 'ad@0, note@3', tick: 20, expected: ['silence@13 at ad: ad@0 note@3'] },
  { name: 'abandoned', given: 'call@0 abandoned', tick: 11, expected: ['abandoned@10 at call: call@0'] },
  { name: 'dissatisfied', given: 'call@0 negative', tick: 11, expected: ['dissatisfied@10 at call: call@0'] },
  { name: 'at risk', given: 'call@0 abandoned', expected: ['open until 10 at call: call@0 (at risk)'] },
  {
    name: 'broke at home, lost from the checkout',
    given: 'checkout@0 abandoned, home@1',
    tick: 20,
    expected: ['silence@11 at home: checkout@0 home@1'],
    also: [{ furthest: 'checkout', recovered: ['checkout'] }],
  },
  {
    name: 'furthest, the latest of equals',
    given: 'checkout@0, basket@1, ad@2',
    expected: ['open until 12 at ad: checkout@0 basket@1 ad@2'],
    also: [{ furthest: 'basket' }],
  },
  {
    name: 'furthest without any step is the place',
    given: 'home@0, mail@1',
    expected: ['open until 10 at home: home@0 mail@1'],
    also: [{ furthest: 'home' }],
  },
])

check('late word', [
  { name: 'a note long after', given: 'ad@0, note@50', expected: ['silence@10 at ad: ad@0 + note@50'] },
  { name: '"lost" long after', given: 'ad@0, lost@50', expected: ['refused@50 at ad: ad@0 lost@50'] },
  { name: '"paid" long after', given: 'ad@0, paid@50', expected: ['converted@50 at ad: ad@0 paid@50'] },
  { name: '"paid" after the sale', given: 'pay@0, paid@50', expected: ['converted@0 at pay: pay@0 + paid@50'] },
  {
    name: '"paid" for another order',
    given: 'pay@0 order:A, paid@50 order:B',
    expected: ['converted@0 at pay: pay@0', 'converted@50 at paid: paid@50'],
  },
  {
    name: '"lost" after the sale',
    given: 'pay@0, lost@50',
    expected: ['converted@0 at pay: pay@0 + lost@50 (reversed, complained)'],
  },
  { name: 'follow-up, exact end', given: 'visit@0, offer@14', expected: ['open until 19 at offer: visit@0 offer@14'] },
  {
    name: 'follow-up, just after',
    given: 'visit@0, offer@14.001',
    expected: ['silence@4 at visit: visit@0', 'open until 19.001 at offer: offer@14.001'],
  },
  {
    name: 'no follow-up of our own offer',
    given: 'ad@0, offer@3, offer@12',
    expected: ['silence@10 at offer: ad@0 offer@3', 'open until 17 at offer: offer@12'],
  },
  {
    name: 'a newsletter is no follow-up',
    given: 'visit@0, mail@5',
    expected: ['silence@4 at visit: visit@0', 'open until 15 at mail: mail@5'],
  },
  {
    name: 'a follow-up takes the note in',
    given: 'visit@0, note@6, offer@8',
    expected: ['open until 13 at offer: visit@0 note@6 offer@8'],
  },
  {
    name: 'a follow-up leaves other outreach standing',
    given: 'visit@0, mail@5, offer@6',
    expected: ['open until 11 at offer: visit@0 offer@6', 'open until 15 at mail: mail@5'],
  },
])

check('recovered, returned, episodes', [
  {
    name: 'recovered by an act of the customer, counted once',
    given: 'call@0 abandoned, call@1 abandoned, ad@2',
    expected: ['open until 12 at ad: call@0 call@1 ad@2'],
    also: [{ recovered: ['call'] }],
  },
  {
    name: 'not recovered by a message or by abandoning again',
    given: 'call@0 abandoned, mail@1, call@2 abandoned',
    expected: ['open until 12 at call: call@0 mail@1 call@2 (at risk)'],
    also: [{ recovered: [] }],
  },
  {
    name: 'returned and bought',
    given: 'ad@0, pay@20',
    expected: ['silence@10 at ad: ad@0 (returned and bought)', 'converted@20 at pay: pay@20'],
  },
  {
    name: 'a message of ours is no return',
    given: 'ad@0, mail@20',
    expected: ['silence@10 at ad: ad@0', 'open until 30 at mail: mail@20'],
  },
  {
    name: 'a lost customer is traced to the step of the call',
    given: 'call@0 ep:c1 agent:ann wait:3, call@1 abandoned ep:c1 agent:bob wait:4',
    tick: 20,
    expected: ['abandoned@11 at call: call@0 call@1'],
    also: [
      {
        staff: 2,
        brokenEpisode: 'c1',
        episodes: [
          {
            id: 'c1',
            group: 'phone',
            startedAt: 0,
            endedAt: 1000,
            interactions: 2,
            waitMs: 7,
            broke: true,
            brokeAt: 'call',
          },
        ],
      },
    ],
  },
  {
    name: 'the epilogue counts for neither staff nor episodes',
    given: 'pay@0 agent:ann ep:c1, call@1 ep:c1 agent:bob, call@2 ep:c2',
    expected: ['converted@0 at pay: pay@0 + call@1 call@2'],
    also: [
      {
        staff: 1,
        brokenEpisode: null,
        episodes: [
          { id: 'c1', group: null, startedAt: 0, endedAt: 0, interactions: 1, waitMs: 0, broke: false, brokeAt: null },
        ],
      },
    ],
  },
])
