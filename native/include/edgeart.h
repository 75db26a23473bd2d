/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edgeart: chooses which artwork represents a title, on the device, with exact propensities.
 *
 * The whole public interface of the native library. It allocates nothing, calls nothing, reads no
 * clock and holds no state: every byte of memory is the caller's, and every function depends on
 * its arguments alone. Formats and arithmetic: spec/bundle.md and spec/decision.md.
 *
 * Ownership    A policy points into the bundle's bytes and a context into nothing; the caller
 *              keeps the bundle's bytes unchanged, and both objects where they are, while they
 *              are used. Nothing needs closing.
 * Threads      A policy is constant once opened: any number of threads may use one. A context is
 *              constant once encoded, likewise. Results go to the caller's buffers alone.
 * Stack        No function needs more than 32 KiB.
 * Errors       Functions that can fail return a status (0 is success) and change no result then,
 *              unless said otherwise.
 * Versions     Statuses and other enumerations only grow. A structure that begins with struct_size
 *              grows at its end: the caller sets struct_size to the size it was compiled with, and
 *              fields past that are neither read (they count as 0) nor written.
 *
 *     ea_policy *policy = malloc(ea_policy_size());
 *     int32_t status = ea_policy_open(policy, ea_policy_size(), bytes, length, &offset);
 *     ea_context *context = malloc(ea_context_size(policy));
 *     status = ea_context_encode(policy, context, ea_context_size(policy),
 *                                map, map_length, seed, unit, NULL);
 *     ea_decision decision;
 *     status = ea_select(policy, context, ea_title_find(policy, "title-7", 7), NULL, &decision);
 */
#ifndef EDGEART_H
#define EDGEART_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if !defined(EA_API)
#if defined(__GNUC__) && !defined(_WIN32)
#define EA_API __attribute__((visibility("hidden")))
#else
#define EA_API
#endif
#endif
/* Hidden by default, so that a host which links the library in exports none of it. Build with
   -DEA_API='__attribute__((visibility("default")))' for a shared library. */

/* Everything between the two cffi markers is also read by cffi_build.py; keep it declarations
   and plain numbers. */
/* [cffi */

/* Statuses. Numbers are stable; gaps are for later ones. */
enum {
    EA_OK = 0,
    EA_E_ARGUMENT = 10,     /* a null or impossible argument: the caller's mistake */
    EA_E_MEMORY = 11,       /* the memory given is too small for the object */
    EA_E_ALIGNMENT = 12,    /* bundle bytes not at a multiple of 64, an object not at 16 */
    EA_E_FOREIGN = 13,      /* the context was not encoded for this policy, or not at all */
    EA_E_TRUNCATED = 20,    /* the bytes end inside a value */
    EA_E_TYPE = 21,         /* a value of another type than the specification asks for */
    EA_E_TRAILING = 22,     /* bytes after the end of the document */
    EA_E_MAGIC = 23,        /* not an edgeart bundle */
    EA_E_VERSION = 24,      /* a bundle format this library does not read */
    EA_E_CRC = 25,          /* checksum missing or different */
    EA_E_KEY = 26,          /* an unknown key or word, or a key out of order */
    EA_E_LIMIT = 27,        /* a count or size outside the specification's limits */
    EA_E_RANGE = 28,        /* a number outside its range */
    EA_E_UTF8 = 29,         /* a string that is not UTF-8 */
    EA_E_ORDER = 30,        /* something that must ascend or be distinct does not */
    EA_E_LENGTH = 31,       /* an array of another length than the counts ask for */
    EA_E_PADDING = 32,      /* padding that is not zero */
    EA_E_UNSUPPORTED = 33,  /* a kind of layer, explorer or feature this library does not know */
    EA_E_HASH = 34,         /* a stored title hash is not the title's */
    EA_E_DUPLICATE = 50,    /* a declared field, or a word of a weights map, given twice */
    EA_E_TITLE = 60,        /* no such title, or a title index out of range */
    EA_E_CAPACITY = 61,     /* the result buffer is too small */
    EA_E_VECTOR = 70        /* a test vector of the bundle does not hold */
};

