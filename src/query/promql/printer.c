/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/printer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/duration.h"
#include "base/float_text.h"
#include "base/num.h"
#include "query/promql/function_table.h"

#define LINE_BYTES_MAX 100

/* Either prints to `out`, or (out == NULL) only counts bytes, giving up above LINE_BYTES_MAX: that
 * is how the pretty printer learns whether a node fits in a line, in bounded time. */
struct sink {
    struct buf *out;
    size_t count;
};

static bool is_spent(const struct sink *s)
{
    return s->out ? buf_failed(s->out) : s->count > LINE_BYTES_MAX;
}

static void put(struct sink *s, struct str text)
{
    s->count += text.len;
    if (s->out) buf_put_str(s->out, text);
}
#define put_lit(s, lit) put((s), STR(lit))

/* ---- texts ---- */

/* Each byte at most as \xff, two quotes, NUL. */
#define QUOTED_SIZE(len) (4 * (len) + 8)

/* When counting, escapes of unprintable code points may count less than they take. */
static void put_quoted(struct sink *s, struct str text)
{
    char quoted[QUOTED_SIZE(LINE_BYTES_MAX)];
    if (s->out) {
        labels_print_quoted(s->out, text);
    } else if (text.len > LINE_BYTES_MAX) {
        s->count += text.len;
    } else {
        s->count += strlen(str_quote(text, quoted, sizeof quoted));
    }
}

static void put_duration(struct sink *s, int64_t ms)
{
    char text[DURATION_TEXT_SIZE];
    put(s, (struct str){ text, duration_format(ms, text) });
}

static void put_float(struct sink *s, double v, enum float_style style)
{
    char text[FLOAT_TEXT_SIZE];
    put(s, (struct str){ text, float_format(v, style, text) });
}

static void put_number(struct sink *s, const struct promql_number *n)
{
    if (n->is_duration) {
        double ms = n->value * 1000;
        ASSERT(fabs(ms) < 9.3e15);
        put_duration(s, (int64_t)round(ms));
    } else {
        put_float(s, n->value, FLOAT_PLAIN);
    }
}

static void put_label_name(struct sink *s, struct str name)
{
    if (label_name_is_legacy(name)) {
        put(s, name);
    } else {
        put_quoted(s, name);
    }
}

/* "(a, b)" */
static void put_names(struct sink *s, const struct promql_names *names)
{
    put_lit(s, "(");
    for (size_t i = 0; i < names->len && !is_spent(s); i++) {
        struct str name = names->ptr[i];
        if (i > 0) put_lit(s, ", ");
        /* Here the words of numbers are numbers. */
        if (str_eq_nocase(name, STR("inf")) || str_eq_nocase(name, STR("nan"))) {
            put_quoted(s, name);
        } else {
            put_label_name(s, name);
        }
    }
    put_lit(s, ")");
}

static void put_expr(struct sink *s, const struct promql_expr *e);

/* ---- duration expressions ---- */

static struct str duration_op_text(enum promql_duration_op op)
{
    switch (op) {
    case PROMQL_DUR_ADD: return STR("+");
    case PROMQL_DUR_SUB: return STR("-");
    case PROMQL_DUR_MUL: return STR("*");
    case PROMQL_DUR_DIV: return STR("/");
    case PROMQL_DUR_MOD: return STR("%");
    case PROMQL_DUR_POW: return STR("^");
    case PROMQL_DUR_MIN_OF: return STR("min_of");
    case PROMQL_DUR_MAX_OF: return STR("max_of");
    case PROMQL_DUR_STEP: return STR("step");
    case PROMQL_DUR_RANGE: return STR("range");
    }
    UNREACHABLE();
}

static void put_duration_expr(struct sink *s, const struct promql_duration *d)
{
    struct str op = duration_op_text(d->op);
    if (d->is_wrapped) put_lit(s, "(");
    if (d->op >= PROMQL_DUR_MIN_OF) {
        put(s, op);
        put_lit(s, "(");
        if (d->lhs) {
            put_expr(s, d->lhs);
            put_lit(s, ", ");
            put_expr(s, d->rhs);
        }
        put_lit(s, ")");
    } else if (!d->lhs) {
        if (d->op == PROMQL_DUR_SUB) put_lit(s, "-");
        put_expr(s, d->rhs);
    } else {
        put_expr(s, d->lhs);
        put_lit(s, " ");
        put(s, op);
        put_lit(s, " ");
        put_expr(s, d->rhs);
    }
    if (d->is_wrapped) put_lit(s, ")");
}

/* An expression if there is one, else milliseconds. */
static void put_duration_or_expr(struct sink *s, int64_t ms, const struct promql_expr *e)
{
    if (e) {
        put_expr(s, e);
    } else {
        put_duration(s, ms);
    }
}

