/* SPDX-License-Identifier: Apache-2.0
 *
 * label_table - the distinct texts and (name, value) pairs of a block under construction, numbered
 * in order of appearance; sorted once at the end.
 *
 * Memory    MEM_COMPACTION: each text once, 16 bytes per symbol, 20 per pair, hash slots of 4 bytes
 *           at most half full; while sorting 32 bytes per symbol or pair.
 * Threads   One owner.
 */
#ifndef PHAROS_METRICS_BLOCK_LABEL_TABLE_H
#define PHAROS_METRICS_BLOCK_LABEL_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "os/mem.h"

struct label_pair {
    uint32_t name, value; /* symbol ids */
    uint32_t series;      /* how many series have it: counted by the owner */
};

/* Growable array of ids hashed to slots. */
struct label_slots {
    uint32_t *slots; /* id + 1, 0 = free; power of two */
    size_t count, used;
};

struct label_table {
    struct mem_budget *mem;
    struct arena texts;
    struct str *symbols;
    uint32_t symbol_count, symbol_cap;
    struct label_pair *pairs;
    uint32_t pair_count, pair_cap;
    struct label_slots symbol_slots, pair_slots;
};

void label_table_init(struct label_table *t, struct mem_budget *mem);
void label_table_deinit(struct label_table *t);
/* Id of the pair; texts are copied when new. */
CHECK_RESULT enum err_code label_table_pair(struct label_table *t, struct str name,
                                            struct str value, uint32_t *out_id, struct err *err);

/* Numbers by order. All arrays belong to the caller (label_order_deinit). */
struct label_order {
    struct mem_budget *mem;
    size_t symbol_count, pair_count;
    uint32_t *symbols;      /* ids by rank */
    uint32_t *symbol_ranks; /* rank by id */
    uint32_t *pairs;        /* pair ids by (rank of name, rank of value) */
    uint32_t *pair_places;  /* place by pair id */
};
CHECK_RESULT enum err_code label_table_sort(const struct label_table *t, struct label_order *out,
                                            struct err *err);
void label_order_deinit(struct label_order *o);

#endif
