/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mutation campaign: damages bundles in every way that comes to mind, half of them with the
 * checksum made right again. Wrong checksum: refused. Right checksum: refused, or a policy of which
 * every call keeps its promises (use.h). Built with sanitizers, which see what the checks cannot.
 *
 *     mutate [--count N] [--seed S] [--from I] [bundle files]
 *
 * Mutation i of a seed is always the same. The work is done in a child process; when it dies, the
 * parent says which mutation it was and how to repeat that one alone.
 */
#include "build.h"
#include "test.h"
#include "use.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BUNDLES_MOST = 64, VALUES_MOST = 4096, STATUSES = 80 };

static buffer bundles[BUNDLES_MOST];
static unsigned bundle_count;

/* ---- the bundles to start from ---- */

/* Format 2: everything at once, and each explorer with variances. */
static void add_second(const recipe_feature *features, const uint32_t *artworks,
                       const buffer *maps) {
    static const char *const attributes[] = {"kids", "de", "fr"};
    static const recipe_cell cells[] = {
        {"hold.back", .1, EA_EXPLORER_UNIFORM, 0, 0},
        {"default", .25, EA_EXPLORER_FIXED, .1, 0},
        {"bold", .3, EA_EXPLORER_UCB, .05, 2},
        {"sampling", .2, EA_EXPLORER_THOMPSON, 0, .5},
    };
    static const recipe_layer layers[] = {
        {EA_ACTIVATION_RELU, 17, EA_ROWS_F32, 0, 0, 0},
        {EA_ACTIVATION_TANH, 9, EA_ROWS_I8, 0, 0, 0},
        {EA_ACTIVATION_IDENTITY, 20, EA_ROWS_F32, 0, 0, 0},
    };
    static const uint32_t kinds[] = {EA_EXPLORER_THOMPSON, EA_EXPLORER_UCB, EA_EXPLORER_SOFTMAX,
                                     EA_EXPLORER_SQUARECB};
    for (unsigned i = 0; i < 4; i++)
        bundles[bundle_count++] = build_bundle(&(recipe){
            .name = "row", .sequence = 20 + i, .explorer = kinds[i], .floor = i % 2 ? .01 : 0,
            .parameter = .5 + i, .features = features, .feature_count = 4, .title_count = 5,
            .artworks = artworks, .rows = i % 2 ? EA_ROWS_F32 : EA_ROWS_I8, .seed = 50 + i,
            .contexts = maps, .context_count = 2, .salt = i ? "2024" : 0, .cells = cells,
            .cell_count = i < 3 ? 4 - i : 0, .layers = layers, .layer_count = 3 - i,
            .attributes = attributes, .attribute_count = i < 3 ? 3 : 0, .scaled = i < 3,
            .variance = i < 3 ? EA_VARIANCE_E5M3 : EA_VARIANCE_NONE, .variance_scale = .01f});
}

static void add_built(void) {
    static const char *const words[] = {"US", "GB", "\xc3\xa9", ""};
    static const char *const meta[][2] = {{"author", "nobody"}, {"note", "caf\xc3\xa9"}};
    /* 32 slots: most of a row is weights, not padding; the last bundle has both */
    static const recipe_feature all[] = {
        {EA_FEATURE_NUMBER, "hour", 0, 0, 12, 6, 8, 1},
        {EA_FEATURE_CATEGORY, "country", 4, words, 0, 0, 0, 0},
        {EA_FEATURE_WEIGHTS, "taste", 6, 0, 0, 0, 0, 0},
        {EA_FEATURE_VECTOR, "embedding", 18, 0, 0, 0, 16, 0},
    };
    static const uint32_t artworks[] = {3, 1, 9, 2, 5};
    static buffer maps[2];
    static const struct {
        uint32_t explorer;
        double floor, parameter;
    } kinds[] = {
        {EA_EXPLORER_FIXED, .1, 0},           {EA_EXPLORER_UNIFORM, 0, 0},
        {EA_EXPLORER_GREEDY, .05, 0},         {EA_EXPLORER_EPSILON_GREEDY, 0, .3},
        {EA_EXPLORER_SOFTMAX, .01, .5},       {EA_EXPLORER_SQUARECB, .01, 20},
    };
    put_map(maps, 0);
    put_map(maps + 1, 1);
    put_text(maps + 1, "hour"), put_uint(maps + 1, 7);
    for (unsigned i = 0; i < 6; i++)
        bundles[bundle_count++] = build_bundle(&(recipe){
            .name = "row", .sequence = 12 + i, .meta = meta, .meta_count = 2,
            .explorer = kinds[i].explorer, .floor = kinds[i].floor,
            .parameter = kinds[i].parameter, .features = all, .feature_count = 4,
            .title_count = 5, .artworks = artworks, .rows = i % 2 ? EA_ROWS_I8 : EA_ROWS_F32,
            .seed = 30 + i, .contexts = maps, .context_count = 2});
    add_second(all, artworks, maps);
    bundles[bundle_count++] = build_bundle(&(recipe){.rows = EA_ROWS_I8});
    bundles[bundle_count++] = build_bundle(&(recipe){
        .explorer = EA_EXPLORER_SQUARECB, .parameter = 3, .features = all,
        .feature_count = 2, .title_count = 40, .each = 4, .rows = EA_ROWS_F32, .seed = 40});
    buffer_free(maps);
    buffer_free(maps + 1);
}

