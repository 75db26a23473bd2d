/* SPDX-License-Identifier: Apache-2.0 */
/* Cells: which units fall into which, and that each is decided by its own explorer. */
#include "build.h"
#include "laws.h"
#include "test.h"

static const recipe_feature feature = {EA_FEATURE_VECTOR, "x", 5, 0, 0, 0, 16, 0};
static const recipe_cell cells[] = {
    {"hold-back", .05, EA_EXPLORER_UNIFORM, 0, 0},
    {"default", .1, EA_EXPLORER_FIXED, 0, 0},
    {"bold", .25, EA_EXPLORER_UCB, .01, 3},
    {"sampling", .2, EA_EXPLORER_THOMPSON, 0, .5},
};
enum { TITLES = 12, EACH = 6, CELLS = sizeof cells / sizeof *cells };

static recipe base(void) {
    return (recipe){.explorer = EA_EXPLORER_SOFTMAX, .parameter = .3, .features = &feature,
                    .feature_count = 1, .title_count = TITLES, .each = EACH, .rows = EA_ROWS_I8,
                    .seed = 80, .salt = "experiment-7", .cells = cells, .cell_count = CELLS,
                    .scaled = 1, .variance = EA_VARIANCE_E5M3, .variance_scale = .05f};
}

static fixture open_recipe(const recipe *r) {
    return open_fixture(build_bundle(r));
}

static void set_unit(fixture *f, uint64_t seed, uint64_t unit) {
    static const float x[] = {.5f, -.25f, 1, .125f, -.75f};
    buffer map = vector_map(x, 5);
    REQUIRE(ea_context_encode(f->policy, f->context, f->context_size, map.bytes, map.length,
                              seed, unit, 0) == EA_OK);
    buffer_free(&map);
}

/* decision.md §2.4 read once more. */
static uint32_t expected_cell(const recipe *r, uint64_t unit) {
    const char *salt = r->salt ? r->salt : "";
    uint64_t domain = 0x306c6c65632d6165u; /* ea-cell0 */
    uint32_t point = (uint32_t)(ea_hash(unit, domain, salt, strlen(salt)) >> 33), sum = 0;
    for (uint32_t c = 0; c < r->cell_count; c++) {
        sum += (uint32_t)(r->cells[c].share * 0x1p31);
        if (point < sum) return c + 1;
    }
    return 0;
}

static void units_fall_as_hashed(void) {
    recipe r = base();
    fixture f = open_recipe(&r);
    uint64_t state = 81, counts[CELLS + 1] = {0};
    double shares[CELLS + 1];
    for (unsigned i = 0; i < 40000 / TEST_REDUCE; i++) {
        uint64_t unit = i < 100 ? i : next_random(&state);
        uint32_t cell = ea_policy_cell_of(f.policy, unit);
        CHECK_EQ(cell, expected_cell(&r, unit));
        counts[cell <= CELLS ? cell : 0]++;
    }
    for (uint32_t c = 0; c <= CELLS; c++) {
        ea_explorer e = {.struct_size = sizeof e};
        CHECK_EQ(ea_policy_cell(f.policy, c, &e, 0, shares + c), EA_OK);
    }
    check_chi_square("cells", counts, shares, CELLS + 1);
    CHECK_EQ(ea_policy_cell_of(0, 7), EA_NONE);
    close_fixture(&f);
}

/* A unit stays where it is through other weights, sequences, explorers and later cells. */
static void units_stay(void) {
    recipe r = base(), s = base();
    recipe_cell more[CELLS + 1], others[CELLS];
    memcpy(more, cells, sizeof cells);
    memcpy(others, cells, sizeof cells);
    more[CELLS] = (recipe_cell){"late", .3, EA_EXPLORER_GREEDY, 0, 0};
    for (unsigned i = 0; i < CELLS; i++) others[i].name = &"other"[i], others[i].explorer = 0;
    s.sequence = 99, s.seed = 4, s.name = "another", s.cells = more, s.cell_count = CELLS + 1;
    fixture f = open_recipe(&r), g = open_recipe(&s);
    s.cells = others, s.cell_count = CELLS;
    fixture h = open_recipe(&s);
    s.salt = "experiment-8";
    fixture salted = open_recipe(&s);
    uint64_t state = 82, moved = 0;
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t unit = next_random(&state);
        uint32_t cell = ea_policy_cell_of(f.policy, unit), then = ea_policy_cell_of(g.policy, unit);
        CHECK(then == cell || (cell == 0 && then == CELLS + 1));
        CHECK_EQ(ea_policy_cell_of(h.policy, unit), cell);
        moved += ea_policy_cell_of(salted.policy, unit) != cell;
    }
    CHECK(moved > 2500); /* another salt is another experiment */
    close_fixture(&f);
    close_fixture(&g);
    close_fixture(&h);
    close_fixture(&salted);
}

