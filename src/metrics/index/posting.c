/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/index/posting.h"

#include <string.h>

#include "base/assert.h"

/* Values of a cell; anything even and larger is a pointer to a body. */
#define CELL_NOTHING ((uintptr_t)0)
#define CELL_EMPTY ((uintptr_t)2)
#define CELL_IS_ID 1u /* bit 0: the id is in the upper bits */

struct posting_body {
    struct posting_body *next_retired;
    struct postings *set; /* NULL: the tail is all */
    uint32_t set_count;
    uint32_t tail_cap;
    _Atomic uint32_t tail_count;
    uint32_t tail[];
};

static struct posting_body *body_of(uintptr_t v)
{
    return v <= CELL_EMPTY || (v & CELL_IS_ID) ? NULL : (struct posting_body *)v;
}

static uintptr_t id_cell(uint32_t id)
{
    _Static_assert(sizeof(uintptr_t) == 8, "an id and a mark share a word");
    return (uintptr_t)id << 1 | CELL_IS_ID;
}

static size_t body_size(uint32_t tail_cap)
{
    return sizeof(struct posting_body) + (size_t)tail_cap * sizeof(uint32_t);
}

static struct posting_body *body_create(struct mem_budget *mem, uint32_t tail_cap)
{
    struct posting_body *b = mem_alloc(mem, MEM_INDEX, body_size(tail_cap));
    if (b == NULL) return NULL;
    *b = (struct posting_body){ .tail_cap = tail_cap };
    return b;
}

static void body_destroy(struct mem_budget *mem, struct posting_body *b)
{
    postings_destroy(b->set);
    mem_free(mem, MEM_INDEX, b, body_size(b->tail_cap));
}

static void retire(struct posting_retired *retired, struct posting_body *b)
{
    if (b == NULL) return;
    b->next_retired = retired->first;
    retired->first = b;
    retired->count++;
}

static void body_free_list(struct mem_budget *mem, struct posting_body *b)
{
    while (b != NULL) {
        struct posting_body *next = b->next_retired;
        body_destroy(mem, b);
        b = next;
    }
}

void posting_retired_free(struct mem_budget *mem, struct posting_retired *retired)
{
    body_free_list(mem, retired->first);
    *retired = (struct posting_retired){ 0 };
}

void posting_retired_release(void *arg, void *ptr, uint64_t size)
{
    (void)size;
    body_free_list(arg, ptr);
}

static void cell_store(posting_cell *cell, uintptr_t v)
{
    atomic_store_explicit(cell, v, memory_order_release); /* partner: posting_view */
}

static uintptr_t cell_load(const posting_cell *cell)
{
    return atomic_load_explicit(cell, memory_order_acquire); /* partner: cell_store */
}

static uint32_t tail_length(const struct posting_body *b)
{
    return atomic_load_explicit(&b->tail_count, memory_order_acquire); /* partner: posting_add */
}

/* ---- growth ---- */

/* A set of the body's ids; the body is not changed. */
static enum err_code set_of_body(struct mem_budget *mem, const struct posting_body *b,
                                 struct postings **out)
{
    CLEANUP(postings_destroy_p) struct postings *set = NULL;
    TRY(b->set != NULL ? postings_copy(b->set, MEM_INDEX, &set, NULL)
                       : postings_create(mem, MEM_INDEX, &set, NULL));
    TRY(postings_add_many(set, b->tail, tail_length(b), NULL));
    postings_optimize(set);
    *out = TAKE(set);
    return ERR_OK;
}

static uint32_t tail_cap_for(uint64_t set_count)
{
    uint64_t cap = set_count / 16;
    if (cap < 16) cap = 16;
    return cap > POSTING_TAIL_MAX ? POSTING_TAIL_MAX : (uint32_t)cap;
}

/* A body with a set of all ids and an empty tail. */
static struct posting_body *with_set(struct mem_budget *mem, const struct posting_body *old)
{
    CLEANUP(postings_destroy_p) struct postings *set = NULL;
    if (set_of_body(mem, old, &set) != ERR_OK) return NULL;
    uint64_t count = postings_cardinality(set);
    struct posting_body *b = body_create(mem, tail_cap_for(count));
    if (b == NULL) return NULL;
    b->set_count = (uint32_t)count;
    b->set = TAKE(set);
    return b;
}

