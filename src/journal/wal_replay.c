/* SPDX-License-Identifier: Apache-2.0
 *
 * Replay: checkpoint, then segments in order. What is damaged is counted, logged and passed over;
 * only what prevents reading at all (no memory, no descriptors, a disk that does not answer) or a
 * failing callback stops it.
 */
#include <string.h>

#include "base/assert.h"
#include "journal/wal_priv.h"

#define REPLAY_BUFFER_MAX ((size_t)4 << 20)
#define REPLAY_BUFFER_MIN ((size_t)64 << 10)

struct replay {
    struct wal *w;
    const struct journal_replay *to;
    struct wal_scan scan; /* of the file being read */
    uint8_t *buffer;
    size_t buffer_bytes;
    uint64_t position;
    uint32_t epoch;
    bool is_checkpoint;
    bool is_base_lost;    /* the log up to here does not end where its writer stopped */
    bool is_after_damage; /* a continuing epoch whose base is lost */
    bool has_trailer;     /* checkpoint: the last record read was its end mark */
    bool has_payloads;    /* handed out since the last release */
    uint64_t bytes_total, bytes_done;
    struct wal_tail tail; /* of the last segment */
};

/* One file to read. */
struct source {
    char path[FILE_PATH_SIZE];
    uint64_t number;
    uint64_t limit; /* where its records end, 0 = not known */
    bool is_last;   /* the last segment: may end with a mark, or torn */
};

/* How it ended. */
struct outcome {
    uint64_t end;     /* valid bytes */
    uint64_t rest;    /* bytes behind them that are not zeros of preallocation */
    bool has_start;   /* header and EPOCH were good */
    bool is_readable; /* and there was no read error */
    bool continues;
    bool is_bad; /* ended at a record that fails its checks */
    /* last segment: */
    bool is_closed; /* ends with the mark of an orderly close */
    bool has_later; /* a valid record at `later` behind the bad one */
    uint64_t later;
    bool is_proven; /* bad bytes that can be no tear */
    struct err why;
};

/* ---- records ------------------------------------------------------------------------------ */

static enum err_code release(struct replay *r, double done, struct err *err)
{
    if (!r->has_payloads && done < 1) return ERR_OK;
    r->has_payloads = false;
    return r->to->release ? r->to->release(r->to->arg, done, err) : ERR_OK;
}

static double share_done(const struct replay *r)
{
    if (r->bytes_total == 0) return 0;
    double done = (double)(r->bytes_done + r->scan.offset) / (double)r->bytes_total;
    return done < 0.999 ? done : 0.999; /* 1 is said once, at the end */
}

/* False: not an EPOCH of this log. */
static bool take_epoch(struct replay *r, struct bytes payload, uint64_t offset, bool is_first,
                       struct outcome *o)
{
    struct wal_epoch epoch;
    if (!wal_epoch_decode(payload, &epoch)) return false;
    if (epoch.identity.hash_seed != r->w->identity.hash_seed ||
        epoch.identity.shards_log2 != r->w->identity.shards_log2) {
        return false;
    }
    if (!epoch.continues) {
        r->epoch++;
        r->is_after_damage = false;
    } else if (is_first && r->is_base_lost) {
        r->is_after_damage = true;
    }
    if (is_first) o->continues = epoch.continues;
    r->has_trailer = !is_first && epoch.previous_bytes == offset;
    return true;
}

static enum err_code take_data(struct replay *r, struct journal_record *rec, struct err *err)
{
    rec->position = r->is_checkpoint ? 0 : r->position;
    rec->epoch = r->epoch;
    rec->is_after_damage = r->is_after_damage;
    r->has_trailer = false;
    r->has_payloads = true;
    stat_add(&r->w->stats.replayed_records, 1);
    return r->to->record(r->to->arg, rec, err);
}

