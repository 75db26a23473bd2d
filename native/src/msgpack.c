/* SPDX-License-Identifier: Apache-2.0 */
/* Reads MessagePack in place: a pull parser whose first error sticks, without recursion. */
#include "fast.h"

#include "internal.h"

void ea__fail(ea__reader *reader, int32_t status, size_t offset) {
    if (reader->status) return;
    reader->status = status;
    reader->fault = offset;
}

static uint64_t big_endian(const uint8_t *p, uint32_t size) {
    uint64_t x = 0;
    for (uint32_t i = 0; i < size; i++) x = x << 8 | p[i];
    return x;
}

static double real32(uint32_t bits) {
    union { uint32_t u; float f; } pun = {bits};
    return (double)pun.f;
}

static double real64(uint64_t bits) {
    union { uint64_t u; double d; } pun = {bits};
    return pun.d;
}

/* What a first byte announces: the type, the bytes of the number that follows, and the value it
   holds itself where no number follows. */
typedef struct {
    enum ea__type type;
    uint32_t follows;
    uint64_t own;
} lead_byte;

static lead_byte read_lead(uint8_t byte) {
    if (byte < 0x80) return (lead_byte){EA__UINT, 0, byte};
    if (byte < 0x90) return (lead_byte){EA__MAP, 0, byte & 0x0fu};
    if (byte < 0xa0) return (lead_byte){EA__LIST, 0, byte & 0x0fu};
    if (byte < 0xc0) return (lead_byte){EA__STR, 0, byte & 0x1fu};
    if (byte >= 0xe0) return (lead_byte){EA__INT, 0, UINT64_MAX << 8 | byte};
    switch (byte) {
    case 0xc0: return (lead_byte){EA__NIL, 0, 0};
    case 0xc2: case 0xc3: return (lead_byte){EA__BOOL, 0, byte & 1u};
    case 0xc4: case 0xc5: case 0xc6: return (lead_byte){EA__BIN, 1u << (byte - 0xc4), 0};
    case 0xc7: case 0xc8: case 0xc9: return (lead_byte){EA__EXT, 1u << (byte - 0xc7), 0};
    case 0xca: return (lead_byte){EA__F32, 4, 0};
    case 0xcb: return (lead_byte){EA__F64, 8, 0};
    case 0xcc: case 0xcd: case 0xce: case 0xcf:
        return (lead_byte){EA__UINT, 1u << (byte - 0xcc), 0};
    case 0xd0: case 0xd1: case 0xd2: case 0xd3: return (lead_byte){EA__INT, 1u << (byte - 0xd0), 0};
    case 0xd4: case 0xd5: case 0xd6: case 0xd7: case 0xd8:
        return (lead_byte){EA__EXT, 0, 1u << (byte - 0xd4)};
    case 0xd9: case 0xda: case 0xdb: return (lead_byte){EA__STR, 1u << (byte - 0xd9), 0};
    case 0xdc: case 0xdd: return (lead_byte){EA__LIST, 2u << (byte - 0xdc), 0};
    case 0xde: case 0xdf: return (lead_byte){EA__MAP, 2u << (byte - 0xde), 0};
    default: return (lead_byte){EA__ERROR, 0, 0};
    }
}

/* The next value, which must be of one of these types. Lists and maps give their number of
   elements, which follow as values. Strings and bytes lie inside the input completely. On an error
   the type is EA__ERROR. */
