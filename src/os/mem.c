/* SPDX-License-Identifier: Apache-2.0 */
#include "os/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/cgroup.h"

#ifdef PHAROS_JEMALLOC
#include <jemalloc/jemalloc.h>
/* Read by jemalloc at start: give freed pages back after seconds, from a thread of its own. Two
 * arenas rather than four per CPU: each keeps freed pages for itself, and large blocks and slabs
 * leave little to contend for. (percpu_arena would fit, but
 * complains on stderr wherever the process may not use all CPUs.) */
__attribute__((visibility("default"))) const char *malloc_conf =
    "background_thread:true,narenas:2,dirty_decay_ms:3000,muzzy_decay_ms:0";
#else
#include <malloc.h>
#endif

#define MEM_MAGIC 0x4d454d42u
#define MEM_ALIGN 16u
#define CACHE_LINE 64
/* No request larger than the budget is ever added to a sum, so sums cannot wrap. */
#define MEM_TOTAL_MAX (1ull << 48)

/* Shares of the whole budget that an account may use, in percent. They add up to more than 100:
 * accounts lend each other what they do not need, the whole is bounded by the budget. */
static const struct {
    const char *name;
    unsigned share_percent;
} account_traits[MEM_ACCOUNT_COUNT] = {
    [MEM_HEAD] = { "head", 70 },       [MEM_INDEX] = { "index", 40 },
    [MEM_CACHE] = { "cache", 25 },     [MEM_INGEST] = { "ingest", 20 },
    [MEM_QUERY] = { "query", 25 },     [MEM_COMPACTION] = { "compaction", 25 },
    [MEM_NETWORK] = { "network", 15 }, [MEM_SCRAPE] = { "scrape", 20 },
    [MEM_SYSTEM] = { "system", 10 },
};

struct account {
    _Alignas(CACHE_LINE) _Atomic uint64_t used;
    _Atomic uint64_t cap;
    _Atomic uint64_t refused;
    _Atomic uint64_t live;
    struct mem_budget *budget;
    struct mem_source source;
};

struct mem_budget {
    uint32_t magic;
    uint64_t total;
    _Alignas(CACHE_LINE) _Atomic uint64_t used;
    /* Tests only: the planned failure. */
    _Alignas(CACHE_LINE) _Atomic int fail_mode; /* enum mem_fail_mode */
    _Atomic int64_t fail_countdown;
    _Atomic bool fail_fired;
    struct account accounts[MEM_ACCOUNT_COUNT];
};

uint64_t mem_system_limit(void)
{
    uint64_t limit = cgroup_memory_limit();
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0) {
        uint64_t ram_bytes = (uint64_t)pages * (uint64_t)page_bytes;
        if (ram_bytes < limit) limit = ram_bytes;
    }
    return limit < MEM_TOTAL_MAX ? limit : MEM_TOTAL_MAX;
}

static struct account *account_of(struct mem_budget *b, enum mem_account account)
{
    ASSERT(b->magic == MEM_MAGIC);
    ASSERT((unsigned)account < MEM_ACCOUNT_COUNT);
    return &b->accounts[account];
}

static const struct account *account_of_const(const struct mem_budget *b, enum mem_account account)
{
    ASSERT(b->magic == MEM_MAGIC);
    ASSERT((unsigned)account < MEM_ACCOUNT_COUNT);
    return &b->accounts[account];
}