/* ---- selectors ---- */

static void put_at(struct sink *s, const struct promql_time_shift *shift)
{
    char text[48];
    switch (shift->at) {
    case PROMQL_AT_NONE: return;
    case PROMQL_AT_START: put_lit(s, " @ start()"); return;
    case PROMQL_AT_END: put_lit(s, " @ end()"); return;
    case PROMQL_AT_TIME:
        (void)snprintf(text, sizeof text, " @ %.3f", (double)shift->at_ms / 1000);
        put(s, str_of_z(text));
        return;
    }
}

static void put_offset(struct sink *s, const struct promql_time_shift *shift)
{
    if (!shift->offset_expr && shift->offset_ms == 0) return;
    put_lit(s, " offset ");
    put_duration_or_expr(s, shift->offset_ms, shift->offset_expr);
}

static void put_matcher(struct sink *s, const struct matcher *m)
{
    put_label_name(s, m->name);
    put(s, match_type_text(m->type));
    put_quoted(s, m->value);
}

/* The matcher of the name that was written outside the braces. */
static bool is_outside(const struct promql_selector *sel, const struct matcher *m)
{
    return sel->name.len > 0 && m->type == MATCH_EQ && str_eq(m->name, LABEL_METRIC_NAME) &&
           str_eq(m->value, sel->name);
}

static int compare_texts(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Render each matcher to `texts`, with `slots` for their places. */
static size_t render_matchers(const struct promql_selector *sel, struct buf *texts,
                              struct str *slots)
{
    size_t count = 0, start = 0;
    struct sink sink = { texts, 0 };
    for (size_t i = 0; i < sel->matchers.len; i++) {
        if (is_outside(sel, &sel->matchers.ptr[i])) continue;
        put_matcher(&sink, &sel->matchers.ptr[i]);
        slots[count++].len = texts->len - start;
        start = texts->len;
    }
    if (buf_failed(texts)) return 0;
    for (size_t i = 0, at = 0; i < count; at += slots[i].len, i++)
        slots[i].ptr = (const char *)texts->ptr + at;
    return count;
}

/* Matchers sorted by their text, joined by ','. */
static void put_sorted(struct sink *s, const struct promql_selector *sel)
{
    const struct mem_source *mem = s->out->mem;
    struct buf texts;
    size_t size = 0;
    if (!ck_mul(sel->matchers.len, sizeof(struct str), &size)) return;
    struct str *slots = mem->alloc(mem->ctx, size);
    if (!slots) {
        s->out->failed = true;
        return;
    }
    buf_init(&texts, mem, s->out->cap_max);
    size_t count = render_matchers(sel, &texts, slots);
    qsort(slots, count, sizeof *slots, compare_texts);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) put_lit(s, ",");
        put(s, slots[i]);
    }
    if (buf_failed(&texts)) s->out->failed = true;
    buf_deinit(&texts);
    mem->free(mem->ctx, slots, size);
}

/* Only their number of bytes. */
static void count_matchers(struct sink *s, const struct promql_selector *sel)
{
    size_t shown = 0;
    for (size_t i = 0; i < sel->matchers.len && !is_spent(s); i++) {
        if (is_outside(sel, &sel->matchers.ptr[i])) continue;
        put_matcher(s, &sel->matchers.ptr[i]);
        shown++;
    }
    if (shown > 1) s->count += shown - 1;
}

/* Name and braces. */
static void put_identity(struct sink *s, const struct promql_selector *sel)
{
    put(s, sel->name);
    size_t hidden = 0;
    for (size_t i = 0; i < sel->matchers.len; i++)
        if (is_outside(sel, &sel->matchers.ptr[i])) hidden++;
    if (hidden == sel->matchers.len) {
        if (sel->name.len == 0) put_lit(s, "{}");
        return;
    }
    put_lit(s, "{");
    if (s->out) {
        put_sorted(s, sel);
    } else {
        count_matchers(s, sel);
    }
    put_lit(s, "}");
}

/* What follows the name or the brackets. */
static void put_selector_modifiers(struct sink *s, const struct promql_selector *sel)
{
    if (sel->anchored) put_lit(s, " anchored");
    if (sel->smoothed) put_lit(s, " smoothed");
    put_at(s, &sel->shift);
    put_offset(s, &sel->shift);
}

static void put_matrix(struct sink *s, const struct promql_matrix *m)
{
    const struct promql_selector *sel = m->selector->selector;
    put_identity(s, sel);
    put_lit(s, "[");
    put_duration_or_expr(s, m->range_ms, m->range_expr);
    put_lit(s, "]");
    put_selector_modifiers(s, sel);
}

