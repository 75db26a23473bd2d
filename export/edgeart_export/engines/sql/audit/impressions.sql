-- SPDX-License-Identifier: Apache-2.0
-- The impressions of one pass in the order of the files, each copy, with the number of its context.
--
-- Reads the variables `impressions`, `passes` and `pass`, and the table `held`.

SELECT
    landed.stream, landed.sequence, landed.context, landed.title, landed.artwork, landed.n,
    landed.total, landed.reason, landed.candidates, landed.host_candidates, held.id AS held
FROM read_parquet(
    getvariable('impressions'), hive_partitioning = false, union_by_name = true) AS landed
LEFT JOIN held ON held.stream = landed.stream AND held.sequence = landed.context
WHERE landed.stream % getvariable('passes')::UBIGINT = getvariable('pass')::UBIGINT;
