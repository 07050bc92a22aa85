/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/block_set.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "metrics/block/block_priv.h"
#include "os/thread.h"

#define SET_MAGIC 0x53424c50u

/* What readers hold: the list they see, with a count. */
struct held_list {
    struct block_list list; /* first: block_set_put casts back */
    struct mem_budget *mem;
    _Atomic uint32_t refs;
    size_t cap;
    struct block *blocks[];
};

struct block_set {
    uint32_t magic;
    struct blobs *blobs;
    struct mem_budget *mem;
    struct mutex change_lock; /* one change at a time; taken before `lock` */
    struct mutex lock;
    struct held_list *current; /* guarded by lock */
    struct unserved unserved;  /* changed under change_lock */
    struct log log;
};

/* ---- lists ---- */

static size_t list_size(size_t cap)
{
    return sizeof(struct held_list) + cap * sizeof(struct block *);
}

static enum err_code list_create(struct mem_budget *mem, size_t cap, struct held_list **out,
                                 struct err *err)
{
    struct held_list *l = mem_alloc(mem, MEM_CACHE, list_size(cap));
    if (!l) return err_set(err, ERR_NOMEM, "no memory for the list of blocks");
    l->mem = mem;
    l->cap = cap;
    l->list = (struct block_list){ l->blocks, 0 };
    atomic_init(&l->refs, 1);
    *out = l;
    return ERR_OK;
}

