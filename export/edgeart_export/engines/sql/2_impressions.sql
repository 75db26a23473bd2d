-- SPDX-License-Identifier: Apache-2.0
-- impression: every impression event once, with the setting of its context; others are counted.
--
-- Reads the variable `impressions`. Few events come twice, so only those go through a window: the
-- keys alone are grouped, which is cheap and spills, and the wide rows stream past.

CREATE TEMP TABLE replayed AS
SELECT stream, sequence, count(*) AS copies
FROM read_parquet(getvariable('impressions'), hive_partitioning = false)
GROUP BY stream, sequence
HAVING count(*) > 1;

CREATE TEMP TABLE impression AS
WITH landed AS (
    SELECT
        stream, sequence, context, title, artwork, n, total, reason, slot_row, slot_column, shown,
        "at", received
    FROM read_parquet(getvariable('impressions'), hive_partitioning = false)
),
once AS (
    SELECT * FROM landed ANTI JOIN replayed USING (stream, sequence)
    UNION ALL
    SELECT *
    FROM (SELECT * FROM landed SEMI JOIN replayed USING (stream, sequence))
    -- Copies are equal but for the time of receipt. The rest of the order makes the choice the
    -- same in every run should they not be.
    QUALIFY row_number() OVER (
        PARTITION BY stream, sequence
        ORDER BY
            received, "at", context, title, artwork NULLS FIRST, shown NULLS FIRST, n, total,
            reason, slot_row, slot_column) = 1
)
SELECT
    once.stream, once.sequence, setting, title, artwork, shown, n, total, reason,
    slot_row, slot_column,
    -- Nothing happened after it was received: a clock that is ahead is set back.
    epoch_ms(least("at", received)) AS moment,
    "at" > received AS ahead,
    (stream_rank << 32) + once.sequence AS place
FROM once
JOIN context ON context.stream = once.stream AND context.sequence = once.context;
