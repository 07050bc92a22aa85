/* SPDX-License-Identifier: Apache-2.0
 *
 * What the engine does beside appends and queries: cut the head into blocks, forget what is in
 * them, drop old blocks, shorten the journal.
 */
#include <string.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "metrics/block/block_writer.h"
#include "metrics/block/retention.h"
#include "metrics/bound_file.h"
#include "metrics/head/head_chunk.h"
#include "metrics/head/head_cut.h"
#include "metrics/metrics_priv.h"

#define ROUND_INTERVAL_NS 1000000000ull
#define CUT_RETRY_NS 30000000000ull
#define JOURNAL_EPOCHS_MAX 8u /* 1 GiB: then chunks of slow series are closed early */
#define META_ARENA_BYTES ((size_t)1 << 20)
/* So many block ranges the head keeps while it waits for a block to open. */
#define WAIT_RANGES_MAX 4
#define UNKNOWN_RANGE_WAIT_NS (600ull * 1000000000ull)

int64_t blocks_maxt(struct metrics *m)
{
    const struct block_list *list = block_set_get(m->blocks);
    int64_t maxt = block_set_unserved(m->blocks).waiting_maxt_ms;
    for (size_t i = 0; i < list->len; i++) {
        int64_t end = block_borrow_meta(list->ptr[i])->maxt_ms;
        if (end > maxt) maxt = end;
    }
    block_set_put(m->blocks, list);
    return maxt;
}

/* ---- cut ---- */

static enum err_code write_series(struct metrics *m, struct block_writer *w, int64_t mint_ms,
                                  int64_t maxt_ms, struct err *err)
{
    CLEANUP(head_cut_destroy_p) struct head_cut *cut = NULL;
    TRY(head_cut_create(m->head, mint_ms, maxt_ms, 0, &cut, err));
    for (;;) {
        struct labels labels;
        struct sample_columns samples;
        enum err_code rc = head_cut_next(cut, &labels, &samples, err);
        if (rc == ERR_NOTFOUND) return ERR_OK;
        TRY(rc);
        TRY(block_writer_add_series(w, labels, err));
        TRY(block_writer_add_samples(w, &samples, err));
    }
}

static void remove_block(struct metrics *m, struct ulid id)
{
    char name[ULID_TEXT_LEN + 1];
    struct err err = { 0 };
    ulid_text(id, name);
    if (blobs_remove(m->blobs, str_of_z(name), &err) != ERR_OK)
        log_warn(&m->log, "block could not be removed", LOG_Z("block", name), LOG_ERR(&err));
}

/* The block was published. When it cannot be opened for now it waits. Otherwise it goes again: all
 * of it is still in the head, and the next cut must not write a second block of that range. */
static enum err_code serve_block(struct metrics *m, const struct block_meta *meta, struct err *err)
{
    enum err_code rc = block_set_add(m->blocks, meta->id, err);
    if (rc == ERR_OK) return ERR_OK;
    if (block_set_state(m->blocks, meta->id) != BLOCK_WAITING) {
        remove_block(m, meta->id);
        block_set_forget(m->blocks, meta->id);
        return rc;
    }
    m->waiting_block = meta->id;
    m->waiting_end_ms = meta->maxt_ms;
    return ERR_OK;
}

/* Write [mint, maxt) as a block and serve it. ERR_NOTFOUND: there is nothing in the range. */
static enum err_code write_block(struct metrics *m, int64_t mint_ms, int64_t maxt_ms,
                                 struct err *err)
{
    CLEANUP(block_writer_destroy_p) struct block_writer *w = NULL;
    struct block_writer_options options = { .blobs = m->blobs,
                                            .mem = m->mem,
                                            .id = ulid_make(m->clock),
                                            .mint_ms = mint_ms,
                                            .maxt_ms = maxt_ms,
                                            .has_zstd_pages = true };
    TRY(block_writer_create(&options, &w, err));
    TRY(write_series(m, w, mint_ms, maxt_ms, err));
    stat_add(&m->stats.cut_series, block_writer_series_count(w));
    stat_add(&m->stats.cut_samples, block_writer_sample_count(w));
    struct arena arena;
    struct block_meta meta = { 0 };
    arena_init(&arena, mem_source_of(m->mem, MEM_COMPACTION), META_ARENA_BYTES);
    enum err_code rc = block_writer_finish(w, &arena, &meta, err);
    if (rc == ERR_OK) rc = serve_block(m, &meta, err);
    if (rc == ERR_OK)
        log_info(&m->log, "block written", LOG_I64("mint_ms", mint_ms), LOG_I64("maxt_ms", maxt_ms),
                 LOG_U64("series", meta.series_count), LOG_U64("samples", meta.sample_count),
                 LOG_U64("bytes", meta.size_bytes));
    arena_deinit(&arena);
    return rc;
}

