/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target: any bytes as a context map, over a policy with a feature of each kind. */
#include "build.h"
#include "test.h"
#include "use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static fixture policy_of_all_kinds(void) {
    static const char *const words[] = {"US", "GB", ""};
    static const recipe_feature features[] = {
        {EA_FEATURE_NUMBER, "n", 0, 0, 12, 6, 8, 1},
        {EA_FEATURE_CATEGORY, "c", 3, words, 0, 0, 0, 0},
        {EA_FEATURE_WEIGHTS, "w", 4, 0, 0, 0, 0, 0},
        {EA_FEATURE_VECTOR, "v", 3, 0, 0, 0, 16, 0},
    };
    return open_fixture(build_bundle(&(recipe){
        .explorer = EA_EXPLORER_SOFTMAX, .floor = .01, .parameter = .5, .features = features,
        .feature_count = 4, .title_count = 3, .each = 5, .rows = EA_ROWS_I8, .seed = 1}));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static fixture f;
    if (!f.policy) f = policy_of_all_kinds();
    const char *wrong = misbehaves_with(f.policy, data, size, size, 0);
    if (!wrong) return 0;
    printf("does not hold: %s\n", wrong);
    abort();
}
