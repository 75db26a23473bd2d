-- SPDX-License-Identifier: Apache-2.0
-- outcome: every outcome event once. play: every play of the external log once.
--
-- Reads the variables `outcomes` and `plays`. Copies of an outcome differ in the time of receipt
-- alone; of a play that the log has twice, the larger number of minutes holds.

-- What a timestamp without a zone means beside others that have one.
SET TimeZone = 'UTC';

CREATE TEMP TABLE outcome AS
SELECT
    stream, sequence, ref_stream, ref_sequence, minutes,
    epoch_ms(min(least("at", received))) AS moment,
    isfinite(minutes) AND minutes >= 0 AS usable
FROM read_parquet(getvariable('outcomes'), hive_partitioning = false)
GROUP BY stream, sequence, ref_stream, ref_sequence, minutes;

CREATE TEMP TABLE play AS
WITH logged AS (
    SELECT
        -- The casts are for columns of nothing but nulls, which come as integers.
        nullif(ref::VARCHAR, '') AS ref, nullif(subject::VARCHAR, '') AS subject,
        nullif(title::VARCHAR, '') AS title, epoch_ms(started) AS started,
        minutes::FLOAT AS minutes, coalesce(autoplay::BOOLEAN, false) AS autoplay
    FROM read_parquet(getvariable('plays'), union_by_name = true, hive_partitioning = false)
),
once AS (
    SELECT
        ref, subject, title, started, autoplay,
        -- NaN is above all numbers to max(), and one broken row must not hide a good copy.
        max(minutes) FILTER (isfinite(minutes) AND minutes >= 0) AS minutes
    FROM logged
    GROUP BY ref, subject, title, started, autoplay
)
SELECT
    *,
    CASE WHEN regexp_full_match(ref, '[0-9a-fA-F]{16}-[0-9a-fA-F]{8}')
        THEN ('0x' || left(ref, 16))::UBIGINT END AS ref_stream,
    CASE WHEN regexp_full_match(ref, '[0-9a-fA-F]{16}-[0-9a-fA-F]{8}')
        THEN ('0x' || right(ref, 8))::UINTEGER END AS ref_sequence,
    started IS NOT NULL AND minutes IS NOT NULL
        AND (ref IS NOT NULL OR (subject IS NOT NULL AND title IS NOT NULL)) AS usable,
    CASE WHEN ref IS NULL THEN unhex(left(sha256(concat(
        strlen(subject), ':', subject, '/', strlen(title), ':', title, '/', started)), 32)) END
        AS play
FROM once;
