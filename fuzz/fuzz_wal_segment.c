/* SPDX-License-Identifier: Apache-2.0
 *
 * WAL segments: whatever the files hold, the log opens, hands out only records whose crc is right,
 * in order of position, accepts a record, and finds the same and that record at the next start.
 *
 * Input: byte 0, bit 0: the rest is built into well-formed records (so that the crc does not hide
 * what comes behind it), else it is taken as it is; bits 1-2: how many bytes of a good segment are
 * put before it (none, header, header and EPOCH); byte 1: where it is cut into two segments.
 */
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "journal/wal.h"
#include "journal/wal_segment.h"
#include "os/file_fault.h"

#define INPUT_MAX 4096u
#define IMAGE_MAX (16u * INPUT_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct journal_identity IDENTITY = { .hash_seed = 7, .shards_log2 = 2 };

struct seen {
    uint64_t count, hash, position;
};

static enum err_code on_record(void *arg, const struct journal_record *rec, struct err *err)
{
    (void)err;
    struct seen *s = arg;
    ASSERT(rec->payload.len > 0);
    ASSERT(rec->payload.len <= JOURNAL_RECORD_MAX);
    ASSERT(rec->type != JOURNAL_EPOCH);
    ASSERT(rec->position > s->position);
    s->position = rec->position;
    s->count++;
    for (size_t i = 0; i < rec->payload.len; i++) {
        s->hash = s->hash * 31 + rec->payload.ptr[i];
    }
    s->hash = s->hash * 31 + rec->type;
    return ERR_OK;
}

/* Turn input bytes into frames with the right crc: type, length, that many bytes, again. */
static size_t build_records(struct bytes in, uint8_t *out)
{
    size_t n = 0;
    while (in.len >= 3) {
        size_t len = in.ptr[1] % 64 + 1u;
        if (len > in.len - 2) len = in.len - 2;
        struct journal_record rec = { .type = in.ptr[0], .payload = { in.ptr + 2, len } };
        if (n + journal_record_bytes(len) > IMAGE_MAX / 4) break;
        wal_frame_encode(&rec, out + n);
        memcpy(out + n + JOURNAL_FRAME_BYTES, in.ptr + 2, len);
        n += journal_record_bytes(len);
        in.ptr += 2 + len;
        in.len -= 2 + len;
    }
    return n;
}

static void write_segment(const struct file_layer *files, uint64_t number, unsigned head,
                          struct bytes body, bool is_built)
{
    static uint8_t image[IMAGE_MAX];
    memset(image, 0, sizeof image);
    const struct wal_epoch epoch = { .identity = IDENTITY, .continues = number == 1 };
    size_t n = 0;
    wal_header_encode(number, image);
    wal_epoch_encode(&epoch, image + WAL_HEADER_BYTES);
    if (head >= 1) n = WAL_HEADER_BYTES;
    if (head >= 2) n = WAL_START_BYTES;
    if (is_built) {
        n += build_records(body, image + n);
    } else {
        memcpy(image + n, body.ptr, body.len);
        n += body.len;
    }
    struct err err = { 0 };
    const char *path = number == 0 ? "wal/00000000" : "wal/00000001";
    enum err_code code = file_write_atomic(files, path, (struct bytes){ image, n }, &err);
    ASSERT(code == ERR_OK);
}

static struct seen open_and_replay(const struct wal_options *options, struct journal **out)
{
    struct seen seen = { 0 };
    struct err err = { 0 };
    const struct journal_replay to = { .arg = &seen, .record = on_record };
    enum err_code code = wal_open(options, out, &err);
    ASSERT(code == ERR_OK);
    code = journal_replay(*out, &to, &err);
    ASSERT(code == ERR_OK);
    return seen;
}

static void append_one(struct journal *j)
{
    struct err err = { 0 };
    const struct journal_record rec = { .type = 2, .payload = { (const uint8_t *)"fuzz", 4 } };
    enum err_code code = journal_credit(j, journal_record_bytes(4), 0, &err);
    ASSERT(code == ERR_OK);
    code = journal_append(j, 0, &rec, NULL, &err);
    ASSERT(code == ERR_OK);
}

static void close_log(struct journal *j)
{
    struct err err = { 0 };
    enum err_code code = journal_close(j, &err);
    ASSERT(code == ERR_OK);
}

static void check_log(const struct wal_options *options)
{
    struct journal *j = NULL;
    struct seen first = open_and_replay(options, &j);
    append_one(j);
    close_log(j);
    struct seen again = open_and_replay(options, &j);
    close_log(j);
    ASSERT(again.count == first.count + 1);
    uint64_t hash = first.hash;
    for (int i = 0; i < 4; i++) {
        hash = hash * 31 + (uint8_t) "fuzz"[i];
    }
    ASSERT(again.hash == hash * 31 + 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX) return 0;
    const bool is_built = data[0] & 1;
    const unsigned head = data[0] >> 1 & 3;
    const struct bytes body = { data + 2, size - 2 };
    const size_t cut = body.len * data[1] / 256;
    struct mem_budget *mem = mem_budget_create((uint64_t)64 << 20);
    struct file_fault *disk = file_fault_create(1);
    ASSERT(mem != NULL);
    const struct file_layer *files = file_fault_layer(disk);
    struct err err = { 0 };
    enum err_code code = file_mkdirs(files, "wal", &err);
    ASSERT(code == ERR_OK);
    write_segment(files, 0, head, (struct bytes){ body.ptr, cut }, is_built);
    write_segment(files, 1, head, (struct bytes){ body.ptr + cut, body.len - cut }, is_built);
    const struct wal_options options = { .files = files,
                                         .clock = clock_system(),
                                         .mem = mem,
                                         .dir = "wal",
                                         .identity = IDENTITY,
                                         .segment_bytes = 8192,
                                         .ring_bytes = 4096,
                                         .preallocate_bytes = 4096 };
    check_log(&options);
    ASSERT(file_fault_open_count(disk) == 0);
    file_fault_destroy(disk);
    ASSERT(mem_live_count(mem) == 0);
    mem_budget_destroy(mem);
    return 0;
}
