/* SPDX-License-Identifier: Apache-2.0 */
/* See use.h. */
#include "use.h"
#include "build.h"
#include "test.h"

#include <math.h>

#define HOLD(condition)                                                                           \
    do {                                                                                          \
        if (!(condition)) return #condition;                                                      \
    } while (0)

/* A block that cannot be had ends the program: nothing could be said about the library. */
static void *block(size_t size) {
    void *memory = 0;
    REQUIRE(posix_memalign(&memory, 16, size ? size : 1) == 0);
    return memory;
}

static volatile unsigned long sink;

/* So that a sanitizer looks at each byte of a text. */
static unsigned long readable(ea_text text) {
    unsigned long sum = 0;
    for (size_t i = 0; i < text.length; i++) sum += (uint8_t)text.data[i];
    return sum;
}

static ea_info info_of(const ea_policy *policy) {
    ea_info info = {.struct_size = sizeof info};
    REQUIRE(ea_policy_info(policy, &info) == EA_OK);
    return info;
}

/* ---- what it says of itself ---- */

static const char *describes(const ea_policy *policy, const ea_info *info) {
    ea_text text, value;
    uint64_t hash;
    uint32_t slots = 0;
    sink += readable(info->name);
    HOLD(info->name.length >= 1 && info->name.length <= 64 && info->sequence >= 1);
    HOLD(info->slots >= 1 && info->slots <= 1024 && info->k == info->slots);
    HOLD(info->floor >= 0 && info->floor <= 1 && isfinite(info->parameter));
    for (uint32_t i = 0; i < info->features; i++) {
        ea_feature feature = {.struct_size = sizeof feature};
        HOLD(ea_policy_feature(policy, i, &feature) == EA_OK);
        HOLD(feature.first == slots && feature.width >= 1);
        HOLD(isfinite(feature.centre) && isfinite(feature.scale) && isfinite(feature.clip));
        slots += feature.width;
        sink += readable(feature.name);
        for (uint32_t w = 0; w < feature.words; w++) {
            HOLD(ea_policy_word(policy, i, w, &text) == EA_OK);
            sink += readable(text);
        }
    }
    HOLD(slots + 1 == info->slots);
    for (uint32_t i = 0; i < info->meta; i++) {
        HOLD(ea_policy_meta(policy, i, &text, &value) == EA_OK);
        sink += readable(text) + readable(value);
    }
    for (uint32_t i = 0; i < info->vectors; i++) {
        HOLD(ea_policy_vector(policy, i, &text, &hash) == EA_OK);
        sink += readable(text);
    }
    return 0;
}

static const char *has_rows(const ea_policy *policy, const ea_info *info) {
    const char *wrong = 0;
    uint32_t rows = 0;
    ea_text text;
    float *weights = block(info->k * sizeof *weights), bias;
    for (uint32_t t = 0; t < info->titles && !wrong; t++) {
        uint32_t first, count;
        if (ea_title_info(policy, t, &text, &first, &count) != EA_OK || first != rows ||
            count < 1 || count > EA_MAX_CANDIDATES)
            wrong = "titles follow one another";
        else if (ea_title_find(policy, text.data, text.length) != t)
            wrong = "a title is found by its id";
        rows += count;
    }
    if (!wrong && rows != info->artworks) wrong = "the last title ends with the rows";
    for (uint32_t r = 0; r < rows && !wrong; r++) {
        if (ea_artwork_id(policy, r, &text) != EA_OK || !text.length) wrong = "a row has an id";
        else if (ea_row_weights(policy, r, weights, info->k, &bias) != EA_OK || !isfinite(bias))
            wrong = "a row has weights";
        sink += readable(text);
        for (uint32_t i = 0; i < info->k; i++)
            if (!isfinite(weights[i])) wrong = "weights are finite";
    }
    free(weights);
    return wrong;
}

/* ---- one context ---- */

/* A sum that is 2^31, or what the denied left of it. */
static const char *adds_up(const ea_policy *policy, const ea_context *context, uint32_t title,
                           const ea_limits *limits, const ea_decision *decided) {
    uint32_t candidates, count, total, open = 0;
    HOLD(ea_title_info(policy, title, 0, 0, &candidates) == EA_OK);
    ea_candidate *c = block(candidates * sizeof *c);
    int32_t status =
        ea_propensities(policy, context, title, limits, c, candidates, &count, &total);
    const char *wrong = 0;
    uint64_t sum = 0, shown = 0;
    for (uint32_t i = 0; !status && i < count; i++) {
        sum += c[i].n;
        open += !c[i].denied;
        if (!isfinite(c[i].score)) wrong = "scores are finite";
        if (c[i].row == decided->row) shown = c[i].n;
    }
    if (status || count != candidates) wrong = "a title has propensities";
    else if (open && sum != total) wrong = "integers add up to their total";
    else if (!limits && total != EA_TOTAL) wrong = "integers add up to 2^31";
    else if (total != decided->total || shown != decided->n)
        wrong = "a decision has its propensity";
    else if (open && (decided->row == EA_NONE || !decided->n))
        wrong = "what is chosen could be chosen";
    free(c);
    return wrong;
}

