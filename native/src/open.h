/* SPDX-License-Identifier: Apache-2.0 */
/* What the files share that open a bundle: bundle.c, declare.c, tables.c over arrays.c. */
#ifndef EDGEART_OPEN_H
#define EDGEART_OPEN_H

#include "internal.h"

#define EA__ANY_LENGTH UINT64_MAX
#define EA__TEXT(literal) ((ea_text){literal, sizeof(literal) - 1})
#define ea__is(text, literal) ea__same_text(text, EA__TEXT(literal))
#define ea__key(reader, literal) ea__read_key(reader, EA__TEXT(literal))

static inline int ea__same_text(ea_text a, ea_text b) {
    return a.length == b.length && ea__same(a.data, b.data, a.length);
}

static inline size_t ea__offset_of(const ea__reader *reader, const void *element) {
    return (size_t)((const uint8_t *)element - reader->bytes);
}

/* The head of a list [kind, …]. */
typedef struct {
    size_t offset, size;
    size_t kind_offset;
    ea_text kind;
} ea__tagged;

/* arrays.c */
void ea__read_key(ea__reader *reader, ea_text name);
ea__tagged ea__read_tagged(ea__reader *reader);
ea_text ea__read_name(ea__reader *reader);
uint32_t ea__read_kind(ea__reader *reader);
const void *ea__array(ea__reader *reader, uint64_t size, size_t unit, size_t most, size_t *found);
const float *ea__floats(ea__reader *reader, uint32_t count);
const float *ea__scales(ea__reader *reader, uint32_t count);
const float *ea__factors(ea__reader *reader, uint32_t count);
const float *ea__rows_f32(ea__reader *reader, uint32_t count, uint32_t k, uint32_t stride);
const int8_t *ea__rows_i8(ea__reader *reader, uint32_t count, uint32_t k, uint32_t stride);
const uint8_t *ea__rows_u8(ea__reader *reader, uint32_t count, uint32_t k, uint32_t stride);
void ea__table_text(ea__reader *reader, ea__table *table, uint32_t least);

/* declare.c */
void ea__read_explorer(ea__reader *reader, uint32_t format, ea__explorer *explorer);
void ea__read_cells(ea__reader *reader, ea_policy *policy);
void ea__read_features(ea__reader *reader, ea_policy *policy);
void ea__read_words(ea__reader *reader, ea_policy *policy);
void ea__read_tower(ea__reader *reader, ea_policy *policy);
void ea__read_attributes(ea__reader *reader, ea_policy *policy);

/* tables.c */
void ea__read_titles(ea__reader *reader, ea_policy *policy);
void ea__read_artworks(ea__reader *reader, ea_policy *policy);
void ea__read_rows(ea__reader *reader, ea_policy *policy, const ea__value *body);
void ea__read_variance(ea__reader *reader, ea_policy *policy, const ea__value *body);

#endif
