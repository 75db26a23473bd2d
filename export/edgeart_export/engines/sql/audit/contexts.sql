-- SPDX-License-Identifier: Apache-2.0
-- held: the contexts of one pass, each event once, numbered; `differs` where copies disagree.
--
-- Reads the variables `contexts` (list of Parquet files), `passes` and `pass`: the streams are
-- spread over the passes by their random ids.

CREATE OR REPLACE TEMP TABLE held AS
SELECT
    row_number() OVER () - 1 AS id, stream, sequence,
    any_value(policy) AS policy, any_value(policy_sequence) AS policy_sequence,
    any_value(digest) AS digest, any_value(map) AS map, any_value(seed) AS seed,
    any_value(cell) AS cell, any_value(denied) AS denied,
    coalesce(any_value(required), 0)::UINTEGER AS required,
    coalesce(any_value(forbidden), 0)::UINTEGER AS forbidden,
    min(content) <> max(content) AS differs
FROM (
    SELECT
        *,
        hash(
            policy, policy_sequence, digest, map, seed, coalesce(cell, ''),
            coalesce(denied, ''::BLOB), coalesce(required, 0), coalesce(forbidden, 0)) AS content
    FROM read_parquet(
        getvariable('contexts'), hive_partitioning = false, union_by_name = true)
    WHERE stream % getvariable('passes')::UBIGINT = getvariable('pass')::UBIGINT)
GROUP BY stream, sequence;
