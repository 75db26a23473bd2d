/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says of itself is what it was built from. */
#include "build.h"
#include "test.h"

static const char *const words[] = {"b", "a", ""};
static const char *const meta[][2] = {{"author", "nobody"}, {"", "caf\xc3\xa9"}};
static const uint32_t artworks[] = {3, 1, 4};
static const recipe_feature features[] = {
    {EA_FEATURE_NUMBER, "hour", 0, 0, 12, 6, 8, 1},
    {EA_FEATURE_CATEGORY, "country", 3, words, 0, 0, 0, 0},
    {EA_FEATURE_WEIGHTS, "taste", 4, 0, 0, 0, 0, 0},
    {EA_FEATURE_VECTOR, "embedding", 3, 0, 0, 0, 16, 0},
};
static buffer maps[2];

static recipe base(uint32_t rows) {
    return (recipe){.name = "row.v-2", .sequence = 12, .meta = meta, .meta_count = 2,
                    .explorer = EA_EXPLORER_SQUARECB, .floor = .01, .parameter = 10,
                    .features = features, .feature_count = 4, .title_count = 3,
                    .artworks = artworks, .rows = rows, .seed = 6, .contexts = maps,
                    .context_count = 2};
}

static void describes_itself(void) {
    for (uint32_t rows = 0; rows <= EA_ROWS_I8; rows += EA_ROWS_I8) {
        recipe r = base(rows);
        fixture f = open_fixture(build_bundle(&r));
        const ea_info *info = &f.info;
        CHECK(info->name.length == 7 && !memcmp(info->name.data, "row.v-2", 7));
        CHECK(info->format == 1 && info->sequence == 12 && info->features == 4);
        CHECK(info->slots == 14 && info->k == 14 && info->titles == 3 && info->artworks == 8);
        CHECK(info->rows == rows && info->explorer == EA_EXPLORER_SQUARECB);
        CHECK(info->vectors == 2 && info->meta == 2 && info->floor == .01 &&
              info->parameter == 10);
        for (uint32_t i = 0, first = 0; i < 4; i++) {
            ea_feature feature = {.struct_size = sizeof feature};
            CHECK_EQ(ea_policy_feature(f.policy, i, &feature), EA_OK);
            CHECK(feature.kind == features[i].kind && feature.first == first);
            CHECK(!memcmp(feature.name.data, features[i].name, feature.name.length));
            CHECK(feature.centre == features[i].centre && feature.scale == features[i].scale &&
                  feature.clip == features[i].clip);
            CHECK_EQ(feature.words, i == 1 || i == 2 ? features[i].length : 0);
            first += feature.width;
        }
        ea_text text, value;
        CHECK_EQ(ea_policy_word(f.policy, 1, 1, &text), EA_OK);
        CHECK(text.length == 1 && *text.data == 'a');
        CHECK_EQ(ea_policy_word(f.policy, 2, 3, &text), EA_OK);
        CHECK(text.length == 2 && !memcmp(text.data, "w3", 2));
        CHECK_EQ(ea_policy_meta(f.policy, 1, &text, &value), EA_OK);
        CHECK(text.length == 0 && value.length == 5 && !memcmp(value.data, meta[1][1], 5));
        uint64_t hash;
        CHECK_EQ(ea_policy_vector(f.policy, 1, &text, &hash), EA_OK);
        CHECK(text.length == maps[1].length && !memcmp(text.data, maps[1].bytes, text.length));
        for (uint32_t t = 0, row = 0; t < 3; row += artworks[t++]) {
            char id[16];
            int length = snprintf(id, sizeof id, "title-%u", (unsigned)t);
            uint32_t first, count;
            CHECK_EQ(ea_title_find(f.policy, id, (size_t)length), t);
            CHECK_EQ(ea_title_info(f.policy, t, &text, &first, &count), EA_OK);
            CHECK(first == row && count == artworks[t] && !memcmp(text.data, id, text.length));
        }
        CHECK_EQ(ea_artwork_id(f.policy, 7, &text), EA_OK);
        CHECK(text.length == 2 && !memcmp(text.data, "a3", 2));
        uint32_t failed;
        CHECK_EQ(ea_policy_verify(f.policy, f.context, f.context_size, &failed), EA_OK);
        CHECK_EQ(failed, EA_NONE);
        close_fixture(&f);
    }
}

