/* SPDX-License-Identifier: Apache-2.0
 *
 * Classic histograms: histogram_quantile, histogram_quantiles and histogram_fraction over series
 * with `le`.
 *
 * Series are grouped by their labels without `le`; in each group the buckets of a step are sorted
 * by bound, equal bounds merged, and read as a cumulative distribution.
 *
 * Source    promql.md 12.2 and 12.4.
 */
#include <math.h>
#include <stdlib.h>

#include "base/float_text.h"
#include "base/time.h"
#include "query/promql/eval.h"

struct bucket {
    double bound, count;
};

struct classic {
    struct eval *e;
    const struct promql_expr *x;
    const struct promql_expr *arg; /* the vector argument */
    const struct grid *g;
    struct vector in;
    double *bounds;   /* [series] */
    uint32_t *groups; /* [series] */
    size_t group_count;
    uint32_t *members;
    size_t *begin;
    struct labels *labels; /* [groups]: without le */
    bool *drop_name;
    struct bucket *buckets;
    /* what had to be forced to be monotonic */
    size_t forced_count;
    double forced_low, forced_high, forced_diff;
    int64_t forced_first_ms, forced_last_ms;
};

/* ---- grouping ---- */

static void warn_bad_bound(const struct classic *c, const struct eval_series *s)
{
    struct str le = labels_get(s->labels, STR("le"));
    struct str name = labels_get(s->labels, LABEL_METRIC_NAME);
    if (name.len && c->e->options->delayed_name_removal) {
        annotations_warn(&c->e->annotations, c->arg->pos,
                         "bucket label \"le\" is missing or has a malformed value of \"" STR_FMT
                         "\" for metric name \"" STR_FMT "\"",
                         STR_ARG(le), STR_ARG(name));
    } else {
        annotations_warn(&c->e->annotations, c->arg->pos,
                         "bucket label \"le\" is missing or has a malformed value of \"" STR_FMT
                         "\"",
                         STR_ARG(le));
    }
}

/* Leave out series without a usable bound. */
static enum err_code read_bounds(struct classic *c)
{
    size_t n = 0;
    c->bounds = arena_array_raw(c->e->arena, double, c->in.count + 1);
    if (!c->bounds) return eval_fail_nomem(c->e);
    for (size_t i = 0; i < c->in.count; i++) {
        struct eval_series *s = &c->in.series[i];
        if (!float_parse(labels_get(s->labels, STR("le")), &c->bounds[n])) {
            warn_bad_bound(c, s);
            continue;
        }
        c->in.series[n++] = *s;
    }
    c->in.count = n;
    return ERR_OK;
}

static enum err_code without_bound(struct eval *e, struct labels in, struct labels *out)
{
    struct label *kept = arena_array_raw(e->arena, struct label, in.len + 1);
    size_t n = 0;
    if (!kept) return eval_fail_nomem(e);
    for (size_t i = 0; i < in.len; i++) {
        bool is_name = str_eq(in.ptr[i].name, LABEL_METRIC_NAME);
        if (str_eq(in.ptr[i].name, STR("le"))) continue;
        if (is_name && !e->options->delayed_name_removal) continue;
        kept[n++] = in.ptr[i];
    }
    *out = (struct labels){ kept, n };
    return ERR_OK;
}

static enum err_code group_buckets(struct classic *c)
{
    struct eval *e = c->e;
    size_t count = c->in.count;
    struct labels *labels = arena_array(e->arena, struct labels, count + 1);
    struct hash128 *keys = arena_array_raw(e->arena, struct hash128, count + 1);
    c->groups = arena_array_raw(e->arena, uint32_t, count + 1);
    c->members = arena_array_raw(e->arena, uint32_t, count + 1);
    c->buckets = arena_array_raw(e->arena, struct bucket, count + 1);
    if (!labels || !keys || !c->groups || !c->members || !c->buckets) return eval_fail_nomem(e);
    for (size_t i = 0; i < count; i++) {
        TRY(without_bound(e, c->in.series[i].labels, &labels[i]));
        keys[i] = labels_hash128(labels[i], 0);
    }
    TRY(group_ids(e, keys, count, c->groups, &c->group_count));
    c->begin = arena_array(e->arena, size_t, c->group_count + 2);
    c->labels = arena_array(e->arena, struct labels, c->group_count + 1);
    c->drop_name = arena_array(e->arena, bool, c->group_count + 1);
    if (!c->begin || !c->labels || !c->drop_name) return eval_fail_nomem(e);
    for (size_t i = 0; i < count; i++)
        c->begin[c->groups[i] + 2]++;
    for (size_t i = 2; i < c->group_count + 2; i++)
        c->begin[i] += c->begin[i - 1];
    for (size_t i = 0; i < count; i++) {
        c->members[c->begin[c->groups[i] + 1]++] = (uint32_t)i;
        c->labels[c->groups[i]] = labels[i];
    }
    return ERR_OK;
}