static void list_unref(struct held_list *l)
{
    /* acq_rel: the last one sees what the others did. */
    if (!l || atomic_fetch_sub_explicit(&l->refs, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < l->list.len; i++)
        block_unref(l->blocks[i]);
    mem_free(l->mem, MEM_CACHE, l, list_size(l->cap));
}

/* Insert in order of (mint, id); takes the reference. */
static void list_insert_take(struct held_list *l, struct block *b)
{
    ASSERT(l->list.len < l->cap);
    size_t at = l->list.len++;
    for (; at > 0; at--) {
        const struct block_meta *x = block_borrow_meta(l->blocks[at - 1]),
                                *y = block_borrow_meta(b);
        if (x->mint_ms < y->mint_ms) break;
        if (x->mint_ms == y->mint_ms && ulid_cmp(x->id, y->id) < 0) break;
        l->blocks[at] = l->blocks[at - 1];
    }
    l->blocks[at] = b;
}

static struct block *list_find(const struct block_list *l, struct ulid id)
{
    for (size_t i = 0; i < l->len; i++)
        if (ulid_eq(block_borrow_meta(l->ptr[i])->id, id)) return l->ptr[i];
    return NULL;
}

/* Does any block of the list replace `id`? */
static bool list_replaces(const struct block_list *l, struct ulid id)
{
    for (size_t i = 0; i < l->len; i++) {
        const struct block_meta *m = block_borrow_meta(l->ptr[i]);
        for (size_t k = 0; k < m->parent_count; k++)
            if (ulid_eq(m->parents[k], id)) return true;
    }
    return false;
}

static void publish(struct block_set *s, struct held_list *l)
{
    mutex_lock(&s->lock);
    struct held_list *old = s->current;
    s->current = l;
    mutex_unlock(&s->lock);
    list_unref(old);
}

const struct block_list *block_set_get(struct block_set *s)
{
    ASSERT(s->magic == SET_MAGIC);
    MUTEX_SCOPE(&s->lock);
    atomic_fetch_add_explicit(&s->current->refs, 1, memory_order_relaxed);
    return &s->current->list;
}

void block_set_put(struct block_set *s, const struct block_list *list)
{
    (void)s;
    list_unref((struct held_list *)(uintptr_t)list);
}

/* ---- blocks that are not served ---- */

/* Range and size of a block that could not be opened, if its meta.json can be read. */
static void read_range(struct block_set *s, struct block_damage *d)
{
    struct arena a;
    struct block_meta meta;
    arena_init(&a, mem_source_of(s->mem, MEM_CACHE), 16u << 20);
    if (block_read_meta(s->blobs, d->id, &a, &meta, NULL) == ERR_OK) {
        d->mint_ms = meta.mint_ms;
        d->maxt_ms = meta.maxt_ms;
        d->size_bytes = meta.size_bytes;
    }
    arena_deinit(&a);
}

static void log_state(struct block_set *s, const struct block_damage *d)
{
    char name[ULID_TEXT_LEN + 1];
    ulid_text(d->id, name);
    if (d->is_waiting) {
        log_warn(&s->log, "block cannot be opened now, it is tried again", LOG_Z("block", name),
                 LOG_ERR(&d->err));
    } else {
        log_error(&s->log, "damaged block set aside", LOG_Z("block", name),
                  LOG_U64("offset", d->err.offset), LOG_ERR(&d->err));
    }
}

/* Takes no lock. On failure *d is what there is to remember, with what was known of its range. */
static enum err_code try_open(struct block_set *s, struct block_damage *d, struct block **out)
{
    d->err = (struct err){ 0 };
    enum err_code code = block_open(s->blobs, s->mem, d->id, out, &d->err);
    if (code == ERR_OK) return code;
    d->err.code = code;
    d->is_waiting = unserved_is_transient(code);
    if (!unserved_has_range(d)) read_range(s, d);
    return code;
}

/* change_lock is held, and there is room. */
static void set_aside(struct block_set *s, const struct block_damage *d)
{
    struct block_damage before;
    bool is_news =
        !unserved_get(&s->unserved, d->id, &before) || before.is_waiting != d->is_waiting;
    unserved_put(&s->unserved, d);
    if (is_news) log_state(s, d);
}

static struct block_damage unknown_block(struct ulid id)
{
    return (struct block_damage){ .id = id, .mint_ms = 0, .maxt_ms = -1 };
}

enum block_state block_set_state(struct block_set *s, struct ulid id)
{
    struct block_damage d;
    const struct block_list *l = block_set_get(s);
    bool is_served = list_find(l, id) != NULL;
    block_set_put(s, l);
    if (is_served) return BLOCK_SERVED;
    if (!unserved_get(&s->unserved, id, &d)) return BLOCK_ABSENT;
    return d.is_waiting ? BLOCK_WAITING : BLOCK_QUARANTINED;
}

void block_set_forget(struct block_set *s, struct ulid id)
{
    MUTEX_SCOPE(&s->change_lock);
    unserved_forget(&s->unserved, id);
}

size_t block_set_missing(struct block_set *s, int64_t mint_ms, int64_t maxt_ms,
                         struct block_damage *out, size_t cap)
{
    return unserved_copy(&s->unserved, mint_ms, maxt_ms, out, cap);
}

struct unserved_sum block_set_unserved(struct block_set *s)
{
    return unserved_sum(&s->unserved);
}

enum err_code block_set_damages(struct block_set *s, struct arena *a, struct block_damage **out,
                                size_t *out_count, struct err *err)
{
    MUTEX_SCOPE(&s->change_lock); /* keeps the count while memory is taken outside the lock */
    size_t count = unserved_copy(&s->unserved, INT64_MIN, INT64_MAX, NULL, 0);
    struct block_damage *copy = arena_array(a, struct block_damage, count + 1);
    if (!copy) return err_set(err, ERR_NOMEM, "no memory for the list of damaged blocks");
    *out_count = unserved_copy(&s->unserved, INT64_MIN, INT64_MAX, copy, count);
    *out = copy;
    return ERR_OK;
}

/* ---- finding blocks ---- */

struct id_list {
    struct arena *arena;
    struct ulid *ids;
    size_t count, cap;
};

static enum err_code add_id(void *arg, struct str name, struct err *err)
{
    struct id_list *l = arg;
    struct ulid id;
    if (!ulid_parse(name, &id)) return ERR_OK; /* not ours */
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct ulid *grown = arena_array(l->arena, struct ulid, cap);
        if (!grown) return err_set(err, ERR_NOMEM, "no memory for the list of blocks");
        for (size_t i = 0; i < l->count; i++)
            grown[i] = l->ids[i];
        l->ids = grown;
        l->cap = cap;
    }
    l->ids[l->count++] = id;
    return ERR_OK;
}

/* Open what is new, take over what is open already, set aside what is damaged. */
static enum err_code open_all(struct block_set *s, const struct id_list *ids, struct held_list *l,
                              struct err *err)
{
    for (size_t i = 0; i < ids->count; i++) {
        struct block *b = s->current ? list_find(&s->current->list, ids->ids[i]) : NULL;
        if (b) {
            list_insert_take(l, block_ref(b));
            continue;
        }
        struct block_damage d = unknown_block(ids->ids[i]);
        TRY(unserved_reserve(&s->unserved, err));
        if (try_open(s, &d, &b) == ERR_OK) {
            unserved_forget(&s->unserved, d.id);
            list_insert_take(l, b);
        } else {
            set_aside(s, &d);
        }
    }
    return ERR_OK;
}

