/* SPDX-License-Identifier: Apache-2.0 */
/* One title, one page, one test vector: scores, probabilities and the draw (decision.md §6-§8). */
#include "kernel.h"

/* floor(hash · mass / 2^64) without a 128-bit product; mass is at most 2^31. */
static uint32_t point_of(uint64_t hash, uint32_t mass) {
    return (uint32_t)(((hash >> 32) * mass + ((hash & 0xffffffff) * mass >> 32)) >> 32);
}

static int has(const uint8_t *bits, size_t size, uint32_t row) {
    size_t byte = row >> 3;
    return byte < size && (bits[byte] >> (row & 7) & 1);
}

/* Limits as the newest structure, what an older one lacks being 0. A status. */
static int32_t take_limits(const ea_limits *given, ea_limits *limits) {
    const size_t first = offsetof(ea_limits, excluded); /* of later fields */
    limits->denied = limits->excluded = 0;
    limits->denied_size = limits->excluded_size = 0;
    limits->required = limits->forbidden = 0;
    if (!given) return EA_OK;
    if (given->struct_size < first) return EA_E_ARGUMENT;
    limits->denied = given->denied;
    limits->denied_size = given->denied_size;
    if (given->struct_size >= sizeof *given) {
        limits->excluded = given->excluded;
        limits->excluded_size = given->excluded_size;
        limits->required = given->required;
        limits->forbidden = given->forbidden;
    }
    if ((!limits->denied && limits->denied_size) || (!limits->excluded && limits->excluded_size))
        return EA_E_ARGUMENT;
    return EA_OK;
}

static int is_candidate(const ea_policy *policy, const ea_limits *limits, uint32_t row) {
    uint32_t mask = policy->masks ? policy->masks[row] : 0;
    return (mask & limits->required) == limits->required && !(mask & limits->forbidden) &&
           !has(limits->excluded, limits->excluded_size, row);
}

/* A title's candidates under some limits. */
typedef struct {
    uint32_t first, count;
    uint32_t open;  /* candidates not denied */
    uint32_t total; /* of n over those */
    int some;       /* only some rows of the title are candidates: those of `rows` */
    int uncertain;  /* variances are there: the explorer wants them */
    uint8_t rows[EA_MAX_CANDIDATES]; /* counted from the first */
    uint8_t denied[EA_MAX_CANDIDATES];
    float scores[EA_MAX_CANDIDATES];
    float variances[EA_MAX_CANDIDATES];
    uint32_t n[EA_MAX_CANDIDATES];
} candidates;

static inline uint32_t row_of(const candidates *c, uint32_t i) {
    return c->first + (c->some ? c->rows[i] : i);
}

/* Where scores and variances come from: the policy, or another scorer. */
typedef struct {
    const ea_context *context;
    const float *scores, *variances; /* of the title's rows; NULL: the policy's own */
} scorer;

static int32_t score_title(const ea_policy *policy, const scorer *by, candidates *c) {
    if (!by->scores) {
        ea__score_rows(policy, by->context, c->first, c->count, c->scores);
        if (c->uncertain)
            ea__variance_rows(policy, by->context, c->first, c->count, c->variances);
        return EA_OK;
    }
    int32_t status = ea__take_scores(by->scores, c->count, c->scores);
    if (!status && c->uncertain)
        status = by->variances ? ea__take_variances(by->variances, c->count, c->variances)
                               : EA_E_ARGUMENT;
    return status;
}

/* Drops the rows that are no candidates. */
static void restrict_to(const ea_policy *policy, const ea_limits *limits, candidates *c) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        if (!is_candidate(policy, limits, c->first + i)) continue;
        c->rows[kept] = (uint8_t)i;
        c->scores[kept] = c->scores[i];
        if (c->uncertain) c->variances[kept] = c->variances[i];
        kept++;
    }
    c->some = kept < c->count;
    c->count = kept;
}

/* The explorer of a cell over some candidates of a title. */
static void explore(const ea_policy *policy, uint32_t cell, uint32_t title, const float *scores,
                    const float *variances, uint32_t count, uint32_t *n) {
    const ea__explorer *explorer = &policy->cell[cell].explorer;
    double parameter = explorer->parameter;
    if (!cell && policy->title_scale) parameter *= (double)policy->title_scale[title];
    ea__explore(policy->kernel, explorer, parameter, scores, variances, count, n);
}

