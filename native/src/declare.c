/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a bundle declares: explorers, cells, features and words, tower, attributes. */
#include "open.h"

/* ---- explorers and cells ---- */

static const struct {
    ea_text name;
    uint32_t kind, parameters, format;
    double least, most;
} kinds[] = {
    {{"fixed", 5}, EA_EXPLORER_FIXED, 0, 1, 0, 0},
    {{"uniform", 7}, EA_EXPLORER_UNIFORM, 0, 1, 0, 0},
    {{"greedy", 6}, EA_EXPLORER_GREEDY, 0, 1, 0, 0},
    {{"epsilon_greedy", 14}, EA_EXPLORER_EPSILON_GREEDY, 1, 1, 0, 1},
    {{"softmax", 7}, EA_EXPLORER_SOFTMAX, 1, 1, 0x1p-20, 0x1p20},
    {{"squarecb", 8}, EA_EXPLORER_SQUARECB, 1, 1, 0, 0x1p40},
    {{"thompson", 8}, EA_EXPLORER_THOMPSON, 1, 2, 0x1p-20, 0x1p20},
    {{"ucb", 3}, EA_EXPLORER_UCB, 1, 2, 0x1p-20, 0x1p20},
};
#define KINDS (sizeof kinds / sizeof *kinds)

/* The range of a kind's parameter, 0 to 0 for kinds without; whether there is such a kind. */
int ea__explorer_bounds(uint32_t kind, double *least, double *most) {
    for (size_t i = 0; i < KINDS; i++)
        if (kinds[i].kind == kind) {
            *least = kinds[i].least;
            *most = kinds[i].most;
            return 1;
        }
    return 0;
}

void ea__read_explorer(ea__reader *reader, uint32_t format, ea__explorer *explorer) {
    ea__tagged list = ea__read_tagged(reader);
    if (reader->status) return;
    for (size_t i = 0; i < KINDS; i++) {
        if (!ea__same_text(list.kind, kinds[i].name) || format < kinds[i].format) continue;
        if (list.size != 2 + kinds[i].parameters) ea__fail(reader, EA_E_TYPE, list.offset);
        explorer->kind = kinds[i].kind;
        explorer->floor = ea__read_double(reader, 0, 1);
        explorer->floor_units = (uint32_t)(explorer->floor * 2147483648.0);
        if (kinds[i].parameters)
            explorer->parameter = ea__read_double(reader, kinds[i].least, kinds[i].most);
        return;
    }
    ea__fail(reader, EA_E_UNSUPPORTED, list.kind_offset);
}

/* The cells, and what they leave to cell 0. */
void ea__read_cells(ea__reader *reader, ea_policy *policy) {
    ea__key(reader, "cells");
    ea__value list = ea__read(reader, EA__LIST);
    if (list.size < 1) ea__fail(reader, EA_E_TYPE, list.offset);
    else if (list.size > 1 + EA_LIMIT_CELLS) ea__fail(reader, EA_E_LIMIT, list.offset);
    policy->salt = ea__read_text(reader, 0, EA_LIMIT_NAME);
    uint32_t left = EA_TOTAL;
    for (uint32_t i = 1; i < list.size && !reader->status; i++) {
        ea__cell *cell = policy->cell + i;
        ea__read_list_of(reader, 3);
        size_t name_at = reader->at;
        cell->name = ea__read_name(reader);
        for (uint32_t j = 1; j < i; j++)
            if (ea__same_text(policy->cell[j].name, cell->name))
                ea__fail(reader, EA_E_ORDER, name_at);
        size_t share_at = reader->at;
        cell->share = ea__read_double(reader, 0x1p-31, 1);
        cell->units = (uint32_t)(cell->share * 2147483648.0);
        if (cell->units > left) ea__fail(reader, EA_E_RANGE, share_at);
        left -= cell->units;
        ea__read_explorer(reader, policy->format, &cell->explorer);
    }
    if (reader->status) return;
    policy->cells = (uint32_t)list.size - 1;
    policy->cell[0].units = left;
    policy->cell[0].share = left / 2147483648.0;
}

/* ---- features and their words ---- */

/* Feature `index`, of whose place in the slots and words the caller takes care. */
static void read_feature(ea__reader *reader, ea_policy *policy, uint32_t index) {
    ea__feature *feature = policy->feature + index;
    ea__tagged list = ea__read_tagged(reader);
    if (reader->status) return;
    size_t size = 3;
    if (ea__is(list.kind, "number")) feature->kind = EA_FEATURE_NUMBER, size = 6;
    else if (ea__is(list.kind, "category")) feature->kind = EA_FEATURE_CATEGORY;
    else if (ea__is(list.kind, "weights")) feature->kind = EA_FEATURE_WEIGHTS;
    else if (ea__is(list.kind, "vector")) feature->kind = EA_FEATURE_VECTOR, size = 4;
    else ea__fail(reader, EA_E_UNSUPPORTED, list.kind_offset);
    if (list.size != size) ea__fail(reader, EA_E_TYPE, list.offset);
    size_t name_at = reader->at;
    feature->name = ea__read_text(reader, 1, EA_LIMIT_NAME);
    for (uint32_t j = 0; j < index; j++)
        if (ea__same_text(policy->feature[j].name, feature->name))
            ea__fail(reader, EA_E_ORDER, name_at);
    switch (feature->kind) {
    case EA_FEATURE_NUMBER:
        feature->centre = ea__read_double(reader, -0x1p50, 0x1p50);
        feature->scale = ea__read_double(reader, 0x1p-50, 0x1p50);
        feature->clip = ea__read_double(reader, 0x1p-20, 0x1p19);
        feature->indicator = ea__read_bool(reader);
        feature->width = 1 + feature->indicator;
        break;
    case EA_FEATURE_VECTOR:
        feature->width = (uint32_t)ea__read_uint(reader, 1, EA_LIMIT_WORDS, EA_E_LIMIT);
        feature->clip = ea__read_double(reader, 0x1p-20, 0x1p19);
        break;
    default:
        feature->words = (uint32_t)ea__read_uint(reader, 1, EA_LIMIT_WORDS, EA_E_LIMIT);
        feature->width = feature->words + (feature->kind == EA_FEATURE_CATEGORY);
    }
}

