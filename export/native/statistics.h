/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of products of rows, per artwork: all that a linear trainer keeps of what it has seen. */

#ifndef EDGEART_STATISTICS_H
#define EDGEART_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

/* What cffi reads begins here. */
/* [cffi */
/* A row is the vector v = (x, z, y): the encoded context x, extras z (at most two of them 1, the
 * others 0) and the reward y; n = width + extras + 1 long. Of every artwork the sums are the upper
 * triangle of S = sum of weight * v * v', row after row: n * (n + 1) / 2 doubles.
 *
 * vectors: contexts, width floats each, all finite. context, artwork: of every row the context and
 * the artwork, each below its number. extra: NULL, or two indices of extras a row, below 0 for
 * none. weight: 0 or more. previous: NULL, or NaN for a row that is new and, for one that corrects
 * the reward of an earlier one, that earlier reward: then S changes by what y changes, in its last
 * column alone. */
typedef struct {
    size_t width, extras, artworks, rows;
    const float *vectors;
    const int64_t *context, *artwork, *extra;
    const double *reward, *weight, *previous;
} es_rows;

/* Puts the rows in groups of one artwork each, in their order. starts [artworks + 1]: where in
 * order [rows] each artwork's begin. Returns 0, or 1 + the first row whose artwork is out of range,
 * with order then left as it was. */
size_t es_group(const int64_t *artwork, size_t rows, size_t artworks, int64_t *starts,
                int64_t *order);

/* Doubles of scratch that es_add needs for vectors of n. */
size_t es_scratch(size_t n);

/* Adds the rows, grouped as es_group did, to sums [artworks, n * (n + 1) / 2]. The same rows in the
 * same calls give the same bits on every machine: the order of all additions is fixed and no
 * product is fused with an addition. */
void es_add(const es_rows *rows, const int64_t *starts, const int64_t *order, double *scratch,
            double *sums);
/* cffi] */

#endif