/* All records of one file. The outcome says how it ended; an error is the callback's. */
static enum err_code replay_records(struct replay *r, struct outcome *o, struct err *err)
{
    struct wal_scan *s = &r->scan;
    bool is_first = true;
    uint64_t read_twice = 0; /* the end there, to tell a bad read from a bad disk */
    for (;;) {
        struct journal_record rec;
        const uint64_t offset = s->offset;
        enum wal_parse parsed = wal_scan_next(s, &rec);
        if (parsed == WAL_PARSE_MORE) {
            TRY(release(r, share_done(r), err));
            wal_scan_fill(s);
            continue;
        }
        const bool is_early =
            parsed == WAL_PARSE_BAD || (parsed == WAL_PARSE_END && offset < s->limit);
        if (is_early && s->read_err.code == ERR_OK && offset != read_twice) {
            TRY(release(r, share_done(r), err));
            read_twice = offset;
            wal_scan_again(s);
            continue;
        }
        if (parsed != WAL_PARSE_RECORD) {
            o->is_bad = parsed == WAL_PARSE_BAD;
            break;
        }
        if (is_first || rec.type == JOURNAL_EPOCH) {
            if (rec.type != JOURNAL_EPOCH || !take_epoch(r, rec.payload, offset, is_first, o)) {
                s->offset = offset;
                o->is_bad = true;
                break;
            }
        }
        is_first = false;
        if (!r->is_checkpoint) r->position += journal_record_bytes(rec.payload.len);
        if (rec.type != JOURNAL_EPOCH) TRY(take_data(r, &rec, err));
    }
    o->end = s->offset;
    o->has_start = !is_first;
    o->is_readable = o->has_start && s->read_err.code == ERR_OK;
    if (s->read_err.code != ERR_OK) o->why = s->read_err;
    return release(r, share_done(r), err);
}

/* Is there a valid record behind the bad one? That alone does not tell
 * damage from a tear: of writes that were not synced when the power failed, the later one may have
 * arrived and the earlier one not. But never more than a ring is unsynced (unless the mode is off),
 * so what lies further behind proves that the bad record had been synced. */
static void find_later(struct replay *r, struct outcome *o)
{
    struct wal_scan *s = &r->scan;
    const uint64_t used = o->end + o->rest;
    const uint64_t near = o->end + 4;
    const uint64_t far = o->end + r->w->ring.size;
    uint64_t ignored;
    o->has_later = wal_scan_find_later(s, near, used, &o->later);
    o->is_proven = o->is_closed || (o->has_later && r->w->mode != JOURNAL_OFF && far < used &&
                                    wal_scan_find_later(s, far, used, &ignored));
}

/* What is behind the valid records of the last segment? */
static void look_behind(struct replay *r, struct outcome *o)
{
    struct wal_scan *s = &r->scan;
    o->rest = o->is_closed ? s->limit - o->end : wal_scan_rest(s);
    if (s->read_err.code == ERR_OK && o->is_readable && o->rest > 0) find_later(r, o);
    if (s->read_err.code == ERR_OK) return;
    o->is_readable = false;
    o->why = s->read_err;
}

static bool is_header_good(struct wal_scan *s, uint64_t number, struct err *why)
{
    if (wal_scan_header(s, number, why)) return true;
    wal_scan_again(s); /* a bad read? */
    return wal_scan_header(s, number, why);
}

/* ERR_OK also when the file is damaged. */
static enum err_code replay_file(struct replay *r, const struct source *src, struct outcome *o,
                                 struct err *err)
{
    struct wal_scan *s = &r->scan;
    *o = (struct outcome){ 0 };
    TRY(wal_scan_open(s, src->path, err));
    if (src->limit != 0 && src->limit < s->limit) s->limit = src->limit;
    o->is_closed = src->is_last && wal_scan_close_mark(s, &r->w->identity, &s->limit);
    enum err_code code = ERR_OK;
    if (is_header_good(s, src->number, &o->why)) {
        code = replay_records(r, o, err);
    }
    /* After an error of the callback the buffer is still in use. */
    if (code == ERR_OK && src->is_last && s->read_err.code == ERR_OK) look_behind(r, o);
    if (code == ERR_OK && s->read_err.code != ERR_OK && !wal_scan_disk_answers(s)) {
        code = wal_scan_refuse(s, src->path, err);
    }
    stat_add(&r->w->stats.replayed_bytes, o->end);
    r->bytes_done += s->size;
    wal_scan_close(s);
    s->offset = 0;
    return code;
}

