/* SPDX-License-Identifier: Apache-2.0 */
/* One title, one page, one test vector: scores, probabilities and the draw (decision.md §6-§8). */
#include "internal.h"

/* floor(hash · mass / 2^64) without a 128-bit product; mass is at most 2^31. */
static uint32_t draw(const ea_context *context, uint64_t title_hash, uint32_t attempt,
                     uint32_t mass) {
    ea__sip sip;
    ea__sip_start(&sip, context->d0, context->d1);
    ea__sip_word(&sip, title_hash);
    uint64_t h = ea__sip_finish(&sip, attempt, 4);
    return (uint32_t)(((h >> 32) * mass + ((h & 0xffffffff) * mass >> 32)) >> 32);
}

static int is_denied(const ea_limits *limits, uint32_t row) {
    size_t byte = row >> 3;
    return limits && byte < limits->denied_size && (limits->denied[byte] >> (row & 7) & 1);
}

static int check_limits(const ea_limits *limits) {
    return !limits || (limits->struct_size >= sizeof *limits &&
                       (limits->denied || !limits->denied_size));
}

/* A title's candidates under some limits. */
typedef struct {
    uint32_t first, count;
    uint32_t open;  /* candidates not denied */
    uint32_t total; /* of n over those */
    uint32_t reason;
    float scores[EA_MAX_CANDIDATES];
    uint32_t n[EA_MAX_CANDIDATES];
    uint8_t denied[EA_MAX_CANDIDATES];
} candidates;

/* §6, step 4: the explorer once more, over the candidates that are not denied. */
static void recompute(const ea_policy *policy, candidates *c) {
    uint32_t open = 0;
    float scores[EA_MAX_CANDIDATES];
    for (uint32_t i = 0; i < c->count; i++)
        if (!c->denied[i]) scores[open++] = c->scores[i];
    ea__explore(&policy->explorer, scores, open, c->n);
    for (uint32_t i = c->count; i-- > 0;) c->n[i] = c->denied[i] ? 0 : c->n[--open];
    c->total = EA_TOTAL;
}

/* Everything about a title that does not depend on the draw. */
static void weigh(const ea_policy *policy, const ea_context *context, uint32_t title,
                  const ea_limits *limits, candidates *c) {
    c->first = ea__first_row(policy, title);
    c->count = policy->title_rows[title] - c->first;
    c->open = c->count;
    c->total = EA_TOTAL;
    c->reason = EA_REASON_POLICY;
    ea__score_rows(policy, context, c->first, c->count, c->scores);
    ea__explore(&policy->explorer, c->scores, c->count, c->n);
    if (!limits || !limits->denied_size) return;
    for (uint32_t i = 0; i < c->count; i++) {
        c->denied[i] = (uint8_t)is_denied(limits, c->first + i);
        c->open -= c->denied[i];
        c->total -= c->denied[i] ? c->n[i] : 0;
    }
}

/* The first candidate whose running sum of n passes `point`, denied ones passed over on demand. */
static uint32_t pick(const candidates *c, uint32_t point, int open_only) {
    uint32_t sum = 0;
    for (uint32_t i = 0;; i++) {
        if (open_only && c->denied[i]) continue;
        sum += c->n[i];
        if (sum > point) return i;
    }
}

static void decide(const ea_policy *policy, const ea_context *context, uint32_t title,
                   const ea_limits *limits, ea_decision *decision) {
    candidates c;
    *decision = (ea_decision){title, EA_NONE, 0, EA_TOTAL, 0, EA_REASON_UNKNOWN_TITLE};
    if (title == EA_NONE) return;
    uint64_t hash = policy->title_hash[title];
    weigh(policy, context, title, limits, &c);
    decision->reason = EA_REASON_NONE;
    if (!c.open) return;
    uint32_t chosen = pick(&c, draw(context, hash, 0, EA_TOTAL), 0);
    decision->reason = EA_REASON_POLICY;
    if (c.open < c.count && c.denied[chosen]) {
        decision->reason = c.total ? EA_REASON_REDRAWN : EA_REASON_RECOMPUTED;
        if (!c.total) recompute(policy, &c);
        chosen = pick(&c, draw(context, hash, 1, c.total), 1);
    }
    decision->row = c.first + chosen;
    decision->n = c.n[chosen];
    decision->total = c.total;
    decision->score = c.scores[chosen];
}

int32_t ea_select_page(const ea_policy *policy, const ea_context *context,
                       const uint32_t *titles, size_t count, const ea_limits *limits,
                       ea_decision *decisions) {
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if (((!titles || !decisions) && count) || !check_limits(limits)) return EA_E_ARGUMENT;
    for (size_t i = 0; i < count; i++) {
        if (titles[i] >= policy->titles.count && titles[i] != EA_NONE) return EA_E_TITLE;
        decide(policy, context, titles[i], limits, decisions + i);
    }
    return EA_OK;
}

int32_t ea_select(const ea_policy *policy, const ea_context *context, uint32_t title,
                  const ea_limits *limits, ea_decision *decision) {
    return ea_select_page(policy, context, &title, 1, limits, decision);
}

int32_t ea_propensities(const ea_policy *policy, const ea_context *context, uint32_t title,
                        const ea_limits *limits, ea_candidate *out, size_t capacity,
                        uint32_t *count, uint32_t *total) {
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if (!out || !check_limits(limits)) return EA_E_ARGUMENT;
    if (title >= policy->titles.count) return EA_E_TITLE;
    candidates c;
    weigh(policy, context, title, limits, &c);
    if (capacity < c.count) return EA_E_CAPACITY;
    if (c.open && !c.total) recompute(policy, &c);
    if (!c.open) c.total = EA_TOTAL; /* never a zero denominator */
    for (uint32_t i = 0; i < c.count; i++) {
        uint32_t denied = c.open < c.count && c.denied[i];
        out[i] = (ea_candidate){c.first + i, denied ? 0 : c.n[i], c.scores[i], denied};
    }
    if (count) *count = c.count;
    if (total) *total = c.total;
    return EA_OK;
}

int32_t ea_context_hash(const ea_policy *policy, const ea_context *context, uint64_t *hash) {
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if (!hash) return EA_E_ARGUMENT;
    ea__sip sip;
    ea__sip_start(&sip, EA__DOMAIN_CHECK, 0);
    for (uint32_t t = 0; t < policy->titles.count; t++) {
        candidates c;
        weigh(policy, context, t, 0, &c);
        for (uint32_t i = 0; i < c.count; i++)
            ea__sip_word(&sip, (uint64_t)c.n[i] << 32 | ea__bits(c.scores[i]));
    }
    *hash = ea__sip_finish(&sip, 0, 0);
    return EA_OK;
}

int32_t ea_policy_verify(const ea_policy *policy, ea_context *context, size_t size,
                         uint32_t *failed) {
    if (failed) *failed = EA_NONE;
    if (!ea__is_open(policy) || !context) return EA_E_ARGUMENT;
    for (uint32_t i = 0; i < policy->vectors; i++) {
        ea_text map;
        uint64_t expected, found = 0;
        ea_policy_vector(policy, i, &map, &expected);
        int32_t status =
            ea_context_encode(policy, context, size, map.data, map.length, 0, 0, 0);
        if (status == EA_E_MEMORY || status == EA_E_ALIGNMENT) return status;
        if (!status) status = ea_context_hash(policy, context, &found);
        context->magic = 0;
        if (status || found != expected) {
            if (failed) *failed = i;
            return EA_E_VECTOR;
        }
    }
    return EA_OK;
}