static void add_file(const char *path) {
    REQUIRE(bundle_count < BUNDLES_MOST);
    FILE *file = fopen(path, "rb");
    buffer bundle = {0, 0, 0};
    uint8_t piece[4096];
    size_t size;
    if (!file) {
        fprintf(stderr, "mutate: cannot read %s\n", path);
        exit(2);
    }
    while ((size = fread(piece, 1, sizeof piece, file)) > 0) put_bytes(&bundle, piece, size);
    fclose(file);
    REQUIRE(bundle.length > 20);
    bundles[bundle_count++] = bundle;
}

/* ---- where its values are ---- */

typedef struct {
    size_t at[VALUES_MOST]; /* of every value, inner ones too */
    unsigned count;
} map_of_values;

static void find_values(const buffer *bundle, map_of_values *map) {
    map->count = 0;
    for (size_t at = 1; at < bundle->length - 5 && map->count < VALUES_MOST;) {
        unsigned b = bundle->bytes[at];
        map->at[map->count++] = at;
        if (b >= 0x80 && b < 0xa0) at++;
        else if (b == 0xdc || b == 0xde) at += 3;
        else if (b == 0xdd || b == 0xdf) at += 5;
        else at = after_value(bundle->bytes, at);
    }
}

/* ---- the mutations ---- */

static void replace(buffer *b, size_t at, size_t out, const uint8_t *in, size_t size) {
    buffer made = {0, 0, 0};
    put_bytes(&made, b->bytes, at);
    put_bytes(&made, in, size);
    put_bytes(&made, b->bytes + at + out, b->length - at - out);
    buffer_free(b);
    *b = made;
}

/* The bytes of a run inside the bundle, at most `most` long. */
static size_t some_run(const buffer *b, uint64_t *state, size_t most, size_t *size) {
    size_t at = random_below(state, (uint32_t)b->length);
    *size = 1 + random_below(state, (uint32_t)(b->length - at < most ? b->length - at : most));
    return at;
}

static void set_bytes(buffer *b, size_t at, const void *bytes, size_t size) {
    if (at + size <= b->length) memcpy(b->bytes + at, bytes, size);
}

/* Another count in the head of a value. */
static void edit_length(buffer *b, size_t at, uint64_t *state) {
    static const uint8_t extreme[] = {0, 1, 0x7f, 0x80, 0xff};
    uint8_t *p = b->bytes + at;
    unsigned head = *p, size = head >= 0xd9 && head <= 0xdf ? head % 2 + 1 + (head > 0xdb) : 4;
    if (head >= 0x80 && head < 0xc0) {
        *p = (uint8_t)(head + (random_below(state, 2) ? 1 : -1)); /* a neighbour, maybe of kind */
        return;
    }
    if (at + 5 > b->length) return;
    p += 1 + random_below(state, size);
    if (random_below(state, 2)) *p = (uint8_t)(*p + (random_below(state, 2) ? 1 : -1));
    else *p = extreme[random_below(state, sizeof extreme)];
}

static void special_float(buffer *b, const map_of_values *map, uint64_t *state) {
    static const uint32_t f32[] = {0x80000000, 0x7f800000, 0xff800000, 0x7fc00000, 0x00000001,
                                   0x49800000, 0x497fffff, 0x26800000, 0x267fffff, 0x3f800000};
    static const uint8_t f64[][2] = {{0x80, 0}, {0x7f, 0xf0}, {0x7f, 0xf8}, {0xff, 0xf0},
                                     {0, 1},    {0x3f, 0xf0}, {0x7f, 0xef}, {0x41, 0xe0}};
    if (random_below(state, 2)) {
        size_t at = random_below(state, (uint32_t)b->length) & ~(size_t)3;
        set_bytes(b, at, f32 + random_below(state, 10), 4);
        return;
    }
    for (unsigned tries = 0; tries < 200; tries++) {
        size_t at = map->at[random_below(state, map->count)];
        if (at + 9 > b->length || b->bytes[at] != 0xcb) continue;
        memset(b->bytes + at + 1, 0, 8);
        memcpy(b->bytes + at + 1, f64[random_below(state, 8)], 2);
        return;
    }
}

