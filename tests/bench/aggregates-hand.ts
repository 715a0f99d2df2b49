/** What analysts would write over the raw interactions, for a period, half-open. */

export interface Days {
  readonly from: string
  readonly to: string
}

/**
 * Who was silent for 30 days, bought or refused begins anew; of what began in the period: which touchpoints were reached, where
 * it broke, and how long was waited. As far as one statement goes that an analyst would still write, the same answer as ours;
 * but it knows no patience of touchpoints, no open chains, no reasons, no epilogues, no customers who came back.
 */
export const byArrays = (days: Days) => `
  SELECT one.2 AS touchpoint, count() AS interactions, countIf(occurrence = 1) AS reached,
    countIf(position = length(piece) AND one.3 != 'bought') AS broke, quantilesExact(0.5, 0.95)(one.4) AS waits
  FROM (
    SELECT piece, arrayMap(member -> member.2, piece) AS touchpoints
    FROM (
      SELECT
        arraySort(groupArray((at, touchpoint, outcome, waitMs))) AS met,
        arrayJoin(arraySplit(
          (this, before) -> this.1 - before.1 > 30 * 86400 OR before.3 IN ('bought', 'refused'),
          met, arrayPushFront(arrayPopBack(met), met[1]))) AS piece
      FROM interactions_log
      GROUP BY customer)
    WHERE piece[1].1 >= toDateTime64('${days.from}', 3, 'UTC') AND piece[1].1 < toDateTime64('${days.to}', 3, 'UTC'))
  ARRAY JOIN piece AS one, arrayEnumerate(piece) AS position, arrayEnumerateUniq(touchpoints) AS occurrence
  GROUP BY touchpoint
  ORDER BY broke DESC`

const STEPS = ['ad_view', 'landing_page', 'product_view', 'call_wait', 'quote', 'checkout', 'payment']

/** Another, much simpler question: how many people got how far along one way, once each, within the period. */
export const byWindowFunnel = (days: Days) => `
  SELECT level, count() AS customers
  FROM (
    SELECT customer, windowFunnel(2592000000)(toUInt64(toUnixTimestamp64Milli(at)),
      ${STEPS.map((step) => `touchpoint = '${step}'`).join(', ')}) AS level
    FROM interactions_log
    WHERE at >= toDateTime64('${days.from}', 3, 'UTC') AND at < toDateTime64('${days.to}', 3, 'UTC')
    GROUP BY customer)
  GROUP BY level
  ORDER BY level`

/** Every interaction, by touchpoint: here both say the same. */
export const INTERACTIONS = 'SELECT touchpoint, count() AS interactions FROM interactions_log FINAL GROUP BY touchpoint'
