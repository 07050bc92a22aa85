/* SPDX-License-Identifier: Apache-2.0 */
#include "memory_source.h"

#include <stdlib.h>

/* Contents do not matter yet: the engine refuses native histograms. */
struct histogram {
    int unused;
};
static const struct histogram SOME_HISTOGRAM;

struct memory_set {
    struct series_set base;
    struct memory_series **series;
    size_t count;
    int64_t mint_ms, maxt_ms;
    bool only_newest;
};

struct memory_reader {
    struct series_reader base;
    const struct memory_set *set;
    struct sample_columns columns;
};

static void *must(void *p)
{
    if (!p) abort();
    return p;
}

void memory_source_init(struct memory_source *m, struct mem_budget *mem)
{
    *m = (struct memory_source){ 0 };
    arena_init(&m->arena, mem_source_of(mem, MEM_HEAD), (size_t)1 << 30);
}

void memory_source_clear(struct memory_source *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->series[i].ts_ms);
        free(m->series[i].value);
        free(m->series[i].is_histogram);
    }
    m->count = 0;
    arena_reset(&m->arena);
}

void memory_source_deinit(struct memory_source *m)
{
    memory_source_clear(m);
    free(m->series);
    arena_deinit(&m->arena);
}

struct memory_series *memory_source_series(struct memory_source *m, struct labels labels)
{
    for (size_t i = 0; i < m->count; i++) {
        if (labels_eq(m->series[i].labels, labels)) return &m->series[i];
    }
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->series = must(realloc(m->series, m->cap * sizeof *m->series));
    }
    struct memory_series *s = &m->series[m->count++];
    *s = (struct memory_series){ 0 };
    if (labels_copy(&m->arena, labels, &s->labels, NULL) != ERR_OK) abort();
    return s;
}

static void add(struct memory_series *s, int64_t ts_ms, double value, bool is_histogram)
{
    while (s->count && s->ts_ms[s->count - 1] >= ts_ms)
        s->count--;
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->ts_ms = must(realloc(s->ts_ms, s->cap * sizeof *s->ts_ms));
        s->value = must(realloc(s->value, s->cap * sizeof *s->value));
        s->is_histogram = must(realloc(s->is_histogram, s->cap * sizeof *s->is_histogram));
    }
    s->ts_ms[s->count] = ts_ms;
    s->is_histogram[s->count] = is_histogram;
    s->value[s->count++] = value;
}

void memory_series_add(struct memory_series *s, int64_t ts_ms, double value)
{
    add(s, ts_ms, value, false);
}

void memory_series_add_histogram(struct memory_series *s, int64_t ts_ms)
{
    add(s, ts_ms, 0, true);
}

/* ---- the interface ---- */

static size_t set_count(const struct series_set *s)
{
    return ((const struct memory_set *)s)->count;
}

static enum err_code set_labels(const struct series_set *s, size_t i, struct arena *a,
                                struct labels *out, struct err *err)
{
    (void)a;
    (void)err;
    *out = ((const struct memory_set *)s)->series[i]->labels;
    return ERR_OK;
}

static bool is_kept(const struct label_grouping *g, struct str name)
{
    bool is_listed = false;
    for (size_t i = 0; i < g->count; i++)
        is_listed |= str_eq(g->names[i], name);
    return g->is_without ? !is_listed && !str_eq(name, LABEL_METRIC_NAME) : is_listed;
}

static enum err_code set_group_hashes(const struct series_set *s, size_t first, size_t n,
                                      const struct label_grouping *g, struct hash128 *out,
                                      struct err *err)
{
    const struct memory_set *set = (const struct memory_set *)s;
    (void)err;
    for (size_t i = 0; i < n; i++) {
        struct labels labels = set->series[first + i]->labels;
        struct label kept[64];
        size_t count = 0;
        for (size_t k = 0; k < labels.len && count < 64; k++) {
            if (is_kept(g, labels.ptr[k].name)) kept[count++] = labels.ptr[k];
        }
        out[i] = labels_hash128((struct labels){ kept, count }, 0);
    }
    return ERR_OK;
}

static enum err_code reader_create(const struct series_set *s, struct mem_budget *mem,
                                   struct series_reader **out, struct err *err)
{
    struct memory_reader *r = must(calloc(1, sizeof *r));
    (void)mem;
    (void)err;
    r->base.ops = s->ops;
    r->set = (const struct memory_set *)s;
    *out = &r->base;
    return ERR_OK;
}

static void reader_destroy(struct series_reader *r)
{
    struct memory_reader *reader = (struct memory_reader *)r;
    free(reader->columns.ts_ms);
    free(reader->columns.value);
    free(reader->columns.h);
    free(reader);
}

static enum err_code reader_read(struct series_reader *r, size_t i, struct sample_columns *out,
                                 struct err *err)
{
    struct memory_reader *reader = (struct memory_reader *)r;
    const struct memory_series *s = reader->set->series[i];
    struct sample_columns *c = &reader->columns;
    (void)err;
    if (c->cap < s->count) {
        c->cap = s->count;
        c->ts_ms = must(realloc(c->ts_ms, c->cap * sizeof *c->ts_ms));
        c->value = must(realloc(c->value, c->cap * sizeof *c->value));
        c->h = must(realloc(c->h, c->cap * sizeof *c->h));
    }
    c->count = 0;
    for (size_t k = 0; k < s->count; k++) {
        if (s->ts_ms[k] < reader->set->mint_ms || s->ts_ms[k] > reader->set->maxt_ms) continue;
        if (reader->set->only_newest) c->count = 0;
        c->ts_ms[c->count] = s->ts_ms[k];
        c->h[c->count] = s->is_histogram[k] ? &SOME_HISTOGRAM : NULL;
        c->value[c->count++] = s->value[k];
    }
    *out = *c;
    return ERR_OK;
}

static void set_destroy(struct series_set *s)
{
    free(((struct memory_set *)s)->series);
    free(s);
}

static const struct series_set_ops SET_OPS = { set_count,     set_labels,     set_group_hashes,
                                               reader_create, reader_destroy, reader_read,
                                               set_destroy };

static enum err_code source_select(void *ctx, const struct source_request *req,
                                   struct mem_budget *mem, struct series_set **out, struct err *err)
{
    struct memory_source *m = ctx;
    struct memory_set *set = must(calloc(1, sizeof *set));
    (void)mem;
    (void)err;
    set->base.ops = &SET_OPS;
    set->series = must(calloc(m->count + 1, sizeof *set->series));
    set->mint_ms = req->mint_ms;
    set->maxt_ms = req->maxt_ms;
    set->only_newest = req->only_newest;
    for (size_t i = 0; i < m->count; i++) {
        if (matchers_match(req->matchers, m->series[i].labels)) {
            set->series[set->count++] = &m->series[i];
        }
    }
    *out = &set->base;
    return ERR_OK;
}

static const struct source_ops SOURCE_OPS = { .select = source_select };

struct source memory_source_of(struct memory_source *m)
{
    return (struct source){ m, &SOURCE_OPS };
}
