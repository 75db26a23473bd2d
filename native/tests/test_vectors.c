/* SPDX-License-Identifier: Apache-2.0 */
/* The known answers of native/vectors: this library and the reference agree to the bit. */
#include "../src/internal.h"
#include "build.h"
#include "json.h"
#include "test.h"

/* One hash over all scores and integers n that were found, for comparing machines by a line. */
static uint64_t digest;

static void add_to_digest(const void *words, size_t size) {
    digest = ea_hash(digest, 0, words, size);
}

static json *open_file(const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.json", VECTORS, name);
    return json_read(path);
}

#define EACH(entry, list) (const json *entry = (list)->first; entry; entry = entry->next)

/* What failed, after which the case's name is told. */
static void name_failure(unsigned before, const char *file, const char *name) {
    if (test_failures != before && test_failures <= TEST_SHOWN)
        printf("    in %s: %s\n", file, name);
}

static void hashes(void) {
    json *file = open_file("hash");
    uint8_t bytes[4096];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i % 251);
    for EACH (c, json_get(file, "hashes")) {
        REQUIRE(json_count(c, "length") <= sizeof bytes);
        CHECK(ea_hash(json_hex(json_get(c, "k0")), json_hex(json_get(c, "k1")), bytes,
                      json_count(c, "length")) == json_hex(json_get(c, "hash")));
    }
    for EACH (c, json_get(file, "titles")) {
        const json *title = json_get(c, "title");
        CHECK(ea_hash(EA__DOMAIN_TITLE, 0, title->text, title->size) ==
              json_hex(json_get(c, "hash")));
    }
    for EACH (c, json_get(file, "draw_keys")) {
        const json *policy = json_get(c, "policy");
        uint64_t seed = json_hex(json_get(c, "seed"));
        CHECK(ea_hash(seed, EA__DOMAIN_DRAW0, policy->text, policy->size) ==
              json_hex(json_get(c, "d0")));
        CHECK(ea_hash(seed, EA__DOMAIN_DRAW1, policy->text, policy->size) ==
              json_hex(json_get(c, "d1")));
    }
    json_free(file);
}

static void checksums(void) {
    json *file = open_file("crc32c");
    for EACH (c, json_get(file, "checksums")) {
        buffer bytes = json_bytes(json_get(c, "bytes"));
        CHECK(ea_crc32c(0, bytes.bytes, bytes.length) == json_hex(json_get(c, "crc32c")));
        buffer_free(&bytes);
    }
    json_free(file);
}

static double double_of(const json *bits) {
    union { uint64_t u; double d; } pun = {json_hex(bits)};
    return pun.d;
}

static float float_of(const json *bits) {
    union { uint32_t u; float f; } pun = {(uint32_t)json_hex(bits)};
    return pun.f;
}

static uint32_t explorer_kind(const char *name) {
    static const char *const names[] = {"fixed",   "uniform",  "greedy",   "epsilon_greedy",
                                        "softmax", "squarecb", "thompson", "ucb"};
    for (uint32_t i = 0; i < 8; i++)
        if (!strcmp(names[i], name)) return 10 * i;
    REQUIRE(!"an explorer");
    return 0;
}

/* Floats of an entry of this name in a list of them. */
static uint32_t find_floats(const json *lists, const char *name, const char *key, float *to) {
    uint32_t count = 0;
    for EACH (list, lists) {
        if (strcmp(json_text(list, "name"), name)) continue;
        REQUIRE(json_get(list, key)->size <= EA_MAX_CANDIDATES);
        for EACH (bits, json_get(list, key)) to[count++] = float_of(bits);
    }
    REQUIRE(count);
    return count;
}

