/* SPDX-License-Identifier: Apache-2.0 */
/* See laws.h. */
#include "laws.h"
#include "test.h"

#include <math.h>

#define HOLD(condition)                                                                           \
    do {                                                                                          \
        if (!(condition)) return #condition;                                                      \
    } while (0)

void *block(size_t size) {
    void *memory = 0;
    REQUIRE(posix_memalign(&memory, 16, size ? size : 1) == 0);
    return memory;
}

static int in_bitmap(const uint8_t *bits, size_t size, uint32_t row) {
    return row / 8 < size && (bits[row / 8] >> row % 8 & 1);
}

int is_eligible(const ea_policy *policy, const ea_limits *limits, uint32_t row) {
    uint32_t mask;
    REQUIRE(ea_artwork_mask(policy, row, &mask) == EA_OK);
    return !limits || ((mask & limits->required) == limits->required &&
                       (mask & limits->forbidden) == 0 &&
                       !in_bitmap(limits->excluded, limits->excluded_size, row));
}

int is_denied_row(const ea_limits *limits, uint32_t row) {
    return limits && in_bitmap(limits->denied, limits->denied_size, row);
}

int explorer_of(const ea_policy *policy, uint64_t unit, uint32_t title, ea_explorer *explorer) {
    uint32_t cell = ea_policy_cell_of(policy, unit);
    double factor = 1;
    explorer->struct_size = sizeof *explorer;
    REQUIRE(ea_policy_cell(policy, cell, explorer, 0, 0) == EA_OK);
    if (!cell) REQUIRE(ea_title_scale(policy, title, &factor) == EA_OK);
    explorer->parameter *= factor;
    switch (explorer->kind) {
    case EA_EXPLORER_SQUARECB: return explorer->parameter <= 0x1p40;
    case EA_EXPLORER_SOFTMAX:
    case EA_EXPLORER_THOMPSON:
    case EA_EXPLORER_UCB:
        return explorer->parameter >= 0x1p-20 && explorer->parameter <= 0x1p20;
    default: return 1;
    }
}

/* One title as the functions that describe it show it. */
typedef struct {
    const ea_policy *policy;
    const ea_context *context;
    const ea_limits *limits;
    uint32_t title, first, rows, cell;
    ea_explorer explorer;
    int explorable; /* by ea_explore */
    float *scores, *variances; /* of its rows */
    uint32_t *eligible;        /* rows, ascending */
    uint32_t count, open;      /* of those; not denied */
    ea_candidate *candidates;
    uint32_t total;
} seen;

/* What ea_propensities says is what the limits and the explorer say. */
static const char *propensities(seen *s) {
    uint32_t count, *n = block(s->count * sizeof *n);
    const char *wrong = 0;
    int32_t status = ea_propensities(s->policy, s->context, s->title, s->limits, s->candidates,
                                     s->count, &count, &s->total);
    if (status || count != s->count) wrong = "the candidates are the eligible rows";
    uint64_t sum = 0, floor = (uint64_t)(s->explorer.floor * 0x1p31);
    if (s->count && floor > EA_TOTAL / s->count) floor = EA_TOTAL / s->count;
    float *scores = block(s->count * sizeof *scores), *v = block(s->count * sizeof *v);
    for (uint32_t i = 0; i < s->count && !wrong; i++) {
        const ea_candidate *c = s->candidates + i;
        scores[i] = s->scores[c->row - s->first];
        v[i] = s->variances[c->row - s->first];
        sum += c->n;
        if (c->row != s->eligible[i]) wrong = "the candidates are the eligible rows, in order";
        else if (c->denied != (uint32_t)is_denied_row(s->limits, c->row))
            wrong = "the denied are those that the limits deny";
        else if (c->denied && c->n) wrong = "a denied one has no probability";
        else if (memcmp(&c->score, scores + i, sizeof *scores)) wrong = "scores are ea_scores'";
        else if (!c->denied && c->n < floor) wrong = "n is at least the floor";
    }
    if (!wrong && s->open && sum != s->total) wrong = "integers add up to their total";
    if (!wrong && s->open == s->count && s->total != EA_TOTAL)
        wrong = "where none is denied integers add up to 2^31";
    if (!wrong && (s->total == 0 || s->total > EA_TOTAL)) wrong = "the total is 1 to 2^31";
    if (!wrong && s->count && s->open == s->count && s->explorable) {
        if (ea_explore(&s->explorer, scores, v, s->count, n)) wrong = "the explorer explores";
        for (uint32_t i = 0; i < s->count && !wrong; i++)
            if (n[i] != s->candidates[i].n) wrong = "integers are the explorer's";
    }
    free(n);
    free(scores);
    free(v);
    return wrong;
}