static void index_bounds(void) {
    recipe r = base(EA_ROWS_F32);
    fixture f = open_fixture(build_bundle(&r));
    ea_feature feature = {.struct_size = sizeof feature};
    ea_info info = {.struct_size = 8};
    ea_text text;
    uint64_t hash;
    float weights[14], bias;
    CHECK_EQ(ea_policy_info(f.policy, &info), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_feature(f.policy, 4, &feature), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_word(f.policy, 1, 3, &text), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_word(f.policy, 0, 0, &text), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_meta(f.policy, 2, &text, &text), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_vector(f.policy, 2, &text, &hash), EA_E_ARGUMENT);
    CHECK_EQ(ea_title_info(f.policy, 3, &text, 0, 0), EA_E_TITLE);
    CHECK_EQ(ea_title_info(f.policy, EA_NONE, &text, 0, 0), EA_E_TITLE);
    CHECK_EQ(ea_artwork_id(f.policy, 8, &text), EA_E_ARGUMENT);
    CHECK_EQ(ea_row_weights(f.policy, 8, weights, 14, &bias), EA_E_ARGUMENT);
    CHECK_EQ(ea_row_weights(f.policy, 7, weights, 13, &bias), EA_E_CAPACITY);
    CHECK_EQ(ea_row_weights(f.policy, 7, weights, 14, 0), EA_OK);
    CHECK_EQ(ea_title_find(f.policy, "title-3", 7), EA_NONE);
    CHECK_EQ(ea_title_find(f.policy, 0, 0), EA_NONE);
    static const uint32_t ends[] = {7, 7, 14}, falling[] = {7, 6};
    uint32_t titles[3];
    CHECK_EQ(ea_title_find_page(f.policy, "title-2title-0", ends, 3, titles), EA_OK);
    CHECK(titles[0] == 2 && titles[1] == EA_NONE && titles[2] == 0);
    CHECK_EQ(ea_title_find_page(f.policy, "title-2title-0", falling, 2, titles), EA_E_ARGUMENT);
    CHECK_EQ(ea_title_find_page(f.policy, 0, 0, 0, 0), EA_OK);
    close_fixture(&f);
}