/* A number of an array of 32-bit integers: one more or less, its neighbour's, or far too large. */
static void edit_integer(buffer *b, uint64_t *state) {
    size_t at = random_below(state, (uint32_t)b->length) & ~(size_t)3;
    uint32_t x, neighbour;
    if (at + 8 > b->length) return;
    memcpy(&x, b->bytes + at, 4);
    memcpy(&neighbour, b->bytes + at + 4, 4);
    switch (random_below(state, 5)) {
    case 0: x++; break;
    case 1: x--; break;
    case 2: x = (uint32_t)next_random(state); break;
    case 3: x = UINT32_MAX - random_below(state, 4); break;
    default: set_bytes(b, at + 4, &x, 4), x = neighbour;
    }
    set_bytes(b, at, &x, 4);
}

static void swap_values(buffer *b, const map_of_values *map, uint64_t *state) {
    size_t i = map->at[random_below(state, map->count)];
    size_t j = map->at[random_below(state, map->count)];
    if (i > j) {
        size_t swap = i;
        i = j, j = swap;
    }
    size_t after_i = after_value(b->bytes, i), after_j = after_value(b->bytes, j);
    if (after_i > j || after_j > b->length) return;
    buffer made = {0, 0, 0};
    put_bytes(&made, b->bytes + j, after_j - j);
    put_bytes(&made, b->bytes + after_i, j - after_i);
    put_bytes(&made, b->bytes + i, after_i - i);
    memcpy(b->bytes + i, made.bytes, made.length);
    buffer_free(&made);
}

/* Numbers a policy may well have: other weights, another explorer's parameter, other text. */
static void plausible(buffer *b, const map_of_values *map, uint64_t *state) {
    for (unsigned tries = 0; tries < 100; tries++) {
        size_t byte = random_below(state, (uint32_t)b->length); /* large values more often */
        unsigned value = tries % 2 ? random_below(state, map->count) : map->count - 1;
        while (tries % 2 == 0 && value && map->at[value] > byte) value--;
        size_t at = map->at[value];
        unsigned head = b->bytes[at];
        size_t end = after_value(b->bytes, at);
        size_t data = (at + 5 + 63) / 64 * 64; /* of an array, after its padding */
        if (head == 0xc6 && data < end) {
            for (unsigned n = 1 + random_below(state, 4); n; n--)
                b->bytes[data + random_below(state, (uint32_t)(end - data))] ^=
                    (uint8_t)(1u << random_below(state, 7));
            return;
        }
        if (head == 0xcb) {
            buffer number = {0, 0, 0};
            put_f64(&number, random_unit(state));
            set_bytes(b, at, number.bytes, 9);
            buffer_free(&number);
            return;
        }
    }
}

enum { MUTATIONS = 13 };

static void mutate(buffer *b, const map_of_values *map, unsigned kind, uint64_t *state) {
    static const uint8_t bytes[] = {0, 1, 0x7f, 0x80, 0xc0, 0xc1, 0xff};
    size_t size, at = some_run(b, state, 32, &size);
    uint8_t noise[32];
    for (unsigned i = 0; i < 32; i++) noise[i] = (uint8_t)next_random(state);
    switch (kind) {
    case 0: b->bytes[at] ^= (uint8_t)(1u << random_below(state, 8)); break;
    case 1: b->bytes[at] = bytes[random_below(state, sizeof bytes)]; break;
    case 2: set_bytes(b, at, noise, size); break;
    case 3: { /* a run of itself elsewhere */
        size_t other, from = some_run(b, state, 200, &other);
        if (at + other <= b->length) memmove(b->bytes + at, b->bytes + from, other);
        break;
    }
    case 4: b->length = at > 6 ? at : 6; break;
    case 5: replace(b, at, 0, noise, size); break;
    case 6: replace(b, at, size, noise, 0); break;
    case 7: edit_length(b, map->at[random_below(state, map->count)], state); break;
    case 8: special_float(b, map, state); break;
    case 9: edit_integer(b, state); break;
    case 10: swap_values(b, map, state); break;
    default: plausible(b, map, state);
    }
}

/* ---- the campaign ---- */

typedef struct {
    uint64_t at; /* the mutation being tried */
    uint64_t tried[2], unchanged, accepted, by_status[STATUSES];
} progress;

static void fail(const char *what, const char *why) {
    fflush(stdout);
    fprintf(stderr, "mutate: %s: %s\n", what, why);
    _exit(1);
}

