-- Raw and immutable: one row an interaction. The earliest in the log wins, so the version of the engine is inverted:
-- a repeat must not erase the first, or a load "as of" a position before the repeat would no longer see it.
-- An empty string, or an empty `props`, means that the producer left the field out.
CREATE TABLE IF NOT EXISTS {db}.interactions_log
(
    kind        Enum8('customer' = 1, 'anonymous' = 2),
    customer    String,
    id          String,
    touchpoint  LowCardinality(String),
    at          DateTime64(3, 'UTC'),
    by          String,
    outcome     String,
    reaction    String,
    episode     String,
    order       String,
    waitMs      Nullable(UInt64),
    durationMs  Nullable(UInt64),
    value       Nullable(Float64),
    cost        Nullable(Float64),
    currency    String,
    channel     String,
    campaign    String,
    queue       String,
    agent       String,
    props       String,
    anonymousId String,
    partition   UInt32,
    version     UInt64, -- epoch · 2^40 + offset of the record
    precedence  UInt64 MATERIALIZED 18446744073709551615 - version
)
ENGINE = ReplacingMergeTree(precedence)
ORDER BY (customer, kind, id)
SETTINGS index_granularity = 512, fsync_after_insert = 1, fsync_part_directory = 1;

-- One row a customer with all its chains, so that a revision is one row and nobody ever sees half of it.
CREATE TABLE IF NOT EXISTS {db}.customer_chains
(
    kind         Enum8('customer' = 1, 'anonymous' = 2),
    customer     String,
    partition    UInt32,
    version      UInt64, -- epoch · 2^40 + offset of the last record that could change this customer
    catalogue    LowCardinality(String), -- hash of the catalogue that the chains were derived under
    nextDeadline Nullable(DateTime64(3, 'UTC')), -- the earliest deadline of what is still open
    chains Array(Tuple(
        id                String,
        ordinal           UInt32,
        previous          String,
        state             Enum8('open' = 0, 'converted' = 1, 'broken' = 2, 'ignored' = 3),
        reason            Enum8('' = 0, 'refused' = 1, 'abandoned' = 2, 'dissatisfied' = 3, 'silence' = 4),
        place             LowCardinality(String),
        placeIndex        UInt32, -- 1-based, into interactions
        furthest          LowCardinality(String),
        startedAt         DateTime64(3, 'UTC'),
        lastAt            DateTime64(3, 'UTC'),
        closedAt          Nullable(DateTime64(3, 'UTC')),
        deadline          Nullable(DateTime64(3, 'UTC')),
        atRisk            Bool,
        reversed          Bool,
        complained        Bool,
        returned          Bool,
        returnedAndBought Bool,
        staff             UInt32,
        brokenEpisode     String,
        recovered         Array(LowCardinality(String)),
        interactions Array(Tuple(
            id         String,
            touchpoint LowCardinality(String),
            at         DateTime64(3, 'UTC'),
            by         Enum8('customer' = 1, 'company' = 2),
            outcome    Enum8('continued' = 1, 'bought' = 2, 'refused' = 3, 'abandoned' = 4),
            reaction   Enum8('positive' = 1, 'neutral' = 2, 'negative' = 3),
            epilogue   Bool,
            place      Bool, -- false: a result, which says what happened, not where
            episode    String,
            order      String,
            waitMs     Nullable(UInt64),
            durationMs Nullable(UInt64),
            value      Nullable(Float64),
            cost       Nullable(Float64),
            currency   String,
            channel    String,
            campaign   String,
            queue      String,
            agent      String,
            props      String
        )),
        episodes Array(Tuple(
            id           String,
            group        String,
            startedAt    DateTime64(3, 'UTC'),
            endedAt      DateTime64(3, 'UTC'),
            interactions UInt32,
            waitMs       UInt64,
            broke        Bool,
            brokeAt      String
        ))
    ))
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (customer, kind)
SETTINGS index_granularity = 512, fsync_after_insert = 1, fsync_part_directory = 1;

-- Where the tracker stands, written after the rows it stands for. Every column is a function of the log up to `offset`.
CREATE TABLE IF NOT EXISTS {db}.positions
(
    partition   UInt32,
    epoch       UInt32,
    logIdentity String,
    offset      UInt64, -- of the next record to read
    tick        Nullable(DateTime64(3, 'UTC')), -- T
    catalogue   String, -- hash
    accepted    UInt64,
    duplicates  UInt64, -- conflicts included
    conflicts   UInt64,
    rejected    UInt64,
    newestAt    Nullable(DateTime64(3, 'UTC')),
    imports     Array(Tuple(id String, accepted UInt64, duplicates UInt64, conflicts UInt64, rejected UInt64, ended Bool)),
    version     UInt64 MATERIALIZED epoch * 1099511627776 + offset
)
ENGINE = ReplacingMergeTree(version)
ORDER BY partition
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Catalogues by the hash of their content; a log record names only the hash.
CREATE TABLE IF NOT EXISTS {db}.catalogues
(
    hash    String,
    content String -- JSON
)
ENGINE = ReplacingMergeTree
ORDER BY hash
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- Each view reads with the rights of who made it (that account has to stay), so that an analyst needs SELECT on the
-- views alone and never sees the tables.
CREATE VIEW IF NOT EXISTS {db}.interactions
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT kind, customer, id, touchpoint, at, by, outcome, reaction, episode, order, waitMs, durationMs, value, cost, currency,
       channel, campaign, queue, agent, props, anonymousId
FROM {db}.interactions_log FINAL;

-- Sub-columns are read by index so that a query reads only the arrays it asks for.
CREATE VIEW IF NOT EXISTS {db}.chains
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    kind, customer, catalogue,
    chains.id[k] AS id, chains.ordinal[k] AS ordinal, nullIf(chains.previous[k], '') AS previous,
    chains.state[k] AS state, chains.reason[k] AS reason,
    chains.place[k] AS place, chains.furthest[k] AS furthest,
    chains.startedAt[k] AS startedAt, chains.lastAt[k] AS lastAt, chains.closedAt[k] AS closedAt, chains.deadline[k] AS deadline,
    chains.atRisk[k] AS atRisk, chains.reversed[k] AS reversed, chains.complained[k] AS complained,
    chains.returned[k] AS returned, chains.returnedAndBought[k] AS returnedAndBought,
    chains.staff[k] AS staff, chains.brokenEpisode[k] AS brokenEpisode, chains.recovered[k] AS recovered,
    chains.interactions.channel[k][1] AS channel, chains.interactions.campaign[k][1] AS campaign, -- of the first interaction
    chains.interactions.touchpoint[k] AS touchpoints,
    length(chains.interactions.id[k]) AS interactions
FROM {db}.customer_chains FINAL
ARRAY JOIN arrayEnumerate(chains.id) AS k;

CREATE VIEW IF NOT EXISTS {db}.chain_interactions
DEFINER = CURRENT_USER SQL SECURITY DEFINER AS
SELECT
    kind, customer, c.id AS chain, c.ordinal AS ordinal, c.state AS state,
    i.id AS id, position, i.touchpoint AS touchpoint, i.at AS at, i.by AS by, i.outcome AS outcome, i.reaction AS reaction,
    i.epilogue AS epilogue, i.place AS place, (c.state = 'broken' AND position = c.placeIndex) AS brokeHere, i.episode AS episode, i.order AS order,
    i.waitMs AS waitMs, i.durationMs AS durationMs, i.value AS value, i.cost AS cost, i.currency AS currency,
    i.channel AS channel, i.campaign AS campaign, i.queue AS queue, i.agent AS agent, i.props AS props
FROM (SELECT kind, customer, c FROM {db}.customer_chains FINAL ARRAY JOIN chains AS c)
ARRAY JOIN c.interactions AS i, arrayEnumerate(c.interactions) AS position;
