/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/regex_shape.h"

#include "base/assert.h"

/* Sets larger than this in bytes are not worth expanding. */
#define SET_BYTES_MAX ((size_t)128 << 10)

static const struct str EMPTY = { "", 0 };

static bool is_single(const struct shape *s)
{
    return s->kind == SHAPE_SET && s->count == 1;
}

static bool is_empty_literal(const struct shape *s)
{
    return is_single(s) && s->set[0].len == 0;
}

bool shape_literal(struct arena *a, struct str literal, struct shape *out)
{
    struct str *set = arena_new(a, struct str);
    if (set == NULL) return false;
    set[0] = literal;
    *out = (struct shape){
        .kind = SHAPE_SET, .set = set, .count = 1, .cap = 1, .is_nullable = literal.len == 0
    };
    return true;
}

struct shape shape_any(void)
{
    return (struct shape){
        .kind = SHAPE_ANY, .prefix = EMPTY, .suffix = EMPTY, .inner = EMPTY, .is_nullable = true
    };
}

struct shape shape_other(void)
{
    return (struct shape){ .kind = SHAPE_OTHER, .prefix = EMPTY, .suffix = EMPTY, .inner = EMPTY };
}

/* ---- what members have in common -------------------------------------------------------- */

static struct str common_prefix(struct str a, struct str b)
{
    size_t n = 0;
    while (n < a.len && n < b.len && a.ptr[n] == b.ptr[n])
        n++;
    return str_sub(a, 0, n);
}

static struct str common_suffix(struct str a, struct str b)
{
    size_t n = 0;
    while (n < a.len && n < b.len && a.ptr[a.len - 1 - n] == b.ptr[b.len - 1 - n])
        n++;
    return str_sub(a, a.len - n, a.len);
}

/* A substring of both, found only when one contains the other. */
static struct str common_inner(struct str a, struct str b)
{
    if (a.len > b.len) return common_inner(b, a);
    return str_find(b, a) < b.len || a.len == 0 ? a : EMPTY;
}

static struct str longer(struct str a, struct str b)
{
    return b.len > a.len ? b : a;
}

struct str shape_prefix(const struct shape *s)
{
    if (s->kind != SHAPE_SET) return s->prefix;
    struct str common = s->set[0];
    for (size_t i = 1; i < s->count && common.len > 0; i++)
        common = common_prefix(common, s->set[i]);
    return common;
}

struct str shape_suffix(const struct shape *s)
{
    if (s->kind != SHAPE_SET) return s->suffix;
    struct str common = s->set[0];
    for (size_t i = 1; i < s->count && common.len > 0; i++)
        common = common_suffix(common, s->set[i]);
    return common;
}

struct str shape_inner(const struct shape *s)
{
    if (s->kind != SHAPE_SET) return s->inner;
    return longer(shape_prefix(s), shape_suffix(s));
}

/* The same strings without the equivalence. */
static struct shape weaken(const struct shape *s)
{
    struct shape w = shape_other();
    w.prefix = shape_prefix(s);
    w.suffix = shape_suffix(s);
    w.inner = shape_inner(s);
    w.is_nullable = s->is_nullable;
    return w;
}

static bool join(struct arena *a, struct str x, struct str y, struct str *out)
{
    if (x.len == 0 || y.len == 0) {
        *out = x.len == 0 ? y : x;
        return true;
    }
    char *p = arena_array_raw(a, char, x.len + y.len);
    if (p == NULL) return false;
    memcpy(p, x.ptr, x.len);
    memcpy(p + x.len, y.ptr, y.len);
    *out = (struct str){ p, x.len + y.len };
    return true;
}

/* ---- sets ------------------------------------------------------------------------------- */

static bool set_push(struct arena *a, struct shape *s, struct str member)
{
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 4;
        struct str *set = arena_array_raw(a, struct str, cap);
        if (set == NULL) return false;
        if (s->count > 0) memcpy(set, s->set, s->count * sizeof *set);
        s->set = set;
        s->cap = cap;
    }
    s->set[s->count++] = member;
    if (member.len == 0) s->is_nullable = true;
    return true;
}

static size_t set_bytes(const struct shape *s)
{
    size_t total = 0;
    for (size_t i = 0; i < s->count; i++)
        total += s->set[i].len;
    return total;
}

