/* SPDX-License-Identifier: Apache-2.0
 *
 * The global epoch counts retirements. A reader publishes in its slot the epoch at which it
 * entered; an item retired at epoch E is invisible to readers that entered at an epoch above E.
 * So an item may be freed once every occupied slot holds more than its epoch.
 *
 * The one subtle point is a reader that has read the global epoch but not yet filled its slot while
 * a collector scans. Both sides put a full fence between their write (slot; unlinked pointer) and
 * their read (pointer; slots): then either the collector sees the slot, or the reader no longer
 * sees the pointer.
 */
#include "os/epoch.h"

#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/assert.h"
#include "os/mem.h"
#include "os/thread.h"

#define EPOCH_MAGIC 0x45504f43u
#define CACHE_LINE 64

/* ThreadSanitizer does not model fences; a read-modify-write of one shared cell does the same. */
#ifdef __SANITIZE_THREAD__
#define EPOCH_TSAN 1
#endif
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define EPOCH_TSAN 1
#endif
#endif

struct slot {
    /* Epoch at which the reader inside entered; 0: free. Set by the reader that claims it (CAS),
     * cleared by it with release; read by collectors with acquire. */
    _Alignas(CACHE_LINE) _Atomic uint64_t epoch;
};

/* Something to free. The list is in the order of the epochs. */
struct note {
    struct note *next;
    uint64_t epoch;
    void *ptr;
    uint64_t size;
    void (*fn)(void *arg, void *ptr, uint64_t size);
    void *arg;
};

struct epoch {
    uint32_t magic;
    struct mem_budget *mem;
    _Atomic uint64_t now;        /* starts at 1 */
    _Atomic uint32_t slots_used; /* no slot at or above was ever claimed */
    _Atomic uint32_t fence_cell; /* TSan builds */
    struct mutex lock;
    /* guarded by lock */
    struct note *oldest, *newest;
    uint64_t waiting;
    /* any thread */
    struct slot slots[EPOCH_READERS_MAX];
};

