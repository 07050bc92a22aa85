/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/label_table.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/num.h"

#define FIRST_CAP 256

void label_table_init(struct label_table *t, struct mem_budget *mem)
{
    *t = (struct label_table){ .mem = mem };
    arena_init(&t->texts, mem_source_of(mem, MEM_COMPACTION), SIZE_MAX);
}

static void free_slots(struct label_table *t, struct label_slots *s)
{
    if (s->slots) mem_free(t->mem, MEM_COMPACTION, s->slots, s->count * sizeof *s->slots);
}

void label_table_deinit(struct label_table *t)
{
    if (!t->mem) return;
    arena_deinit(&t->texts);
    if (t->symbols)
        mem_free(t->mem, MEM_COMPACTION, t->symbols, t->symbol_cap * sizeof *t->symbols);
    if (t->pairs) mem_free(t->mem, MEM_COMPACTION, t->pairs, t->pair_cap * sizeof *t->pairs);
    free_slots(t, &t->symbol_slots);
    free_slots(t, &t->pair_slots);
    *t = (struct label_table){ 0 };
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for the labels of a block");
}

/* Make room for one more element of `size` bytes. */
static bool reserve_one(struct mem_budget *mem, void **array, uint32_t *cap, uint32_t count,
                        size_t size)
{
    if (count < *cap) return true;
    if (*cap > UINT32_MAX / 2) return false;
    uint32_t grown_cap = *cap ? *cap * 2 : FIRST_CAP;
    void *grown = mem_realloc(mem, MEM_COMPACTION, *array, *cap * size, grown_cap * size);
    if (!grown) return false;
    *array = grown;
    *cap = grown_cap;
    return true;
}

/* ---- hashing ---- */

static uint64_t hash_of_symbol(const struct label_table *t, uint32_t id)
{
    return hash64(t->symbols[id].ptr, t->symbols[id].len, 0);
}

static uint64_t hash_of_pair(uint32_t name, uint32_t value)
{
    uint64_t key = (uint64_t)name << 32 | value;
    return hash64(&key, sizeof key, 0);
}

/* Twice as many slots, refilled with the ids 0..count-1. */
static bool grow_slots(const struct label_table *t, struct label_slots *s, bool is_pairs)
{
    size_t slot_count = s->count ? s->count * 2 : FIRST_CAP * 2;
    uint32_t *slots = mem_zalloc(t->mem, MEM_COMPACTION, slot_count * sizeof *slots);
    if (!slots) return false;
    for (uint32_t id = 0; id < s->used; id++) {
        uint64_t hash =
            is_pairs ? hash_of_pair(t->pairs[id].name, t->pairs[id].value) : hash_of_symbol(t, id);
        size_t i = (size_t)hash & (slot_count - 1);
        while (slots[i] != 0)
            i = (i + 1) & (slot_count - 1);
        slots[i] = id + 1;
    }
    if (s->slots) mem_free(t->mem, MEM_COMPACTION, s->slots, s->count * sizeof *s->slots);
    s->slots = slots;
    s->count = slot_count;
    return true;
}

static enum err_code intern_symbol(struct label_table *t, struct str text, uint32_t *out_id,
                                   struct err *err)
{
    struct label_slots *s = &t->symbol_slots;
    if (s->used * 2 >= s->count && !grow_slots(t, s, false)) return no_memory(err);
    size_t i = (size_t)hash64(text.ptr, text.len, 0) & (s->count - 1);
    for (; s->slots[i] != 0; i = (i + 1) & (s->count - 1)) {
        if (!str_eq(t->symbols[s->slots[i] - 1], text)) continue;
        *out_id = s->slots[i] - 1;
        return ERR_OK;
    }
    if (!reserve_one(t->mem, (void **)&t->symbols, &t->symbol_cap, t->symbol_count,
                     sizeof *t->symbols))
        return no_memory(err);
    struct str copy = arena_str(&t->texts, text);
    if (!copy.ptr && text.len > 0) return no_memory(err);
    t->symbols[t->symbol_count] = copy;
    s->slots[i] = ++t->symbol_count;
    s->used++;
    *out_id = t->symbol_count - 1;
    return ERR_OK;
}

enum err_code label_table_pair(struct label_table *t, struct str name, struct str value,
                               uint32_t *out_id, struct err *err)
{
    uint32_t name_id, value_id;
    TRY(intern_symbol(t, name, &name_id, err));
    TRY(intern_symbol(t, value, &value_id, err));
    struct label_slots *s = &t->pair_slots;
    if (s->used * 2 >= s->count && !grow_slots(t, s, true)) return no_memory(err);
    size_t i = (size_t)hash_of_pair(name_id, value_id) & (s->count - 1);
    for (; s->slots[i] != 0; i = (i + 1) & (s->count - 1)) {
        const struct label_pair *p = &t->pairs[s->slots[i] - 1];
        if (p->name != name_id || p->value != value_id) continue;
        *out_id = s->slots[i] - 1;
        return ERR_OK;
    }
    if (!reserve_one(t->mem, (void **)&t->pairs, &t->pair_cap, t->pair_count, sizeof *t->pairs))
        return no_memory(err);
    t->pairs[t->pair_count] = (struct label_pair){ name_id, value_id, 0 };
    s->slots[i] = ++t->pair_count;
    s->used++;
    *out_id = t->pair_count - 1;
    return ERR_OK;
}

