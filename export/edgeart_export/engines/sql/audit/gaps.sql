-- SPDX-License-Identifier: Apache-2.0
-- Ranges of events, below the last one known of their stream, that neither landed nor are reported
-- as lost; by stream and first.
--
-- Reads the variables `contexts`, `outcomes`, `others` and `losses`, and the table `seen`: ranges
-- of impressions (stream, first, last). A stream begins with sequence 0.
--
-- Where each range follows on another one, or begins with 0, there is no gap; only the other
-- streams are sorted. They are those with gaps and those with events that came twice.

WITH known AS MATERIALIZED (
    SELECT stream, first::BIGINT AS first, last::BIGINT AS last FROM seen
    UNION ALL
    SELECT stream, sequence, sequence
    FROM read_parquet(getvariable('contexts'), hive_partitioning = false)
    UNION ALL
    SELECT stream, sequence, sequence
    FROM read_parquet(getvariable('outcomes'), hive_partitioning = false)
    UNION ALL
    SELECT stream, sequence, sequence
    FROM read_parquet(getvariable('others'), hive_partitioning = false)
    UNION ALL
    SELECT stream, sequence, sequence
    FROM read_parquet(getvariable('losses'), hive_partitioning = false)
    UNION ALL
    SELECT lost_stream, first, last
    FROM read_parquet(getvariable('losses'), hive_partitioning = false)
    WHERE first <= last
),
suspect AS (
    SELECT DISTINCT stream
    FROM (FROM known WHERE first > 0) AS later
    ANTI JOIN (SELECT stream, last + 1 AS first FROM known) AS earlier USING (stream, first)
),
placed AS (
    SELECT
        stream, first,
        1 + coalesce(max(last) OVER (
            PARTITION BY stream ORDER BY first, last
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), -1) AS expected
    FROM known
    SEMI JOIN suspect USING (stream)
)
SELECT stream, expected::UINTEGER AS first, (first - 1)::UINTEGER AS last
FROM placed
WHERE first > expected
ORDER BY stream, expected;
