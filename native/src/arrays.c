/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces that a bundle is made of: keys, tagged lists, arrays, rows, string tables. */
#include "fast.h"

#include "open.h"

/* The body's next key. */
void ea__read_key(ea__reader *reader, ea_text name) {
    ea__value value = ea__read(reader, EA__STR);
    if (reader->status) return;
    if (!ea__same_text((ea_text){(const char *)value.data, value.size}, name))
        ea__fail(reader, ea__is_utf8(value.data, value.size) ? EA_E_KEY : EA_E_UTF8,
                 value.offset);
}

ea__tagged ea__read_tagged(ea__reader *reader) {
    ea__value list = ea__read(reader, EA__LIST);
    if (list.size < 1) ea__fail(reader, EA_E_TYPE, list.offset);
    size_t kind_offset = reader->at;
    ea_text kind = ea__read_text(reader, 0, SIZE_MAX);
    return (ea__tagged){list.offset, list.size, kind_offset, kind};
}

/* A name of a policy or cell (bundle.md §4). */
ea_text ea__read_name(ea__reader *reader) {
    size_t at = reader->at;
    ea_text name = ea__read_text(reader, 1, EA_LIMIT_NAME);
    for (size_t i = 0; i < name.length; i++) {
        char c = name.data[i];
        int word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && (i == 0 || (c != '.' && c != '_' && c != '-')))
            ea__fail(reader, EA_E_RANGE, at);
    }
    return name;
}

/* The word for a kind of rows. */
uint32_t ea__read_kind(ea__reader *reader) {
    size_t at = reader->at;
    ea_text kind = ea__read_text(reader, 0, SIZE_MAX);
    if (ea__is(kind, "i8")) return EA_ROWS_I8;
    if (!ea__is(kind, "f32")) ea__fail(reader, EA_E_KEY, at);
    return EA_ROWS_F32;
}

/* An array (bundle.md §3) of `size` bytes of data, or of any multiple of `unit` of them up to
   `most` units. Returns the data, its size through `found`. A product of counts passes 2^32, and
   with it a 32-bit size_t: hence 64 bits. */
const void *ea__array(ea__reader *reader, uint64_t size, size_t unit, size_t most,
                      size_t *found) {
    size_t start = reader->at;
    if (found) *found = 0;
    if (!reader->status && start < reader->length && reader->bytes[start] != 0xc6)
        ea__fail(reader, EA_E_TYPE, start);
    ea__value value = ea__read(reader, EA__BIN);
    if (reader->status) return 0;
    size_t padding = (0 - (start + 5)) & 63;
    size_t data = value.size - padding;
    if (value.size < padding || (size == EA__ANY_LENGTH ? data % unit != 0 : data != size))
        ea__fail(reader, EA_E_LENGTH, start);
    else if (size == EA__ANY_LENGTH && data / unit > most) ea__fail(reader, EA_E_LIMIT, start);
    for (size_t i = 0; !reader->status && i < padding; i++)
        if (value.data[i]) ea__fail(reader, EA_E_PADDING, start + 5 + i);
    if (reader->status) return 0;
    if (found) *found = data;
    return value.data + padding;
}

/* ---- floats ---- */

/* What a binary32 may be besides clean (bundle.md §1). */
enum sign { ANY, NOT_NEGATIVE, POSITIVE };

static int is_right(float x, enum sign sign) {
    uint32_t bits = ea__bits(x);
    if (bits == 0) return sign != POSITIVE;
    return (bits >> 23 & 0xff) - 77u <= 146u - 77u && (sign == ANY || bits >> 31 == 0);
}

/* Looks at all, without a branch, before it looks for one. */
static void check_floats(ea__reader *reader, const float *x, size_t count, enum sign sign) {
    uint32_t bad = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits = ea__bits(x[i]);
        bad |= (uint32_t)((bits != 0) & (((bits >> 23 & 0xff) - 77u) > 146u - 77u));
        bad |= sign == ANY ? 0 : bits >> 31;
        bad |= (uint32_t)((sign == POSITIVE) & (bits == 0));
    }
    for (size_t i = 0; bad && i < count && !reader->status; i++)
        if (!is_right(x[i], sign)) ea__fail(reader, EA_E_RANGE, ea__offset_of(reader, x + i));
}

