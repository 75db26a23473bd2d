/* SPDX-License-Identifier: Apache-2.0 */
/* See use.h. */
#include "use.h"
#include "build.h"
#include "laws.h"
#include "test.h"

#include <math.h>

#define HOLD(condition)                                                                           \
    do {                                                                                          \
        if (!(condition)) return #condition;                                                      \
    } while (0)

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
    HOLD(info->slots >= 1 && info->slots <= 1024 && info->k >= 1 && info->k <= 1024);
    HOLD(info->layers || info->k == info->slots);
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

/* What came with format 2. */
static const char *describes_more(const ea_policy *policy, const ea_info *info) {
    ea_text text;
    double share, left = 1;
    uint32_t width = info->slots;
    for (uint32_t i = 0; i < info->layers; i++) {
        ea_layer layer = {.struct_size = sizeof layer};
        HOLD(ea_policy_layer(policy, i, &layer) == EA_OK);
        HOLD(layer.inputs == width && layer.outputs >= 1 && layer.outputs <= 1024);
        HOLD(layer.activation <= EA_ACTIVATION_TANH && layer.rows <= EA_ROWS_I8);
        width = layer.outputs;
    }
    HOLD(info->k == width);
    for (uint32_t i = 0; i < info->attributes; i++) {
        HOLD(ea_policy_attribute(policy, i, &text) == EA_OK && text.length);
        sink += readable(text);
    }
    sink += readable(info->salt);
    for (uint32_t i = 0; i <= info->cells; i++) {
        ea_explorer explorer = {.struct_size = sizeof explorer};
        uint32_t cell = info->cells - i;
        HOLD(ea_policy_cell(policy, cell, &explorer, &text, &share) == EA_OK);
        HOLD(explorer.floor >= 0 && explorer.floor <= 1 && isfinite(explorer.parameter));
        HOLD((text.length > 0) == (cell > 0));
        HOLD(share >= 0 && share <= 1 && (cell || share >= left - 1e-6));
        left -= share;
        sink += readable(text);
    }
    for (uint64_t unit = 0; unit < 20; unit++)
        HOLD(ea_policy_cell_of(policy, unit) <= info->cells);
    return 0;
}

static const char *has_rows(const ea_policy *policy, const ea_info *info) {
    const char *wrong = 0;
    uint32_t rows = 0;
    ea_text text;
    float *weights = block(info->k * sizeof *weights), bias;
    float *variances = block(info->k * sizeof *variances);
    uint32_t mask;
    double scale;
    for (uint32_t t = 0; t < info->titles && !wrong; t++) {
        uint32_t first, count;
        if (ea_title_info(policy, t, &text, &first, &count) != EA_OK || first != rows ||
            count < 1 || count > EA_MAX_CANDIDATES)
            wrong = "titles follow one another";
        else if (ea_title_find(policy, text.data, text.length) != t)
            wrong = "a title is found by its id";
        else if (ea_title_scale(policy, t, &scale) != EA_OK || !(scale > 0 && scale <= 0x1p20) ||
                 (!info->scaled && scale < 1))
            wrong = "a title has a factor";
        rows += count;
    }
    if (!wrong && rows != info->artworks) wrong = "the last title ends with the rows";
    for (uint32_t r = 0; r < rows && !wrong; r++) {
        if (ea_artwork_id(policy, r, &text) != EA_OK || !text.length) wrong = "a row has an id";
        else if (ea_row_weights(policy, r, weights, info->k, &bias) != EA_OK || !isfinite(bias))
            wrong = "a row has weights";
        else if (ea_row_variances(policy, r, variances, info->k) != EA_OK)
            wrong = "a row has variances";
        else if (ea_artwork_mask(policy, r, &mask) != EA_OK ||
                 (info->attributes < 32 && mask >> info->attributes))
            wrong = "a row's attributes have names";
        sink += readable(text);
        for (uint32_t i = 0; i < info->k; i++)
            if (!isfinite(weights[i])) wrong = "weights are finite";
        for (uint32_t i = 0; i < info->k && !wrong; i++)
            if (!(variances[i] >= 0 && variances[i] <= (info->variance ? 0x1p22f : 0)))
                wrong = "variances are finite, and 0 where there are none";
    }
    free(weights);
    free(variances);
    return wrong;
}

/* ---- one context ---- */

