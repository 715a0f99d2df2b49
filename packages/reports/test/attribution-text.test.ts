import { startTestStore, type TestStore } from '@weaklink/clickhouse/test-support'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { AttributionOptions } from '../src/attribution/options.ts'
import { attributionQuestion, blameQuestion } from '../src/attribution/question.ts'
import type { PersonChains } from './naive.ts'
import { createTables, storeAll } from './stored.ts'
import { CATALOGUE, customer, PEOPLE, TICK } from './story.ts'

let db: TestStore

beforeAll(async () => {
  db = await startTestStore()
  await createTables(db.store)
})
afterAll(() => db.stop())

const attributed = async (options: AttributionOptions, width = 100) =>
  attributionQuestion.text(await attributionQuestion.ask(db.store, attributionQuestion.query(options)), { width })
const blamed = async (options: AttributionOptions, width = 100) =>
  blameQuestion.text(await blameQuestion.ask(db.store, blameQuestion.query(options)), { width })

const MORE: readonly PersonChains[] = [
  ...PEOPLE,
  ...['fay', 'gus', 'hal'].map((name) =>
    customer(name, [
      ['2024-03-02T08:00', 'ad_view', { channel: 'mail "spring"' }],
      ['2024-03-04T08:00', 'call_talk'],
      ['2024-03-04T09:00', 'visit', { value: 1200.5, currency: 'EUR' }],
    ]),
  ),
  customer('ida', [
    ['2024-03-02T08:00', 'ad_view', { channel: 'seo' }],
    ['2024-03-02T09:00', 'visit'],
  ]),
]

describe('the text of attribution and blame', () => {
  beforeAll(() => storeAll(db.store, CATALOGUE, TICK, MORE))

  test('answers first, then sets the models side by side', async () => {
    expect(await attributed({})).toMatchInlineSnapshot(`
      "Who gets most of the credit for 5 conversions depends on the model: ad_view (2.4 to 5) by first,
      linear, position, decay, markov, shapley; call_talk (4) by last. The models are furthest apart about
      ad_view: 1 by last, 5 by first.

      touchpoint  touched  first  last  linear  position  decay  markov  shapley
      ad_view           5      5     1     2.7       2.9    2.5     2.4      2.7
      call_talk         4      0     4     1.7       1.9    1.9       2      1.9
      call_wait         1      0     0     0.4       0.1    0.4     0.5      0.4
      sms               1      0     0     0.2       0.1    0.2     0.1      0.1

      Who gets most of the credit for a value of 3,722 EUR depends on the model: ad_view (3,722) by first;
      call_talk (1,669 to 3,722) by last, linear, position, decay, markov, shapley. The models are
      furthest apart about call_talk: 0 by first, 3,722 by last.

      touchpoint  touched  first   last  linear  position  decay  markov  shapley
      call_talk         4      0  3,722   1,825     1,849  2,007   1,669    1,732
      ad_view           4  3,722      0   1,825     1,849  1,644   1,530    1,589
      call_wait         1      0      0      48        16   49.4     417      336
      sms               1      0      0      24         8   21.1     104     64.6

      decay: a touch 7d earlier gets half the credit.
      markov and shapley: from the 5 converted chains and the 3 broken ones; what would be gone without a
      touchpoint.
      1 open chain is not counted yet.
      1 message that nobody answered is left out.
      Credit adds up to the total in every column. It is not cause: no model knows what would have
      happened otherwise.
      The chains behind a row: weaklink report chains --state converted --touch touchpoint=ad_view
      As of 2024-04-10.
      "
    `)
  })
  test('fits a narrow terminal, with shares where amounts are too wide', async () => {
    expect(
      await attributed({ of: 'channel', where: 'channel=mail "spring"', from: '2024-03-01' }, 60),
    ).toMatchInlineSnapshot(`
      "mail "spring" (3) gets most of the credit for 3 conversions,
      by every model.

      channel        touched  first  last  linear  position
      mail "spring"        3      3     3       3         3

      channel        touched  decay  markov  shapley
      mail "spring"        3      3       3        3

      mail "spring" (3,602) gets most of the credit for a value of
      3,602 EUR, by every model.

      channel        touched  first   last  linear  position
      mail "spring"        3  3,602  3,602   3,602     3,602

      channel        touched  decay  markov  shapley
      mail "spring"        3  3,602   3,602    3,602

      decay: a touch 7d earlier gets half the credit.
      markov and shapley: from the 3 converted chains and the 0
      broken ones; what would be gone without a channel.
      Credit adds up to the total in every column. It is not
      cause: no model knows what would have happened otherwise.
      The chains behind a row: weaklink report chains --state
      converted --touch 'channel=mail "spring"' --where
      'channel=mail "spring"' --from 2024-03-01T00:00:00.000Z
      Chains that started from 2024-03-01. As of 2024-04-10.
      "
    `)
  })
  test('has a table for each group', async () => {
    expect(await blamed({ by: 'channel', model: 'last,linear' })).toMatchInlineSnapshot(`
      "channel = ads

      call_wait (0.5 to 1) gets most of the blame for 1 broken chain, by every model. The models are
      furthest apart about call_wait: 0.5 by linear, 1 by last.

      touchpoint  touched  last  linear
      call_wait         1     1     0.5
      ad_view           1     0     0.5

      channel = seo

      ad_view (1) gets most of the blame for 1 broken chain, by every model.

      touchpoint  touched  last  linear
      ad_view           1     1       1

      channel = (none)

      call_wait (1) gets most of the blame for 1 broken chain, by every model.

      touchpoint  touched  last  linear
      call_wait         1     1       1

      channel = mail "spring"

      There is nothing to share out of 0 broken chains.

      1 open chain is not counted yet.
      1 message that nobody answered is left out.
      Blame adds up to the total in every column. It is not cause: no model knows what would have happened
      otherwise.
      The chains behind a row: weaklink report chains --state broken --touch touchpoint=call_wait --where
      channel=ads
      As of 2024-04-10.
      "
    `)
  })
  test('says so where all models have to agree, and who is level', async () => {
    const bought = (name: string, channel: string) =>
      customer(name, [
        ['2024-03-02T08:00', 'ad_view', { channel }],
        ['2024-03-02T09:00', 'visit'],
      ])
    await storeAll(db.store, CATALOGUE, TICK, [
      bought('a', 'seo'),
      bought('b', 'ads'),
      bought('c', 'seo'),
      bought('d', 'ads'),
    ])
    expect((await attributed({ of: 'channel' })).replaceAll('\n', ' ')).toMatch(
      /^ads and seo get most of the credit for 4 conversions \(2 each\)\. All models say the same, as they must where/,
    )
    await storeAll(db.store, CATALOGUE, TICK, MORE)
  })

  test('of nothing says what to do', async () => {
    expect(await attributed({ where: 'channel=tv' }, 80)).toMatchInlineSnapshot(`
      "There are no chains here. If nothing was taken in yet: \`weaklink import FILE\`,
      \`weaklink up\` or \`weaklink demo\`; where there are some, ask for more with a
      wider --from, --to or --where.

      As of 2024-04-10.
      "
    `)
    expect(await blamed({ from: '2024-03-06' }, 80)).toMatchInlineSnapshot(`
      "None of 1 chain has broken: there is nothing to blame.

      1 open chain is not counted yet.
      Chains that started from 2024-03-06. As of 2024-04-10.
      "
    `)
  })
})
