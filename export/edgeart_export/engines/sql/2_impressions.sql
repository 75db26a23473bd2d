-- SPDX-License-Identifier: Apache-2.0
-- impression: every impression event once, with the setting of its context; others are counted.
-- picture: title, artwork and what was shown instead, as a number; choice: candidates, likewise.
--
-- Reads the variables `impressions` and `failures` (impressions that an audit found not to repeat:
-- they are as if they had not landed, but counted). Impressions are a view: they stream past twice,
-- which costs less than to keep them. Few events come twice, so only those go through a window: the
-- keys alone are grouped, which is cheap and spills.

-- From here to `followed` joins are as written, with the smaller table on the right, which is held
-- in memory: how many rows many files have is a guess, and a wrong one would turn them round.
SET disabled_optimizers = 'join_order,build_side_probe_side';

CREATE TEMP TABLE failure AS
SELECT DISTINCT stream, sequence FROM read_parquet(getvariable('failures'));

CREATE TEMP VIEW landed AS
SELECT
    stream, sequence, context, title, artwork, n, total, reason, slot_row, slot_column, shown,
    candidates, "at", received
FROM read_parquet(
    getvariable('impressions'), hive_partitioning = false, union_by_name = true)
ANTI JOIN failure USING (stream, sequence);

CREATE TEMP TABLE picture AS
SELECT title, artwork, shown, (row_number() OVER ())::UINTEGER AS picture
FROM (SELECT DISTINCT title, artwork, shown FROM landed);

CREATE TEMP TABLE choice AS
SELECT candidates, (row_number() OVER ())::UINTEGER AS choice
FROM (SELECT DISTINCT candidates FROM landed WHERE candidates IS NOT NULL);

CREATE TEMP TABLE replayed AS
SELECT stream, sequence, count(*) AS copies
FROM landed
GROUP BY stream, sequence
HAVING count(*) > 1;

CREATE TEMP TABLE kept AS
SELECT *
FROM (SELECT * FROM landed SEMI JOIN replayed USING (stream, sequence))
-- Copies are equal but for the time of receipt. The rest of the order makes the choice the same in
-- every run should they not be.
QUALIFY row_number() OVER (
    PARTITION BY stream, sequence
    ORDER BY
        received, "at", context, title, artwork NULLS FIRST, shown NULLS FIRST, n, total,
        reason, slot_row, slot_column, candidates NULLS FIRST) = 1;

CREATE TEMP VIEW impression AS
WITH once AS (
    SELECT * FROM landed ANTI JOIN replayed USING (stream, sequence)
    UNION ALL
    FROM kept
)
SELECT
    once.stream, once.sequence, setting, picture, restriction, candidates, n, total, reason,
    slot_row, slot_column,
    -- Nothing happened after it was received: a clock that is ahead is set back.
    epoch_ms(least("at", received)) AS moment,
    "at" > received AS ahead,
    (stream_rank << 32) + once.sequence AS place
FROM once
JOIN context ON context.stream = once.stream AND context.sequence = once.context
JOIN picture
    ON picture.title = once.title AND picture.artwork IS NOT DISTINCT FROM once.artwork
    AND picture.shown IS NOT DISTINCT FROM once.shown;
