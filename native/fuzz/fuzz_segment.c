/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target: any bytes as a segment to read; and any calls of those that write one. */
#include "build.h"
#include "test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

#define MUST(condition)                                                                           \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            printf("does not hold: %s\n", #condition);                                            \
            abort();                                                                              \
        }                                                                                         \
    } while (0)

#define STREAM 0x1122334455667788u

static uint32_t u32_at(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void put_u32_at(uint8_t *p, uint32_t x) {
    for (unsigned i = 0; i < 4; i++) p[i] = (uint8_t)(x >> 8 * i);
}

/* Makes the checksums right of the header and of what may be frames, or few would be read. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    size = LLVMFuzzerMutate(data, size, most);
    if (seed % 4 == 0 || size < 65) return size;
    put_u32_at(data + 12 + 1, 0); /* the first byte says what is done with the rest */
    put_u32_at(data + 12 + 1, ea_crc32c(0, data + 1, 64));
    for (size_t at = 65; at + 12 < size; at += 8) {
        uint32_t body = u32_at(data + at);
        if (!body || body > size - at - 12) continue;
        uint8_t checked[16] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
        put_u32_at(checked + 8, body);
        memcpy(checked + 12, data + at + 8, 4);
        uint32_t crc = ea_crc32c(0, checked, sizeof checked);
        put_u32_at(data + at + 4, ea_crc32c(crc, data + at + 12, body));
        at += (12 + body - 1) / 8 * 8;
    }
    return size;
}

static void read_segment(const uint8_t *bytes, size_t size) {
    ea_header header = {.struct_size = sizeof header};
    int32_t status = ea_segment_header(bytes, size, &header);
    MUST(status == EA_OK || status == EA_E_TRUNCATED || status == EA_E_MAGIC ||
         status == EA_E_VERSION || status == EA_E_CRC);
    ea_frame frame = {.struct_size = sizeof frame, .least = status ? 0 : header.first};
    size_t end = 0;
    for (uint32_t least = frame.least;; least = frame.sequence + 1) {
        MUST(ea_segment_next(bytes, size, STREAM, &frame) == EA_OK);
        if (!frame.body) break;
        MUST(frame.sequence >= least && frame.sequence != UINT32_MAX);
        MUST(frame.size >= 1 && frame.size <= 1 << 17);
        MUST(frame.body >= bytes + end + 12 && frame.body + frame.size <= bytes + size);
        MUST(frame.next % 8 == 0 && frame.next > end);
        end = (size_t)(frame.body - bytes) + frame.size;
    }
    MUST(!frame.size && frame.next == size);
}

/* ---- writing ---- */

typedef struct {
    const uint8_t *at, *end;
} input;

static uint64_t take(input *in, unsigned bytes) {
    uint64_t x = 0;
    for (unsigned i = 0; i < bytes; i++)
        if (in->at < in->end) x |= (uint64_t)*in->at++ << 8 * i;
    return x;
}

static ea_text take_text(input *in) {
    static char many[1 << 17];
    size_t length = take(in, 1);
    if (length == 255) return (ea_text){0, 0};
    if (length == 254) return (ea_text){many, take(in, 3) % sizeof many};
    if (length > (size_t)(in->end - in->at)) length = (size_t)(in->end - in->at);
    ea_text text = {(const char *)in->at, length};
    in->at += length;
    return text;
}

static int32_t write_one(ea_segment *segment, input *in) {
    unsigned what = (unsigned)take(in, 1);
    if (what % 2) {
        ea_text body = take_text(in);
        return ea_segment_append(segment, body.data, body.length);
    }
    ea_impression e = {
        .struct_size = sizeof e, .context = (uint32_t)take(in, 4), .n = (uint32_t)take(in, 4),
        .total = what & 2 ? EA_TOTAL : (uint32_t)take(in, 4),
        .reason = what & 4 ? 0 : (uint32_t)take(in, 1), .slot_row = (uint32_t)take(in, 2),
        .slot_column = (uint32_t)take(in, 4), .at = take(in, 8), .title = take_text(in),
        .artwork = take_text(in), .shown = take_text(in), .candidates = take_text(in)};
    if (!e.title.data) e.title.length = 0;
    return ea_segment_impression(segment, &e);
}

/* What was written is what is read back, event by event; a refused call changes no byte. */
static void write_segment(input *in) {
    size_t size = take(in, 2), before;
    void *memory = 0;
    uint32_t first = (uint32_t)take(in, 4), written = 0;
    ea_segment segment = {.struct_size = sizeof segment};
    REQUIRE(posix_memalign(&memory, 8, size ? size : 1) == 0);
    memset(memory, 0, size);
    int32_t status = ea_segment_start(&segment, memory, size, STREAM, first, take(in, 8));
    MUST(status == (size < 64 ? EA_E_MEMORY : EA_OK));
    while (!status && in->at < in->end) {
        before = segment.used;
        int32_t s = write_one(&segment, in);
        MUST(s == EA_OK || s == EA_E_ARGUMENT || s == EA_E_CAPACITY);
        MUST(segment.used <= size && (s ? segment.used == before : segment.used > before));
        written += s == EA_OK;
        MUST(segment.next == first + written);
    }
    for (size_t i = segment.used; !status && i < size; i++) MUST(!((uint8_t *)memory)[i]);
    ea_frame frame = {.struct_size = sizeof frame, .least = first};
    for (uint32_t i = 0; !status && i <= written; i++) {
        MUST(ea_segment_next(memory, size, STREAM, &frame) == EA_OK);
        MUST(!frame.body == (i == written));
        MUST(!frame.body || frame.sequence == first + i);
    }
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size) return 0;
    if (*data % 2) {
        input in = {data + 1, data + size};
        write_segment(&in);
        return 0;
    }
    uint8_t *bytes = exact_copy(data + 1, size - 1);
    read_segment(bytes, size - 1);
    free(bytes);
    return 0;
}
