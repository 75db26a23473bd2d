/* SPDX-License-Identifier: Apache-2.0 */
/* What limits a choice: attributes, excluded and denied rows; other scorers, hosts, fallbacks. */
#include "build.h"
#include "laws.h"
#include "test.h"

#include <math.h>

enum { TITLES = 40, MOST = 40 * 24 };

static const recipe_feature feature = {EA_FEATURE_VECTOR, "x", 5, 0, 0, 0, 16, 0};
static const char *const attributes[] = {"kids", "de", "fr", "violence", "new"};
static const recipe_cell cells[] = {{"hold", .3, EA_EXPLORER_FIXED, .02, 0}};
static uint32_t artworks[TITLES], rows;

static const struct {
    uint32_t explorer;
    double floor, parameter;
} explorers[] = {
    {EA_EXPLORER_FIXED, 0, 0},       {EA_EXPLORER_UNIFORM, 0, 0},
    {EA_EXPLORER_GREEDY, 0, 0},      {EA_EXPLORER_EPSILON_GREEDY, 0, .3},
    {EA_EXPLORER_SOFTMAX, 0, .4},    {EA_EXPLORER_SQUARECB, .01, 20},
    {EA_EXPLORER_THOMPSON, 0, 1},    {EA_EXPLORER_THOMPSON, .02, .3},
    {EA_EXPLORER_UCB, .01, 2},       {EA_EXPLORER_UCB, 0, .5},
};
enum { EXPLORERS = sizeof explorers / sizeof *explorers };

static recipe base(size_t i) {
    return (recipe){
        .explorer = explorers[i].explorer, .floor = explorers[i].floor,
        .parameter = explorers[i].parameter, .features = &feature, .feature_count = 1,
        .title_count = TITLES, .artworks = artworks, .rows = i % 2 ? EA_ROWS_I8 : EA_ROWS_F32,
        .seed = 90 + i, .attributes = attributes, .attribute_count = 5, .cells = cells,
        .cell_count = i % 3 == 0, .variance = EA_VARIANCE_E5M3, .variance_scale = .1f};
}

static uint64_t random_context(fixture *f, uint64_t *state) {
    float x[5];
    for (unsigned i = 0; i < 5; i++) x[i] = (float)(2 * random_unit(state) - 1);
    buffer map = vector_map(x, 5);
    uint64_t unit = next_random(state);
    REQUIRE(ea_context_encode(f->policy, f->context, f->context_size, map.bytes, map.length,
                              next_random(state), unit, 0) == EA_OK);
    buffer_free(&map);
    return unit;
}

static void random_bits(uint8_t *bits, uint64_t *state, uint32_t of) {
    memset(bits, 0, MOST / 8);
    for (uint32_t r = 0; r < rows; r++)
        if (!random_below(state, of)) bits[r / 8] |= (uint8_t)(1u << r % 8);
}

/* Limits of every kind, each now and then absent, bitmaps now and then shorter than the rows. */
static ea_limits random_limits(uint8_t *denied, uint8_t *excluded, uint64_t *state) {
    ea_limits limits = {.struct_size = sizeof limits};
    random_bits(denied, state, 1 + random_below(state, 5));
    random_bits(excluded, state, 1 + random_below(state, 5));
    if (random_below(state, 3)) {
        limits.denied = denied;
        limits.denied_size = random_below(state, 4) ? rows / 8 + 1 : random_below(state, rows / 8);
    }
    if (random_below(state, 3)) {
        limits.excluded = excluded;
        limits.excluded_size = random_below(state, 4) ? rows / 8 + 1 : random_below(state, 9);
    }
    if (random_below(state, 2)) limits.required = 1u << random_below(state, 5);
    if (random_below(state, 2)) limits.forbidden = 1u << random_below(state, 5);
    if (!random_below(state, 30)) limits.required = 1u << 20; /* no artwork has a bit unnamed */
    return limits;
}

static void laws_hold(void) {
    uint64_t state = 91;
    uint8_t denied[MOST / 8], excluded[MOST / 8];
    for (size_t e = 0; e < EXPLORERS; e++) {
        recipe r = base(e);
        fixture f = open_fixture(build_bundle(&r));
        for (unsigned trial = 0; trial < 60 / TEST_REDUCE + 5; trial++) {
            uint64_t unit = random_context(&f, &state);
            ea_limits limits = random_limits(denied, excluded, &state);
            uint32_t titles[TITLES];
            ea_decision page[TITLES], single;
            for (uint32_t t = 0; t < TITLES; t++) titles[t] = t;
            CHECK_EQ(ea_select_page(f.policy, f.context, titles, TITLES, &limits, page), EA_OK);
            for (uint32_t t = 0; t < TITLES; t++) {
                const char *wrong = breaks_a_law(f.policy, f.context, unit, t, &limits);
                CHECK(!wrong);
                if (wrong) printf("    explorer %zu: %s\n", e, wrong);
                CHECK_EQ(ea_select(f.policy, f.context, t, &limits, &single), EA_OK);
                CHECK(!memcmp(&single, page + t, sizeof single));
            }
        }
        close_fixture(&f);
    }
}

