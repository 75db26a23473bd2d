/* SPDX-License-Identifier: Apache-2.0 */
/* The laws that every decision keeps, whatever the policy: for tests, campaigns and fuzzing. */
#ifndef EDGEART_LAWS_H
#define EDGEART_LAWS_H

#include "edgeart.h"

/* Decides a title in every way there is and compares what comes of it: which rows are candidates,
   integers, totals, reasons, the cell, another scorer with the same scores, the fallback.
   unit: the context's. limits may be NULL. NULL if all holds, else what does not. Results go to
   heap blocks of exactly their size, so that a sanitizer sees what lies outside. */
const char *breaks_a_law(const ea_policy *policy, const ea_context *context, uint64_t unit,
                         uint32_t title, const ea_limits *limits);

/* Whether limits leave a row as a candidate; whether they deny it. Written after decision.md §6
   and not after the library. */
int is_eligible(const ea_policy *policy, const ea_limits *limits, uint32_t row);
int is_denied_row(const ea_limits *limits, uint32_t row);

/* The explorer that a context of this unit decides a title with, ready for ea_explore; 0 where its
   parameter, times the title's factor, is more than ea_explore takes. */
int explorer_of(const ea_policy *policy, uint64_t unit, uint32_t title, ea_explorer *explorer);

/* A block that cannot be had ends the program: nothing could be said about the library. */
void *block(size_t size);

#endif