ea__value ea__read(ea__reader *reader, uint32_t types) {
    ea__value value; /* field by field: clang calls memset for an initialiser */
    value.type = EA__ERROR;
    value.offset = reader->at;
    value.integer = 0;
    value.real = 0;
    value.data = 0;
    value.size = 0;
    if (reader->status) return value;
    size_t left = reader->length - reader->at;
    if (!left) {
        ea__fail(reader, EA_E_TRUNCATED, value.offset);
        return value;
    }
    const uint8_t *p = reader->bytes + reader->at;
    lead_byte lead = read_lead(*p++);
    left--;
    if (!(lead.type & types)) {
        ea__fail(reader, EA_E_TYPE, value.offset);
        return value;
    }
    if (left < lead.follows) {
        ea__fail(reader, EA_E_TRUNCATED, value.offset);
        return value;
    }
    uint64_t number = lead.follows ? big_endian(p, lead.follows) : lead.own;
    p += lead.follows, left -= lead.follows;

    switch (lead.type) {
    case EA__F32: value.real = real32((uint32_t)number); break;
    case EA__F64: value.real = real64(number); break;
    case EA__INT:
        if (lead.follows) { /* extend the sign */
            uint64_t sign = (uint64_t)1 << (8 * lead.follows - 1);
            number = (number ^ sign) - sign;
        }
        value.integer = number;
        break;
    case EA__LIST: case EA__MAP: value.size = (size_t)number; break;
    case EA__STR: case EA__BIN: case EA__EXT:
        if (lead.type == EA__EXT) number++; /* its kind */
        if (left < number) {
            ea__fail(reader, EA_E_TRUNCATED, value.offset);
            return value;
        }
        value.data = p;
        value.size = (size_t)number;
        p += value.size;
        break;
    default: value.integer = number;
    }
    value.type = lead.type;
    reader->at = (size_t)(p - reader->bytes);
    return value;
}

/* Passes over one value and all it contains: counts what is still to come instead of descending.
   Every value takes a byte, so a huge count ends with the bytes, not in a long loop. */
void ea__skip(ea__reader *reader) {
    for (uint64_t pending = 1; pending && !reader->status; pending--) {
        ea__value value = ea__read(reader, EA__ANY);
        if (value.type == EA__LIST) pending += value.size;
        if (value.type == EA__MAP) pending += 2 * (uint64_t)value.size;
    }
}

/* An unsigned integer within bounds, or `status`. */
uint64_t ea__read_uint(ea__reader *reader, uint64_t least, uint64_t most, int32_t status) {
    ea__value value = ea__read(reader, EA__UINT);
    if (value.integer < least || value.integer > most) ea__fail(reader, status, value.offset);
    return reader->status ? 0 : value.integer;
}

/* A finite binary64 within bounds that is not −0. */
double ea__read_double(ea__reader *reader, double least, double most) {
    ea__value value = ea__read(reader, EA__F64);
    if (reader->status) return 0;
    if (!(value.real >= least && value.real <= most) ||
             (value.real == 0 && reader->bytes[value.offset + 1])) /* the byte with the sign */
        ea__fail(reader, EA_E_RANGE, value.offset);
    return reader->status ? 0 : value.real;
}

uint32_t ea__read_bool(ea__reader *reader) {
    return (uint32_t)ea__read(reader, EA__BOOL).integer;
}

/* The number of elements of a list or map, at most `most`. */
uint32_t ea__read_count(ea__reader *reader, uint32_t type, uint32_t most) {
    ea__value value = ea__read(reader, type);
    if (value.size > most) ea__fail(reader, EA_E_LIMIT, value.offset);
    return reader->status ? 0 : (uint32_t)value.size;
}

/* A list of exactly this many elements. */
void ea__read_list_of(ea__reader *reader, uint32_t count) {
    ea__value value = ea__read(reader, EA__LIST);
    if (value.size != count) ea__fail(reader, EA_E_TYPE, value.offset);
}

/* A UTF-8 string of a length within bounds. */
ea_text ea__read_text(ea__reader *reader, size_t least, size_t most) {
    static const ea_text none = {"", 0};
    ea__value value = ea__read(reader, EA__STR);
    if (reader->status) return none;
    if (value.size < least || value.size > most) ea__fail(reader, EA_E_LIMIT, value.offset);
    else if (!ea__is_utf8(value.data, value.size)) ea__fail(reader, EA_E_UTF8, value.offset);
    if (reader->status) return none;
    return (ea_text){(const char *)value.data, value.size};
}

int ea__is_utf8(const uint8_t *p, size_t size) {
    const uint8_t *end = p + size;
    while (p < end) {
        for (; end - p >= 8; p += 8) /* most text is ASCII */
            if ((p[0] | p[1] | p[2] | p[3] | p[4] | p[5] | p[6] | p[7]) & 0x80) break;
        if (p == end) return 1;
        uint32_t c = *p++;
        if (c < 0x80) continue;
        uint32_t more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || (size_t)(end - p) < more) return 0;
        uint32_t least = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80; /* overlong below */
        uint32_t most = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;  /* surrogates, too large */
        if (*p < least || *p > most) return 0;
        for (p++; --more; p++)
            if ((*p & 0xc0) != 0x80) return 0;
    }
    return 1;
}