/* Everything is as if those that are not eligible did not exist: a bundle without them decides the
   same, seed by seed, and each denial in it. */
static void as_if_they_did_not_exist(void) {
    static const char names[26][2] = {"a", "b", "c", "d", "e", "f", "g", "h", "i",
                                      "j", "k", "l", "m", "n", "o", "p", "q", "r",
                                      "s", "t", "u", "v", "w", "x", "y", "z"};
    uint64_t state = 92;
    for (size_t e = 0; e < EXPLORERS; e++) {
        enum { ALL = 24 };
        float weights[ALL * 6], bias[ALL], fewer[ALL * 6], fewer_bias[ALL];
        uint8_t codes[ALL * 6], fewer_codes[ALL * 6], excluded[ALL / 8] = {0}, denied[MOST / 8];
        uint8_t fewer_denied[ALL / 8] = {0};
        const char *ids[ALL], *fewer_ids[ALL];
        uint32_t all[2] = {14, 10}, kept[2] = {0, 0}, masks[ALL], place[ALL], count = 0;
        random_bits(denied, &state, 4);
        for (uint32_t i = 0; i < ALL; i++) {
            int out = i % 14 && random_below(&state, 2); /* one of each title stays */
            int by_mask = out && random_below(&state, 2);
            ids[i] = names[i];
            bias[i] = (float)random_unit(&state);
            masks[i] = by_mask ? 1 + 4 * random_below(&state, 2) : 4 * random_below(&state, 2) + 2;
            if (out && !by_mask) excluded[i / 8] |= (uint8_t)(1u << i % 8);
            for (unsigned j = 0; j < 6; j++) {
                weights[i * 6 + j] = (float)(2 * random_unit(&state) - 1);
                codes[i * 6 + j] = (uint8_t)(200 + random_below(&state, 50));
            }
            place[i] = EA_NONE;
            if (out) continue;
            place[i] = count;
            fewer_ids[count] = ids[i];
            fewer_bias[count] = bias[i];
            memcpy(fewer + count * 6, weights + i * 6, 6 * sizeof *weights);
            memcpy(fewer_codes + count * 6, codes + i * 6, 6);
            if (denied[i / 8] >> i % 8 & 1)
                fewer_denied[count / 8] |= (uint8_t)(1u << count % 8);
            kept[i >= 14]++;
            count++;
        }
        recipe r = base(e), s = base(e);
        r.title_count = s.title_count = 2;
        r.rows = s.rows = EA_ROWS_F32;
        r.artworks = all, r.artwork_ids = ids, r.weights = weights, r.bias = bias;
        r.variance_codes = codes, r.masks = masks;
        s.artworks = kept, s.artwork_ids = fewer_ids, s.weights = fewer, s.bias = fewer_bias;
        s.variance_codes = fewer_codes;
        fixture f = open_fixture(build_bundle(&r)), g = open_fixture(build_bundle(&s));
        for (unsigned trial = 0; trial < 100; trial++) {
            uint64_t before = state;
            random_context(&f, &state);
            state = before;
            random_context(&g, &state);
            ea_limits limits = {sizeof limits, 0, trial % 2 ? denied : 0,
                                trial % 2 ? ALL / 8 : 0, excluded, sizeof excluded, 2, 1};
            ea_limits alone = {.struct_size = sizeof alone, .denied = fewer_denied,
                               .denied_size = trial % 2 ? sizeof fewer_denied : 0};
            for (uint32_t t = 0; t < 2; t++) {
                ea_decision d, wanted;
                CHECK_EQ(ea_select(f.policy, f.context, t, &limits, &d), EA_OK);
                CHECK_EQ(ea_select(g.policy, g.context, t, &alone, &wanted), EA_OK);
                d.row = d.row == EA_NONE ? EA_NONE : place[d.row];
                CHECK(!memcmp(&d, &wanted, sizeof d));
                limits.denied_size = 0;
                CHECK_EQ(ea_fallback(f.policy, t, &limits, &d), EA_OK);
                CHECK_EQ(d.row, t ? 14 : 0);
                limits.denied_size = trial % 2 ? ALL / 8 : 0;
            }
        }
        close_fixture(&f);
        close_fixture(&g);
    }
}

