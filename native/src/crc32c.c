/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C, which finds damaged bundles (bundle.md §2). */
#include "internal.h"

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
static uint32_t by_eights(uint32_t crc, const uint8_t *p, size_t size) {
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

uint32_t ea_crc32c(uint32_t crc, const void *bytes, size_t size) {
    return ~(size < 1024 ? by_nibbles : by_eights)(~crc, bytes, size);
}
