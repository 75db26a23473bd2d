/* SPDX-License-Identifier: Apache-2.0 */
/* What the source files share: the layout of the opaque objects, the functions between files. */
#ifndef EDGEART_INTERNAL_H
#define EDGEART_INTERNAL_H

#include "edgeart.h"

#include <float.h>
#if defined(_MSC_VER) && !defined(__clang__)
#include <emmintrin.h>
#endif

/* Same bits everywhere: one operation, one rounding. */
#if defined(__FAST_MATH__)
#error "edgeart needs IEEE arithmetic: compile without -ffast-math"
#endif
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0
#error "edgeart needs arithmetic without excess precision (on 32-bit x86: -msse2 -mfpmath=sse)"
#endif
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "edgeart reads its little-endian arrays in place: big-endian targets are not supported"
#endif
#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
/* The second: gcc turns loops into calls of memset, which a freestanding host need not have. */
#pragma GCC optimize("fp-contract=off", "no-tree-loop-distribute-patterns")
#elif defined(_MSC_VER)
#pragma fp_contract(off)
#endif

#define EA_LIMIT_DOCUMENT (1u << 30)
#define EA_LIMIT_FEATURES 256u
#define EA_LIMIT_WORDS 1023u /* of one feature; also of a vector's length */
#define EA_LIMIT_SLOTS 1024u
#define EA_LIMIT_TITLES (1u << 20)
#define EA_LIMIT_ROWS (1u << 22)
#define EA_LIMIT_ID 255u
#define EA_LIMIT_NAME 64u
#define EA_LIMIT_META 32u
#define EA_LIMIT_META_VALUE 1024u
#define EA_LIMIT_VECTORS 64u
#define EA_LIMIT_FIELDS 1024u
#define EA_LIMIT_WEIGHTS 4096u
#define EA_LIMIT_LAYERS 8u
#define EA_LIMIT_CELLS 16u
#define EA_LIMIT_ATTRIBUTES 32u
#define EA_FORMAT 2u /* the newest; all down to 1 are read */
#define EA_BOUND 0x1p19f /* of what a layer of the tower gives */

/* ---- msgpack.c: a pull parser whose first error sticks ---- */

/* Bits, so that a reader can name several. */
enum ea__type {
    EA__NIL = 1,
    EA__BOOL = 2,
    EA__UINT = 4,
    EA__INT = 8, /* negative */
    EA__F32 = 16,
    EA__F64 = 32,
    EA__NUMBER = EA__UINT | EA__INT | EA__F32 | EA__F64,
    EA__STR = 64,
    EA__BIN = 128,
    EA__LIST = 256,
    EA__MAP = 512,
    EA__EXT = 1024,
    EA__ANY = 2047,
    EA__ERROR = 2048 /* a read that failed */
};

/* Once status is set every read gives zeros and moves nothing, so a caller checks it where it
   must not act on wrong data, and at the end. */
typedef struct {
    const uint8_t *bytes;
    size_t length; /* reads stop here */
    size_t at;
    int32_t status;
    size_t fault; /* offset of the violation */
} ea__reader;

typedef struct {
    enum ea__type type;
    size_t offset;       /* of the value's first byte */
    uint64_t integer;    /* EA__UINT, EA__BOOL; EA__INT in two's complement */
    double real;         /* EA__F32, EA__F64 */
    const uint8_t *data; /* EA__STR, EA__BIN */
    size_t size;         /* bytes of data, or elements of a list or map */
} ea__value;

void ea__fail(ea__reader *reader, int32_t status, size_t offset);
ea__value ea__read(ea__reader *reader, uint32_t types);
void ea__skip(ea__reader *reader);
uint64_t ea__read_uint(ea__reader *reader, uint64_t least, uint64_t most, int32_t status);
double ea__read_double(ea__reader *reader, double least, double most);
uint32_t ea__read_bool(ea__reader *reader);
uint32_t ea__read_count(ea__reader *reader, uint32_t type, uint32_t most);
void ea__read_list_of(ea__reader *reader, uint32_t count);
ea_text ea__read_text(ea__reader *reader, size_t least, size_t most);
int ea__is_utf8(const uint8_t *bytes, size_t size);

