/* SPDX-License-Identifier: Apache-2.0 */
/* Comes first in files whose loops go over whole tables. The library is built with -O2, which keeps
   it small, but at which gcc vectorises next to nothing. */
#ifndef EDGEART_FAST_H
#define EDGEART_FAST_H

#if defined(__GNUC__) && !defined(__clang__) && defined(__OPTIMIZE__) && !defined(__OPTIMIZE_SIZE__)
#pragma GCC optimize("O3")
#endif

#endif
