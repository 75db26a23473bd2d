-- SPDX-License-Identifier: Apache-2.0
-- followed: what names its impression. watched: what was found through subject and title.
--
-- Reads the variables `window_ms` and `credited` (Parquet files of plays that already made a reward
-- of 1: they stay with the exposure they made it for).

CREATE TEMP TABLE followed AS
WITH named AS (
    SELECT 'outcome' AS source, ref_stream, ref_sequence, moment, minutes,
        -- So many minutes were seen by then: it began so many minutes before, or earlier.
        moment - floor(least(minutes, 1e6) * 60000)::BIGINT AS begun
    FROM outcome
    WHERE usable
    UNION ALL
    SELECT 'play', ref_stream, ref_sequence, started, minutes, started
    FROM play
    WHERE usable AND NOT autoplay AND ref_stream IS NOT NULL
)
SELECT
    source, exposure.exposure, exposure.setting, exposure.title, exposure.shown_first, named.moment,
    named.minutes,
    -- Who knows a ref has seen its impression: nothing it names began before.
    greatest(named.begun, impression.moment) AS begun
FROM named
JOIN impression
    ON impression.stream = named.ref_stream AND impression.sequence = named.ref_sequence
JOIN exposure
    ON exposure.setting = impression.setting AND exposure.title = impression.title
    AND exposure.artwork IS NOT DISTINCT FROM impression.artwork
    AND exposure.shown IS NOT DISTINCT FROM impression.shown;

CREATE TEMP TABLE watched AS
WITH seeking AS (
    SELECT play, subject, title, started, minutes
    FROM play
    WHERE usable AND NOT autoplay AND ref IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM read_parquet(getvariable('credited')) AS gone WHERE gone.play = play.play)
),
candidate AS (
    SELECT subject, title, shown_first, max(exposure) AS exposure -- of ties the largest id
    FROM exposure
    JOIN setting USING (setting)
    SEMI JOIN seeking USING (subject, title)
    GROUP BY subject, title, shown_first
)
SELECT seeking.play, candidate.exposure, candidate.shown_first, seeking.minutes
FROM seeking
ASOF JOIN candidate
    ON seeking.subject = candidate.subject AND seeking.title = candidate.title
    AND seeking.started >= candidate.shown_first
WHERE seeking.started - candidate.shown_first <= getvariable('window_ms');