/* ---- the objects ---- */

typedef struct {
    ea_text name;
    uint32_t kind;
    uint32_t first; /* slot */
    uint32_t width;
    uint32_t word;  /* first word in the table */
    uint32_t words;
    uint32_t indicator;
    double centre, scale, clip;
} ea__feature;

/* A string table inside the bundle. */
typedef struct {
    const uint32_t *ends;
    const uint8_t *text;
    uint32_t count;
} ea__table;

typedef struct {
    uint32_t kind;
    uint32_t floor_units; /* floor in units of 2^-31, rounded down */
    double floor, parameter;
} ea__explorer;

/* A share of the units with an explorer of its own. */
typedef struct {
    ea_text name;
    uint32_t units; /* of 2^31 */
    double share;
    ea__explorer explorer;
} ea__cell;

typedef struct ea__kernel ea__kernel;

/* Weights are input-major: `stride` outputs for each input. */
typedef struct {
    uint32_t activation, rows_kind, inputs, outputs, stride;
    const float *weights_f32;
    const int8_t *weights_i8;
    const float *scales;
    const float *bias;
} ea__layer;

struct ea_policy {
    _Alignas(16) uint64_t magic; /* and so a multiple of 16 long, which opening clears in words */
    const ea__kernel *kernel;
    const uint8_t *bytes;
    size_t length;
    ea_text name, salt;
    uint64_t sequence;
    uint32_t format, features, slots, k, stride, rows_kind, meta, vectors, crc;
    uint32_t layers, cells, attributes, variance_kind;
    uint32_t width; /* k rounded up to a multiple of 16: of u, q, squares, rows of variances */
    float variance_scale;
    size_t meta_at, vectors_at, attributes_at; /* offsets of the first entry */
    ea__table words, titles, artworks;
    const uint16_t *word_order;
    const uint64_t *title_hash;
    const uint32_t *title_order;
    const uint32_t *title_rows;
    const float *title_scale; /* NULL: all 1 */
    const uint32_t *masks;    /* NULL: all 0 */
    const float *weights_f32;
    const int8_t *weights_i8;
    const float *scales;
    const float *bias;
    const uint8_t *variances;
    ea__layer layer[EA_LIMIT_LAYERS];
    ea__cell cell[1 + EA_LIMIT_CELLS]; /* 0: the policy's own explorer */
    ea__feature feature[EA_LIMIT_FEATURES];
};

/* Followed in the caller's memory by `width` floats u, `width` codes q, with variances `width`
   floats u·u, with a tower the slots. Without a tower the slots are u. */
struct ea_context {
    _Alignas(16) uint64_t magic;
    const ea_policy *policy;
    uint64_t seed, unit;
    uint64_t draw[2]; /* key: d0, d1 */
    uint32_t crc;    /* of the policy: an object reopened at the same address is another policy */
    float sigma;     /* scale of q */
    uint32_t cell;
    uint32_t reserved;
};

#define EA__POLICY_MAGIC 0x79636c6f702d6165u  /* "ea-polcy" */
#define EA__CONTEXT_MAGIC 0x78746e6f632d6165u /* "ea-contx" */

_Static_assert(sizeof(ea_context) % 16 == 0, "u follows, aligned to 16");

static inline int ea__is_open(const ea_policy *policy) {
    return policy && policy->magic == EA__POLICY_MAGIC;
}

/* The objects begin at a multiple of 16 and ea_context is a multiple of 16 long. */
static inline float *ea__u(const ea_context *context) {
    return (float *)(uintptr_t)(context + 1);
}

static inline int8_t *ea__q(const ea_context *context) {
    return (int8_t *)(ea__u(context) + context->policy->width);
}