/* Nothing where something must be, and a policy that is not open. */
static void impossible_arguments(void) {
    recipe r = base(EA_ROWS_F32);
    fixture f = open_fixture(build_bundle(&r));
    void *closed = calloc(1, ea_policy_size());
    REQUIRE(closed);
    const ea_policy *none[] = {0, closed};
    ea_info info = {.struct_size = sizeof info};
    ea_feature feature = {.struct_size = sizeof feature};
    ea_text text;
    uint64_t hash;
    uint32_t titles[2], ends[] = {7, 14}, first = 9;
    float weights[14];
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(ea_policy_info(none[i], &info), EA_E_ARGUMENT);
        CHECK_EQ(ea_policy_feature(none[i], 0, &feature), EA_E_ARGUMENT);
        CHECK_EQ(ea_policy_word(none[i], 1, 0, &text), EA_E_ARGUMENT);
        CHECK_EQ(ea_policy_meta(none[i], 0, &text, &text), EA_E_ARGUMENT);
        CHECK_EQ(ea_policy_vector(none[i], 0, &text, &hash), EA_E_ARGUMENT);
        CHECK_EQ(ea_title_find(none[i], "title-0", 7), EA_NONE);
        CHECK_EQ(ea_title_find_page(none[i], "title-0title-1", ends, 2, titles), EA_E_ARGUMENT);
        CHECK_EQ(ea_title_info(none[i], 0, &text, 0, 0), EA_E_ARGUMENT);
        CHECK_EQ(ea_artwork_id(none[i], 0, &text), EA_E_ARGUMENT);
        CHECK_EQ(ea_row_weights(none[i], 0, weights, 14, 0), EA_E_ARGUMENT);
        CHECK_EQ(ea_policy_verify(none[i], f.context, f.context_size, 0), EA_E_ARGUMENT);
    }
    free(closed);
    CHECK_EQ(ea_policy_info(f.policy, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_feature(f.policy, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_word(f.policy, 1, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_word(f.policy, 4, 0, &text), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_meta(f.policy, 0, 0, &text), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_meta(f.policy, 0, &text, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_vector(f.policy, 0, 0, &hash), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_vector(f.policy, 0, &text, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_title_find(f.policy, 0, 7), EA_NONE);
    CHECK_EQ(ea_title_find_page(f.policy, 0, ends, 2, titles), EA_E_ARGUMENT);
    CHECK_EQ(ea_title_find_page(f.policy, "title-0title-1", 0, 2, titles), EA_E_ARGUMENT);
    CHECK_EQ(ea_title_find_page(f.policy, "title-0title-1", ends, 2, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_title_info(f.policy, 1, 0, 0, 0), EA_OK);
    CHECK_EQ(ea_title_info(f.policy, 1, 0, &first, 0), EA_OK);
    CHECK_EQ(first, 3);
    CHECK_EQ(ea_artwork_id(f.policy, 0, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_row_weights(f.policy, 0, 0, 14, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_verify(f.policy, 0, f.context_size, 0), EA_E_ARGUMENT);
    CHECK_EQ(ea_policy_verify(f.policy, (ea_context *)(void *)((uint8_t *)f.context + 8),
                              f.context_size, 0),
             EA_E_ALIGNMENT);
    buffer map = {0, 0, 0};
    put_map(&map, 0);
    set_context(&f, &map, 1);
    CHECK_EQ(ea_scores(f.policy, f.context, 0, 8), EA_E_ARGUMENT);
    CHECK_EQ(ea_scores(f.policy, 0, weights, 8), EA_E_ARGUMENT);
    buffer_free(&map);
    close_fixture(&f);
}

/* The weights as they act: as given for f32 rows, within half a step for i8 rows. */
static void tells_weights(void) {
    static const recipe_feature x = {EA_FEATURE_VECTOR, "x", 4, 0, 0, 0, 16, 0};
    static const float weights[] = {1, -.5f, .25f, 0, 2, 0, 0, 0, 0, 0, 3, -3, .1f, .7f, -.9f};
    static const float bias[] = {.5f, -.5f, 0};
    for (uint32_t rows = 0; rows <= EA_ROWS_I8; rows += EA_ROWS_I8) {
        fixture f = open_fixture(build_bundle(&(recipe){
            .features = &x, .feature_count = 1, .title_count = 1, .each = 3, .rows = rows,
            .weights = weights, .bias = bias}));
        for (uint32_t row = 0; row < 3; row++) {
            float found[5], b, most = 0;
            const float *given = weights + 5 * row;
            CHECK_EQ(ea_row_weights(f.policy, row, found, 5, &b), EA_OK);
            CHECK(b == bias[row]);
            for (unsigned i = 0; i < 5; i++)
                if (given[i] > most || -given[i] > most) most = given[i] < 0 ? -given[i] : given[i];
            float step = rows == EA_ROWS_I8 ? most / 253 : 0;
            for (unsigned i = 0; i < 5; i++)
                CHECK(found[i] >= given[i] - step && found[i] <= given[i] + step);
        }
        close_fixture(&f);
    }
}

/* Each status has a name and a sentence of its own, and no other number has. */
static void names_statuses(void) {
    unsigned known = 0;
    for (int32_t status = -100; status < 300; status++) {
        const char *name = ea_status_name(status), *text = ea_status_text(status);
        CHECK(*name && *text);
        if (!strcmp(name, "EA_E_?")) continue;
        known++;
        for (int32_t other = status + 1; other < 300; other++)
            CHECK(strcmp(name, ea_status_name(other)) && strcmp(text, ea_status_text(other)));
    }
    CHECK_EQ(known, 24);
    CHECK(!strcmp(ea_status_name(EA_E_CRC), "EA_E_CRC"));
    CHECK(ea_abi_version() / 1000 == 0 || ea_abi_version() / 1000 == 1);
}

static const test_case cases[] = {
    {"a policy describes itself as it was built", describes_itself},
    {"indices past the end are refused", index_bounds},
    {"nothing, and what is not open, is refused", impossible_arguments},
    {"a row's weights are those that act", tells_weights},
    {"every status has a name and a sentence", names_statuses},
};

int main(void) {
    put_map(maps, 0);
    put_map(maps + 1, 2);
    put_text(maps + 1, "hour"), put_uint(maps + 1, 7);
    put_text(maps + 1, "country"), put_text(maps + 1, "a");
    int failed = run_tests("inspect", cases, sizeof cases / sizeof *cases);
    buffer_free(maps);
    buffer_free(maps + 1);
    return failed;
}