/* Another scorer's propensities, of the policy's own numbers, are the policy's. */
static const char *scored(const seen *s) {
    ea_candidate *again = block(s->count * sizeof *again);
    uint32_t count, total;
    const char *wrong = 0;
    if (ea_propensities_scored(s->policy, s->context, s->title, s->scores, s->variances,
                               s->limits, again, s->count, &count, &total) ||
        count != s->count || total != s->total ||
        memcmp(again, s->candidates, s->count * sizeof *again))
        wrong = "another scorer's propensities of the same numbers are the same";
    free(again);
    return wrong;
}

static const char *selected(const seen *s) {
    ea_decision d, again;
    const ea_candidate *chosen = 0;
    uint64_t before = 0;
    HOLD(ea_select(s->policy, s->context, s->title, s->limits, &d) == EA_OK);
    HOLD(d.title == s->title && d.cell == s->cell && d.total > 0);
    HOLD(ea_select_scored(s->policy, s->context, s->title, s->scores, s->variances, s->limits,
                          &again) == EA_OK);
    HOLD(!memcmp(&d, &again, sizeof d));
    if (!s->open) {
        HOLD(d.reason == EA_REASON_NONE && d.row == EA_NONE && d.n == 0 && d.total == EA_TOTAL);
        return 0;
    }
    for (uint32_t i = 0; i < s->count; i++)
        if (s->candidates[i].row == d.row) chosen = s->candidates + i;
    HOLD(chosen && "what is chosen is a candidate");
    HOLD(is_eligible(s->policy, s->limits, d.row) && !is_denied_row(s->limits, d.row));
    HOLD(d.n == chosen->n && d.n > 0 && d.total == s->total);
    HOLD(!memcmp(&d.score, &chosen->score, sizeof d.score));
    HOLD(d.reason == EA_REASON_POLICY ||
         (s->open < s->count &&
          (d.reason == EA_REASON_REDRAWN || d.reason == EA_REASON_RECOMPUTED)));
    for (uint32_t i = 0; i < s->count; i++) before += s->candidates[i].n;
    HOLD(before == d.total);
    return 0;
}

static const char *fallen_back(const seen *s) {
    ea_decision d;
    uint32_t wanted = EA_NONE;
    for (uint32_t i = s->count; i-- > 0;)
        if (!is_denied_row(s->limits, s->eligible[i])) wanted = s->eligible[i];
    HOLD(ea_fallback(s->policy, s->title, s->limits, &d) == EA_OK);
    HOLD(d.row == wanted && d.n == 0 && d.total == EA_TOTAL && d.title == s->title);
    HOLD(d.reason == (wanted == EA_NONE ? EA_REASON_NONE : EA_REASON_FALLBACK));
    return 0;
}

/* Scores and variances of the title's rows, out of those of all. */
static const char *measure(seen *s, uint32_t artworks) {
    float *all = block(artworks * sizeof *all);
    const char *wrong = 0;
    if (ea_scores(s->policy, s->context, all, artworks)) wrong = "rows have scores";
    else memcpy(s->scores, all + s->first, s->rows * sizeof *all);
    if (ea_variances(s->policy, s->context, all, artworks)) wrong = "rows have variances";
    else memcpy(s->variances, all + s->first, s->rows * sizeof *all);
    for (uint32_t i = 0; i < s->rows && !wrong; i++) {
        if (!isfinite(s->scores[i]) || (s->scores[i] == 0 && signbit(s->scores[i])) ||
            fabsf(s->scores[i]) >= 0x1p50f)
            wrong = "scores are finite";
        if (!(s->variances[i] >= 0 && s->variances[i] <= 0x1p70f) || signbit(s->variances[i]))
            wrong = "variances are finite and not negative";
    }
    free(all);
    return wrong;
}

const char *breaks_a_law(const ea_policy *policy, const ea_context *context, uint64_t unit,
                         uint32_t title, const ea_limits *limits) {
    seen s = {.policy = policy, .context = context, .limits = limits, .title = title};
    ea_info info = {.struct_size = sizeof info};
    HOLD(ea_policy_info(policy, &info) == EA_OK);
    HOLD(ea_title_info(policy, title, 0, &s.first, &s.rows) == EA_OK);
    s.cell = ea_policy_cell_of(policy, unit);
    s.explorable = explorer_of(policy, unit, title, &s.explorer);
    s.scores = block(s.rows * sizeof *s.scores);
    s.variances = block(s.rows * sizeof *s.variances);
    s.eligible = block(s.rows * sizeof *s.eligible);
    for (uint32_t row = s.first; row < s.first + s.rows; row++) {
        if (!is_eligible(policy, limits, row)) continue;
        s.eligible[s.count++] = row;
        s.open += !is_denied_row(limits, row);
    }
    s.candidates = block(s.count * sizeof *s.candidates);
    const char *wrong = measure(&s, info.artworks);
    if (!wrong) wrong = propensities(&s);
    if (!wrong) wrong = scored(&s);
    if (!wrong) wrong = selected(&s);
    if (!wrong) wrong = fallen_back(&s);
    free(s.scores);
    free(s.variances);
    free(s.eligible);
    free(s.candidates);
    return wrong;
}