/* §6, step 4: the explorer once more, over the candidates that are not denied. */
static void recompute(const ea_policy *policy, uint32_t cell, uint32_t title, candidates *c) {
    uint32_t open = 0;
    float scores[EA_MAX_CANDIDATES], variances[EA_MAX_CANDIDATES];
    for (uint32_t i = 0; i < c->count; i++) {
        if (c->denied[i]) continue;
        scores[open] = c->scores[i];
        if (c->uncertain) variances[open] = c->variances[i];
        open++;
    }
    explore(policy, cell, title, scores, variances, open, c->n);
    for (uint32_t i = c->count; i-- > 0;) c->n[i] = c->denied[i] ? 0 : c->n[--open];
    c->total = EA_TOTAL;
}

/* Everything about a title that does not depend on the draw. */
static int32_t weigh(const ea_policy *policy, const scorer *by, uint32_t title,
                     const ea_limits *limits, candidates *c) {
    uint32_t cell = by->context->cell;
    c->first = ea__first_row(policy, title);
    c->count = policy->title_rows[title] - c->first;
    c->total = EA_TOTAL;
    c->some = 0;
    c->uncertain = ea__needs_variance(policy->cell[cell].explorer.kind);
    int32_t status = score_title(policy, by, c);
    if (status) return status;
    if (limits->required || limits->forbidden || limits->excluded_size)
        restrict_to(policy, limits, c);
    c->open = c->count;
    if (!c->count) return EA_OK;
    explore(policy, cell, title, c->scores, c->variances, c->count, c->n);
    if (!limits->denied_size) return EA_OK;
    for (uint32_t i = 0; i < c->count; i++) {
        c->denied[i] = (uint8_t)has(limits->denied, limits->denied_size, row_of(c, i));
        c->open -= c->denied[i];
        c->total -= c->denied[i] ? c->n[i] : 0;
    }
    return EA_OK;
}

/* The first candidate whose running sum of n passes `point`, denied ones passed over on demand.
   Few candidates are counted without a branch: where the point lies nobody can predict. */
static uint32_t pick(const candidates *c, uint32_t point, int open_only) {
    uint32_t sum = 0, chosen = 0;
    if (!open_only && c->count <= 32) {
        for (uint32_t i = 0; i < c->count; i++) {
            sum += c->n[i];
            chosen += sum <= point;
        }
        return chosen;
    }
    for (uint32_t i = 0;; i++) {
        if (open_only && c->denied[i]) continue;
        sum += c->n[i];
        if (sum > point) return i;
    }
}

static ea_decision undecided(uint32_t title, uint32_t reason, uint32_t cell) {
    ea_decision d = {title, EA_NONE, 0, EA_TOTAL, 0, (uint16_t)reason, (uint16_t)cell};
    return d;
}

/* hash: H of the title with attempt 0. */
static int32_t decide(const ea_policy *policy, const scorer *by, uint32_t title, uint64_t hash,
                      const ea_limits *limits, ea_decision *decision) {
    candidates c;
    const ea_context *context = by->context;
    uint32_t cell = context->cell;
    *decision = undecided(title, EA_REASON_UNKNOWN_TITLE, cell);
    if (title == EA_NONE) return EA_OK;
    int32_t status = weigh(policy, by, title, limits, &c);
    if (status) return status;
    decision->reason = EA_REASON_NONE;
    if (!c.open) return EA_OK;
    uint32_t chosen = pick(&c, (uint32_t)(hash >> 33), 0), reason = EA_REASON_POLICY;
    if (c.open < c.count && c.denied[chosen]) {
        reason = c.total ? EA_REASON_REDRAWN : EA_REASON_RECOMPUTED;
        if (!c.total) recompute(policy, cell, title, &c);
        hash = ea__hash_title(context->draw, policy->title_hash[title], 1);
        chosen = pick(&c, point_of(hash, c.total), 1);
    }
    decision->row = row_of(&c, chosen);
    decision->n = c.n[chosen];
    decision->total = c.total;
    decision->score = c.scores[chosen];
    decision->reason = (uint16_t)reason;
    return EA_OK;
}

