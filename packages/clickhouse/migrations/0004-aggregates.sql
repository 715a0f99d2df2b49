-- What reports ask most, counted beforehand: all rows by one refresh, of one state of `customer_chains`, so that they
-- reconcile with one another. Nothing is ever added to them. docs/decisions/0009-aggregates.md has the figures.
--
-- A chain counts on the UTC day on which it started. `channel` and `campaign` are those of its first interaction, empty where
-- it has none. `level` says which of the two a row is split by: 1 channel, 2 campaign, 3 both, 0 neither.
--
--   kind       one row for each                  counts
--   head       server; `text` is the newest      rows of interactions_log
--              position: tick in milliseconds,
--              epoch, offset, catalogue; `parts`
--              those of customer_chains
--   catalogue  `text`, a catalogue               customers whose chains were derived under it
--   chains     level, day                        chains, open, at risk, converted, reversed, complained, broken, ignored, returned,
--                                                returned and bought
--   again      level, day, previousDay           chains whose customer's chain before, among those of the level's channel and
--                                                campaign, started on previousDay
--   places     level, day, touchpoint            interactions, reached, converted, open and ignored here, refused, abandoned,
--                                                dissatisfied, silence, returned, recovered; `waiting`: of the interactions,
--                                                those whose wait is in bucket 0, 1, 2 …
--   waits      day, touchpoint, bucket; level 3  none; `waits` has the waits of interactions at places
--   hours      hour, touchpoint, queue           interactions that waited, of these abandoned, their waits together, the longest
CREATE TABLE IF NOT EXISTS {db}.aggregates
(
    kind        Enum8('head' = 1, 'catalogue' = 2, 'chains' = 3, 'again' = 4, 'places' = 5, 'waits' = 6, 'hours' = 7),
    level       UInt8,
    touchpoint  LowCardinality(String),
    bucket      Int32, -- grows with the wait; sixteen for each doubling
    channel     LowCardinality(String),
    campaign    LowCardinality(String),
    day         Date32,
    previousDay Date32,
    hour        DateTime64(0, 'UTC'),
    queue       String,
    text        String,
    parts       String,
    counts      Array(UInt64),
    waiting     Array(UInt64),
    waits       Array(UInt64),
    refreshedAt DateTime64(3, 'UTC'), -- when the chains were read
    asOf        Nullable(DateTime64(3, 'UTC')) -- T
)
ENGINE = MergeTree
ORDER BY (kind, level, touchpoint, bucket, channel, campaign, day)
SETTINGS index_granularity = 512
COMMENT 'Each server makes its own rows.';

-- One statement, since only that sees one state of the table; on one thread, which takes a quarter less than two.
CREATE MATERIALIZED VIEW IF NOT EXISTS {db}.aggregates_refresh
REFRESH EVERY 46 SECOND TO {db}.aggregates
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
WITH (
    SELECT (
        max(tick),
        argMax(toJSONString((toUnixTimestamp64Milli(tick), epoch, offset, catalogue)),
            (ifNull(toUnixTimestamp64Milli(tick), -9223372036854775807), epoch, offset)))
    FROM {db}.positions FINAL) AS position,
    -- The same parts hold the same rows: what was counted of them is taken over.
    (SELECT toJSONString(arraySort(groupUniqArray(_part))) FROM {db}.customer_chains) AS partsNow,
    (SELECT max(parts) = partsNow FROM {db}.aggregates WHERE kind = 'head') AS isCounted
SELECT kind, level, touchpoint, bucket, channel, campaign, day, previousDay, hour, queue, text,
    if(kind = 'head', partsNow, '') AS parts, counts, waiting, waits,
    now64(3) AS refreshedAt, position.1 AS asOf
