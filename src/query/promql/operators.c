/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers: operators, and functions that map one value to one value.
 */
#include <math.h>
#include <stdlib.h>

#include "base/float_text.h"
#include "base/time.h"
#include "query/promql/eval.h"

double apply_op(enum promql_op op, double l, double r)
{
    switch ((int)op) {
    case PROMQL_OP_ADD: return l + r;
    case PROMQL_OP_SUB: return l - r;
    case PROMQL_OP_MUL: return l * r;
    case PROMQL_OP_DIV: return l / r;
    case PROMQL_OP_MOD: return fmod(l, r);
    case PROMQL_OP_POW: return pow(l, r);
    case PROMQL_OP_ATAN2: return atan2(l, r);
    default: UNREACHABLE();
    }
}

bool compare_op(enum promql_op op, double l, double r)
{
    switch ((int)op) {
    case PROMQL_OP_EQ: return l == r;
    case PROMQL_OP_NE: return l != r;
    case PROMQL_OP_LE: return l <= r;
    case PROMQL_OP_LT: return l < r;
    case PROMQL_OP_GE: return l >= r;
    case PROMQL_OP_GT: return l > r;
    default: UNREACHABLE();
    }
}

bool is_trim_op(enum promql_op op)
{
    return op == PROMQL_OP_TRIM_UPPER || op == PROMQL_OP_TRIM_LOWER;
}

void note_trim_of_floats(struct eval *e, const struct promql_expr *x)
{
    struct str op = promql_op_text(x->binary->op);
    annotations_info(&e->annotations, x->pos,
                     "incompatible sample types encountered for binary operator \"" STR_FMT
                     "\": float " STR_FMT " float",
                     STR_ARG(op), STR_ARG(op));
}

/* Only histograms can be trimmed: nothing is left of floats. */
static void map_trim(const struct map *m, const struct grid *g, struct row row)
{
    if (memchr(row.has, 1, g->count)) note_trim_of_floats(m->e, m->x);
    memset(row.has, 0, g->count);
}

/* One loop per operator, so that it is chosen once per row. Values without a point may be
 * anything. */
#define EACH_VALUE(expression)                                                                     \
    for (size_t k = 0; k < count; k++)                                                             \
    row.value[k] = (expression)

static void map_arithmetic(const struct map *m, size_t count, struct row row)
{
    const double *l = m->scalar_is_left ? m->a : row.value;
    const double *r = m->scalar_is_left ? row.value : m->a;
    switch ((int)m->op) {
    case PROMQL_OP_ADD: EACH_VALUE(l[k] + r[k]); return;
    case PROMQL_OP_SUB: EACH_VALUE(l[k] - r[k]); return;
    case PROMQL_OP_MUL: EACH_VALUE(l[k] * r[k]); return;
    case PROMQL_OP_DIV: EACH_VALUE(l[k] / r[k]); return;
    default: break;
    }
    for (size_t k = 0; k < count; k++) {
        if (row.has[k]) row.value[k] = apply_op(m->op, l[k], r[k]);
    }
}

/* row op m->a, or the other way round; a comparison filters unless it returns bool. */
void map_apply_op(const struct map *m, const struct grid *g, struct row row)
{
    const double *l = m->scalar_is_left ? m->a : row.value;
    const double *r = m->scalar_is_left ? row.value : m->a;
    if (is_trim_op(m->op)) {
        map_trim(m, g, row);
        return;
    }
    if (!promql_op_is_comparison(m->op)) {
        map_arithmetic(m, g->count, row);
        return;
    }
    for (size_t k = 0; k < g->count; k++) {
        if (!row.has[k]) continue;
        bool holds = compare_op(m->op, l[k], r[k]);
        if (m->returns_bool) {
            row.value[k] = holds;
        } else {
            row.has[k] = holds;
        }
    }
}

static void map_unary(const struct map *m, const struct grid *g, struct row row)
{
    for (size_t k = 0; k < g->count; k++) {
        if (row.has[k]) row.value[k] = m->unary(row.value[k]);
    }
}

static double sign_of(double v)
{
    return v > 0 ? 1 : v < 0 ? -1 : v;
}
static double degrees(double v)
{
    return v * 180 / M_PI;
}
static double radians(double v)
{
    return v * M_PI / 180;
}

/* ---- calendar: v is Unix seconds, UTC ---- */

static struct civil_time civil_of(double v)
{
    int64_t seconds = 0;
    (void)double_to_i64(v, &seconds);
    return civil_from_unix(seconds);
}
static double day_of_month(double v)
{
    return civil_of(v).day;
}
static double day_of_week(double v)
{
    return civil_of(v).weekday;
}
static double day_of_year(double v)
{
    return civil_of(v).yearday;
}
static double days_in_month(double v)
{
    return civil_of(v).days_in_month;
}
static double hour(double v)
{
    return civil_of(v).hour;
}
static double minute(double v)
{
    return civil_of(v).minute;
}
static double month(double v)
{
    return civil_of(v).month;
}
static double year(double v)
{
    return (double)civil_of(v).year;
}