static inline float *ea__squares(const ea_context *context) {
    return (float *)(uintptr_t)(ea__q(context) + context->policy->width);
}

static inline float *ea__slots(const ea_context *context) {
    const ea_policy *policy = context->policy;
    if (!policy->layers) return ea__u(context);
    return ea__squares(context) + (policy->variance_kind ? policy->width : 0);
}

static inline ea_text ea__string(const ea__table *table, uint32_t index) {
    uint32_t start = index ? table->ends[index - 1] : 0;
    ea_text text = {(const char *)table->text + start, table->ends[index] - start};
    return text;
}

static inline uint32_t ea__first_row(const ea_policy *policy, uint32_t title) {
    return title ? policy->title_rows[title - 1] : 0;
}

static inline int ea__same(const void *a, const void *b, size_t size) {
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < size; i++)
        if (x[i] != y[i]) return 0;
    return 1;
}

static inline uint32_t ea__bits(float x) {
    union { float f; uint32_t u; } pun = {x};
    return pun.u;
}

/* The number a code stands for: bundle.md §4.1. */
static inline float ea__e5m3(uint8_t code) {
    union { uint32_t u; float f; } pun = {code ? ((uint32_t)code << 20) + (96u << 23) : 0};
    return pun.f;
}

/* decision.md §1 */
static inline float ea__tiny(float x) {
    return x < 0x1p-50f && x > -0x1p-50f ? 0.0f : x;
}

/* Correctly rounded, as IEEE 754 asks: an instruction everywhere, but compilers may call a library
   for the builtin, which sets errno. */
static inline double ea__sqrt(double x) {
    double root;
#if defined(__SSE2__)
    __asm__("sqrtsd %1, %0" : "=x"(root) : "x"(x));
#elif defined(__aarch64__)
    __asm__("fsqrt %d0, %d1" : "=w"(root) : "w"(x));
#elif defined(__riscv_d)
    __asm__("fsqrt.d %0, %1" : "=f"(root) : "f"(x));
#elif defined(__wasm__)
    __asm__("local.get %1\n\tf64.sqrt\n\tlocal.set %0" : "=r"(root) : "r"(x));
#elif defined(__ARM_FP) && (__ARM_FP & 8)
    __asm__("vsqrt.f64 %P0, %P1" : "=w"(root) : "w"(x));
#elif defined(_MSC_VER)
    root = _mm_cvtsd_f64(_mm_sqrt_sd(_mm_setzero_pd(), _mm_set_sd(x)));
#else
    root = __builtin_sqrt(x);
#endif
    return root;
}