static const char *decides(const ea_policy *policy, const ea_context *context,
                           const ea_info *info, uint64_t seed) {
    size_t size = (info->artworks + 7) / 8;
    uint8_t *denied = block(size);
    uint32_t *titles = block(info->titles * sizeof *titles);
    ea_decision *page = block(info->titles * sizeof *page), single;
    const char *wrong = 0;
    ea_limits limits = {sizeof limits, 0, denied, size};
    for (size_t i = 0; i < size; i++)
        denied[i] = (uint8_t)(next_random(&seed) & next_random(&seed));
    for (uint32_t t = 0; t < info->titles; t++) titles[t] = t;
    for (int limited = 0; limited < 2 && !wrong; limited++) {
        const ea_limits *some = limited ? &limits : 0;
        if (ea_select_page(policy, context, titles, info->titles, some, page) != EA_OK)
            wrong = "a page is decided";
        for (uint32_t t = 0; t < info->titles && !wrong; t++) {
            if (ea_select(policy, context, t, some, &single) != EA_OK ||
                memcmp(&single, page + t, sizeof single))
                wrong = "a page is its titles";
            else wrong = adds_up(policy, context, t, some, page + t);
        }
    }
    free(denied);
    free(titles);
    free(page);
    return wrong;
}

static const char *scores(const ea_policy *policy, const ea_context *context,
                          const ea_info *info) {
    float *all = block(info->artworks * sizeof *all), *slots = block(info->slots * sizeof *slots);
    int8_t *codes = block(info->k);
    float sigma;
    uint64_t hash;
    const char *wrong = 0;
    if (ea_scores(policy, context, all, info->artworks) != EA_OK) wrong = "rows have scores";
    for (uint32_t i = 0; i < info->artworks && !wrong; i++)
        if (!isfinite(all[i]) || (all[i] == 0 && signbit(all[i]))) wrong = "scores are finite";
    if (ea_context_vector(policy, context, slots, info->slots, codes, &sigma) != EA_OK)
        wrong = "a context has slots";
    for (uint32_t i = 0; i < info->slots && !wrong; i++)
        if (!(fabsf(slots[i]) <= 0x1p20f) || (slots[i] != 0 && fabsf(slots[i]) < 0x1p-50f) ||
            (slots[i] == 0 && signbit(slots[i])) || codes[i] == -128)
            wrong = "slots are clean";
    if (!wrong && slots[info->slots - 1] != 1) wrong = "the intercept is 1";
    if (ea_context_hash(policy, context, &hash) != EA_OK) wrong = "a context has a hash";
    free(all);
    free(slots);
    free(codes);
    return wrong;
}

const char *misbehaves_with(const ea_policy *policy, const uint8_t *map, size_t size,
                            uint64_t seed, int *accepted) {
    ea_info info = info_of(policy);
    ea_report report = {.struct_size = sizeof report};
    size_t needed = ea_context_size(policy);
    ea_context *context = block(needed);
    uint8_t *copy = exact_copy(map, size);
    int32_t status = ea_context_encode(policy, context, needed, copy, size, seed, 0, &report);
    free(copy); /* a context points nowhere */
    const char *wrong = 0;
    float slot;
    if (status) {
        if (report.offset > size) wrong = "an offset lies inside";
        else if (ea_context_vector(policy, context, &slot, 1, 0, 0) != EA_E_FOREIGN)
            wrong = "a refused context is of no use";
    } else {
        wrong = scores(policy, context, &info);
        if (!wrong) wrong = decides(policy, context, &info, seed);
    }
    if (accepted) *accepted = status == EA_OK;
    free(context);
    return wrong;
}

/* A map with a value for each feature, of its type, of some size. */
static buffer made_context(const ea_policy *policy, const ea_info *info, uint64_t *state) {
    buffer map = {0, 0, 0};
    put_map(&map, info->features);
    for (uint32_t i = 0; i < info->features; i++) {
        ea_feature feature = {.struct_size = sizeof feature};
        ea_text word = {"", 0};
        REQUIRE(ea_policy_feature(policy, i, &feature) == EA_OK);
        double large = ldexp(2 * random_unit(state) - 1, (int)random_below(state, 60) - 20);
        if (feature.words)
            REQUIRE(ea_policy_word(policy, i, random_below(state, feature.words), &word) == EA_OK);
        put_string(&map, feature.name.data, feature.name.length);
        switch (feature.kind) {
        case EA_FEATURE_NUMBER: put_f64(&map, large); break;
        case EA_FEATURE_CATEGORY: put_string(&map, word.data, word.length); break;
        case EA_FEATURE_WEIGHTS:
            put_map(&map, 1);
            put_string(&map, word.data, word.length);
            put_f64(&map, large);
            break;
        default:
            put_list(&map, feature.width);
            for (uint32_t j = 0; j < feature.width; j++)
                put_f64(&map, large * (random_unit(state) - .5));
        }
    }
    return map;
}

const char *misbehaves(const ea_policy *policy, const uint8_t *noise, size_t size,
                       uint64_t seed) {
    static const uint8_t empty[] = {0x80};
    ea_info info = info_of(policy);
    uint32_t failed;
    const char *wrong = describes(policy, &info);
    if (!wrong) wrong = has_rows(policy, &info);
    if (!wrong) wrong = misbehaves_with(policy, empty, sizeof empty, seed, 0);
    if (!wrong) wrong = misbehaves_with(policy, noise, size, seed, 0);
    for (unsigned i = 0; i < 2 && !wrong; i++) {
        buffer map = made_context(policy, &info, &seed);
        int accepted;
        wrong = misbehaves_with(policy, map.bytes, map.length, seed, &accepted);
        if (!wrong && !accepted && map.length <= EA_MAX_CONTEXT_BYTES)
            wrong = "a context of right values is accepted";
        buffer_free(&map);
    }
    if (wrong) return wrong;
    ea_context *context = block(ea_context_size(policy));
    int32_t status = ea_policy_verify(policy, context, ea_context_size(policy), &failed);
    if (status != EA_OK && (status != EA_E_VECTOR || failed >= info.vectors))
        wrong = "verification succeeds or names a vector";
    free(context);
    return wrong;
}
