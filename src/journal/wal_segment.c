/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/wal_segment.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/rd.h"

enum { EPOCH_CONTINUES = 1 };
#define CRC_FROM 8u /* the crc covers the record from its type byte on */

static void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, (uint16_t)v);
    put_u16(p + 2, (uint16_t)(v >> 16));
}

static void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)v);
    put_u32(p + 4, (uint32_t)(v >> 32));
}

static uint16_t format_of(uint8_t type)
{
    return type >= WAL_BATCH_TYPE_MIN ? 1 : 0;
}

void wal_header_encode(uint64_t number, uint8_t out[WAL_HEADER_BYTES])
{
    put_u32(out, WAL_MAGIC);
    put_u16(out + 4, WAL_VERSION);
    put_u16(out + 6, 0);
    put_u64(out + 8, number);
}

enum err_code wal_header_decode(struct bytes in, uint64_t number, struct err *err)
{
    struct rd r = rd_of(in);
    uint32_t magic = rd_u32le(&r);
    uint16_t version = rd_u16le(&r);
    uint16_t flags = rd_u16le(&r);
    uint64_t found = rd_u64le(&r);
    if (!rd_ok(&r)) return err_set(err, ERR_CORRUPT, "WAL segment is shorter than its header");
    if (magic != WAL_MAGIC) return err_set(err, ERR_CORRUPT, "not a WAL segment");
    if (version != WAL_VERSION || flags != 0) {
        return err_setf(err, ERR_CORRUPT, "unknown WAL version", "version %u, flags %u",
                        (unsigned)version, (unsigned)flags);
    }
    if (found != number) {
        return err_setf(err, ERR_CORRUPT, "WAL segment has the wrong number",
                        "expected %llu, found %llu", (unsigned long long)number,
                        (unsigned long long)found);
    }
    return ERR_OK;
}

void wal_frame_encode(const struct journal_record *rec, uint8_t out[JOURNAL_FRAME_BYTES])
{
    ASSERT(rec->payload.len > 0);
    ASSERT(rec->payload.len <= JOURNAL_RECORD_MAX);
    put_u32(out, (uint32_t)rec->payload.len);
    out[8] = rec->type;
    out[9] = rec->flags;
    put_u16(out + 10, format_of(rec->type));
    uint32_t crc = crc32c(0, out + CRC_FROM, JOURNAL_FRAME_BYTES - CRC_FROM);
    put_u32(out + 4, crc32c(crc, rec->payload.ptr, rec->payload.len));
}

void wal_epoch_encode(const struct wal_epoch *epoch, uint8_t out[WAL_EPOCH_BYTES])
{
    uint8_t *p = out + JOURNAL_FRAME_BYTES;
    put_u64(p, epoch->identity.hash_seed);
    p[8] = epoch->identity.shards_log2;
    p[9] = epoch->continues ? EPOCH_CONTINUES : 0;
    put_u16(p + 10, 0);
    put_u32(p + 12, epoch->previous_bytes);
    struct journal_record rec = { .type = JOURNAL_EPOCH,
                                  .payload = { p, WAL_EPOCH_PAYLOAD_BYTES } };
    wal_frame_encode(&rec, out);
}

bool wal_epoch_decode(struct bytes payload, struct wal_epoch *out)
{
    struct rd r = rd_of(payload);
    struct wal_epoch e = { 0 };
    e.identity.hash_seed = rd_u64le(&r);
    e.identity.shards_log2 = rd_u8(&r);
    uint8_t flags = rd_u8(&r);
    (void)rd_u16le(&r);
    e.previous_bytes = rd_u32le(&r);
    if (!rd_ok(&r) || rd_left(&r) != 0 || (flags & ~EPOCH_CONTINUES) != 0) return false;
    e.continues = flags & EPOCH_CONTINUES;
    *out = e;
    return true;
}

enum wal_parse wal_record_parse(struct bytes in, uint64_t left, struct journal_record *out_rec,
                                size_t *out_bytes)
{
    ASSERT(left >= in.len);
    if (left < JOURNAL_FRAME_BYTES) return WAL_PARSE_END;
    *out_bytes = JOURNAL_FRAME_BYTES;
    if (in.len < JOURNAL_FRAME_BYTES) return WAL_PARSE_MORE;
    struct rd r = rd_of(in);
    uint32_t len = rd_u32le(&r);
    uint32_t crc = rd_u32le(&r);
    uint8_t type = rd_u8(&r);
    uint8_t flags = rd_u8(&r);
    uint16_t format = rd_u16le(&r);
    if (len == 0) return WAL_PARSE_END;
    if (len > JOURNAL_RECORD_MAX || len > left - JOURNAL_FRAME_BYTES) return WAL_PARSE_BAD;
    if (format != format_of(type)) return WAL_PARSE_BAD;
    size_t whole = journal_record_bytes(len);
    if (whole > left) whole = (size_t)left; /* a cut-off file may lack the padding */
    *out_bytes = whole;
    if (in.len < whole) return WAL_PARSE_MORE;
    struct bytes payload = rd_bytes(&r, len);
    ASSERT(rd_ok(&r));
    if (crc32c(0, in.ptr + CRC_FROM, JOURNAL_FRAME_BYTES - CRC_FROM + len) != crc) {
        return WAL_PARSE_BAD;
    }
    *out_rec = (struct journal_record){ .type = type, .flags = flags, .payload = payload };
    return WAL_PARSE_RECORD;
}

void wal_name(char out[WAL_NAME_SIZE], const char *prefix, uint64_t number, const char *suffix)
{
    ASSERT(number <= WAL_NUMBER_MAX);
    int n = snprintf(out, WAL_NAME_SIZE, "%s%08u%s", prefix, (unsigned)number, suffix);
    ASSERT(n > 0);
    ASSERT(n < WAL_NAME_SIZE);
}

bool wal_name_parse(const char *name, const char *prefix, uint64_t *out_number)
{
    size_t skip = strlen(prefix);
    if (strncmp(name, prefix, skip) != 0) return false;
    const char *digits = name + skip;
    if (strlen(digits) != 8) return false;
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        if (digits[i] < '0' || digits[i] > '9') return false;
        number = number * 10 + (uint64_t)(digits[i] - '0');
    }
    *out_number = number;
    return true;
}