/* A body with the same ids and a larger tail. */
static struct posting_body *with_tail(struct mem_budget *mem, const struct posting_body *old)
{
    uint32_t count = tail_length(old);
    uint32_t cap = count < 8 ? count + 4 : count + count / 2;
    if (cap > POSTING_TAIL_ALONE) cap = POSTING_TAIL_ALONE;
    struct posting_body *b = body_create(mem, cap);
    if (b == NULL) return NULL;
    memcpy(b->tail, old->tail, count * sizeof *b->tail);
    atomic_store_explicit(&b->tail_count, count, memory_order_relaxed);
    return b;
}

bool posting_reserve(struct mem_budget *mem, posting_cell *cell, struct posting_retired *retired)
{
    uintptr_t v = atomic_load_explicit(cell, memory_order_relaxed);
    if (v <= CELL_EMPTY && !(v & CELL_IS_ID)) return true;
    struct posting_body *b = body_of(v);
    if (b == NULL) {
        b = body_create(mem, 3);
        if (b == NULL) return false;
        b->tail[0] = (uint32_t)(v >> 1);
        atomic_store_explicit(&b->tail_count, 1, memory_order_relaxed);
        cell_store(cell, (uintptr_t)b);
        return true;
    }
    uint32_t count = tail_length(b);
    if (count < b->tail_cap) return true;
    struct posting_body *larger =
        b->set == NULL && count < POSTING_TAIL_ALONE ? with_tail(mem, b) : with_set(mem, b);
    if (larger == NULL) return false;
    cell_store(cell, (uintptr_t)larger);
    retire(retired, b);
    return true;
}

void posting_add(posting_cell *cell, uint32_t id)
{
    struct posting_body *b = body_of(atomic_load_explicit(cell, memory_order_relaxed));
    if (b == NULL) {
        ASSERT(!(atomic_load_explicit(cell, memory_order_relaxed) & CELL_IS_ID));
        cell_store(cell, id_cell(id));
        return;
    }
    uint32_t count = tail_length(b);
    ASSERT(count < b->tail_cap);
    b->tail[count] = id;
    atomic_store_explicit(&b->tail_count, count + 1, memory_order_release); /* tail_length */
}

/* ---- removal ---- */

static bool ids_have(const uint32_t *ids, size_t count, uint32_t id)
{
    size_t lo = 0;
    size_t hi = count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (ids[middle] < id) {
            lo = middle + 1;
        } else {
            hi = middle;
        }
    }
    return lo < count && ids[lo] == id;
}

/* The ids of the tail that stay. */
static uint32_t copy_kept(const struct posting_body *from, const uint32_t *ids, size_t count,
                          uint32_t *out)
{
    uint32_t kept = 0;
    uint32_t tail_count = tail_length(from);
    for (uint32_t i = 0; i < tail_count; i++)
        if (!ids_have(ids, count, from->tail[i])) out[kept++] = from->tail[i];
    return kept;
}

/* Sets that have become small go back to a tail alone. */
static enum err_code shrink(struct mem_budget *mem, struct postings *set, struct posting_body **out)
{
    uint32_t count = (uint32_t)postings_cardinality(set);
    struct posting_body *b = body_create(mem, count + 4);
    if (b == NULL) return ERR_NOMEM;
    struct postings_iter it;
    postings_iter_init(&it, set);
    uint32_t got = (uint32_t)postings_iter_read(&it, b->tail, count);
    ASSERT(got == count);
    atomic_store_explicit(&b->tail_count, count, memory_order_relaxed);
    *out = b;
    return ERR_OK;
}

static enum err_code body_without(struct mem_budget *mem, const struct posting_body *old,
                                  const uint32_t *ids, size_t count, struct posting_body **out)
{
    if (old->set == NULL) {
        struct posting_body *b = body_create(mem, old->tail_cap);
        if (b == NULL) return ERR_NOMEM;
        atomic_store_explicit(&b->tail_count, copy_kept(old, ids, count, b->tail),
                              memory_order_relaxed);
        *out = b;
        return ERR_OK;
    }
    CLEANUP(postings_destroy_p) struct postings *set = NULL;
    CLEANUP(postings_destroy_p) struct postings *gone = NULL;
    TRY(set_of_body(mem, old, &set));
    TRY(postings_create(mem, MEM_INDEX, &gone, NULL));
    TRY(postings_add_many(gone, ids, count, NULL));
    TRY(postings_andnot(set, gone, NULL));
    uint64_t left = postings_cardinality(set);
    if (left <= POSTING_TAIL_ALONE / 2) return shrink(mem, set, out);
    postings_optimize(set);
    struct posting_body *b = body_create(mem, tail_cap_for(left));
    if (b == NULL) return ERR_NOMEM;
    b->set_count = (uint32_t)left;
    b->set = TAKE(set);
    *out = b;
    return ERR_OK;
}