FROM (
    SELECT kind, level, touchpoint, bucket, channel, campaign, day, previousDay, hour, queue, text, counts, waiting, waits
    FROM {db}.aggregates
    WHERE isCounted AND kind != 'head'

    UNION ALL
    SELECT kind, level, touchpoint, of_bucket.1 AS bucket, channel, campaign, day, toDate32(0) AS previousDay,
        toDateTime64(0, 0, 'UTC') AS hour, '' AS queue, '' AS text, sums AS counts, waiting, of_bucket.2 AS waits
    FROM (
        SELECT kind_level.1 AS kind, kind_level.2 AS level, if(kind = 'chains', '', met) AS touchpoint,
            if(bitTest(level, 0), first_channel, '') AS channel, if(bitTest(level, 1), first_campaign, '') AS campaign, day,
            multiIf(
                kind = 'chains', [sum(chains), sum(open), sum(atRisk), sum(converted), sum(reversed), sum(complained),
                    sum(refused) + sum(abandoned) + sum(dissatisfied) + sum(silence), sum(ignored), sum(returned),
                    sum(returnedAndBought)],
                kind = 'places', [sum(interactions), sum(reached), sum(converted), sum(open), sum(ignored), sum(refused),
                    sum(abandoned), sum(dissatisfied), sum(silence), sum(returned), sum(recovered)],
                []) AS sums,
            sumForEachIf(spread, kind = 'places') AS waiting,
            -- One for each on level 3, none elsewhere.
            if(kind = 'waits', any(own_waits), [(toInt32(0), CAST([], 'Array(UInt64)'))]) AS all_buckets
        FROM (
            SELECT day, first_channel, first_campaign, met,
                countIf(role < 3) AS interactions, countIf(role = 2) AS reached, countIf(role = 3) AS recovered,
                countIf(ending != 0) AS chains, countIf(ending != 0 AND bitAnd(ending, 6) = 0) AS open,
                countIf(bitAnd(ending, 6) = 2) AS converted, countIf(bitAnd(ending, 6) = 6) AS ignored,
                countIf(bitAnd(ending, 56) = 8) AS refused, countIf(bitAnd(ending, 56) = 16) AS abandoned,
                countIf(bitAnd(ending, 56) = 24) AS dissatisfied, countIf(bitAnd(ending, 56) = 32) AS silence,
                countIf(bitTest(ending, 6)) AS atRisk, countIf(bitTest(ending, 7)) AS reversed,
                countIf(bitTest(ending, 8)) AS complained, countIf(bitTest(ending, 9)) AS returned,
                countIf(bitTest(ending, 10)) AS returnedAndBought, arraySort(groupArray(wait)) AS waits,
                -- The power of two below it, and the four digits that follow. Both sides of an `if` may be computed: none may fail.
                arrayMap(wait -> toUInt8(log2(roundToExp2(greatest(wait, 1)))), waits) AS powers,
                arrayMap((wait, power) -> toInt32(if(wait < 16, wait,
                    power * 16 - 48 + bitShiftRight(wait, greatest(power, 4) - 4))),
                    waits, powers) AS each,
                arrayDistinct(each) AS found,
                if(empty(waits), [], arraySplit((wait, bucket, before) -> bucket != before, waits, each,
                    arrayPopBack(arrayPushFront(each, each[1])))) AS split,
                arrayZip(found, split) AS by_bucket,
                -- From bucket 0 on, whether it is there or not.
                if(empty(waits), [], mapPopulateSeries(arrayPushFront(found, -1),
                    arrayPushFront(arrayMap(same -> length(same), split), 0)).2) AS from_before,
                arrayPopFront(from_before) AS spread,
                CAST(
                    arrayConcat(
                        [('places', 0), ('places', 1), ('places', 2), ('places', 3)],
                        if(chains = 0, [], [('chains', 0), ('chains', 1), ('chains', 2), ('chains', 3)]),
                        if(empty(waits), [], [('waits', 3)])),
                    'Array(Tuple(Enum8(\'chains\' = 3, \'places\' = 5, \'waits\' = 6), UInt8))') AS kind_levels
            FROM (
                -- As text: grouping by dictionaries takes longer.
                SELECT day, first_channel, first_campaign, toString(one) AS met, role, wait,
                    if(role = 2 AND one = place, how, toUInt16(0)) AS ending
                FROM (
                    SELECT toDate32(startedAt, 'UTC') AS day, channels[1] AS first_channel, campaigns[1] AS first_campaign, place,
                        -- How the chain ended, in one number: bit 0 that it is not 0, from bit 1 the state, from bit 3 the reason.
                        toUInt16(1 + 2 * toUInt8(state) + 8 * toUInt8(reason) + 64 * atRisk + 128 * reversed + 256 * complained
                            + 512 * returned + 1024 * returnedAndBought) AS how,
                        arrayMap((counts, epilogue) -> counts AND NOT epilogue, isPlace, isEpilogue) AS reachable,
                        arrayEnumerateUniq(arrayMap((reaches, touchpoint) -> if(reaches, touchpoint, ''),
                            reachable, touchpoints)) AS occurrences,
                        -- 0 no place, 1 a place, 2 and the first time that the chain is there, 3 the chain recovered there.
                        arrayConcat(
                            arrayMap((counts, reaches, occurrence) -> toUInt8(counts + (reaches AND occurrence = 1)),
                                isPlace, reachable, occurrences),
                            arrayMap(place -> toUInt8(3), recovered)) AS roles,
                        arrayConcat(touchpoints, recovered) AS all,
                        arrayConcat(waitMs, arrayMap(place -> CAST(NULL, 'Nullable(UInt64)'), recovered)) AS waits
                    FROM {db}.customer_chains FINAL
                    ARRAY JOIN chains.startedAt AS startedAt, chains.place AS place, chains.state AS state,
                        chains.reason AS reason, chains.atRisk AS atRisk, chains.reversed AS reversed,
                        chains.complained AS complained, chains.returned AS returned,
                        chains.returnedAndBought AS returnedAndBought, chains.recovered AS recovered,
                        chains.interactions.channel AS channels, chains.interactions.campaign AS campaigns,
                        chains.interactions.touchpoint AS touchpoints, chains.interactions.place AS isPlace,
                        chains.interactions.epilogue AS isEpilogue, chains.interactions.waitMs AS waitMs
                    WHERE NOT isCounted)
                ARRAY JOIN all AS one, roles AS role, waits AS wait
                WHERE role > 0)
            GROUP BY day, first_channel, first_campaign, met)
        -- Arrays beside it, or they would be copied for each kind and level.
        ARRAY JOIN kind_levels AS kind_level, arrayMap(one -> if(one.1 = 'waits', by_bucket, []), kind_levels) AS own_waits
        GROUP BY kind, level, touchpoint, channel, campaign, day)
    ARRAY JOIN all_buckets AS of_bucket

    UNION ALL
    SELECT 'again', level, '', 0, if(bitTest(level, 0), first_channel, ''), if(bitTest(level, 1), first_campaign, ''), day,
        previous, toDateTime64(0, 0, 'UTC'), '', '', [count()], [], []
    FROM (
        SELECT level, arraySort(arrayZip(
                if(bitTest(level, 0), channels, blanks), if(bitTest(level, 1), campaigns, blanks), days)) AS members
        FROM (
            SELECT arrayMap(at -> toDate32(at, 'UTC'), chains.startedAt) AS days, arrayMap(at -> '', days) AS blanks,
                arrayMap(channel -> channel[1], chains.interactions.channel) AS channels,
                arrayMap(campaign -> campaign[1], chains.interactions.campaign) AS campaigns
            FROM {db}.customer_chains FINAL
            WHERE NOT isCounted AND chains.size0 > 1)
        ARRAY JOIN CAST([0, 1, 2, 3], 'Array(UInt8)') AS level)
    ARRAY JOIN arrayPopFront(members) AS member, arrayPopBack(members) AS before
    WHERE member.1 = before.1 AND member.2 = before.2
    GROUP BY level, member.1 AS first_channel, member.2 AS first_campaign, member.3 AS day, before.3 AS previous

    UNION ALL
    SELECT 'hours', 0, waited.1 AS place, 0, '', '', toDate32(0), toDate32(0), toStartOfHour(waited.2) AS since, waited.3 AS line, '',
        [count(), countIf(waited.4 = 'abandoned'), sum(assumeNotNull(waited.5)), max(assumeNotNull(waited.5))], [], []
    FROM (
        SELECT arrayJoin(arrayFilter(one -> one.5 IS NOT NULL, arrayZip(touchpoints, times, queues, outcomes, waits))) AS waited
        FROM {db}.customer_chains FINAL
        ARRAY JOIN chains.interactions.touchpoint AS touchpoints, chains.interactions.at AS times,
            chains.interactions.queue AS queues, chains.interactions.outcome AS outcomes, chains.interactions.waitMs AS waits
        WHERE NOT isCounted)
    GROUP BY place, since, line

    UNION ALL
    SELECT 'catalogue', 0, '', 0, '', '', toDate32(0), toDate32(0), toDateTime64(0, 0, 'UTC'), '', catalogue, [count()], [], []
    FROM {db}.customer_chains FINAL
    WHERE NOT isCounted AND chains.size0 > 0
    GROUP BY catalogue

    UNION ALL
    SELECT 'head', 0, '', 0, '', '', toDate32(0), toDate32(0), toDateTime64(0, 0, 'UTC'), '', position.2,
        [(SELECT count() FROM {db}.interactions_log)], [], [])
