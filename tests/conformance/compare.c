/* SPDX-License-Identifier: Apache-2.0 */
#include "compare.h"

#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "codec/regex.h"

__attribute__((format(printf, 2, 3))) static bool differs(struct why *why, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    return false;
}

bool almost_equal(double actual, double expected)
{
    const double epsilon = 1e-6, least = 2.2250738585072014e-308;
    if (is_stale(actual) || is_stale(expected)) return is_stale(actual) && is_stale(expected);
    if ((isnan(actual) && isnan(expected)) || actual == expected) return true;
    double sum = fabs(actual) + fabs(expected), diff = fabs(actual - expected);
    if (actual == 0 || expected == 0 || sum < least) return diff < epsilon * least;
    return diff / (sum < DBL_MAX ? sum : DBL_MAX) < epsilon;
}

/* ---- texts ---- */

static bool text_matches(const struct expectation *e, struct mem_budget *mem, struct str text)
{
    struct regex *re = NULL;
    if (e->text.len == 0) return true;
    if (!e->is_regex) return str_eq(e->text, text);
    if (regex_compile(mem, e->text, REGEX_SEARCH, &re, NULL) != ERR_OK) return false;
    bool matches = regex_match(re, text);
    regex_unref(re);
    return matches;
}

bool compare_failure(const struct command *c, struct mem_budget *mem, enum err_code rc,
                     const struct err *err, struct why *why)
{
    struct str text = str_of_z(err->detail[0] ? err->detail : err->msg ? err->msg : "");
    for (size_t i = 0; i < c->expectation_count; i++) {
        const struct expectation *e = &c->expectations[i];
        if (e->kind != EXPECT_FAIL) continue;
        if (rc == ERR_OK) return differs(why, "should fail, but does not");
        if (text_matches(e, mem, text)) return true;
        return differs(why, "fails with \"" STR_FMT "\", not \"" STR_FMT "\"", STR_ARG(text),
                       STR_ARG(e->text));
    }
    return rc == ERR_OK ? true : differs(why, "fails: " STR_FMT, STR_ARG(text));
}

/* One kind of annotations against the lines of that kind. */
static bool compare_kind(const struct command *c, struct mem_budget *mem,
                         enum expectation_kind kind, const struct str *texts, size_t count,
                         struct why *why)
{
    enum expectation_kind none = kind == EXPECT_WARN ? EXPECT_NO_WARN : EXPECT_NO_INFO;
    bool is_checked = false;
    for (size_t i = 0; i < c->expectation_count; i++) {
        const struct expectation *e = &c->expectations[i];
        if (e->kind == none && count) return differs(why, "unwanted: " STR_FMT, STR_ARG(texts[0]));
        if (e->kind != kind) continue;
        bool found = false;
        for (size_t k = 0; k < count; k++)
            found |= text_matches(e, mem, texts[k]);
        if (!found) {
            return differs(why, "misses \"" STR_FMT "\", has " STR_FMT, STR_ARG(e->text),
                           STR_ARG(count ? texts[0] : STR("none")));
        }
        is_checked = true;
    }
    for (size_t k = 0; is_checked && k < count; k++) {
        bool found = false;
        for (size_t i = 0; i < c->expectation_count; i++) {
            const struct expectation *e = &c->expectations[i];
            found |= e->kind == kind && text_matches(e, mem, texts[k]);
        }
        if (!found) return differs(why, "unexpected: " STR_FMT, STR_ARG(texts[k]));
    }
    return true;
}

bool compare_annotations(const struct command *c, struct mem_budget *mem,
                         const struct promql_result *r, struct why *why)
{
    return compare_kind(c, mem, EXPECT_WARN, r->warnings, r->warning_count, why) &&
           compare_kind(c, mem, EXPECT_INFO, r->infos, r->info_count, why);
}

/* ---- series ---- */

static const struct series_values *expected_of(const struct command *c, struct labels labels)
{
    const struct series_values *found = NULL;
    for (size_t i = 0; i < c->series_count; i++) {
        if (labels_eq(c->series[i].labels, labels)) found = &c->series[i];
    }
    return found;
}

static bool differs_at(struct why *why, const char *what, struct labels labels)
{
    char text[512];
    struct str value = labels_get(labels, LABEL_METRIC_NAME);
    int n = snprintf(text, sizeof text, STR_FMT "{", STR_ARG(value));
    for (size_t i = 0; i < labels.len && n > 0 && n < (int)sizeof text; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, STR_FMT "=\"" STR_FMT "\" ",
                      STR_ARG(labels.ptr[i].name), STR_ARG(labels.ptr[i].value));
    }
    return differs(why, "%s: %s}", what, text);
}

