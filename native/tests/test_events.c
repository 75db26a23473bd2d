/* SPDX-License-Identifier: Apache-2.0 */
/* Impressions in the feedback log, byte by byte (feedback.md §4), and what is refused. */
#include "build.h"
#include "test.h"

enum { SIZE = 1 << 19, STREAM = 77 };

static uint8_t *memory; /* of the segment: SIZE bytes */

static ea_segment started(size_t size) {
    ea_segment segment = {.struct_size = sizeof segment};
    memset(memory, 0, SIZE);
    REQUIRE(ea_segment_start(&segment, memory, size, STREAM, 0, 0) == EA_OK);
    return segment;
}

static void put_text_or_nil(buffer *out, ea_text text) {
    if (text.data) put_string(out, text.data, text.length);
    else put_nil(out);
}

static buffer expected_body(const ea_impression *e) {
    buffer body = {0, 0, 0};
    int more = e->reason || e->total != EA_TOTAL || e->shown.data || e->candidates.data;
    put_list(&body, !more ? 8 : e->candidates.data ? 12 : 11);
    put_uint(&body, 2);
    put_uint(&body, e->at);
    put_uint(&body, e->context);
    put_string(&body, e->title.data, e->title.length);
    put_text_or_nil(&body, e->artwork);
    put_uint(&body, e->n);
    put_uint(&body, e->slot_row);
    put_uint(&body, e->slot_column);
    if (!more) return body;
    put_uint(&body, e->reason);
    put_uint(&body, e->total);
    put_text_or_nil(&body, e->shown);
    if (e->candidates.data) put_bytes(&body, e->candidates.data, e->candidates.length);
    return body;
}

/* The one frame after the header holds these bytes. */
static void check_body(const buffer *wanted, size_t size) {
    ea_frame frame = {.struct_size = sizeof frame};
    CHECK_EQ(ea_segment_next(memory, size, STREAM, &frame), EA_OK);
    CHECK(frame.body && frame.size == wanted->length);
    CHECK(frame.body && !memcmp(frame.body, wanted->bytes, wanted->length));
}

static void check_impression(const ea_impression *e) {
    ea_segment segment = started(SIZE);
    CHECK_EQ(ea_segment_impression(&segment, e), EA_OK);
    buffer wanted = expected_body(e);
    check_body(&wanted, SIZE);
    CHECK_EQ(segment.used, 64 + (12 + wanted.length + 7) / 8 * 8);
    CHECK_EQ(segment.next, 1);
    buffer_free(&wanted);
}

static char letters[1 << 16];

static ea_impression plain(void) {
    return (ea_impression){.struct_size = sizeof(ea_impression), .context = 3, .n = 99,
                           .total = EA_TOTAL, .title = {"title-7", 7}, .artwork = {"laugh", 5}};
}

static void bodies_are_as_specified(void) {
    static const uint64_t numbers[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff,
                                       0x100000000, UINT64_MAX};
    static const size_t lengths[] = {0, 1, 31, 32, 255, 256, 65535};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ea_impression e = plain();
        e.at = numbers[i];
        e.context = (uint32_t)numbers[i], e.n = (uint32_t)(numbers[i] >> 1);
        e.slot_row = (uint32_t)numbers[i], e.slot_column = (uint32_t)(numbers[i] >> 8);
        check_impression(&e);
        e.reason = EA_REASON_REDRAWN, e.total = (uint32_t)(numbers[i] | 1);
        check_impression(&e);
    }
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        ea_text text = {letters, lengths[i]};
        ea_impression e = plain();
        e.title = text;
        check_impression(&e);
        e.artwork = text, e.title.length = 1;
        check_impression(&e);
        e.shown = text, e.artwork.length = 1;
        check_impression(&e);
    }
    ea_impression e = plain();
    e.artwork = (ea_text){0, 0};
    check_impression(&e);
    static const char list[] = "\x92\xa1" "a\xa1" "b";
    e = plain();
    e.candidates = (ea_text){list, sizeof list - 1};
    check_impression(&e); /* not plain, though the draw was */
    e.reason = EA_REASON_HOST_UNIFORM;
    e.shown = (ea_text){"instead", 7};
    check_impression(&e);
}

