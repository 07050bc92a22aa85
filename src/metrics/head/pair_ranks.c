/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/pair_ranks.h"

#include <string.h>

#include "base/assert.h"

struct item {
    uint64_t prefix; /* of the value, behind what all values of the name share */
    uint32_t pair;
    uint32_t name; /* symbol */
};

struct sorting {
    const struct pairs *pairs;
    struct item *items, *spare;
    size_t count;
};

static struct str value_of(const struct pairs *p, uint32_t pair)
{
    return pairs_symbol_text(p, pairs_get(p, pair).value);
}

typedef bool (*before_fn)(const struct pairs *p, const struct item *a, const struct item *b);

static bool is_before_by_name(const struct pairs *p, const struct item *a, const struct item *b)
{
    if (a->name == b->name) return false;
    return str_cmp(pairs_symbol_text(p, a->name), pairs_symbol_text(p, b->name)) < 0;
}

static bool is_before_by_value(const struct pairs *p, const struct item *a, const struct item *b)
{
    if (a->prefix != b->prefix) return a->prefix < b->prefix;
    return str_cmp(value_of(p, a->pair), value_of(p, b->pair)) < 0;
}

static void merge_step(struct sorting *s, size_t start, size_t width, size_t end, before_fn before)
{
    size_t left = start;
    size_t mid = start + width < end ? start + width : end;
    size_t right = mid;
    size_t stop = mid + width < end ? mid + width : end;
    for (size_t k = start; k < stop; k++) {
        bool take_left =
            left < mid && (right >= stop || !before(s->pairs, &s->items[right], &s->items[left]));
        s->spare[k] = take_left ? s->items[left++] : s->items[right++];
    }
}

/* Stable merge sort of items[from, to); the result is in items again. */
static void sort_range(struct sorting *s, size_t from, size_t to, before_fn before)
{
    struct item *home = s->items;
    for (size_t width = 1; width < to - from; width *= 2) {
        for (size_t start = from; start < to; start += 2 * width)
            merge_step(s, start, width, to, before);
        struct item *swap = s->items;
        s->items = s->spare;
        s->spare = swap;
    }
    if (s->items == home) return;
    memcpy(home + from, s->items + from, (to - from) * sizeof *home);
    s->spare = s->items;
    s->items = home;
}

/* Length of what the values of items[from, to) have in common. */
static size_t common_prefix(const struct sorting *s, size_t from, size_t to)
{
    struct str first = value_of(s->pairs, s->items[from].pair);
    size_t n = first.len;
    for (size_t i = from + 1; i < to && n > 0; i++) {
        struct str v = value_of(s->pairs, s->items[i].pair);
        if (v.len < n) n = v.len;
        while (n > 0 && memcmp(v.ptr, first.ptr, n) != 0)
            n--;
    }
    return n;
}

static void fill_prefixes(struct sorting *s, size_t from, size_t to)
{
    size_t skip = common_prefix(s, from, to);
    for (size_t i = from; i < to; i++) {
        struct str v = value_of(s->pairs, s->items[i].pair);
        uint8_t bytes[8] = { 0 };
        size_t n = v.len - skip < sizeof bytes ? v.len - skip : sizeof bytes;
        memcpy(bytes, v.ptr + skip, n);
        uint64_t word;
        memcpy(&word, bytes, sizeof word);
        s->items[i].prefix = __builtin_bswap64(word);
    }
}

/* Ranks of one name's pairs. */
static void rank_name(struct pair_ranks *r, struct sorting *s, size_t from, size_t to)
{
    fill_prefixes(s, from, to);
    sort_range(s, from, to, is_before_by_value);
    for (size_t i = from; i < to; i++)
        r->rank[s->items[i].pair] = (uint32_t)i + 1;
    if (!str_eq(pairs_symbol_text(s->pairs, s->items[from].name), LABEL_METRIC_NAME)) return;
    r->name_first = (uint32_t)from + 1;
    r->name_end = (uint32_t)to + 1;
}

static void rank_all(struct pair_ranks *r, struct sorting *s)
{
    sort_range(s, 0, s->count, is_before_by_name);
    for (size_t from = 0; from < s->count;) {
        size_t to = from + 1;
        while (to < s->count && s->items[to].name == s->items[from].name)
            to++;
        rank_name(r, s, from, to);
        from = to;
    }
}

enum err_code pair_ranks_init(struct pair_ranks *r, const struct pairs *pairs, const uint8_t *used,
                              uint32_t limit, struct err *err)
{
    struct sorting s = { .pairs = pairs };
    *r = (struct pair_ranks){ .mem = pairs->mem, .limit = limit };
    size_t cap = 0;
    for (uint32_t id = 0; id < limit; id++)
        cap += used[id / 8] >> (id % 8) & 1;
    r->rank = mem_zalloc(r->mem, MEM_COMPACTION, limit * sizeof *r->rank);
    s.items = mem_alloc(r->mem, MEM_COMPACTION, cap * sizeof *s.items + 1);
    s.spare = mem_alloc(r->mem, MEM_COMPACTION, cap * sizeof *s.items + 1);
    bool has_memory = r->rank != NULL && s.items != NULL && s.spare != NULL;
    for (uint32_t id = 0; id < limit && has_memory; id++)
        if (used[id / 8] >> (id % 8) & 1)
            s.items[s.count++] = (struct item){ 0, id, pairs_get(pairs, id).name };
    ASSERT(!has_memory || s.count == cap);
    if (has_memory) rank_all(r, &s);
    mem_free(r->mem, MEM_COMPACTION, s.items, cap * sizeof *s.items + 1);
    mem_free(r->mem, MEM_COMPACTION, s.spare, cap * sizeof *s.items + 1);
    if (has_memory) return ERR_OK;
    pair_ranks_deinit(r);
    return err_set(err, ERR_NOMEM, "no memory to sort label pairs");
}

void pair_ranks_deinit(struct pair_ranks *r)
{
    if (r->rank != NULL) mem_free(r->mem, MEM_COMPACTION, r->rank, r->limit * sizeof *r->rank);
    *r = (struct pair_ranks){ 0 };
}