static uint64_t load(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void add(_Atomic uint64_t *v, uint64_t n)
{
    atomic_fetch_add_explicit(v, n, memory_order_relaxed);
}

static void subtract(_Atomic uint64_t *v, uint64_t n)
{
    uint64_t before = atomic_fetch_sub_explicit(v, n, memory_order_relaxed);
    ASSERT(before >= n);
}

static void *source_alloc(void *ctx, size_t size)
{
    struct account *a = ctx;
    return mem_alloc(a->budget, (enum mem_account)(a - a->budget->accounts), size);
}

static void source_free(void *ctx, void *ptr, size_t size)
{
    struct account *a = ctx;
    mem_free(a->budget, (enum mem_account)(a - a->budget->accounts), ptr, size);
}

struct mem_budget *mem_budget_create(uint64_t total_bytes)
{
    if (total_bytes == 0) total_bytes = mem_system_limit() / 10 * 7;
    if (total_bytes > MEM_TOTAL_MAX) total_bytes = MEM_TOTAL_MAX;
    struct mem_budget *b = aligned_alloc(CACHE_LINE, sizeof *b);
    if (!b) return NULL;
    memset(b, 0, sizeof *b);
    b->magic = MEM_MAGIC;
    b->total = total_bytes;
    for (unsigned i = 0; i < MEM_ACCOUNT_COUNT; i++) {
        struct account *a = &b->accounts[i];
        uint64_t cap = total_bytes / 100 * account_traits[i].share_percent;
        atomic_store_explicit(&a->cap, cap, memory_order_relaxed);
        a->budget = b;
        a->source = (struct mem_source){ .ctx = a, .alloc = source_alloc, .free = source_free };
    }
    return b;
}

void mem_budget_destroy(struct mem_budget *b)
{
    if (!b) return;
    ASSERT(b->magic == MEM_MAGIC);
    b->magic = 0;
    free(b);
}

const struct mem_source *mem_source_of(struct mem_budget *b, enum mem_account account)
{
    return &account_of(b, account)->source;
}

/* Tests: does the planned failure hit this allocation? */
static bool is_planned_failure(struct mem_budget *b)
{
    int mode = atomic_load_explicit(&b->fail_mode, memory_order_relaxed);
    if (__builtin_expect(mode == MEM_FAIL_OFF, 1)) return false;
    int64_t left = atomic_fetch_sub_explicit(&b->fail_countdown, 1, memory_order_relaxed);
    bool is_hit = mode == MEM_FAIL_FOREVER ? left <= 1 : left == 1;
    if (is_hit) atomic_store_explicit(&b->fail_fired, true, memory_order_relaxed);
    return is_hit;
}

/* Count `size` bytes, or refuse. The sums may overshoot for the moment between the addition and
 * its withdrawal, never undershoot: a bound is never exceeded by what was granted. */
static bool account_charge(struct mem_budget *b, struct account *a, size_t size)
{
    bool is_reserved = a == &b->accounts[MEM_SYSTEM]; /* bounded by its own cap only */
    if (is_planned_failure(b) || size > b->total) {
        add(&a->refused, 1);
        return false;
    }
    uint64_t used = atomic_fetch_add_explicit(&a->used, size, memory_order_relaxed) + size;
    if (used > load(&a->cap)) {
        atomic_fetch_sub_explicit(&a->used, size, memory_order_relaxed);
        add(&a->refused, 1);
        return false;
    }
    uint64_t total = atomic_fetch_add_explicit(&b->used, size, memory_order_relaxed) + size;
    if (total > b->total && !is_reserved) {
        atomic_fetch_sub_explicit(&b->used, size, memory_order_relaxed);
        atomic_fetch_sub_explicit(&a->used, size, memory_order_relaxed);
        add(&a->refused, 1);
        return false;
    }
    return true;
}

static void account_uncharge(struct mem_budget *b, struct account *a, size_t size)
{
    subtract(&a->used, size);
    subtract(&b->used, size);
}

/* What the allocator is asked for: at least MEM_ALIGN, so that every block is aligned to it. */
static size_t block_size(size_t size)
{
    return size < MEM_ALIGN ? MEM_ALIGN : size;
}

static void block_free(void *ptr, size_t size)
{
#ifdef PHAROS_JEMALLOC
    sdallocx(ptr, block_size(size), 0);
#else
    (void)size;
    free(ptr);
#endif
}

void *mem_alloc(struct mem_budget *b, enum mem_account account, size_t size)
{
    struct account *a = account_of(b, account);
    if (!account_charge(b, a, size)) return NULL;
    void *ptr = malloc(block_size(size));
    if (!ptr) {
        account_uncharge(b, a, size);
        add(&a->refused, 1);
        return NULL;
    }
    add(&a->live, 1);
    return ptr;
}

void *mem_zalloc(struct mem_budget *b, enum mem_account account, size_t size)
{
    struct account *a = account_of(b, account);
    if (!account_charge(b, a, size)) return NULL;
    void *ptr = calloc(1, block_size(size)); /* large blocks come zeroed from the kernel */
    if (!ptr) {
        account_uncharge(b, a, size);
        add(&a->refused, 1);
        return NULL;
    }
    add(&a->live, 1);
    return ptr;
}

void *mem_realloc(struct mem_budget *b, enum mem_account account, void *ptr, size_t old_size,
                  size_t new_size)
{
    if (!ptr) return mem_alloc(b, account, new_size);
    struct account *a = account_of(b, account);
    if (new_size > old_size && !account_charge(b, a, new_size - old_size)) return NULL;
    void *moved = realloc(ptr, block_size(new_size));
    if (!moved) {
        if (new_size > old_size) account_uncharge(b, a, new_size - old_size);
        add(&a->refused, 1);
        return NULL;
    }
    if (new_size < old_size) account_uncharge(b, a, old_size - new_size);
    return moved;
}

void mem_free(struct mem_budget *b, enum mem_account account, void *ptr, size_t size)
{
    if (!ptr) return;
    struct account *a = account_of(b, account);
    account_uncharge(b, a, size);
    subtract(&a->live, 1);
    block_free(ptr, size);
}

bool mem_charge(struct mem_budget *b, enum mem_account account, size_t size)
{
    return account_charge(b, account_of(b, account), size);
}

void mem_uncharge(struct mem_budget *b, enum mem_account account, size_t size)
{
    account_uncharge(b, account_of(b, account), size);
}

uint64_t mem_used(const struct mem_budget *b, enum mem_account account)
{
    return load(&account_of_const(b, account)->used);
}

uint64_t mem_cap(const struct mem_budget *b, enum mem_account account)
{
    return load(&account_of_const(b, account)->cap);
}

void mem_set_cap(struct mem_budget *b, enum mem_account account, uint64_t cap_bytes)
{
    atomic_store_explicit(&account_of(b, account)->cap, cap_bytes, memory_order_relaxed);
}

uint64_t mem_total_used(const struct mem_budget *b)
{
    return load(&b->used);
}

uint64_t mem_total(const struct mem_budget *b)
{
    return b->total;
}

enum mem_level mem_level(const struct mem_budget *b)
{
    uint64_t percent_bytes = b->total / 100;
    uint64_t used = load(&b->used);
    if (used < percent_bytes * 70) return MEM_GREEN;
    if (used < percent_bytes * 85) return MEM_YELLOW;
    if (used < percent_bytes * 95) return MEM_ORANGE;
    return MEM_RED;
}

const char *mem_account_name(enum mem_account account)
{
    ASSERT((unsigned)account < MEM_ACCOUNT_COUNT);
    return account_traits[account].name;
}

uint64_t mem_refused(const struct mem_budget *b, enum mem_account account)
{
    return load(&account_of_const(b, account)->refused);
}

void mem_release_free_pages(void)
{
#ifdef PHAROS_JEMALLOC
    (void)mallctl("arena.4096.purge", NULL, NULL, NULL, 0); /* 4096 = MALLCTL_ARENAS_ALL */
#else
    (void)malloc_trim(0);
#endif
}

uint64_t mem_live_count(const struct mem_budget *b)
{
    uint64_t live = 0;
    for (unsigned i = 0; i < MEM_ACCOUNT_COUNT; i++) {
        live += load(&b->accounts[i].live);
    }
    return live;
}

void mem_test_fail_at(struct mem_budget *b, uint64_t n, enum mem_fail_mode mode)
{
    ASSERT(mode == MEM_FAIL_OFF || n > 0);
    atomic_store_explicit(&b->fail_countdown, (int64_t)n, memory_order_relaxed);
    atomic_store_explicit(&b->fail_fired, false, memory_order_relaxed);
    atomic_store_explicit(&b->fail_mode, (int)mode, memory_order_relaxed);
}

bool mem_test_fired(const struct mem_budget *b)
{
    return atomic_load_explicit(&b->fail_fired, memory_order_relaxed);
}