/* ---- one distribution ---- */

static int by_bound(const void *a, const void *b)
{
    const struct bucket *x = a, *y = b;
    return (x->bound > y->bound) - (x->bound < y->bound);
}

/* Sorted buckets of a group at a step, equal bounds added up. */
static size_t gather(struct classic *c, size_t group, size_t k)
{
    size_t n = 0, merged = 0;
    for (size_t at = c->begin[group]; at < c->begin[group + 1]; at++) {
        const struct row *row = &c->in.series[c->members[at]].row;
        if (!row->has[k]) continue;
        c->buckets[n++] = (struct bucket){ c->bounds[c->members[at]], row->value[k] };
    }
    qsort(c->buckets, n, sizeof *c->buckets, by_bound);
    for (size_t i = 0; i < n; i++) {
        if (merged && c->buckets[merged - 1].bound == c->buckets[i].bound) {
            c->buckets[merged - 1].count += c->buckets[i].count;
        } else {
            c->buckets[merged++] = c->buckets[i];
        }
    }
    return merged;
}

/* |a - b| small beside them (util/almost). */
static bool almost_equal(double a, double b, double epsilon)
{
    double sum = fabs(a) + fabs(b), diff = fabs(a - b);
    if (a == b) return true;
    if (a == 0 || b == 0 || sum < 2.2250738585072014e-308) {
        return diff < epsilon * 2.2250738585072014e-308;
    }
    return diff / (sum < 1.7976931348623157e308 ? sum : 1.7976931348623157e308) < epsilon;
}

/* Counts must not fall with the bound: float noise is smoothed silently, the rest is reported. */
static void make_monotonic(struct classic *c, size_t n, int64_t ts_ms)
{
    double previous = c->buckets[0].count;
    bool is_forced = false;
    for (size_t i = 1; i < n; i++) {
        double now = c->buckets[i].count;
        if (now == previous) continue;
        if (almost_equal(now, previous, 1e-12)) {
            c->buckets[i].count = previous;
        } else if (now < previous) {
            double diff = previous - now;
            if (c->forced_count == 0 && !is_forced) {
                c->forced_low = c->forced_high = c->buckets[i].bound;
                c->forced_first_ms = ts_ms;
                c->forced_last_ms = ts_ms;
            }
            is_forced = true;
            if (c->buckets[i].bound < c->forced_low) c->forced_low = c->buckets[i].bound;
            if (c->buckets[i].bound > c->forced_high) c->forced_high = c->buckets[i].bound;
            if (diff > c->forced_diff) c->forced_diff = diff;
            c->buckets[i].count = previous;
        } else {
            previous = now;
        }
    }
    if (!is_forced) return;
    c->forced_count++;
    if (ts_ms < c->forced_first_ms) c->forced_first_ms = ts_ms;
    if (ts_ms > c->forced_last_ms) c->forced_last_ms = ts_ms;
}

/* The first of n buckets whose count reaches the rank, or n; with NaN among the counts a search
 * by halves still gives one answer: that of Prometheus. */