/* n of ea_explore, and of every kernel alone. */
static void check_explorer(const json *c, const float *scores, const float *variances,
                           uint32_t count) {
    static const uint32_t kernels[] = {EA_KERNEL_PORTABLE, EA_KERNEL_128, EA_KERNEL_AVX2};
    float padded[2][EA_MAX_CANDIDATES] = {{0}};
    uint32_t n[EA_MAX_CANDIDATES], i = 0;
    ea_explorer e = {sizeof e, explorer_kind(json_text(c, "kind")),
                     double_of(json_get(c, "floor")), double_of(json_get(c, "parameter"))};
    CHECK_EQ(ea_explore(&e, scores, variances, count, n), EA_OK);
    CHECK_EQ(json_get(c, "n")->size, count);
    for EACH (wanted, json_get(c, "n")) {
        REQUIRE(i < count);
        CHECK_EQ(n[i++], wanted->number);
    }
    add_to_digest(n, count * sizeof *n);
    memcpy(padded[0], scores, count * sizeof *scores);
    if (variances) memcpy(padded[1], variances, count * sizeof *variances);
    for (unsigned k = 0; k < 3; k++) {
        const ea__kernel *kernel = ea__kernel_named(kernels[k]);
        ea__explorer inner = {e.kind, (uint32_t)(e.floor * 0x1p31), e.floor, e.parameter};
        uint32_t m[EA_MAX_CANDIDATES];
        if (!kernel) continue;
        ea__explore(kernel, &inner, e.parameter, padded[0], padded[1], count, m);
        CHECK(!memcmp(n, m, count * sizeof *n));
    }
}

static void explorers(void) {
    json *file = open_file("explore");
    float scores[EA_MAX_CANDIDATES], variances[EA_MAX_CANDIDATES];
    for EACH (c, json_get(file, "cases")) {
        const char *name = json_text(c, "scores");
        unsigned before = test_failures;
        uint32_t count = find_floats(json_get(file, "scores"), name, "bits", scores);
        check_explorer(c, scores, 0, count);
        name_failure(before, json_text(c, "kind"), name);
    }
    for EACH (c, json_get(file, "uncertain")) {
        const char *name = json_text(c, "pair");
        unsigned before = test_failures;
        uint32_t count = find_floats(json_get(file, "pairs"), name, "scores", scores);
        REQUIRE(find_floats(json_get(file, "pairs"), name, "variances", variances) == count);
        check_explorer(c, scores, variances, count);
        name_failure(before, json_text(c, "kind"), name);
    }
    json_free(file);
}

static void functions(void) {
    json *file = open_file("math");
    uint32_t code = 0;
    for EACH (pair, json_get(file, "exp"))
        CHECK(ea__exp(double_of(pair->first)) == double_of(pair->first->next));
    for EACH (pair, json_get(file, "tanh"))
        CHECK_EQ(ea__bits(ea__tanh(float_of(pair->first))), json_hex(pair->first->next));
    for EACH (bits, json_get(file, "variances"))
        CHECK_EQ(ea__bits(ea__e5m3((uint8_t)code++)), json_hex(bits));
    CHECK_EQ(code, 256);
    json_free(file);
}

/* Encodes into the fixture's context; true if that is right as far as status and slots go. */
static void check_slots(fixture *f, const json *wanted) {
    float slots[1024];
    uint32_t i = 0;
    CHECK_EQ(wanted->size, f->info.slots);
    CHECK_EQ(ea_context_vector(f->policy, f->context, slots, 1024, 0, 0), EA_OK);
    for EACH (bits, wanted) CHECK_EQ(ea__bits(slots[i++]), json_hex(bits));
}

