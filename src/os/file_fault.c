/* SPDX-License-Identifier: Apache-2.0
 *
 * The fault-injecting disk: construction, plans and counters. The calls of the layer are in
 * file_fault_calls.c, contents, names and images in their own files.
 */
#include "os/file_fault.h"

#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "os/file_fault_priv.h"

#define FAULT_MAGIC 0x46415553u
#define BUDGET_BYTES (1ull << 40) /* tests bound themselves */
#define CAPACITY_DEFAULT (1ull << 40)

void *fault_alloc(struct file_fault *f, size_t size)
{
    void *ptr = mem_zalloc(f->memory->budget, MEM_HEAD, size);
    ASSERT(ptr != NULL);
    return ptr;
}

void fault_free(struct file_fault *f, void *ptr, size_t size)
{
    mem_free(f->memory->budget, MEM_HEAD, ptr, size);
}

void *fault_grow(struct file_fault *f, void *ptr, size_t count, size_t *cap, size_t element_size)
{
    if (count < *cap) return ptr;
    size_t grown_cap = *cap ? *cap * 2 : 4;
    uint8_t *grown = fault_alloc(f, grown_cap * element_size);
    if (count > 0) memcpy(grown, ptr, count * element_size);
    fault_free(f, ptr, *cap * element_size);
    *cap = grown_cap;
    return grown;
}

char *fault_strdup(struct file_fault *f, const char *name, size_t len)
{
    char *copy = fault_alloc(f, len + 1);
    memcpy(copy, name, len);
    return copy;
}

void fault_strfree(struct file_fault *f, char *name)
{
    fault_free(f, name, strlen(name) + 1);
}

static struct fault_memory *memory_create(void)
{
    struct mem_budget *budget = mem_budget_create(BUDGET_BYTES);
    ASSERT(budget != NULL);
    struct fault_memory *memory = mem_zalloc(budget, MEM_SYSTEM, sizeof *memory);
    ASSERT(memory != NULL);
    memory->budget = budget;
    atomic_store_explicit(&memory->refs, 0, memory_order_relaxed);
    return memory;
}

static void memory_unref(struct fault_memory *memory)
{
    /* Acquire and release: the last disk destroys what the others used. */
    if (atomic_fetch_sub_explicit(&memory->refs, 1, memory_order_acq_rel) > 1) return;
    struct mem_budget *budget = memory->budget;
    mem_free(budget, MEM_SYSTEM, memory, sizeof *memory);
    ASSERT(mem_live_count(budget) == 0);
    mem_budget_destroy(budget);
}

struct file_fault *fault_disk_create(struct file_fault *parent, uint64_t seed)
{
    struct fault_memory *memory = parent ? parent->memory : memory_create();
    atomic_fetch_add_explicit(&memory->refs, 1, memory_order_relaxed);
    struct file_fault *f = mem_zalloc(memory->budget, MEM_SYSTEM, sizeof *f);
    ASSERT(f != NULL);
    f->magic = FAULT_MAGIC;
    f->memory = memory;
    f->capacity = parent ? parent->capacity : CAPACITY_DEFAULT;
    mutex_init(&f->lock);
    rng_init(&f->rng, seed);
    fault_calls_init(f);
    return f;
}

struct file_fault *file_fault_create(uint64_t seed)
{
    struct file_fault *f = fault_disk_create(NULL, seed);
    f->root = inode_create(f, true);
    f->root->links = 1;
    return f;
}

void file_fault_destroy(struct file_fault *f)
{
    if (!f) return;
    ASSERT(f->magic == FAULT_MAGIC);
    while (f->files) {
        struct file *file = f->files;
        f->files = file->next;
        fault_strfree(f, file->path);
        fault_free(f, file, sizeof *file);
    }
    while (f->mappings) {
        struct mapping *mapping = f->mappings;
        f->mappings = mapping->next;
        fault_free(f, mapping->ptr, mapping->len);
        fault_free(f, mapping, sizeof *mapping);
    }
    name_changes_clear(f);
    for (size_t i = 0; i < f->inode_count; i++) {
        inode_destroy(f, f->inodes[i]);
    }
    fault_free(f, f->inodes, f->inode_cap * sizeof f->inodes[0]);
    mutex_deinit(&f->lock);
    f->magic = 0;
    struct fault_memory *memory = f->memory;
    mem_free(memory->budget, MEM_SYSTEM, f, sizeof *f);
    memory_unref(memory);
}

const struct file_layer *file_fault_layer(struct file_fault *f)
{
    ASSERT(f->magic == FAULT_MAGIC);
    return &f->layer;
}

/* The lock protects the disk, not the caller's view of it: reading functions take it, too. */
static struct mutex *lock_of(const struct file_fault *f)
{
    ASSERT(f->magic == FAULT_MAGIC);
    return (struct mutex *)(uintptr_t)&f->lock;
}

void file_fault_cut(struct file_fault *f, uint64_t step)
{
    MUTEX_SCOPE(lock_of(f));
    f->cut_at = step ? f->steps + step : 0;
}

