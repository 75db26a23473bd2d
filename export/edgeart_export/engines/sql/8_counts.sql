-- SPDX-License-Identifier: Apache-2.0
-- One row: how many of what was read, found, given out and held back.

SELECT
    landed.rows AS impressions,
    twice.copies AS duplicates,
    (SELECT count(*) FROM failure) AS not_repeated,
    none.events AS no_context,
    landed.rows - twice.copies - none.events - seen.impressions AS lost_context,
    seen.shown_instead,
    seen.clock_ahead,
    (SELECT count(*) FROM exposure) AS exposures,
    -- What was never given out and is not given out now.
    (SELECT count(*) FROM exposure)
        - (SELECT count(*) FROM emission WHERE previous IS NULL)
        - (SELECT count(given) FROM exposure) AS censored,
    given.emitted,
    given.positive,
    given.corrected,
    (SELECT count(*) FROM followed WHERE source = 'outcome') AS outcomes_matched,
    told.usable - (SELECT count(*) FROM followed WHERE source = 'outcome') AS outcomes_unmatched,
    told.unusable AS outcomes_unusable,
    (SELECT count(*) FROM followed WHERE source = 'play') AS plays_by_ref,
    (SELECT count(*) FROM watched) + logged.credited AS plays_by_subject,
    logged.usable - (SELECT count(*) FROM followed WHERE source = 'play')
        - (SELECT count(*) FROM watched) - logged.credited AS plays_unmatched,
    logged.autoplay AS plays_autoplay,
    logged.unusable AS plays_unusable
FROM
    (SELECT count(*) AS rows FROM landed) AS landed,
    (SELECT coalesce(sum(copies - 1), 0)::BIGINT AS copies FROM replayed) AS twice,
    (SELECT count(*) AS events
     FROM (SELECT DISTINCT stream, sequence FROM landed WHERE context = 4294967295)) AS none,
    (SELECT
        coalesce(sum(shown_count), 0)::BIGINT AS impressions,
        coalesce(sum(shown_count) FILTER (shown IS NOT NULL), 0)::BIGINT AS shown_instead,
        coalesce(sum(ahead), 0)::BIGINT AS clock_ahead
     FROM exposure
     JOIN picture USING (picture)) AS seen,
    (SELECT count(*) FILTER (previous IS NULL) AS emitted,
            count(*) FILTER (previous IS NULL AND reward = 1) AS positive,
            count(previous) AS corrected
     FROM emission) AS given,
    (SELECT count(*) FILTER (usable) AS usable, count(*) FILTER (NOT usable) AS unusable
     FROM outcome) AS told,
    (SELECT count(*) FILTER (usable AND NOT autoplay) AS usable,
            count(*) FILTER (usable AND autoplay) AS autoplay,
            count(*) FILTER (NOT usable) AS unusable,
            count(*) FILTER (usable AND NOT autoplay AND ref IS NULL AND EXISTS (
                SELECT 1 FROM read_parquet(getvariable('credited')) AS gone
                WHERE gone.play = play.play)) AS credited
     FROM play) AS logged;