/* A decision written down is the impression of its title and artwork. */
static void shown_decisions(void) {
    fixture f = open_fixture(build_bundle(&(recipe){.title_count = 3, .each = 4, .seed = 1,
                                                    .explorer = EA_EXPLORER_UNIFORM}));
    buffer empty = {0, 0, 0};
    put_map(&empty, 0);
    uint8_t denied[2] = {0xf3, 0x0f};
    ea_limits limits = {.struct_size = sizeof limits, .denied = denied, .denied_size = 2};
    unsigned plain_ones = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        ea_decision d;
        ea_text title, artwork;
        set_context(&f, &empty, seed);
        CHECK_EQ(ea_select(f.policy, f.context, seed % 3, seed % 2 ? &limits : 0, &d), EA_OK);
        ea_segment segment = started(SIZE);
        if (d.row == EA_NONE) {
            CHECK_EQ(ea_segment_shown(&segment, f.policy, &d, 5, 1, 2, 1000), EA_E_TITLE);
            CHECK(segment.next == 0 && segment.used == 64);
            continue;
        }
        CHECK_EQ(ea_segment_shown(&segment, f.policy, &d, 5, 1, 2, 1000), EA_OK);
        CHECK_EQ(ea_title_info(f.policy, d.title, &title, 0, 0), EA_OK);
        CHECK_EQ(ea_artwork_id(f.policy, d.row, &artwork), EA_OK);
        ea_impression e = {.struct_size = sizeof e, .context = 5, .n = d.n, .total = d.total,
                           .reason = d.reason, .slot_row = 1, .slot_column = 2, .at = 1000,
                           .title = title, .artwork = artwork};
        buffer wanted = expected_body(&e);
        plain_ones += wanted.bytes[0] == 0x98;
        check_body(&wanted, SIZE);
        buffer_free(&wanted);
    }
    CHECK(plain_ones > 0 && plain_ones < 40);
    ea_segment segment = started(SIZE);
    ea_decision d = {0, 0, 1, EA_TOTAL, 0, 0, 0};
    CHECK_EQ(ea_segment_shown(&segment, f.policy, 0, 0, 0, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_shown(&segment, 0, &d, 0, 0, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_shown(0, f.policy, &d, 0, 0, 0, 0), EA_E_ARGUMENT);
    d.title = 3;
    CHECK_EQ(ea_segment_shown(&segment, f.policy, &d, 0, 0, 0, 0), EA_E_TITLE);
    d.title = 0, d.row = 12;
    CHECK_EQ(ea_segment_shown(&segment, f.policy, &d, 0, 0, 0, 0), EA_E_TITLE);
    buffer_free(&empty);
    close_fixture(&f);
}

static void refused_impressions(void) {
    ea_segment segment = started(4096);
    ea_impression e = plain();
    CHECK_EQ(ea_segment_impression(0, &e), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_impression(&segment, 0), EA_E_ARGUMENT);
    for (unsigned i = 0; i < 4; i++) {
        e = plain();
        ea_text *texts[] = {&e.title, &e.artwork, &e.shown, &e.candidates};
        *texts[i] = (ea_text){letters, 1 << 16};
        CHECK_EQ(ea_segment_impression(&segment, &e), EA_E_ARGUMENT);
    }
    e = plain();
    e.candidates = (ea_text){letters, 0}; /* not one MessagePack value */
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_E_ARGUMENT);
    e.candidates = (ea_text){0, 9}; /* none: data decides */
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_OK);
    segment = started(SIZE);
    e.title = e.artwork = (ea_text){letters, 65535}; /* a body of more than 2^17 bytes */
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_E_ARGUMENT);
    CHECK(segment.next == 0 && segment.used == 64 && !memory[64] && !memory[76]);
    segment = started(4096);
    e = plain();
    segment.struct_size--;
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_E_ARGUMENT);
    segment.struct_size++;
    segment.next = UINT32_MAX;
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_E_CAPACITY);
    segment = started(64 + 16);
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_E_CAPACITY);
    CHECK(segment.next == 0 && segment.used == 64 && !memory[64]);
    CHECK_EQ(ea_segment_append(&segment, letters, 4), EA_OK);
}

