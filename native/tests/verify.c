/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the test vectors of bundles, and prints one hash over all they came to.
 *
 *     verify bundle...
 */
#include "build.h"
#include "test.h"

static buffer read_file(const char *path) {
    buffer bytes = {0, 0, 0};
    uint8_t piece[4096];
    size_t size;
    FILE *file = fopen(path, "rb");
    if (!file) printf("verify: cannot read %s\n", path);
    REQUIRE(file);
    while ((size = fread(piece, 1, sizeof piece, file)) > 0) put_bytes(&bytes, piece, size);
    fclose(file);
    return bytes;
}

int main(int argc, char **argv) {
    uint64_t digest = 0, contexts = 0;
    int failed = argc < 2;
    flush_subnormals();
    for (int i = 1; i < argc; i++) {
        fixture f = open_fixture(read_file(argv[i]));
        uint32_t wrong;
        int32_t status = ea_policy_verify(f.policy, f.context, f.context_size, &wrong);
        if (status) printf("verify: %s: vector %" PRIu32 " does not hold\n", argv[i], wrong);
        failed |= status || !f.info.vectors;
        for (uint32_t v = 0; v < f.info.vectors; v++, contexts++) {
            ea_text map;
            uint64_t hash;
            REQUIRE(ea_policy_vector(f.policy, v, &map, &hash) == EA_OK);
            set_context(&f, &(buffer){(uint8_t *)(uintptr_t)map.data, map.length, 0}, 0);
            REQUIRE(ea_context_hash(f.policy, f.context, &hash) == EA_OK);
            digest = ea_hash(digest, 0, &hash, sizeof hash);
        }
        close_fixture(&f);
    }
    printf("worlds: %d bundles, %" PRIu64 " contexts, scores and n: %016" PRIx64 "\n", argc - 1,
           contexts, digest);
    return failed;
}
