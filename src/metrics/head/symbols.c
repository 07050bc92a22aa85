/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/symbols.h"

#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "base/num.h"

#define UNIT 4u
#define PAGE_LOG2 14u /* units: 64 KiB */
#define PAGE_UNITS (1u << PAGE_LOG2)
#define LONG_TEXT 255u

_Static_assert(SYMBOL_SIZE_MAX + 5 + UNIT < PAGE_UNITS * UNIT, "a text fits a page");

void symbols_init(struct symbols *s, struct mem_budget *mem, uint64_t hash_seed)
{
    memset(s, 0, sizeof *s);
    paged_init(&s->texts, mem, MEM_HEAD, UNIT, PAGE_LOG2);
    hash_index_init(&s->index, mem, MEM_HEAD);
    s->limit = 1; /* unit 0 stays unused: id 0 is the empty text */
    s->hash_seed = hash_seed;
}

void symbols_deinit(struct symbols *s)
{
    paged_deinit(&s->texts);
    hash_index_deinit(&s->index);
    memset(s, 0, sizeof *s);
}

static uint32_t units_of(size_t len)
{
    size_t size = len + (len < LONG_TEXT ? 1 : 5);
    return (uint32_t)((size + UNIT - 1) / UNIT);
}

struct str symbols_text(const struct symbols *s, uint32_t sym)
{
    if (sym == 0) return (struct str){ NULL, 0 };
    const uint8_t *p = paged_at(&s->texts, sym);
    if (p[0] < LONG_TEXT) return (struct str){ (const char *)p + 1, p[0] };
    uint32_t len;
    memcpy(&len, p + 1, sizeof len);
    return (struct str){ (const char *)p + 5, len };
}

static uint32_t fingerprint_of(const struct symbols *s, struct str text)
{
    return (uint32_t)hash64(text.ptr, text.len, s->hash_seed);
}

static uint32_t find(const struct symbols *s, struct str text, uint32_t fingerprint)
{
    struct hash_probe probe = hash_index_probe(&s->index, fingerprint);
    for (uint32_t sym; (sym = hash_probe_next(&probe)) != 0;)
        if (str_eq(symbols_text(s, sym), text)) return sym;
    return 0;
}

uint32_t symbols_find(const struct symbols *s, struct str text)
{
    if (text.len == 0) return 0;
    return find(s, text, fingerprint_of(s, text));
}

/* Room for `units`: a freed text of the same size, else the end of the last page. */
static uint32_t allocate(struct symbols *s, uint32_t units)
{
    if (units < SYMBOL_FREE_CLASSES && s->free_lists[units] != 0) {
        uint32_t sym = s->free_lists[units];
        memcpy(&s->free_lists[units], paged_at(&s->texts, sym), sizeof(uint32_t));
        return sym;
    }
    uint32_t at = s->limit;
    if (at / PAGE_UNITS != (at + units - 1) / PAGE_UNITS)
        at = (at + units - 1) / PAGE_UNITS * PAGE_UNITS;
    if (at > UINT32_MAX - PAGE_UNITS) return 0;
    if (!paged_ensure(&s->texts, at)) return 0;
    s->limit = at + units;
    return at;
}

uint32_t symbols_intern(struct symbols *s, struct str text)
{
    ASSERT(text.len > 0);
    ASSERT(text.len <= SYMBOL_SIZE_MAX);
    uint32_t fingerprint = fingerprint_of(s, text);
    uint32_t sym = find(s, text, fingerprint);
    if (sym != 0) return sym;
    if (!hash_index_reserve(&s->index)) return 0;
    sym = allocate(s, units_of(text.len));
    if (sym == 0) return 0;
    uint8_t *p = paged_at(&s->texts, sym);
    if (text.len < LONG_TEXT) {
        p[0] = (uint8_t)text.len;
        memcpy(p + 1, text.ptr, text.len);
    } else {
        uint32_t len = (uint32_t)text.len;
        p[0] = LONG_TEXT;
        memcpy(p + 1, &len, sizeof len);
        memcpy(p + 5, text.ptr, text.len);
    }
    hash_index_insert(&s->index, fingerprint, sym);
    s->text_bytes += (uint64_t)units_of(text.len) * UNIT;
    return sym;
}

void symbols_unlink(struct symbols *s, uint32_t sym)
{
    struct str text = symbols_text(s, sym);
    bool was_there = hash_index_remove(&s->index, fingerprint_of(s, text), sym);
    ASSERT(was_there);
    s->text_bytes -= (uint64_t)units_of(text.len) * UNIT;
}

void symbols_release(struct symbols *s, uint32_t sym)
{
    uint32_t units = units_of(symbols_text(s, sym).len);
    /* Long texts are rare; their bytes are not reused. */
    if (units >= SYMBOL_FREE_CLASSES) return;
    memcpy(paged_at(&s->texts, sym), &s->free_lists[units], sizeof(uint32_t));
    s->free_lists[units] = sym;
}