static enum err_code cut_range(struct metrics *m, int64_t mint_ms, int64_t maxt_ms, struct err *err)
{
    uint64_t start = clock_mono_ns(m->clock);
    head_begin_cut(m->head, maxt_ms);
    enum err_code rc = write_block(m, mint_ms, maxt_ms, err);
    if (rc != ERR_OK && rc != ERR_NOTFOUND) {
        stat_add(&m->stats.cut_errors, 1);
        return rc;
    }
    stat_add(&m->stats.cuts, rc == ERR_OK);
    stat_observe_ns(&m->stats.cut, clock_mono_ns(m->clock) - start);
    if (ulid_is_none(m->waiting_block)) head_set_mint(m->head, maxt_ms);
    return ERR_OK;
}

/* ---- blocks that wait ---- */

/* The head need not keep the samples of waiting_block any more. */
static void let_go(struct metrics *m)
{
    head_set_mint(m->head, m->waiting_end_ms);
    m->waiting_block = (struct ulid){ 0 };
}

/* While a block that was cut waits, the head keeps its samples for the queries. */
static void settle_waiting(struct metrics *m)
{
    if (ulid_is_none(m->waiting_block)) return;
    switch (block_set_state(m->blocks, m->waiting_block)) {
    case BLOCK_SERVED: let_go(m); return;
    case BLOCK_WAITING: return;
    case BLOCK_QUARANTINED: remove_block(m, m->waiting_block); break;
    case BLOCK_ABSENT: break;
    }
    block_set_forget(m->blocks, m->waiting_block); /* it is cut again */
    m->waiting_block = (struct ulid){ 0 };
}

static void retry_blocks(struct metrics *m)
{
    const uint64_t retried = block_set_retry(m->blocks, clock_mono_ns(m->clock));
    stat_add(&m->stats.block_open_retries, retried);
    settle_waiting(m);
    /* One whose range was not known at the start may hold what the journal gave to the head. */
    if (retried > 0 && ulid_is_none(m->waiting_block) && blocks_maxt(m) > head_mint_ms(m->head))
        head_set_mint(m->head, blocks_maxt(m));
}

/* Oldest time of which the head may hold samples; head_first_ms stays behind a cut for a while. */
static int64_t first_held_ms(struct metrics *m)
{
    int64_t first = head_first_ms(m->head);
    int64_t mint = head_mint_ms(m->head);
    return first != HEAD_NO_TIME && mint > first ? mint : first;
}

/* A block whose range is not known may be the one that was cut last, for a while: its file system
 * comes back within minutes, or it is an old block with a bad sector. */
static bool is_range_awaited(struct metrics *m)
{
    const uint64_t now_ns = clock_mono_ns(m->clock);
    if (!block_set_unserved(m->blocks).has_unknown_range) {
        m->unknown_range_since_ns = 0;
        return false;
    }
    if (m->unknown_range_since_ns == 0) m->unknown_range_since_ns = now_ns;
    return now_ns - m->unknown_range_since_ns < UNKNOWN_RANGE_WAIT_NS;
}

/* A waiting block may hold what would be cut next: the one that was cut last, or one whose range is
 * not known. Memory has its limits: then the head lets go of what is safe in the block, and queries
 * miss it until it opens. */
static bool must_wait(struct metrics *m)
{
    bool is_cut = !ulid_is_none(m->waiting_block);
    if (!is_cut && !is_range_awaited(m)) return false;
    int64_t max = head_maxt_ms(m->head);
    int64_t first = first_held_ms(m);
    bool is_full = max != HEAD_NO_TIME && first != HEAD_NO_TIME &&
                   max - first > WAIT_RANGES_MAX * m->block_range_ms;
    if (is_full && is_cut) {
        log_warn(&m->log, "the head forgets samples of a block that cannot be opened",
                 LOG_I64("maxt_ms", m->waiting_end_ms));
        let_go(m);
    }
    return !is_full;
}

/* No sample lies before `start_ms`: forget the empty time, so that nobody looks at it again. */
static void skip_empty(struct metrics *m, int64_t start_ms)
{
    if (start_ms <= head_mint_ms(m->head)) return;
    head_begin_cut(m->head, start_ms);
    int64_t oldest = head_scan_oldest(m->head); /* again: now nothing older can come */
    if (oldest != HEAD_NO_TIME && oldest >= start_ms) head_set_mint(m->head, start_ms);
}

/* Cut the oldest block range that has samples and ends at or before `limit_ms`; *out_cut: did
 * it? */
static enum err_code cut_oldest(struct metrics *m, int64_t limit_ms, bool *out_cut, struct err *err)
{
    *out_cut = false;
    if (must_wait(m)) return ERR_OK;
    int64_t oldest = head_scan_oldest(m->head);
    if (oldest == HEAD_NO_TIME) return ERR_OK;
    int64_t mint = block_start(oldest, m->block_range_ms);
    if (mint <= limit_ms) skip_empty(m, mint);
    if (mint > limit_ms - m->block_range_ms) return ERR_OK;
    *out_cut = true;
    return cut_range(m, mint, mint + m->block_range_ms, err);
}