/* A structure compiled before `candidates` came: what lies past its end is not read. */
static void older_impressions(void) {
    ea_impression e = plain();
    e.struct_size = (uint32_t)offsetof(ea_impression, candidates);
    e.candidates = (ea_text){(const char *)(uintptr_t)8, 60000}; /* nowhere */
    ea_segment segment = started(SIZE);
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_OK);
    e.candidates = (ea_text){0, 0};
    buffer wanted = expected_body(&e);
    check_body(&wanted, SIZE);
    buffer_free(&wanted);
    e.struct_size--;
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_E_ARGUMENT);
}

static void reading_checks_its_arguments(void) {
    ea_segment segment = started(4096);
    CHECK_EQ(ea_segment_append(&segment, letters, 100), EA_OK);
    ea_header header = {.struct_size = sizeof header};
    ea_frame frame = {.struct_size = sizeof frame};
    CHECK_EQ(ea_segment_header(0, 4096, &header), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_header(memory, 4096, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_next(0, 4096, STREAM, &frame), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_next(memory, 4096, STREAM, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_next(memory, 4096, STREAM + 1, &frame), EA_OK);
    CHECK(!frame.body && frame.next == 4096); /* of another stream: no frame of this one */
    header.struct_size--, frame.struct_size--;
    CHECK_EQ(ea_segment_header(memory, 4096, &header), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_next(memory, 4096, STREAM, &frame), EA_E_ARGUMENT);
    ea_segment closed = {.struct_size = sizeof closed};
    CHECK_EQ(ea_segment_start(&closed, 0, 4096, 1, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_append(&closed, letters, 1), EA_E_ARGUMENT);
    closed.struct_size--;
    CHECK_EQ(ea_segment_start(&closed, memory, 4096, 1, 0, 0), EA_E_ARGUMENT);
}

/* The last sequence is no event's: a frame that claims it is none, though its checksum is right. */
static void the_last_sequence_is_none(void) {
    ea_segment segment = {.struct_size = sizeof segment};
    memset(memory, 0, SIZE);
    REQUIRE(ea_segment_start(&segment, memory, SIZE, STREAM, UINT32_MAX - 1, 0) == EA_OK);
    CHECK_EQ(ea_segment_append(&segment, letters, 5), EA_OK);
    CHECK_EQ(ea_segment_append(&segment, letters, 5), EA_E_CAPACITY);
    ea_frame frame = {.struct_size = sizeof frame};
    CHECK_EQ(ea_segment_next(memory, SIZE, STREAM, &frame), EA_OK);
    CHECK(frame.body && frame.sequence == UINT32_MAX - 1);
    uint8_t checked[16 + 5] = {STREAM, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    memcpy(checked + 16, letters, 5);
    uint32_t crc = ea_crc32c(0, checked, sizeof checked);
    for (unsigned i = 0; i < 4; i++) memory[68 + i] = (uint8_t)(crc >> 8 * i), memory[72 + i] = 255;
    frame = (ea_frame){.struct_size = sizeof frame};
    CHECK_EQ(ea_segment_next(memory, SIZE, STREAM, &frame), EA_OK);
    CHECK(!frame.body);
}

static const test_case cases[] = {
    {"bodies of impressions are as specified", bodies_are_as_specified},
    {"what is shown of a decision is its impression", shown_decisions},
    {"impressions that cannot be are refused", refused_impressions},
    {"a host compiled against the interface before candidates goes on", older_impressions},
    {"reading checks its arguments", reading_checks_its_arguments},
    {"the last sequence is no event's", the_last_sequence_is_none},
};

int main(void) {
    memory = aligned_alloc(64, SIZE);
    REQUIRE(memory);
    for (size_t i = 0; i < sizeof letters; i++) letters[i] = (char)('a' + i % 26);
    int failed = run_tests("events", cases, sizeof cases / sizeof *cases);
    free(memory);
    return failed;
}
