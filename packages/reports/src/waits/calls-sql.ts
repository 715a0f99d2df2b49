import { LONGEST_WAIT_MS } from '@weaklink/chains'
import { chainUnits } from '../chain-units.ts'
import { type Params, whereSql } from '../keys.ts'
import { AS_OF_SQL, groupSql } from '../selection.ts'
import type { WaitsQuery } from './options.ts'

/** How calls ended in the queue. */
export const FATES = [
  'answered',
  'abandoned',
  /** Abandoned so soon that `--short` leaves it out. */
  'short',
  /** The company took no call: it was closed; all places in the queue were taken; nobody was there, or it went elsewhere. */
  'closed',
  'saturated',
  'blocked',
  /** It left the queue otherwise: after the longest time, by a key (for a callback), since nobody was there any more, else. */
  'timeout',
  'key',
  'empty',
  'other',
  /** No end is known: it waits at T, or nobody wrote down how it ended. */
  'waiting',
  'unended',
] as const
export type Fate = (typeof FATES)[number]

/** All that is read of chains, by name of the column in `chainUnits`. */
const READ = {
  what: 'touchpoints',
  at: 'times',
  outcome: 'outcomes',
  episode: 'episodes',
  queue: 'queues',
  wait: 'waits',
  duration: 'durations',
  prop: 'props',
} as const

/**
 * SQL: the calls that the query is about, a row for each call that a queue received: `grp`, `queue`, `fate`, `entered` (epoch
 * milliseconds), `waitMs` and `talkMs` (null where unknown), `calledBack`.
 *
 * A call is a `call_queue` with its `call_wait`: of the same person, episode and queue the k-th with the k-th, since clocks
 * jump and an end may carry an earlier instant than its beginning. A `call_wait` without a `call_queue` entered `waitMs`
 * before. The k-th of them that was answered has the k-th `call_answer` as its conversation. A call belongs to the chain in
 * which it entered (else, ended): `by` and `where` are about that chain, but pairs are made among all chains of the person.
 */
export function callsSql({ selection, by, queues, shortMs }: WaitsQuery, params: Params): string {
  const { from, to, where } = selection
  const keys = [...[...where.values()].map(({ key }) => key), ...by]
  // Filtered before they are unfolded: most interactions are no calls, and their props are long.
  const kept = Object.entries(READ).map(
    ([name, column]) =>
      `arrayFilter((one, met) -> met IN ('call_queue', 'call_wait', 'call_answer', 'call_back'), ${column}, touchpoints) AS ${name}s`,
  )
  const met = `
    SELECT kind, customer, what, episode, queue, tuple(toUnixTimestamp64Milli(at), ordinal, position) AS moment,
      tuple(grp, chosen) AS chain, outcome = 'abandoned' AS abandoned, wait, duration,
      JSONExtractString(prop, 'turnedAway') AS turnedAway, JSONExtractString(prop, 'ended') AS endedBy
    FROM (
      SELECT kind, customer, ordinal, ${kept.join(', ')}, ${groupSql(by, params)} AS grp, ${whereSql(where, params)} AS chosen
      FROM (${chainUnits(['ordinal', ...Object.values(READ)], keys, 'place')}))
    ARRAY JOIN ${Object.keys(READ)
      .map((name) => `${name}s AS ${name}`)
      .join(', ')}, arrayEnumerate(whats) AS position`

  // A customer who gave up is called back, where the next call with them is one that the company made.
  const followed = `
    SELECT kind, customer, one.1 AS moment, one.2 AS what, one.3 AS episode, one.4 AS queue, one.5 AS chain, one.6 AS abandoned,
      one.7 AS wait, one.8 AS duration, one.9 AS turnedAway, one.10 AS endedBy, next = 'call_back' AS calledBack
    FROM (
      SELECT kind, customer,
        arraySort(groupArray((moment, what, episode, queue, chain, abandoned, wait, duration, turnedAway, endedBy))) AS all,
        arrayReverseFill(what -> what IN ('call_queue', 'call_back'), all.2) AS contacts
      FROM (${met})
      GROUP BY kind, customer)
    ARRAY JOIN all AS one, arrayPushBack(arrayPopFront(contacts), '') AS next
    WHERE what != 'call_back'`

  const paired = `
    SELECT queue,
      arraySort(groupArrayIf((moment, chain, abandoned), what = 'call_queue' AND turnedAway = '')) AS entries,
      arraySort(groupArrayIf((moment, chain, abandoned, wait, endedBy, calledBack), what = 'call_wait')) AS ends,
      arraySort(groupArrayIf((moment, duration), what = 'call_answer')) AS talks,
      arrayCumSum(arrayMap(end -> NOT end.3 AND end.5 = '', ends)) AS answers,
      groupArrayIf((moment.1, chain, turnedAway), what = 'call_queue' AND turnedAway != '') AS turned
    FROM (${followed})
    GROUP BY kind, customer, episode, queue`

  // Entered, chain, fate, wait, talk, called back.
  const pair = `
    k -> (
      if(k <= length(entries), entries[k].1.1, greatest(0, ends[k].1.1 - ifNull(toInt64(ends[k].4), 0))),
      if(k <= length(entries), entries[k].2, ends[k].2),
      multiIf(
        k > length(ends), if(entries[k].3, 'abandoned', 'unended'),
        ends[k].3, 'abandoned',
        ends[k].5 = '', 'answered',
        ends[k].5 IN ('timeout', 'key', 'empty'), ends[k].5,
        'other'),
      multiIf(
        k > length(ends), NULL,
        ends[k].4 IS NOT NULL, toInt64(ends[k].4),
        k <= length(entries) AND ends[k].1.1 >= entries[k].1.1, ends[k].1.1 - entries[k].1.1,
        NULL),
      if(k <= length(ends) AND NOT ends[k].3 AND ends[k].5 = '' AND answers[k] <= length(talks), talks[answers[k]].2, NULL),
      k <= length(ends) AND ends[k].6)`
  const turnedAway = `
    call -> (
      call.1, call.2, multiIf(call.3 = 'closed', 'closed', call.3 IN ('full', 'diverted'), 'saturated', 'blocked'), NULL, NULL, false)`
  const short = shortMs === null ? 'false' : `waitMs <= ${params.bind(shortMs, 'Int64')}`
  const conditions = [
    'call.2.2',
    ...(from === null ? [] : [`entered >= ${params.bind(from, 'Int64')}`]),
    ...(to === null ? [] : [`entered < ${params.bind(to, 'Int64')}`]),
    ...(queues.length === 0 ? [] : [`has(${params.bind(queues, 'Array(String)')}, queue)`]),
  ]
  return `
    SELECT queue, call.1 AS entered, call.2.1 AS grp, call.4 AS waitMs, call.5 AS talkMs, call.6 AS calledBack,
      multiIf(
        call.3 = 'unended' AND ifNull(entered >= toUnixTimestamp64Milli((${AS_OF_SQL})) - ${LONGEST_WAIT_MS}, true), 'waiting',
        call.3 = 'abandoned' AND ifNull(${short}, false), 'short',
        call.3) AS fate
    FROM (${paired})
    ARRAY JOIN arrayConcat(
      arrayMap(${pair}, range(1, greatest(length(entries), length(ends)) + 1)),
      arrayMap(${turnedAway}, turned)) AS call
    WHERE ${conditions.join(' AND ')}`
}