static void contexts(void) {
    json *file = open_file("context");
    fixture f = open_fixture(json_base64(json_get(file, "bundle")));
    for EACH (c, json_get(file, "cases")) {
        buffer map = json_bytes(json_get(c, "map"));
        uint8_t *exact = exact_copy(map.bytes, map.length);
        ea_report report = {.struct_size = sizeof report};
        unsigned before = test_failures;
        const json *wanted = json_find(c, "status");
        int32_t status = ea_context_encode(f.policy, f.context, f.context_size, exact, map.length,
                                           0, 0, &report);
        CHECK(!strcmp(ea_status_name(status), wanted ? wanted->text : "EA_OK"));
        if (wanted) {
            CHECK_EQ(report.offset, json_count(c, "offset"));
        } else if (!status) {
            uint32_t counts[4] = {report.missing, report.other, report.clipped, report.ignored};
            uint32_t i = 0;
            check_slots(&f, json_get(c, "slots"));
            CHECK_EQ(json_get(c, "report")->size, 4);
            for EACH (count, json_get(c, "report")) CHECK_EQ(counts[i++], count->number);
        }
        name_failure(before, "context", json_text(c, "name"));
        free(exact);
        buffer_free(&map);
    }
    close_fixture(&f);
    json_free(file);
}

/* base[:start] + insert + base[-end:], the checksum made right where `crc` says so. */
static buffer hostile_bytes(const json *c, const buffer *base) {
    int crc = json_get(c, "crc")->type == JSON_TRUE;
    size_t length = base->length - (crc ? 4 : 0), end = json_count(c, "end");
    size_t start = json_count(c, "start");
    buffer insert = json_bytes(json_get(c, "insert")), out = {0, 0, 0};
    REQUIRE(start <= length && end <= length);
    put_bytes(&out, base->bytes, start);
    put_bytes(&out, insert.bytes, insert.length);
    put_bytes(&out, base->bytes + length - end, end);
    if (crc) put_big(&out, 0, 4), seal(&out);
    buffer_free(&insert);
    return out;
}

static void hostile_bundles(void) {
    json *file = open_file("hostile");
    buffer bases[16];
    size_t count = 0;
    void *memory = 0;
    REQUIRE(posix_memalign(&memory, 16, ea_policy_size()) == 0);
    for EACH (base, json_get(file, "bases")) {
        REQUIRE(count < 16);
        bases[count++] = json_base64(base);
    }
    for EACH (c, json_get(file, "cases")) {
        REQUIRE(json_count(c, "base") < count);
        buffer bytes = hostile_bytes(c, bases + json_count(c, "base"));
        uint8_t *exact = exact_copy(bytes.bytes, bytes.length);
        uint64_t offset = 0;
        unsigned before = test_failures;
        int32_t status = ea_policy_open(memory, ea_policy_size(), exact, bytes.length, &offset);
        CHECK(!strcmp(ea_status_name(status), json_text(c, "status")));
        CHECK_EQ(offset, json_count(c, "offset"));
        name_failure(before, "hostile", json_text(c, "name"));
        if (test_failures != before) printf("    found: %s\n", ea_status_name(status));
        free(exact);
        buffer_free(&bytes);
    }
    while (count) buffer_free(bases + --count);
    free(memory);
    json_free(file);
}

/* [title asked for, title, row, n, total, bits of the score, reason], in format 2 and the cell. */
static void check_decision(const json *wanted, const ea_decision *d) {
    uint32_t found[7] = {d->title, d->row,    d->n,   d->total, ea__bits(d->score),
                         d->reason, d->cell};
    const json *field = wanted->first;
    for (unsigned i = 0; i < 7 && (i < 6 || field->next); i++) {
        field = field->next;
        REQUIRE(field);
        if (i == 4) CHECK_EQ(found[i], json_hex(field));
        else CHECK_EQ(found[i], field->number);
    }
}

static uint32_t optional_count(const json *map, const char *key) {
    return json_find(map, key) ? (uint32_t)json_count(map, key) : 0;
}

