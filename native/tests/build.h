/* SPDX-License-Identifier: Apache-2.0 */
/* Builds bundles and context maps for the tests, after bundle.md and not after the library. */
#ifndef EDGEART_BUILD_H
#define EDGEART_BUILD_H

#include "edgeart.h"

/* Bytes that grow; `bytes` begins at a multiple of 64. */
typedef struct {
    uint8_t *bytes;
    size_t length, capacity;
} buffer;

void put_bytes(buffer *out, const void *bytes, size_t size);
void put_byte(buffer *out, unsigned byte);
void put_big(buffer *out, uint64_t number, unsigned bytes);
void put_nil(buffer *out);
void put_bool(buffer *out, int value);
void put_uint(buffer *out, uint64_t number);
void put_int(buffer *out, int64_t number);
void put_f32(buffer *out, float number);
void put_f64(buffer *out, double number);
void put_string(buffer *out, const void *text, size_t size);
void put_text(buffer *out, const char *text); /* ends with its null byte */
void put_bin(buffer *out, const void *bytes, size_t size);
void put_list(buffer *out, size_t count);
void put_map(buffer *out, size_t count);
void buffer_free(buffer *out);

typedef struct {
    uint32_t kind; /* EA_FEATURE_… */
    const char *name;
    uint32_t length;          /* words, or elements of a vector */
    const char *const *words; /* NULL: w0, w1, … */
    double centre, scale, clip;
    int indicator;
} recipe_feature;

typedef struct {
    uint32_t activation; /* EA_ACTIVATION_… */
    uint32_t outputs;
    uint32_t rows;        /* EA_ROWS_… */
    const float *weights; /* inputs times outputs; NULL: uniform in ±1 */
    const float *scales;  /* of outputs, i8 rows alone; NULL: made up */
    const float *bias;    /* NULL: uniform in ±1 */
} recipe_layer;

typedef struct {
    const char *name;
    double share;
    uint32_t explorer;
    double floor, parameter;
} recipe_cell;

/* What a bundle is made from. Zeros mean the obvious: no meta, no titles, made-up ids, weights
   drawn from `seed`. */
typedef struct {
    const char *name; /* NULL: "test" */
    uint64_t sequence; /* 0: 1 */
    const char *const (*meta)[2];
    uint32_t meta_count;
    uint32_t explorer; /* EA_EXPLORER_… */
    double floor, parameter;
    const recipe_feature *features;
    uint32_t feature_count;
    uint32_t title_count;
    const char *const *title_ids;   /* NULL: title-0, title-1, … */
    const uint32_t *artworks;       /* of each title; NULL: `each` of every title */
    uint32_t each;
    const char *const *artwork_ids; /* of all rows; NULL: a0, a1, … within each title */
    uint32_t rows;                  /* EA_ROWS_… */
    uint64_t seed;
    const float *weights; /* rows times k; NULL: uniform in ±1 */
    const float *bias;    /* NULL: uniform in ±1 */
    const buffer *contexts; /* test vectors; their hashes are the library's own */
    uint32_t context_count;
    /* Format 2, which is written where there is any of it */
    uint32_t format; /* 0: the lowest */
    const char *salt;
    const recipe_cell *cells;
    uint32_t cell_count;
    const recipe_layer *layers;
    uint32_t layer_count;
    const char *const *attributes;
    uint32_t attribute_count;
    const uint32_t *masks; /* of rows; NULL: drawn */
    int scaled;            /* titles have factors of the parameter */
    const float *title_scale; /* these; NULL: drawn */
    uint32_t variance;     /* EA_VARIANCE_… */
    const uint8_t *variance_codes; /* rows times k; NULL: drawn */
    float variance_scale;  /* 0: 1 */
    /* For hostile bundles: the body's key `instead_of` becomes `key` (if not NULL), and its value
       `value` (if not NULL), already encoded. */
    const char *instead_of, *key;
    const buffer *value;
} recipe;

buffer build_bundle(const recipe *recipe);

/* Makes the checksum right after bytes were changed. */
void seal(buffer *bundle);

/* The bytes again, in a block of exactly their size at a multiple of 64, so that a sanitizer sees
   the first byte read past them. */
uint8_t *exact_copy(const void *bytes, size_t size);

/* Offset of the value of a key of the body, which must be there; of the key itself. */
size_t value_offset(const buffer *bundle, const char *key);
size_t key_offset(const buffer *bundle, const char *key);

/* Offset of the data of the array at this key, after its padding. */
size_t data_offset(const buffer *bundle, const char *key);

/* Offset after the MessagePack value at this offset. */
size_t after_value(const uint8_t *bytes, size_t at);

/* An open policy over a bundle, with room for a context. */
typedef struct {
    buffer bundle;
    ea_policy *policy;
    ea_context *context;
    size_t context_size;
    ea_info info;
} fixture;

/* Takes the bundle over; the program ends if it cannot be opened. */
fixture open_fixture(buffer bundle);
void close_fixture(fixture *fixture);

/* Encodes a map into the fixture's context; the program ends if that fails. */
void set_context(fixture *fixture, const buffer *map, uint64_t seed);

/* A map with one field `x`: a vector of these numbers. */
buffer vector_map(const float *numbers, size_t count);

#endif