/* How a decision came about (decision.md §7). */
enum {
    EA_REASON_POLICY = 0,
    EA_REASON_REDRAWN = 10,      /* the first draw fell on a denied artwork */
    EA_REASON_RECOMPUTED = 20,   /* all probability lay on denied artworks */
    EA_REASON_NONE = 30,         /* no artwork of the title may be shown: show none of them */
    EA_REASON_UNKNOWN_TITLE = 40, /* the bundle does not have the title */
    EA_REASON_FALLBACK = 50,     /* no context: the first artwork that may be shown, undrawn */
    EA_REASON_HOST_UNIFORM = 60  /* a title of the host's, drawn uniformly from its artworks */
};

/* Kinds of events in the feedback log (feedback.md §4). */
enum {
    EA_EVENT_CONTEXT = 1,
    EA_EVENT_IMPRESSION = 2,
    EA_EVENT_OUTCOME = 3,
    EA_EVENT_LOST = 4
};

enum {
    EA_EXPLORER_FIXED = 0,
    EA_EXPLORER_UNIFORM = 10,
    EA_EXPLORER_GREEDY = 20,
    EA_EXPLORER_EPSILON_GREEDY = 30,
    EA_EXPLORER_SOFTMAX = 40,
    EA_EXPLORER_SQUARECB = 50,
    EA_EXPLORER_THOMPSON = 60,
    EA_EXPLORER_UCB = 70
};

/* Families of instructions, all with the same results. */
enum { EA_KERNEL_PORTABLE = 10, EA_KERNEL_128 = 20, EA_KERNEL_AVX2 = 30 };

enum { EA_ROWS_F32 = 0, EA_ROWS_I8 = 10 };

enum { EA_ACTIVATION_IDENTITY = 0, EA_ACTIVATION_RELU = 10, EA_ACTIVATION_TANH = 20 };

enum { EA_VARIANCE_NONE = 0, EA_VARIANCE_E5M3 = 10 };

enum {
    EA_FEATURE_NUMBER = 0,
    EA_FEATURE_CATEGORY = 10,
    EA_FEATURE_WEIGHTS = 20,
    EA_FEATURE_VECTOR = 30
};

#define EA_NONE 4294967295u /* as a title or row index: none */
#define EA_TOTAL 2147483648u /* 2^31: what the integers n of a title add up to */
#define EA_MAX_CANDIDATES 256
#define EA_MAX_CONTEXT_BYTES 65536

typedef struct ea_policy ea_policy;   /* opaque, ea_policy_size() bytes, aligned to 16 */
typedef struct ea_context ea_context; /* opaque, ea_context_size() bytes, aligned to 16 */

/* A piece of text inside the bundle's bytes: UTF-8, not terminated. */
typedef struct {
    const char *data;
    size_t length;
} ea_text;

/* What a policy is. Set struct_size before the call; later versions append fields. */
typedef struct {
    uint32_t struct_size;
    uint32_t format;    /* bundle format */
    uint64_t sequence;
    ea_text name;
    uint32_t features;
    uint32_t slots;     /* length of the encoded context, intercept included */
    uint32_t k;         /* length of u and of a row */
    uint32_t titles;
    uint32_t artworks;
    uint32_t rows;      /* EA_ROWS_… */
    uint32_t explorer;  /* EA_EXPLORER_… */
    uint32_t vectors;   /* test vectors inside */
    uint32_t meta;      /* entries of meta */
    uint32_t reserved;
    double floor;       /* as declared, before rounding to units of 2^-31 */
    double parameter;   /* epsilon, temperature, gamma, alpha or beta; 0 for explorers without */
    uint32_t layers;    /* of the tower; 0: u is the encoded context */
    uint32_t variance;  /* EA_VARIANCE_… */
    uint32_t cells;     /* besides cell 0, the policy's own explorer */
    uint32_t attributes; /* names of attributes; 0: artworks have no masks */
    uint32_t scaled;    /* 1 if titles have factors of the parameter */
    uint32_t kernel;    /* EA_KERNEL_…: what this processor's page is computed with */
    ea_text salt;       /* of the cells */
} ea_info;

/* How scores become probabilities (decision.md §5). Set struct_size before the call. */
typedef struct {
    uint32_t struct_size;
    uint32_t kind;      /* EA_EXPLORER_… */
    double floor;       /* 0 to 1 */
    double parameter;   /* as bundle.md §5 bounds it; 0 for explorers without */
} ea_explorer;

/* One layer of the tower. Set struct_size before the call. */
typedef struct {
    uint32_t struct_size;
    uint32_t activation; /* EA_ACTIVATION_… */
    uint32_t inputs;
    uint32_t outputs;
    uint32_t rows;      /* EA_ROWS_… */
    uint32_t reserved;
} ea_layer;

