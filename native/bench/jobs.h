/* SPDX-License-Identifier: Apache-2.0 */
/* What is timed by bench.c and counted by count.c: pages and calls over one homepage. */
#ifndef EDGEART_JOBS_H
#define EDGEART_JOBS_H

#include "build.h"

enum { TITLES = 3000, EACH = 10, ROWS = TITLES * EACH, K = 32, MOST_JOBS = 64 };

/* Nothing a job computes may be left out by a compiler: it goes here. */
extern volatile uint64_t sink;

typedef struct job job;
struct job {
    char name[48];
    void (*run)(const job *);
    unsigned repeat;             /* runs that are timed together, where one is too short */
    const ea_policy *policy;
    ea_context *context;
    size_t context_size;
    const buffer *bundle;
    const void *table;           /* what `read` reads */
    size_t size;
};

typedef struct {
    job list[MOST_JOBS];
    unsigned count;
} jobs;

/* "portable", "128" or "avx2"; NULL past the last. EA_KERNEL_… by the same index. */
const char *kernel_name(unsigned index);

/* The jobs of one kernel: a page by each explorer, single titles. 0 where this processor does not
   have it. */
int add_kernel(jobs *all, unsigned kernel);

/* The jobs that no kernel of a policy changes: reading the tables, opening, contexts, events; with
   the homes of a kernel that was added. */
void add_common(jobs *all, unsigned kernel);


void free_homes(void);

#endif
