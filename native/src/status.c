/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses as words, and the version of the interface. */
#include "internal.h"

#define STATUSES(X)                                                                               \
    X(EA_OK, "no error")                                                                          \
    X(EA_E_ARGUMENT, "a null or impossible argument")                                             \
    X(EA_E_MEMORY, "the memory given is too small for the object")                                \
    X(EA_E_ALIGNMENT, "the memory given is not aligned as the function needs it")                 \
    X(EA_E_FOREIGN, "the context was not encoded for this policy")                                \
    X(EA_E_TRUNCATED, "the bytes end inside a value")                                             \
    X(EA_E_TYPE, "a value of another type than the format asks for")                              \
    X(EA_E_TRAILING, "bytes after the end of the document")                                       \
    X(EA_E_MAGIC, "these bytes are not an edgeart bundle")                                        \
    X(EA_E_VERSION, "a bundle format that this library does not read")                            \
    X(EA_E_CRC, "the checksum is missing or does not agree with the bytes")                       \
    X(EA_E_KEY, "an unknown key or word, or a key out of order")                                  \
    X(EA_E_LIMIT, "a count or size outside the format's limits")                                  \
    X(EA_E_RANGE, "a number outside its range")                                                   \
    X(EA_E_UTF8, "a string that is not valid UTF-8")                                              \
    X(EA_E_ORDER, "something that must ascend or be distinct does not")                           \
    X(EA_E_LENGTH, "an array of another length than the counts ask for")                          \
    X(EA_E_PADDING, "padding that is not zero")                                                   \
    X(EA_E_UNSUPPORTED, "a kind of layer, explorer or feature that this library does not know")   \
    X(EA_E_HASH, "a stored title hash is not the title's")                                        \
    X(EA_E_DUPLICATE, "a declared field, or a word of a weights map, is given twice")             \
    X(EA_E_TITLE, "no such title")                                                                \
    X(EA_E_CAPACITY, "the result buffer is too small")                                            \
    X(EA_E_VECTOR, "a test vector of the bundle does not hold")

const char *ea_status_name(int32_t status) {
    switch (status) {
#define NAME(number, text) case number: return #number;
        STATUSES(NAME)
    default: return "EA_E_?";
    }
}

const char *ea_status_text(int32_t status) {
    switch (status) {
#define TEXT(number, text) case number: return text;
        STATUSES(TEXT)
    default: return "a status that this library does not know";
    }
}

uint32_t ea_abi_version(void) {
    return 1000 * 0 + 2;
}
