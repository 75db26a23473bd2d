-- SPDX-License-Identifier: Apache-2.0
-- exposures_out, emitted_out, credited_out: the rows of this run, as views that are written down.
-- part: stretches of time with some `part_rows` exposures each, or an hour where it has more.
--
-- exposures_out also reads the variables `part_first` and `part_last` and is written down part
-- after part: wide rows are then sorted in memory, where all of them at once would go to disk and
-- back.

CREATE TEMP TABLE part AS
WITH counted AS (
    SELECT
        shown_first // 3600000 AS hour, count(*) AS rows,
        min(shown_first) AS part_first, max(shown_first) AS part_last
    FROM emission
    GROUP BY hour
),
placed AS (
    SELECT *, sum(rows) OVER (ORDER BY hour) // getvariable('part_rows') AS part FROM counted
)
SELECT part, min(part_first) AS part_first, max(part_last) AS part_last
FROM placed
GROUP BY part;

CREATE TEMP VIEW exposures_out AS
SELECT
    exposure, unit_epoch, policy, policy_sequence, digest, seed, map, subject, cell, title, artwork,
    shown, (odds >> 32)::UINTEGER AS n, (odds & 4294967295)::UINTEGER AS total,
    CASE WHEN odds & 4294967295 = 0 THEN 0
        ELSE (odds >> 32)::DOUBLE / (odds & 4294967295)::DOUBLE END AS propensity,
    reason, (slot >> 32)::UINTEGER AS slot_row, (slot & 4294967295)::UINTEGER AS slot_column,
    shown_first, shown_last, shown_count, minutes, reward, previous, restriction.denied,
    restriction.required, restriction.forbidden, choice.candidates
FROM emission
JOIN setting USING (setting)
JOIN picture USING (picture)
JOIN restriction ON restriction.restriction = emission.limits >> 32
LEFT JOIN choice ON choice.choice = emission.limits & 4294967295
WHERE shown_first BETWEEN getvariable('part_first') AND getvariable('part_last')
ORDER BY shown_first, exposure;

-- Once in a while all of what earlier runs left goes into one file again.
CREATE TEMP VIEW emitted_out AS
SELECT exposure, reward FROM emission WHERE NOT getvariable('compact')
UNION ALL
SELECT exposure, max(reward)
FROM (
    SELECT exposure, reward FROM emission
    UNION ALL
    SELECT exposure, reward FROM read_parquet(getvariable('emitted')))
WHERE getvariable('compact')
GROUP BY exposure;

CREATE TEMP VIEW credited_out AS
SELECT play
FROM watched
JOIN emission USING (setting, picture)
WHERE emission.reward = 1 AND watched.minutes >= getvariable('minutes')::FLOAT
UNION ALL
SELECT play FROM read_parquet(getvariable('credited')) WHERE getvariable('compact');
