-- SPDX-License-Identifier: Apache-2.0
-- What devices say they lost, by reason; every report once.

SELECT reason, sum(count)::BIGINT AS events
FROM (
    SELECT stream, sequence, reason, max(count) AS count
    FROM read_parquet(getvariable('losses'), hive_partitioning = false)
    GROUP BY stream, sequence, reason)
GROUP BY reason
ORDER BY reason;
