/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes bundles of every kind to a folder, each with 64 test vectors computed here: what
 * tests/verify.c and tests/wasm.mjs open elsewhere must come to the same scores and integers.
 *
 *     worlds folder
 */
#include "build.h"
#include "test.h"

#include <math.h>

enum { CONTEXTS = 64 };

static const recipe_feature features[] = {
    {EA_FEATURE_NUMBER, "hour", 0, 0, 12, 7, 8, 1},
    {EA_FEATURE_CATEGORY, "country", 5, 0, 0, 0, 0, 0},
    {EA_FEATURE_WEIGHTS, "taste", 9, 0, 0, 0, 0, 0},
    {EA_FEATURE_VECTOR, "x", 14, 0, 0, 0, 1000, 0},
};

/* Magnitudes over forty octaves, so that sums round and small numbers meet large ones. */
static double some_number(uint64_t *state) {
    return ldexp(2 * random_unit(state) - 1, (int)random_below(state, 40) - 32);
}

static buffer some_context(uint64_t *state) {
    buffer map = {0, 0, 0};
    char word[8];
    put_map(&map, 4);
    put_text(&map, "hour"), put_f64(&map, 24 * random_unit(state));
    put_text(&map, "country");
    snprintf(word, sizeof word, "w%u", random_below(state, 7));
    put_text(&map, word);
    put_text(&map, "taste"), put_map(&map, 4);
    for (unsigned i = 0; i < 4; i++) {
        snprintf(word, sizeof word, "w%u", 2 * i);
        put_text(&map, word), put_f64(&map, some_number(state));
    }
    put_text(&map, "x"), put_list(&map, 14);
    for (unsigned i = 0; i < 14; i++) put_f64(&map, some_number(state));
    return map;
}

static const struct {
    const char *name;
    uint32_t explorer;
    double floor, parameter;
} kinds[] = {
    {"fixed", EA_EXPLORER_FIXED, .01, 0},
    {"uniform", EA_EXPLORER_UNIFORM, 0, 0},
    {"greedy", EA_EXPLORER_GREEDY, .003, 0},
    {"epsilon", EA_EXPLORER_EPSILON_GREEDY, 0, .3},
    {"softmax", EA_EXPLORER_SOFTMAX, 0, .7},
    {"softmax-sharp", EA_EXPLORER_SOFTMAX, .01, .02},
    {"squarecb", EA_EXPLORER_SQUARECB, 0, 3},
    {"squarecb-sharp", EA_EXPLORER_SQUARECB, .001, 5000},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int write_world(const char *folder, unsigned kind, uint32_t rows) {
    uint32_t artworks[24];
    uint64_t state = 100 + kind;
    buffer maps[CONTEXTS];
    char path[1024];
    for (unsigned t = 0; t < 24; t++) artworks[t] = t < 20 ? 1 + t % 12 : 60;
    for (unsigned i = 0; i < CONTEXTS; i++) maps[i] = some_context(&state);
    buffer bundle = build_bundle(&(recipe){
        .name = kinds[kind].name, .explorer = kinds[kind].explorer,
        .floor = kinds[kind].floor, .parameter = kinds[kind].parameter, .features = features,
        .feature_count = 4, .title_count = 24, .artworks = artworks, .rows = rows,
        .seed = 500 + kind, .contexts = maps, .context_count = CONTEXTS});
    snprintf(path, sizeof path, "%s/%s-%s.edgeart", folder, kinds[kind].name,
             rows == EA_ROWS_I8 ? "i8" : "f32");
    FILE *file = fopen(path, "wb");
    int failed = !file || fwrite(bundle.bytes, 1, bundle.length, file) != bundle.length;
    if (file) failed |= fclose(file) != 0;
    if (failed) fprintf(stderr, "worlds: cannot write %s\n", path);
    for (unsigned i = 0; i < CONTEXTS; i++) buffer_free(maps + i);
    buffer_free(&bundle);
    return failed;
}

int main(int argc, char **argv) {
    int failed = 0;
    if (argc != 2) {
        fprintf(stderr, "usage: worlds folder\n");
        return 2;
    }
    for (unsigned kind = 0; kind < KINDS && !failed; kind++)
        failed = write_world(argv[1], kind, EA_ROWS_F32) ||
                 write_world(argv[1], kind, EA_ROWS_I8);
    return failed;
}