/* Would every member of x followed by every member of y be a set of acceptable size? */
static bool product_fits(const struct shape *x, const struct shape *y)
{
    if (x->count > SHAPE_EXPAND_MAX || y->count > SHAPE_EXPAND_MAX) return false;
    if (x->count * y->count > SHAPE_EXPAND_MAX && x->count > 1 && y->count > 1) return false;
    return set_bytes(x) * y->count + set_bytes(y) * x->count <= SET_BYTES_MAX;
}

static bool product(struct arena *a, struct shape *x, const struct shape *y)
{
    struct shape all = { .kind = SHAPE_SET };
    for (size_t i = 0; i < x->count; i++) {
        for (size_t j = 0; j < y->count; j++) {
            struct str member;
            if (!join(a, x->set[i], y->set[j], &member)) return false;
            if (!set_push(a, &all, member)) return false;
        }
    }
    *x = all;
    return true;
}

/* ---- concatenation ---------------------------------------------------------------------- */

/* Neither has an equivalence that survives: keep the conditions. */
static bool concat_conditions(struct arena *a, struct shape *x, const struct shape *y)
{
    struct shape joined = shape_other();
    struct str seam;
    joined.prefix = shape_prefix(x);
    if (is_single(x) && !join(a, x->set[0], shape_prefix(y), &joined.prefix)) return false;
    joined.suffix = shape_suffix(y);
    if (is_single(y) && !join(a, shape_suffix(x), y->set[0], &joined.suffix)) return false;
    if (!join(a, shape_suffix(x), shape_prefix(y), &seam)) return false;
    joined.inner = longer(longer(shape_inner(x), shape_inner(y)), seam);
    joined.inner = longer(joined.inner, longer(joined.prefix, joined.suffix));
    joined.is_nullable = x->is_nullable && y->is_nullable;
    *x = joined;
    return true;
}

static struct shape with_literal(enum shape_kind kind, struct str literal)
{
    struct shape s = { .kind = kind, .prefix = EMPTY, .suffix = EMPTY, .inner = literal };
    if (kind == SHAPE_PREFIX) s.prefix = literal;
    if (kind == SHAPE_SUFFIX) s.suffix = literal;
    return s;
}

/* A single literal before `.*` and its kin. False when the pair has no equivalence. */
static bool concat_after_literal(struct arena *a, struct shape *x, const struct shape *y,
                                 bool *out_ok)
{
    struct str literal = x->set[0];
    if (y->kind == SHAPE_PREFIX) {
        *out_ok = join(a, x->set[0], y->prefix, &literal);
    } else if (y->kind != SHAPE_ANY) {
        return false;
    }
    *x = with_literal(SHAPE_PREFIX, literal);
    return true;
}

/* `.*` and its kin before a single literal. */
static bool concat_before_literal(struct arena *a, struct shape *x, const struct shape *y,
                                  bool *out_ok)
{
    struct str literal = y->set[0];
    if (x->kind == SHAPE_SUFFIX) {
        *out_ok = join(a, x->suffix, y->set[0], &literal);
    } else if (x->kind != SHAPE_ANY) {
        return false;
    }
    *x = with_literal(SHAPE_SUFFIX, literal);
    return true;
}

/* `.*` on one side, something that begins or ends with `.*` on the other. */
static bool concat_any(struct shape *x, const struct shape *y)
{
    if (x->kind == SHAPE_ANY) {
        if (y->kind == SHAPE_OTHER || y->kind == SHAPE_SET) return false;
        *x = y->kind == SHAPE_PREFIX ? with_literal(SHAPE_CONTAINS, y->prefix) : *y;
        return true;
    }
    if (y->kind != SHAPE_ANY || x->kind == SHAPE_OTHER || x->kind == SHAPE_SET) return false;
    if (x->kind == SHAPE_SUFFIX) *x = with_literal(SHAPE_CONTAINS, x->suffix);
    return true;
}

bool shape_concat(struct arena *a, struct shape *s, const struct shape *next)
{
    bool ok = true;
    if (is_empty_literal(next)) return true;
    if (is_empty_literal(s)) {
        *s = *next;
        return true;
    }
    if (s->kind == SHAPE_SET && next->kind == SHAPE_SET && product_fits(s, next))
        return product(a, s, next);
    if (is_single(s) && concat_after_literal(a, s, next, &ok)) return ok;
    if (is_single(next) && concat_before_literal(a, s, next, &ok)) return ok;
    if (concat_any(s, next)) return true;
    return concat_conditions(a, s, next);
}

