/* SPDX-License-Identifier: Apache-2.0 */
/* Turns a context map into slots (decision.md §3). */
#include "internal.h"

#define LARGEST_WEIGHT 0x1p20

/* One bit each for up to 1,024 things seen. */
typedef struct {
    uint32_t bits[1024 / 32];
} members;

/* Adds a member; whether it was there before. */
static int add(members *set, uint32_t member) {
    uint32_t mask = 1u << (member & 31), *bits = set->bits + (member >> 5);
    int there = (*bits & mask) != 0;
    *bits |= mask;
    return there;
}

static void empty(members *set) {
    for (uint32_t i = 0; i < 1024 / 32; i++) ((volatile uint32_t *)set->bits)[i] = 0;
}

typedef struct {
    ea__reader reader;
    const ea_policy *policy;
    float *slots;
    uint32_t missing, other, clipped, ignored;
} encoder;

/* u32 halves, since converting a u64 calls a library on some targets. One rounding, in the sum. */
static double from_u64(uint64_t x) {
    return (double)(uint32_t)(x >> 32) * 4294967296.0 + (double)(uint32_t)x;
}

static double number_of(const ea__value *value) {
    if (value->type == EA__UINT) return from_u64(value->integer);
    if (value->type != EA__INT) return value->real;
    return value->integer >> 63 ? -from_u64(0 - value->integer) : from_u64(value->integer);
}

static double clip(encoder *e, double x, double most) {
    if (x > most) {
        e->clipped++;
        return most;
    }
    if (x < -most) {
        e->clipped++;
        return -most;
    }
    return x;
}

/* Slot of a word within its feature, or the number of words: binary search in ascending order. */
static uint32_t find_word(const ea_policy *policy, const ea__feature *feature,
                          const ea__value *value) {
    uint32_t low = 0, high = feature->words;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        uint32_t index = policy->word_order[feature->word + middle];
        ea_text word = ea__string(&policy->words, feature->word + index);
        size_t common = word.length < value->size ? word.length : value->size;
        int before = word.length < value->size, same = word.length == value->size;
        for (size_t i = 0; i < common; i++) {
            if ((uint8_t)word.data[i] == value->data[i]) continue;
            before = (uint8_t)word.data[i] < value->data[i];
            same = 0;
            break;
        }
        if (same) return index;
        if (before) low = middle + 1;
        else high = middle;
    }
    return feature->words;
}

static void encode_number(encoder *e, const ea__feature *feature, const ea__value *value) {
    float *slot = e->slots + feature->first;
    double v = 0;
    int missing = value->type == EA__NIL;
    if (!missing) {
        v = number_of(value);
        missing = v != v;
    }
    if (missing) {
        e->missing++;
        if (feature->indicator) slot[1] = 1;
        return;
    }
    slot[0] = ea__tiny((float)clip(e, (v - feature->centre) / feature->scale, feature->clip));
}

static void encode_category(encoder *e, const ea__feature *feature, const ea__value *value) {
    if (value->type == EA__NIL) {
        e->missing++;
        return;
    }
    uint32_t word = find_word(e->policy, feature, value); /* the slot after the words: other */
    e->slots[feature->first + word] = 1;
    if (word == feature->words) e->other++;
}

static void weights_from_list(encoder *e, const ea__feature *feature, size_t count) {
    for (size_t i = 0; i < count && !e->reader.status; i++) {
        ea__value key = ea__read(&e->reader, EA__STR);
        if (e->reader.status) return;
        uint32_t word = find_word(e->policy, feature, &key);
        if (word == feature->words) e->other++;
        else e->slots[feature->first + word] += 1;
    }
}

static void weights_from_map(encoder *e, const ea__feature *feature, size_t count) {
    members seen;
    empty(&seen);
    for (size_t i = 0; i < count && !e->reader.status; i++) {
        ea__value key = ea__read(&e->reader, EA__STR);
        if (e->reader.status) return;
        uint32_t word = find_word(e->policy, feature, &key);
        if (word < feature->words && add(&seen, word))
            ea__fail(&e->reader, EA_E_DUPLICATE, key.offset);
        ea__value value = ea__read(&e->reader, EA__NUMBER | EA__NIL);
        if (e->reader.status) return;
        if (word == feature->words) {
            e->other++;
            continue;
        }
        double weight = value.type == EA__NIL ? 0 : number_of(&value);
        if (weight != weight) weight = 0;
        e->slots[feature->first + word] = ea__tiny((float)clip(e, weight, LARGEST_WEIGHT));
    }
}

