/* SPDX-License-Identifier: Apache-2.0 */
/* One policy, several threads: every answer is the one computed alone; none takes much stack. */
#include "build.h"
#include "test.h"

#include <pthread.h>

enum { TITLES = 500, CONTEXTS = 16, SELECTS = 200000 / TEST_REDUCE };

static const recipe_feature feature = {EA_FEATURE_VECTOR, "x", 7, 0, 0, 0, 16, 0};
static fixture shared;
static ea_context *contexts[CONTEXTS];
static ea_decision expected[CONTEXTS][TITLES];

static recipe base(uint32_t rows, uint64_t seed) {
    return (recipe){.explorer = EA_EXPLORER_SQUARECB, .floor = .01, .parameter = 10,
                    .features = &feature, .feature_count = 1, .title_count = TITLES, .each = 8,
                    .rows = rows, .seed = seed};
}

static buffer some_map(unsigned i) {
    float x[7];
    uint64_t state = i;
    for (unsigned j = 0; j < 7; j++) x[j] = (float)(2 * random_unit(&state) - 1);
    return vector_map(x, 7);
}

typedef struct {
    uint64_t seed;
    unsigned wrong;
} worker;

/* Half of the answers with a context of its own, encoded on the way. */
static void *select_many(void *argument) {
    worker *self = argument;
    void *memory = 0;
    if (posix_memalign(&memory, 16, shared.context_size)) return 0;
    for (unsigned i = 0; i < SELECTS; i++) {
        uint32_t c = random_below(&self->seed, CONTEXTS), t = random_below(&self->seed, TITLES);
        const ea_context *context = contexts[c];
        ea_decision d;
        if (i % 2) {
            buffer map = some_map(c);
            self->wrong += ea_context_encode(shared.policy, memory, shared.context_size,
                                             map.bytes, map.length, c, 0, 0) != EA_OK;
            buffer_free(&map);
            context = memory;
        }
        self->wrong += ea_select(shared.policy, context, t, 0, &d) != EA_OK ||
                       memcmp(&d, &expected[c][t], sizeof d) != 0;
    }
    free(memory);
    return 0;
}

/* Opens other bundles, good and broken, in memory of its own. */
static void *open_many(void *argument) {
    worker *self = argument;
    recipe small = base(EA_ROWS_F32, 99), large = base(EA_ROWS_I8, 98);
    small.title_count = 3;
    buffer bundles[2] = {build_bundle(&small), build_bundle(&large)};
    void *memory = 0;
    if (posix_memalign(&memory, 16, ea_policy_size())) return 0;
    for (unsigned i = 0; i < 2000 / TEST_REDUCE; i++) {
        const buffer *b = bundles + i % 2;
        int broken = i % 4 > 1;
        int32_t status =
            ea_policy_open(memory, ea_policy_size(), b->bytes, b->length - (size_t)broken, 0);
        self->wrong += status != (broken ? EA_E_CRC : EA_OK);
    }
    free(memory);
    buffer_free(bundles);
    buffer_free(bundles + 1);
    return 0;
}

static void answers_are_the_same(void) {
    recipe r = base(EA_ROWS_I8, 28);
    shared = open_fixture(build_bundle(&r));
    for (unsigned c = 0; c < CONTEXTS; c++) {
        void *memory = 0;
        REQUIRE(posix_memalign(&memory, 16, shared.context_size) == 0);
        contexts[c] = memory;
        buffer map = some_map(c);
        REQUIRE(ea_context_encode(shared.policy, contexts[c], shared.context_size, map.bytes,
                                  map.length, c, 0, 0) == EA_OK);
        buffer_free(&map);
        for (uint32_t t = 0; t < TITLES; t++)
            REQUIRE(ea_select(shared.policy, contexts[c], t, 0, &expected[c][t]) == EA_OK);
    }
    pthread_t threads[3];
    worker workers[3] = {{1, 0}, {2, 0}, {3, 0}};
    for (unsigned i = 0; i < 3; i++)
        REQUIRE(!pthread_create(threads + i, 0, i < 2 ? select_many : open_many, workers + i));
    for (unsigned i = 0; i < 3; i++) {
        REQUIRE(!pthread_join(threads[i], 0));
        CHECK_EQ(workers[i].wrong, 0);
    }
    for (unsigned c = 0; c < CONTEXTS; c++) free(contexts[c]);
    close_fixture(&shared);
}

/* ---- stack ---- */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(TEST_SANITIZED)