static void report_damage(struct replay *r, const char *what, uint64_t number,
                          const struct outcome *o, uint64_t expected)
{
    uint64_t lost = expected > o->end ? expected - o->end : 0;
    struct err why = o->why;
    if (why.code == ERR_OK) (void)err_set(&why, ERR_CORRUPT, "no valid record there");
    stat_add(&r->w->stats.corruptions, 1);
    stat_add(&r->w->stats.lost_bytes, lost);
    log_error(&r->w->log, "WAL damaged; replay resumes at the next file", LOG_Z("file", what),
              LOG_U64("number", number), LOG_U64("offset", o->end), LOG_U64("lost_bytes", lost),
              LOG_ERR(&why));
    r->is_base_lost = true;
}

/* ---- checkpoint --------------------------------------------------------------------------- */

static enum err_code checkpoint_path(const struct wal *w, uint64_t file, char *out, struct err *err)
{
    char dir[WAL_NAME_SIZE];
    char name[WAL_NAME_SIZE];
    char dir_path[FILE_PATH_SIZE];
    wal_name(dir, WAL_CHECKPOINT_PREFIX, w->checkpoint_number, "");
    wal_name(name, "", file, "");
    TRY(wal_path(w, dir, dir_path, err));
    return file_join(out, dir_path, name, err);
}

static enum err_code replay_checkpoint(struct replay *r, struct err *err)
{
    struct source src = { 0 };
    struct outcome o = { 0 };
    r->is_checkpoint = true;
    for (;; src.number++) {
        struct wal_epoch next;
        bool has_next;
        TRY(checkpoint_path(r->w, src.number + 1, src.path, err));
        TRY(wal_scan_start(r->w->files, src.path, src.number + 1, &next, &has_next, err));
        src.limit = has_next ? next.previous_bytes : 0;
        TRY(checkpoint_path(r->w, src.number, src.path, err));
        struct err open_err = { 0 };
        enum err_code code = replay_file(r, &src, &o, &open_err);
        if (code == ERR_NOTFOUND) break;
        if (code != ERR_OK) {
            if (err) *err = open_err;
            return code;
        }
        if (!o.is_readable || (has_next && o.end != src.limit)) {
            report_damage(r, "checkpoint", src.number, &o, src.limit);
            r->has_trailer = true; /* reported */
        }
    }
    if (!r->has_trailer || src.number == 0) report_damage(r, "checkpoint", src.number, &o, 0);
    r->is_checkpoint = false;
    r->is_base_lost = r->is_after_damage = false;
    return ERR_OK;
}

/* ---- segments ----------------------------------------------------------------------------- */

static void add_row(struct replay *r, uint64_t number, const struct outcome *o, bool is_damaged)
{
    const struct wal_row row = { .first = number,
                                 .last = number,
                                 .end_position = r->position,
                                 .bytes = o->end,
                                 .continues = o->continues,
                                 .is_damaged = is_damaged };
    wal_table_add(&r->w->table, &row);
}

/* An older segment: it must end where the next one's EPOCH says. */
static bool is_older_damaged(const struct outcome *o, bool has_next, uint64_t expected)
{
    if (!o->is_readable) return true;
    return has_next && expected != 0 ? o->end != expected : o->is_bad;
}

/* Bytes of the last segment went bad while what was written after them is there. Later records must
 * not be replayed: they may refer to what is lost. */
static void report_damaged_tail(struct replay *r, uint64_t number, const struct outcome *o)
{
    stat_add(&r->w->stats.corruptions, 1);
    stat_add(&r->w->stats.lost_bytes, o->rest);
    log_error(&r->w->log, "WAL damaged; replay ends there", LOG_U64("segment", number),
              LOG_U64("offset", o->end), LOG_U64("lost_bytes", o->rest),
              LOG_U64("next_valid_offset", o->later));
}