static void check_page(fixture *f, const json *page) {
    buffer denied = json_bytes(json_get(page, "denied")), excluded = {0, 0, 0};
    if (json_find(page, "excluded")) excluded = json_bytes(json_get(page, "excluded"));
    ea_limits limits = {
        .struct_size = sizeof limits, .denied = denied.bytes, .denied_size = denied.length,
        .excluded = excluded.bytes, .excluded_size = excluded.length,
        .required = optional_count(page, "required"),
        .forbidden = optional_count(page, "forbidden")};
    int any = denied.length || excluded.length || limits.required || limits.forbidden;
    const ea_limits *some = any ? &limits : 0;
    const json *list = json_get(page, "decisions"), *fallbacks = json_find(page, "fallbacks");
    uint32_t *titles = malloc(list->size * sizeof *titles + 1), i = 0;
    ea_decision *decisions = malloc(list->size * sizeof *decisions + 1), d;
    REQUIRE(titles && decisions);
    for EACH (wanted, list)
        titles[i++] = ea_title_find(f->policy, wanted->first->text, wanted->first->size);
    CHECK_EQ(ea_select_page(f->policy, f->context, titles, list->size, some, decisions), EA_OK);
    i = 0;
    for EACH (wanted, list) {
        check_decision(wanted, decisions + i);
        CHECK_EQ(ea_select(f->policy, f->context, titles[i], some, &d), EA_OK);
        CHECK(!memcmp(&d, decisions + i++, sizeof d));
    }
    for (const json *wanted = fallbacks ? fallbacks->first : 0; wanted; wanted = wanted->next) {
        uint32_t title = ea_title_find(f->policy, wanted->first->text, wanted->first->size);
        CHECK_EQ(ea_fallback(f->policy, title, some, &d), EA_OK);
        check_decision(wanted, &d);
    }
    free(titles);
    free(decisions);
    buffer_free(&denied);
    buffer_free(&excluded);
}

/* The integers of all rows, under the explorer of the context's cell. */
static void check_integers(fixture *f, const json *wanted) {
    const json *n = wanted->first;
    for (uint32_t t = 0; t < f->info.titles; t++) {
        ea_candidate candidates[EA_MAX_CANDIDATES];
        uint32_t count;
        CHECK_EQ(ea_propensities(f->policy, f->context, t, 0, candidates, EA_MAX_CANDIDATES,
                                 &count, 0),
                 EA_OK);
        for (uint32_t i = 0; i < count; i++, n = n->next) {
            REQUIRE(n);
            CHECK_EQ(candidates[i].n, n->number);
            add_to_digest(&candidates[i].n, sizeof candidates[i].n);
        }
    }
    CHECK(!n);
}

static void check_floats(const json *wanted, const float *found, uint32_t count) {
    uint32_t i = 0;
    CHECK_EQ(wanted->size, count);
    for EACH (bits, wanted) {
        REQUIRE(i < count);
        CHECK_EQ(ea__bits(found[i++]), json_hex(bits));
    }
}

/* What format 2 has: the unit's cell, u, variances, host's titles. The cell's integers. */
static const json *check_more(fixture *f, const json *c, float *rows) {
    uint32_t artworks = f->info.artworks, cell = (uint32_t)json_count(c, "cell");
    const json *variances = json_get(c, "variances"), *n = json_get(c, "n")->first;
    float u[1024];
    CHECK_EQ(ea_policy_cell_of(f->policy, json_hex(json_get(c, "unit"))), cell);
    CHECK_EQ(ea_context_u(f->policy, f->context, u, 1024), EA_OK);
    check_floats(json_get(c, "u"), u, f->info.k);
    CHECK_EQ(ea_variances(f->policy, f->context, rows, artworks), EA_OK);
    if (f->info.variance) check_floats(variances, rows, artworks);
    else CHECK_EQ(variances->size, 0);
    add_to_digest(rows, artworks * sizeof *rows);
    for EACH (host, json_get(c, "hosts")) {
        ea_decision d;
        const json *last = host->first;
        while (last->next) last = last->next;
        CHECK_EQ(ea_select_host(f->policy, f->context, host->first->text, host->first->size,
                                (uint32_t)last->number, &d),
                 EA_OK);
        check_decision(host, &d);
    }
    CHECK_EQ(json_get(c, "n")->size, f->info.cells + 1);
    while (cell-- && n) n = n->next;
    REQUIRE(n);
    return n;
}