static void encode_weights(encoder *e, const ea__feature *feature, const ea__value *value) {
    if (value->type == EA__NIL) {
        e->missing++;
        return;
    }
    if (value->size > EA_LIMIT_WEIGHTS) ea__fail(&e->reader, EA_E_LIMIT, value->offset);
    else if (value->type == EA__MAP) weights_from_map(e, feature, value->size);
    else weights_from_list(e, feature, value->size);
    float *slot = e->slots + feature->first;
    double total = 0;
    for (uint32_t j = 0; j < feature->words; j++)
        total += slot[j] < 0 ? -(double)slot[j] : (double)slot[j];
    if (total > 0)
        for (uint32_t j = 0; j < feature->words; j++)
            slot[j] = ea__tiny((float)((double)slot[j] / total));
}

static void encode_vector(encoder *e, const ea__feature *feature, const ea__value *value) {
    uint32_t length = feature->width;
    float *slot = e->slots + feature->first;
    if (value->type == EA__NIL) {
        e->missing++;
        return;
    }
    if (value->size != (value->type == EA__LIST ? 1u : 4u) * (size_t)length) {
        ea__fail(&e->reader, EA_E_TYPE, value->offset);
        return;
    }
    int missing = 0;
    uint32_t clipped = e->clipped;
    for (uint32_t i = 0; i < length; i++) {
        double z;
        if (value->type == EA__LIST) {
            ea__value element = ea__read(&e->reader, EA__NUMBER);
            if (e->reader.status) return;
            z = number_of(&element);
        } else {
            const uint8_t *p = value->data + 4 * (size_t)i;
            union { uint32_t u; float f; } pun = {(uint32_t)p[0] | (uint32_t)p[1] << 8 |
                                                  (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24};
            z = (double)pun.f;
        }
        if (z != z) missing = 1;
        else slot[i] = ea__tiny((float)clip(e, z, feature->clip));
    }
    if (!missing) return;
    e->missing++;
    e->clipped = clipped;
    for (uint32_t i = 0; i < length; i++) slot[i] = 0;
}

/* The types a feature's value may have. */
static uint32_t types_of(const ea__feature *feature) {
    switch (feature->kind) {
    case EA_FEATURE_NUMBER: return EA__NIL | EA__NUMBER;
    case EA_FEATURE_CATEGORY: return EA__NIL | EA__STR;
    case EA_FEATURE_WEIGHTS: return EA__NIL | EA__MAP | EA__LIST;
    default: return EA__NIL | EA__LIST | EA__BIN;
    }
}

static void encode_feature(encoder *e, const ea__feature *feature, const ea__value *value) {
    if (e->reader.status) return;
    switch (feature->kind) {
    case EA_FEATURE_NUMBER: encode_number(e, feature, value); break;
    case EA_FEATURE_CATEGORY: encode_category(e, feature, value); break;
    case EA_FEATURE_WEIGHTS: encode_weights(e, feature, value); break;
    default: encode_vector(e, feature, value);
    }
}

/* Index of the feature with this name, or the number of features. Hosts tend to send fields in
   declared order, so the search starts at `guess`. */
static uint32_t find_feature(const ea_policy *policy, const ea__value *name, uint32_t guess) {
    uint32_t count = policy->features;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = guess + i < count ? guess + i : guess + i - count;
        const ea__feature *feature = policy->feature + index;
        if (feature->name.length == name->size &&
            ea__same(feature->name.data, name->data, name->size))
            return index;
    }
    return count;
}

static void encode_map(encoder *e) {
    static const ea__value nil = {EA__NIL, 0, 0, 0, 0, 0};
    const ea_policy *policy = e->policy;
    ea__reader *reader = &e->reader;
    members seen;
    empty(&seen);
    if (reader->length > EA_MAX_CONTEXT_BYTES) {
        ea__fail(reader, EA_E_LIMIT, EA_MAX_CONTEXT_BYTES);
        return;
    }
    uint32_t fields = ea__read_count(reader, EA__MAP, EA_LIMIT_FIELDS), guess = 0;
    for (uint32_t i = 0; i < fields && !reader->status; i++) {
        ea__value name = ea__read(reader, EA__STR);
        if (reader->status) return;
        uint32_t index = find_feature(policy, &name, guess);
        if (index == policy->features) {
            e->ignored++;
            ea__skip(reader);
            continue;
        }
        guess = index + 1 < policy->features ? index + 1 : 0;
        if (add(&seen, index)) ea__fail(reader, EA_E_DUPLICATE, name.offset);
        ea__value value = ea__read(reader, types_of(policy->feature + index));
        encode_feature(e, policy->feature + index, &value);
    }
    if (!reader->status && reader->at != reader->length)
        ea__fail(reader, EA_E_TRAILING, reader->at);
    for (uint32_t i = 0; i < policy->features; i++)
        if (!add(&seen, i)) encode_feature(e, policy->feature + i, &nil);
    e->slots[policy->slots - 1] = 1;
}

