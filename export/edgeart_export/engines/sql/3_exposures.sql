-- SPDX-License-Identifier: Apache-2.0
-- exposure: all impressions of one setting and picture as one row, in the order of the result, so
-- that reading a stretch of time touches little else. given: the reward it was given out with.
--
-- Reads the variable `emitted` (Parquet files: exposure, reward, of all earlier runs).
--
-- What is taken from the first impression goes through arg_min with an integer: the moment, then
-- stream and sequence, so that ties are broken alike in every run. Keys and states are numbers of
-- fixed size: they are quick to compare, small to keep, and they spill.

CREATE TEMP TABLE exposure AS
WITH grouped AS (
    SELECT
        setting, picture,
        min(moment) AS shown_first, max(moment) AS shown_last, count(*)::UINTEGER AS shown_count,
        (count(*) FILTER (ahead))::UINTEGER AS ahead,
        arg_min((n::UBIGINT << 32) + total, (moment::HUGEINT << 64) + place) AS odds,
        arg_min((slot_row::UBIGINT << 32) + slot_column, (moment::HUGEINT << 64) + place) AS slot,
        arg_min(reason, (moment::HUGEINT << 64) + place) AS reason,
        arg_min(
            (restriction::UBIGINT << 32) + coalesce(choice, 0), (moment::HUGEINT << 64) + place
        ) AS limits
    FROM impression
    LEFT JOIN choice USING (candidates)
    GROUP BY setting, picture
),
named AS (
    SELECT
        -- Lengths in bytes before the texts keep the hash injective; '-' stands for none.
        unhex(left(sha256(concat(
            hash, '/', strlen(title), ':', title, '/', coalesce(strlen(artwork)::VARCHAR, '-'), ':',
            artwork, '/', coalesce(strlen(shown)::VARCHAR, '-'), ':', shown)), 32)) AS exposure,
        grouped.*
    FROM grouped
    JOIN setting USING (setting)
    JOIN picture USING (picture)
),
emitted AS (
    SELECT exposure, max(reward) AS given
    FROM read_parquet(getvariable('emitted'))
    GROUP BY exposure
)
SELECT named.*, given
FROM named
LEFT JOIN emitted USING (exposure)
ORDER BY shown_first, exposure;