static void no_masks(void) {
    recipe r = base(4);
    r.attribute_count = 0;
    fixture f = open_fixture(build_bundle(&r));
    uint64_t state = 93;
    ea_decision d;
    ea_candidate c[MOST];
    uint32_t mask = 9, count, total;
    ea_text name;
    random_context(&f, &state);
    ea_limits limits = {.struct_size = sizeof limits, .forbidden = UINT32_MAX};
    CHECK_EQ(ea_select(f.policy, f.context, 3, &limits, &d), EA_OK);
    CHECK_EQ(d.reason, EA_REASON_POLICY); /* nothing has what is forbidden */
    limits.required = 1;
    CHECK_EQ(ea_select(f.policy, f.context, 3, &limits, &d), EA_OK);
    CHECK(d.reason == EA_REASON_NONE && d.row == EA_NONE && d.n == 0 && d.total == EA_TOTAL);
    CHECK_EQ(ea_propensities(f.policy, f.context, 3, &limits, c, 0, &count, &total), EA_OK);
    CHECK(count == 0 && total == EA_TOTAL);
    CHECK_EQ(ea_fallback(f.policy, 3, &limits, &d), EA_OK);
    CHECK(d.reason == EA_REASON_NONE && d.row == EA_NONE);
    CHECK_EQ(ea_artwork_mask(f.policy, 0, &mask), EA_OK);
    CHECK_EQ(mask, 0);
    CHECK_EQ(f.info.attributes, 0);
    CHECK_EQ(ea_policy_attribute(f.policy, 0, &name), EA_E_ARGUMENT);
    close_fixture(&f);
}