static void cells_are_described(void) {
    recipe r = base();
    fixture f = open_recipe(&r);
    double share, left = 1;
    ea_text name;
    ea_explorer e = {.struct_size = sizeof e};
    CHECK_EQ(f.info.cells, CELLS);
    CHECK(f.info.salt.length == 12 && !memcmp(f.info.salt.data, "experiment-7", 12));
    for (uint32_t c = 1; c <= CELLS; c++) {
        CHECK_EQ(ea_policy_cell(f.policy, c, &e, &name, &share), EA_OK);
        CHECK(name.length == strlen(cells[c - 1].name));
        CHECK(!memcmp(name.data, cells[c - 1].name, name.length));
        CHECK(share == cells[c - 1].share && e.kind == cells[c - 1].explorer);
        CHECK(e.floor == cells[c - 1].floor && e.parameter == cells[c - 1].parameter);
        left -= (uint32_t)(share * 0x1p31) * 0x1p-31;
    }
    CHECK_EQ(ea_policy_cell(f.policy, 0, &e, &name, &share), EA_OK);
    CHECK(name.length == 0 && share == left && e.kind == EA_EXPLORER_SOFTMAX);
    CHECK(e.parameter == .3 && e.floor == 0);
    CHECK_EQ(ea_policy_cell(f.policy, CELLS + 1, &e, &name, &share), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_cell(f.policy, 0, 0, &name, &share), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_cell(0, 0, &e, &name, &share), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_cell(f.policy, 0, &e, 0, 0), EA_OK);
    e.struct_size--;
    CHECK_EQ(ea_policy_cell(f.policy, 0, &e, &name, &share), EA_E_ARGUMENT);
    close_fixture(&f);
    r.cells = 0, r.cell_count = 0, r.salt = 0; /* without any, all are in cell 0 */
    f = open_recipe(&r);
    CHECK(f.info.cells == 0 && f.info.salt.length == 0);
    e.struct_size = sizeof e;
    CHECK_EQ(ea_policy_cell(f.policy, 0, &e, &name, &share), EA_OK);
    CHECK(share == 1 && ea_policy_cell_of(f.policy, 7) == 0);
    close_fixture(&f);
}

/* Sixteen cells that leave nothing, and the smallest share there may be. */
static void shares_up_to_one(void) {
    recipe_cell all[16];
    char names[16][4];
    for (unsigned i = 0; i < 16; i++) {
        snprintf(names[i], sizeof names[i], "c%u", i);
        all[i] = (recipe_cell){names[i], .0625, EA_EXPLORER_GREEDY, 0, 0};
    }
    recipe r = base();
    r.cells = all, r.cell_count = 16;
    fixture f = open_recipe(&r);
    uint64_t state = 83, seen = 0;
    for (unsigned i = 0; i < 2000; i++) {
        uint32_t cell = ea_policy_cell_of(f.policy, next_random(&state));
        CHECK(cell >= 1 && cell <= 16);
        seen |= 1u << cell;
    }
    CHECK_EQ(seen, 0x1fffe);
    close_fixture(&f);
    all[0].share = 0x1p-31, all[1].share = 1 - 0x1p-30; /* with a cell of one unit in 2^31 */
    r.cell_count = 2;
    f = open_recipe(&r);
    ea_explorer e = {.struct_size = sizeof e};
    double share;
    CHECK_EQ(ea_policy_cell(f.policy, 0, &e, 0, &share), EA_OK);
    CHECK(share == 0x1p-31);
    close_fixture(&f);
}

/* Integers in a cell are those of a policy whose own explorer it is; factors do not reach it. */
static void decides_by_its_own(void) {
    recipe r = base();
    fixture f = open_recipe(&r);
    uint64_t state = 84;
    unsigned seen[CELLS + 1] = {0};
    for (uint32_t c = 0; c <= CELLS; c++) {
        recipe alone = base();
        alone.cells = 0, alone.cell_count = 0;
        if (c) {
            alone.explorer = cells[c - 1].explorer, alone.floor = cells[c - 1].floor;
            alone.parameter = cells[c - 1].parameter, alone.scaled = 0;
        }
        fixture g = open_recipe(&alone);
        for (unsigned i = 0; i < 60; i++) {
            uint64_t unit = next_random(&state), seed = next_random(&state);
            uint32_t cell = ea_policy_cell_of(f.policy, unit);
            if (cell != c) continue;
            seen[c]++;
            set_unit(&f, seed, unit);
            set_unit(&g, seed, unit);
            for (uint32_t t = 0; t < TITLES; t++) {
                ea_decision d, e;
                CHECK_EQ(ea_select(f.policy, f.context, t, 0, &d), EA_OK);
                CHECK_EQ(ea_select(g.policy, g.context, t, 0, &e), EA_OK);
                CHECK_EQ(d.cell, c);
                CHECK_EQ(e.cell, 0);
                d.cell = 0;
                CHECK(!memcmp(&d, &e, sizeof d));
                CHECK(!breaks_a_law(f.policy, f.context, unit, t, 0));
            }
        }
        close_fixture(&g);
    }
    for (uint32_t c = 0; c <= CELLS; c++) CHECK(seen[c] > 0);
    close_fixture(&f);
}