/* Delete from disk the blocks that others replace. Failing leaves them for the next start; they
 * are not served. */
static void remove_replaced(struct block_set *s, const struct id_list *ids,
                            const struct block_list *all)
{
    for (size_t i = 0; i < ids->count; i++) {
        char name[ULID_TEXT_LEN + 1];
        if (!list_replaces(all, ids->ids[i])) continue;
        ulid_text(ids->ids[i], name);
        enum err_code code = blobs_remove(s->blobs, str_of_z(name), NULL);
        (void)code;
        unserved_forget(&s->unserved, ids->ids[i]);
    }
}

/* The blocks of `all` that no other one replaces. */
static enum err_code list_without_replaced(struct mem_budget *mem, const struct block_list *all,
                                           struct held_list **out, struct err *err)
{
    TRY(list_create(mem, all->len, out, err));
    for (size_t i = 0; i < all->len; i++)
        if (!list_replaces(all, block_borrow_meta(all->ptr[i])->id))
            list_insert_take(*out, block_ref(all->ptr[i]));
    return ERR_OK;
}

/* change_lock is held. */
static enum err_code reload(struct block_set *s, struct arena *a, struct err *err)
{
    struct id_list ids = { .arena = a };
    struct held_list *all = NULL, *kept = NULL;
    TRY(blobs_list(s->blobs, add_id, &ids, err));
    TRY(list_create(s->mem, ids.count, &all, err));
    enum err_code code = open_all(s, &ids, all, err);
    if (code == ERR_OK) code = list_without_replaced(s->mem, &all->list, &kept, err);
    if (code == ERR_OK) {
        publish(s, kept);
        remove_replaced(s, &ids, &all->list);
    }
    list_unref(all);
    return code;
}

enum err_code block_set_reload(struct block_set *s, struct err *err)
{
    struct arena a;
    MUTEX_SCOPE(&s->change_lock);
    arena_init(&a, mem_source_of(s->mem, MEM_CACHE), SIZE_MAX);
    enum err_code code = reload(s, &a, err);
    arena_deinit(&a);
    return code;
}

/* ---- life ---- */

enum err_code block_set_create(struct blobs *blobs, struct mem_budget *mem, struct log_sink *log,
                               struct block_set **out, struct err *err)
{
    struct block_set *created = mem_zalloc(mem, MEM_CACHE, sizeof *created);
    if (!created) return err_set(err, ERR_NOMEM, "no memory for the list of blocks");
    created->magic = SET_MAGIC;
    created->blobs = blobs;
    created->mem = mem;
    created->log = (struct log){ log, "blocks" };
    unserved_init(&created->unserved, mem);
    mutex_init(&created->lock);
    mutex_init(&created->change_lock);
    CLEANUP(block_set_destroy_p) struct block_set *s = created;
    TRY(blobs_sweep(blobs, err));
    TRY(block_set_reload(s, err));
    (void)block_set_retry(s, 0); /* a single hiccup is over by now */
    *out = TAKE(s);
    return ERR_OK;
}

void block_set_destroy(struct block_set *s)
{
    if (!s) return;
    ASSERT(s->magic == SET_MAGIC);
    list_unref(s->current);
    unserved_deinit(&s->unserved);
    mutex_deinit(&s->lock);
    mutex_deinit(&s->change_lock);
    s->magic = 0;
    mem_free(s->mem, MEM_CACHE, s, sizeof *s);
}

/* ---- changes ---- */

/* Serve `b` in place of its parents; takes the reference, also on failure. change_lock is held. */
static enum err_code serve_take(struct block_set *s, struct block *b, struct err *err)
{
    const struct block_list *old = &s->current->list;
    struct held_list *all = NULL, *kept = NULL;
    enum err_code code = list_create(s->mem, old->len + 1, &all, err);
    if (code != ERR_OK) {
        block_unref(b);
        return code;
    }
    list_insert_take(all, b);
    for (size_t i = 0; i < old->len; i++)
        list_insert_take(all, block_ref(old->ptr[i]));
    code = list_without_replaced(s->mem, &all->list, &kept, err);
    if (code == ERR_OK) {
        const struct block_meta *m = block_borrow_meta(b);
        struct id_list parents = { .ids = (struct ulid *)(uintptr_t)m->parents,
                                   .count = m->parent_count };
        publish(s, kept);
        unserved_forget(&s->unserved, m->id);
        remove_replaced(s, &parents, &all->list);
    }
    list_unref(all);
    return code;
}

