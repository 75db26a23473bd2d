/* SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer target: any bytes as a bundle; what opens is used with all calls there are. */
#include "build.h"
#include "test.h"
#include "use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

/* Without a right checksum nothing behind it would ever be reached. The first input is a bundle. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed) {
    if (size < 20) {
        static const recipe_feature features[] = {
            {EA_FEATURE_NUMBER, "hour", 0, 0, 12, 6, 8, 1},
            {EA_FEATURE_WEIGHTS, "taste", 3, 0, 0, 0, 0, 0},
        };
        buffer bundle = build_bundle(&(recipe){
            .explorer = EA_EXPLORER_EPSILON_GREEDY + seed % 3 * 10, .parameter = .5,
            .features = features, .feature_count = 2, .title_count = 3, .each = 3,
            .rows = seed % 2 ? EA_ROWS_I8 : EA_ROWS_F32, .seed = seed});
        size = bundle.length < most ? bundle.length : most;
        memcpy(data, bundle.bytes, size);
        buffer_free(&bundle);
    }
    size = LLVMFuzzerMutate(data, size, most);
    if (size < 20 || seed % 16 == 0) return size;
    data[size - 5] = 0xce;
    seal(&(buffer){data, size, size});
    return size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *bytes = exact_copy(data, size);
    void *memory = 0;
    uint64_t offset;
    REQUIRE(posix_memalign(&memory, 16, ea_policy_size()) == 0);
    int32_t status = ea_policy_open(memory, ea_policy_size(), bytes, size, &offset);
    const char *wrong = status ? 0 : misbehaves(memory, data, size < 64 ? size : 64, size);
    if (status && offset > size) wrong = "an offset lies inside";
    free(memory);
    free(bytes);
    if (!wrong) return 0;
    printf("does not hold: %s\n", wrong);
    abort();
}
