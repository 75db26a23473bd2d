/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C against the answers of RFC 3720 and its own definition. */
#include "edgeart.h"
#include "test.h"

static void equals_the_rfc(void) {
    uint8_t bytes[48];
    CHECK(ea_crc32c(0, "123456789", 9) == 0xe3069283); /* bundle.md §2 */
    /* RFC 3720, appendix B.4 */
    memset(bytes, 0, 32);
    CHECK(ea_crc32c(0, bytes, 32) == 0x8a9136aa);
    memset(bytes, 0xff, 32);
    CHECK(ea_crc32c(0, bytes, 32) == 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++) bytes[i] = (uint8_t)i;
    CHECK(ea_crc32c(0, bytes, 32) == 0x46dd794e);
    for (unsigned i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
    CHECK(ea_crc32c(0, bytes, 32) == 0x113fdb5c);
}

/* Straight from the definition: a polynomial division, one bit a step. */
static uint32_t divided(const uint8_t *p, size_t size) {
    uint32_t rest = 0xffffffff;
    for (size_t i = 0; i < 8 * size; i++) {
        uint32_t bit = (rest ^ (uint32_t)p[i / 8] >> i % 8) & 1;
        rest = rest >> 1 ^ (bit ? 0x82f63b78 : 0);
    }
    return ~rest;
}

static void equals_its_definition(void) {
    uint8_t bytes[2100];
    uint64_t state = 2;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)next_random(&state);
    for (size_t size = 0; size <= 2080; size += size < 40 || (size > 1015 && size < 1040) ? 1 : 7)
        for (size_t start = 0; start < 9; start += 4)
            CHECK(ea_crc32c(0, bytes + start, size) == divided(bytes + start, size));
}

static void continues(void) {
    uint8_t bytes[4000];
    uint64_t state = 3;
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)next_random(&state);
    uint32_t whole = ea_crc32c(0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut += 13)
        CHECK(ea_crc32c(ea_crc32c(0, bytes, cut), bytes + cut, sizeof bytes - cut) == whole);
    CHECK(ea_crc32c(whole, 0, 0) == whole);
}

static const test_case cases[] = {
    {"the checksum of RFC 3720's examples is RFC 3720's", equals_the_rfc},
    {"small and large inputs follow the definition", equals_its_definition},
    {"a checksum in two parts is the checksum of the whole", continues},
};

MAIN("crc32c", cases)
