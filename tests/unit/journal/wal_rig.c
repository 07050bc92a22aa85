/* SPDX-License-Identifier: Apache-2.0 */
#include "wal_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define RIG_BUDGET_BYTES ((uint64_t)512 << 20)
#define RIG_PAYLOAD_MAX JOURNAL_RECORD_MAX

void rig_payload(uint64_t id, uint8_t *out, size_t len)
{
    ASSERT(len >= 8);
    memcpy(out, &id, 8);
    uint32_t x = (uint32_t)(id * 2654435761u + len);
    for (size_t i = 8; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        out[i] = (uint8_t)(x >> 24);
    }
}

static bool is_payload_of(uint64_t id, struct bytes payload)
{
    uint32_t x = (uint32_t)(id * 2654435761u + payload.len);
    for (size_t i = 8; i < payload.len; i++) {
        x = x * 1664525u + 1013904223u;
        if (payload.ptr[i] != (uint8_t)(x >> 24)) return false;
    }
    return true;
}

void rig_init(struct rig *r, struct file_fault *disk, enum journal_mode mode)
{
    *r = (struct rig){ .disk = disk ? disk : file_fault_create(1),
                       .mem = mem_budget_create(RIG_BUDGET_BYTES),
                       .own = mem_budget_create(RIG_BUDGET_BYTES) };
    ASSERT(r->mem && r->own);
    r->options = (struct wal_options){
        .files = file_fault_layer(r->disk),
        .clock = clock_system(),
        .mem = r->mem,
        .dir = RIG_DIR,
        .mode = mode,
        .identity = { .hash_seed = 0x1122334455667788u, .shards_log2 = 3 },
        .sync_interval_ns = 3600000000000u,
        .segment_bytes = RIG_SEGMENT_BYTES,
        .ring_bytes = RIG_RING_BYTES,
        .preallocate_bytes = 2048,
        .retry_min_ns = 200000,
    };
}

void rig_deinit(struct rig *r)
{
    (void)rig_close(r);
    mem_free(r->own, MEM_SYSTEM, r->entries, r->cap * sizeof r->entries[0]);
    ASSERT(mem_live_count(r->mem) == 0);
    ASSERT(mem_live_count(r->own) == 0);
    mem_budget_destroy(r->mem);
    mem_budget_destroy(r->own);
    file_fault_destroy(r->disk);
    *r = (struct rig){ 0 };
}

static enum err_code on_record(void *arg, const struct journal_record *rec, struct err *err)
{
    struct rig *r = arg;
    if (r->callback_result != ERR_OK) return err_set(err, r->callback_result, "as planned");
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 64;
        r->entries = mem_realloc(r->own, MEM_SYSTEM, r->entries, r->cap * sizeof r->entries[0],
                                 cap * sizeof r->entries[0]);
        ASSERT(r->entries != NULL);
        r->cap = cap;
    }
    struct rig_entry e = { .position = rec->position,
                           .epoch = rec->epoch,
                           .size = (uint32_t)rec->payload.len,
                           .type = rec->type,
                           .flags = rec->flags,
                           .is_after_damage = rec->is_after_damage };
    if (rec->payload.len >= 8) {
        memcpy(&e.id, rec->payload.ptr, 8);
        e.is_intact = is_payload_of(e.id, rec->payload);
    }
    r->entries[r->count++] = e;
    return ERR_OK;
}

static enum err_code on_release(void *arg, double done, struct err *err)
{
    (void)err;
    struct rig *r = arg;
    ASSERT(done >= r->done);
    r->done = done;
    r->releases++;
    return ERR_OK;
}

enum err_code rig_open(struct rig *r)
{
    ASSERT(r->journal == NULL);
    r->count = r->releases = 0;
    r->done = 0;
    r->err = (struct err){ 0 };
    TRY(wal_open(&r->options, &r->journal, &r->err));
    const struct journal_replay to = { r, on_record, on_release };
    enum err_code code = journal_replay(r->journal, &to, &r->err);
    if (code != ERR_OK) {
        struct err close_err = { 0 };
        enum err_code closed = journal_close(r->journal, &close_err);
        ASSERT(closed == ERR_OK); /* it never wrote */
        r->journal = NULL;
    }
    return code;
}

enum err_code rig_close(struct rig *r)
{
    struct journal *j = r->journal;
    r->journal = NULL;
    return journal_close(j, &r->err);
}

static void use_disk(struct rig *r, struct file_fault *disk)
{
    file_fault_destroy(r->disk);
    r->disk = disk;
    r->options.files = file_fault_layer(disk);
}

void rig_power_cycle(struct rig *r, uint64_t seed)
{
    file_fault_stop(r->disk);
    (void)rig_close(r);
    use_disk(r, file_fault_reboot(r->disk, seed));
}

void rig_kill(struct rig *r)
{
    struct file_fault *after = file_fault_restart(r->disk);
    (void)rig_close(r);
    use_disk(r, after);
}

