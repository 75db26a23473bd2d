/* SPDX-License-Identifier: Apache-2.0 */
/* See json.h. */
#include "json.h"
#include "test.h"

static json *read_value(char **at);

static void skip_space(char **at) {
    while (**at == ' ' || **at == '\n' || **at == '\r' || **at == '\t') (*at)++;
}

static int take(char **at, char c) {
    skip_space(at);
    if (**at != c) return 0;
    (*at)++;
    return 1;
}

static unsigned long four_digits(const char *p) {
    char digits[5] = {p[0], p[1], p[2], p[3], 0}, *end;
    unsigned long value = strtoul(digits, &end, 16);
    REQUIRE(end == digits + 4);
    return value;
}

/* What follows \u at `p`, as UTF-8: four digits, or two escapes that are one code point. */
static const char *unescape(const char *p, char **out) {
    unsigned long c = four_digits(p);
    unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : 2;
    p += 4;
    if (c >= 0xd800 && c < 0xe000) {
        REQUIRE(c < 0xdc00 && p[0] == '\\' && p[1] == 'u');
        c = 0x10000 + (c - 0xd800) * 0x400 + (four_digits(p + 2) - 0xdc00);
        more = 3;
        p += 6;
    }
    static const unsigned lead[] = {0, 0xc0, 0xe0, 0xf0};
    *(*out)++ = (char)(lead[more] | c >> 6 * more);
    while (more--) *(*out)++ = (char)(0x80 | (c >> 6 * more & 0x3f));
    return p;
}

/* Unescapes in place: no escape is shorter than what it stands for. */
static char *read_string(char **at, size_t *size) {
    REQUIRE(take(at, '"'));
    char *start = *at, *out = start;
    const char *p = start;
    while (*p != '"') {
        REQUIRE(*p);
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        static const char escapes[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
        char c = p[1];
        p += 2;
        if (c == 'u') p = unescape(p, &out);
        else {
            const char *found = c ? strchr(escapes, c) : 0;
            REQUIRE(found);
            *out++ = meant[found - escapes];
        }
    }
    *at = start + (p - start) + 1;
    *out = 0;
    *size = (size_t)(out - start);
    return start;
}

static void read_entries(char **at, json *value, char end) {
    json **last = &value->first;
    if (take(at, end)) return;
    do {
        const char *key = 0;
        size_t size;
        if (end == '}') {
            skip_space(at);
            key = read_string(at, &size);
            REQUIRE(take(at, ':'));
        }
        *last = read_value(at);
        (*last)->key = key;
        last = &(*last)->next;
        value->size++;
    } while (take(at, ','));
    REQUIRE(take(at, end));
}

static int take_word(char **at, const char *word) {
    size_t size = strlen(word);
    if (strncmp(*at, word, size)) return 0;
    *at += size;
    return 1;
}

static json *read_value(char **at) {
    json *value = calloc(1, sizeof *value);
    REQUIRE(value);
    skip_space(at);
    if (take(at, '{')) value->type = JSON_MAP, read_entries(at, value, '}');
    else if (take(at, '[')) value->type = JSON_LIST, read_entries(at, value, ']');
    else if (**at == '"') value->type = JSON_STRING, value->text = read_string(at, &value->size);
    else if (take_word(at, "null")) value->type = JSON_NULL;
    else if (take_word(at, "true")) value->type = JSON_TRUE;
    else if (take_word(at, "false")) value->type = JSON_FALSE;
    else {
        char *end;
        value->type = JSON_NUMBER;
        value->number = strtod(*at, &end);
        REQUIRE(end != *at);
        *at = end;
    }
    return value;
}

/* The values point into the file's text, which the first of them therefore owns as its key. */
json *json_read(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        printf("cannot read %s\n", path);
        exit(2);
    }
    REQUIRE(fseek(file, 0, SEEK_END) == 0);
    long size = ftell(file);
    REQUIRE(size > 0 && fseek(file, 0, SEEK_SET) == 0);
    char *text = malloc((size_t)size + 1), *at = text;
    REQUIRE(text && fread(text, 1, (size_t)size, file) == (size_t)size);
    text[size] = 0;
    fclose(file);
    json *value = read_value(&at);
    skip_space(&at);
    REQUIRE(at == text + size);
    value->key = text;
    return value;
}

static void free_values(json *value) {
    while (value) {
        json *next = value->next;
        free_values(value->first);
        free(value);
        value = next;
    }
}

void json_free(json *value) {
    free((char *)(uintptr_t)value->key);
    free_values(value);
}

const json *json_find(const json *map, const char *key) {
    REQUIRE(map->type == JSON_MAP);
    for (const json *entry = map->first; entry; entry = entry->next)
        if (!strcmp(entry->key, key)) return entry;
    return 0;
}

const json *json_get(const json *map, const char *key) {
    const json *entry = json_find(map, key);
    if (!entry) printf("the file lacks %s\n", key);
    REQUIRE(entry);
    return entry;
}

const char *json_text(const json *map, const char *key) {
    const json *entry = json_get(map, key);
    REQUIRE(entry->type == JSON_STRING);
    return entry->text;
}

uint64_t json_count(const json *map, const char *key) {
    const json *entry = json_get(map, key);
    REQUIRE(entry->type == JSON_NUMBER && entry->number >= 0);
    return (uint64_t)entry->number;
}

uint64_t json_hex(const json *string) {
    char *end;
    REQUIRE(string->type == JSON_STRING && string->size);
    uint64_t value = strtoull(string->text, &end, 16);
    REQUIRE(!*end);
    return value;
}

static void put_hex(buffer *out, const char *hex) {
    for (; *hex; hex += 2) {
        char digits[3] = {hex[0], hex[1], 0}, *end;
        put_byte(out, (unsigned)strtoul(digits, &end, 16));
        REQUIRE(end == digits + 2);
    }
}

buffer json_bytes(const json *value) {
    buffer out = {0, 0, 0};
    if (value->type == JSON_STRING) put_hex(&out, value->text);
    else
        for (const json *piece = value->first; piece; piece = piece->next)
            for (double times = piece->first->next->number; times > 0; times--)
                put_hex(&out, piece->first->text);
    return out;
}

buffer json_base64(const json *value) {
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buffer out = {0, 0, 0};
    uint32_t bits = 0, count = 0;
    REQUIRE(value->type == JSON_STRING);
    for (const char *p = value->text; *p && *p != '='; p++) {
        const char *digit = strchr(digits, *p);
        REQUIRE(digit);
        bits = bits << 6 | (uint32_t)(digit - digits);
        count += 6;
        if (count < 8) continue;
        count -= 8;
        put_byte(&out, bits >> count & 0xff);
    }
    return out;
}