enum err_code posting_remove(struct mem_budget *mem, posting_cell *cell, const uint32_t *ids,
                             size_t count, struct posting_retired *retired)
{
    uintptr_t v = atomic_load_explicit(cell, memory_order_relaxed);
    struct posting_body *old = body_of(v);
    if (old == NULL) {
        if ((v & CELL_IS_ID) && ids_have(ids, count, (uint32_t)(v >> 1)))
            cell_store(cell, CELL_EMPTY);
        return ERR_OK;
    }
    struct posting_body *b = NULL;
    TRY(body_without(mem, old, ids, count, &b));
    if (b->set == NULL && tail_length(b) == 0) {
        body_destroy(mem, b);
        cell_store(cell, CELL_EMPTY);
    } else {
        cell_store(cell, (uintptr_t)b);
    }
    retire(retired, old);
    return ERR_OK;
}

void posting_clear(posting_cell *cell, struct posting_retired *retired)
{
    struct posting_body *b = body_of(atomic_load_explicit(cell, memory_order_relaxed));
    cell_store(cell, CELL_NOTHING);
    retire(retired, b);
}

/* ---- reading ---- */

struct posting_view posting_view(const posting_cell *cell)
{
    uintptr_t v = cell_load(cell);
    const struct posting_body *b = body_of(v);
    if (b == NULL) {
        if (!(v & CELL_IS_ID)) return (struct posting_view){ 0 };
        return (struct posting_view){ .tail_count = 1, .single = (uint32_t)(v >> 1), .count = 1 };
    }
    uint32_t tail_count = tail_length(b);
    return (struct posting_view){
        .set = b->set, .tail = b->tail, .tail_count = tail_count, .count = b->set_count + tail_count
    };
}

enum err_code posting_unite(struct postings *target, const struct posting_view *v, struct err *err)
{
    if (v->set != NULL) TRY(postings_or(target, v->set, err));
    if (v->tail_count == 0) return ERR_OK;
    return postings_add_many(target, posting_view_tail(v), v->tail_count, err);
}

enum err_code posting_intersect(struct postings *target, const struct posting_view *v,
                                struct err *err)
{
    uint32_t kept[POSTING_TAIL_MAX];
    uint32_t kept_count = 0;
    const uint32_t *tail = posting_view_tail(v);
    for (uint32_t i = 0; i < v->tail_count; i++)
        if (postings_contains(target, tail[i])) kept[kept_count++] = tail[i];
    TRY(v->set != NULL ? postings_and(target, v->set, err) : postings_andnot(target, target, err));
    if (kept_count == 0) return ERR_OK;
    return postings_add_many(target, kept, kept_count, err);
}

enum err_code posting_subtract(struct postings *target, const struct posting_view *v,
                               struct err *err)
{
    if (v->set != NULL) TRY(postings_andnot(target, v->set, err));
    if (v->tail_count == 0) return ERR_OK;
    return postings_remove_many(target, posting_view_tail(v), v->tail_count, err);
}

bool posting_meets(const struct posting_view *v, const struct postings *set)
{
    const uint32_t *tail = posting_view_tail(v);
    for (uint32_t i = 0; i < v->tail_count; i++)
        if (postings_contains(set, tail[i])) return true;
    return v->set != NULL && postings_intersects(v->set, set);
}

enum err_code posting_copy(struct mem_budget *mem, enum mem_account account,
                           const struct posting_view *v, struct postings **out, struct err *err)
{
    CLEANUP(postings_destroy_p) struct postings *set = NULL;
    if (v->set != NULL) {
        TRY(postings_copy(v->set, account, &set, err));
    } else {
        TRY(postings_create(mem, account, &set, err));
    }
    if (v->tail_count > 0) TRY(postings_add_many(set, posting_view_tail(v), v->tail_count, err));
    *out = TAKE(set);
    return ERR_OK;
}