enum { STACK = 256 * 1024, PROMISED = 32 * 1024 };

static fixture widest;
static buffer widest_map;

/* Everything that takes stack: opening with its checksum tables, encoding through the tower,
   deciding under denial, candidates of another scorer, verification. */
static void *use_stack(void *argument) {
    uint8_t *all = argument;
    ea_limits limits = {.struct_size = sizeof limits, .denied = all, .denied_size = 64};
    ea_decision d;
    static ea_candidate c[EA_MAX_CANDIDATES];
    static float scores[EA_MAX_CANDIDATES], variances[EA_MAX_CANDIDATES];
    static uint32_t n[EA_MAX_CANDIDATES];
    static const ea_explorer thompson = {sizeof thompson, EA_EXPLORER_THOMPSON, 0, 1};
    uint64_t hash;
    if (!all) return 0; /* how much a thread takes that does nothing */
    for (unsigned i = 0; i < EA_MAX_CANDIDATES; i++) variances[i] = 1;
    ea_policy_open(widest.policy, ea_policy_size(), widest.bundle.bytes, widest.bundle.length, 0);
    ea_context_encode(widest.policy, widest.context, widest.context_size, widest_map.bytes,
                      widest_map.length, 1, 0, 0);
    for (uint32_t t = 0; t < widest.info.titles; t++) {
        ea_select(widest.policy, widest.context, t, &limits, &d);
        ea_select_scored(widest.policy, widest.context, t, scores, variances, &limits, &d);
        ea_propensities(widest.policy, widest.context, t, &limits, c, EA_MAX_CANDIDATES, 0, 0);
    }
    ea_select_host(widest.policy, widest.context, "a", 1, EA_MAX_CANDIDATES, &d);
    ea_explore(&thompson, scores, variances, EA_MAX_CANDIDATES, n);
    ea_context_hash(widest.policy, widest.context, &hash);
    ea_policy_verify(widest.policy, widest.context, widest.context_size, 0);
    return 0;
}

/* How deep a thread wrote into a stack that was painted before. */
static size_t stack_used(void *argument) {
    uint8_t *stack = 0;
    pthread_attr_t attributes;
    pthread_t thread;
    void *memory = 0;
    REQUIRE(posix_memalign(&memory, 4096, STACK) == 0);
    stack = memory;
    memset(stack, 0x5a, STACK);
    REQUIRE(!pthread_attr_init(&attributes));
    REQUIRE(!pthread_attr_setstack(&attributes, stack, STACK));
    REQUIRE(!pthread_create(&thread, &attributes, use_stack, argument));
    REQUIRE(!pthread_join(thread, 0));
    size_t untouched = 0;
    while (untouched < STACK && stack[untouched] == 0x5a) untouched++;
    pthread_attr_destroy(&attributes);
    free(memory);
    return STACK - untouched;
}

static void stack_is_bounded(void) {
    static uint8_t denied[128];
    static const uint32_t kinds[] = {EA_EXPLORER_SOFTMAX, EA_EXPLORER_GREEDY,
                                     EA_EXPLORER_THOMPSON};
    static const recipe_layer layers[] = {{EA_ACTIVATION_RELU, 1024, EA_ROWS_I8, 0, 0, 0},
                                          {EA_ACTIVATION_TANH, 9, EA_ROWS_F32, 0, 0, 0}};
    memset(denied, 0x7f, sizeof denied);
    for (unsigned i = 0; i < 3; i++) {
        recipe r = base(EA_ROWS_F32, 29);
        r.explorer = kinds[i];
        r.floor = 0;
        r.parameter = i == 1 ? 0 : .1;
        r.title_count = 4;
        r.each = 256;
        r.layers = layers, r.layer_count = 2;
        r.variance = EA_VARIANCE_E5M3;
        widest_map = some_map(1);
        r.contexts = &widest_map;
        r.context_count = 1;
        widest = open_fixture(build_bundle(&r));
        size_t nothing = stack_used(0), everything = stack_used(denied);
        CHECK(everything > nothing && everything - nothing <= PROMISED);
        buffer_free(&widest_map);
        close_fixture(&widest);
    }
}

#endif

static const test_case cases[] = {
    {"two threads decide while a third opens, and all is right", answers_are_the_same},
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(TEST_SANITIZED)
    {"no call takes more than 32 KiB of stack", stack_is_bounded},
#endif
};

MAIN("threads", cases)