void file_fault_stop(struct file_fault *f)
{
    MUTEX_SCOPE(lock_of(f));
    f->is_stopped = true;
}

bool file_fault_is_stopped(const struct file_fault *f)
{
    MUTEX_SCOPE(lock_of(f));
    return f->is_stopped;
}

void file_fault_fail_op(struct file_fault *f, uint32_t ops, uint64_t n, enum file_fault_kind kind,
                        enum file_fault_mode mode)
{
    ASSERT(n > 0);
    ASSERT((unsigned)kind < FAULT_KIND_COUNT);
    MUTEX_SCOPE(lock_of(f));
    for (size_t i = 0; i < FAULT_PLANS_MAX; i++) {
        if (f->plans[i].is_active) continue;
        f->plans[i] = (struct fault_plan){ true, ops, (int64_t)n, kind, mode };
        return;
    }
    UNREACHABLE(); /* more than FAULT_PLANS_MAX */
}

void file_fault_fail_at(struct file_fault *f, uint64_t n, enum file_fault_kind kind,
                        enum file_fault_mode mode)
{
    file_fault_fail_op(f, FAULT_STEP_OPS, n, kind, mode);
}

void file_fault_clear(struct file_fault *f)
{
    MUTEX_SCOPE(lock_of(f));
    memset(f->plans, 0, sizeof f->plans);
}

uint64_t file_fault_steps(const struct file_fault *f)
{
    MUTEX_SCOPE(lock_of(f));
    return f->steps;
}

uint64_t file_fault_calls(const struct file_fault *f, enum file_fault_op op)
{
    ASSERT((unsigned)op < FAULT_OP_COUNT);
    MUTEX_SCOPE(lock_of(f));
    return f->calls[op];
}

uint64_t file_fault_fired(const struct file_fault *f)
{
    MUTEX_SCOPE(lock_of(f));
    return f->fired;
}

void file_fault_trace(struct file_fault *f, bool is_on)
{
    MUTEX_SCOPE(lock_of(f));
    f->is_traced = is_on;
}

void file_fault_set_capacity(struct file_fault *f, uint64_t bytes)
{
    MUTEX_SCOPE(lock_of(f));
    f->capacity = bytes;
}

uint64_t fault_used(const struct file_fault *f)
{
    uint64_t used = 0;
    for (size_t i = 0; i < f->inode_count; i++) {
        const struct inode *inode = f->inodes[i];
        if (inode->links > 0 || inode->opens > 0) used += inode->cur.size;
    }
    return used;
}

uint64_t file_fault_used(const struct file_fault *f)
{
    MUTEX_SCOPE(lock_of(f));
    return fault_used(f);
}

/* Flip a bit of one content, if it is that long. */
static bool content_flip(struct file_fault *f, struct content *c, uint64_t bit)
{
    uint8_t byte;
    if (content_read(c, bit / 8, &byte, 1) != 1) return false;
    byte = (uint8_t)(byte ^ 1u << (bit % 8));
    content_write(f, c, bit / 8, &byte, 1);
    return true;
}

bool file_fault_flip(struct file_fault *f, const char *path, uint64_t bit)
{
    MUTEX_SCOPE(lock_of(f));
    struct inode *inode;
    if (path_lookup(f, path, &inode) != 0 || inode->is_dir) return false;
    if (!content_flip(f, &inode->cur, bit)) return false;
    (void)content_flip(f, &inode->dur, bit);
    for (size_t i = 0; i < inode->change_count; i++) { /* the damage is below every later image */
        struct change *change = &inode->changes[i];
        if (change->is_resize || bit / 8 < change->offset) continue;
        uint64_t at = bit / 8 - change->offset;
        if (at < change->len) change->bytes[at] = (uint8_t)(change->bytes[at] ^ 1u << (bit % 8));
    }
    return true;
}

static uint64_t tree_digest(const struct inode *inode, uint64_t seed)
{
    if (!inode->is_dir) return content_digest(&inode->cur, seed);
    uint64_t digest = seed;
    for (size_t i = 0; i < inode->cur_names.count; i++) {
        const struct name_entry *entry = &inode->cur_names.entries[i];
        digest = hash64(entry->name, strlen(entry->name) + 1, digest);
        digest = hash64(&entry->inode->is_dir, sizeof entry->inode->is_dir, digest);
        digest = tree_digest(entry->inode, digest);
    }
    uint64_t end = inode->cur_names.count;
    return hash64(&end, sizeof end, digest);
}

uint64_t file_fault_digest(const struct file_fault *f)
{
    MUTEX_SCOPE(lock_of(f));
    return tree_digest(f->root, 0);
}

uint64_t file_fault_open_count(const struct file_fault *f)
{
    MUTEX_SCOPE(lock_of(f));
    uint64_t count = 0;
    for (const struct file *file = f->files; file; file = file->next) {
        count++;
    }
    for (const struct mapping *mapping = f->mappings; mapping; mapping = mapping->next) {
        count++;
    }
    return count;
}
