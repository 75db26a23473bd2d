-- SPDX-License-Identifier: Apache-2.0
-- context: every context event once. setting: what all contexts of one content have in common.
-- restriction: what contexts denied, required and forbade, as a number.
--
-- Reads the variable `contexts` (list of Parquet files; old ones lack what limits a choice). A
-- setting is the part of an exposure's key that contexts bring; its hash is injective: numbers and
-- hexadecimal digits hold no '/', and the policy's name comes last. Where two copies of an event
-- differ, the smaller hash wins.

CREATE TEMP TABLE context_row AS
SELECT
    stream, sequence, policy, policy_sequence, digest, map, seed, unit_epoch, cell,
    nullif(subject, '') AS subject, nullif(denied, ''::BLOB) AS denied,
    coalesce(required, 0) AS required, coalesce(forbidden, 0) AS forbidden,
    concat(hex(denied), '/', coalesce(required, 0), '/', coalesce(forbidden, 0)) AS limits,
    sha256(concat(
        'edgeart exposure 1/', unit_epoch, '/', policy_sequence, '/', seed, '/', hex(digest), '/',
        hex(map), '/', policy)) AS hash
FROM read_parquet(
    getvariable('contexts'), hive_partitioning = false, union_by_name = true);

CREATE TEMP TABLE setting AS
SELECT
    (row_number() OVER ())::UINTEGER AS setting, hash,
    any_value(policy) AS policy, any_value(policy_sequence) AS policy_sequence,
    any_value(digest) AS digest, any_value(map) AS map, any_value(seed) AS seed,
    any_value(unit_epoch) AS unit_epoch,
    -- Not part of the key; where contexts of one content disagree, the smallest, so that no order
    -- of files or threads shows.
    min(cell) AS cell, min(subject) AS subject
FROM context_row
GROUP BY hash;

CREATE TEMP TABLE restriction AS
SELECT
    (row_number() OVER ())::UINTEGER AS restriction, limits,
    any_value(denied) AS denied, any_value(required) AS required, any_value(forbidden) AS forbidden
FROM context_row
GROUP BY limits;

CREATE TEMP TABLE context AS
SELECT
    stream, sequence, setting, restriction,
    -- Streams in order, as numbers of 32 bits: with the sequence they order events in 64.
    dense_rank() OVER (ORDER BY stream) AS stream_rank
FROM (
    SELECT stream, sequence, min(hash) AS hash, min(limits) AS limits
    FROM context_row
    GROUP BY stream, sequence)
JOIN setting USING (hash)
JOIN restriction USING (limits);

DROP TABLE context_row;