static void full_fence(struct epoch *e)
{
#ifdef EPOCH_TSAN
    (void)atomic_fetch_add_explicit(&e->fence_cell, 1, memory_order_seq_cst);
#else
    (void)e;
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Slots are apart by a cache line; the allocator aligns to 16 only, so the struct starts at the
 * next line inside its block. */
#define EPOCH_BLOCK_BYTES (sizeof(struct epoch) + CACHE_LINE + sizeof(void *))

enum err_code epoch_create(struct mem_budget *mem, struct epoch **out, struct err *err)
{
    uint8_t *block = mem_zalloc(mem, MEM_SYSTEM, EPOCH_BLOCK_BYTES);
    if (!block) return err_set(err, ERR_NOMEM, "no memory for an epoch");
    uintptr_t at = (uintptr_t)block + sizeof(void *);
    at = (at + CACHE_LINE - 1) & ~(uintptr_t)(CACHE_LINE - 1);
    struct epoch *e = (struct epoch *)at;
    ((void **)e)[-1] = block;
    e->magic = EPOCH_MAGIC;
    e->mem = mem;
    atomic_store_explicit(&e->now, 1, memory_order_relaxed);
    mutex_init(&e->lock);
    *out = e;
    return ERR_OK;
}

static void note_run(struct epoch *e, struct note *note)
{
    note->fn(note->arg, note->ptr, note->size);
    mem_free(e->mem, MEM_SYSTEM, note, sizeof *note);
}

void epoch_destroy(struct epoch *e)
{
    if (!e) return;
    ASSERT(e->magic == EPOCH_MAGIC);
    uint64_t left = epoch_collect(e);
    ASSERT(left == 0); /* else a reader is inside */
    for (uint32_t i = 0; i < EPOCH_READERS_MAX; i++) {
        /* Acquire: pairs with the release in epoch_leave. */
        ASSERT(atomic_load_explicit(&e->slots[i].epoch, memory_order_acquire) == 0);
    }
    mutex_deinit(&e->lock);
    e->magic = 0;
    mem_free(e->mem, MEM_SYSTEM, ((void **)e)[-1], EPOCH_BLOCK_BYTES);
}

/* Remember that slot i is in use before it is claimed, so that no scan misses it. */
static void slots_raise(struct epoch *e, uint32_t i)
{
    uint32_t used = atomic_load_explicit(&e->slots_used, memory_order_relaxed);
    while (used <= i) {
        if (atomic_compare_exchange_weak_explicit(&e->slots_used, &used, i + 1,
                                                  memory_order_seq_cst, memory_order_relaxed)) {
            return;
        }
    }
}

struct epoch_guard epoch_enter(struct epoch *e)
{
    ASSERT(e->magic == EPOCH_MAGIC);
    for (uint32_t i = 0;; i = (i + 1) % EPOCH_READERS_MAX) {
        uint64_t expected = 0;
        if (atomic_load_explicit(&e->slots[i].epoch, memory_order_relaxed) != 0) {
            if (i == EPOCH_READERS_MAX - 1) (void)sched_yield(); /* all slots are taken */
            continue;
        }
        slots_raise(e, i);
        /* Acquire: what was unlinked before the epoch that we enter is seen as unlinked. */
        uint64_t now = atomic_load_explicit(&e->now, memory_order_acquire);
        if (!atomic_compare_exchange_strong_explicit(&e->slots[i].epoch, &expected, now,
                                                     memory_order_seq_cst, memory_order_relaxed)) {
            continue;
        }
        full_fence(e); /* partner: smallest_inside */
        return (struct epoch_guard){ i + 1 };
    }
}

void epoch_leave(struct epoch *e, struct epoch_guard *g)
{
    ASSERT(g->slot > 0 && g->slot <= EPOCH_READERS_MAX);
    /* Release: our reads come before whatever a collector frees after it has seen the 0. */
    uint64_t was = atomic_exchange_explicit(&e->slots[g->slot - 1].epoch, 0, memory_order_release);
    ASSERT(was != 0);
    g->slot = 0;
}

/* Every reader inside, now and later, entered at this epoch or above. */
static uint64_t smallest_inside(struct epoch *e)
{
    uint64_t smallest = atomic_load_explicit(&e->now, memory_order_acquire);
    full_fence(e); /* partner: epoch_enter */
    uint32_t used = atomic_load_explicit(&e->slots_used, memory_order_seq_cst);
    for (uint32_t i = 0; i < used; i++) {
        /* Acquire: pairs with the release in epoch_leave. */
        uint64_t epoch = atomic_load_explicit(&e->slots[i].epoch, memory_order_acquire);
        if (epoch != 0 && epoch < smallest) smallest = epoch;
    }
    return smallest;
}

void epoch_retire(struct epoch *e, void *ptr, uint64_t size,
                  void (*fn)(void *arg, void *ptr, uint64_t size), void *arg)
{
    ASSERT(e->magic == EPOCH_MAGIC);
    ASSERT(fn != NULL);
    struct note *note = mem_alloc(e->mem, MEM_SYSTEM, sizeof *note);
    mutex_lock(&e->lock);
    /* Release, to the acquire in epoch_enter: the unlinking comes before the new epoch. */
    uint64_t epoch = atomic_fetch_add_explicit(&e->now, 1, memory_order_seq_cst);
    if (note) {
        *note = (struct note){ NULL, epoch, ptr, size, fn, arg };
        if (e->newest) e->newest->next = note;
        if (!e->newest) e->oldest = note;
        e->newest = note;
        e->waiting++;
    }
    mutex_unlock(&e->lock);
    if (note) return;
    while (smallest_inside(e) <= epoch) {
        (void)sched_yield();
    }
    fn(arg, ptr, size);
}

uint64_t epoch_collect(struct epoch *e)
{
    ASSERT(e->magic == EPOCH_MAGIC);
    uint64_t smallest = smallest_inside(e);
    mutex_lock(&e->lock);
    struct note *first = e->oldest;
    struct note *last = NULL;
    while (e->oldest && e->oldest->epoch < smallest) {
        last = e->oldest;
        e->oldest = last->next;
        e->waiting--;
    }
    if (!e->oldest) e->newest = NULL;
    if (last) last->next = NULL;
    uint64_t waiting = e->waiting;
    mutex_unlock(&e->lock);
    while (last && first) { /* outside the lock: fn may retire more */
        struct note *next = first->next;
        note_run(e, first);
        first = next;
    }
    return waiting;
}