/* One declared feature. Set struct_size before the call. */
typedef struct {
    uint32_t struct_size;
    uint32_t kind;      /* EA_FEATURE_… */
    ea_text name;
    uint32_t first;     /* first slot */
    uint32_t width;     /* slots */
    uint32_t words;     /* vocabulary size; 0 for number and vector */
    uint32_t indicator; /* number: 1 if the second slot marks a missing value */
    double centre;      /* number */
    double scale;       /* number */
    double clip;        /* number and vector */
} ea_feature;

/* What the encoder met in a context map. Set struct_size before the call; the counts are written
   on success, the offset always. */
typedef struct {
    uint32_t struct_size;
    uint32_t missing;   /* declared features without a usable value */
    uint32_t other;     /* words outside their vocabulary */
    uint32_t clipped;   /* numbers pulled back to their clip */
    uint32_t ignored;   /* undeclared fields */
    uint32_t reserved;
    uint64_t offset;    /* of the value that was refused; 0 on success */
} ea_report;

/* What limits a choice besides the policy. NULL wherever it is asked for means no limit. */
typedef struct {
    uint32_t struct_size;
    uint32_t reserved;
    const uint8_t *denied; /* bit row%8 of byte row/8 denies a row; NULL with denied_size 0 */
    size_t denied_size;    /* bytes; rows past the end are not denied */
    const uint8_t *excluded; /* likewise: rows that are no candidates of this call */
    size_t excluded_size;
    uint32_t required;     /* attributes that a candidate has, all of them */
    uint32_t forbidden;    /* attributes that a candidate has not, none of them */
} ea_limits;

/* One decision, 24 bytes. propensity = (double)n / total. */
typedef struct {
    uint32_t title;  /* index, or EA_NONE */
    uint32_t row;    /* chosen row, or EA_NONE */
    uint32_t n;
    uint32_t total;  /* 2^31 less what lies on denied artworks; never 0 */
    float score;     /* of the chosen row; 0 if none */
    uint16_t reason; /* EA_REASON_… */
    uint16_t cell;   /* 0: the policy's own explorer */
} ea_decision;

/* One candidate with its probability. propensity = (double)n / total of its title. */
typedef struct {
    uint32_t row;
    uint32_t n;      /* 0 for a denied one */
    float score;
    uint32_t denied; /* 0 or 1 */
} ea_candidate;

/* Version of this interface: 1000 * major + minor. Within a major version, programs compiled
   against a lower minor keep working. */
EA_API uint32_t ea_abi_version(void);

/* The identifier of a status, such as "EA_E_CRC"; "EA_E_?" for a number without one. Static. */
EA_API const char *ea_status_name(int32_t status);

/* One English sentence that says what a status means. Static. */
EA_API const char *ea_status_text(int32_t status);

/* CRC-32C (Castagnoli) of size bytes, continuing from crc; 0 starts. */
EA_API uint32_t ea_crc32c(uint32_t crc, const void *bytes, size_t size);

/* SipHash-1-3 of size bytes under the key (k0, k1): decision.md §2.1. */
EA_API uint64_t ea_hash(uint64_t k0, uint64_t k1, const void *bytes, size_t size);

/* Bytes an ea_policy needs; the same for every bundle. */
EA_API size_t ea_policy_size(void);

/* Checks a bundle completely and makes policy ready for use over it.
   policy: memory of at least size bytes, aligned to 16. bytes: aligned to 64; kept, not copied.
   offset: where the violation is, in bytes from the bundle's start; 0 on success. May be NULL.
   Returns EA_OK, EA_E_ARGUMENT, EA_E_MEMORY, EA_E_ALIGNMENT or a status of bundle.md §8; on
   failure policy holds nothing and every call with it returns EA_E_ARGUMENT. */
EA_API int32_t ea_policy_open(ea_policy *policy, size_t size, const void *bytes, size_t length,
                              uint64_t *offset);

/* Computes with this kernel (EA_KERNEL_…; 0: the best there is), for tests and measurements:
   results are the same. While no other thread uses the policy. EA_OK, EA_E_ARGUMENT, or
   EA_E_UNSUPPORTED where this processor or build has no such kernel. */
EA_API int32_t ea_policy_use(ea_policy *policy, uint32_t kernel);

