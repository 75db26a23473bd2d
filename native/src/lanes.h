/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel loops over vectors of LANES floats. No guard: each kernel file defines LANES and TARGET
   (an attribute, or nothing) and includes this. Each operation is one of decision.md's, in its
   order, so that the bits are those of kernel_portable.c. */

#define HALF (LANES / 2)
#define GROUPS (8 / LANES) /* vectors of the eight logical lanes */

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef float vf_at __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef float hf __attribute__((vector_size(4 * HALF)));
typedef float hf_at __attribute__((vector_size(4 * HALF), aligned(4), may_alias));
typedef int32_t hi __attribute__((vector_size(4 * HALF)));
typedef uint32_t hw __attribute__((vector_size(4 * HALF))); /* for sums, which may wrap */
typedef uint32_t hw_at __attribute__((vector_size(4 * HALF), aligned(4), may_alias));
typedef double hd __attribute__((vector_size(8 * HALF)));
typedef double hd_at __attribute__((vector_size(8 * HALF), aligned(8), may_alias));
typedef int64_t hl __attribute__((vector_size(8 * HALF)));
typedef uint64_t hu __attribute__((vector_size(8 * HALF)));
typedef uint64_t hu_at __attribute__((vector_size(8 * HALF), aligned(8), may_alias));

#if defined(__OPTIMIZE__)
#define INLINE static inline __attribute__((always_inline)) TARGET
#else /* where each copy of a variable has a place of its own, frames would pass 32 KiB */
#define INLINE static inline TARGET
#endif

INLINE vf all_of(float x) {
    return x - (vf){0};
}

