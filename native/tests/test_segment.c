/* SPDX-License-Identifier: Apache-2.0 */
/* The feedback log's segments: what is appended is read back, whatever died or was damaged. */
#include "build.h"
#include "edgeart.h"
#include "test.h"

#if defined(__linux__) && !defined(TEST_SANITIZED)
#define CAN_STEP 1
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#endif

#define STREAM 0x0123456789abcdefu

static ea_segment started(void *memory, size_t size) {
    ea_segment segment = {.struct_size = sizeof segment};
    REQUIRE(ea_segment_start(&segment, memory, size, STREAM, 7, 1234) == EA_OK);
    return segment;
}

static uint8_t *zeros(size_t size) {
    uint8_t *memory = aligned_alloc(8, (size + 7) & ~(size_t)7);
    REQUIRE(memory);
    memset(memory, 0, size);
    return memory;
}

static ea_impression impression(uint32_t i) {
    static const char *names[4] = {"title-7", "laugh", "a", ""};
    ea_impression e = {
        .struct_size = sizeof e, .context = 7, .n = i * 2654435761u >> 1, .total = EA_TOTAL,
        .slot_row = i, .slot_column = i % 300, .at = (uint64_t)i * 100003,
        .title = {names[i % 3], strlen(names[i % 3])}, .artwork = {"couple", 6},
    };
    if (i % 5 == 4) e.reason = EA_REASON_REDRAWN, e.total -= 17;
    if (i % 7 == 6) e.shown = (ea_text){"instead", 7};
    return e;
}

/* Number of frames, each checked to follow the one before. */
static uint32_t frames(const uint8_t *memory, size_t size, uint32_t least) {
    ea_frame frame = {.struct_size = sizeof frame, .least = least};
    for (uint32_t count = 0;; count++) {
        REQUIRE(ea_segment_next(memory, size, STREAM, &frame) == EA_OK);
        if (!frame.body) return count;
        CHECK(frame.sequence >= least && frame.body >= memory + 64);
        CHECK(frame.body + frame.size <= memory + size);
        least = frame.sequence + 1;
    }
}

static void reads_what_was_written(void) {
    size_t size = 1 << 16;
    uint8_t *memory = zeros(size), body[600];
    ea_segment segment = started(memory, size);
    uint32_t count = 0;
    uint64_t state = 5;
    for (; count < 500; count++) {
        size_t length = 1 + random_below(&state, 90);
        memset(body, (int)count, length);
        if (ea_segment_append(&segment, body, length)) break;
    }
    CHECK_EQ(count, 500);
    ea_frame frame = {.struct_size = sizeof frame, .least = 7};
    state = 5;
    for (uint32_t i = 0; i < count; i++) {
        size_t length = 1 + random_below(&state, 90);
        REQUIRE(ea_segment_next(memory, size, STREAM, &frame) == EA_OK && frame.body);
        CHECK_EQ(frame.sequence, 7 + i);
        CHECK_EQ(frame.size, length);
        CHECK(frame.body[0] == (uint8_t)i && frame.body[length - 1] == (uint8_t)i);
    }
    CHECK_EQ(frames(memory, size, 7), count);
    CHECK_EQ(frames(memory, size, 8), count - 1);
    ea_header header = {.struct_size = sizeof header};
    CHECK_EQ(ea_segment_header(memory, size, &header), EA_OK);
    CHECK(header.stream == STREAM && header.first == 7 && header.time == 1234);
    free(memory);
}

static void says_when_it_is_full(void) {
    size_t size = 256;
    uint8_t *memory = zeros(size), body[256] = {1};
    ea_segment segment = started(memory, size);
    CHECK_EQ(ea_segment_append(&segment, body, 181), EA_E_CAPACITY);
    CHECK_EQ(segment.next, 7);
    CHECK_EQ(ea_segment_append(&segment, body, 180), EA_OK);
    CHECK_EQ(segment.used, 256);
    CHECK_EQ(ea_segment_append(&segment, body, 1), EA_E_CAPACITY);
    CHECK_EQ(frames(memory, size, 7), 1);
    free(memory);
}

