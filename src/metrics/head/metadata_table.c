/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/head/metadata_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"

void metadata_table_init(struct metadata_table *t, struct mem_budget *mem)
{
    memset(t, 0, sizeof *t);
    t->mem = mem;
    mutex_init(&t->lock);
    paged_init(&t->entries, mem, MEM_HEAD, sizeof(struct metadata), 6);
    hash_index_init(&t->index, mem, MEM_HEAD);
}

static size_t text_size(const struct metadata *m)
{
    return m->family.len + m->help.len + m->unit.len + 1;
}

static struct metadata *entry_at(const struct metadata_table *t, uint32_t id)
{
    return paged_at(&t->entries, id - 1);
}

static void texts_free(struct metadata_table *t, const struct metadata *m)
{
    mem_free(t->mem, MEM_HEAD, (void *)(uintptr_t)m->family.ptr, text_size(m));
}

void metadata_table_deinit(struct metadata_table *t)
{
    for (uint32_t id = 1; id <= t->count; id++)
        texts_free(t, entry_at(t, id));
    paged_deinit(&t->entries);
    hash_index_deinit(&t->index);
    mutex_deinit(&t->lock);
    memset(t, 0, sizeof *t);
}

static struct str put_text(char **at, struct str s)
{
    struct str out = { *at, s.len };
    if (s.len > 0) memcpy(*at, s.ptr, s.len);
    *at += s.len;
    return out;
}

/* *out with texts in one block; false: no memory. */
static bool copy_texts(struct metadata_table *t, const struct metadata *m, struct metadata *out)
{
    char *at = mem_alloc(t->mem, MEM_HEAD, text_size(m));
    if (at == NULL) return false;
    *out = *m;
    out->family = put_text(&at, m->family);
    out->help = put_text(&at, m->help);
    out->unit = put_text(&at, m->unit);
    return true;
}

static uint32_t fingerprint_of(struct str family)
{
    return (uint32_t)hash64(family.ptr, family.len, 0);
}

static uint32_t find(const struct metadata_table *t, struct str family, uint32_t fingerprint)
{
    struct hash_probe probe = hash_index_probe(&t->index, fingerprint);
    for (uint32_t id; (id = hash_probe_next(&probe)) != 0;)
        if (str_eq(entry_at(t, id)->family, family)) return id;
    return 0;
}

static bool is_same(const struct metadata *a, const struct metadata *b)
{
    return a->type == b->type && str_eq(a->help, b->help) && str_eq(a->unit, b->unit);
}

bool metadata_table_set(struct metadata_table *t, const struct metadata *m)
{
    if (m->family.len == 0 || m->family.len > METADATA_TEXT_MAX || m->unit.len > METADATA_TEXT_MAX)
        return false;
    struct metadata wanted = *m;
    if (wanted.help.len > METADATA_TEXT_MAX) wanted.help.len = METADATA_TEXT_MAX;
    uint32_t fingerprint = fingerprint_of(m->family);
    MUTEX_SCOPE(&t->lock);
    uint32_t id = find(t, m->family, fingerprint);
    if (id != 0 && is_same(entry_at(t, id), &wanted)) return false;
    if (id == 0 && (t->count >= METADATA_FAMILIES_MAX || !hash_index_reserve(&t->index) ||
                    !paged_ensure(&t->entries, t->count)))
        return false;
    struct metadata copy;
    if (!copy_texts(t, &wanted, &copy)) return false;
    if (id == 0) {
        id = ++t->count;
        hash_index_insert(&t->index, fingerprint, id);
    } else {
        texts_free(t, entry_at(t, id));
    }
    *entry_at(t, id) = copy;
    return true;
}

static int by_family(const struct metadata *a, const struct metadata *b)
{
    return str_cmp(a->family, b->family);
}

/* Shell sort: a few thousand families, now and then. */
static void sort_by_family(struct metadata *m, size_t count)
{
    for (size_t gap = count / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11) {
        for (size_t i = gap; i < count; i++) {
            struct metadata moving = m[i];
            size_t k = i;
            for (; k >= gap && by_family(&m[k - gap], &moving) > 0; k -= gap)
                m[k] = m[k - gap];
            m[k] = moving;
        }
    }
}

enum err_code metadata_table_list(struct metadata_table *t, struct arena *a, struct metadata **out,
                                  size_t *out_count, struct err *err)
{
    MUTEX_SCOPE(&t->lock);
    struct metadata *list = arena_array_raw(a, struct metadata, t->count + 1);
    if (list == NULL) return err_set(err, ERR_NOMEM, "no memory for metadata");
    for (uint32_t i = 0; i < t->count; i++) {
        const struct metadata *m = entry_at(t, i + 1);
        char *at = arena_array_raw(a, char, text_size(m));
        if (at == NULL) return err_set(err, ERR_NOMEM, "no memory for metadata");
        list[i] = *m;
        list[i].family = put_text(&at, m->family);
        list[i].help = put_text(&at, m->help);
        list[i].unit = put_text(&at, m->unit);
    }
    sort_by_family(list, t->count);
    *out = list;
    *out_count = t->count;
    return ERR_OK;
}
