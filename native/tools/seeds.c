/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what the fuzz targets begin with, out of the known answers: bundles, context maps, and
 * inputs for the targets that read their own.
 *
 *     seeds vectors folder      (makes folder/bundle, folder/context, folder/page, folder/segment)
 */
#include "build.h"
#include "json.h"
#include "test.h"

#include <sys/stat.h>

#define EACH(entry, list) (const json *entry = (list)->first; entry; entry = entry->next)

static const char *folder;
static unsigned written;

static void write_seed(const char *target, const buffer *bytes) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, target);
    mkdir(path, 0777); /* where it is there already, that is right too */
    snprintf(path, sizeof path, "%s/%s/%u", folder, target, written++);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes->bytes, 1, bytes->length, file) != bytes->length || fclose(file)) {
        fprintf(stderr, "seeds: cannot write %s\n", path);
        exit(2);
    }
}

static json *open_file(const char *vectors, const char *name) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s.json", vectors, name);
    return json_read(path);
}

static void write_maps(const json *cases) {
    for EACH (c, cases) {
        buffer map = json_bytes(json_get(c, "map"));
        if (map.length <= 4096) write_seed("context", &map); /* larger ones are slow to mutate */
        buffer_free(&map);
    }
}

static void write_bundles(const char *vectors) {
    static const char *const names[] = {"policy", "policy2"};
    for (unsigned i = 0; i < 2; i++) {
        json *file = open_file(vectors, names[i]);
        for EACH (p, json_get(file, "policies")) {
            buffer bundle = json_base64(json_get(p, "bundle"));
            write_seed("bundle", &bundle);
            buffer_free(&bundle);
            write_maps(json_get(p, "contexts"));
        }
        json_free(file);
    }
    json *file = open_file(vectors, "hostile");
    for EACH (base, json_get(file, "bases")) {
        buffer bundle = json_base64(base);
        write_seed("bundle", &bundle);
        buffer_free(&bundle);
    }
    json_free(file);
    file = open_file(vectors, "context");
    write_maps(json_get(file, "cases"));
    json_free(file);
}

/* As fuzz_page.c takes them: policy, vector, seed, unit, bitmaps, attributes, titles, numbers. */
static void write_pages(void) {
    uint64_t state = 1;
    for (unsigned i = 0; i < 64; i++) {
        buffer out = {0, 0, 0};
        put_byte(&out, i % 32 + 128 * (i >= 48));
        for (unsigned j = 0; j < 5; j++) {
            float x = (float)(2 * random_unit(&state) - 1);
            put_bytes(&out, &x, 4);
        }
        put_big(&out, next_random(&state), 4);
        for (unsigned j = 0; j < 2; j++) {
            unsigned size = i % 3 ? 44 : 0;
            put_byte(&out, size);
            for (unsigned k = 0; k < size; k++)
                put_byte(&out, (unsigned)(next_random(&state) & next_random(&state)) & 0xff);
        }
        put_byte(&out, 1u << i % 4 & 7);
        put_byte(&out, 4u >> i % 4);
        put_byte(&out, i % 9);
        put_byte(&out, 20);
        for (unsigned j = 0; j < 20; j++) put_byte(&out, j % 10);
        put_byte(&out, 10 * (i % 8));
        for (unsigned j = 0; j < 40; j++) {
            float x = (float)random_unit(&state);
            put_bytes(&out, &x, 4);
        }
        write_seed("page", &out);
        buffer_free(&out);
    }
}

/* As fuzz_segment.c takes them: a byte of 0 and a segment, or one of 1 and calls. */
static void write_segments(void) {
    static _Alignas(8) uint8_t memory[2048];
    for (unsigned i = 0; i < 16; i++) {
        buffer out = {0, 0, 0};
        memset(memory, 0, sizeof memory);
        ea_segment segment = {.struct_size = sizeof segment};
        REQUIRE(ea_segment_start(&segment, memory, sizeof memory, 0x1122334455667788u, i, 9) == 0);
        for (unsigned j = 0; j < 3 + i; j++) {
            ea_impression e = {.struct_size = sizeof e, .context = j, .n = 1u << (i + j) % 31,
                               .total = EA_TOTAL, .reason = j % 5 == 4 ? EA_REASON_REDRAWN : 0,
                               .title = {"title-7", 7}, .artwork = {"laugh", j % 6}};
            REQUIRE(ea_segment_impression(&segment, &e) == 0);
            REQUIRE(ea_segment_append(&segment, memory, 1 + 3 * j) == 0);
        }
        put_byte(&out, 0);
        put_bytes(&out, memory, i % 2 ? segment.used : sizeof memory);
        write_seed("segment", &out);
        out.length = 0;
        put_byte(&out, 1);
        put_bytes(&out, "\x00\x08\x07\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08", 14);
        for (unsigned j = 0; j < 4; j++) {
            put_byte(&out, j + i);
            for (unsigned k = 0; k < 40; k++) put_byte(&out, k % 7 == 3 ? 3 : k + i);
        }
        write_seed("segment", &out);
        buffer_free(&out);
    }
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: seeds vectors folder\n");
        return 2;
    }
    folder = argv[2];
    write_bundles(argv[1]);
    write_pages();
    write_segments();
    printf("seeds: %u files\n", written);
    return 0;
}
