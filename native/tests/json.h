/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the JSON of the known answers: trusted files, so that anything odd ends the program. */
#ifndef EDGEART_JSON_H
#define EDGEART_JSON_H

#include "build.h"

typedef enum {
    JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_LIST, JSON_MAP
} json_type;

typedef struct json json;
struct json {
    json_type type;
    const char *key;  /* of a map's entry */
    const char *text; /* JSON_STRING: its bytes, ended by a null byte */
    size_t size;      /* bytes of text, or entries */
    double number;
    json *first, *next; /* entries, in order */
};

json *json_read(const char *path);
void json_free(json *value);

/* The entry of this name; NULL if there is none. */
const json *json_find(const json *map, const char *key);
/* The entry of this name, which must be there. */
const json *json_get(const json *map, const char *key);
const char *json_text(const json *map, const char *key);
uint64_t json_count(const json *map, const char *key);
/* A string of hexadecimal digits as a number. */
uint64_t json_hex(const json *string);
/* Bytes as hex, or as pieces [hex, times]; as base64. */
buffer json_bytes(const json *value);
buffer json_base64(const json *value);

#endif
