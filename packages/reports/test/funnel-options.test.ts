import { describe, expect, test } from 'vitest'
import { type FunnelOptions, funnelQuery } from '../src/funnel/options.ts'
import { parseSteps, stepText } from '../src/funnel/steps.ts'

describe('steps are written', () => {
  const texts: [written: string, order: 'steps' | 'any', shown: string][] = [
    ['ad_view', 'steps', 'ad_view'],
    ['ad_view>site_visit > pay', 'steps', 'ad_view, site_visit, pay'],
    ['ad_view > call_wait | chat > pay:bought', 'steps', 'ad_view, call_wait|chat, pay:bought'],
    ['a > [b|c:refused]<48h? > d', 'steps', 'a, [b|c:refused]<2d?, d'],
    ['a > [b | c]:bought<2d', 'steps', 'a, [b:bought|c:bought]<2d'],
    ['a > b|c?<90s > d', 'steps', 'a, [b|c]<1.5m?, d'],
    ['^a > [b] > ^[c|d]', 'any', '^a, b, ^[c|d]'],
    ['not > notes > note.x-1', 'steps', 'not, notes, note.x-1'],
    ['a > !x > not y:refused > b?', 'steps', 'a, not x|y:refused > b?'],
    ['реклама > 电话', 'steps', 'реклама, 电话'],
  ]
  test.each(texts)('%s', (written, order, shown) => {
    expect(parseSteps(written, order).map(stepText).join(', ')).toBe(shown)
  })

  test('what must not be between', () => {
    for (const written of [
      'a > not x|y:abandoned > not z > b',
      'a > !x | y:abandoned > ! z > b',
      'a>!x>!y:abandoned>!z>b',
    ]) {
      const [a, b, ...more] = parseSteps(written, 'steps')
      expect([a?.not, more]).toEqual([[], []])
      expect(b?.not).toEqual([
        { touchpoint: 'x', outcome: null },
        { touchpoint: 'y', outcome: 'abandoned' },
        { touchpoint: 'z', outcome: null },
      ])
    }
  })
})

describe('an option that cannot be met says where, and what can', () => {
  const many = Array.from({ length: 41 }, () => 'a').join('>')
  const cases: [options: FunnelOptions, message: string | RegExp][] = [
    [{}, `--steps '': expected touchpoints with > between them, as "ad_view > site_visit > pay:bought"`],
    [{ steps: `a > ${'b'.repeat(5000)}` }, /expected at most 4000 characters$/],
    [{ steps: 'a > ' }, '--steps a > : expected at its end: a touchpoint'],
    [{ steps: 'a > > b' }, '--steps a > > b: expected at character 5, where it says "> b": a touchpoint'],
    [{ steps: 'a b' }, /at character 3, where it says "b": > and the next step, or the end$/],
    [{ steps: 'a > B' }, /at character 5, where it says "B": a touchpoint, in lower case, of at most 64 characters$/],
    [{ steps: `a > ${'b'.repeat(65)}` }, /at most 64 characters$/],
    [{ steps: 'a | ' }, /at its end: a touchpoint$/],
    [{ steps: 'a > [b|c > d' }, /at character 10, where it says "> d": \| and another touchpoint, or \]$/],
    [{ steps: 'a > [b:refused|c]:bought' }, /at character 18, .*: an outcome stands within the brackets already$/],
    [{ steps: 'a > b] > c' }, /at character 6, where it says "\] > c": > and the next step, or the end$/],
    [
      { steps: 'a:sold > b' },
      /at character 3, where it says "sold > b": one of continued, bought, refused, abandoned$/,
    ],
    [{ steps: 'a > b<soon' }, /at character 7, where it says "soon": a duration as 500ms, 20s, 3m, 24h or 7d, longer/],
    [{ steps: 'a > b<0d' }, /longer than 0$/],
    [{ steps: 'a > b??' }, /at character 7, .*: > and the next step$/],
    [{ steps: 'a > b<1d<2d' }, /at character 9, .*: > and the next step$/],
    [{ steps: 'a? > b' }, /at character 2, .* the first step may not be missing/],
    [{ steps: 'a<1d > b' }, /at character 2, .* the first step has none before it$/],
    [{ steps: 'not a > b' }, /at character 1, .*: a step before what must not follow it$/],
    [{ steps: 'a > not b' }, /at character 5, .*: a step after what must not come before it$/],
    [{ steps: 'a > not b? > c' }, /at character 10, .*: nothing but > after what must not occur$/],
    [{ steps: 'a > ^b' }, /at character 5, .*: a touchpoint: \^ goes with --order any only$/],
    [{ steps: 'a > b?', order: 'any' }, /at character 6, .* in any order \(--order any\) no step may be missing$/],
    [{ steps: 'a > b<1d', order: 'any' }, /at character 6, .*--window bounds them all$/],
    [{ steps: 'a > !x > b', order: 'any' }, /at character 5, .*not with --order any$/],
    [{ steps: many }, /at character 81, .*: at most 40 steps$/],
    [{ steps: 'a > b', order: 'random' }, '--order random: expected one of steps, strict, any'],
    [
      { steps: 'a > b', window: 'a week' },
      '--window a week: expected a duration as 500ms, 20s, 3m, 24h or 7d, longer than 0',
    ],
    [{ steps: 'a > b<3d', window: '2d' }, '--window 2d: expected at least the 3d that --steps gives to one step'],
    [{ steps: 'a > b', count: 'people' }, '--count people: expected one of chains, customers'],
    [{ steps: 'a > b', open: 'yes' }, '--open yes: expected one of apart, out'],
    [{ steps: 'a > b > c', between: '2' }, '--between 2: expected two of the 3 steps, the earlier one first: 1:3'],
    [{ steps: 'a > b > c', between: '3:2' }, /^--between 3:2: expected two of the 3 steps/],
    [{ steps: 'a > b > c', between: '1:4' }, /^--between 1:4: expected two of the 3 steps/],
    [{ steps: 'a', between: '1:2' }, '--between 1:2: expected no --between: there is one step only'],
    [
      { steps: 'a > b', chains: '3:lost' },
      /^--chains 3:lost: expected STEP:WHAT as 1:lost, where STEP is 1 to 2 and WHAT/,
    ],
    [{ steps: 'a > b', chains: '1:gone' }, /^--chains 1:gone: expected STEP:WHAT/],
    [{ steps: 'a > b', chains: '1', limit: '0' }, '--limit 0: expected a whole number from 1 to 1000'],
    [{ steps: 'a > b', chains: '1', cursor: 'x' }, '--cursor x: expected `next` of an earlier answer'],
    [{ steps: 'a > b', limit: '5' }, '--limit 5: expected --chains with it: it is about the list of chains'],
    [{ steps: 'a > b', chains: '1', group: 'channel=x' }, '--group channel=x: expected --by with it'],
    [
      { steps: 'a > b', chains: '1', by: 'channel,campaign', group: 'channel=x' },
      /: expected also a value for campaign$/,
    ],
    [
      { steps: 'a > b', chains: '1', by: 'channel', group: 'colour=x' },
      /: expected KEY=VALUE, once for each of channel$/,
    ],
    [{ steps: 'a > b', where: 'outcome=sold' }, /^--where outcome=sold/],
  ]
  test.each(cases)('%o', (options, message) => {
    expect(() => funnelQuery(options)).toThrow(message)
  })
})
