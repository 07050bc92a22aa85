/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/wal_scan.h"

#include <string.h>

#include "base/assert.h"

#define READ_ATTEMPTS 3
#define PAGE_BYTES 4096u /* unit of what a disk fails to read */
#define PROBE_PAGES 256u

/* A cable, a controller, a path that is switched over: most failures of reading do not last. */
static enum err_code read_at(const struct file_layer *files, struct file *f, void *dst, size_t len,
                             uint64_t offset, size_t *out_n, struct err *err)
{
    enum err_code code = ERR_OK;
    for (int i = 0; i < READ_ATTEMPTS; i++) {
        code = files->pread(files->ctx, f, dst, len, offset, out_n, err);
        if (code == ERR_OK) break;
    }
    return code;
}

static enum err_code refuse(const char *path, const struct err *why, struct err *err)
{
    (void)err_setf(err, ERR_IO,
                   "cannot read a file of the WAL: check the disk, or move the file away to start "
                   "without what it holds",
                   "%.300s", path);
    if (err) err->os_errno = why->os_errno;
    return ERR_IO;
}

void wal_scan_init(struct wal_scan *s, const struct file_layer *files, uint8_t *buffer, size_t cap)
{
    *s = (struct wal_scan){ .files = files, .buffer = buffer, .cap = cap };
}

enum err_code wal_scan_open(struct wal_scan *s, const char *path, struct err *err)
{
    ASSERT(s->f == NULL);
    wal_scan_init(s, s->files, s->buffer, s->cap);
    TRY(s->files->open(s->files->ctx, path, FILE_READ, &s->f, err));
    enum err_code code = s->files->size(s->files->ctx, s->f, &s->size, err);
    if (code != ERR_OK) {
        wal_scan_close(s);
        return code;
    }
    s->limit = s->size;
    if (s->cap < s->size) ASSERT(s->cap >= journal_record_bytes(JOURNAL_RECORD_MAX));
    wal_scan_fill(s);
    if (s->read_err.code != ERR_OK && s->end < WAL_HEADER_BYTES) {
        code = refuse(path, &s->read_err, err);
        wal_scan_close(s);
    }
    return code;
}

bool wal_scan_header(struct wal_scan *s, uint64_t number, struct err *err)
{
    ASSERT(s->offset == 0);
    size_t have = s->end < WAL_HEADER_BYTES ? s->end : WAL_HEADER_BYTES;
    if (wal_header_decode((struct bytes){ s->buffer, have }, number, err) != ERR_OK) return false;
    s->offset = s->begin = WAL_HEADER_BYTES;
    return true;
}

enum wal_parse wal_scan_next(struct wal_scan *s, struct journal_record *out_rec)
{
    uint64_t left = s->limit > s->offset ? s->limit - s->offset : 0;
    size_t have = s->end - s->begin;
    if (have > left) have = (size_t)left;
    size_t bytes = 0;
    struct bytes in = { s->buffer + s->begin, have };
    enum wal_parse parsed = wal_record_parse(in, left, out_rec, &bytes);
    if (parsed == WAL_PARSE_RECORD) {
        s->begin += bytes;
        s->offset += bytes;
    } else if (s->read_err.code != ERR_OK) {
        parsed = WAL_PARSE_BAD; /* nothing comes behind the page that cannot be read */
    }
    return parsed;
}

/* As much of [offset, offset + len) as can be read before the first bad page. */
static size_t read_pages(struct wal_scan *s, uint8_t *dst, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        const size_t in_page = PAGE_BYTES - (size_t)((offset + done) % PAGE_BYTES);
        const size_t want = len - done < in_page ? len - done : in_page;
        size_t n = 0;
        struct err err = { 0 }; /* also of attempts before the one that succeeds */
        if (read_at(s->files, s->f, dst + done, want, offset + done, &n, &err) != ERR_OK) {
            s->read_err = err;
            break;
        }
        done += n;
        if (n < want) break;
    }
    return done;
}

void wal_scan_fill(struct wal_scan *s)
{
    size_t have = s->end - s->begin;
    if (have > 0) memmove(s->buffer, s->buffer + s->begin, have);
    s->begin = 0;
    s->end = have;
    const uint64_t from = s->offset + have;
    struct err whole = { 0 };
    size_t n = 0;
    if (read_at(s->files, s->f, s->buffer + have, s->cap - have, from, &n, &whole) != ERR_OK) {
        n = read_pages(s, s->buffer + have, s->cap - have, from);
    }
    s->end += n;
    if (s->read_err.code == ERR_OK && n == 0 && from < s->size) { /* the file shrank */
        (void)err_set(&s->read_err, ERR_IO, "WAL segment became shorter while it was read");
    }
}

void wal_scan_again(struct wal_scan *s)
{
    s->begin = s->end = 0;
    wal_scan_fill(s);
}

bool wal_scan_disk_answers(const struct wal_scan *s)
{
    const uint64_t bad = (s->offset + (s->end - s->begin)) / PAGE_BYTES;
    const uint64_t last = s->size == 0 ? 0 : (s->size - 1) / PAGE_BYTES;
    const uint64_t others[] = { bad + 1, bad + PROBE_PAGES, last };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        uint8_t page[PAGE_BYTES];
        size_t n = 0;
        struct err ignored = { 0 };
        if (others[i] <= bad || others[i] > last) continue;
        if (read_at(s->files, s->f, page, sizeof page, others[i] * PAGE_BYTES, &n, &ignored) ==
            ERR_OK) {
            return true;
        }
    }
    return false;
}

