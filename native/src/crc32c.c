/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C, which finds damaged bundles and events (bundle.md §2, feedback.md §3). */
#include "kernel.h"

#define POLYNOMIAL 0x82f63b78u

/* Four bits a step: for inputs too small to be worth making tables. */
static uint32_t by_nibbles(uint32_t crc, const uint8_t *p, size_t size) {
#define STEP(c) ((c) >> 1 ^ (POLYNOMIAL & (0u - ((c) & 1))))
#define NIBBLE(c) STEP(STEP(STEP(STEP(c##u))))
    static const uint32_t table[16] = {
        NIBBLE(0),  NIBBLE(1),  NIBBLE(2),  NIBBLE(3),  NIBBLE(4),  NIBBLE(5),
        NIBBLE(6),  NIBBLE(7),  NIBBLE(8),  NIBBLE(9),  NIBBLE(10), NIBBLE(11),
        NIBBLE(12), NIBBLE(13), NIBBLE(14), NIBBLE(15),
    };
    for (; size; size--) {
        crc ^= *p++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

/* Eight bytes a step. The 8 KiB of tables are made on the stack: about 3 µs, which a bundle earns
   back at once, and no table has to lie in the binary. */
uint32_t ea__crc_by_eights(uint32_t crc, const uint8_t *p, size_t size) {
    if (size < 1024) return by_nibbles(crc, p, size);
    uint32_t table[8][256];
    for (uint32_t i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        table[0][i] = by_nibbles(0, &byte, 1);
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 8; t++)
            table[t][i] = table[t - 1][i] >> 8 ^ table[0][table[t - 1][i] & 0xff];
    for (; size >= 8; size -= 8, p += 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                              (uint32_t)p[3] << 24);
        crc = table[7][low & 0xff] ^ table[6][low >> 8 & 0xff] ^ table[5][low >> 16 & 0xff] ^
              table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
              table[0][p[7]];
    }
    for (; size; size--) crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
    return crc;
}

#if EA__HAS_AVX2

#include <nmmintrin.h>

/* a·b modulo the polynomial, in the reflected order of bits. */
static uint32_t product(uint32_t a, uint32_t b) {
    uint32_t sum = 0;
    for (uint32_t bit = 1u << 31; bit; bit >>= 1) {
        if (a & bit) sum ^= b;
        b = STEP(b);
    }
    return sum;
}

/* What a checksum becomes when `size` zero bytes follow: times x to the power of 8·size. */
static uint32_t followed_by(uint32_t crc, size_t size) {
    uint32_t power = 1u << 23; /* x^8 */
    for (; size; size >>= 1) {
        if (size & 1) crc = product(crc, power);
        power = product(power, power);
    }
    return crc;
}

typedef uint64_t word_at __attribute__((aligned(1), may_alias));

/* The instruction takes three cycles but can begin one in each: three thirds at once. */
__attribute__((target("sse4.2"))) uint32_t ea__crc_by_instruction(uint32_t crc, const uint8_t *p,
                                                                  size_t size) {
    uint64_t a = crc;
    if (size >= 4096) {
        size_t third = size / 24 * 8;
        const uint8_t *q = p + third, *r = q + third;
        uint64_t b = 0, c = 0;
        for (size_t i = 0; i < third; i += 8) {
            a = _mm_crc32_u64(a, *(const word_at *)(p + i));
            b = _mm_crc32_u64(b, *(const word_at *)(q + i));
            c = _mm_crc32_u64(c, *(const word_at *)(r + i));
        }
        a = followed_by(followed_by((uint32_t)a, third) ^ (uint32_t)b, third) ^ (uint32_t)c;
        p += 3 * third, size -= 3 * third;
    }
    for (; size >= 8; size -= 8, p += 8) a = _mm_crc32_u64(a, *(const word_at *)p);
    for (; size; size--) a = _mm_crc32_u8((uint32_t)a, *p++);
    return (uint32_t)a;
}

#endif

uint32_t ea_crc32c(uint32_t crc, const void *bytes, size_t size) {
    /* asking the processor costs more than a small input does */
    const ea__kernel *kernel = size < 1u << 16 ? &ea__kernel_portable : ea__kernel_named(0);
    return ~kernel->crc(~crc, bytes, size);
}
