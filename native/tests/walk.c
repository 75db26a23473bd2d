/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the parts of a bundle, and opens one for a test: the second half of build.h. */
#include "build.h"
#include "test.h"

static uint64_t big_at(const uint8_t *p, unsigned bytes) {
    uint64_t x = 0;
    while (bytes--) x = x << 8 | *p++;
    return x;
}

/* Only for values that are well formed. */
size_t after_value(const uint8_t *bytes, size_t at) {
    uint64_t pending = 1;
    while (pending--) {
        unsigned b = bytes[at++];
        const uint8_t *p = bytes + at;
        if (b >= 0x80 && b < 0x90) pending += 2 * (b & 15);
        else if (b >= 0x90 && b < 0xa0) pending += b & 15;
        else if (b >= 0xa0 && b < 0xc0) at += b & 31;
        else if (b >= 0xc4 && b <= 0xc6) at += (1u << (b - 0xc4)) + big_at(p, 1u << (b - 0xc4));
        else if (b >= 0xd9 && b <= 0xdb) at += (1u << (b - 0xd9)) + big_at(p, 1u << (b - 0xd9));
        else if (b >= 0xcc && b <= 0xcf) at += 1u << (b - 0xcc);
        else if (b >= 0xd0 && b <= 0xd3) at += 1u << (b - 0xd0);
        else if (b == 0xca) at += 4;
        else if (b == 0xcb) at += 8;
        else if (b == 0xdc || b == 0xdd)
            at += 2u << (b - 0xdc), pending += big_at(p, 2u << (b - 0xdc));
        else if (b == 0xde || b == 0xdf)
            at += 2u << (b - 0xde), pending += 2 * big_at(p, 2u << (b - 0xde));
        else REQUIRE(b < 0x80 || b >= 0xe0 || b == 0xc0 || b == 0xc2 || b == 0xc3);
    }
    return at;
}

size_t key_offset(const buffer *bundle, const char *key) {
    const uint8_t *bytes = bundle->bytes;
    size_t size = strlen(key), at = after_value(bytes, after_value(bytes, 1));
    at += bytes[at] == 0xde ? 3 : 1;
    while (at + 5 < bundle->length) {
        if ((bytes[at] & 0xe0) == 0xa0 && (bytes[at] & 31u) == size &&
            !memcmp(bytes + at + 1, key, size))
            return at;
        at = after_value(bytes, after_value(bytes, at));
    }
    REQUIRE(!"a key of the body");
    return 0;
}

size_t value_offset(const buffer *bundle, const char *key) {
    return after_value(bundle->bytes, key_offset(bundle, key));
}

size_t data_offset(const buffer *bundle, const char *key) {
    return (value_offset(bundle, key) + 5 + 63) / 64 * 64;
}

/* ---- fixtures ---- */

fixture open_fixture(buffer bundle) {
    fixture f = {bundle, 0, 0, 0, {0}};
    uint64_t offset = 0;
    void *memory = 0;
    REQUIRE(posix_memalign(&memory, 16, ea_policy_size()) == 0);
    f.policy = memory;
    int32_t status =
        ea_policy_open(f.policy, ea_policy_size(), bundle.bytes, bundle.length, &offset);
    if (status) printf("%s at %" PRIu64 "\n", ea_status_name(status), offset);
    REQUIRE(status == EA_OK);
    f.context_size = ea_context_size(f.policy);
    REQUIRE(posix_memalign(&memory, 16, f.context_size) == 0);
    f.context = memory;
    f.info.struct_size = sizeof f.info;
    REQUIRE(ea_policy_info(f.policy, &f.info) == EA_OK);
    return f;
}

void close_fixture(fixture *f) {
    buffer_free(&f->bundle);
    free(f->policy);
    free(f->context);
}

void set_context(fixture *f, const buffer *map, uint64_t seed) {
    REQUIRE(ea_context_encode(f->policy, f->context, f->context_size, map->bytes, map->length,
                              seed, 0, 0) == EA_OK);
}

buffer vector_map(const float *numbers, size_t count) {
    buffer map = {0, 0, 0};
    put_map(&map, 1);
    put_text(&map, "x");
    put_list(&map, count);
    for (size_t i = 0; i < count; i++) put_f64(&map, (double)numbers[i]);
    return map;
}