enum err_code rig_append_in(struct rig *r, uint32_t epoch, uint64_t id, size_t len,
                            uint64_t *out_position)
{
    uint8_t *payload = mem_alloc(r->own, MEM_SYSTEM, len);
    ASSERT(payload != NULL);
    rig_payload(id, payload, len);
    const size_t bytes = journal_record_bytes(len);
    struct err err = { 0 };
    enum err_code code = journal_credit(r->journal, bytes, 20000000000u, &err);
    if (code == ERR_OK) {
        const struct journal_record rec = { .type = JOURNAL_SAMPLES, .payload = { payload, len } };
        code = journal_append(r->journal, epoch, &rec, out_position, &err);
        if (code != ERR_OK) journal_credit_return(r->journal, bytes);
    }
    mem_free(r->own, MEM_SYSTEM, payload, len);
    return code;
}

enum err_code rig_append(struct rig *r, uint64_t id, size_t len, uint64_t *out_position)
{
    return rig_append_in(r, 0, id, len, out_position);
}

struct rig_waiter {
    struct journal_waiter waiter;
    struct mutex lock;
    struct cond done;
    bool is_done;
    enum err_code result;
};

static void on_done(struct journal_waiter *w, enum err_code result)
{
    struct rig_waiter *self = (struct rig_waiter *)(void *)w;
    mutex_lock(&self->lock);
    self->is_done = true;
    self->result = result;
    cond_signal(&self->done);
    mutex_unlock(&self->lock);
}

void rig_fill(struct rig *r, unsigned segments, unsigned per_segment, size_t len)
{
    enum err_code code = rig_open(r);
    ASSERT(code == ERR_OK);
    uint64_t position = 0;
    for (uint64_t id = 0; id < (uint64_t)segments * per_segment; id++) {
        if (id % per_segment == 0) {
            code = journal_roll(r->journal, &position, &r->err);
            ASSERT(code == ERR_OK);
        }
        code = rig_append(r, id, len, &position);
        ASSERT(code == ERR_OK);
    }
    code = rig_wait(r, position);
    ASSERT(code == ERR_OK);
    ASSERT(stat_get(&rig_stats(r)->segments_created) == segments);
    code = rig_close(r);
    ASSERT(code == ERR_OK);
}

enum err_code rig_wait(struct rig *r, uint64_t position)
{
    struct rig_waiter w = { .waiter = { .position = position, .fn = on_done } };
    mutex_init(&w.lock);
    cond_init(&w.done);
    journal_notify(r->journal, &w.waiter);
    mutex_lock(&w.lock);
    while (!w.is_done) {
        cond_wait(&w.done, &w.lock);
    }
    mutex_unlock(&w.lock);
    cond_deinit(&w.done);
    mutex_deinit(&w.lock);
    return w.result;
}

enum err_code rig_put(struct rig *r, uint64_t id, size_t len)
{
    uint64_t position;
    TRY(rig_append(r, id, len, &position));
    return rig_wait(r, position);
}

void rig_wait_resumed(struct rig *r)
{
    struct mutex lock;
    struct cond never;
    mutex_init(&lock);
    cond_init(&never);
    mutex_lock(&lock);
    while (journal_is_poisoned(r->journal) &&
           !file_fault_is_stopped(r->disk)) { /* the test's own time-out ends a hang */
        (void)cond_wait_ns(&never, &lock, 100000);
    }
    mutex_unlock(&lock);
    cond_deinit(&never);
    mutex_deinit(&lock);
}

bool rig_has_exactly(const struct rig *r, uint64_t first, size_t count)
{
    if (r->count != count) return false;
    for (size_t i = 0; i < count; i++) {
        if (r->entries[i].id != first + i || !r->entries[i].is_intact) return false;
    }
    return true;
}

const struct wal_stats *rig_stats(struct rig *r)
{
    return journal_stats(r->journal).cells;
}

const char *rig_segment_path(struct rig *r, uint64_t number, char out[64])
{
    (void)snprintf(out, 64, "%s/%08u", r->options.dir, (unsigned)number);
    return out;
}

struct bytes rig_read(struct rig *r, const char *path)
{
    struct bytes content = { 0 };
    struct err err = { 0 };
    if (file_read_all(r->options.files, path, mem_source_of(r->own, MEM_SYSTEM),
                      RIG_BUDGET_BYTES / 4, &content, &err) != ERR_OK) {
        return (struct bytes){ 0 };
    }
    return content;
}

void rig_write(struct rig *r, const char *path, struct bytes content)
{
    struct err err = { 0 };
    enum err_code code = file_write_atomic(r->options.files, path, content, &err);
    ASSERT(code == ERR_OK);
}

bool rig_exists(struct rig *r, const char *path)
{
    struct file_info info;
    struct err err = { 0 };
    return r->options.files->stat(r->options.files->ctx, path, &info, &err) == ERR_OK;
}

void rig_free(struct rig *r, struct bytes b)
{
    mem_free(r->own, MEM_SYSTEM, (void *)(uintptr_t)b.ptr, b.len);
}