/* Runs the bundle's test vectors: bundle.md §7. context: memory as for ea_context_encode, left
   unusable. failed: index of the first vector that does not hold (EA_NONE if all do), may be NULL.
   Returns EA_OK, EA_E_VECTOR, or as ea_context_encode for memory and arguments. */
EA_API int32_t ea_policy_verify(const ea_policy *policy, ea_context *context, size_t size,
                                uint32_t *failed);

/* Describes a policy. info->struct_size must be set. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_policy_info(const ea_policy *policy, ea_info *info);

/* Describes the feature of this index. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_policy_feature(const ea_policy *policy, uint32_t index, ea_feature *feature);

/* Word `word` of feature `index`'s vocabulary. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_policy_word(const ea_policy *policy, uint32_t index, uint32_t word,
                              ea_text *text);

/* Entry `index` of the bundle's meta. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_policy_meta(const ea_policy *policy, uint32_t index, ea_text *key,
                              ea_text *value);

/* Test vector `index` of the bundle: its context map and its hash. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_policy_vector(const ea_policy *policy, uint32_t index, ea_text *context,
                                uint64_t *hash);

/* Index of the title with this id, or EA_NONE. */
EA_API uint32_t ea_title_find(const ea_policy *policy, const void *id, size_t length);

/* Index of each title of a page. ids: the ids one after the other; ends: count ends (exclusive)
   in ids, not decreasing. An id that is not found gives EA_NONE. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_title_find_page(const ea_policy *policy, const void *ids, const uint32_t *ends,
                                  size_t count, uint32_t *titles);

/* Id of a title, and its rows: first and number. Any out pointer may be NULL.
   EA_OK, EA_E_ARGUMENT or EA_E_TITLE. */
EA_API int32_t ea_title_info(const ea_policy *policy, uint32_t title, ea_text *id, uint32_t *first,
                             uint32_t *count);

/* Id of a row's artwork. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_artwork_id(const ea_policy *policy, uint32_t row, ea_text *id);

/* Attributes of a row's artwork, 0 for a policy without masks. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_artwork_mask(const ea_policy *policy, uint32_t row, uint32_t *mask);

/* Name of attribute `index`, which is bit `index` of a mask. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_policy_attribute(const ea_policy *policy, uint32_t index, ea_text *name);

/* The explorer of a cell (0: the policy's own), the cell's name (empty for cell 0) and its share of
   the units (for cell 0: what the others leave). explorer->struct_size must be set; name and share
   may be NULL. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_policy_cell(const ea_policy *policy, uint32_t cell, ea_explorer *explorer,
                              ea_text *name, double *share);

/* The cell a unit falls into. EA_NONE for a policy that is not open. */
EA_API uint32_t ea_policy_cell_of(const ea_policy *policy, uint64_t unit);

/* Layer `index` of the tower. layer->struct_size must be set. EA_OK or EA_E_ARGUMENT. */
EA_API int32_t ea_policy_layer(const ea_policy *policy, uint32_t index, ea_layer *layer);

/* The factor of the explorer's parameter for a title, 1 where titles have none. EA_OK,
   EA_E_ARGUMENT or EA_E_TITLE. */
EA_API int32_t ea_title_scale(const ea_policy *policy, uint32_t title, double *scale);

/* The weights of a row as they act on u, k floats: f32 rows as stored, i8 rows code times scale;
   and its bias. bias may be NULL. EA_OK, EA_E_ARGUMENT, or EA_E_CAPACITY (capacity < k). */
EA_API int32_t ea_row_weights(const ea_policy *policy, uint32_t row, float *weights,
                              size_t capacity, float *bias);

/* The variances of a row's weights, k floats: code's number times variance_scale, in binary32; all
   0 for a policy without. EA_OK, EA_E_ARGUMENT, or EA_E_CAPACITY (capacity < k). */
EA_API int32_t ea_row_variances(const ea_policy *policy, uint32_t row, float *variances,
                                size_t capacity);

/* Bytes an ea_context of this policy needs; 0 for a policy that is not open. */
EA_API size_t ea_context_size(const ea_policy *policy);

/* Encodes a context map (MessagePack, decision.md §3) for this policy.
   context: memory of at least size bytes, aligned to 16. seed: decides the draws. unit: key of
   the member profile on this device, for cells. report may be NULL.
   Returns EA_OK, EA_E_ARGUMENT, EA_E_MEMORY, EA_E_ALIGNMENT or a status of decision.md §3; on
   failure the context is unusable (EA_E_FOREIGN). */