/* The one order in which eight lanes become a sum (decision.md §1). */
static inline float ea__tree(const float a[8]) {
    return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

/* ---- between files ---- */

/* Domains: eight ASCII characters read as a little-endian u64 (decision.md §2.1). */
#define EA__DOMAIN_TITLE 0x656c7469742d6165u /* ea-title */
#define EA__DOMAIN_DRAW0 0x30776172642d6165u /* ea-draw0 */
#define EA__DOMAIN_DRAW1 0x31776172642d6165u /* ea-draw1 */
#define EA__DOMAIN_CHECK 0x6b636568632d6165u /* ea-check */
#define EA__DOMAIN_CELL0 0x306c6c65632d6165u /* ea-cell0 */

/* SipHash-1-3 over 64-bit words that come one at a time. */
typedef struct {
    uint64_t v[4];
    uint64_t length; /* bytes so far */
} ea__sip;

#define EA__SIP0 0x736f6d6570736575u
#define EA__SIP1 0x646f72616e646f6du
#define EA__SIP2 0x6c7967656e657261u
#define EA__SIP3 0x7465646279746573u

void ea__sip_start(ea__sip *sip, uint64_t k0, uint64_t k1);
void ea__sip_word(ea__sip *sip, uint64_t word);
uint64_t ea__sip_finish(const ea__sip *sip, uint64_t tail, uint32_t tail_bytes);

uint64_t ea__hash_title(const uint64_t key[2], uint64_t title, uint32_t attempt);

/* exp(x) for x ≤ 0 in binary64: decision.md §5.1 */
#define EA__LOG2E_64 1.4426950408889634
#define EA__LN2_HIGH_64 0x1.62e42fee00000p-1
#define EA__LN2_LOW_64 0x1.a39ef35793c76p-33
#define EA__FACTORIALS                                                                            \
    {                                                                                             \
        1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320,      \
            1.0 / 362880, 1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800,       \
    }

/* exp(-z²/2) and the normal distribution in binary32: §5.2, steps 6 and 7 */
#define EA__LOG2E 0x1.715476p+0f
#define EA__LN2_HIGH 0x1.62e400p-1f
#define EA__LN2_LOW 0x1.7f7d1cp-20f
#define EA__C6 ((float)(1.0 / 720))
#define EA__C5 ((float)(1.0 / 120))
#define EA__C4 ((float)(1.0 / 24))
#define EA__C3 ((float)(1.0 / 6))
#define EA__P 0x1.da6712p-3f
#define EA__B1 0x1.04f20cp-3f
#define EA__B2 -0x1.23531cp-3f
#define EA__B3 0x1.6be1c6p-1f
#define EA__B4 -0x1.7401c6p-1f
#define EA__B5 0x1.0fb844p-1f

/* Those of a title's candidates that may be the best, and the points at which they are looked at:
   decision.md §5.2, steps 2 to 4. */
typedef struct {
    uint32_t count, blocks;
    double low, step, most; /* of the points; the largest standard deviation */
    float gap[EA_MAX_CANDIDATES], inverse[EA_MAX_CANDIDATES]; /* d and c */
    uint8_t index[EA_MAX_CANDIDATES];
} ea__grid;

static inline float ea__grid_point(const ea__grid *grid, uint32_t j) {
    return ea__tiny((float)((grid->low + ((double)j + 0.5) * grid->step) / grid->most));
}

/* trunc(p·M). Only an anchor's p can be above 1/2 by more than a hair; it gets the rest anyway, and
   a product that fits an int32 converts faster. */
static inline uint32_t ea__units(double p, double mass) {
    double units = p * mass;
    return (uint32_t)(int32_t)(units < 2147483647.0 ? units : 2147483647.0);
}

const ea__kernel *ea__kernel_named(uint32_t name);
uint32_t ea__crc_by_eights(uint32_t crc, const uint8_t *bytes, size_t size);
uint32_t ea__crc_by_instruction(uint32_t crc, const uint8_t *bytes, size_t size);

double ea__exp(double x);
float ea__tanh(float y);

void ea__run_tower(const ea_policy *policy, const float *slots, float *u);
void ea__prepare_rows(const ea_policy *policy, ea_context *context);
void ea__score_rows(const ea_policy *policy, const ea_context *context, uint32_t first,
                    uint32_t count, float *scores);
void ea__variance_rows(const ea_policy *policy, const ea_context *context, uint32_t first,
                       uint32_t count, float *variances);
int32_t ea__check_context(const ea_policy *policy, const ea_context *context);

static inline int ea__needs_variance(uint32_t kind) {
    return kind == EA_EXPLORER_THOMPSON || kind == EA_EXPLORER_UCB;
}

/* parameter: the explorer's, times the title's factor. variances: NULL unless needed. */
uint32_t ea__explore(const ea__kernel *kernel, const ea__explorer *explorer, double parameter,
                     const float *scores, const float *variances, uint32_t count, uint32_t *n);
int32_t ea__take_scores(const float *scores, uint32_t count, float *to);
int32_t ea__take_variances(const float *variances, uint32_t count, float *to);
double ea__thompson(const ea__kernel *kernel, double scale, const float *scores,
                    const float *variances, uint32_t count, uint32_t best, double *p);
int ea__explorer_bounds(uint32_t kind, double *least, double *most);

#endif
