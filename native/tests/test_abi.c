/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts compiled against an older interface: structures of smaller size, and nothing past it. */
#include "build.h"
#include "test.h"

static const recipe_feature features[] = {
    {EA_FEATURE_NUMBER, "hour", 0, 0, 12, 6, 8, 1},
    {EA_FEATURE_VECTOR, "x", 3, 0, 0, 0, 16, 0},
};
static const recipe_layer layers[] = {{EA_ACTIVATION_TANH, 5, EA_ROWS_F32, 0, 0, 0}};
static const recipe_cell cells[] = {{"hold", .5, EA_EXPLORER_UNIFORM, 0, 0}};
static const char *const attributes[] = {"kids"};

static fixture open_rich(void) {
    return open_fixture(build_bundle(&(recipe){
        .explorer = EA_EXPLORER_UCB, .parameter = 2, .features = features, .feature_count = 2,
        .title_count = 3, .each = 4, .layers = layers, .layer_count = 1, .cells = cells,
        .cell_count = 1, .salt = "s", .attributes = attributes, .attribute_count = 1,
        .scaled = 1, .variance = EA_VARIANCE_E5M3, .seed = 1}));
}

/* Of the structures that are written: those before `size` are, nothing from there on is; and the
   size itself stays. Each size from `first` on is taken, also one that a later version has. */
typedef int32_t writer(void *policy, void *structure);

static void check_written(writer *write, fixture *f, size_t first, size_t full) {
    enum { MOST = 256 };
    _Alignas(16) uint8_t complete[MOST], part[MOST];
    uint32_t size = (uint32_t)full;
    memset(complete, 0xa5, MOST);
    memcpy(complete, &size, 4);
    CHECK_EQ(write(f, complete), EA_OK);
    for (size = 0; size < first; size++) {
        memset(part, 0xa5, MOST);
        memcpy(part, &size, 4);
        CHECK_EQ(write(f, part), EA_E_ARGUMENT);
        for (size_t i = 4; i < MOST; i++) CHECK(part[i] == 0xa5);
    }
    for (; size < full + 40; size++) {
        size_t known = size >= full ? full : first;
        uint32_t kept;
        memset(part, 0xa5, MOST);
        memcpy(part, &size, 4);
        CHECK_EQ(write(f, part), EA_OK);
        memcpy(&kept, part, 4);
        CHECK_EQ(kept, size);
        CHECK(!memcmp(part + 4, complete + 4, known - 4));
        for (size_t i = known; i < MOST; i++) CHECK(part[i] == 0xa5);
    }
}

static int32_t write_info(void *f, void *to) {
    return ea_policy_info(((fixture *)f)->policy, to);
}

static int32_t write_feature(void *f, void *to) {
    return ea_policy_feature(((fixture *)f)->policy, 1, to);
}

static int32_t write_layer(void *f, void *to) {
    return ea_policy_layer(((fixture *)f)->policy, 0, to);
}

static int32_t write_cell(void *f, void *to) {
    return ea_policy_cell(((fixture *)f)->policy, 1, to, 0, 0);
}

static int32_t write_report(void *given, void *to) {
    fixture *f = given;
    static const uint8_t empty[] = {0x80};
    return ea_context_encode(f->policy, f->context, f->context_size, empty, 1, 1, 2, to);
}

static int32_t write_header(void *f, void *to) {
    static _Alignas(8) uint8_t memory[128];
    ea_segment segment = {.struct_size = sizeof segment};
    (void)f;
    memset(memory, 0, sizeof memory);
    REQUIRE(ea_segment_start(&segment, memory, sizeof memory, 5, 6, 7) == EA_OK);
    return ea_segment_header(memory, sizeof memory, to);
}

static void written_structures(void) {
    fixture f = open_rich();
    check_written(write_info, &f, offsetof(ea_info, layers), sizeof(ea_info));
    check_written(write_feature, &f, sizeof(ea_feature), sizeof(ea_feature));
    check_written(write_layer, &f, sizeof(ea_layer), sizeof(ea_layer));
    check_written(write_cell, &f, sizeof(ea_explorer), sizeof(ea_explorer));
    check_written(write_report, &f, sizeof(ea_report), sizeof(ea_report));
    check_written(write_header, &f, sizeof(ea_header), sizeof(ea_header));
    close_fixture(&f);
}

/* Fields past a caller's struct_size count as 0, whatever the memory there holds. */
static void older_limits(void) {
    fixture f = open_rich();
    buffer empty = {0, 0, 0};
    put_map(&empty, 0);
    set_context(&f, &empty, 3);
    uint8_t denied[2] = {0x10, 0}, excluded[2] = {0xff, 0xff};
    ea_limits newest = {sizeof newest, 0, denied, 2, excluded, 2, UINT32_MAX, UINT32_MAX};
    const uint32_t first = (uint32_t)offsetof(ea_limits, excluded);
    ea_decision d, wanted;
    ea_candidate c[4];
    uint32_t count;
    ea_limits plain = {.struct_size = sizeof plain, .denied = denied, .denied_size = 2};
    CHECK_EQ(ea_select(f.policy, f.context, 1, &newest, &d), EA_OK);
    CHECK_EQ(d.reason, EA_REASON_NONE);
    CHECK_EQ(ea_select(f.policy, f.context, 1, &plain, &wanted), EA_OK);
    for (uint32_t size = 0; size < sizeof newest + 40; size++) {
        newest.struct_size = size;
        int32_t status = size < first ? EA_E_ARGUMENT : EA_OK;
        CHECK_EQ(ea_select(f.policy, f.context, 1, &newest, &d), status);
        CHECK_EQ(ea_fallback(f.policy, 1, &newest, &d), status);
        CHECK_EQ(ea_propensities(f.policy, f.context, 1, &newest, c, 4, &count, 0), status);
        if (status) continue;
        CHECK_EQ(count, size < sizeof newest ? 4 : 0);
        CHECK_EQ(ea_select(f.policy, f.context, 1, &newest, &d), EA_OK);
        if (size < sizeof newest) CHECK(!memcmp(&d, &wanted, sizeof d));
        else CHECK_EQ(d.reason, EA_REASON_NONE);
    }
    buffer_free(&empty);
    close_fixture(&f);
}

static void read_structures(void) {
    float scores[3] = {0, 1, 2};
    uint32_t n[3];
    for (uint32_t size = 0; size < 64; size++) {
        ea_explorer e = {size, EA_EXPLORER_GREEDY, 0, 0};
        CHECK_EQ(ea_explore(&e, scores, 0, 3, n), size < sizeof e ? EA_E_ARGUMENT : EA_OK);
    }
}

static void enough_for_the_object(void) {
    fixture f = open_rich();
    static const uint8_t empty[] = {0x80};
    CHECK(ea_policy_size() % 16 == 0 && f.context_size % 16 == 0);
    CHECK(ea_policy_size() < 1 << 16);
    CHECK_EQ(ea_context_encode(f.policy, f.context, f.context_size - 1, empty, 1, 0, 0, 0),
             EA_E_MEMORY);
    CHECK_EQ(ea_context_encode(f.policy, f.context, f.context_size, empty, 1, 0, 0, 0), EA_OK);
    CHECK_EQ(ea_context_size(0), 0);
    close_fixture(&f);
}

static const test_case cases[] = {
    {"structures that are written keep to the caller's size", written_structures},
    {"limits of an older host limit what it knows", older_limits},
    {"structures that are read have their size", read_structures},
    {"objects fit the size that is told", enough_for_the_object},
};

MAIN("abi", cases)
