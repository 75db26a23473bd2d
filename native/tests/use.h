/* SPDX-License-Identifier: Apache-2.0 */
/* Calls everything there is on a policy: for bundles and contexts that came from nobody knows. */
#ifndef EDGEART_USE_H
#define EDGEART_USE_H

#include "edgeart.h"

/* Every call on a policy that opened, with contexts made for its features and one that is the
   noise. NULL if all that it promises holds, else what does not. Results go to heap blocks of
   exactly their size, so that a sanitizer sees what lies outside. */
const char *misbehaves(const ea_policy *policy, const uint8_t *noise, size_t size, uint64_t seed);

/* The same for one context map of any bytes. */
const char *misbehaves_with(const ea_policy *policy, const uint8_t *map, size_t size,
                            uint64_t seed, int *accepted);

#endif
