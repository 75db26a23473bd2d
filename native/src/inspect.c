/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy says of itself: its header, features, words, titles, artworks, weights. */
#include "kernel.h"

/* A structure as far as the caller knows it: fields at or past struct_size stay as they are. */
static void give(void *to, const void *from, size_t size) {
    const uint8_t *p = from;
    uint8_t *q = to;
    for (size_t i = 4; i < size; i++) ((volatile uint8_t *)q)[i] = p[i];
}

int32_t ea_policy_info(const ea_policy *policy, ea_info *out) {
    const size_t first = offsetof(ea_info, layers); /* of later fields */
    if (!ea__is_open(policy) || !out || out->struct_size < first) return EA_E_ARGUMENT;
    const ea__explorer *explorer = &policy->cell[0].explorer;
    ea_info info = {
        .format = policy->format,
        .sequence = policy->sequence,
        .name = policy->name,
        .features = policy->features,
        .slots = policy->slots,
        .k = policy->k,
        .titles = policy->titles.count,
        .artworks = policy->artworks.count,
        .rows = policy->rows_kind,
        .explorer = explorer->kind,
        .vectors = policy->vectors,
        .meta = policy->meta,
        .floor = explorer->floor,
        .parameter = explorer->parameter,
        .layers = policy->layers,
        .variance = policy->variance_kind,
        .cells = policy->cells,
        .attributes = policy->attributes,
        .scaled = policy->title_scale != 0,
        .kernel = policy->kernel->name,
        .salt = policy->salt,
    };
    give(out, &info, out->struct_size < sizeof info ? first : sizeof info);
    return EA_OK;
}

int32_t ea_policy_feature(const ea_policy *policy, uint32_t index, ea_feature *out) {
    if (!ea__is_open(policy) || !out || out->struct_size < sizeof *out ||
        index >= policy->features)
        return EA_E_ARGUMENT;
    const ea__feature *feature = policy->feature + index;
    out->kind = feature->kind;
    out->name = feature->name;
    out->first = feature->first;
    out->width = feature->width;
    out->words = feature->words;
    out->indicator = feature->indicator;
    out->centre = feature->centre;
    out->scale = feature->scale;
    out->clip = feature->clip;
    return EA_OK;
}

int32_t ea_policy_word(const ea_policy *policy, uint32_t index, uint32_t word, ea_text *text) {
    if (!ea__is_open(policy) || !text || index >= policy->features ||
        word >= policy->feature[index].words)
        return EA_E_ARGUMENT;
    *text = ea__string(&policy->words, policy->feature[index].word + word);
    return EA_OK;
}

int32_t ea_policy_meta(const ea_policy *policy, uint32_t index, ea_text *key, ea_text *value) {
    if (!ea__is_open(policy) || !key || !value || index >= policy->meta) return EA_E_ARGUMENT;
    ea__reader reader = {policy->bytes, policy->length, policy->meta_at, EA_OK, 0};
    for (uint32_t i = 0; i <= index; i++) {
        *key = ea__read_text(&reader, 0, SIZE_MAX);
        *value = ea__read_text(&reader, 0, SIZE_MAX);
    }
    return EA_OK;
}

int32_t ea_policy_vector(const ea_policy *policy, uint32_t index, ea_text *context,
                         uint64_t *hash) {
    if (!ea__is_open(policy) || !context || !hash || index >= policy->vectors)
        return EA_E_ARGUMENT;
    ea__reader reader = {policy->bytes, policy->length, policy->vectors_at, EA_OK, 0};
    for (uint32_t i = 0; i <= index; i++) {
        ea__read_list_of(&reader, 2);
        ea__value map = ea__read(&reader, EA__BIN);
        *context = (ea_text){(const char *)map.data, map.size};
        *hash = ea__read_uint(&reader, 0, UINT64_MAX, EA_E_RANGE);
    }
    return EA_OK;
}

uint32_t ea_title_find(const ea_policy *policy, const void *id, size_t length) {
    if (!ea__is_open(policy) || (!id && length)) return EA_NONE;
    uint64_t hash = ea_hash(EA__DOMAIN_TITLE, 0, id, length);
    uint32_t low = 0, high = policy->titles.count;
    while (low < high) {
        uint32_t middle = (low + high) / 2, title = policy->title_order[middle];
        if (policy->title_hash[title] < hash) low = middle + 1;
        else if (policy->title_hash[title] > hash) high = middle;
        else {
            ea_text found = ea__string(&policy->titles, title);
            return found.length == length && ea__same(found.data, id, length) ? title : EA_NONE;
        }
    }
    return EA_NONE;
}

