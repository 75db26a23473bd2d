-- SPDX-License-Identifier: Apache-2.0
-- credit: the minutes that count, of exposures that have any. emission: what this run gives out.
--
-- Reads the variables `window_ms`, `minutes` and `mature_until` (exposures first shown later than
-- this may still get a play).

CREATE TEMP TABLE credit AS
WITH counted AS (
    SELECT setting, picture, shown_first, minutes
    FROM followed
    WHERE moment - shown_first <= getvariable('window_ms')
    UNION ALL
    SELECT setting, picture, shown_first, minutes FROM watched
),
most AS (
    SELECT setting, picture, shown_first, max(minutes) AS minutes
    FROM counted
    WHERE minutes > 0
    GROUP BY setting, picture, shown_first
),
begun AS (
    SELECT unit_epoch, subject, title, begun
    FROM followed
    JOIN setting USING (setting)
    JOIN picture USING (picture)
    WHERE minutes > 0
    UNION ALL
    SELECT NULL, subject, title, started
    FROM play
    WHERE usable AND NOT autoplay AND minutes > 0 AND subject IS NOT NULL AND title IS NOT NULL
),
begun_by_unit AS (
    SELECT unit_epoch, title, min(begun) AS begun
    FROM begun WHERE unit_epoch IS NOT NULL GROUP BY unit_epoch, title
),
begun_by_subject AS (
    SELECT subject, title, min(begun) AS begun
    FROM begun WHERE subject IS NOT NULL GROUP BY subject, title
)
SELECT most.setting, most.picture, most.minutes
FROM most
JOIN setting USING (setting)
JOIN picture USING (picture)
LEFT JOIN begun_by_unit AS by_unit
    ON by_unit.unit_epoch = setting.unit_epoch AND by_unit.title = picture.title
LEFT JOIN begun_by_subject AS by_subject
    ON by_subject.subject = setting.subject AND by_subject.title = picture.title
-- A title that had been started before it was shown was not won by its picture.
WHERE coalesce(by_unit.begun, shown_first) >= shown_first
AND coalesce(by_subject.begun, shown_first) >= shown_first;

CREATE TEMP VIEW emission AS
WITH judged AS (
    SELECT
        exposure.*, coalesce(credit.minutes, 0) AS minutes,
        CASE
            WHEN credit.minutes >= getvariable('minutes')::FLOAT THEN 1
            WHEN shown_first <= getvariable('mature_until') THEN 0
        END::FLOAT AS reward
    FROM exposure
    LEFT JOIN credit USING (setting, picture)
)
SELECT *, given AS previous
FROM judged
-- A NULL reward is censored. What was given stays, but for a 0 that a late play makes a 1.
WHERE reward IS NOT NULL AND (given IS NULL OR reward > given);