/* a where the mask is set, else b */
INLINE vf choose(vi mask, vf a, vf b) {
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

INLINE vf absolute(vf x) {
    return (vf)((vi)x & 0x7fffffff);
}

/* +0 below 2^-50 in magnitude */
INLINE vf tiny(vf x) {
    return (vf)((vi)x & (absolute(x) >= 0x1p-50f));
}

/* ---- the normal distribution, and who is the best (decision.md §5.2) ---- */

INLINE void normal(vf z, vf *density, vf *below) {
    vf a = absolute(z);
    a = choose(a > 8, all_of(8), a);
    vf y = a * a * 0.5f;
    vi k = __builtin_convertvector(y * EA__LOG2E + 0.5f, vi);
    vf m = __builtin_convertvector(k, vf);
    vf r = (m * EA__LN2_HIGH - y) + m * EA__LN2_LOW;
    vf p = EA__C6 * r + EA__C5;
    p = p * r + EA__C4;
    p = p * r + EA__C3;
    p = p * r + 0.5f;
    p = p * r + 1;
    p = p * r + 1;
    vf e = p * (vf)((127 - k) << 23);
    vf t = 1 / (1 + EA__P * a);
    vf q = EA__B5 * t + EA__B4;
    q = q * t + EA__B3;
    q = q * t + EA__B2;
    q = q * t + EA__B1;
    q = q * t * e;
    *density = e;
    *below = choose(z < 0, tiny(q), 1 - q);
}

TARGET static void thompson(const ea__grid *grid, float *w) {
    vf sums[EA_MAX_CANDIDATES][GROUPS], ratios[EA_MAX_CANDIDATES][GROUPS];
    for (uint32_t block = 0; block < grid->blocks; block++) {
        float points[8];
        vf x[GROUPS], all[GROUPS];
        for (uint32_t l = 0; l < 8; l++) points[l] = ea__grid_point(grid, 8 * block + l);
        for (uint32_t g = 0; g < GROUPS; g++) {
            x[g] = *(const vf_at *)(points + g * LANES);
            all[g] = all_of(1);
        }
        for (uint32_t i = 0; i < grid->count; i++)
            for (uint32_t g = 0; g < GROUPS; g++) {
                vf e, below;
                normal(tiny((x[g] + grid->gap[i]) * grid->inverse[i]), &e, &below);
                all[g] = tiny(all[g] * below);
                vi reached = below > 0;
                ratios[i][g] = (vf)(reached & (vi)(e / choose(reached, below, all_of(1)) *
                                                   grid->inverse[i]));
            }
        for (uint32_t i = 0; i < grid->count; i++)
            for (uint32_t g = 0; g < GROUPS; g++) {
                vf part = ratios[i][g] * all[g];
                sums[i][g] = block ? sums[i][g] + part : part;
            }
    }
    for (uint32_t i = 0; i < grid->count; i++) {
        float a[8];
        for (uint32_t g = 0; g < GROUPS; g++) *(vf_at *)(a + g * LANES) = sums[i][g];
        w[i] = ea__tree(a);
    }
}

/* ---- rows ---- */

TARGET static void variances(const float *squares, float scale, const ea__block *block,
                             float *out) {
    typedef uint8_t codes_of __attribute__((vector_size(LANES), aligned(1), may_alias));
    const uint8_t *codes = block->rows;
    for (uint32_t r = 0; r < block->count; r++, codes += block->stride) {
        vf sums[GROUPS];
        float a[8];
        for (uint32_t g = 0; g < GROUPS; g++) sums[g] = all_of(0);
        for (uint32_t i = 0; i < block->stride; i += 8)
            for (uint32_t g = 0; g < GROUPS; g++) {
                uint32_t at = i + g * LANES;
                vi code = __builtin_convertvector(*(const codes_of *)(codes + at), vi);
                vf v = (vf)(((code << 20) + (96 << 23)) & (code > 0));
                sums[g] += *(const vf_at *)(squares + at) * v;
            }
        for (uint32_t g = 0; g < GROUPS; g++) *(vf_at *)(a + g * LANES) = sums[g];
        out[r] = ea__tiny(ea__tree(a) * scale);
    }
}

/* ---- probabilities, in binary64, HALF candidates at a time ----
   Vectors reach past the last candidate: arrays have room for a multiple of EA__ROOM, what is read
   there is not used, and what is written there means nothing. */

INLINE hd gaps(const float *scores, double most) {
    return most - __builtin_convertvector(*(const hf_at *)scores, hd);
}

/* F + trunc(p·M); see ea__units. */
INLINE hw units(hd p, uint32_t floor, double mass) {
    hd product = p * mass;
    hl fits = product < 2147483647.0;
    product = (hd)((fits & (hl)product) | (~fits & (hl)(2147483647.0 - (hd){0})));
    return (hw)__builtin_convertvector(product, hi) + floor;
}

/* All bits set for the first `left` of a vector. */
INLINE hw first_of(uint32_t left) {
#if LANES == 8
    return (hw)((hi){0, 1, 2, 3} < (int32_t)left);
#else
    return (hw)((hi){0, 1} < (int32_t)left);
#endif
}

/* 0 behind the first `left`: what is read there may fit no integer. Compared as reals: widening a
   mask of integers is done by way of memory on SSE2, and took as long as the divisions. */
INLINE hd first_reals(hd x, uint32_t left) {
#if LANES == 8
    hl kept = (hd){0, 1, 2, 3} < (double)(int32_t)left;
#else
    hl kept = (hd){0, 1} < (double)(int32_t)left;
#endif
    return (hd)(kept & (hl)x);
}

INLINE uint32_t sum_of(hw v) {
#if LANES == 8
    typedef uint64_t pairs __attribute__((vector_size(16)));
    uint64_t both = ((pairs)v)[0], more = ((pairs)v)[1]; /* two integers in each */
    return (uint32_t)both + (uint32_t)(both >> 32) + (uint32_t)more + (uint32_t)(more >> 32);
#else
    return v[0] + v[1];
#endif
}

INLINE uint32_t squarecb_inline(const float *scores, uint32_t count, double most, double gamma,
                                uint32_t floor, double mass, uint32_t *n) {
    hw sums = {0};
    double k = (double)(int32_t)count;
    for (uint32_t i = 0; i < count; i += HALF) {
        hd p = 1 / (k + gamma * gaps(scores + i, most)); /* at most 1/2: there are two or more */
        hd product = first_reals(p * mass, count - i);
        hw found = (hw)__builtin_convertvector(product, hi) + floor;
        found &= first_of(count - i);
        *(hw_at *)(n + i) = found;
        sums += found;
    }
    return sum_of(sums);
}

TARGET static uint32_t squarecb(const float *scores, uint32_t count, double most, double gamma,
                                const ea__measure *measure, uint32_t *n) {
    return squarecb_inline(scores, count, most, gamma, measure->floor, measure->mass, n);
}

TARGET static uint32_t shares(const double *e, uint32_t count, double total,
                              const ea__measure *measure, uint32_t *n) {
    hw sums = {0};
    uint32_t floor = measure->floor;
    double mass = measure->mass;
    for (uint32_t i = 0; i < count; i += HALF) {
        hd p = first_reals(*(const hd_at *)(e + i) / total, count - i);
        hw found = units(p, floor, mass);
        *(hw_at *)(n + i) = found;
        sums += found & first_of(count - i);
    }
    return sum_of(sums);
}

INLINE hd exponential(hd x) {
    static const double c[14] = EA__FACTORIALS;
    hl reached = x >= -64;
    x = (hd)((reached & (hl)x) | (~reached & (hl)((hd){0} - 64)));
    hi k = __builtin_convertvector(x * EA__LOG2E_64 - 0.5, hi);
    hd m = __builtin_convertvector(k, hd);
    hd r = (x - m * EA__LN2_HIGH_64) - m * EA__LN2_LOW_64;
    hd p = c[13] - (hd){0};
    for (int j = 12; j >= 0; j--) p = p * r + c[j];
    hl power = (__builtin_convertvector(k, hl) + 1023) << 52;
    return (hd)(reached & (hl)(p * (hd)power));
}

TARGET static void softmax(const float *scores, uint32_t count, double most, double temperature,
                           double *e) {
    for (uint32_t i = 0; i < count; i += HALF)
        *(hd_at *)(e + i) = exponential(-(gaps(scores + i, most) / temperature));
}

/* ---- SipHash-1-3 of a title's hash and four zero bytes, HALF titles at once ---- */

#define ROTATE(x, by) ((x) << (by) | (x) >> (64 - (by)))
#define ROUND                                                                                     \
    v0 += v1, v2 += v3, v1 = ROTATE(v1, 13) ^ v0, v3 = ROTATE(v3, 16) ^ v2, v0 = ROTATE(v0, 32),  \
    v2 += v1, v0 += v3, v1 = ROTATE(v1, 17) ^ v2, v3 = ROTATE(v3, 21) ^ v0, v2 = ROTATE(v2, 32)

TARGET static void hashes(const uint64_t key[2], const uint64_t *titles, uint64_t *out) {
    const uint64_t last = (uint64_t)12 << 56; /* the length, and an attempt of 0 */
    for (uint32_t i = 0; i < EA__DRAWS; i += HALF) {
        hu m = *(const hu_at *)(titles + i);
        hu v0 = (key[0] ^ EA__SIP0) - (hu){0}, v1 = (key[1] ^ EA__SIP1) - (hu){0};
        hu v2 = (key[0] ^ EA__SIP2) - (hu){0}, v3 = (key[1] ^ EA__SIP3) - (hu){0};
        v3 ^= m;
        ROUND;
        v0 ^= m;
        v3 ^= last;
        ROUND;
        v0 ^= last;
        v2 ^= 0xff;
        ROUND;
        ROUND;
        ROUND;
        *(hu_at *)(out + i) = v0 ^ v1 ^ v2 ^ v3;
    }
}
#undef ROUND
#undef ROTATE
