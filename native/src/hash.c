/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-1-3, which keys the draws and names the titles (decision.md §2). */
#include "internal.h"

static inline uint64_t rotate(uint64_t x, int by) {
    return x << by | x >> (64 - by);
}

static inline void sip_round(uint64_t v[4]) {
    v[0] += v[1], v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0], v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1], v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2], v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

void ea__sip_start(ea__sip *sip, uint64_t k0, uint64_t k1) {
    sip->v[0] = k0 ^ EA__SIP0;
    sip->v[1] = k1 ^ EA__SIP1;
    sip->v[2] = k0 ^ EA__SIP2;
    sip->v[3] = k1 ^ EA__SIP3;
    sip->length = 0;
}

void ea__sip_word(ea__sip *sip, uint64_t word) {
    sip->v[3] ^= word;
    sip_round(sip->v);
    sip->v[0] ^= word;
    sip->length += 8;
}

uint64_t ea__sip_finish(const ea__sip *sip, uint64_t tail, uint32_t tail_bytes) {
    uint64_t v[4] = {sip->v[0], sip->v[1], sip->v[2], sip->v[3]};
    uint64_t last = (sip->length + tail_bytes) << 56 | tail;
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* H of a title's hash and an attempt: decision.md §6. */
uint64_t ea__hash_title(const uint64_t key[2], uint64_t title, uint32_t attempt) {
    ea__sip sip;
    ea__sip_start(&sip, key[0], key[1]);
    ea__sip_word(&sip, title);
    return ea__sip_finish(&sip, attempt, 4);
}

uint64_t ea_hash(uint64_t k0, uint64_t k1, const void *bytes, size_t size) {
    const uint8_t *p = bytes;
    ea__sip sip;
    ea__sip_start(&sip, k0, k1);
    for (; size - (size & 7) > sip.length; p += 8) {
        /* compilers turn this into one load */
        uint64_t word = (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
                        (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
                        (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56;
        ea__sip_word(&sip, word);
    }
    uint64_t tail = 0;
    for (uint32_t i = 0; i < (size & 7); i++) tail |= (uint64_t)p[i] << (8 * i);
    return ea__sip_finish(&sip, tail, (uint32_t)(size & 7));
}
