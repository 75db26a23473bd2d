/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the tables of a bundle: titles, artworks and their attributes, rows, variances. */
#include "fast.h"

#include "open.h"

/* Factors of the explorer's parameter, or none. */
static void read_title_scale(ea__reader *reader, ea_policy *policy) {
    ea__key(reader, "title_scale");
    uint32_t kind = policy->cell[0].explorer.kind, count = policy->titles.count;
    int has_scale = kind == EA_EXPLORER_SOFTMAX || kind == EA_EXPLORER_SQUARECB ||
                    ea__needs_variance(kind);
    size_t at = reader->at, padding = (0 - (at + 5)) & 63;
    /* the length says whether there are any */
    ea__reader ahead = {reader->bytes, reader->length, at, reader->status, 0};
    int present = ea__read(&ahead, EA__BIN).size > padding;
    const float *factors = ea__factors(reader, present && has_scale ? count : 0);
    policy->title_scale = present ? factors : 0;
}

void ea__read_titles(ea__reader *reader, ea_policy *policy) {
    size_t size;
    ea__key(reader, "title_ends");
    policy->titles.ends = ea__array(reader, EA__ANY_LENGTH, 4, EA_LIMIT_TITLES, &size);
    uint32_t count = policy->titles.count = (uint32_t)(size / 4);
    ea__key(reader, "title_text");
    ea__table_text(reader, &policy->titles, 1);

    ea__key(reader, "title_hash");
    const uint64_t *hash = policy->title_hash = ea__array(reader, 8 * (uint64_t)count, 8, 0, 0);
    for (uint32_t t = 0; t < count && !reader->status; t++) {
        ea_text id = ea__string(&policy->titles, t);
        if (hash[t] != ea_hash(EA__DOMAIN_TITLE, 0, id.data, id.length))
            ea__fail(reader, EA_E_HASH, ea__offset_of(reader, hash + t));
    }
    ea__key(reader, "title_order");
    const uint32_t *order = policy->title_order = ea__array(reader, 4 * (uint64_t)count, 4, 0, 0);
    for (uint32_t i = 0; i < count && !reader->status; i++)
        if (order[i] >= count || (i && hash[order[i - 1]] >= hash[order[i]]))
            ea__fail(reader, EA_E_ORDER, ea__offset_of(reader, order + i));

    ea__key(reader, "title_rows");
    const uint32_t *rows = policy->title_rows = ea__array(reader, 4 * (uint64_t)count, 4, 0, 0);
    uint32_t last = 0;
    for (uint32_t t = 0; t < count && !reader->status; t++) {
        if (rows[t] < last) ea__fail(reader, EA_E_ORDER, ea__offset_of(reader, rows + t));
        else if (rows[t] - last < 1 || rows[t] - last > EA_MAX_CANDIDATES ||
                 rows[t] > EA_LIMIT_ROWS)
            ea__fail(reader, EA_E_LIMIT, ea__offset_of(reader, rows + t));
        last = rows[t];
    }
    policy->artworks.count = reader->status ? 0 : last;
    if (policy->format > 1) read_title_scale(reader, policy);
}

/* A cheap hash that tells most ids of a title apart. */
static uint64_t fingerprint(ea_text id) {
    const uint8_t *p = (const uint8_t *)id.data;
    size_t n = id.length;
    uint64_t mixed = n;
    for (size_t i = 0; i < 4 && i < n; i++)
        mixed = mixed << 8 ^ p[n - 1 - i] ^ (uint64_t)p[i] << 32;
    return mixed;
}