enum err_code block_set_add(struct block_set *s, struct ulid id, struct err *err)
{
    MUTEX_SCOPE(&s->change_lock);
    struct block *b = NULL;
    struct block_damage d = unknown_block(id);
    if (list_find(&s->current->list, id)) return ERR_OK;
    TRY(unserved_reserve(&s->unserved, err));
    enum err_code code = try_open(s, &d, &b);
    if (code == ERR_OK) {
        code = serve_take(s, b, &d.err);
        if (code != ERR_OK) {
            d.is_waiting = unserved_is_transient(code);
            read_range(s, &d);
        }
    }
    if (code == ERR_OK) return code;
    set_aside(s, &d);
    if (err) *err = d.err;
    return code;
}

/* One more attempt. The files are opened outside the lock, so that nobody waits for a slow disk. */
static void try_again(struct block_set *s, struct block_damage *d, uint64_t now_ns)
{
    struct block *b = NULL;
    char name[ULID_TEXT_LEN + 1];
    enum err_code code = try_open(s, d, &b);
    MUTEX_SCOPE(&s->change_lock);
    if (block_set_state(s, d->id) != BLOCK_WAITING) { /* replaced meanwhile */
        block_unref(b);
        return;
    }
    if (code == ERR_OK) code = serve_take(s, b, &d->err);
    if (code != ERR_OK) {
        unserved_delay(d, now_ns);
        set_aside(s, d);
        return;
    }
    ulid_text(d->id, name);
    log_info(&s->log, "block opened after all", LOG_Z("block", name));
}

size_t block_set_retry(struct block_set *s, uint64_t now_ns)
{
    struct block_damage d;
    size_t attempts = 0;
    while (unserved_due(&s->unserved, now_ns, &d)) {
        try_again(s, &d, now_ns);
        attempts++;
    }
    return attempts;
}

/* The list without one block. ERR_NOTFOUND when it is not there. */
static enum err_code drop(struct block_set *s, struct ulid id, struct err *err)
{
    const struct block_list *old = &s->current->list;
    struct held_list *kept = NULL;
    if (!list_find(old, id)) return err_set(err, ERR_NOTFOUND, "no such block");
    TRY(list_create(s->mem, old->len, &kept, err));
    for (size_t i = 0; i < old->len; i++)
        if (!ulid_eq(block_borrow_meta(old->ptr[i])->id, id))
            list_insert_take(kept, block_ref(old->ptr[i]));
    publish(s, kept);
    return ERR_OK;
}

enum err_code block_set_remove(struct block_set *s, struct ulid id, struct err *err)
{
    char name[ULID_TEXT_LEN + 1];
    MUTEX_SCOPE(&s->change_lock);
    TRY(drop(s, id, err));
    ulid_text(id, name);
    return blobs_remove(s->blobs, str_of_z(name), err);
}

void block_set_quarantine(struct block_set *s, struct ulid id, const struct err *why)
{
    MUTEX_SCOPE(&s->change_lock);
    const struct block *b = list_find(&s->current->list, id);
    if (!b) return;
    const struct block_meta *m = block_borrow_meta(b);
    struct block_damage d = { .id = id,
                              .err = *why,
                              .mint_ms = m->mint_ms,
                              .maxt_ms = m->maxt_ms,
                              .size_bytes = m->size_bytes };
    /* Best effort: with no memory the block is left out all the same, only the reason is lost. */
    bool has_room = unserved_reserve(&s->unserved, NULL) == ERR_OK;
    if (drop(s, id, NULL) == ERR_OK && has_room) set_aside(s, &d);
}

uint64_t block_set_size_bytes(struct block_set *s)
{
    const struct block_list *l = block_set_get(s);
    uint64_t total = 0;
    for (size_t i = 0; i < l->len; i++)
        total += block_borrow_meta(l->ptr[i])->size_bytes;
    block_set_put(s, l);
    return total;
}