static void note_tail(struct replay *r, uint64_t number, const struct outcome *o)
{
    r->tail =
        (struct wal_tail){ .number = number,
                           .bytes = o->end,
                           .has_start = o->has_start,
                           .is_closed = o->is_closed && o->is_readable && o->rest == 0,
                           .is_worth_keeping = o->has_later || o->is_proven || !o->is_readable };
    if (!o->is_readable || o->rest == 0) return;
    if (o->is_proven) {
        report_damaged_tail(r, number, o);
        return;
    }
    stat_add(&r->w->stats.torn_tails, 1);
    stat_add(&r->w->stats.truncated_bytes, o->rest);
    log_warn(&r->w->log, "WAL ends in an unfinished record; cut off", LOG_U64("segment", number),
             LOG_U64("offset", o->end), LOG_U64("bytes", o->rest),
             LOG_U64("next_valid_offset", o->later)); /* 0: none */
}

static enum err_code segment_path(const struct wal *w, uint64_t number, char *out, struct err *err)
{
    char name[WAL_NAME_SIZE];
    wal_name(name, "", number, "");
    return wal_path(w, name, out, err);
}

static enum err_code replay_segment(struct replay *r, size_t i, struct err *err)
{
    struct wal *w = r->w;
    const uint64_t number = w->found.numbers[i];
    const bool is_last = i + 1 == w->found.count;
    struct source src = { .number = number };
    struct wal_epoch next = { 0 };
    bool has_next = false;
    if (!is_last && w->found.numbers[i + 1] == number + 1) {
        TRY(segment_path(w, number + 1, src.path, err));
        TRY(wal_scan_start(w->files, src.path, number + 1, &next, &has_next, err));
    }
    src.limit = has_next ? next.previous_bytes : 0;
    src.is_last = is_last;
    TRY(segment_path(w, number, src.path, err));
    struct outcome o;
    TRY(replay_file(r, &src, &o, err));
    const bool is_damaged = is_last ? !o.is_readable : is_older_damaged(&o, has_next, src.limit);
    r->is_base_lost = false;
    /* Of a last segment that is bad from its start, all is lost. */
    const uint64_t expected = is_last ? o.end + o.rest : src.limit;
    if (is_damaged) report_damage(r, "segment", number, &o, expected);
    if (is_last) note_tail(r, number, &o);
    add_row(r, number, &o, is_damaged || o.is_proven);
    return ERR_OK;
}

static void report_missing(struct replay *r, uint64_t number)
{
    const struct outcome nothing = { 0 };
    report_damage(r, "missing segment", number, &nothing, 0);
}

static enum err_code replay_segments(struct replay *r, struct err *err)
{
    const struct wal *w = r->w;
    const struct wal_found *f = &w->found;
    r->is_base_lost = true; /* nothing that the first segment could continue */
    if (w->has_checkpoint) {
        const uint64_t first = w->checkpoint_number + 1;
        if (f->count == 0 || f->numbers[0] != first) report_missing(r, first);
    }
    for (size_t i = 0; i < f->count; i++) {
        if (i > 0 && f->numbers[i] != f->numbers[i - 1] + 1) {
            report_missing(r, f->numbers[i - 1] + 1);
        }
        TRY(replay_segment(r, i, err));
    }
    return ERR_OK;
}

/* ---- before and after --------------------------------------------------------------------- */

static enum err_code add_size(struct replay *r, const char *path, struct err *err)
{
    struct file_info info;
    TRY(r->w->files->stat(r->w->files->ctx, path, &info, err));
    r->bytes_total += info.size_bytes;
    return ERR_OK;
}

