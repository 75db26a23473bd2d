/* SPDX-License-Identifier: Apache-2.0 */
/* Appends events to a segment of the feedback log and reads them back (feedback.md §2-§4). */
#include "internal.h"

#define HEADER_SIZE 64u
#define FRAME_HEAD 12u
#define LARGEST_BODY (1u << 17)
#define FORMAT 1u

static void put_u32(uint8_t *p, uint32_t x) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(x >> 8 * i);
}

static void put_u64(uint8_t *p, uint64_t x) {
    put_u32(p, (uint32_t)x);
    put_u32(p + 4, (uint32_t)(x >> 32));
}

static uint32_t get_u32(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get_u64(const uint8_t *p) {
    return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static size_t padded(size_t body) {
    return (FRAME_HEAD + body + 7) & ~(size_t)7;
}

static uint32_t frame_crc(uint64_t stream, uint32_t size, uint32_t sequence, const uint8_t *body) {
    uint8_t head[16];
    put_u64(head, stream);
    put_u32(head + 8, size);
    put_u32(head + 12, sequence);
    return ea_crc32c(ea_crc32c(0, head, sizeof head), body, size);
}

/* ---- writing ---- */

static const uint8_t magic[8] = {0x89, 'e', 'a', 'f', 0x0d, 0x0a, 0x1a, 0x0a};

int32_t ea_segment_start(ea_segment *segment, void *memory, size_t size, uint64_t stream,
                         uint32_t first, uint64_t time) {
    if (!segment || segment->struct_size < sizeof *segment || !memory || !stream)
        return EA_E_ARGUMENT;
    if (size < HEADER_SIZE) return EA_E_MEMORY;
    if ((uintptr_t)memory & 7) return EA_E_ALIGNMENT;
    uint8_t *p = memory;
    for (size_t i = 0; i < 8; i++) p[i] = magic[i];
    put_u32(p + 8, FORMAT);
    put_u32(p + 12, 0);
    put_u64(p + 16, stream);
    put_u32(p + 24, first);
    put_u32(p + 28, 0);
    put_u64(p + 32, time);
    put_u32(p + 12, ea_crc32c(0, p, HEADER_SIZE));
    segment->next = first;
    segment->stream = stream;
    segment->memory = p;
    segment->size = size;
    segment->used = HEADER_SIZE;
    return EA_OK;
}

/* Where the next body goes; NULL if size bytes do not fit. */
static uint8_t *room(const ea_segment *segment, size_t size) {
    if (segment->size - segment->used < padded(size)) return 0;
    return segment->memory + segment->used + FRAME_HEAD;
}

/* Makes the body that has been written to its room an event. The size comes last, in release
   order: whoever dies before leaves a frame that is not there. */
static void commit(ea_segment *segment, size_t body_size) {
    uint8_t *frame = segment->memory + segment->used;
    uint32_t size = (uint32_t)body_size;
    put_u32(frame + 4, frame_crc(segment->stream, size, segment->next, frame + FRAME_HEAD));
    put_u32(frame + 8, segment->next);
#if defined(__GNUC__)
    __atomic_store_n((uint32_t *)(uintptr_t)frame, size, __ATOMIC_RELEASE);
#else
    *(volatile uint32_t *)(uintptr_t)frame = size; /* MSVC: volatile stores release */
#endif
    segment->used += padded(size);
    segment->next++;
}

static int is_writable(const ea_segment *segment) {
    return segment && segment->struct_size >= sizeof *segment && segment->memory;
}

int32_t ea_segment_append(ea_segment *segment, const void *body, size_t size) {
    if (!is_writable(segment) || !body || size < 1 || size > LARGEST_BODY) return EA_E_ARGUMENT;
    uint8_t *p = segment->next < UINT32_MAX ? room(segment, size) : 0;
    if (!p) return EA_E_CAPACITY;
    for (size_t i = 0; i < size; i++) ((volatile uint8_t *)p)[i] = ((const uint8_t *)body)[i];
    commit(segment, size);
    return EA_OK;
}

/* ---- bodies: MessagePack, the shortest form of everything ---- */

static uint8_t *put_number(uint8_t *p, uint64_t x) {
    if (x < 0x80) {
        *p++ = (uint8_t)x;
        return p;
    }
    uint32_t log = x <= 0xff ? 0 : x <= 0xffff ? 1 : x <= 0xffffffff ? 2 : 3;
    *p++ = (uint8_t)(0xcc + log);
    for (uint32_t i = 1u << log; i-- > 0;) *p++ = (uint8_t)(x >> 8 * i);
    return p;
}

static uint8_t *copy(uint8_t *p, ea_text bytes) {
    for (size_t i = 0; i < bytes.length; i++) *p++ = (uint8_t)bytes.data[i];
    return p;
}

static uint8_t *text(uint8_t *p, ea_text t) {
    if (t.length < 32) *p++ = (uint8_t)(0xa0 | t.length);
    else if (t.length <= 0xff) *p++ = 0xd9, *p++ = (uint8_t)t.length;
    else *p++ = 0xda, *p++ = (uint8_t)(t.length >> 8), *p++ = (uint8_t)t.length;
    return copy(p, t);
}

static uint8_t *text_or_nil(uint8_t *p, ea_text t) {
    if (t.data) return text(p, t);
    *p++ = 0xc0;
    return p;
}

int32_t ea_segment_impression(ea_segment *segment, const ea_impression *e) {
    const size_t first = offsetof(ea_impression, candidates); /* of later fields */
    if (!is_writable(segment) || !e || e->struct_size < first) return EA_E_ARGUMENT;
    int given = e->struct_size >= sizeof *e && e->candidates.data;
    ea_text candidates; /* field by field: clang calls memset for an initialiser */
    candidates.data = given ? e->candidates.data : 0;
    candidates.length = given ? e->candidates.length : 0;
    if (e->title.length > 0xffff || e->artwork.length > 0xffff || e->shown.length > 0xffff ||
        candidates.length > 0xffff || (candidates.data && !candidates.length))
        return EA_E_ARGUMENT;
    /* the most that numbers and heads can take */
    size_t bound = 80 + e->title.length + e->artwork.length + e->shown.length + candidates.length;
    if (bound > LARGEST_BODY) return EA_E_ARGUMENT; /* no reader would take it for a frame */
    uint8_t *start = segment->next < UINT32_MAX ? room(segment, bound) : 0, *p = start;
    if (!p) return EA_E_CAPACITY;
    int plain = e->reason == EA_REASON_POLICY && e->total == EA_TOTAL && !e->shown.data &&
                !candidates.data;
    *p++ = (uint8_t)(0x90 | (plain ? 8 : candidates.data ? 12 : 11));
    *p++ = EA_EVENT_IMPRESSION;
    p = put_number(p, e->at);
    p = put_number(p, e->context);
    p = text(p, e->title);
    p = text_or_nil(p, e->artwork);
    p = put_number(p, e->n);
    p = put_number(p, e->slot_row);
    p = put_number(p, e->slot_column);
    if (!plain) {
        p = put_number(p, e->reason);
        p = put_number(p, e->total);
        p = text_or_nil(p, e->shown);
        p = copy(p, candidates);
    }
    commit(segment, (size_t)(p - start));
    return EA_OK;
}

int32_t ea_segment_shown(ea_segment *segment, const ea_policy *policy,
                         const ea_decision *decision, uint32_t context, uint32_t slot_row,
                         uint32_t slot_column, uint64_t at) {
    if (!ea__is_open(policy) || !decision) return EA_E_ARGUMENT;
    if (decision->title >= policy->titles.count || decision->row >= policy->artworks.count)
        return EA_E_TITLE;
    ea_impression e; /* field by field: clang calls memset for an initialiser */
    e.struct_size = sizeof e;
    e.context = context;
    e.n = decision->n;
    e.total = decision->total;
    e.reason = decision->reason;
    e.slot_row = slot_row;
    e.slot_column = slot_column;
    e.at = at;
    e.title = ea__string(&policy->titles, decision->title);
    e.artwork = ea__string(&policy->artworks, decision->row);
    e.shown.data = e.candidates.data = 0;
    e.shown.length = e.candidates.length = 0;
    return ea_segment_impression(segment, &e);
}

/* ---- reading ---- */

int32_t ea_segment_header(const void *memory, size_t size, ea_header *header) {
    const uint8_t *p = memory;
    if (!p || !header || header->struct_size < sizeof *header) return EA_E_ARGUMENT;
    if (size < HEADER_SIZE) return EA_E_TRUNCATED;
    if (!ea__same(p, magic, sizeof magic)) return EA_E_MAGIC;
    header->format = get_u32(p + 8);
    if (header->format != FORMAT) return EA_E_VERSION;
    uint8_t copy[HEADER_SIZE];
    for (size_t i = 0; i < HEADER_SIZE; i++) copy[i] = i >= 12 && i < 16 ? 0 : p[i];
    if (get_u32(p + 12) != ea_crc32c(0, copy, sizeof copy)) return EA_E_CRC;
    header->stream = get_u64(p + 16);
    header->first = get_u32(p + 24);
    header->time = get_u64(p + 32);
    return EA_OK;
}

int32_t ea_segment_next(const void *memory, size_t size, uint64_t stream, ea_frame *frame) {
    const uint8_t *start = memory;
    if (!start || !frame || frame->struct_size < sizeof *frame) return EA_E_ARGUMENT;
    size_t at = frame->next < HEADER_SIZE ? HEADER_SIZE : (frame->next + 7) & ~(size_t)7;
    for (; at <= size && size - at >= FRAME_HEAD; at += 8) {
        const uint8_t *p = start + at;
        uint32_t body = get_u32(p), sequence = get_u32(p + 8);
        if (body < 1 || body > LARGEST_BODY || body > size - at - FRAME_HEAD) continue;
        if (sequence < frame->least || sequence == UINT32_MAX) continue;
        if (get_u32(p + 4) != frame_crc(stream, body, sequence, p + FRAME_HEAD)) continue;
        frame->sequence = sequence;
        frame->least = sequence + 1;
        frame->body = p + FRAME_HEAD;
        frame->size = body;
        frame->next = at + padded(body);
        return EA_OK;
    }
    frame->body = 0;
    frame->size = 0;
    frame->next = size;
    return EA_OK;
}