/* ---- alternation ------------------------------------------------------------------------ */

static bool is_same_literal(const struct shape *x, const struct shape *y)
{
    return x->kind == y->kind && x->kind != SHAPE_OTHER && x->kind != SHAPE_SET &&
           str_eq(x->prefix, y->prefix) && str_eq(x->suffix, y->suffix) &&
           str_eq(x->inner, y->inner);
}

bool shape_alternate(struct arena *a, struct shape *s, const struct shape *other)
{
    if (s->kind == SHAPE_SET && other->kind == SHAPE_SET) {
        for (size_t i = 0; i < other->count; i++)
            if (!set_push(a, s, other->set[i])) return false;
        return true;
    }
    if (s->kind == SHAPE_ANY || is_same_literal(s, other)) return true;
    if (other->kind == SHAPE_ANY) {
        *s = *other;
        return true;
    }
    bool has_non_empty = s->kind == SHAPE_NON_EMPTY || other->kind == SHAPE_NON_EMPTY;
    if (has_non_empty && (s->is_nullable || other->is_nullable)) {
        *s = shape_any();
        return true;
    }
    if (has_non_empty && s->kind != SHAPE_OTHER && other->kind != SHAPE_OTHER) {
        *s = s->kind == SHAPE_NON_EMPTY ? *s : *other;
        return true;
    }
    struct shape either = shape_other();
    either.prefix = common_prefix(shape_prefix(s), shape_prefix(other));
    either.suffix = common_suffix(shape_suffix(s), shape_suffix(other));
    either.inner = common_inner(shape_inner(s), shape_inner(other));
    either.inner = longer(either.inner, longer(either.prefix, either.suffix));
    either.is_nullable = s->is_nullable || other->is_nullable;
    *s = either;
    return true;
}

/* ---- repetition ------------------------------------------------------------------------- */

static bool repeat_optional(struct arena *a, struct shape *s)
{
    struct shape nothing;
    if (s->kind == SHAPE_SET) return set_push(a, s, EMPTY);
    if (s->kind == SHAPE_ANY) return true;
    return shape_literal(a, EMPTY, &nothing) && shape_alternate(a, s, &nothing);
}

/* One or more. */
static void repeat_plus(struct shape *s)
{
    if (s->kind == SHAPE_ANY || s->kind == SHAPE_NON_EMPTY || is_empty_literal(s)) return;
    if (s->is_dot) {
        *s = shape_any();
        s->kind = SHAPE_NON_EMPTY;
        s->is_nullable = false;
        return;
    }
    *s = weaken(s);
}

/* Exactly `times` of a small set. */
static bool repeat_set(struct arena *a, struct shape *s, uint32_t times)
{
    struct shape unit = *s;
    for (uint32_t i = 1; i < times; i++) {
        if (s->kind != SHAPE_SET || !product_fits(s, &unit)) {
            *s = weaken(s); /* begins like fewer repetitions, ends like one, contains both */
            s->suffix = shape_suffix(&unit);
            return true;
        }
        if (!product(a, s, &unit)) return false;
    }
    return true;
}

bool shape_repeat(struct arena *a, struct shape *s, uint32_t min, uint32_t max)
{
    ASSERT(min <= max);
    if (max == 0) return shape_literal(a, EMPTY, s);
    if (min == 1 && max == 1) return true;
    if (is_empty_literal(s)) return true;
    if (min == 0 && max == 1) {
        s->is_dot = false;
        return repeat_optional(a, s);
    }
    if (max == SHAPE_UNBOUNDED && min <= 1) {
        repeat_plus(s);
        if (min == 1) return true;
        if (s->kind == SHAPE_NON_EMPTY || s->kind == SHAPE_ANY) {
            *s = shape_any();
            return true;
        }
        *s = shape_other();
        s->is_nullable = true;
        return true;
    }
    if (min == max && s->kind == SHAPE_SET) return repeat_set(a, s, min);
    bool is_nullable = min == 0 || s->is_nullable;
    *s = min == 0 ? shape_other() : weaken(s);
    s->is_nullable = is_nullable;
    return true;
}
