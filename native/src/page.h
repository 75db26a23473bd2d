/* SPDX-License-Identifier: Apache-2.0 */
/* A page without limits, some titles at a time and step by step: one title's steps wait for each
   other, different titles' do not. No guard: kernel files include this behind their loops. */

#define ROOM 512u /* candidates at a time, each title's rounded up to a multiple of EA__ROOM */

typedef struct {
    uint32_t first, count, anchor; /* row; candidates; the best of them */
    uint32_t place;                /* where they begin in the arrays below */
} some_title;

typedef struct {
    uint32_t titles;
    some_title title[EA__DRAWS];
    float scores[ROOM];
    uint32_t n[ROOM];
} some;

/* Takes as many of the titles as have room: 1 at least. */
INLINE uint32_t take(const ea_policy *policy, const uint32_t *titles, uint32_t count, some *s) {
    uint32_t place = 0, t = 0;
    for (; t < count; t++) {
        some_title *title = s->title + t;
        uint32_t index = titles[t];
        title->first = index == EA_NONE ? 0 : ea__first_row(policy, index);
        title->count = index == EA_NONE ? 0 : policy->title_rows[index] - title->first;
        title->place = place;
        place += (title->count + EA__ROOM - 1) / EA__ROOM * EA__ROOM;
        if (place > ROOM) break;
    }
    s->titles = t;
    return t;
}

INLINE void score_some(const ea_policy *policy, const ea_context *context, some *s) {
    int i8 = policy->rows_kind == EA_ROWS_I8;
    const float *u = ea__u(context);
    const int8_t *q = ea__q(context);
    float sigma = context->sigma;
    ea__block block; /* field by field: clang calls memset for an initialiser */
    block.stride = policy->stride;
    block.scales = 0;
    for (uint32_t t = 0; t < s->titles; t++) {
        const some_title *title = s->title + t;
        size_t start = (size_t)title->first * block.stride;
        block.bias = policy->bias + title->first;
        block.count = title->count;
        if (i8) {
            block.rows = policy->weights_i8 + start;
            block.scales = policy->scales + title->first;
            scores_i8_inline(q, sigma, &block, s->scores + title->place);
        } else {
            block.rows = policy->weights_f32 + start;
            scores_f32_inline(u, &block, s->scores + title->place);
        }
    }
    for (uint32_t t = 0; t < s->titles; t++)
        if (s->title[t].count)
            s->title[t].anchor = best_inline(s->scores + s->title[t].place, s->title[t].count);
}

/* n of every title, and zeros up to a multiple of HALF. What ea__explore does for all explorers. */
INLINE void explore_some(const ea_policy *policy, const ea__explorer *explorer,
                         const float *factors, const uint32_t *titles, some *s) {
    uint32_t floor = explorer->floor_units, kind = explorer->kind;
    for (uint32_t t = 0; t < s->titles; t++) {
        const some_title *title = s->title + t;
        const float *scores = s->scores + title->place;
        uint32_t *n = s->n + title->place, count = title->count;
        double parameter = explorer->parameter;
        if (!count) continue;
        if (factors) parameter *= (double)factors[titles[t]];
        if (kind != EA_EXPLORER_SQUARECB || count == 1 || (uint64_t)floor * count > EA_TOTAL) {
            ea__explore(policy->kernel, explorer, parameter, scores, 0, count, n);
            for (uint32_t i = count; i % HALF; i++) n[i] = 0;
            continue;
        }
        double mass = (double)(int32_t)(EA_TOTAL - floor * count - 1) + 1; /* converts faster */
        uint32_t sum = squarecb_inline(scores, count, (double)scores[title->anchor], parameter,
                                       floor, mass, n);
        n[title->anchor] += EA_TOTAL - sum;
    }
}

TARGET static void page(const ea_policy *policy, const ea_context *context,
                        const uint32_t *titles, const uint64_t *hashes, uint32_t count,
                        ea_decision *decisions) {
    const ea__explorer *explorer = &policy->cell[context->cell].explorer;
    int greedy = explorer->kind == EA_EXPLORER_GREEDY && !explorer->floor_units;
    some s;
    for (uint32_t done = 0; done < count; done += s.titles) {
        take(policy, titles + done, count - done, &s);
        score_some(policy, context, &s);
        if (!greedy)
            explore_some(policy, explorer, context->cell ? 0 : policy->title_scale, titles + done,
                         &s);
        for (uint32_t t = 0; t < s.titles; t++) {
            const some_title *title = s.title + t;
            const uint32_t *n = s.n + title->place;
            uint32_t point = (uint32_t)(hashes[done + t] >> 33), chosen = 0, sum = 0;
            ea_decision *d = decisions + done + t;
            /* without a branch: nobody can predict where the point lies; behind the last one
               the sum is 2^31, and no point is that high */
            for (uint32_t i = 0; !greedy && i < title->count; i += HALF)
                for (uint32_t l = 0; l < HALF; l++) {
                    sum += n[i + l];
                    chosen += sum <= point;
                }
            if (greedy) chosen = title->anchor;
            int known = title->count > 0;
            d->title = titles[done + t];
            d->row = known ? title->first + chosen : EA_NONE;
            d->n = !known ? 0 : greedy ? EA_TOTAL : n[chosen];
            d->total = EA_TOTAL;
            d->score = known ? s.scores[title->place + chosen] : 0;
            d->reason = known ? EA_REASON_POLICY : EA_REASON_UNKNOWN_TITLE;
            d->cell = (uint16_t)context->cell;
        }
    }
}