enum err_code wal_scan_refuse(const struct wal_scan *s, const char *path, struct err *err)
{
    return refuse(path, &s->read_err, err);
}

/* One whole EPOCH record. */
static bool epoch_parse(struct bytes in, struct wal_epoch *out)
{
    struct journal_record rec = { 0 };
    size_t bytes;
    if (wal_record_parse(in, in.len, &rec, &bytes) != WAL_PARSE_RECORD) return false;
    return rec.type == JOURNAL_EPOCH && wal_epoch_decode(rec.payload, out);
}

bool wal_scan_close_mark(struct wal_scan *s, const struct journal_identity *identity,
                         uint64_t *out_offset)
{
    uint8_t mark[WAL_EPOCH_BYTES];
    size_t n = 0;
    struct err ignored = { 0 };
    if (s->size < WAL_START_BYTES + sizeof mark) return false;
    const uint64_t offset = s->size - sizeof mark;
    if (read_at(s->files, s->f, mark, sizeof mark, offset, &n, &ignored) != ERR_OK) return false;
    struct wal_epoch epoch;
    if (!epoch_parse((struct bytes){ mark, n }, &epoch) || epoch.previous_bytes != offset ||
        epoch.identity.hash_seed != identity->hash_seed ||
        epoch.identity.shards_log2 != identity->shards_log2) {
        return false;
    }
    *out_offset = offset;
    return true;
}

uint64_t wal_scan_rest(struct wal_scan *s)
{
    uint64_t from = s->offset;
    uint64_t last = from;
    s->begin = s->end = 0;
    while (s->read_err.code == ERR_OK && s->offset < s->size) {
        wal_scan_fill(s);
        if (s->end == 0) break;
        for (size_t i = s->end; i-- > 0;) {
            if (s->buffer[i] != 0) {
                last = s->offset + i + 1;
                break;
            }
        }
        s->offset += s->end;
        s->begin = s->end = 0;
    }
    s->offset = from;
    return last - from;
}

#define FIND_STEP 4u /* records are aligned so */

/* One place: true when a valid record starts at s->offset. */
static bool is_record_here(struct wal_scan *s, uint64_t *spent)
{
    for (;;) {
        const uint64_t left = s->size - s->offset;
        const struct bytes in = { s->buffer + s->begin, s->end - s->begin };
        struct journal_record rec;
        size_t bytes = 0;
        enum wal_parse parsed = wal_record_parse(in, left, &rec, &bytes);
        if (parsed == WAL_PARSE_MORE) {
            wal_scan_fill(s);
            if (s->read_err.code != ERR_OK) return false;
            continue;
        }
        if (bytes > JOURNAL_FRAME_BYTES) *spent += bytes;
        return parsed == WAL_PARSE_RECORD && rec.type != 0;
    }
}

bool wal_scan_find_later(struct wal_scan *s, uint64_t from, uint64_t limit, uint64_t *out_offset)
{
    const uint64_t bad = s->offset;
    ASSERT(from > bad && from % FIND_STEP == 0);
    uint64_t spent = 0;
    bool is_found = false;
    if (limit > s->size) limit = s->size;
    s->begin = s->end = 0;
    for (s->offset = from; s->offset < limit; s->offset += FIND_STEP) {
        is_found = is_record_here(s, &spent);
        if (is_found || s->read_err.code != ERR_OK || spent > WAL_FIND_CRC_MAX) break;
        s->begin = s->end - s->begin > FIND_STEP ? s->begin + FIND_STEP : s->end;
    }
    if (is_found) *out_offset = s->offset;
    s->offset = bad;
    s->begin = s->end = 0;
    return is_found;
}

void wal_scan_close(struct wal_scan *s)
{
    struct err ignored = { 0 };
    if (s->f) (void)s->files->close(s->files->ctx, s->f, &ignored); /* was only read */
    s->f = NULL;
}

/* The EPOCH in the first bytes of a segment. */
static bool decode_start(struct bytes in, uint64_t number, struct wal_epoch *out)
{
    struct err ignored = { 0 };
    if (wal_header_decode(in, number, &ignored) != ERR_OK) return false;
    return epoch_parse((struct bytes){ in.ptr + WAL_HEADER_BYTES, in.len - WAL_HEADER_BYTES }, out);
}

enum err_code wal_scan_start(const struct file_layer *files, const char *path, uint64_t number,
                             struct wal_epoch *out, bool *out_found, struct err *err)
{
    struct file *f = NULL;
    struct err own = { 0 };
    *out_found = false;
    enum err_code code = files->open(files->ctx, path, FILE_READ, &f, &own);
    if (code == ERR_NOTFOUND) return ERR_OK;
    if (code != ERR_OK) {
        if (err) *err = own;
        return code;
    }
    for (int i = 0; i < 2 && code == ERR_OK && !*out_found; i++) { /* twice: wal_scan_again */
        uint8_t head[WAL_START_BYTES];
        size_t n = 0;
        code = read_at(files, f, head, sizeof head, 0, &n, &own);
        *out_found = code == ERR_OK && n == sizeof head &&
                     decode_start((struct bytes){ head, n }, number, out);
    }
    struct err ignored = { 0 };
    (void)files->close(files->ctx, f, &ignored); /* was only read */
    return code == ERR_OK ? ERR_OK : refuse(path, &own, err);
}
