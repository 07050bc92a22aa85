/* SPDX-License-Identifier: Apache-2.0
 *
 * journal_fake - a journal in memory, for tests of the head: keeps records, moves epochs when told,
 * fails when told. Lives on when a head is destroyed, so that a head can be replayed from it.
 */
#ifndef PHAROS_TESTS_JOURNAL_FAKE_H
#define PHAROS_TESTS_JOURNAL_FAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "journal/journal.h"
#include "os/thread.h"

struct fake_record {
    struct journal_record rec; /* payload owned */
};

struct journal_fake {
    struct journal journal;
    struct mutex lock;
    struct journal_identity identity;
    struct fake_record *records;
    size_t count, cap, first; /* records below first were dropped */
    struct fake_record *checkpoint;
    size_t checkpoint_count, checkpoint_cap;
    uint64_t end;
    uint32_t epoch;
    size_t appends;        /* so far */
    size_t epoch_every;    /* > 1: a new epoch begins every so many appends */
    size_t fail_append_at; /* > 0: this one fails with ERR_IO */
    bool damaged;          /* replay says is_after_damage */
    uint64_t credit;       /* taken and neither used nor returned */
};

static inline struct journal_fake *fake_of(struct journal *j)
{
    return (struct journal_fake *)(void *)j;
}
static inline enum err_code fake_credit(struct journal *j, size_t bytes, uint64_t timeout_ns,
                                        struct err *err)
{
    (void)timeout_ns;
    (void)err;
    MUTEX_SCOPE(&fake_of(j)->lock);
    fake_of(j)->credit += bytes;
    return ERR_OK;
}
static inline void fake_credit_return(struct journal *j, size_t bytes)
{
    MUTEX_SCOPE(&fake_of(j)->lock);
    ASSERT(fake_of(j)->credit >= bytes);
    fake_of(j)->credit -= bytes;
}
static inline void fake_push(struct fake_record **list, size_t *count, size_t *cap,
                             const struct journal_record *rec)
{
    if (*count == *cap) {
        *cap = *cap ? *cap * 2 : 64;
        *list = realloc(*list, *cap * sizeof **list);
    }
    struct fake_record *r = &(*list)[(*count)++];
    r->rec = *rec;
    uint8_t *copy = malloc(rec->payload.len);
    memcpy(copy, rec->payload.ptr, rec->payload.len);
    r->rec.payload.ptr = copy;
}
static inline enum err_code fake_append(struct journal *j, uint32_t expected_epoch,
                                        const struct journal_record *rec, uint64_t *out_position,
                                        struct err *err)
{
    struct journal_fake *f = fake_of(j);
    MUTEX_SCOPE(&f->lock);
    ASSERT(rec->payload.len > 0 && rec->payload.len <= JOURNAL_RECORD_MAX);
    f->appends++;
    if (f->epoch_every > 1 && f->appends % f->epoch_every == 0) f->epoch++;
    if (f->fail_append_at > 0 && f->appends >= f->fail_append_at)
        return err_set(err, ERR_IO, "planned failure");
    if (expected_epoch != 0 && expected_epoch != f->epoch)
        return err_set(err, ERR_CONFLICT, "epoch");
    size_t bytes = journal_record_bytes(rec->payload.len);
    ASSERT(f->credit >= bytes);
    f->credit -= bytes;
    f->end += bytes;
    struct journal_record copy = *rec;
    copy.position = f->end;
    copy.epoch = f->epoch;
    fake_push(&f->records, &f->count, &f->cap, &copy);
    if (out_position != NULL) *out_position = f->end;
    return ERR_OK;
}
static inline uint32_t fake_epoch(struct journal *j)
{
    MUTEX_SCOPE(&fake_of(j)->lock);
    return fake_of(j)->epoch;
}
static inline void fake_notify(struct journal *j, struct journal_waiter *w)
{
    (void)j;
    w->fn(w, ERR_OK);
}
static inline enum err_code fake_sync(struct journal *j, struct err *err)
{
    (void)j;
    (void)err;
    return ERR_OK;
}
static inline enum err_code fake_replay(struct journal *j, const struct journal_replay *to,
                                        struct err *err)
{
    struct journal_fake *f = fake_of(j);
    for (size_t i = 0; i < f->checkpoint_count; i++) {
        struct journal_record rec = f->checkpoint[i].rec;
        rec.position = 0;
        TRY(to->record(to->arg, &rec, err));
    }
    for (size_t i = f->first; i < f->count; i++) {
        struct journal_record rec = f->records[i].rec;
        rec.is_after_damage = f->damaged;
        TRY(to->record(to->arg, &rec, err));
        if (i % 7 == 0 && to->release != NULL)
            TRY(to->release(to->arg, (double)i / (double)f->count, err));
    }
    f->epoch++;
    return to->release != NULL ? to->release(to->arg, 1, err) : ERR_OK;
}
static inline uint64_t fake_end(struct journal *j)
{
    MUTEX_SCOPE(&fake_of(j)->lock);
    return fake_of(j)->end;
}
static inline struct journal_identity fake_identity(struct journal *j)
{
    return fake_of(j)->identity;
}
static inline void fake_free_list(struct fake_record *list, size_t first, size_t count)
{
    for (size_t i = first; i < count; i++)
        free((void *)(uintptr_t)list[i].rec.payload.ptr);
}
/* The fake drops whole epochs, never the present one, as the real one drops segments. */
struct fake_checkpoint {
    struct journal_fake *f;
    uint64_t position;
    struct fake_record *records;
    size_t count, cap;
};
static inline size_t fake_droppable(const struct journal_fake *f, uint64_t position)
{
    size_t n = f->first;
    for (size_t i = f->first; i < f->count && f->records[i].rec.position <= position; i++)
        if (f->records[i].rec.epoch != f->epoch &&
            (i + 1 == f->count || f->records[i + 1].rec.epoch != f->records[i].rec.epoch))
            n = i + 1;
    return n;
}
static inline enum err_code fake_checkpoint_begin(struct journal *j, uint64_t position,
                                                  struct journal_checkpoint **out, struct err *err)
{
    struct journal_fake *f = fake_of(j);
    MUTEX_SCOPE(&f->lock);
    if (fake_droppable(f, position) == f->first)
        return err_set(err, ERR_NOTFOUND, "nothing to drop");
    struct fake_checkpoint *cp = calloc(1, sizeof *cp);
    cp->f = f;
    cp->position = position;
    *out = (struct journal_checkpoint *)(void *)cp;
    return ERR_OK;
}
static inline enum err_code fake_checkpoint_append(struct journal_checkpoint *c,
                                                   const struct journal_record *rec,
                                                   struct err *err)
{
    (void)err;
    struct fake_checkpoint *cp = (struct fake_checkpoint *)(void *)c;
    fake_push(&cp->records, &cp->count, &cp->cap, rec);
    return ERR_OK;
}
static inline enum err_code fake_checkpoint_commit(struct journal_checkpoint *c, struct err *err)
{
    (void)err;
    struct fake_checkpoint *cp = (struct fake_checkpoint *)(void *)c;
    struct journal_fake *f = cp->f;
    MUTEX_SCOPE(&f->lock);
    size_t first = fake_droppable(f, cp->position);
    fake_free_list(f->records, f->first, first);
    f->first = first;
    fake_free_list(f->checkpoint, 0, f->checkpoint_count);
    free(f->checkpoint);
    f->checkpoint = cp->records;
    f->checkpoint_count = cp->count;
    f->checkpoint_cap = cp->cap;
    free(cp);
    return ERR_OK;
}
static inline void fake_checkpoint_abort(struct journal_checkpoint *c)
{
    struct fake_checkpoint *cp = (struct fake_checkpoint *)(void *)c;
    fake_free_list(cp->records, 0, cp->count);
    free(cp->records);
    free(cp);
}
static inline bool fake_is_poisoned(struct journal *j)
{
    (void)j;
    return false;
}