void ea__read_features(ea__reader *reader, ea_policy *policy) {
    uint32_t count = ea__read_count(reader, EA__LIST, EA_LIMIT_FEATURES);
    uint32_t slots = 0, words = 0;
    for (uint32_t i = 0; i < count && !reader->status; i++) {
        ea__feature *feature = policy->feature + i;
        size_t at = reader->at;
        read_feature(reader, policy, i);
        feature->first = slots;
        feature->word = words;
        slots += feature->width;
        words += feature->words;
        if (slots + 1 > EA_LIMIT_SLOTS) ea__fail(reader, EA_E_LIMIT, at);
    }
    policy->features = count;
    policy->slots = slots + 1;
    policy->words.count = words;
}

static int ascends(ea_text a, ea_text b) {
    size_t common = a.length < b.length ? a.length : b.length;
    for (size_t i = 0; i < common; i++)
        if (a.data[i] != b.data[i]) return (uint8_t)a.data[i] < (uint8_t)b.data[i];
    return a.length < b.length;
}

void ea__read_words(ea__reader *reader, ea_policy *policy) {
    uint32_t count = policy->words.count;
    ea__key(reader, "word_ends");
    policy->words.ends = ea__array(reader, 4 * (uint64_t)count, 4, 0, 0);
    ea__key(reader, "word_text");
    ea__table_text(reader, &policy->words, 0);
    ea__key(reader, "word_order");
    const uint16_t *order = ea__array(reader, 2 * (uint64_t)count, 2, 0, 0);
    policy->word_order = order;
    for (uint32_t f = 0; f < policy->features && !reader->status; f++) {
        const ea__feature *feature = policy->feature + f;
        for (uint32_t i = 0; i < feature->words && !reader->status; i++) {
            const uint16_t *here = order + feature->word + i;
            if (here[0] >= feature->words ||
                (i && !ascends(ea__string(&policy->words, feature->word + here[-1]),
                               ea__string(&policy->words, feature->word + here[0]))))
                ea__fail(reader, EA_E_ORDER, ea__offset_of(reader, here));
        }
    }
}

/* ---- the tower ---- */

static void read_layer(ea__reader *reader, ea__layer *layer) {
    ea__tagged list = ea__read_tagged(reader);
    if (reader->status) return;
    if (ea__is(list.kind, "identity")) layer->activation = EA_ACTIVATION_IDENTITY;
    else if (ea__is(list.kind, "relu")) layer->activation = EA_ACTIVATION_RELU;
    else if (ea__is(list.kind, "tanh")) layer->activation = EA_ACTIVATION_TANH;
    else ea__fail(reader, EA_E_UNSUPPORTED, list.kind_offset);
    if (list.size < 5 || list.size > 6) ea__fail(reader, EA_E_TYPE, list.offset);
    uint32_t m = (uint32_t)ea__read_uint(reader, 1, EA_LIMIT_SLOTS, EA_E_LIMIT);
    layer->outputs = m;
    layer->rows_kind = ea__read_kind(reader);
    if (list.size != (layer->rows_kind == EA_ROWS_I8 ? 6u : 5u))
        ea__fail(reader, EA_E_TYPE, list.offset);
    if (layer->rows_kind == EA_ROWS_I8) {
        layer->stride = (m + 15) & ~15u;
        layer->weights_i8 = ea__rows_i8(reader, layer->inputs, m, layer->stride);
        layer->scales = ea__scales(reader, m);
    } else {
        layer->stride = (m + 7) & ~7u;
        layer->weights_f32 = ea__rows_f32(reader, layer->inputs, m, layer->stride);
    }
    layer->bias = ea__floats(reader, m);
}

/* The tower and k. */
void ea__read_tower(ea__reader *reader, ea_policy *policy) {
    ea__key(reader, "tower");
    size_t at = reader->at;
    uint32_t layers = ea__read_count(reader, EA__LIST, policy->format > 1 ? EA_LIMIT_LAYERS
                                                                          : UINT32_MAX);
    if (layers && policy->format == 1) ea__fail(reader, EA_E_UNSUPPORTED, at);
    uint32_t width = policy->slots;
    for (uint32_t i = 0; i < layers && !reader->status; i++) {
        policy->layer[i].inputs = width;
        read_layer(reader, policy->layer + i);
        width = policy->layer[i].outputs;
    }
    policy->layers = layers;
    ea__key(reader, "k");
    policy->k = (uint32_t)ea__read_uint(reader, width, width, EA_E_LIMIT);
    policy->width = (policy->k + 15) & ~15u;
}

void ea__read_attributes(ea__reader *reader, ea_policy *policy) {
    ea__key(reader, "attributes");
    policy->attributes = ea__read_count(reader, EA__LIST, EA_LIMIT_ATTRIBUTES);
    policy->attributes_at = reader->at;
    ea_text names[EA_LIMIT_ATTRIBUTES];
    for (uint32_t i = 0; i < policy->attributes && !reader->status; i++) {
        size_t at = reader->at;
        names[i] = ea__read_text(reader, 1, EA_LIMIT_NAME);
        for (uint32_t j = 0; j < i; j++)
            if (ea__same_text(names[j], names[i])) ea__fail(reader, EA_E_ORDER, at);
    }
}