static const float *checked(ea__reader *reader, uint32_t count, enum sign sign) {
    const float *x = ea__array(reader, 4 * (uint64_t)count, 4, 0, 0);
    if (!reader->status) check_floats(reader, x, count, sign);
    return x;
}

const float *ea__floats(ea__reader *reader, uint32_t count) {
    return checked(reader, count, ANY);
}

/* Of i8 rows: not below 0. */
const float *ea__scales(ea__reader *reader, uint32_t count) {
    return checked(reader, count, NOT_NEGATIVE);
}

/* Above 0. */
const float *ea__factors(ea__reader *reader, uint32_t count) {
    return checked(reader, count, POSITIVE);
}

/* ---- rows: k elements, then zeros up to the stride ---- */

const float *ea__rows_f32(ea__reader *reader, uint32_t count, uint32_t k, uint32_t stride) {
    const float *rows = ea__array(reader, 4 * (uint64_t)count * stride, 4, 0, 0);
    for (uint32_t r = 0; r < count && !reader->status; r++) {
        const float *row = rows + (size_t)r * stride;
        check_floats(reader, row, k, ANY);
        for (uint32_t i = k; i < stride && !reader->status; i++)
            if (ea__bits(row[i])) ea__fail(reader, EA_E_PADDING, ea__offset_of(reader, row + i));
    }
    return rows;
}

/* Not 0 where anything but zeros stands from k on. */
static uint32_t padding_of(const uint8_t *rows, uint32_t count, uint32_t k, uint32_t stride) {
    uint32_t bad = 0;
    for (uint32_t r = 0; r < count; r++)
        for (uint32_t i = k; i < stride; i++) bad |= rows[(size_t)r * stride + i];
    return bad;
}

const int8_t *ea__rows_i8(ea__reader *reader, uint32_t count, uint32_t k, uint32_t stride) {
    const int8_t *rows = ea__array(reader, (uint64_t)count * stride, 1, 0, 0);
    if (reader->status) return 0;
    size_t total = (size_t)count * stride;
    uint32_t bad = padding_of((const uint8_t *)rows, count, k, stride);
    for (size_t i = 0; i < total; i++) bad |= (uint32_t)(rows[i] == -128);
    for (size_t i = 0; bad && i < total && !reader->status; i++) {
        if (i % stride >= k && rows[i])
            ea__fail(reader, EA_E_PADDING, ea__offset_of(reader, rows + i));
        else if (rows[i] == -128) ea__fail(reader, EA_E_RANGE, ea__offset_of(reader, rows + i));
    }
    return rows;
}

const uint8_t *ea__rows_u8(ea__reader *reader, uint32_t count, uint32_t k, uint32_t stride) {
    const uint8_t *rows = ea__array(reader, (uint64_t)count * stride, 1, 0, 0);
    if (reader->status || !padding_of(rows, count, k, stride)) return rows;
    size_t at = 0;
    while (at % stride < k || !rows[at]) at++;
    ea__fail(reader, EA_E_PADDING, ea__offset_of(reader, rows + at));
    return rows;
}

/* ---- string tables ---- */

/* The text of a string table whose ends have been read. */
void ea__table_text(ea__reader *reader, ea__table *table, uint32_t least) {
    ea__value value = ea__read(reader, EA__BIN);
    if (reader->status) return;
    uint32_t last = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        uint32_t end = table->ends[i];
        size_t at = ea__offset_of(reader, table->ends + i);
        if (end < last) ea__fail(reader, EA_E_ORDER, at);
        else if (end - last < least || end - last > EA_LIMIT_ID) ea__fail(reader, EA_E_LIMIT, at);
        if (reader->status) return;
        last = end;
    }
    if (last != value.size) {
        ea__fail(reader, EA_E_LENGTH, value.offset);
        return;
    }
    table->text = value.data;
    uint32_t high = 0; /* where all bytes are ASCII, each string is UTF-8 */
    for (uint32_t i = 0; i < last; i++) high |= value.data[i];
    if (high < 0x80) return;
    for (uint32_t i = 0; i < table->count; i++) {
        ea_text text = ea__string(table, i);
        if (!ea__is_utf8((const uint8_t *)text.data, text.length)) {
            ea__fail(reader, EA_E_UTF8, ea__offset_of(reader, text.data));
            return;
        }
    }
}