/* The head is cut when its newest sample is half a block range behind the end of its oldest one. */
static enum err_code cut_when_due(struct metrics *m, struct err *err)
{
    bool did_cut = true;
    while (did_cut) {
        int64_t max = head_maxt_ms(m->head);
        int64_t first = first_held_ms(m);
        int64_t span = m->block_range_ms + m->block_range_ms / 2;
        if (max == HEAD_NO_TIME || first == HEAD_NO_TIME) return ERR_OK;
        if (max - block_start(first, m->block_range_ms) <= span) return ERR_OK;
        TRY(cut_oldest(m, max - m->block_range_ms / 2, &did_cut, err));
    }
    return ERR_OK;
}

enum err_code metrics_cut_head(struct metrics *m, int64_t maxt_ms, struct err *err)
{
    if (block_start(maxt_ms, m->block_range_ms) != maxt_ms)
        return err_set(err, ERR_INVALID, "a cut must end at a block boundary");
    MUTEX_SCOPE(&m->maintain_lock);
    retry_blocks(m);
    bool did_cut = true;
    while (did_cut)
        TRY(cut_oldest(m, maxt_ms, &did_cut, err));
    bool is_done = false;
    return head_truncate(m->head, &is_done, err);
}

/* ---- round ---- */

/* Say on disk where the head begins, before a block goes that says so. */
static enum err_code save_bound(struct metrics *m, struct err *err)
{
    int64_t mint = head_mint_ms(m->head);
    if (mint <= m->bound_ms) return ERR_OK;
    TRY(bound_file_write(m->files, m->dir, mint, err));
    m->bound_ms = mint;
    return ERR_OK;
}

static enum err_code drop_old_blocks(struct metrics *m, struct err *err)
{
    if (m->retention_ms == 0 && m->retention_bytes == 0) return ERR_OK;
    struct head_status head;
    head_status(m->head, &head);
    struct retention r = { .now_ms = clock_wall_ms(m->clock),
                           .keep_ms = m->retention_ms,
                           .bytes_max = m->retention_bytes,
                           .other_bytes = head.file_bytes + journal_size_bytes(m),
                           .keeps_last = m->bound_ms < head_mint_ms(m->head) };
    uint64_t dropped = 0;
    enum err_code rc = retention_apply(&r, m->blocks, &dropped, err);
    stat_add(&m->stats.retention_dropped, dropped);
    if (rc != ERR_OK) stat_add(&m->stats.retention_errors, 1);
    return rc;
}

static void keep_first(enum err_code rc, const struct err *e, enum err_code *io_rc, struct err *err)
{
    if (rc == ERR_OK || *io_rc != ERR_OK) return;
    *io_rc = rc;
    if (err != NULL) *err = *e;
}

/* Each part runs whatever became of the others: retention must work on a full disk. */
enum err_code metrics_maintain(struct metrics *m, struct err *err)
{
    MUTEX_SCOPE(&m->maintain_lock);
    enum err_code rc = ERR_OK;
    uint64_t now = clock_mono_ns(m->clock);
    bool is_done = false;
    struct err e = { 0 };
    retry_blocks(m);
    keep_first(save_bound(m, &e), &e, &rc, err);
    e = (struct err){ 0 };
    keep_first(drop_old_blocks(m, &e), &e, &rc, err);
    if (now >= m->next_cut_ns) {
        e = (struct err){ 0 };
        enum err_code cut_rc = cut_when_due(m, &e);
        if (cut_rc != ERR_OK) m->next_cut_ns = now + CUT_RETRY_NS;
        keep_first(cut_rc, &e, &rc, err);
    }
    e = (struct err){ 0 };
    keep_first(head_truncate(m->head, &is_done, &e), &e, &rc, err);
    e = (struct err){ 0 };
    keep_first(head_checkpoint(m->head, JOURNAL_EPOCHS_MAX, &e), &e, &rc, err);
    head_collect(m->head);
    return rc;
}

/* ---- thread ---- */

static void maintainer_main(void *arg)
{
    struct metrics *m = arg;
    mutex_lock(&m->wake_lock);
    while (!m->is_stopping) {
        (void)cond_wait_ns(&m->wake, &m->wake_lock, ROUND_INTERVAL_NS);
        if (m->is_stopping) break;
        mutex_unlock(&m->wake_lock);
        struct err err = { 0 };
        if (metrics_maintain(m, &err) != ERR_OK)
            log_error(&m->log, "maintenance of the storage failed", LOG_ERR(&err));
        mutex_lock(&m->wake_lock);
    }
    mutex_unlock(&m->wake_lock);
}

enum err_code maintain_start(struct metrics *m, struct err *err)
{
    return thread_start(&m->maintainer, "ph-storage", maintainer_main, m, err);
}

void maintain_stop(struct metrics *m)
{
    mutex_lock(&m->wake_lock);
    m->is_stopping = true;
    cond_signal(&m->wake);
    mutex_unlock(&m->wake_lock);
    thread_join(&m->maintainer);
}
