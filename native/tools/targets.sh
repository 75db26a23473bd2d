#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The same bits by every compiler and on every processor that is at hand: `make targets`.
#
# Each build of the amalgamation runs the tests about exact bits and verifies the bundles that this
# machine wrote; the hashes it prints over scores and integers must be those of all others. What is
# not installed is left out and said; with REQUIRED=1 it fails.
set -uo pipefail
export LC_ALL=C # one order of files
cd "$(dirname "${BASH_SOURCE[0]}")/.."

digests=$OUT/digests
failed=0
builds=0
rm -rf "$digests"
mkdir -p "$digests"

# Whether all of these programs are installed; if not, says what is left out.
has() {
    local what=$1 tool missing=()
    shift
    for tool; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    [ "${#missing[@]}" -eq 0 ] && return 0
    if [ -n "$REQUIRED" ]; then
        echo "FAILED: $what (not installed: ${missing[*]})"
        failed=1
    else
        echo "left out: $what (not installed: ${missing[*]})"
    fi
    return 1
}

# Keeps the hashes out of what a build printed.
collect() {
    builds=$((builds + 1))
    sed -n 's/^\([a-z]*\): .*scores and n: /\1 /p' "$digests/output" | sort -u >"$digests/$1"
}

# name, compiler and its first flags, emulator or nothing, how the library is optimised, flags of all
same() {
    local name=$1 compiler=$2 run=$3 optimize=$4 flags=${5:-}
    # shellcheck disable=SC2086 # both may be several words
    has "the same bits with $name" ${compiler%% *} $run || return
    echo "-- $name: $optimize $flags"
    # LIBRARY_FLAGS empty: somebody else's build has none of ours
    $MAKE same NAME="$name" CC="$compiler" RUN="$run" OPTIMIZE="-std=gnu11 $optimize" \
        TEST_OPTIMIZE=-O1 CFLAGS="-DTEST_REDUCE=10 $flags" OUT="$OUT/same/$name" \
        AMALGAMATION="$OUT/edgeart.c" LIBRARY_FLAGS= TESTS="$EXACT" \
        WORLDS="$OUT/worlds" >"$digests/output" 2>&1 || failed=1
    cat "$digests/output"
    collect "$name"
}

for compiler in "$CC" "$CLANG"; do
    same "$compiler-O0" "$compiler" "" -O0
    same "$compiler-O2" "$compiler" "" -O2
    same "$compiler-O3-native" "$compiler" "" "-O3 -march=native"
done
same flushing "$CC" "" -O3 -DTEST_FLUSH # of subnormals, where that can be switched on: tests/test.h
for machine in aarch64 riscv64; do
    same "$machine" "$machine-linux-gnu-gcc" "qemu-$machine-static" -O3 -static
done
has "the same bits with aarch64-clang" aarch64-linux-gnu-gcc && # its libraries
    same aarch64-clang "$CLANG --target=aarch64-linux-gnu" qemu-aarch64-static \
        -O3 -static

if has "the same bits in WebAssembly" "$CLANG" wasm-ld "$NODE"; then
    echo "-- wasm32"
    $MAKE wasm >"$digests/output" 2>&1 || failed=1
    cat "$digests/output"
    collect wasm32
fi

rm -f "$digests/output"
if [ "$(sort -u "$digests"/* | wc -l)" -ne 2 ]; then
    echo "FAILED: not the same bits everywhere:"
    grep . "$digests"/*
    failed=1
fi
[ "$failed" -eq 0 ] || exit 1
echo "targets: $builds builds, the same bits: $(paste -sd ' ' "$digests/$CC-O0")"
