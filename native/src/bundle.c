/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a bundle: checks every rule of bundle.md in one pass, in the order of the bytes. */
#include "kernel.h"
#include "open.h"

#define HEAD "\x94\xa7" "edgeart"
#define HEAD_SIZE 9u
#define TAIL_SIZE 5u /* 0xce and the checksum */

static void read_meta(ea__reader *reader, ea_policy *policy) {
    policy->meta = ea__read_count(reader, EA__MAP, EA_LIMIT_META);
    policy->meta_at = reader->at;
    for (uint32_t i = 0; i < policy->meta && !reader->status; i++) {
        ea__read_text(reader, 0, EA_LIMIT_NAME);
        ea__read_text(reader, 0, EA_LIMIT_META_VALUE);
    }
}

static void read_vectors(ea__reader *reader, ea_policy *policy) {
    ea__key(reader, "vectors");
    policy->vectors = ea__read_count(reader, EA__LIST, EA_LIMIT_VECTORS);
    policy->vectors_at = reader->at;
    for (uint32_t i = 0; i < policy->vectors && !reader->status; i++) {
        ea__read_list_of(reader, 2);
        ea__value map = ea__read(reader, EA__BIN);
        if (map.size > EA_MAX_CONTEXT_BYTES) ea__fail(reader, EA_E_LIMIT, map.offset);
        ea__read_uint(reader, 0, UINT64_MAX, EA_E_RANGE);
    }
}

static void read_body(ea__reader *reader, ea_policy *policy) {
    int is_first = policy->format == 1;
    ea__value body = ea__read(reader, EA__MAP);
    if (body.size < (is_first ? 21 : 26) || body.size > (is_first ? 22 : 29))
        ea__fail(reader, EA_E_TYPE, body.offset);
    ea__key(reader, "name");
    policy->name = ea__read_name(reader);
    ea__key(reader, "sequence");
    policy->sequence = ea__read_uint(reader, 1, ((uint64_t)1 << 53) - 1, EA_E_RANGE);
    ea__key(reader, "meta");
    read_meta(reader, policy);
    ea__key(reader, "explorer");
    ea__read_explorer(reader, policy->format, &policy->cell[0].explorer);
    policy->cell[0].units = EA_TOTAL;
    policy->cell[0].share = 1;
    if (!is_first) ea__read_cells(reader, policy);
    ea__key(reader, "features");
    ea__read_features(reader, policy);
    ea__read_words(reader, policy);
    ea__read_tower(reader, policy);
    if (!is_first) ea__read_attributes(reader, policy);
    ea__read_titles(reader, policy);
    ea__read_artworks(reader, policy);
    ea__read_rows(reader, policy, &body);
    if (!is_first) ea__read_variance(reader, policy, &body);
    read_vectors(reader, policy);
}

/* Magic, format, size and checksum: what must hold before a byte of the body is believed. */
static void read_frame(ea__reader *reader, ea_policy *policy) {
    size_t length = reader->length;
    size_t head = length < HEAD_SIZE ? length : HEAD_SIZE;
    if (!ea__same(reader->bytes, HEAD, head)) ea__fail(reader, EA_E_MAGIC, 0);
    else if (head < HEAD_SIZE) ea__fail(reader, EA_E_TRUNCATED, 0);
    reader->at = head;
    policy->format = (uint32_t)ea__read_uint(reader, 1, EA_FORMAT, EA_E_VERSION);
    if (reader->status) return;
    if (length > EA_LIMIT_DOCUMENT) ea__fail(reader, EA_E_LIMIT, EA_LIMIT_DOCUMENT);
    else if (length < reader->at + TAIL_SIZE) ea__fail(reader, EA_E_TRUNCATED, reader->at);
    if (reader->status) return;
    size_t tail = length - TAIL_SIZE;
    const uint8_t *p = reader->bytes + tail;
    policy->crc = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    if (p[0] != 0xce || policy->crc != ~policy->kernel->crc(~0u, reader->bytes, tail))
        ea__fail(reader, EA_E_CRC, tail);
    reader->length = tail;
}

size_t ea_policy_size(void) {
    return sizeof(ea_policy);
}

int32_t ea_policy_open(ea_policy *policy, size_t size, const void *bytes, size_t length,
                       uint64_t *offset) {
    if (offset) *offset = 0;
    if (policy && size >= sizeof policy->magic && !((uintptr_t)policy & 15)) policy->magic = 0;
    if (!policy || (!bytes && length)) return EA_E_ARGUMENT;
    if (size < sizeof *policy) return EA_E_MEMORY;
    if (((uintptr_t)policy & 15) || ((uintptr_t)bytes & 63)) return EA_E_ALIGNMENT;
    /* volatile: without it compilers call memset, which need not exist */
    for (size_t i = 0; i < sizeof *policy / 8; i++) ((volatile uint64_t *)policy)[i] = 0;
    policy->kernel = ea__kernel_named(0);
    ea__reader reader = {bytes, length, 0, EA_OK, 0};
    read_frame(&reader, policy);
    if (!reader.status) read_body(&reader, policy);
    if (!reader.status && reader.at != reader.length) ea__fail(&reader, EA_E_TRAILING, reader.at);
    if (reader.status) {
        if (offset) *offset = reader.fault;
        return reader.status;
    }
    policy->bytes = bytes;
    policy->length = length;
    policy->magic = EA__POLICY_MAGIC;
    return EA_OK;
}