static void try_one(progress *p, uint64_t seed, uint64_t i) {
    static map_of_values map;
    uint64_t state = seed ^ i * 0x9e3779b97f4a7c15u;
    int right_checksum = (int)(i & 1);
    const buffer *from = bundles + random_below(&state, bundle_count);
    buffer b = {0, 0, 0};
    put_bytes(&b, from->bytes, from->length);
    find_values(from, &map);
    for (unsigned n = 1 + random_below(&state, 4) / 2; n; n--) {
        unsigned kind = random_below(&state, MUTATIONS);
        /* the second mutation cannot rely on values being where they were */
        int as_it_was = b.length == from->length && !memcmp(b.bytes, from->bytes, b.length);
        if (!as_it_was && (kind == 7 || kind == 8 || kind >= 10)) kind %= 7;
        mutate(&b, &map, kind, &state);
    }
    if (right_checksum) {
        b.bytes[b.length - 5] = 0xce;
        seal(&b);
    }
    if (b.length == from->length && !memcmp(b.bytes, from->bytes, b.length)) {
        p->unchanged++;
        buffer_free(&b);
        return;
    }
    uint8_t *bytes = exact_copy(b.bytes, b.length);
    void *memory = 0;
    uint64_t offset = 0;
    REQUIRE(posix_memalign(&memory, 16, ea_policy_size()) == 0);
    memset(memory, 0xa5, ea_policy_size());
    int32_t status = ea_policy_open(memory, ea_policy_size(), bytes, b.length, &offset);
    p->tried[right_checksum]++;
    if (status < 0 || status >= STATUSES || !strcmp(ea_status_name(status), "EA_E_?"))
        fail("unknown status", ea_status_name(status));
    p->by_status[status]++;
    if (status && ea_context_size(memory)) fail("refused, but still open", ea_status_name(status));
    if (status && offset > b.length) fail("offset outside", ea_status_name(status));
    if (!status) {
        if (!right_checksum) fail("a wrong checksum", "was accepted");
        p->accepted++;
        uint8_t noise[64];
        for (unsigned j = 0; j < 64; j++) noise[j] = (uint8_t)next_random(&state);
        noise[0] = (uint8_t)(0x80 + noise[0] % 4);
        const char *wrong = misbehaves(memory, noise, sizeof noise, state);
        if (wrong) fail("does not hold", wrong);
    }
    free(bytes);
    free(memory);
    buffer_free(&b);
}

static void report(const progress *p, uint64_t count, uint64_t seed) {
    printf("{\"mutations\": %" PRIu64 ", \"seed\": %" PRIu64 ", \"bundles\": %u, "
           "\"unchanged\": %" PRIu64 ", \"wrong_checksum\": %" PRIu64
           ", \"right_checksum\": %" PRIu64 ", \"accepted\": %" PRIu64 ", \"statuses\": {",
           count, seed, bundle_count, p->unchanged, p->tried[0], p->tried[1], p->accepted);
    const char *comma = "";
    for (int32_t s = 0; s < STATUSES; s++)
        if (p->by_status[s]) {
            printf("%s\"%s\": %" PRIu64, comma, ea_status_name(s), p->by_status[s]);
            comma = ", ";
        }
    printf("}}\n");
}

int main(int argc, char **argv) {
    uint64_t count = 2000, seed = 1, from = 0;
    add_built();
    for (int i = 1; i < argc; i++) {
        uint64_t *option = !strcmp(argv[i], "--count")  ? &count
                           : !strcmp(argv[i], "--seed") ? &seed
                           : !strcmp(argv[i], "--from") ? &from
                                                        : 0;
        if (option && i + 1 < argc) *option = strtoull(argv[++i], 0, 10);
        else if (argv[i][0] == '-') {
            fprintf(stderr, "usage: mutate [--count N] [--seed S] [--from I] [bundle files]\n");
            return 2;
        } else add_file(argv[i]);
    }
    progress *p = mmap(0, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(p != MAP_FAILED);
    fflush(stdout);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (!child) {
        for (p->at = from; p->at < from + count; p->at++) {
            if (p->at % 20000 == 0 && p->at > from)
                fprintf(stderr, "  %" PRIu64 " of %" PRIu64 " mutations\n", p->at - from, count);
            try_one(p, seed, p->at);
        }
        _exit(0);
    }
    int how = 0;
    REQUIRE(waitpid(child, &how, 0) == child);
    for (unsigned i = 0; i < bundle_count; i++) buffer_free(bundles + i);
    if (!WIFEXITED(how) || WEXITSTATUS(how)) {
        fprintf(stderr, "mutate: failed at %" PRIu64 "; to repeat: --seed %" PRIu64
                        " --from %" PRIu64 " --count 1\n", p->at, seed, p->at);
        return 1;
    }
    report(p, count, seed);
    if (p->tried[1] >= 500 && p->accepted * 20 < p->tried[1]) {
        fprintf(stderr, "mutate: too few were accepted to say anything about their use\n");
        return 1;
    }
    return 0;
}