static size_t bucket_of_rank(const struct bucket *b, size_t n, double rank)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b[middle].count >= rank) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static double bucket_quantile(struct classic *c, double q, size_t n, int64_t ts_ms)
{
    struct bucket *b = c->buckets;
    if (isnan(q)) return NAN;
    if (q < 0) return -INFINITY;
    if (q > 1) return INFINITY;
    if (n == 0 || !isinf(b[n - 1].bound) || b[n - 1].bound < 0) return NAN;
    make_monotonic(c, n, ts_ms);
    if (n < 2 || b[n - 1].count == 0) return NAN;
    double rank = q * b[n - 1].count;
    size_t at = bucket_of_rank(b, n - 1, rank);
    if (at == n - 1) return b[n - 2].bound;
    if (at == 0 && b[0].bound <= 0) return b[0].bound;
    double start = at > 0 ? b[at - 1].bound : 0, end = b[at].bound;
    double below = at > 0 ? b[at - 1].count : 0;
    return start + (end - start) * ((rank - below) / (b[at].count - below));
}

static double bucket_fraction(const struct bucket *b, size_t n, double lower, double upper)
{
    double rank = 0, lower_rank = 0, upper_rank = 0;
    bool has_lower = false, has_upper = false;
    if (n == 0 || !isinf(b[n - 1].bound) || b[n - 1].bound < 0) return NAN;
    double total = b[n - 1].count;
    if (total == 0 || isnan(lower) || isnan(upper)) return NAN;
    if (lower >= upper) return 0;
    for (size_t i = 0; i < n; i++) {
        double low = i > 0 ? b[i - 1].bound : b[0].bound > 0 ? 0 : -INFINITY, high = b[i].bound;
        double width = high - low;
        double inside = b[i].count - rank;
        if (!has_lower && low >= lower) {
            lower_rank = rank;
            has_lower = true;
        }
        if (!has_upper && low >= upper) {
            upper_rank = rank;
            has_upper = true;
        }
        if (has_lower && has_upper) break;
        if (!has_lower && low < lower && high > lower) {
            lower_rank = isinf(low) ? b[i].count
                                    : rank + inside * (isinf(width) ? 0 : (lower - low) / width);
            has_lower = true;
        }
        if (!has_upper && low < upper && high > upper) {
            upper_rank = isinf(low) ? b[i].count
                                    : rank + inside * (isinf(width) ? 0 : (upper - low) / width);
            has_upper = true;
        }
        if (has_lower && has_upper) break;
        rank = b[i].count;
    }
    if (!has_lower || lower_rank > total) lower_rank = total;
    if (!has_upper || upper_rank > total) upper_rank = total;
    return (upper_rank - lower_rank) / total;
}

/* ---- the functions ---- */

static enum err_code open_classic(struct classic *c, struct eval *e, const struct promql_expr *x,
                                  const struct promql_expr *arg, const struct grid *g)
{
    *c = (struct classic){ .e = e, .x = x, .arg = arg, .g = g };
    TRY(eval_vector(e, arg, g, &c->in));
    TRY(read_bounds(c));
    return group_buckets(c);
}

/* Whole seconds: "2006-01-02T15:04:05Z". */
static void second_text(int64_t ts_ms, char *out)
{
    int64_t second = ts_ms >= 0 ? ts_ms / 1000 : -((999 - ts_ms) / 1000);
    out[time_format_rfc3339(second * 1000, out)] = '\0';
}

static void report_forced(const struct classic *c)
{
    char low[FLOAT_TEXT_SIZE], high[FLOAT_TEXT_SIZE];
    char first[TIME_TEXT_SIZE + 1], last[TIME_TEXT_SIZE + 1];
    if (c->forced_count == 0) return;
    int low_len = (int)float_format(c->forced_low, FLOAT_GO_G, low);
    int high_len = (int)float_format(c->forced_high, FLOAT_GO_G, high);
    second_text(c->forced_first_ms, first);
    second_text(c->forced_last_ms, last);
    annotations_info(&c->e->annotations, c->arg->pos,
                     "input to histogram_quantile needed to be fixed for monotonicity (see "
                     "https://prometheus.io/docs/prometheus/latest/querying/functions/"
                     "#histogram_quantile), from buckets %.*s to %.*s, with a max diff of %.2g, "
                     "over %zu samples from %s to %s",
                     low_len, low, high_len, high, c->forced_diff, c->forced_count, first, last);
}