static bool compare_value(double actual, const struct series_values *s, size_t i, struct why *why)
{
    if (i >= s->count || s->kinds[i] != ITEM_FLOAT) {
        return differs_at(why, "not a float in the script", s->labels);
    }
    if (almost_equal(actual, s->values[i])) return true;
    return differs(why, "value %zu is %.17g, not %.17g", i, actual, s->values[i]);
}

static bool is_sorted(const struct promql_result *r)
{
    for (size_t i = 1; i < r->series_count; i++) {
        if (labels_cmp(r->series[i - 1].labels, r->series[i].labels) > 0) return false;
    }
    return true;
}

/* The point of each series at ts_ms (NULL: its only one) against the script. */
static bool compare_points(const struct command *c, const struct promql_result *r,
                           const int64_t *ts_ms, struct why *why)
{
    size_t present = 0;
    for (size_t i = 0; i < r->series_count; i++) {
        const struct promql_series *s = &r->series[i];
        const struct promql_point *point = NULL;
        for (size_t k = 0; k < s->count && !point; k++) {
            if (!ts_ms || s->points[k].ts_ms == *ts_ms) point = &s->points[k];
        }
        if (!point) continue;
        present++;
        const struct series_values *e = expected_of(c, s->labels);
        if (!e) return differs_at(why, "unexpected series", s->labels);
        if (c->is_ordered && !ts_ms && e != &c->series[i]) {
            return differs_at(why, "wrong place", s->labels);
        }
        if (!compare_value(point->value, e, 0, why)) return false;
    }
    if (present == c->series_count) return true;
    return differs(why, "%zu series, not %zu", present, c->series_count);
}

static bool compare_series_points(const struct promql_series *s, const struct series_values *e,
                                  int64_t start_ms, int64_t step_ms, struct why *why)
{
    size_t at = 0;
    for (size_t i = 0; i < e->count; i++) {
        int64_t ts = start_ms + (int64_t)i * step_ms;
        if (e->kinds[i] == ITEM_NONE) continue;
        if (at >= s->count) return differs_at(why, "too few points", s->labels);
        if (s->points[at].ts_ms != ts) {
            return differs(why, "point %zu is at %lld, not %lld", at,
                           (long long)s->points[at].ts_ms, (long long)ts);
        }
        if (!compare_value(s->points[at++].value, e, i, why)) return false;
    }
    return at == s->count ? true : differs_at(why, "too many points", s->labels);
}

static bool compare_matrix(const struct command *c, const struct promql_result *r, int64_t start_ms,
                           int64_t step_ms, struct why *why)
{
    if (r->type != PROMQL_MATRIX) return differs(why, "not a matrix");
    if (!is_sorted(r)) return differs(why, "the matrix is not sorted");
    for (size_t i = 0; i < r->series_count; i++) {
        const struct series_values *e = expected_of(c, r->series[i].labels);
        if (!e) return differs_at(why, "unexpected series", r->series[i].labels);
        if (!compare_series_points(&r->series[i], e, start_ms, step_ms, why)) return false;
    }
    if (r->series_count == c->series_count) return true;
    return differs(why, "%zu series, not %zu", r->series_count, c->series_count);
}

bool compare_instant(const struct command *c, const struct promql_result *r, struct why *why)
{
    if (c->has_string) {
        if (r->type == PROMQL_STRING && str_eq(r->string, c->string)) return true;
        return differs(why, "not the string");
    }
    if (c->expects_range_vector) {
        return compare_matrix(c, r, c->vector_start_ms, c->vector_step_ms, why);
    }
    if (c->has_scalar != (r->type == PROMQL_SCALAR)) return differs(why, "wrong type");
    if (r->type == PROMQL_SCALAR) {
        double v = r->series[0].points[0].value;
        if (almost_equal(v, c->scalar)) return true;
        return differs(why, "scalar %.17g, not %.17g", v, c->scalar);
    }
    if (r->type != PROMQL_VECTOR) return differs(why, "not a vector");
    return compare_points(c, r, NULL, why);
}

bool compare_range(const struct command *c, const struct promql_result *r, struct why *why)
{
    return compare_matrix(c, r, c->start_ms, c->step_ms, why);
}

bool compare_step(const struct command *c, const struct promql_result *r, int64_t ts_ms,
                  struct why *why)
{
    if (r->type != PROMQL_MATRIX) return differs(why, "range mode: not a matrix");
    if (!is_sorted(r)) return differs(why, "range mode: the matrix is not sorted");
    if (!c->has_scalar) return compare_points(c, r, &ts_ms, why);
    if (r->series_count != 1 || r->series[0].count != 3)
        return differs(why, "range mode: no scalar");
    double v = r->series[0].points[1].value;
    if (almost_equal(v, c->scalar)) return true;
    return differs(why, "range mode: scalar %.17g, not %.17g", v, c->scalar);
}
