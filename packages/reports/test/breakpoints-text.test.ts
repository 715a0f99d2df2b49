import { describe, expect, test } from 'vitest'
import { rank } from '../src/breakpoints/rank.ts'
import { breakpointsText } from '../src/index.ts'
import { naiveBreakpoints } from './naive.ts'
import { PEOPLE, TICK } from './story.ts'

const NAMES = new Map([
  ['call_wait', 'Ожидание на линии'],
  ['ad_view', '广告'],
])

describe('the text of a breakpoints report', () => {
  test('answers first, then counts, then lists the places, the weakest first', () => {
    expect(breakpointsText(naiveBreakpoints(PEOPLE, {}, TICK), { width: 100 })).toMatchInlineSnapshot(`
      "Most chains are lost beyond expectation at call_wait: 2 of 3 chains that reached it broke there, 1.1
      more than expected; 100 % of them were abandoned.

      6 chains of 5 customers: 3 broken, 1 converted (1 complained), 1 open, 1 ignored.
      Of the broken ones 2 are lost for good so far; after 1 the customer came back (none bought).

      touchpoint  reached  open  broke  rate  excess  why              recovered  returned  wait p50/p95
      call_wait         3     0      2  67 %    +1.1  abandoned 100 %          1         1      40s/1.6m
      ad_view           4     1      1  33 %    +0.1  silence 100 %            0         0
      call_talk         1     0      0   0 %    −0.3                           0         0
      visit             1     0      0   0 %    −0.3                           0         0
      sms               2     0      0   0 %    −0.6                           0         0

      Provisional: chains that started after 2024-03-04. More than 1 % are still open, and some of them
      will break yet.
      The rate leaves out the chains that are still open at the place: broke / (reached − open).
      Only after the end of chains: survey.
      As of 2024-04-10.
      "
    `)
  })
  test('fits a narrow terminal', () => {
    const text = breakpointsText(naiveBreakpoints(PEOPLE, {}, TICK), { width: 80, names: NAMES })
    expect(text).toMatchInlineSnapshot(`
      "Most chains are lost beyond expectation at call_wait (Ожидание на линии): 2 of 3
      chains that reached it broke there, 1.1 more than expected; 100 % of them were
      abandoned.

      6 chains of 5 customers: 3 broken, 1 converted (1 complained), 1 open, 1
      ignored.
      Of the broken ones 2 are lost for good so far; after 1 the customer came back
      (none bought).

      touchpoint  reached  open  broke  rate  excess  why              wait p50/p95
      call_wait         3     0      2  67 %    +1.1  abandoned 100 %      40s/1.6m
      ad_view           4     1      1  33 %    +0.1  silence 100 %
      call_talk         1     0      0   0 %    −0.3
      visit             1     0      0   0 %    −0.3
      sms               2     0      0   0 %    −0.6

      Provisional: chains that started after 2024-03-04. More than 1 % are still open,
      and some of them will break yet.
      The rate leaves out the chains that are still open at the place: broke /
      (reached − open).
      Only after the end of chains: survey.
      As of 2024-04-10.
      "
    `)
  })
  test('shows names where there is room, aligned whatever script they are in, and marks outside the padding', () => {
    const mark = (text: string) => `<${text}>`
    const style = { bold: mark, dim: (text: string) => text, red: mark, green: mark, yellow: mark }
    const report = naiveBreakpoints(PEOPLE, { where: 'channel=ads' }, TICK)
    expect(breakpointsText(report, { width: 120, names: NAMES, style })).toMatchInlineSnapshot(`
      "Most chains are lost beyond expectation at <call_wait> (Ожидание на линии): 1 of 2 chains that reached it broke there,
      0.7 more than expected; 100 % of them were abandoned.

      2 chains of 2 customers: 1 broken, 1 converted (1 complained), 0 open.
      Of the broken ones <1> is lost for good so far; none of these customers has come back.

      touchpoint  reached  broke  rate  excess  why              recovered  returned  wait p50/p95  name
      call_wait         2      1  50 %  <  +0.7>  abandoned 100 %          1         0      40s/1.6m  Ожидание на линии
      call_talk         1      0   0 %  <  −0.1>                           0         0
      sms               1      0   0 %  <  −0.1>                           0         0
      visit             1      0   0 %  <  −0.1>                           0         0
      ad_view           2      0   0 %  <  −0.3>                           0         0                广告

      Only after the end of chains: survey.
      As of 2024-04-10.
      "
    `)
  })
  test('has a table for each group', () => {
    const text = breakpointsText(naiveBreakpoints(PEOPLE, { by: 'channel,returning', from: '2024-03-02' }, TICK))
    expect(text).toMatchInlineSnapshot(`
      "Most chains are lost beyond expectation at call_wait for channel = ads, returning = false: 1 of 2
      chains that reached it broke there, 0.7 more than expected; 100 % of them were abandoned.

      4 chains of 4 customers: 2 broken, 1 converted (1 complained), 1 open.
      Of the broken ones 2 are lost for good so far; none of these customers has come back.

      channel = ads, returning = false
      touchpoint  reached  broke  rate  excess  why              recovered  returned  wait p50/p95
      call_wait         2      1  50 %    +0.7  abandoned 100 %          1         0      40s/1.6m
      call_talk         1      0   0 %    −0.1                           0         0
      sms               1      0   0 %    −0.1                           0         0
      visit             1      0   0 %    −0.1                           0         0
      ad_view           2      0   0 %    −0.3                           0         0

      channel = seo, returning = false
      touchpoint  reached  broke   rate  excess  why            recovered  returned  wait p50/p95
      ad_view           1      1  100 %       0  silence 100 %          0         0

      channel = seo, returning = true
      touchpoint  reached  open  broke  rate  excess  why  recovered  returned  wait p50/p95
      ad_view           1     1      0     –       0               0         0

      Provisional: chains that started after 2024-03-04. More than 1 % are still open, and some of them
      will break yet.
      The rate leaves out the chains that are still open at the place: broke / (reached − open).
      Only after the end of chains: survey.
      Chains that started from 2024-03-02. As of 2024-04-10.
      "
    `)
  })
  test('speaks of episodes', () => {
    const text = breakpointsText(
      naiveBreakpoints(PEOPLE, { within: 'phone', date: 'end', to: '2024-03-04T12:00:00Z' }, TICK),
    )
    expect(text).toMatchInlineSnapshot(`
      "No place loses more phone episodes than expected. First of all: call_wait, 3 of 3 phone episodes
      that reached it broke there.

      3 phone episodes of 3 customers: 3 broken, 0 went through, 0 open.
      Of the broken ones 2 are lost for good so far; after 1 the customer came back (1 got through).

      touchpoint  reached  broke   rate  excess  why              recovered  returned  wait p50/p95
      call_wait         3      3  100 %       0  abandoned 100 %          0         1       1m/1.6m

      Phone episodes that ended before 2024-03-04 12:00 UTC. As of 2024-04-10.
      "
    `)
  })
  test('of nothing says what to do', () => {
    expect(breakpointsText(naiveBreakpoints([], {}, null), { width: 80 })).toMatchInlineSnapshot(`
      "There are no chains here. If nothing was taken in yet: \`weaklink import FILE\`,
      \`weaklink up\` or \`weaklink demo\`; where there are some, ask for more with a
      wider --from, --to or --where.
      "
    `)
  })
})

describe('the order of the places', () => {
  const place = (touchpoint: string, reached: number, silence: number) => ({
    touchpoint,
    reached,
    silence,
    ...{
      interactions: reached,
      convertedHere: 0,
      openHere: 0,
      ignoredHere: 0,
      refused: 0,
      abandoned: 0,
      dissatisfied: 0,
    },
    ...{ returned: 0, recovered: 0, waitMs: { p50: null, p95: null } },
  })

  test('is exact where fractions are equal only on paper', () => {
    // (3 − 9·7/21) and (1 − 3·7/21) are both 0; so is every excess here: the names decide.
    const ranked = rank([place('b', 3, 1), place('c', 9, 3), place('a', 9, 3)])
    expect(ranked.map(({ touchpoint }) => touchpoint)).toEqual(['a', 'b', 'c'])
  })

  test('of places where everything is still open has nothing to expect', () => {
    const [only] = rank([{ ...place('a', 3, 0), openHere: 3 }])
    expect(only).toMatchObject({ breakRate: null, expectedBroke: 0, excess: 0, shareOfBreaks: null, passed: 0 })
  })
})
