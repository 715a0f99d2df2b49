-- Somebody anonymous turns out to be a customer: what they did is moved there, and can be moved back.

-- `link`: of an interaction that was moved here from an anonymous person, which link moved it; empty where it came under its
-- own person. It is part of the key, so that what is taken back and moved anew is another row. `behind`: it came while
-- another row of the same id counted, which was moved by that link; it counts where that link was withdrawn.
ALTER TABLE {db}.interactions_log
    ADD COLUMN IF NOT EXISTS link String AFTER anonymousId,
    ADD COLUMN IF NOT EXISTS behind String AFTER link,
    MODIFY ORDER BY (customer, kind, id, link);

-- Of somebody anonymous who is a customer now: which one. Their chains stand there, and none here.
ALTER TABLE {db}.customer_chains ADD COLUMN IF NOT EXISTS movedTo String AFTER nextDeadline;

-- What links said of a person, one row a record of the log that said something new.
CREATE TABLE IF NOT EXISTS {db}.identity_log
(
    kind      Enum8('customer' = 1, 'anonymous' = 2),
    customer  String, -- of `withdrawn` a customer, else somebody anonymous
    change    Enum8('linked' = 1, 'refused' = 2, 'unlinked' = 3, 'withdrawn' = 4),
    linkId    String, -- of `linked` and `refused` the id that the producer gave
    link      String, -- of `linked` this link, of `withdrawn` the one that was taken back, as in interactions_log
    other     String, -- of `linked` and `refused` the customer
    partition UInt32,
    version   UInt64 -- epoch · 2^40 + offset of the record
)
ENGINE = ReplacingMergeTree
ORDER BY (customer, kind, version)
SETTINGS index_granularity = 512, fsync_after_insert = 1, fsync_part_directory = 1;

-- Who is who now.
CREATE VIEW IF NOT EXISTS {db}.identities
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT anonymousId, movedTo AS customer
FROM (SELECT customer AS anonymousId, movedTo FROM {db}.customer_chains FINAL WHERE movedTo != '');

-- Everything once: what was moved stands under the customer only, and what was taken back under the anonymous id only.
CREATE OR REPLACE VIEW {db}.interactions
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT kind, customer, id, touchpoint, at, by, outcome, reaction, episode, order, waitMs, durationMs, value, cost, currency,
       channel, campaign, queue, agent, props, anonymousId
FROM {db}.interactions_log FINAL
WHERE (kind = 'customer' OR customer NOT IN (
          SELECT customer FROM {db}.identity_log WHERE kind = 'anonymous' GROUP BY customer
          HAVING maxIf(version, change = 'linked') > maxIf(version, change = 'unlinked')))
  AND (link = '' OR (customer, link) NOT IN (SELECT customer, link FROM {db}.identity_log WHERE change = 'withdrawn'))
  AND (behind = '' OR (customer, behind) IN (SELECT customer, link FROM {db}.identity_log WHERE change = 'withdrawn'));
