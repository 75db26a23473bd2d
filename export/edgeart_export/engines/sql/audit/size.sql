-- SPDX-License-Identifier: Apache-2.0
-- Bytes of all contexts once they are decoded: maps and denied rows as they are, 128 for the rest.
--
-- Reads the variable `contexts` (list of Parquet files).

SELECT coalesce(sum(octet_length(map) + coalesce(octet_length(denied), 0) + 128), 0)::BIGINT
FROM read_parquet(getvariable('contexts'), hive_partitioning = false, union_by_name = true);
