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

/* What is needed of a row, beside those of the same artwork. */
typedef struct {
    int64_t row, context;
    double reward, weight;
} es_entry;

/* Puts the rows in groups of one artwork each, in their order. starts [artworks + 1]: where in
 * entries [rows] each artwork's begin. Returns 0, or 1 + the first row whose artwork, context or
 * extras are out of range, with entries then left as they were; contexts: how many there are. */
size_t es_group(const es_rows *rows, size_t contexts, int64_t *starts, es_entry *entries);

/* products [artworks, n * (n + 1) / 2]: the triangles; counts, rewards [artworks]: sums of the
 * weights, and of weight * y. */
typedef struct {
    double *products, *counts, *rewards;
} es_sums;

/* Doubles of scratch that es_add needs for vectors of n. */
size_t es_scratch(size_t n);

/* Adds the rows, grouped as es_group did, to the sums, by the fastest kernel the processor has. The
 * order of all additions is fixed: the same calls give the same bits. Other machines give them too
 * where all products are exact, as they are of float32 with weights and rewards that are powers of
 * two or short fractions; where not, one that fuses products with additions may differ in the last
 * bits. */
void es_add(const es_rows *rows, const int64_t *starts, const es_entry *entries, double *scratch,
            es_sums *sums);

/* Kernels, the code that adds: all but the first fuse, and give the same bits as each other. */
enum { ES_PORTABLE = 1, ES_AVX2 = 2, ES_AVX512 = 3 };

/* Whether this processor has what the kernel needs: 1 or 0. */
int es_has(int kernel);

/* es_add by this kernel. Returns 1, or 0 where the processor has not got it: then nothing was
 * added. */
int es_add_by(int kernel, const es_rows *rows, const int64_t *starts, const es_entry *entries,
              double *scratch, es_sums *sums);
/* cffi] */

#endif
