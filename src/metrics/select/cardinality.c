/* SPDX-License-Identifier: Apache-2.0
 *
 * The largest names, metrics and pairs of the head, for /api/v1/status/tsdb.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/select/select_priv.h"

/* A name, or a pair whose two texts are joined only when it has won. */
struct candidate {
    struct str name, value;
    uint64_t count;
};

/* The `limit` largest counts so far: a heap with the smallest at the root. Of equal counts the
 * texts that are smaller by bytes win, so that the answer is always the same. */
struct top {
    struct candidate *rows;
    size_t count, limit;
};

static bool is_smaller(const struct candidate *a, const struct candidate *b)
{
    if (a->count != b->count) return a->count < b->count;
    int order = str_cmp(a->name, b->name);
    return order != 0 ? order > 0 : str_cmp(a->value, b->value) > 0;
}

static void swap(struct candidate *a, struct candidate *b)
{
    struct candidate t = *a;
    *a = *b;
    *b = t;
}

static void sift_down(struct candidate *rows, size_t count, size_t i)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= count) return;
        if (child + 1 < count && is_smaller(&rows[child + 1], &rows[child])) child++;
        if (!is_smaller(&rows[child], &rows[i])) return;
        swap(&rows[i], &rows[child]);
        i = child;
    }
}

static void sift_up(struct candidate *rows, size_t i)
{
    for (; i > 0 && is_smaller(&rows[i], &rows[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&rows[i], &rows[(i - 1) / 2]);
}

static void top_add(struct top *t, struct candidate row)
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
        swap(&t->rows[0], &t->rows[n - 1]);
        sift_down(t->rows, n - 1, 0);
    }
}

enum { BY_METRIC, BY_NAME, BY_BYTES, BY_PAIR, TOP_COUNT };

struct census {
    struct top tops[TOP_COUNT];
    /* the name that is being visited; texts are the head's */
    struct str name;
    uint64_t value_count, value_bytes;
};

static void end_name(struct census *c)
{
    if (c->value_count == 0) return;
    top_add(&c->tops[BY_NAME], (struct candidate){ .name = c->name, .count = c->value_count });
    top_add(&c->tops[BY_BYTES], (struct candidate){ .name = c->name, .count = c->value_bytes });
    c->value_count = c->value_bytes = 0;
}

static enum err_code visit(void *arg, const struct index_visit *v, struct err *err)
{
    struct census *c = arg;
    (void)err;
    if (c->value_count > 0 && !str_eq(c->name, v->name)) end_name(c);
    c->name = v->name;
    c->value_count++;
    c->value_bytes += v->value.len * v->series_count;
    if (str_eq(v->name, LABEL_METRIC_NAME))
        top_add(&c->tops[BY_METRIC],
                (struct candidate){ .name = v->value, .count = v->series_count });
    top_add(&c->tops[BY_PAIR], (struct candidate){ v->name, v->value, v->series_count });
    return ERR_OK;
}

static enum err_code no_memory(struct err *err)
{
    return err_set(err, ERR_NOMEM, "no memory for statistics");
}

/* Rows with texts of their own, while those of the head are still pinned. */
static enum err_code list_top(struct top *t, bool are_pairs, struct arena *a,
                              struct name_count **out, size_t *out_count, struct err *err)
{
    top_sort(t);
    struct name_count *rows = arena_array(a, struct name_count, t->count + 1);
    if (rows == NULL) return no_memory(err);
    for (size_t i = 0; i < t->count; i++) {
        const struct candidate *c = &t->rows[i];
        struct str text =
            are_pairs ? arena_printf(a, STR_FMT "=" STR_FMT, STR_ARG(c->name), STR_ARG(c->value))
                      : arena_str(a, c->name);
        if (text.ptr == NULL && c->name.len > 0) return no_memory(err);
        rows[i] = (struct name_count){ text, c->count };
    }
    *out = rows;
    *out_count = t->count;
    return ERR_OK;
}

static enum err_code take_census(struct select_store *s, size_t limit, struct arena *a,
                                 struct metrics_cardinality *out, struct err *err)
{
    struct census c = { 0 };
    for (size_t i = 0; i < TOP_COUNT; i++) {
        c.tops[i] = (struct top){ arena_array(a, struct candidate, limit + 1), 0, limit };
        if (c.tops[i].rows == NULL) return no_memory(err);
    }
    TRY(head_index_visit(s->index, visit, &c, err));
    end_name(&c);
    TRY(list_top(&c.tops[BY_METRIC], false, a, &out->series_by_metric, &out->series_by_metric_count,
                 err));
    TRY(list_top(&c.tops[BY_NAME], false, a, &out->values_by_label, &out->values_by_label_count,
                 err));
    TRY(list_top(&c.tops[BY_BYTES], false, a, &out->bytes_by_label, &out->bytes_by_label_count,
                 err));
    return list_top(&c.tops[BY_PAIR], true, a, &out->series_by_pair, &out->series_by_pair_count,
                    err);
}

enum err_code select_cardinality(struct select_store *s, size_t limit, struct arena *a,
                                 struct metrics_cardinality *out, struct err *err)
{
    struct metrics_cardinality c = { 0 };
    struct epoch_guard guard = epoch_enter(head_epoch(s->head));
    enum err_code rc = take_census(s, limit, a, &c, err);
    epoch_leave(head_epoch(s->head), &guard);
    if (rc == ERR_OK) *out = c;
    return rc;
}