static inline void journal_fake_init(struct journal_fake *f, uint8_t shards_log2)
{
    static const struct journal_ops ops = { .credit = fake_credit,
                                            .append = fake_append,
                                            .credit_return = fake_credit_return,
                                            .epoch = fake_epoch,
                                            .notify = fake_notify,
                                            .sync = fake_sync,
                                            .replay = fake_replay,
                                            .end = fake_end,
                                            .identity = fake_identity,
                                            .checkpoint_begin = fake_checkpoint_begin,
                                            .checkpoint_append = fake_checkpoint_append,
                                            .checkpoint_commit = fake_checkpoint_commit,
                                            .checkpoint_abort = fake_checkpoint_abort,
                                            .is_poisoned = fake_is_poisoned };
    memset(f, 0, sizeof *f);
    f->journal.ops = &ops;
    f->identity = (struct journal_identity){ 0x1234567890abcdef, shards_log2 };
    f->epoch = 1;
    mutex_init(&f->lock);
}
static inline void journal_fake_deinit(struct journal_fake *f)
{
    fake_free_list(f->records, f->first, f->count);
    fake_free_list(f->checkpoint, 0, f->checkpoint_count);
    free(f->records);
    free(f->checkpoint);
    mutex_deinit(&f->lock);
}

#endif
