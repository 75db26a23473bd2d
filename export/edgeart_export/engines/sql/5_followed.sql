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
),
meant AS (
    SELECT
        source, setting, picture, named.moment, named.minutes,
        -- Who knows a ref has seen its impression: nothing it names began before.
        greatest(named.begun, impression.moment) AS begun
    FROM impression
    JOIN named
        ON named.ref_stream = impression.stream AND named.ref_sequence = impression.sequence
)
SELECT meant.*, exposure.shown_first
FROM exposure
JOIN meant USING (setting, picture);

RESET disabled_optimizers;

DROP VIEW impression;
DROP TABLE kept;
DROP TABLE context;

CREATE TEMP TABLE watched AS
WITH seeking AS (
    SELECT play, subject, title, started, minutes
    FROM play
    WHERE usable AND NOT autoplay AND ref IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM read_parquet(getvariable('credited')) AS gone WHERE gone.play = play.play)
),
candidate AS (
    SELECT
        subject, title, shown_first,
        -- Of ties the one with the largest name.
        arg_max((setting::UBIGINT << 32) + picture, exposure) AS exposure
    FROM exposure
    JOIN (FROM setting SEMI JOIN seeking USING (subject)) USING (setting)
    JOIN (FROM picture SEMI JOIN seeking USING (title)) USING (picture)
    SEMI JOIN seeking USING (subject, title)
    GROUP BY subject, title, shown_first
)
SELECT
    seeking.play, candidate.shown_first, seeking.minutes,
    (exposure >> 32)::UINTEGER AS setting, (exposure & 4294967295)::UINTEGER AS picture
FROM seeking
ASOF JOIN candidate
    ON seeking.subject = candidate.subject AND seeking.title = candidate.title
    AND seeking.started >= candidate.shown_first
WHERE seeking.started - candidate.shown_first <= getvariable('window_ms');