static void refuses_impossible_arguments(void) {
    uint8_t *memory = zeros(4096), body[8] = {0};
    ea_segment segment = {.struct_size = sizeof segment};
    CHECK_EQ(ea_segment_start(0, memory, 4096, 1, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_start(&segment, memory, 4096, 0, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_start(&segment, memory, 63, 1, 0, 0), EA_E_MEMORY);
    CHECK_EQ(ea_segment_start(&segment, memory + 1, 4000, 1, 0, 0), EA_E_ALIGNMENT);
    CHECK_EQ(ea_segment_append(&segment, body, 1), EA_E_ARGUMENT); /* not started */
    segment = started(memory, 4096);
    CHECK_EQ(ea_segment_append(&segment, body, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_append(&segment, body, (1 << 17) + 1), EA_E_ARGUMENT);
    CHECK_EQ(ea_segment_append(&segment, 0, 1), EA_E_ARGUMENT);
    ea_impression e = impression(1);
    e.title.length = 1 << 16;
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_E_ARGUMENT);
    e.struct_size = 4;
    CHECK_EQ(ea_segment_impression(&segment, &e), EA_E_ARGUMENT);
    segment.next = UINT32_MAX;
    CHECK_EQ(ea_segment_append(&segment, body, 1), EA_E_CAPACITY);
    ea_header header = {.struct_size = sizeof header};
    CHECK_EQ(ea_segment_header(memory, 63, &header), EA_E_TRUNCATED);
    memory[12] ^= 1;
    CHECK_EQ(ea_segment_header(memory, 4096, &header), EA_E_CRC);
    memory[8] = 2;
    CHECK_EQ(ea_segment_header(memory, 4096, &header), EA_E_VERSION);
    CHECK_EQ(header.format, 2);
    memory[0] = 0;
    CHECK_EQ(ea_segment_header(memory, 4096, &header), EA_E_MAGIC);
    free(memory);
}

static void survives_a_flipped_bit_anywhere(void) {
    size_t size = 8192;
    uint8_t *memory = zeros(size);
    ea_segment segment = started(memory, size);
    uint32_t count = 60;
    for (uint32_t i = 0; i < count; i++) {
        ea_impression e = impression(i);
        REQUIRE(ea_segment_impression(&segment, &e) == EA_OK);
    }
    for (size_t bit = 0; bit < segment.used * 8; bit++) {
        memory[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(frames(memory, size, 7) >= count - 1);
        memory[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    CHECK_EQ(frames(memory, size, 7), count);
    free(memory);
}

/* Random bytes, and frames whose every field is random but for the checksum, which is right. */
static void reads_no_byte_outside(void) {
    uint64_t state = 9;
    for (uint32_t trial = 0; trial < 3000 / TEST_REDUCE; trial++) {
        size_t size = random_below(&state, 700);
        uint8_t *memory = malloc(size ? size : 1);
        for (size_t i = 0; i < size; i++)
            memory[i] = (uint8_t)(random_below(&state, 4) ? 0 : next_random(&state));
        ea_frame frame = {.struct_size = sizeof frame, .next = random_below(&state, 900)};
        REQUIRE(ea_segment_next(memory, size, STREAM, &frame) == EA_OK);
        CHECK(!frame.body || frame.body + frame.size <= memory + size);
        free(memory);
    }
}

#if CAN_STEP
/* The child appends three impressions in shared memory; the parent lets it go one instruction
   at a time, and after each looks at the memory as a process would that came after a SIGKILL. */
static void survives_sigkill_at_every_instruction(void) {
    size_t size = 1024;
    uint8_t *memory =
        mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    ea_segment segment = started(memory, size);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (!child) {
        ea_impression e[3] = {impression(4), impression(6), impression(1)};
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(1);
        raise(SIGSTOP);
        for (int i = 0; i < 3; i++) ea_segment_impression(&segment, e + i);
        _exit(0);
    }
    int status;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (!WIFSTOPPED(status)) {
        printf("left out: SIGKILL at every instruction (ptrace is not allowed here)\n");
        CHECK(munmap(memory, size) == 0);
        return;
    }
    uint32_t seen = 0, steps = 0;
    for (;; steps++) {
        uint32_t now = frames(memory, size, 7);
        CHECK(now == seen || now == seen + 1);
        seen = now;
        if (ptrace(PTRACE_SINGLESTEP, child, 0, 0)) break;
        REQUIRE(waitpid(child, &status, 0) == child);
        if (WIFEXITED(status)) break;
    }
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_EQ(seen, 3);
    CHECK(steps > 300);
    CHECK(munmap(memory, size) == 0);
}
#endif

static const test_case cases[] = {
    {"what was appended is read back in order", reads_what_was_written},
    {"a full segment says so and takes nothing", says_when_it_is_full},
    {"impossible arguments are refused", refuses_impossible_arguments},
    {"a flipped bit costs one event at most", survives_a_flipped_bit_anywhere},
    {"no reading goes outside of a segment", reads_no_byte_outside},
#if CAN_STEP
    {"row 2: SIGKILL at any instruction of an append leaves whole events",
     survives_sigkill_at_every_instruction},
#endif
};

MAIN("segment", cases)
