/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/unserved.h"

#define DELAY_MIN_NS 1000000000ull
#define DELAY_MAX_NS 60000000000ull

void unserved_init(struct unserved *u, struct mem_budget *mem)
{
    *u = (struct unserved){ .mem = mem };
    mutex_init(&u->lock);
}

void unserved_deinit(struct unserved *u)
{
    if (u->ptr) mem_free(u->mem, MEM_CACHE, u->ptr, u->cap * sizeof *u->ptr);
    mutex_deinit(&u->lock);
    u->ptr = NULL;
    u->count = u->cap = 0;
}

bool unserved_is_transient(enum err_code code)
{
    switch (code) {
    case ERR_NOMEM:
    case ERR_IO:
    case ERR_BUSY:
    case ERR_TIMEOUT:
    case ERR_CANCELLED:
    case ERR_DENIED: return true; /* until someone repairs the permissions */
    case ERR_OK:
    case ERR_LIMIT:
    case ERR_INVALID:
    case ERR_CORRUPT:
    case ERR_NOTFOUND: /* a directory without meta.json */
    case ERR_CONFLICT:
    case ERR_UNSUPPORTED:
    case ERR_CODE_COUNT: break;
    }
    return false;
}

/* The caller is the only one who changes the table, so that it may read it without the lock. */
enum err_code unserved_reserve(struct unserved *u, struct err *err)
{
    if (u->count < u->cap) return ERR_OK;
    size_t cap = u->cap ? u->cap * 2 : 4;
    struct block_damage *grown = mem_alloc(u->mem, MEM_CACHE, cap * sizeof *grown);
    if (!grown) return err_set(err, ERR_NOMEM, "no memory for the list of unserved blocks");
    for (size_t i = 0; i < u->count; i++)
        grown[i] = u->ptr[i];
    struct block_damage *old = u->ptr;
    size_t old_cap = u->cap;
    mutex_lock(&u->lock);
    u->ptr = grown;
    u->cap = cap;
    mutex_unlock(&u->lock);
    if (old) mem_free(u->mem, MEM_CACHE, old, old_cap * sizeof *old);
    return ERR_OK;
}

/* Under the lock. */
static struct block_damage *find(struct unserved *u, struct ulid id)
{
    for (size_t i = 0; i < u->count; i++)
        if (ulid_eq(u->ptr[i].id, id)) return &u->ptr[i];
    return NULL;
}

void unserved_put(struct unserved *u, const struct block_damage *d)
{
    MUTEX_SCOPE(&u->lock);
    struct block_damage *known = find(u, d->id);
    if (!known && u->count < u->cap) known = &u->ptr[u->count++];
    if (known) *known = *d;
}

void unserved_forget(struct unserved *u, struct ulid id)
{
    MUTEX_SCOPE(&u->lock);
    struct block_damage *known = find(u, id);
    if (known) *known = u->ptr[--u->count];
}

bool unserved_get(struct unserved *u, struct ulid id, struct block_damage *out)
{
    MUTEX_SCOPE(&u->lock);
    const struct block_damage *known = find(u, id);
    if (known) *out = *known;
    return known != NULL;
}

bool unserved_due(struct unserved *u, uint64_t now_ns, struct block_damage *out)
{
    MUTEX_SCOPE(&u->lock);
    for (size_t i = 0; i < u->count; i++) {
        if (!u->ptr[i].is_waiting || u->ptr[i].next_try_ns > now_ns) continue;
        *out = u->ptr[i];
        return true;
    }
    return false;
}

void unserved_delay(struct block_damage *d, uint64_t now_ns)
{
    d->delay_ns = d->delay_ns ? d->delay_ns * 2 : DELAY_MIN_NS;
    if (d->delay_ns > DELAY_MAX_NS) d->delay_ns = DELAY_MAX_NS;
    d->next_try_ns = now_ns + d->delay_ns;
}

size_t unserved_copy(struct unserved *u, int64_t mint_ms, int64_t maxt_ms, struct block_damage *out,
                     size_t cap)
{
    size_t count = 0;
    MUTEX_SCOPE(&u->lock);
    for (size_t i = 0; i < u->count; i++) {
        const struct block_damage *d = &u->ptr[i];
        bool is_elsewhere =
            unserved_has_range(d) && (d->mint_ms > maxt_ms || d->maxt_ms <= mint_ms);
        if (is_elsewhere) continue;
        if (count < cap) out[count] = *d;
        count++;
    }
    return count;
}

struct unserved_sum unserved_sum(struct unserved *u)
{
    struct unserved_sum sum = { .waiting_maxt_ms = INT64_MIN };
    MUTEX_SCOPE(&u->lock);
    for (size_t i = 0; i < u->count; i++) {
        const struct block_damage *d = &u->ptr[i];
        if (!d->is_waiting) {
            sum.quarantined++;
            continue;
        }
        sum.waiting++;
        sum.waiting_bytes += d->size_bytes;
        sum.has_unknown_range |= !unserved_has_range(d);
        if (unserved_has_range(d) && d->maxt_ms > sum.waiting_maxt_ms)
            sum.waiting_maxt_ms = d->maxt_ms;
    }
    return sum;
}