static void attributes_have_names(void) {
    static const char *const all[32] = {
        "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9", "b10", "b11", "b12", "b13",
        "b14", "b15", "b16", "b17", "b18", "b19", "b20", "b21", "b22", "b23", "b24", "b25", "b26",
        "b27", "b28", "b29", "b30", "b31"};
    recipe r = base(5);
    uint32_t masks[MOST], mask;
    ea_text name;
    for (uint32_t i = 0; i < rows; i++) masks[i] = i * 2654435761u;
    r.attributes = all, r.attribute_count = 32, r.masks = masks;
    fixture f = open_fixture(build_bundle(&r));
    CHECK_EQ(f.info.attributes, 32);
    for (uint32_t i = 0; i < 32; i++) {
        CHECK_EQ(ea_policy_attribute(f.policy, i, &name), EA_OK);
        CHECK(name.length == strlen(all[i]) && !memcmp(name.data, all[i], name.length));
    }
    CHECK_EQ(ea_policy_attribute(f.policy, 32, &name), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_attribute(f.policy, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_attribute(0, 0, &name), EA_E_ARGUMENT);
    for (uint32_t i = 0; i < rows; i++) {
        CHECK_EQ(ea_artwork_mask(f.policy, i, &mask), EA_OK);
        CHECK(mask == masks[i]);
    }
    CHECK_EQ(ea_artwork_mask(f.policy, rows, &mask), EA_E_ARGUMENT);
    CHECK_EQ(ea_artwork_mask(f.policy, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_artwork_mask(0, 0, &mask), EA_E_ARGUMENT);
    uint64_t state = 94;
    uint64_t unit = random_context(&f, &state);
    for (unsigned i = 0; i < 200; i++) {
        ea_limits limits = {.struct_size = sizeof limits, .required = 1u << i % 32,
                            .forbidden = 1u << random_below(&state, 32)};
        CHECK(!breaks_a_law(f.policy, f.context, unit, i % TITLES, &limits));
    }
    close_fixture(&f);
}

/* Another scorer's numbers decide as the policy's would, and are looked at before they are used. */
static void other_scorers(void) {
    recipe r = base(6);
    fixture f = open_fixture(build_bundle(&r));
    uint64_t state = 95;
    uint32_t title = 25, count, first, n[32];
    float s[32], v[32];
    double probability[32];
    uint64_t counts[32] = {0};
    CHECK_EQ(ea_title_info(f.policy, title, 0, &first, &count), EA_OK);
    for (uint32_t i = 0; i < count; i++) s[i] = (float)random_unit(&state), v[i] = .1f;
    ea_decision d;
    ea_explorer e;
    uint32_t tried = 0;
    while (tried < 20000 / TEST_REDUCE) {
        uint64_t unit = random_context(&f, &state);
        if (ea_policy_cell_of(f.policy, unit)) continue;
        tried++;
        REQUIRE(explorer_of(f.policy, unit, title, &e));
        CHECK_EQ(ea_select_scored(f.policy, f.context, title, s, v, 0, &d), EA_OK);
        CHECK(d.row >= first && d.row < first + count && d.score == s[d.row - first]);
        counts[d.row - first]++;
    }
    CHECK_EQ(ea_explore(&e, s, v, count, n), EA_OK);
    for (uint32_t i = 0; i < count; i++) probability[i] = n[i] * 0x1p-31;
    check_chi_square("another scorer", counts, probability, count);

    ea_decision untouched = {7, 7, 7, 7, 7, 7, 7}, same = untouched;
    static const float bad[] = {NAN, INFINITY, -INFINITY, 0x1p51f};
    for (unsigned i = 0; i < 4; i++) {
        float was = s[count - 1];
        s[count - 1] = bad[i];
        CHECK_EQ(ea_select_scored(f.policy, f.context, title, s, v, 0, &same), EA_E_RANGE);
        s[count - 1] = was;
        v[0] = i ? bad[i] : -1;
        CHECK_EQ(ea_select_scored(f.policy, f.context, title, s, v, 0, &same),
                 i == 3 ? EA_OK : EA_E_RANGE); /* 2^51 is a variance, not a score */
        v[0] = .1f;
        if (i < 3) CHECK(!memcmp(&same, &untouched, sizeof same));
    }
    ea_limits nowhere = {.struct_size = sizeof nowhere, .excluded_size = 1};
    ea_candidate c[32];
    uint32_t total;
    CHECK_EQ(ea_propensities_scored(f.policy, f.context, title, s, v, 0, c, 32, &count, &total),
             EA_OK);
    CHECK_EQ(total, EA_TOTAL);
    for (uint32_t i = 0; i < count; i++) CHECK(c[i].row == first + i && c[i].score == s[i]);
    s[0] = NAN;
    CHECK_EQ(ea_propensities_scored(f.policy, f.context, title, s, v, 0, c, 32, 0, 0), EA_E_RANGE);
    s[0] = .5f;
    CHECK_EQ(ea_propensities_scored(f.policy, f.context, title, s, 0, 0, c, 32, 0, 0),
             EA_E_ARGUMENT);
    CHECK_EQ(ea_propensities_scored(f.policy, f.context, title, 0, v, 0, c, 32, 0, 0),
             EA_E_ARGUMENT);
    CHECK_EQ(ea_propensities_scored(f.policy, f.context, title, s, v, 0, 0, 32, 0, 0),
             EA_E_ARGUMENT);
    CHECK_EQ(ea_propensities_scored(f.policy, f.context, title, s, v, 0, c, 1, 0, 0),
             EA_E_CAPACITY);
    CHECK_EQ(ea_propensities_scored(f.policy, f.context, TITLES, s, v, 0, c, 32, 0, 0),
             EA_E_TITLE);
    CHECK_EQ(ea_select_scored(f.policy, f.context, title, s, 0, 0, &d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_scored(f.policy, f.context, title, 0, v, 0, &d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_scored(f.policy, f.context, title, s, v, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_scored(f.policy, f.context, title, s, v, &nowhere, &d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_scored(f.policy, f.context, TITLES, s, v, 0, &d), EA_E_TITLE);
    CHECK_EQ(ea_select_scored(f.policy, f.context, EA_NONE, s, v, 0, &d), EA_E_TITLE);
    CHECK_EQ(ea_select_scored(f.policy, 0, title, s, v, 0, &d), EA_E_ARGUMENT);
    close_fixture(&f);
    r = base(4); /* softmax asks for no variances */
    f = open_fixture(build_bundle(&r));
    random_context(&f, &state);
    CHECK_EQ(ea_select_scored(f.policy, f.context, title, s, 0, 0, &d), EA_OK);
    close_fixture(&f);
}

static void hosts(void) {
    recipe r = base(5);
    fixture f = open_fixture(build_bundle(&r));
    uint64_t state = 96, counts[7] = {0};
    double probability[7];
    ea_decision d, again;
    for (unsigned i = 0; i < 7; i++) probability[i] = 1 / 7.0;
    for (unsigned i = 0; i < 30000 / TEST_REDUCE; i++) {
        uint64_t unit = random_context(&f, &state);
        CHECK_EQ(ea_select_host(f.policy, f.context, "new title", 9, 7, &d), EA_OK);
        CHECK_EQ(ea_select_host(f.policy, f.context, "new title", 9, 7, &again), EA_OK);
        CHECK(!memcmp(&d, &again, sizeof d));
        CHECK(d.row < 7 && d.title == EA_NONE && d.reason == EA_REASON_HOST_UNIFORM);
        CHECK(d.cell == ea_policy_cell_of(f.policy, unit) && d.score == 0);
        CHECK(d.total == EA_TOTAL && d.n == EA_TOTAL / 7 + (d.row ? 0 : EA_TOTAL % 7));
        counts[d.row]++;
    }
    check_chi_square("host's artworks", counts, probability, 7);
    unsigned differ = 0;
    for (unsigned i = 0; i < 100; i++) {
        char id[2] = {(char)(i + 1), 0};
        CHECK_EQ(ea_select_host(f.policy, f.context, id, 1, 256, &again), EA_OK);
        differ += again.row != d.row;
        d = again;
    }
    CHECK(differ > 90); /* each title has a draw of its own */
    CHECK_EQ(ea_select_host(f.policy, f.context, 0, 0, 1, &d), EA_OK);
    CHECK(d.row == 0 && d.n == EA_TOTAL);
    CHECK_EQ(ea_select_host(f.policy, f.context, 0, 1, 1, &d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_host(f.policy, f.context, "a", 1, 0, &d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_host(f.policy, f.context, "a", 1, 257, &d), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_host(f.policy, f.context, "a", 1, 2, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_select_host(f.policy, 0, "a", 1, 2, &d), EA_E_ARGUMENT);
    memset(f.context, 0, f.context_size);
    CHECK_EQ(ea_select_host(f.policy, f.context, "a", 1, 2, &d), EA_E_FOREIGN);
    close_fixture(&f);
}

/* A title that the bundle has is drawn for a host as the bundle would draw it uniformly. */
static void hosts_draw_alike(void) {
    recipe r = base(1);
    r.cell_count = 0;
    fixture f = open_fixture(build_bundle(&r));
    uint64_t state = 97;
    for (unsigned i = 0; i < 200; i++) {
        uint32_t title = random_below(&state, TITLES), first, count;
        ea_decision d, host;
        ea_text id;
        random_context(&f, &state);
        CHECK_EQ(ea_title_info(f.policy, title, &id, &first, &count), EA_OK);
        CHECK_EQ(ea_select(f.policy, f.context, title, 0, &d), EA_OK);
        CHECK_EQ(ea_select_host(f.policy, f.context, id.data, id.length, count, &host), EA_OK);
        CHECK(d.row == first + host.row && d.n == host.n);
    }
    close_fixture(&f);
}

static void fallbacks(void) {
    recipe r = base(2);
    fixture f = open_fixture(build_bundle(&r));
    ea_decision d;
    ea_limits nowhere = {.struct_size = sizeof nowhere, .denied_size = 1};
    CHECK_EQ(ea_fallback(f.policy, 0, 0, &d), EA_OK);
    CHECK(d.title == 0 && d.row == 0 && d.n == 0 && d.total == EA_TOTAL && d.cell == 0);
    CHECK(d.reason == EA_REASON_FALLBACK && d.score == 0);
    CHECK_EQ(ea_fallback(f.policy, EA_NONE, 0, &d), EA_OK);
    CHECK(d.title == EA_NONE && d.row == EA_NONE && d.reason == EA_REASON_UNKNOWN_TITLE);
    CHECK_EQ(ea_fallback(f.policy, TITLES, 0, &d), EA_E_TITLE);
    CHECK_EQ(ea_fallback(f.policy, 0, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_fallback(f.policy, 0, &nowhere, &d), EA_E_ARGUMENT);
    CHECK_EQ(ea_fallback(0, 0, 0, &d), EA_E_ARGUMENT);
    close_fixture(&f);
}

static const test_case cases[] = {
    {"every decision under any limits keeps the laws", laws_hold},
    {"what is not eligible might as well not exist", as_if_they_did_not_exist},
    {"a bundle without masks has no attribute", no_masks},
    {"attributes have names, artworks have attributes", attributes_have_names},
    {"another scorer's numbers decide alike, if they are numbers", other_scorers},
    {"a host's artworks are drawn uniformly", hosts},
    {"a host's draw is the bundle's", hosts_draw_alike},
    {"without a context the first that may be shown is shown", fallbacks},
};

int main(void) {
    for (uint32_t t = 0; t < TITLES; t++) rows += artworks[t] = t < 9 ? 1 + t % 3 : 2 + t % 22;
    REQUIRE(rows <= MOST);
    return run_tests("limits", cases, sizeof cases / sizeof *cases);
}