/* A page under limits is its titles, each of which keeps the laws. */
static const char *decides_under(const ea_policy *policy, const ea_context *context,
                                 const ea_info *info, uint64_t unit, const ea_limits *limits) {
    uint32_t *titles = block(info->titles * sizeof *titles);
    ea_decision *page = block(info->titles * sizeof *page), single;
    const char *wrong = 0;
    for (uint32_t t = 0; t < info->titles; t++) titles[t] = t;
    if (ea_select_page(policy, context, titles, info->titles, limits, page) != EA_OK)
        wrong = "a page is decided";
    for (uint32_t t = 0; t < info->titles && !wrong; t++) {
        if (ea_select(policy, context, t, limits, &single) != EA_OK ||
            memcmp(&single, page + t, sizeof single))
            wrong = "a page is its titles";
        else wrong = breaks_a_law(policy, context, unit, t, limits);
    }
    free(titles);
    free(page);
    return wrong;
}

static const char *decides(const ea_policy *policy, const ea_context *context,
                           const ea_info *info, uint64_t seed) {
    size_t size = (info->artworks + 7) / 8;
    uint8_t *denied = block(size), *excluded = block(size);
    ea_limits limits = {sizeof limits, 0, denied, size, excluded, size, 0, 0};
    ea_decision d;
    uint64_t unit = seed;
    const char *wrong = decides_under(policy, context, info, unit, 0);
    for (unsigned trial = 0; trial < 2 && !wrong; trial++) {
        for (size_t i = 0; i < size; i++) {
            denied[i] = (uint8_t)(next_random(&seed) & next_random(&seed));
            excluded[i] = (uint8_t)(next_random(&seed) & next_random(&seed));
        }
        uint32_t bits = (uint32_t)(next_random(&seed) & next_random(&seed)), half;
        half = (uint32_t)next_random(&seed);
        limits.required = trial ? bits & half & 7 : 0; /* few, or nothing would be eligible */
        limits.forbidden = trial ? bits & ~half & 7 : 0;
        wrong = decides_under(policy, context, info, unit, &limits);
    }
    free(denied);
    free(excluded);
    if (wrong) return wrong;
    for (uint32_t count = 1; count <= 256; count += 15) {
        HOLD(ea_select_host(policy, context, "new", 3, count, &d) == EA_OK);
        HOLD(d.row < count && d.title == EA_NONE && d.reason == EA_REASON_HOST_UNIFORM);
        HOLD(d.total == EA_TOTAL && (d.row ? d.n == EA_TOTAL / count
                                           : d.n == EA_TOTAL - (count - 1) * (EA_TOTAL / count)));
    }
    HOLD(ea_select(policy, context, EA_NONE, 0, &d) == EA_OK);
    HOLD(d.reason == EA_REASON_UNKNOWN_TITLE && d.row == EA_NONE && d.total == EA_TOTAL);
    return 0;
}

static int is_clean(float x) {
    return fabsf(x) <= 0x1p20f && (x == 0 ? !signbit(x) : fabsf(x) >= 0x1p-50f);
}

static const char *encoded(const ea_policy *policy, const ea_context *context,
                          const ea_info *info) {
    float *slots = block(info->slots * sizeof *slots), *u = block(info->k * sizeof *u);
    int8_t *codes = block(info->k);
    float sigma;
    uint64_t hash;
    const char *wrong = 0;
    if (ea_context_vector(policy, context, slots, info->slots, codes, &sigma) != EA_OK)
        wrong = "a context has slots";
    for (uint32_t i = 0; i < info->slots && !wrong; i++)
        if (!is_clean(slots[i])) wrong = "slots are clean";
    if (ea_context_u(policy, context, u, info->k) != EA_OK) wrong = "a context has a vector";
    for (uint32_t i = 0; i < info->k && !wrong; i++)
        if (!is_clean(u[i]) || codes[i] == -128) wrong = "u is clean";
    if (!wrong && !info->layers && memcmp(u, slots, info->k * sizeof *u))
        wrong = "without a tower u is the slots";
    if (!wrong && slots[info->slots - 1] != 1) wrong = "the intercept is 1";
    if (ea_context_hash(policy, context, &hash) != EA_OK) wrong = "a context has a hash";
    free(u);
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
    int32_t status = ea_context_encode(policy, context, needed, copy, size, seed, seed, &report);
    free(copy); /* a context points nowhere */
    const char *wrong = 0;
    float slot;
    if (status) {
        if (report.offset > size) wrong = "an offset lies inside";
        else if (ea_context_vector(policy, context, &slot, 1, 0, 0) != EA_E_FOREIGN)
            wrong = "a refused context is of no use";
    } else {
        wrong = encoded(policy, context, &info);
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
    if (!wrong) wrong = describes_more(policy, &info);
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
