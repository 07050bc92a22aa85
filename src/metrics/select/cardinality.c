/* SPDX-License-Identifier: Apache-2.0
 *
 * The largest names, metrics and pairs of the head, for /api/v1/status/tsdb.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/select/select_priv.h"

/* The `limit` largest counts so far: a heap with the smallest at the root. Of equal counts the text
 * that is smaller by bytes wins, so that the answer is always the same. */
struct top {
    struct name_count *rows;
    size_t count, limit;
};

static bool is_smaller(const struct name_count *a, const struct name_count *b)
{
    if (a->count != b->count) return a->count < b->count;
    return str_cmp(a->name, b->name) > 0;
}

static void sift_down(struct name_count *rows, size_t count, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count) return;
        if (child + 1 < count && is_smaller(&rows[child + 1], &rows[child])) child++;
        if (!is_smaller(&rows[child], &rows[i])) return;
        struct name_count t = rows[i];
        rows[i] = rows[child];
        rows[child] = t;
        i = child;
    }
}

static void sift_up(struct name_count *rows, size_t i)
{
    while (i > 0 && is_smaller(&rows[i], &rows[(i - 1) / 2])) {
        struct name_count t = rows[i];
        rows[i] = rows[(i - 1) / 2];
        rows[(i - 1) / 2] = t;
        i = (i - 1) / 2;
    }
}

/* Would a row with this count get in, whatever its name? Saves making the name. */
static bool top_may_take(const struct top *t, uint64_t count)
{
    if (t->limit == 0) return false;
    return t->count < t->limit || count >= t->rows[0].count;
}

static void top_add(struct top *t, struct name_count row)
{
    if (t->count < t->limit) {
        t->rows[t->count] = row;
        sift_up(t->rows, t->count++);
    } else if (t->limit > 0 && is_smaller(&t->rows[0], &row)) {
        t->rows[0] = row;
        sift_down(t->rows, t->count, 0);
    }
}

/* Largest first. */
static void top_sort(struct top *t)
{
    for (size_t n = t->count; n > 1; n--) {
        struct name_count smallest = t->rows[0];
        t->rows[0] = t->rows[n - 1];
        t->rows[n - 1] = smallest;
        sift_down(t->rows, n - 1, 0);
    }
}

struct census {
    struct arena *arena;
    struct top metrics, names, bytes, pairs;
    /* the name that is being visited; texts are the head's until they are copied */
    struct str name;
    uint64_t value_count, value_bytes;
};

static void end_name(struct census *c)
{
    if (c->value_count == 0) return;
    top_add(&c->names, (struct name_count){ c->name, c->value_count });
    top_add(&c->bytes, (struct name_count){ c->name, c->value_bytes });
    c->value_count = c->value_bytes = 0;
}

static enum err_code visit(void *arg, const struct index_visit *v, struct err *err)
{
    struct census *c = arg;
    if (c->value_count > 0 && !str_eq(c->name, v->name)) end_name(c);
    c->name = v->name;
    c->value_count++;
    c->value_bytes += v->value.len * v->series_count;
    if (str_eq(v->name, LABEL_METRIC_NAME))
        top_add(&c->metrics, (struct name_count){ v->value, v->series_count });
    if (!top_may_take(&c->pairs, v->series_count)) return ERR_OK;
    struct str pair =
        arena_printf(c->arena, STR_FMT "=" STR_FMT, STR_ARG(v->name), STR_ARG(v->value));
    if (pair.ptr == NULL) return err_set(err, ERR_NOMEM, "no memory for statistics");
    top_add(&c->pairs, (struct name_count){ pair, v->series_count });
    return ERR_OK;
}

static enum err_code top_init(struct top *t, struct arena *a, size_t limit, struct err *err)
{
    t->rows = arena_array(a, struct name_count, limit + 1);
    t->limit = limit;
    return t->rows != NULL ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for statistics");
}

/* While the head's texts are still pinned. */
static enum err_code own_texts(struct top *t, struct arena *a, struct err *err)
{
    for (size_t i = 0; i < t->count; i++) {
        struct str copy = arena_str(a, t->rows[i].name);
        if (copy.len < t->rows[i].name.len)
            return err_set(err, ERR_NOMEM, "no memory for statistics");
        t->rows[i].name = copy;
    }
    return ERR_OK;
}

static enum err_code take_census(struct select_store *s, struct census *c, struct err *err)
{
    TRY(head_index_visit(s->index, visit, c, err));
    end_name(c);
    TRY(own_texts(&c->metrics, c->arena, err));
    TRY(own_texts(&c->names, c->arena, err));
    return own_texts(&c->bytes, c->arena, err);
}

enum err_code select_cardinality(struct select_store *s, size_t limit, struct arena *a,
                                 struct metrics_cardinality *out, struct err *err)
{
    struct census c = { .arena = a };
    struct top *tops[] = { &c.metrics, &c.names, &c.bytes, &c.pairs };
    for (size_t i = 0; i < 4; i++)
        TRY(top_init(tops[i], a, limit, err));
    struct epoch_guard guard = epoch_enter(head_epoch(s->head));
    enum err_code rc = take_census(s, &c, err);
    epoch_leave(head_epoch(s->head), &guard);
    if (rc != ERR_OK) return rc;
    for (size_t i = 0; i < 4; i++)
        top_sort(tops[i]);
    *out = (struct metrics_cardinality){ .series_by_metric = c.metrics.rows,
                                         .values_by_label = c.names.rows,
                                         .bytes_by_label = c.bytes.rows,
                                         .series_by_pair = c.pairs.rows,
                                         .series_by_metric_count = c.metrics.count,
                                         .values_by_label_count = c.names.count,
                                         .bytes_by_label_count = c.bytes.count,
                                         .series_by_pair_count = c.pairs.count };
    return ERR_OK;
}