int32_t ea_title_find_page(const ea_policy *policy, const void *ids, const uint32_t *ends,
                           size_t count, uint32_t *titles) {
    if (!ea__is_open(policy) || ((!ids || !ends || !titles) && count)) return EA_E_ARGUMENT;
    const uint8_t *text = ids;
    uint32_t start = 0;
    for (size_t i = 0; i < count; i++) {
        if (ends[i] < start) return EA_E_ARGUMENT;
        titles[i] = ea_title_find(policy, text + start, ends[i] - start);
        start = ends[i];
    }
    return EA_OK;
}

int32_t ea_title_info(const ea_policy *policy, uint32_t title, ea_text *id, uint32_t *first,
                      uint32_t *count) {
    if (!ea__is_open(policy)) return EA_E_ARGUMENT;
    if (title >= policy->titles.count) return EA_E_TITLE;
    if (id) *id = ea__string(&policy->titles, title);
    if (first) *first = ea__first_row(policy, title);
    if (count) *count = policy->title_rows[title] - ea__first_row(policy, title);
    return EA_OK;
}

int32_t ea_artwork_id(const ea_policy *policy, uint32_t row, ea_text *id) {
    if (!ea__is_open(policy) || !id || row >= policy->artworks.count) return EA_E_ARGUMENT;
    *id = ea__string(&policy->artworks, row);
    return EA_OK;
}

int32_t ea_artwork_mask(const ea_policy *policy, uint32_t row, uint32_t *mask) {
    if (!ea__is_open(policy) || !mask || row >= policy->artworks.count) return EA_E_ARGUMENT;
    *mask = policy->masks ? policy->masks[row] : 0;
    return EA_OK;
}

int32_t ea_policy_attribute(const ea_policy *policy, uint32_t index, ea_text *name) {
    if (!ea__is_open(policy) || !name || index >= policy->attributes) return EA_E_ARGUMENT;
    ea__reader reader = {policy->bytes, policy->length, policy->attributes_at, EA_OK, 0};
    for (uint32_t i = 0; i <= index; i++) *name = ea__read_text(&reader, 0, SIZE_MAX);
    return EA_OK;
}

int32_t ea_policy_cell(const ea_policy *policy, uint32_t index, ea_explorer *explorer,
                       ea_text *name, double *share) {
    if (!ea__is_open(policy) || !explorer || explorer->struct_size < sizeof *explorer ||
        index > policy->cells)
        return EA_E_ARGUMENT;
    const ea__cell *cell = policy->cell + index;
    explorer->kind = cell->explorer.kind;
    explorer->floor = cell->explorer.floor;
    explorer->parameter = cell->explorer.parameter;
    if (name) *name = cell->name;
    if (share) *share = cell->share;
    return EA_OK;
}

int32_t ea_policy_layer(const ea_policy *policy, uint32_t index, ea_layer *out) {
    if (!ea__is_open(policy) || !out || out->struct_size < sizeof *out ||
        index >= policy->layers)
        return EA_E_ARGUMENT;
    const ea__layer *layer = policy->layer + index;
    out->activation = layer->activation;
    out->inputs = layer->inputs;
    out->outputs = layer->outputs;
    out->rows = layer->rows_kind;
    out->reserved = 0;
    return EA_OK;
}

int32_t ea_title_scale(const ea_policy *policy, uint32_t title, double *scale) {
    if (!ea__is_open(policy) || !scale) return EA_E_ARGUMENT;
    if (title >= policy->titles.count) return EA_E_TITLE;
    *scale = policy->title_scale ? (double)policy->title_scale[title] : 1;
    return EA_OK;
}

int32_t ea_row_weights(const ea_policy *policy, uint32_t row, float *weights, size_t capacity,
                       float *bias) {
    if (!ea__is_open(policy) || !weights || row >= policy->artworks.count) return EA_E_ARGUMENT;
    if (capacity < policy->k) return EA_E_CAPACITY;
    size_t start = (size_t)row * policy->stride;
    for (uint32_t i = 0; i < policy->k; i++)
        weights[i] = policy->rows_kind == EA_ROWS_I8
                         ? (float)policy->weights_i8[start + i] * policy->scales[row]
                         : policy->weights_f32[start + i];
    if (bias) *bias = policy->bias[row];
    return EA_OK;
}