/* The hash of a context says what all cells would decide, whichever the context is in. */
static void hash_covers_cells(void) {
    recipe r = base(), s = base();
    recipe_cell others[CELLS];
    memcpy(others, cells, sizeof cells);
    others[CELLS - 1].parameter *= 2;
    s.cells = others;
    fixture f = open_recipe(&r), g = open_recipe(&s);
    uint64_t hash, again, other;
    set_unit(&f, 1, 2);
    CHECK_EQ(ea_context_hash(f.policy, f.context, &hash), EA_OK);
    for (uint64_t unit = 0; unit < 50; unit++) {
        set_unit(&f, 5, unit);
        CHECK_EQ(ea_context_hash(f.policy, f.context, &again), EA_OK);
        CHECK(again == hash);
    }
    set_unit(&g, 1, 2);
    CHECK_EQ(ea_context_hash(g.policy, g.context, &other), EA_OK);
    CHECK(other != hash);
    close_fixture(&f);
    close_fixture(&g);
}

/* §8 read once more, over what the public functions say. */
static void hash_is_as_specified(void) {
    recipe r = base();
    fixture f = open_recipe(&r);
    buffer words = {0, 0, 0};
    float scores[TITLES * EACH], variances[TITLES * EACH];
    uint64_t hash;
    set_unit(&f, 1, 2);
    CHECK_EQ(ea_scores(f.policy, f.context, scores, TITLES * EACH), EA_OK);
    CHECK_EQ(ea_variances(f.policy, f.context, variances, TITLES * EACH), EA_OK);
    for (uint32_t t = 0; t < TITLES; t++)
        for (uint32_t c = 0; c <= CELLS; c++) {
            const float *s = scores + t * EACH, *v = variances + t * EACH;
            uint32_t n[EACH], zero = 0;
            double factor = 1;
            ea_explorer e = {.struct_size = sizeof e};
            CHECK_EQ(ea_policy_cell(f.policy, c, &e, 0, 0), EA_OK);
            if (!c) CHECK_EQ(ea_title_scale(f.policy, t, &factor), EA_OK);
            e.parameter *= factor;
            CHECK_EQ(ea_explore(&e, s, v, EACH, n), EA_OK);
            for (uint32_t i = 0; i < EACH; i++) {
                put_bytes(&words, c ? (const void *)&c : s + i, 4);
                put_bytes(&words, n + i, 4);
            }
            for (uint32_t i = 0; i < EACH && !c; i++) {
                put_bytes(&words, v + i, 4);
                put_bytes(&words, &zero, 4);
            }
        }
    CHECK_EQ(ea_context_hash(f.policy, f.context, &hash), EA_OK);
    CHECK(hash == ea_hash(0x6b636568632d6165u, 0, words.bytes, words.length)); /* ea-check */
    CHECK_EQ(ea_context_hash(f.policy, f.context, 0), EA_E_ARGUMENT);
    buffer_free(&words);
    close_fixture(&f);
}

static void factors(void) {
    recipe r = base();
    float given[TITLES];
    for (unsigned t = 0; t < TITLES; t++) given[t] = t ? (float)t / 4 : 0x1.fffffep19f;
    r.title_scale = given;
    fixture f = open_recipe(&r);
    double scale;
    CHECK_EQ(f.info.scaled, 1);
    for (uint32_t t = 0; t < TITLES; t++) {
        CHECK_EQ(ea_title_scale(f.policy, t, &scale), EA_OK);
        CHECK(scale == (double)given[t]);
    }
    CHECK_EQ(ea_title_scale(f.policy, TITLES, &scale), EA_E_TITLE);
    CHECK_EQ(ea_title_scale(f.policy, EA_NONE, &scale), EA_E_TITLE);
    CHECK_EQ(ea_title_scale(f.policy, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_title_scale(0, 0, &scale), EA_E_ARGUMENT);
    close_fixture(&f);
    r.title_scale = 0, r.scaled = 0;
    f = open_recipe(&r);
    CHECK_EQ(f.info.scaled, 0);
    CHECK_EQ(ea_title_scale(f.policy, 3, &scale), EA_OK);
    CHECK(scale == 1);
    close_fixture(&f);
}

static const test_case cases[] = {
    {"units fall into cells as their hash says, in proportion to the shares", units_fall_as_hashed},
    {"units stay in their cells across bundles", units_stay},
    {"cells are described", cells_are_described},
    {"shares up to one, and down to 2^-31", shares_up_to_one},
    {"a cell is decided by its own explorer", decides_by_its_own},
    {"a context's hash covers all cells", hash_covers_cells},
    {"a context's hash is as specified", hash_is_as_specified},
    {"titles have factors of the parameter", factors},
};

MAIN("cells", cases)