/* Artwork ids are distinct within their title. */
static void check_distinct(ea__reader *reader, const ea_policy *policy) {
    uint64_t seen[EA_MAX_CANDIDATES];
    const ea__table *ids = &policy->artworks;
    for (uint32_t t = 0; t < policy->titles.count && !reader->status; t++) {
        uint32_t first = ea__first_row(policy, t), count = policy->title_rows[t] - first;
        for (uint32_t i = 0; i < count && !reader->status; i++) {
            ea_text id = ea__string(ids, first + i);
            seen[i] = fingerprint(id);
            for (uint32_t j = 0; j < i; j++) {
                if (seen[j] != seen[i]) continue;
                if (ea__same_text(ea__string(ids, first + j), id))
                    ea__fail(reader, EA_E_ORDER, ea__offset_of(reader, id.data));
            }
        }
    }
}

static void read_masks(ea__reader *reader, ea_policy *policy) {
    ea__key(reader, "masks");
    uint32_t count = policy->attributes ? policy->artworks.count : 0, bits = policy->attributes;
    const uint32_t *masks = ea__array(reader, 4 * (uint64_t)count, 4, 0, 0);
    for (uint32_t r = 0; r < count && bits < 32 && !reader->status; r++)
        if (masks[r] >> bits) ea__fail(reader, EA_E_RANGE, ea__offset_of(reader, masks + r));
    policy->masks = bits ? masks : 0;
}

void ea__read_artworks(ea__reader *reader, ea_policy *policy) {
    ea__key(reader, "artwork_ends");
    policy->artworks.ends = ea__array(reader, 4 * (uint64_t)policy->artworks.count, 4, 0, 0);
    ea__key(reader, "artwork_text");
    ea__table_text(reader, &policy->artworks, 1);
    check_distinct(reader, policy);
    if (policy->format > 1) read_masks(reader, policy);
}

/* A body of format 1 has 21 entries, of format 2 26; i8 rows add one, variances two. */
static uint32_t entries(const ea_policy *policy) {
    return (policy->format > 1 ? 26u : 21u) + (policy->rows_kind == EA_ROWS_I8);
}

void ea__read_rows(ea__reader *reader, ea_policy *policy, const ea__value *body) {
    ea__key(reader, "rows");
    uint32_t count = policy->artworks.count, k = policy->k;
    policy->rows_kind = ea__read_kind(reader);
    size_t more = body->size - entries(policy);
    if (more != 0 && (more != 2 || policy->format == 1))
        ea__fail(reader, EA_E_TYPE, body->offset);
    ea__key(reader, "weights");
    if (policy->rows_kind == EA_ROWS_I8) {
        policy->stride = policy->width;
        policy->weights_i8 = ea__rows_i8(reader, count, k, policy->stride);
        ea__key(reader, "scales");
        policy->scales = ea__scales(reader, count);
    } else {
        policy->stride = (k + 7) & ~7u;
        policy->weights_f32 = ea__rows_f32(reader, count, k, policy->stride);
    }
    ea__key(reader, "bias");
    policy->bias = ea__floats(reader, count);
}

void ea__read_variance(ea__reader *reader, ea_policy *policy, const ea__value *body) {
    ea__key(reader, "variance");
    size_t at = reader->at;
    ea_text kind = ea__read_text(reader, 0, SIZE_MAX);
    if (ea__is(kind, "e5m3")) policy->variance_kind = EA_VARIANCE_E5M3;
    else if (!ea__is(kind, "none")) ea__fail(reader, EA_E_KEY, at);
    for (uint32_t c = 0; c <= policy->cells && !policy->variance_kind; c++)
        if (ea__needs_variance(policy->cell[c].explorer.kind)) ea__fail(reader, EA_E_KEY, at);
    if (body->size != entries(policy) + (policy->variance_kind ? 2 : 0))
        ea__fail(reader, EA_E_TYPE, body->offset);
    if (reader->status || !policy->variance_kind) return;
    ea__key(reader, "variance_codes");
    policy->variances = ea__rows_u8(reader, policy->artworks.count, policy->k, policy->width);
    ea__key(reader, "variance_scale");
    const float *scale = ea__factors(reader, 1);
    policy->variance_scale = reader->status ? 0 : *scale;
}