static void put_subquery_suffix(struct sink *s, const struct promql_subquery *q)
{
    put_lit(s, "[");
    put_duration_or_expr(s, q->range_ms, q->range_expr);
    put_lit(s, ":");
    if (q->step_expr || q->step_ms != 0) put_duration_or_expr(s, q->step_ms, q->step_expr);
    put_lit(s, "]");
    put_at(s, &q->shift);
    put_offset(s, &q->shift);
}

/* ---- operators ---- */

static void put_fill(struct sink *s, const struct promql_matching *m)
{
    bool is_both = m->has_fill_left && m->has_fill_right &&
                   bits_of_double(m->fill_left) == bits_of_double(m->fill_right);
    if (is_both) {
        put_lit(s, " fill (");
        put_float(s, m->fill_left, FLOAT_GO_G);
        put_lit(s, ")");
        return;
    }
    if (m->has_fill_left) {
        put_lit(s, " fill_left (");
        put_float(s, m->fill_left, FLOAT_GO_G);
        put_lit(s, ")");
    }
    if (m->has_fill_right) {
        put_lit(s, " fill_right (");
        put_float(s, m->fill_right, FLOAT_GO_G);
        put_lit(s, ")");
    }
}

/* "+ on (a) group_left (b)" */
static void put_operator(struct sink *s, const struct promql_binary *b)
{
    const struct promql_matching *m = &b->matching;
    put(s, promql_op_text(b->op));
    if (b->returns_bool) put_lit(s, " bool");
    if (!b->has_matching) return;
    bool is_grouped = m->card == PROMQL_MANY_TO_ONE || m->card == PROMQL_ONE_TO_MANY;
    if (m->labels.len > 0 || m->is_on || is_grouped) {
        put(s, m->is_on ? STR(" on ") : STR(" ignoring "));
        put_names(s, &m->labels);
    }
    if (is_grouped) {
        put(s, m->card == PROMQL_MANY_TO_ONE ? STR(" group_left ") : STR(" group_right "));
        put_names(s, &m->include);
    }
    put_fill(s, m);
}

/* "+Inf ^ 2" would be a sign before a power, so the base of a power is "Inf". */
static bool is_infinite_base(const struct promql_binary *b)
{
    return b->op == PROMQL_OP_POW && b->lhs->kind == PROMQL_NUMBER && isinf(b->lhs->number.value) &&
           b->lhs->number.value > 0;
}

static void put_binary(struct sink *s, const struct promql_binary *b)
{
    if (is_infinite_base(b)) {
        put_lit(s, "Inf");
    } else {
        put_expr(s, b->lhs);
    }
    put_lit(s, " ");
    put_operator(s, b);
    put_lit(s, " ");
    put_expr(s, b->rhs);
}

/* "sum by (a) " */
static void put_aggregate_head(struct sink *s, const struct promql_aggregate *a)
{
    put(s, promql_agg_text(a->op));
    if (!a->is_without && a->grouping.len == 0) return;
    put(s, a->is_without ? STR(" without ") : STR(" by "));
    put_names(s, &a->grouping);
    put_lit(s, " ");
}

static void put_aggregate(struct sink *s, const struct promql_aggregate *a)
{
    put_aggregate_head(s, a);
    put_lit(s, "(");
    if (a->param) {
        put_expr(s, a->param);
        put_lit(s, ", ");
    }
    put_expr(s, a->inner);
    put_lit(s, ")");
}

static void put_call(struct sink *s, const struct promql_call *call)
{
    put(s, call->fn->name);
    put_lit(s, "(");
    for (size_t i = 0; i < call->arg_count && !is_spent(s); i++) {
        if (i > 0) put_lit(s, ", ");
        put_expr(s, call->args[i]);
    }
    put_lit(s, ")");
}

static void put_expr(struct sink *s, const struct promql_expr *e)
{
    if (is_spent(s)) return;
    switch (e->kind) {
    case PROMQL_NUMBER: put_number(s, &e->number); return;
    case PROMQL_STRING_LITERAL: put_quoted(s, e->string); return;
    case PROMQL_VECTOR_SELECTOR:
        put_identity(s, e->selector);
        put_selector_modifiers(s, e->selector);
        return;
    case PROMQL_MATRIX_SELECTOR: put_matrix(s, e->matrix); return;
    case PROMQL_SUBQUERY:
        put_expr(s, e->subquery->inner);
        put_subquery_suffix(s, e->subquery);
        return;
    case PROMQL_AGGREGATE: put_aggregate(s, e->aggregate); return;
    case PROMQL_BINARY: put_binary(s, e->binary); return;
    case PROMQL_UNARY:
        put(s, e->unary.is_minus ? STR("-") : STR("+"));
        put_expr(s, e->unary.inner);
        return;
    case PROMQL_CALL: put_call(s, e->call); return;
    case PROMQL_PAREN:
        put_lit(s, "(");
        put_expr(s, e->inner);
        put_lit(s, ")");
        return;
    case PROMQL_STEP_INVARIANT: put_expr(s, e->inner); return;
    case PROMQL_DURATION: put_duration_expr(s, e->duration); return;
    }
}

