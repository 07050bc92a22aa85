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
    struct held_list *current;    /* guarded by lock */
    struct block_damage *damages; /* guarded by lock */
    size_t damage_count, damage_cap;
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

/* ---- damage ---- */

static void forget_damage(struct block_set *s, struct ulid id)
{
    MUTEX_SCOPE(&s->lock);
    for (size_t i = 0; i < s->damage_count; i++) {
        if (!ulid_eq(s->damages[i].id, id)) continue;
        s->damages[i] = s->damages[--s->damage_count];
        return;
    }
}

/* Best effort: with no memory the block is left out all the same, only the reason is lost. */
static void remember_damage(struct block_set *s, const struct block_damage *d)
{
    forget_damage(s, d->id);
    MUTEX_SCOPE(&s->lock);
    if (s->damage_count == s->damage_cap) {
        size_t cap = s->damage_cap ? s->damage_cap * 2 : 4;
        struct block_damage *grown = mem_realloc(
            s->mem, MEM_CACHE, s->damages, s->damage_cap * sizeof *grown, cap * sizeof *grown);
        if (!grown) return;
        s->damages = grown;
        s->damage_cap = cap;
    }
    s->damages[s->damage_count++] = *d;
}

/* The time range of a block that could not be opened, for warnings to queries. */
static void read_range(struct block_set *s, struct block_damage *d)
{
    struct arena a;
    struct block_meta meta;
    d->mint_ms = 0;
    d->maxt_ms = -1;
    arena_init(&a, mem_source_of(s->mem, MEM_CACHE), 16u << 20);
    if (block_read_meta(s->blobs, d->id, &a, &meta, NULL) == ERR_OK) {
        d->mint_ms = meta.mint_ms;
        d->maxt_ms = meta.maxt_ms;
    }
    arena_deinit(&a);
}

enum err_code block_set_damages(struct block_set *s, struct arena *a, struct block_damage **out,
                                size_t *out_count, struct err *err)
{
    MUTEX_SCOPE(&s->change_lock); /* keeps the count while memory is taken outside `lock` */
    size_t count = s->damage_count;
    struct block_damage *copy = arena_array(a, struct block_damage, count + 1);
    if (!copy) return err_set(err, ERR_NOMEM, "no memory for the list of damaged blocks");
    for (size_t i = 0; i < count; i++)
        copy[i] = s->damages[i];
    *out = copy;
    *out_count = count;
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
        struct block_damage d = { .id = ids->ids[i] };
        enum err_code code = block_open(s->blobs, s->mem, d.id, &b, &d.err);
        if (code == ERR_OK) {
            forget_damage(s, d.id);
            list_insert_take(l, b);
        } else if (code == ERR_NOMEM) {
            if (err) *err = d.err;
            return code;
        } else {
            read_range(s, &d);
            remember_damage(s, &d);
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
        forget_damage(s, ids->ids[i]);
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

enum err_code block_set_create(struct blobs *blobs, struct mem_budget *mem, struct block_set **out,
                               struct err *err)
{
    struct block_set *created = mem_zalloc(mem, MEM_CACHE, sizeof *created);
    if (!created) return err_set(err, ERR_NOMEM, "no memory for the list of blocks");
    created->magic = SET_MAGIC;
    created->blobs = blobs;
    created->mem = mem;
    mutex_init(&created->lock);
    mutex_init(&created->change_lock);
    CLEANUP(block_set_destroy_p) struct block_set *s = created;
    TRY(blobs_sweep(blobs, err));
    TRY(block_set_reload(s, err));
    *out = TAKE(s);
    return ERR_OK;
}

void block_set_destroy(struct block_set *s)
{
    if (!s) return;
    ASSERT(s->magic == SET_MAGIC);
    list_unref(s->current);
    if (s->damages) mem_free(s->mem, MEM_CACHE, s->damages, s->damage_cap * sizeof *s->damages);
    mutex_deinit(&s->lock);
    mutex_deinit(&s->change_lock);
    s->magic = 0;
    mem_free(s->mem, MEM_CACHE, s, sizeof *s);
}

/* ---- changes ---- */

enum err_code block_set_add(struct block_set *s, struct ulid id, struct err *err)
{
    MUTEX_SCOPE(&s->change_lock);
    const struct block_list *old = &s->current->list;
    if (list_find(old, id)) return ERR_OK;
    struct held_list *all = NULL, *kept = NULL;
    struct block *b = NULL;
    TRY(list_create(s->mem, old->len + 1, &all, err));
    enum err_code code = block_open(s->blobs, s->mem, id, &b, err);
    if (code == ERR_OK) {
        list_insert_take(all, b);
        for (size_t i = 0; i < old->len; i++)
            list_insert_take(all, block_ref(old->ptr[i]));
        code = list_without_replaced(s->mem, &all->list, &kept, err);
    }
    if (code == ERR_OK) {
        const struct block_meta *m = block_borrow_meta(b);
        struct id_list parents = { .ids = (struct ulid *)(uintptr_t)m->parents,
                                   .count = m->parent_count };
        publish(s, kept);
        forget_damage(s, id);
        remove_replaced(s, &parents, &all->list);
    }
    list_unref(all);
    return code;
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
    struct block_damage d = { id, *why, m->mint_ms, m->maxt_ms };
    if (drop(s, id, NULL) == ERR_OK) remember_damage(s, &d);
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
