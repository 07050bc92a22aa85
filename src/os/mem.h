/* SPDX-License-Identifier: Apache-2.0
 *
 * mem - the process' memory budget and the only caller of malloc and free.
 *
 * One budget of B bytes is split into named accounts. An allocation is charged to its account;
 * when the account's cap or the whole budget is exhausted it fails (NULL) and the caller sheds the
 * request. Nothing aborts because memory ran out.
 *
 * Levels (of the whole budget): green < 70 %, yellow < 85 %, orange < 95 %, red above.
 * Threads   All functions: any thread. Charges are relaxed atomics.
 * Source    spec: reliability.md section 8.
 */
#ifndef PHAROS_OS_MEM_H
#define PHAROS_OS_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem_source.h"

enum mem_account {
    MEM_HEAD,       /* series, chunks, symbols of the heads */
    MEM_INDEX,      /* postings and value dictionaries */
    MEM_CACHE,      /* block indexes, pages, regex results */
    MEM_INGEST,     /* request bodies and batches in flight */
    MEM_QUERY,      /* query arenas and answers */
    MEM_COMPACTION, /* head cut, merge */
    MEM_NETWORK,    /* connections and their buffers */
    MEM_SCRAPE,     /* targets, scrape caches and bodies */
    MEM_SYSTEM, /* configuration, log, everything small and long-lived; never refused by level */
    MEM_ACCOUNT_COUNT
};

enum mem_level { MEM_GREEN, MEM_YELLOW, MEM_ORANGE, MEM_RED };

struct mem_budget;

/* What this machine and control group allow: min(RAM, memory.max of the group and those above). */
uint64_t mem_system_limit(void);
/* The budget of `total_bytes` (0: 70 % of mem_system_limit()). Account caps default to shares of
 * it: head 70 %, index 40, cache 25, ingest 20, query 25, compaction 25, network 15, scrape 20,
 * system 10; the whole is bounded by the budget (system by its own cap only). Returns NULL only
 * when the system has no memory at all. */
struct mem_budget *mem_budget_create(uint64_t total_bytes);
void mem_budget_destroy(struct mem_budget *b);

/* The mem_source that charges `account`; lives as long as the budget. */
const struct mem_source *mem_source_of(struct mem_budget *b, enum mem_account account);

/* Not zeroed / zeroed; NULL when refused. mem_free gets the size that was asked for. */
__attribute__((warn_unused_result)) void *mem_alloc(struct mem_budget *b, enum mem_account account,
                                                    size_t size);
__attribute__((warn_unused_result)) void *mem_zalloc(struct mem_budget *b, enum mem_account account,
                                                     size_t size);
/* Grow or shrink, content kept up to the smaller size; NULL leaves the old block untouched. */
__attribute__((warn_unused_result)) void *mem_realloc(struct mem_budget *b,
                                                      enum mem_account account, void *ptr,
                                                      size_t old_size, size_t new_size);
void mem_free(struct mem_budget *b, enum mem_account account, void *ptr, size_t size);

/* Charge bytes that live elsewhere (mmap, CRoaring, library buffers); false when refused. */
__attribute__((warn_unused_result)) bool mem_charge(struct mem_budget *b, enum mem_account account,
                                                    size_t size);
void mem_uncharge(struct mem_budget *b, enum mem_account account, size_t size);

uint64_t mem_used(const struct mem_budget *b, enum mem_account account);
uint64_t mem_cap(const struct mem_budget *b, enum mem_account account);
void mem_set_cap(struct mem_budget *b, enum mem_account account, uint64_t cap_bytes);
uint64_t mem_total_used(const struct mem_budget *b);
uint64_t mem_total(const struct mem_budget *b);
enum mem_level mem_level(const struct mem_budget *b);
const char *mem_account_name(enum mem_account account);
/* Allocations refused since start. */
uint64_t mem_refused(const struct mem_budget *b, enum mem_account account);
/* Hand freed pages back to the system (after a compaction, on a level change). */
void mem_release_free_pages(void);
/* Live allocations: must be 0 at the end of a test. */
uint64_t mem_live_count(const struct mem_budget *b);

enum mem_fail_mode { MEM_FAIL_OFF, MEM_FAIL_ONCE, MEM_FAIL_FOREVER };
/* Tests: the n-th allocation (or mem_charge, or growing mem_realloc) from now, 1-based, fails:
 * once, or with all later ones. */
void mem_test_fail_at(struct mem_budget *b, uint64_t n, enum mem_fail_mode mode);
/* Tests: has a planned failure fired? */
bool mem_test_fired(const struct mem_budget *b);

#endif