static void check_context(fixture *f, const json *c) {
    buffer map = json_bytes(json_get(c, "map"));
    const json *unit = json_find(c, "unit"), *n = json_get(c, "n");
    CHECK_EQ(ea_context_encode(f->policy, f->context, f->context_size, map.bytes, map.length,
                               json_hex(json_get(c, "seed")), unit ? json_hex(unit) : 0, 0),
             EA_OK);
    buffer_free(&map);
    check_slots(f, json_get(c, "slots"));
    uint32_t artworks = f->info.artworks;
    float *rows = malloc(artworks * sizeof *rows + 1);
    uint64_t hash;
    REQUIRE(rows);
    CHECK_EQ(ea_scores(f->policy, f->context, rows, artworks), EA_OK);
    check_floats(json_get(c, "scores"), rows, artworks);
    add_to_digest(rows, artworks * sizeof *rows);
    if (unit) n = check_more(f, c, rows);
    free(rows);
    check_integers(f, n);
    CHECK_EQ(ea_context_hash(f->policy, f->context, &hash), EA_OK);
    CHECK(hash == json_hex(json_get(c, "hash")));
    for EACH (page, json_get(c, "pages")) check_page(f, page);
}

/* A file of whole policies, with a kernel; what a processor has not is passed over. */
static void check_policies(const char *name, uint32_t kernel) {
    json *file = open_file(name);
    for EACH (p, json_get(file, "policies")) {
        fixture f = open_fixture(json_base64(json_get(p, "bundle")));
        const json *cells = json_find(p, "cells");
        uint32_t failed;
        unsigned before = test_failures;
        int32_t status = ea_policy_use(f.policy, kernel);
        CHECK(status == EA_OK || (kernel > EA_KERNEL_PORTABLE && status == EA_E_UNSUPPORTED));
        CHECK_EQ(f.info.rows, strcmp(json_text(p, "rows"), "i8") ? EA_ROWS_F32 : EA_ROWS_I8);
        CHECK_EQ(ea_policy_verify(f.policy, f.context, f.context_size, &failed), EA_OK);
        for (const json *c = cells ? cells->first : 0; c; c = c->next)
            CHECK_EQ(ea_policy_cell_of(f.policy, json_hex(c->first)), c->first->next->number);
        for EACH (c, json_get(p, "contexts")) check_context(&f, c);
        if (test_failures != before)
            printf("    in policy %.*s\n", (int)f.info.name.length, f.info.name.data);
        close_fixture(&f);
    }
    json_free(file);
}

static void policies(void) {
    check_policies("policy", 0);
    check_policies("policy2", 0);
}

static void all_kernels(void) {
    static const uint32_t kernels[] = {EA_KERNEL_PORTABLE, EA_KERNEL_128, EA_KERNEL_AVX2};
    uint64_t kept = digest, before = 0;
    for (unsigned i = 0; i < 3; i++) {
        digest = 0;
        check_policies("policy", kernels[i]);
        check_policies("policy2", kernels[i]);
        CHECK(!i || digest == before);
        before = digest;
    }
    digest = kept;
}

static const test_case cases[] = {
    {"hashes are the reference's", hashes},
    {"checksums are the reference's", checksums},
    {"exp, tanh and the codes of variances are the reference's", functions},
    {"the explorers' integers are the reference's", explorers},
    {"slots, counts and refusals of contexts are the reference's", contexts},
    {"bundles are refused as by the reference", hostile_bundles},
    {"scores, integers, hashes and decisions are the reference's", policies},
    {"and so they are by every kernel", all_kernels},
};

int main(void) {
    int failed = run_tests("vectors", cases, sizeof cases / sizeof *cases);
    printf("vectors: scores and n: %016" PRIx64 "\n", digest);
    return failed;
}
