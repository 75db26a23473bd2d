#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# One line of JSON on a run of libFuzzer, from what it printed: fuzz_stats.sh target seconds file
set -eu
value() { sed -n "s/^stat::$1: *//p" "$2" | tail -n 1; }
# the last line of progress ends with what of the code was reached: cov, ft (features), corp (inputs)
line=$(grep -E ' cov: [0-9]+ ft: [0-9]+ corp: ' "$3" | tail -n 1)
field() { echo "$line" | sed -n "s/.* $1: \([0-9]*\).*/\1/p"; }
printf '{"target": "%s", "seconds": %s, "runs": %s, "runs_per_second": %s, ' "$1" "$2" \
    "$(value number_of_executed_units "$3")" "$(value average_exec_per_sec "$3")"
printf '"edges": %s, "features": %s, "inputs": %s, "peak_mb": %s, "failures": 0}\n' \
    "$(field cov)" "$(field ft)" "$(field corp)" "$(value peak_rss_mb "$3")"