/* ---- sorting ---- */

/* An id with the first 8 bytes of what it stands for, so that most comparisons touch no text. */
struct sort_key {
    uint64_t head;
    uint32_t id;
};

static uint64_t head_of_text(struct str s)
{
    uint8_t head[8] = { 0 };
    if (s.len > 0) memcpy(head, s.ptr, s.len < 8 ? s.len : 8);
    uint64_t v;
    memcpy(&v, head, 8);
    return __builtin_bswap64(v);
}

/* texts NULL: the head decides alone. */
static bool key_is_less(struct sort_key a, struct sort_key b, const struct str *texts)
{
    if (a.head != b.head || !texts) return a.head < b.head;
    return str_cmp(texts[a.id], texts[b.id]) < 0;
}

/* Bottom-up merge sort; the result is in *keys. */
static void sort_keys(struct sort_key **keys, struct sort_key **scratch, size_t count,
                      const struct str *texts)
{
    for (size_t width = 1; width < count; width *= 2) {
        const struct sort_key *in = *keys;
        struct sort_key *out = *scratch;
        for (size_t from = 0; from < count; from += 2 * width) {
            size_t middle = from + width < count ? from + width : count;
            size_t to = middle + width < count ? middle + width : count;
            size_t i = from, j = middle;
            for (size_t k = from; k < to; k++) {
                bool take_right = i == middle || (j < to && key_is_less(in[j], in[i], texts));
                out[k] = take_right ? in[j++] : in[i++];
            }
        }
        *scratch = *keys;
        *keys = out;
    }
}

static uint32_t *u32_array(struct mem_budget *mem, size_t count)
{
    return mem_alloc(mem, MEM_COMPACTION, (count + 1) * sizeof(uint32_t));
}

static void sort_symbols(const struct label_table *t, struct sort_key *keys,
                         struct sort_key *scratch, struct label_order *o)
{
    for (uint32_t id = 0; id < t->symbol_count; id++)
        keys[id] = (struct sort_key){ head_of_text(t->symbols[id]), id };
    sort_keys(&keys, &scratch, t->symbol_count, t->symbols);
    for (uint32_t rank = 0; rank < t->symbol_count; rank++) {
        o->symbols[rank] = keys[rank].id;
        o->symbol_ranks[keys[rank].id] = rank;
    }
}

static void sort_pairs(const struct label_table *t, struct sort_key *keys, struct sort_key *scratch,
                       struct label_order *o)
{
    for (uint32_t id = 0; id < t->pair_count; id++) {
        uint64_t name = o->symbol_ranks[t->pairs[id].name];
        keys[id] = (struct sort_key){ name << 32 | o->symbol_ranks[t->pairs[id].value], id };
    }
    sort_keys(&keys, &scratch, t->pair_count, NULL);
    for (uint32_t place = 0; place < t->pair_count; place++) {
        o->pairs[place] = keys[place].id;
        o->pair_places[keys[place].id] = place;
    }
}

enum err_code label_table_sort(const struct label_table *t, struct label_order *out,
                               struct err *err)
{
    struct mem_budget *mem = t->mem;
    *out = (struct label_order){ .mem = mem,
                                 .symbol_count = t->symbol_count,
                                 .pair_count = t->pair_count };
    size_t most = t->symbol_count > t->pair_count ? t->symbol_count : t->pair_count;
    size_t size = (most + 1) * 2 * sizeof(struct sort_key);
    struct sort_key *keys = mem_alloc(mem, MEM_COMPACTION, size);
    out->symbols = u32_array(mem, t->symbol_count);
    out->symbol_ranks = u32_array(mem, t->symbol_count);
    out->pairs = u32_array(mem, t->pair_count);
    out->pair_places = u32_array(mem, t->pair_count);
    bool ok = keys && out->symbols && out->symbol_ranks && out->pairs && out->pair_places;
    if (ok) {
        sort_symbols(t, keys, keys + most + 1, out);
        sort_pairs(t, keys, keys + most + 1, out);
    }
    if (keys) mem_free(mem, MEM_COMPACTION, keys, size);
    if (ok) return ERR_OK;
    label_order_deinit(out);
    return no_memory(err);
}

static void free_array(struct label_order *o, uint32_t *array, size_t count)
{
    if (array) mem_free(o->mem, MEM_COMPACTION, array, (count + 1) * sizeof *array);
}

void label_order_deinit(struct label_order *o)
{
    free_array(o, o->symbols, o->symbol_count);
    free_array(o, o->symbol_ranks, o->symbol_count);
    free_array(o, o->pairs, o->pair_count);
    free_array(o, o->pair_places, o->pair_count);
    *o = (struct label_order){ 0 };
}
