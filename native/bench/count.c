/* SPDX-License-Identifier: Apache-2.0 */
/* Runs each job of one kernel once inside `measured`, where callgrind counts instructions, and
   prints the jobs' names in that order: tools/gates.py. */
#include "jobs.h"
#include "test.h"

__attribute__((noinline)) void measured(const job *j);
void measured(const job *j) {
    j->run(j);
    __asm__ volatile("" ::: "memory"); /* no tail call, which would leave `measured` early */
}

int main(int argc, char **argv) {
    static jobs all;
    unsigned kernel = 0;
    while (argc == 2 && kernel_name(kernel) && strcmp(kernel_name(kernel), argv[1])) kernel++;
    if (argc != 2 || !kernel_name(kernel)) {
        fprintf(stderr, "usage: count portable|128|avx2\n");
        return 2;
    }
    if (!add_kernel(&all, kernel)) return 77; /* this processor does not have it */
    /* with AVX2 comes the instruction for checksums, which opening takes where it is there */
    if (!strcmp(argv[1], "avx2")) add_common(&all, kernel);
    for (unsigned i = 0; i < all.count; i++) {
        const job *j = all.list + i;
        if (!strncmp(j->name, "read ", 5) || strstr(j->name, "bundle, portable"))
            continue; /* no code of the library, or of what another kernel would take */
        j->run(j); /* what happens once alone does not count */
        measured(j);
        printf("%s\n", j->name);
    }
    free_homes();
    return 0;
}
