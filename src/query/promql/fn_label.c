/* SPDX-License-Identifier: Apache-2.0
 *
 * label_replace, label_join, sort_by_label.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "codec/regex.h"
#include "query/promql/eval.h"

#define VALUE_BYTES_MAX ((size_t)1 << 20)

/* labels with `name` := `value`, deleted when empty. */
static enum err_code with_label(struct eval *e, struct labels in, struct str name, struct str value,
                                struct labels *out)
{
    struct labels_builder b;
    labels_builder_init(&b, e->arena);
    for (size_t i = 0; i < in.len; i++)
        labels_builder_add(&b, in.ptr[i].name, in.ptr[i].value);
    labels_builder_set(&b, name, value);
    return labels_builder_finish(&b, NULL, out, NULL) == ERR_OK ? ERR_OK : eval_fail_nomem(e);
}

static enum err_code set_label(struct eval *e, struct eval_series *s, struct str name,
                               struct str value)
{
    TRY(with_label(e, s->labels, name, value, &s->labels));
    if (str_eq(name, LABEL_METRIC_NAME)) s->drop_name = false;
    return ERR_OK;
}

static enum err_code replace_one(struct eval *e, const struct regex *re, struct str dst,
                                 struct str replacement, struct str src, struct eval_series *s)
{
    struct regex_groups groups;
    struct buf text;
    if (!regex_match_groups(re, labels_get(s->labels, src), &groups)) return ERR_OK;
    buf_init(&text, e->arena->mem, VALUE_BYTES_MAX);
    regex_expand(re, replacement, &groups, &text);
    struct str value = arena_str(e->arena, buf_str(&text));
    bool failed = buf_failed(&text) || (text.len && !value.ptr);
    buf_deinit(&text);
    return failed ? eval_fail_nomem(e) : set_label(e, s, dst, value);
}

enum err_code fn_label_replace(struct eval *e, const struct promql_expr *x, const struct grid *g,
                               struct vector *out)
{
    struct promql_expr **args = x->call->args;
    struct str dst = eval_string(args[1]), replacement = eval_string(args[2]);
    struct str src = eval_string(args[3]), pattern = eval_string(args[4]);
    struct regex *re = NULL;
    enum err_code rc = regex_compile(e->options->mem, pattern, REGEX_FULL, &re, NULL);
    if (rc == ERR_NOMEM) return eval_fail_nomem(e);
    if (rc != ERR_OK) {
        return eval_failf(e, ERR_INVALID, "invalid regular expression in label_replace(): " STR_FMT,
                          STR_ARG(pattern));
    }
    if (!label_name_is_valid(dst)) {
        rc =
            eval_failf(e, ERR_INVALID,
                       "invalid destination label name in label_replace(): " STR_FMT, STR_ARG(dst));
    }
    if (rc == ERR_OK) rc = eval_vector(e, args[0], g, out);
    for (size_t i = 0; rc == ERR_OK && i < out->count; i++) {
        rc = replace_one(e, re, dst, replacement, src, &out->series[i]);
    }
    regex_unref(re);
    TRY(rc);
    return vector_after_call(e, g, out);
}

enum err_code fn_label_join(struct eval *e, const struct promql_expr *x, const struct grid *g,
                            struct vector *out)
{
    struct promql_expr **args = x->call->args;
    struct str dst = eval_string(args[1]), separator = eval_string(args[2]);
    for (size_t i = 3; i < x->call->arg_count; i++) {
        if (label_name_is_valid(eval_string(args[i]))) continue;
        return eval_failf(e, ERR_INVALID, "invalid source label name in label_join(): " STR_FMT,
                          STR_ARG(eval_string(args[i])));
    }
    if (!label_name_is_valid(dst)) {
        return eval_failf(e, ERR_INVALID,
                          "invalid destination label name in label_join(): " STR_FMT, STR_ARG(dst));
    }
    TRY(eval_vector(e, args[0], g, out));
    for (size_t s = 0; s < out->count; s++) {
        struct buf text;
        buf_init(&text, e->arena->mem, VALUE_BYTES_MAX);
        for (size_t i = 3; i < x->call->arg_count; i++) {
            if (i > 3) buf_put_str(&text, separator);
            buf_put_str(&text, labels_get(out->series[s].labels, eval_string(args[i])));
        }
        struct str value = arena_str(e->arena, buf_str(&text));
        bool failed = buf_failed(&text) || (text.len && !value.ptr);
        buf_deinit(&text);
        if (failed) return eval_fail_nomem(e);
        TRY(set_label(e, &out->series[s], dst, value));
    }
    return vector_after_call(e, g, out);
}

/* ---- sort_by_label ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The run of digits or of non-digits at the start of s. */
static struct str take_chunk(struct str *s)
{
    size_t n = 0;
    bool digits = s->len && is_digit(s->ptr[0]);
    while (n < s->len && is_digit(s->ptr[n]) == digits)
        n++;
    struct str chunk = str_sub(*s, 0, n);
    *s = str_sub(*s, n, s->len);
    return chunk;
}

static int compare_numbers(struct str a, struct str b)
{
    while (a.len > 1 && a.ptr[0] == '0')
        a = str_sub(a, 1, a.len);
    while (b.len > 1 && b.ptr[0] == '0')
        b = str_sub(b, 1, b.len);
    if (a.len != b.len) return a.len < b.len ? -1 : 1;
    return str_cmp(a, b);
}

/* "pod-2" before "pod-10". */
static int compare_natural(struct str a, struct str b)
{
    while (a.len && b.len) {
        struct str x = take_chunk(&a), y = take_chunk(&b);
        int order =
            is_digit(x.ptr[0]) && is_digit(y.ptr[0]) ? compare_numbers(x, y) : str_cmp(x, y);
        if (order) return order;
    }
    return (a.len > 0) - (b.len > 0);
}

struct sort_item {
    struct eval_series series;
    const struct promql_call *call;
};

static int by_labels(const void *a, const void *b)
{
    const struct sort_item *x = a, *y = b;
    for (size_t i = 1; i < x->call->arg_count; i++) {
        struct str name = eval_string(x->call->args[i]);
        struct str l = labels_get(x->series.labels, name), r = labels_get(y->series.labels, name);
        if (str_eq(l, r)) continue;
        return compare_natural(l, r);
    }
    return labels_cmp(x->series.labels, y->series.labels);
}

enum err_code fn_sort_by_label(struct eval *e, const struct promql_expr *x, const struct grid *g,
                               struct vector *out)
{
    bool is_down = x->call->fn->id == PROMQL_FN_SORT_BY_LABEL_DESC;
    TRY(eval_vector(e, x->call->args[0], g, out));
    if (e->query->step_ms) {
        annotations_warn(&e->annotations, x->pos,
                         "sort is ineffective for range queries since results are always ordered "
                         "by labels");
        return ERR_OK;
    }
    struct sort_item *items = arena_array(e->arena, struct sort_item, out->count + 1);
    if (!items) return eval_fail_nomem(e);
    for (size_t i = 0; i < out->count; i++)
        items[i] = (struct sort_item){ out->series[i], x->call };
    if (out->count) qsort(items, out->count, sizeof *items, by_labels);
    for (size_t i = 0; i < out->count; i++) {
        out->series[i] = items[is_down ? out->count - 1 - i : i].series;
    }
    return ERR_OK;
}