/* Titles whose draws are hashed together. EA_E_TITLE after those before the offending one. */
static int32_t decide_some(const ea_policy *policy, const scorer *own, const uint32_t *titles,
                           uint32_t count, const ea_limits *limits, int plain,
                           ea_decision *decisions) {
    uint64_t hashes[EA__DRAWS];
    uint32_t known = 0;
    for (; known < count; known++) {
        uint32_t title = titles[known];
        if (title >= policy->titles.count && title != EA_NONE) break;
        hashes[known] = title == EA_NONE ? 0 : policy->title_hash[title];
    }
    const ea__explorer *explorer = &policy->cell[own->context->cell].explorer;
    int drawn = !plain || explorer->kind != EA_EXPLORER_GREEDY || explorer->floor_units;
    if (known == 1) hashes[0] = ea__hash_title(own->context->draw, hashes[0], 0);
    else if (drawn) {
        for (uint32_t i = known; i < EA__DRAWS; i++) hashes[i] = 0;
        policy->kernel->hashes(own->context->draw, hashes, hashes);
    }
    if (plain) policy->kernel->page(policy, own->context, titles, hashes, known, decisions);
    else for (uint32_t i = 0; i < known; i++)
        decide(policy, own, titles[i], hashes[i], limits, decisions + i);
    return known < count ? EA_E_TITLE : EA_OK;
}

int32_t ea_select_page(const ea_policy *policy, const ea_context *context,
                       const uint32_t *titles, size_t count, const ea_limits *limits,
                       ea_decision *decisions) {
    ea_limits taken;
    int32_t status = ea__check_context(policy, context);
    if (!status) status = take_limits(limits, &taken);
    if (status) return status;
    if ((!titles || !decisions) && count) return EA_E_ARGUMENT;
    scorer own = {context, 0, 0};
    int plain = policy->kernel->page && !taken.required && !taken.forbidden &&
                !taken.excluded_size && !taken.denied_size &&
                !ea__needs_variance(policy->cell[context->cell].explorer.kind);
    for (size_t i = 0; i < count && !status; i += EA__DRAWS) {
        uint32_t some = count - i < EA__DRAWS ? (uint32_t)(count - i) : EA__DRAWS;
        status = decide_some(policy, &own, titles + i, some, &taken, plain, decisions + i);
    }
    return status;
}

int32_t ea_select(const ea_policy *policy, const ea_context *context, uint32_t title,
                  const ea_limits *limits, ea_decision *decision) {
    return ea_select_page(policy, context, &title, 1, limits, decision);
}

int32_t ea_select_scored(const ea_policy *policy, const ea_context *context, uint32_t title,
                         const float *scores, const float *variances, const ea_limits *limits,
                         ea_decision *decision) {
    ea_limits taken;
    int32_t status = ea__check_context(policy, context);
    if (!status) status = take_limits(limits, &taken);
    if (status) return status;
    if (!scores || !decision) return EA_E_ARGUMENT;
    if (title >= policy->titles.count) return EA_E_TITLE;
    scorer other = {context, scores, variances};
    ea_decision made;
    uint64_t hash = ea__hash_title(context->draw, policy->title_hash[title], 0);
    status = decide(policy, &other, title, hash, &taken, &made);
    if (!status) *decision = made;
    return status;
}

int32_t ea_select_host(const ea_policy *policy, const ea_context *context, const void *id,
                       size_t length, uint32_t count, ea_decision *decision) {
    static const ea__explorer uniform = {EA_EXPLORER_UNIFORM, 0, 0, 0};
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if ((!id && length) || count < 1 || count > EA_MAX_CANDIDATES || !decision)
        return EA_E_ARGUMENT;
    candidates c;
    c.scores[0] = 0; /* looked at, without effect */
    ea__explore(policy->kernel, &uniform, 0, c.scores, 0, count, c.n);
    c.count = count;
    uint64_t title = ea_hash(EA__DOMAIN_TITLE, 0, id, length);
    uint32_t chosen = pick(&c, (uint32_t)(ea__hash_title(context->draw, title, 0) >> 33), 0);
    *decision = undecided(EA_NONE, EA_REASON_HOST_UNIFORM, context->cell);
    decision->row = chosen;
    decision->n = c.n[chosen];
    return EA_OK;
}