static enum err_code sum_bytes(struct replay *r, struct err *err)
{
    struct wal *w = r->w;
    char path[FILE_PATH_SIZE];
    for (uint64_t file = 0; w->has_checkpoint; file++) {
        struct err stat_err = { 0 };
        TRY(checkpoint_path(w, file, path, err));
        enum err_code code = add_size(r, path, &stat_err);
        if (code == ERR_NOTFOUND) break;
        if (code != ERR_OK && err) *err = stat_err;
        TRY(code);
    }
    for (size_t i = 0; i < w->found.count; i++) {
        TRY(segment_path(w, w->found.numbers[i], path, err));
        TRY(add_size(r, path, err));
    }
    return ERR_OK;
}

static enum err_code start(struct wal *w, const struct replay *r, struct err *err)
{
    const struct wal_found *f = &w->found;
    w->next_number = w->has_checkpoint ? w->checkpoint_number + 1 : 0;
    if (f->count > 0) w->next_number = f->numbers[f->count - 1] + 1;
    w->reserved = w->written = w->synced = w->released = r->position;
    w->planned_bytes = w->file.offset = r->tail.bytes;
    w->needs_roll = true; /* never append to a segment of an earlier life */
    atomic_store_explicit(&w->epoch, r->epoch, memory_order_release);
    w->state = WAL_RUNNING;
    wal_update_gauges_locked(w); /* no other thread yet */
    TRY(thread_start(&w->writer, "wal-writer", wal_writer_run, w, err));
    return thread_start(&w->syncer, "wal-sync", wal_sync_run, w, err);
}

static enum err_code replay_all(struct replay *r, struct err *err)
{
    if (r->w->has_checkpoint) TRY(replay_checkpoint(r, err));
    TRY(replay_segments(r, err));
    r->has_payloads = false;
    return r->to->release ? r->to->release(r->to->arg, 1, err) : ERR_OK;
}

enum err_code wal_replay(struct journal *j, const struct journal_replay *to, struct err *err)
{
    struct wal *w = wal_of(j);
    ASSERT(w->magic == WAL_STATE_MAGIC);
    ASSERT(w->state == WAL_OPENED);
    wal_dir_clean(w);
    struct replay r = { .w = w, .to = to, .epoch = 1 };
    TRY(sum_bytes(&r, err));
    /* A file that fits as a whole needs no more than its size. */
    r.buffer_bytes = r.bytes_total < REPLAY_BUFFER_MAX ? (size_t)r.bytes_total : REPLAY_BUFFER_MAX;
    if (r.buffer_bytes < REPLAY_BUFFER_MIN) r.buffer_bytes = REPLAY_BUFFER_MIN;
    r.buffer = mem_alloc(w->mem, MEM_INGEST, r.buffer_bytes);
    if (!r.buffer) return err_set(err, ERR_NOMEM, "no memory to replay the journal");
    wal_scan_init(&r.scan, w->files, r.buffer, r.buffer_bytes);
    enum err_code code = replay_all(&r, err);
    struct err ignored = { 0 };
    /* Workers of the engine may still read payloads: they must be done before the buffer goes. */
    if (code != ERR_OK) (void)release(&r, share_done(&r), &ignored);
    if (code == ERR_OK && w->found.count > 0) code = wal_tail_renew(w, &r.tail, &r.scan, err);
    mem_free(w->mem, MEM_INGEST, r.buffer, r.buffer_bytes);
    if (code == ERR_OK) code = start(w, &r, err);
    if (code == ERR_OK) wal_found_deinit(w);
    return code;
}

enum err_code wal_find_identity(struct wal *w, struct err *err)
{
    char path[FILE_PATH_SIZE];
    struct wal_epoch epoch;
    bool is_found = false;
    if (w->has_checkpoint) {
        TRY(checkpoint_path(w, 0, path, err));
        TRY(wal_scan_start(w->files, path, 0, &epoch, &is_found, err));
    }
    for (size_t i = 0; i < w->found.count && !is_found; i++) {
        const uint64_t number = w->found.numbers[i];
        TRY(segment_path(w, number, path, err));
        TRY(wal_scan_start(w->files, path, number, &epoch, &is_found, err));
    }
    if (is_found) w->identity = epoch.identity;
    return ERR_OK;
}
