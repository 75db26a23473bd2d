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

/* As far as each goes beyond format 1. */
enum { PLAIN = 0, UNCERTAIN = 1, DEEP = 2, CELLS = 4 };

static const struct {
    const char *name;
    uint32_t explorer;
    double floor, parameter;
    unsigned more;
} kinds[] = {
    {"fixed", EA_EXPLORER_FIXED, .01, 0, PLAIN},
    {"uniform", EA_EXPLORER_UNIFORM, 0, 0, PLAIN},
    {"greedy", EA_EXPLORER_GREEDY, .003, 0, DEEP},
    {"epsilon", EA_EXPLORER_EPSILON_GREEDY, 0, .3, PLAIN},
    {"softmax", EA_EXPLORER_SOFTMAX, 0, .7, DEEP},
    {"softmax-sharp", EA_EXPLORER_SOFTMAX, .01, .02, PLAIN},
    {"squarecb", EA_EXPLORER_SQUARECB, 0, 3, CELLS},
    {"squarecb-sharp", EA_EXPLORER_SQUARECB, .001, 5000, DEEP},
    {"thompson", EA_EXPLORER_THOMPSON, 0, .5, UNCERTAIN},
    {"thompson-wide", EA_EXPLORER_THOMPSON, .01, 20, UNCERTAIN},
    {"thompson-deep", EA_EXPLORER_THOMPSON, 0, 1, UNCERTAIN | DEEP | CELLS},
    {"ucb", EA_EXPLORER_UCB, .002, 2, UNCERTAIN | CELLS},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int write_world(const char *folder, unsigned kind, uint32_t rows) {
    static const recipe_cell cells[] = {
        {"first", .1, EA_EXPLORER_SOFTMAX, 0, .25},
        {"second", .1, EA_EXPLORER_SQUARECB, .01, 40},
        {"third", .1, EA_EXPLORER_THOMPSON, 0, 3},
    };
    const recipe_layer layers[] = {
        {EA_ACTIVATION_TANH, 21, rows, 0, 0, 0},
        {EA_ACTIVATION_RELU, 30, EA_ROWS_F32, 0, 0, 0},
        {EA_ACTIVATION_IDENTITY, 13, EA_ROWS_I8, 0, 0, 0},
    };
    unsigned more = kinds[kind].more;
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
        .seed = 500 + kind, .contexts = maps, .context_count = CONTEXTS, .cells = cells,
        .cell_count = more & CELLS ? more & UNCERTAIN ? 3 : 2 : 0, .scaled = (more & CELLS) != 0,
        .layers = layers, .layer_count = more & DEEP ? 3 : 0,
        .variance = more & UNCERTAIN ? EA_VARIANCE_E5M3 : EA_VARIANCE_NONE,
        .variance_scale = 0x1.9p-4f});
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