int32_t ea_fallback(const ea_policy *policy, uint32_t title, const ea_limits *limits,
                    ea_decision *decision) {
    ea_limits taken;
    if (!ea__is_open(policy) || !decision || take_limits(limits, &taken)) return EA_E_ARGUMENT;
    if (title >= policy->titles.count && title != EA_NONE) return EA_E_TITLE;
    *decision = undecided(title, EA_REASON_UNKNOWN_TITLE, 0);
    if (title == EA_NONE) return EA_OK;
    decision->reason = EA_REASON_NONE;
    uint32_t end = policy->title_rows[title];
    for (uint32_t row = ea__first_row(policy, title); row < end; row++) {
        if (!is_candidate(policy, &taken, row) || has(taken.denied, taken.denied_size, row))
            continue;
        decision->row = row;
        decision->reason = EA_REASON_FALLBACK;
        break;
    }
    return EA_OK;
}

static int32_t tell(const ea_policy *policy, const scorer *by, uint32_t title,
                    const ea_limits *limits, ea_candidate *out, size_t capacity, uint32_t *count,
                    uint32_t *total) {
    ea_limits taken;
    int32_t status = ea__check_context(policy, by->context);
    if (!status) status = take_limits(limits, &taken);
    if (status) return status;
    if (!out) return EA_E_ARGUMENT;
    if (title >= policy->titles.count) return EA_E_TITLE;
    candidates c;
    status = weigh(policy, by, title, &taken, &c);
    if (status) return status;
    if (capacity < c.count) return EA_E_CAPACITY;
    if (c.open && !c.total) recompute(policy, by->context->cell, title, &c);
    if (!c.open) c.total = EA_TOTAL; /* never a zero denominator */
    for (uint32_t i = 0; i < c.count; i++) {
        uint32_t denied = c.open < c.count && c.denied[i];
        out[i] = (ea_candidate){row_of(&c, i), denied ? 0 : c.n[i], c.scores[i], denied};
    }
    if (count) *count = c.count;
    if (total) *total = c.total;
    return EA_OK;
}

int32_t ea_propensities(const ea_policy *policy, const ea_context *context, uint32_t title,
                        const ea_limits *limits, ea_candidate *out, size_t capacity,
                        uint32_t *count, uint32_t *total) {
    scorer own = {context, 0, 0};
    return tell(policy, &own, title, limits, out, capacity, count, total);
}

int32_t ea_propensities_scored(const ea_policy *policy, const ea_context *context,
                               uint32_t title, const float *scores, const float *variances,
                               const ea_limits *limits, ea_candidate *out, size_t capacity,
                               uint32_t *count, uint32_t *total) {
    scorer other = {context, scores, variances};
    if (!scores) return EA_E_ARGUMENT;
    return tell(policy, &other, title, limits, out, capacity, count, total);
}

int32_t ea_context_hash(const ea_policy *policy, const ea_context *context, uint64_t *hash) {
    int32_t status = ea__check_context(policy, context);
    if (status) return status;
    if (!hash) return EA_E_ARGUMENT;
    ea__sip sip;
    ea__sip_start(&sip, EA__DOMAIN_CHECK, 0);
    for (uint32_t t = 0; t < policy->titles.count; t++) {
        candidates c;
        uint32_t first = ea__first_row(policy, t), count = policy->title_rows[t] - first;
        ea__score_rows(policy, context, first, count, c.scores);
        if (policy->variance_kind) ea__variance_rows(policy, context, first, count, c.variances);
        for (uint32_t cell = 0; cell <= policy->cells; cell++) {
            explore(policy, cell, t, c.scores, c.variances, count, c.n);
            for (uint32_t i = 0; i < count; i++)
                ea__sip_word(&sip, (uint64_t)c.n[i] << 32 | (cell ? cell : ea__bits(c.scores[i])));
            for (uint32_t i = 0; !cell && policy->variance_kind && i < count; i++)
                ea__sip_word(&sip, ea__bits(c.variances[i]));
        }
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