static enum err_code group_output(struct classic *c, size_t group, struct eval_series *s)
{
    s->labels = c->labels[group];
    s->drop_name = true;
    return eval_row(c->e, c->e->arena, c->g->count, &s->row);
}

static enum err_code quantile_rows(struct classic *c, const struct promql_expr *at, const double *q,
                                   struct eval_series *out)
{
    for (size_t k = 0; k < c->g->count; k++)
        warn_quantile(c->e, at->pos, q[k]);
    for (size_t group = 0; group < c->group_count; group++) {
        TRY(group_output(c, group, &out[group]));
        for (size_t k = 0; k < c->g->count; k++) {
            size_t n = gather(c, group, k);
            if (n == 0) continue;
            out[group].row.has[k] = 1;
            out[group].row.value[k] = bucket_quantile(c, q[k], n, grid_ts(c->g, k));
        }
    }
    return ERR_OK;
}

/* histogram_quantiles(v, "label", q1, q2, ...): label = q as OpenMetrics prints it. */
static enum err_code add_quantile_label(struct classic *c, struct str label, double q,
                                        struct eval_series *s)
{
    char text[FLOAT_TEXT_SIZE];
    struct labels_builder b;
    struct str value =
        arena_str(c->e->arena, (struct str){ text, float_format(q, FLOAT_OM, text) });
    if (!value.ptr) return eval_fail_nomem(c->e);
    labels_builder_init(&b, c->e->arena);
    for (size_t i = 0; i < s->labels.len; i++) {
        labels_builder_add(&b, s->labels.ptr[i].name, s->labels.ptr[i].value);
    }
    labels_builder_set(&b, label, value);
    return labels_builder_finish(&b, NULL, &s->labels, NULL) == ERR_OK ? ERR_OK
                                                                       : eval_fail_nomem(c->e);
}

enum err_code fn_histogram_quantile(struct eval *e, const struct promql_expr *x,
                                    const struct grid *g, struct vector *out)
{
    bool is_many = x->call->fn->id == PROMQL_FN_HISTOGRAM_QUANTILES;
    size_t first = is_many ? 2 : 0, last = is_many ? x->call->arg_count : 1, n = 0;
    struct classic c;
    TRY(open_classic(&c, e, x, x->call->args[is_many ? 0 : 1], g));
    out->series = arena_array(e->arena, struct eval_series, c.group_count * (last - first) + 1);
    if (!out->series) return eval_fail_nomem(e);
    for (size_t i = first; i < last; i++) {
        double *q;
        TRY(eval_scalar(e, x->call->args[i], g, &q));
        TRY(quantile_rows(&c, x->call->args[i], q, out->series + n));
        for (size_t s = 0; is_many && s < c.group_count; s++) {
            TRY(add_quantile_label(&c, eval_string(x->call->args[1]), q[0], &out->series[n + s]));
        }
        n += c.group_count;
    }
    out->count = n;
    report_forced(&c);
    vector_drop_empty(g, out);
    return vector_after_call(e, g, out);
}

enum err_code fn_histogram_fraction(struct eval *e, const struct promql_expr *x,
                                    const struct grid *g, struct vector *out)
{
    struct classic c;
    double *lower, *upper;
    TRY(eval_scalar(e, x->call->args[0], g, &lower));
    TRY(eval_scalar(e, x->call->args[1], g, &upper));
    TRY(open_classic(&c, e, x, x->call->args[2], g));
    *out = (struct vector){ arena_array(e->arena, struct eval_series, c.group_count + 1),
                            c.group_count };
    if (!out->series) return eval_fail_nomem(e);
    for (size_t group = 0; group < c.group_count; group++) {
        TRY(group_output(&c, group, &out->series[group]));
        for (size_t k = 0; k < g->count; k++) {
            size_t n = gather(&c, group, k);
            if (n == 0) continue;
            out->series[group].row.has[k] = 1;
            out->series[group].row.value[k] = bucket_fraction(c.buckets, n, lower[k], upper[k]);
        }
    }
    vector_drop_empty(g, out);
    return vector_after_call(e, g, out);
}