SETTINGS max_threads = 1, enable_shared_storage_snapshot_in_query = 1, max_bytes_before_external_group_by = 2000000000;

-- Chains by where they are, or ended. All of them add up. Rows without a reason have everything but `broke`.
CREATE VIEW IF NOT EXISTS {db}.breakpoints_daily
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT day, touchpoint, channel, campaign, reason,
    if(reason = '', counts[1], 0) AS interactions, if(reason = '', counts[2], 0) AS reached,
    if(reason = '', counts[3], 0) AS convertedHere, if(reason = '', counts[4], 0) AS openHere,
    if(reason = '', counts[5], 0) AS ignoredHere, if(reason = '', 0, counts[5 + position]) AS broke,
    if(reason = '', counts[10], 0) AS returned, if(reason = '', counts[11], 0) AS recovered, refreshedAt, asOf
FROM {db}.aggregates
ARRAY JOIN ['refused', 'abandoned', 'dissatisfied', 'silence', ''] AS reason, [1, 2, 3, 4, 0] AS position
WHERE kind = 'places' AND level = 3 AND (reason = '' OR counts[5 + position] > 0);

CREATE VIEW IF NOT EXISTS {db}.conversion_daily
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT day, channel, campaign, counts[1] AS chains, counts[2] AS open, counts[3] AS atRisk, counts[4] AS converted,
    counts[5] AS reversed, counts[6] AS complained, counts[7] AS broken, counts[8] AS ignored, counts[9] AS returned,
    counts[10] AS returnedAndBought, refreshedAt, asOf
FROM {db}.aggregates
WHERE kind = 'chains' AND level = 3;

-- By the hour of the interaction, epilogues and results included.
CREATE VIEW IF NOT EXISTS {db}.waits_hourly
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT hour, touchpoint, queue, counts[1] AS interactions, counts[2] AS abandoned, counts[3] AS waitMs, counts[4] AS longestMs,
    refreshedAt, asOf
FROM {db}.aggregates
WHERE kind = 'hours';
