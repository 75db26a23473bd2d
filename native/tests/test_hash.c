/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-1-3 against CPython's own, and as the draws rely on it. */
#include "edgeart.h"
#include "test.h"

/* Made by tools/hash_answers.py: what CPython's hash(bytes), an implementation by others, gives for
   the bytes 0, 1, 2, … under its own keys. */
static const struct {
    uint64_t k0, k1;
    size_t size;
    uint64_t hash;
} answers[] = {
#include "hash_answers.inc"
};

static void equals_cpython(void) {
    uint8_t bytes[256];
    for (unsigned i = 0; i < 256; i++) bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        CHECK(ea_hash(answers[i].k0, answers[i].k1, bytes, answers[i].size) == answers[i].hash);
}

static void ignores_alignment(void) {
    uint8_t bytes[80 + 8];
    for (unsigned shift = 0; shift < 8; shift++) {
        for (unsigned i = 0; i < 80; i++) bytes[shift + i] = (uint8_t)i;
        for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
            if (answers[i].size <= 80)
                CHECK(ea_hash(answers[i].k0, answers[i].k1, bytes + shift, answers[i].size) ==
                      answers[i].hash);
    }
}

static void takes_nothing(void) {
    CHECK(ea_hash(1, 2, 0, 0) == ea_hash(1, 2, "x", 0));
    CHECK(ea_hash(1, 2, 0, 0) != ea_hash(2, 1, 0, 0));
}

/* One changed bit of key or message changes each bit of the hash half of the time. */
static void avalanches(void) {
    uint64_t state = 1, counts[2] = {0, 0};
    const double half[2] = {.5, .5};
    for (unsigned trial = 0; trial < 200; trial++) {
        uint64_t words[4];
        for (unsigned i = 0; i < 4; i++) words[i] = next_random(&state);
        uint64_t before = ea_hash(words[0], words[1], words + 2, 12);
        for (unsigned bit = 0; bit < 224; bit++) {
            words[bit / 64] ^= (uint64_t)1 << bit % 64;
            uint64_t changed = before ^ ea_hash(words[0], words[1], words + 2, 12);
            words[bit / 64] ^= (uint64_t)1 << bit % 64;
            for (unsigned i = 0; i < 64; i++) counts[changed >> i & 1]++;
        }
    }
    check_chi_square("changed bits", counts, half, 2);
}

static const test_case cases[] = {
    {"the hash equals CPython's SipHash-1-3", equals_cpython},
    {"the hash of bytes does not depend on where they lie", ignores_alignment},
    {"no bytes have a hash, which depends on the key", takes_nothing},
    {"a changed bit changes half of the hash", avalanches},
};

MAIN("hash", cases)