/* ---- maps with scalar arguments ---- */

static void map_round(const struct map *m, const struct grid *g, struct row row)
{
    for (size_t k = 0; k < g->count; k++) {
        double inverse = 1 / (m->a ? m->a[k] : 1);
        row.value[k] = floor(row.value[k] * inverse + 0.5) / inverse;
    }
}

/* As Go's math.Max and math.Min: an infinity beats NaN, -0 is below 0. */
static double larger(double a, double b)
{
    if (a == INFINITY || b == INFINITY) return INFINITY;
    if (isnan(a) || isnan(b)) return NAN;
    if (a == b) return signbit(a) ? b : a;
    return a > b ? a : b;
}
static double smaller(double a, double b)
{
    if (a == -INFINITY || b == -INFINITY) return -INFINITY;
    if (isnan(a) || isnan(b)) return NAN;
    if (a == b) return signbit(a) ? a : b;
    return a < b ? a : b;
}

static void map_clamp(const struct map *m, const struct grid *g, struct row row)
{
    for (size_t k = 0; k < g->count; k++) {
        if (m->a[k] > m->b[k]) row.has[k] = 0;
        row.value[k] = larger(m->a[k], smaller(m->b[k], row.value[k]));
    }
}
static void map_clamp_min(const struct map *m, const struct grid *g, struct row row)
{
    for (size_t k = 0; k < g->count; k++)
        row.value[k] = larger(m->a[k], row.value[k]);
}
static void map_clamp_max(const struct map *m, const struct grid *g, struct row row)
{
    for (size_t k = 0; k < g->count; k++)
        row.value[k] = smaller(m->a[k], row.value[k]);
}

static const struct {
    double (*unary)(double);
    void (*fn)(const struct map *m, const struct grid *g, struct row row);
} MAPS[PROMQL_FN_COUNT_OF] = {
    [PROMQL_FN_ABS] = { fabs, map_unary },
    [PROMQL_FN_CEIL] = { ceil, map_unary },
    [PROMQL_FN_FLOOR] = { floor, map_unary },
    [PROMQL_FN_EXP] = { exp, map_unary },
    [PROMQL_FN_SQRT] = { sqrt, map_unary },
    [PROMQL_FN_LN] = { log, map_unary },
    [PROMQL_FN_LOG2] = { log2, map_unary },
    [PROMQL_FN_LOG10] = { log10, map_unary },
    [PROMQL_FN_SIN] = { sin, map_unary },
    [PROMQL_FN_COS] = { cos, map_unary },
    [PROMQL_FN_TAN] = { tan, map_unary },
    [PROMQL_FN_ASIN] = { asin, map_unary },
    [PROMQL_FN_ACOS] = { acos, map_unary },
    [PROMQL_FN_ATAN] = { atan, map_unary },
    [PROMQL_FN_SINH] = { sinh, map_unary },
    [PROMQL_FN_COSH] = { cosh, map_unary },
    [PROMQL_FN_TANH] = { tanh, map_unary },
    [PROMQL_FN_ASINH] = { asinh, map_unary },
    [PROMQL_FN_ACOSH] = { acosh, map_unary },
    [PROMQL_FN_ATANH] = { atanh, map_unary },
    [PROMQL_FN_DEG] = { degrees, map_unary },
    [PROMQL_FN_RAD] = { radians, map_unary },
    [PROMQL_FN_SGN] = { sign_of, map_unary },
    [PROMQL_FN_DAY_OF_MONTH] = { day_of_month, map_unary },
    [PROMQL_FN_DAY_OF_WEEK] = { day_of_week, map_unary },
    [PROMQL_FN_DAY_OF_YEAR] = { day_of_year, map_unary },
    [PROMQL_FN_DAYS_IN_MONTH] = { days_in_month, map_unary },
    [PROMQL_FN_HOUR] = { hour, map_unary },
    [PROMQL_FN_MINUTE] = { minute, map_unary },
    [PROMQL_FN_MONTH] = { month, map_unary },
    [PROMQL_FN_YEAR] = { year, map_unary },
    [PROMQL_FN_ROUND] = { NULL, map_round },
    [PROMQL_FN_CLAMP] = { NULL, map_clamp },
    [PROMQL_FN_CLAMP_MIN] = { NULL, map_clamp_min },
    [PROMQL_FN_CLAMP_MAX] = { NULL, map_clamp_max },
};

bool map_of_function(enum promql_function_id id, struct map *out)
{
    if (!MAPS[id].fn) return false;
    *out = (struct map){ .fn = MAPS[id].fn, .unary = MAPS[id].unary };
    return true;
}

void warn_quantile(struct eval *e, struct promql_pos pos, double q)
{
    char text[FLOAT_TEXT_SIZE];
    if (q >= 0 && q <= 1) return;
    size_t len = float_format(q, FLOAT_GO_G, text);
    annotations_warn(&e->annotations, pos, "quantile value should be between 0 and 1, got %.*s",
                     (int)len, text);
}
