/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a small bundle to a file, for the example of the README and for trying things out. */
#include "build.h"
#include "test.h"

int main(int argc, char **argv) {
    static const char *const countries[] = {"US", "GB"}, *const genres[] = {"comedy", "romance"};
    static const recipe_feature features[] = {
        {EA_FEATURE_CATEGORY, "country", 2, countries, 0, 0, 0, 0},
        {EA_FEATURE_WEIGHTS, "taste", 2, genres, 0, 0, 0, 0},
        {EA_FEATURE_NUMBER, "hour", 0, 0, 12, 6, 8, 0},
    };
    if (argc != 2) {
        fprintf(stderr, "usage: sample file    (writes a bundle of ten titles to file)\n");
        return 2;
    }
    buffer empty = {0, 0, 0};
    put_map(&empty, 0);
    buffer bundle = build_bundle(&(recipe){
        .name = "row", .sequence = 12, .explorer = EA_EXPLORER_SQUARECB, .floor = .01,
        .parameter = 10, .features = features, .feature_count = 3, .title_count = 10, .each = 4,
        .rows = EA_ROWS_I8, .seed = 1, .contexts = &empty, .context_count = 1});
    FILE *file = fopen(argv[1], "wb");
    int failed = !file || fwrite(bundle.bytes, 1, bundle.length, file) != bundle.length;
    if (file) failed |= fclose(file) != 0;
    if (failed) fprintf(stderr, "sample: cannot write %s\n", argv[1]);
    buffer_free(&bundle);
    buffer_free(&empty);
    return failed;
}
