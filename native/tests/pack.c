/* SPDX-License-Identifier: Apache-2.0 */
/* Writes MessagePack into a growing buffer: the first part of build.h. */
#include "build.h"
#include "test.h"

void put_bytes(buffer *out, const void *bytes, size_t size) {
    if (out->capacity - out->length < size) {
        size_t capacity = (2 * out->capacity + size + 127) / 64 * 64;
        uint8_t *grown = aligned_alloc(64, capacity);
        REQUIRE(grown);
        if (out->length) memcpy(grown, out->bytes, out->length);
        free(out->bytes);
        out->bytes = grown;
        out->capacity = capacity;
    }
    if (size) memcpy(out->bytes + out->length, bytes, size);
    out->length += size;
}

void put_byte(buffer *out, unsigned byte) {
    uint8_t b = (uint8_t)byte;
    put_bytes(out, &b, 1);
}

void put_big(buffer *out, uint64_t number, unsigned bytes) {
    while (bytes--) put_byte(out, (unsigned)(number >> 8 * bytes & 0xff));
}

/* A head whose count follows in the narrowest of 1, 2, 4 or 8 bytes; 0 where there is no such. */
static void put_head(buffer *out, uint64_t count, unsigned one, unsigned two, unsigned four,
                     unsigned eight) {
    if (one && count <= 0xff) put_byte(out, one), put_big(out, count, 1);
    else if (count <= 0xffff) put_byte(out, two), put_big(out, count, 2);
    else if (count <= 0xffffffff) put_byte(out, four), put_big(out, count, 4);
    else put_byte(out, eight), put_big(out, count, 8);
}

void put_nil(buffer *out) {
    put_byte(out, 0xc0);
}

void put_bool(buffer *out, int value) {
    put_byte(out, value ? 0xc3 : 0xc2);
}

void put_uint(buffer *out, uint64_t number) {
    if (number < 0x80) put_byte(out, (unsigned)number);
    else put_head(out, number, 0xcc, 0xcd, 0xce, 0xcf);
}

void put_int(buffer *out, int64_t number) {
    if (number >= -32 && number < 0) put_byte(out, (unsigned)(number & 0xff));
    else put_byte(out, 0xd3), put_big(out, (uint64_t)number, 8);
}

void put_f32(buffer *out, float number) {
    uint32_t bits;
    memcpy(&bits, &number, 4);
    put_byte(out, 0xca);
    put_big(out, bits, 4);
}

void put_f64(buffer *out, double number) {
    uint64_t bits;
    memcpy(&bits, &number, 8);
    put_byte(out, 0xcb);
    put_big(out, bits, 8);
}

void put_string(buffer *out, const void *text, size_t size) {
    if (size < 32) put_byte(out, 0xa0 + (unsigned)size);
    else put_head(out, size, 0xd9, 0xda, 0xdb, 0);
    put_bytes(out, text, size);
}

void put_text(buffer *out, const char *text) {
    put_string(out, text, strlen(text));
}

void put_bin(buffer *out, const void *bytes, size_t size) {
    put_head(out, size, 0xc4, 0xc5, 0xc6, 0);
    put_bytes(out, bytes, size);
}

void put_list(buffer *out, size_t count) {
    if (count < 16) put_byte(out, 0x90 + (unsigned)count);
    else put_head(out, count, 0, 0xdc, 0xdd, 0);
}

void put_map(buffer *out, size_t count) {
    if (count < 16) put_byte(out, 0x80 + (unsigned)count);
    else put_head(out, count, 0, 0xde, 0xdf, 0);
}

void buffer_free(buffer *out) {
    free(out->bytes);
    *out = (buffer){0, 0, 0};
}