EA_API int32_t ea_context_encode(const ea_policy *policy, ea_context *context, size_t size,
                                 const void *map, size_t map_length, uint64_t seed, uint64_t unit,
                                 ea_report *report);

/* The encoded slots, policy's `slots` floats. For i8 rows also as quantised (may be NULL):
   `k` signed bytes and the scale σ, both 0 for f32 rows.
   EA_OK, EA_E_ARGUMENT, EA_E_FOREIGN, or EA_E_CAPACITY (capacity < slots). */
EA_API int32_t ea_context_vector(const ea_policy *policy, const ea_context *context, float *slots,
                                 size_t capacity, int8_t *codes, float *scale);

/* u, which the rows are multiplied with: policy's `k` floats.
   EA_OK, EA_E_ARGUMENT, EA_E_FOREIGN, or EA_E_CAPACITY (capacity < k). */
EA_API int32_t ea_context_u(const ea_policy *policy, const ea_context *context, float *u,
                            size_t capacity);

/* Decides one title (index, or EA_NONE for one the bundle does not have).
   EA_OK (also where no artwork may be shown: see reason), EA_E_ARGUMENT, EA_E_FOREIGN or
   EA_E_TITLE (an index out of range that is not EA_NONE). */
EA_API int32_t ea_select(const ea_policy *policy, const ea_context *context, uint32_t title,
                         const ea_limits *limits, ea_decision *decision);

/* Decides count titles, each exactly as ea_select would. On EA_E_TITLE decisions are written up
   to the offending title. */
EA_API int32_t ea_select_page(const ea_policy *policy, const ea_context *context,
                              const uint32_t *titles, size_t count, const ea_limits *limits,
                              ea_decision *decisions);

/* The candidates of a title under limits, in row order, each with its probability of being shown.
   count and total (may be NULL) receive the number of candidates and the n's denominator.
   EA_OK, EA_E_ARGUMENT, EA_E_FOREIGN, EA_E_TITLE, or EA_E_CAPACITY. */
EA_API int32_t ea_propensities(const ea_policy *policy, const ea_context *context, uint32_t title,
                               const ea_limits *limits, ea_candidate *candidates, size_t capacity,
                               uint32_t *count, uint32_t *total);

/* Scores of all rows, policy's `artworks` floats. EA_OK, EA_E_ARGUMENT, EA_E_FOREIGN, or
   EA_E_CAPACITY (capacity < artworks). */
EA_API int32_t ea_scores(const ea_policy *policy, const ea_context *context, float *scores,
                         size_t capacity);

/* Variances of all rows, as ea_scores; all 0 for a policy without. */
EA_API int32_t ea_variances(const ea_policy *policy, const ea_context *context, float *variances,
                            size_t capacity);

/* The explorer alone: integers n that add up to 2^31 (decision.md §5) over count candidates, 1 to
   256. scores: finite, below 2^50 in magnitude; variances: 0 to 2^70, NULL where the explorer
   needs none; magnitudes below 2^-50 count as 0. EA_OK, EA_E_ARGUMENT, or EA_E_RANGE (a number or
   a parameter outside its range). */
EA_API int32_t ea_explore(const ea_explorer *explorer, const float *scores,
                          const float *variances, uint32_t count, uint32_t *n);

/* As ea_select, with the scores of another scorer: one for each row of the title, and where
   variances is not NULL a variance; numbers as for ea_explore. EA_E_RANGE besides. */
EA_API int32_t ea_select_scored(const ea_policy *policy, const ea_context *context,
                                uint32_t title, const float *scores, const float *variances,
                                const ea_limits *limits, ea_decision *decision);

/* As ea_propensities, with scores as ea_select_scored takes them. EA_E_RANGE besides. */
EA_API int32_t ea_propensities_scored(const ea_policy *policy, const ea_context *context,
                                      uint32_t title, const float *scores,
                                      const float *variances, const ea_limits *limits,
                                      ea_candidate *candidates, size_t capacity, uint32_t *count,
                                      uint32_t *total);

/* Draws one of the `count` artworks (1 to 256) that a host has for a title the bundle does not
   have, uniformly: decision.md §6. id: of the title. decision->row is an index among the
   artworks. EA_OK, EA_E_ARGUMENT or EA_E_FOREIGN. */