void promql_print(struct buf *out, const struct promql_expr *e)
{
    struct sink s = { out, 0 };
    put_expr(&s, e);
}

/* ---- pretty ---- */

static bool needs_split(const struct promql_expr *e)
{
    struct sink s = { NULL, 0 };
    put_expr(&s, e);
    return is_spent(&s);
}

static void indent(struct sink *s, unsigned level)
{
    for (unsigned i = 0; i < level; i++)
        put_lit(s, "  ");
}

static void put_pretty(struct sink *s, const struct promql_expr *e, unsigned level);

static void pretty_binary(struct sink *s, const struct promql_binary *b, unsigned level)
{
    if (is_infinite_base(b)) {
        indent(s, level + 1);
        put_lit(s, "Inf");
    } else {
        put_pretty(s, b->lhs, level + 1);
    }
    put_lit(s, "\n");
    indent(s, level);
    put_operator(s, b);
    put_lit(s, "\n");
    put_pretty(s, b->rhs, level + 1);
}

static void pretty_aggregate(struct sink *s, const struct promql_aggregate *a, unsigned level)
{
    indent(s, level);
    put_aggregate_head(s, a);
    put_lit(s, "(\n");
    if (a->param) {
        put_pretty(s, a->param, level + 1);
        put_lit(s, ",\n");
    }
    put_pretty(s, a->inner, level + 1);
    put_lit(s, "\n");
    indent(s, level);
    put_lit(s, ")");
}

static void pretty_call(struct sink *s, const struct promql_call *call, unsigned level)
{
    indent(s, level);
    put(s, call->fn->name);
    put_lit(s, "(\n");
    for (size_t i = 0; i < call->arg_count && !is_spent(s); i++) {
        if (i > 0) put_lit(s, ",\n");
        put_pretty(s, call->args[i], level + 1);
    }
    put_lit(s, "\n");
    indent(s, level);
    put_lit(s, ")");
}

/* The operand of a sign, without its first indentation. */
static void pretty_unary(struct sink *s, const struct promql_unary *u, unsigned level)
{
    indent(s, level);
    put(s, u->is_minus ? STR("-") : STR("+"));
    struct buf *out = s->out;
    size_t start = out->len;
    put_pretty(s, u->inner, level);
    if (buf_failed(out)) return;
    size_t blanks = 0;
    while (start + blanks < out->len && out->ptr[start + blanks] == ' ')
        blanks++;
    memmove(out->ptr + start, out->ptr + start + blanks, out->len - start - blanks);
    out->len -= blanks;
}

/* A node with its indentation; nodes that fit in a line are put as they are. A subquery that fits
 * is not indented: so does Prometheus. */
static void put_pretty(struct sink *s, const struct promql_expr *e, unsigned level)
{
    ASSERT(s->out);
    if (is_spent(s)) return;
    if (e->kind == PROMQL_STEP_INVARIANT) {
        put_pretty(s, e->inner, level);
        return;
    }
    if (e->kind == PROMQL_UNARY) {
        pretty_unary(s, &e->unary, level);
        return;
    }
    bool is_split = needs_split(e);
    /* not over the enum: the other kinds are never split */
    switch (is_split ? (int)e->kind : -1) {
    case PROMQL_AGGREGATE: pretty_aggregate(s, e->aggregate, level); return;
    case PROMQL_BINARY: pretty_binary(s, e->binary, level); return;
    case PROMQL_CALL: pretty_call(s, e->call, level); return;
    case PROMQL_SUBQUERY:
        put_pretty(s, e->subquery->inner, level);
        put_subquery_suffix(s, e->subquery);
        return;
    case PROMQL_PAREN:
        indent(s, level);
        put_lit(s, "(\n");
        put_pretty(s, e->inner, level + 1);
        put_lit(s, "\n");
        indent(s, level);
        put_lit(s, ")");
        return;
    default:
        if (e->kind != PROMQL_SUBQUERY) indent(s, level);
        put_expr(s, e);
        return;
    }
}

void promql_print_pretty(struct buf *out, const struct promql_expr *e)
{
    struct sink s = { out, 0 };
    put_pretty(&s, e, 0);
}