/* Floats that hold the slots, which are u where there is no tower. */
static uint32_t room_for_slots(const ea_policy *policy) {
    return policy->layers ? (policy->slots + 15) & ~15u : policy->width;
}

size_t ea_context_size(const ea_policy *policy) {
    if (!ea__is_open(policy)) return 0;
    size_t floats = policy->width + (policy->variance_kind ? policy->width : 0) +
                    (policy->layers ? room_for_slots(policy) : 0);
    return sizeof(ea_context) + floats * sizeof(float) + policy->width;
}

uint32_t ea_policy_cell_of(const ea_policy *policy, uint64_t unit) {
    if (!ea__is_open(policy)) return EA_NONE;
    if (!policy->cells) return 0;
    uint64_t hash = ea_hash(unit, EA__DOMAIN_CELL0, policy->salt.data, policy->salt.length);
    uint32_t bucket = (uint32_t)(hash >> 33), sum = 0;
    for (uint32_t cell = 1; cell <= policy->cells; cell++) {
        sum += policy->cell[cell].units;
        if (bucket < sum) return cell;
    }
    return 0;
}

int32_t ea_context_encode(const ea_policy *policy, ea_context *context, size_t size,
                          const void *map, size_t map_length, uint64_t seed, uint64_t unit,
                          ea_report *report) {
    if (!ea__is_open(policy) || !context || (!map && map_length)) return EA_E_ARGUMENT;
    if (report && report->struct_size < sizeof *report) return EA_E_ARGUMENT;
    if (size < ea_context_size(policy)) return EA_E_MEMORY;
    if ((uintptr_t)context & 15) return EA_E_ALIGNMENT;
    context->magic = 0;
    context->policy = policy;
    float *slots = ea__slots(context), *u = ea__u(context);
    for (uint32_t i = 0; i < room_for_slots(policy); i++) ((volatile float *)slots)[i] = 0;
    encoder e = {{map, map_length, 0, EA_OK, 0}, policy, slots, 0, 0, 0, 0};
    encode_map(&e);
    if (report) report->offset = e.reader.fault;
    if (e.reader.status) return e.reader.status;
    if (report) {
        report->missing = e.missing;
        report->other = e.other;
        report->clipped = e.clipped;
        report->ignored = e.ignored;
    }
    context->seed = seed;
    context->unit = unit;
    context->cell = ea_policy_cell_of(policy, unit);
    context->draw[0] = ea_hash(seed, EA__DOMAIN_DRAW0, policy->name.data, policy->name.length);
    context->draw[1] = ea_hash(seed, EA__DOMAIN_DRAW1, policy->name.data, policy->name.length);
    context->crc = policy->crc;
    if (policy->layers) {
        for (uint32_t i = policy->k; i < policy->width; i++) ((volatile float *)u)[i] = 0;
        ea__run_tower(policy, slots, u);
    }
    ea__prepare_rows(policy, context);
    context->magic = EA__CONTEXT_MAGIC;
    return EA_OK;
}

int32_t ea__check_context(const ea_policy *policy, const ea_context *context) {
    if (!ea__is_open(policy) || !context) return EA_E_ARGUMENT;
    if (context->magic != EA__CONTEXT_MAGIC || context->policy != policy ||
        context->crc != policy->crc)
        return EA_E_FOREIGN;
    return EA_OK;
}

int32_t ea_context_vector(const ea_policy *policy, const ea_context *context, float *slots,
                          size_t capacity, int8_t *codes, float *scale) {
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if (!slots) return EA_E_ARGUMENT;
    if (capacity < policy->slots) return EA_E_CAPACITY;
    for (uint32_t i = 0; i < policy->slots; i++) slots[i] = ea__slots(context)[i];
    for (uint32_t i = 0; codes && i < policy->k; i++) codes[i] = ea__q(context)[i];
    if (scale) *scale = context->sigma;
    return EA_OK;
}

int32_t ea_context_u(const ea_policy *policy, const ea_context *context, float *u,
                     size_t capacity) {
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if (!u) return EA_E_ARGUMENT;
    if (capacity < policy->k) return EA_E_CAPACITY;
    for (uint32_t i = 0; i < policy->k; i++) u[i] = ea__u(context)[i];
    return EA_OK;
}
