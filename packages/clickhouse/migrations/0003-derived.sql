-- Under which catalogue somebody was derived last, as of any version: what a changed one made of their breaks can be told,
-- and told again after a crash.

-- The catalogue in force when the row came; empty where it did not change the chains of its person (`behind`), or is older
-- than this column.
ALTER TABLE {db}.interactions_log ADD COLUMN IF NOT EXISTS catalogue LowCardinality(String) AFTER behind;

-- `derived`: of anybody, nothing was said; a tick or a request derived them under another catalogue than before.
ALTER TABLE {db}.identity_log
    MODIFY COLUMN change Enum8('linked' = 1, 'refused' = 2, 'unlinked' = 3, 'withdrawn' = 4, 'derived' = 5),
    ADD COLUMN IF NOT EXISTS catalogue LowCardinality(String) AFTER other; -- the one in force