EA_API int32_t ea_select_host(const ea_policy *policy, const ea_context *context, const void *id,
                              size_t length, uint32_t count, ea_decision *decision);

/* The choice without a context: the first candidate that is not denied, undrawn (n = 0). title:
   index or EA_NONE. EA_OK, EA_E_ARGUMENT or EA_E_TITLE. */
EA_API int32_t ea_fallback(const ea_policy *policy, uint32_t title, const ea_limits *limits,
                           ea_decision *decision);

/* The hash of decision.md §8 for this context. EA_OK, EA_E_ARGUMENT or EA_E_FOREIGN. */
EA_API int32_t ea_context_hash(const ea_policy *policy, const ea_context *context, uint64_t *hash);

/* ---- the feedback log: feedback.md ---- */

/* A segment that is being written to the caller's memory (a mapped file, as a rule, zero beyond
   `used`). One thread at a time. */
typedef struct {
    uint32_t struct_size;
    uint32_t next;   /* sequence of the next event */
    uint64_t stream;
    uint8_t *memory;
    size_t size;     /* of memory, bytes */
    size_t used;     /* bytes up to the end of the last frame */
} ea_segment;

/* An impression that no policy's index stands for; see ea_segment_shown. */
typedef struct {
    uint32_t struct_size;
    uint32_t context;     /* sequence of its context event, or EA_NONE */
    uint32_t n;
    uint32_t total;
    uint32_t reason;
    uint32_t slot_row;
    uint32_t slot_column;
    uint32_t reserved;
    uint64_t at;          /* milliseconds since the segment was started */
    ea_text title;
    ea_text artwork;      /* data NULL: none */
    ea_text shown;        /* what was shown instead; data NULL: the decision */
    ea_text candidates;   /* one MessagePack value, as feedback.md §4; data NULL: no restriction */
} ea_impression;

/* What a segment's header says. Set struct_size before the call. */
typedef struct {
    uint32_t struct_size;
    uint32_t format;
    uint64_t stream;
    uint64_t time;        /* milliseconds since 1970 */
    uint32_t first;       /* sequence */
    uint32_t reserved;
} ea_header;

/* A place in a segment that is being read: zero all but struct_size and `least` (the header's
   first sequence) before the first call. */
typedef struct {
    uint32_t struct_size;
    uint32_t sequence;
    uint32_t least;       /* what the next frame's sequence must reach */
    uint32_t reserved;
    size_t next;          /* offset from which to look on */
    const uint8_t *body;  /* NULL: there are no more frames */
    size_t size;          /* of body, bytes */
} ea_frame;

/* Begins a segment in memory (aligned to 8, zero, at least 64 bytes). segment->struct_size must
   be set. stream: not 0. EA_OK, EA_E_ARGUMENT, EA_E_MEMORY or EA_E_ALIGNMENT. */
EA_API int32_t ea_segment_start(ea_segment *segment, void *memory, size_t size, uint64_t stream,
                                uint32_t first, uint64_t time);

/* Appends one event, whose sequence is segment->next before the call. body: 1 to 2^17 bytes.
   EA_OK, EA_E_ARGUMENT, or EA_E_CAPACITY: seal the segment and start another. */
EA_API int32_t ea_segment_append(ea_segment *segment, const void *body, size_t size);

/* Appends an impression. As ea_segment_append. */
EA_API int32_t ea_segment_impression(ea_segment *segment, const ea_impression *impression);

/* Appends an impression of a decision with an artwork. As ea_segment_append, or EA_E_TITLE for a
   decision without one or of another policy's size. */
EA_API int32_t ea_segment_shown(ea_segment *segment, const ea_policy *policy,
                                const ea_decision *decision, uint32_t context, uint32_t slot_row,
                                uint32_t slot_column, uint64_t at);

/* Reads the header. EA_OK, EA_E_ARGUMENT, EA_E_TRUNCATED, EA_E_MAGIC, EA_E_VERSION (format is
   set) or EA_E_CRC. */
EA_API int32_t ea_segment_header(const void *memory, size_t size, ea_header *header);

/* The next intact frame, resynchronising over damage. EA_OK (frame->body NULL at the end) or
   EA_E_ARGUMENT. */
EA_API int32_t ea_segment_next(const void *memory, size_t size, uint64_t stream, ea_frame *frame);

/* cffi] */

#ifdef __cplusplus
}
#endif

#endif
