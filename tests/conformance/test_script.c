/* SPDX-License-Identifier: Apache-2.0 */
#include "test_script.h"

#include <math.h>
#include <stdlib.h>

#include "base/duration.h"
#include "base/float_text.h"
#include "model/sample.h"
#include "query/promql/ast.h"

#define COMMANDS_MAX 4096
#define VALUES_MAX 20000

struct lines {
    struct str *ptr; /* trimmed; comments are empty */
    size_t len, pos;
};

struct parser {
    struct arena *a;
    struct err *err;
    struct lines lines;
};

static enum err_code fail(struct parser *p, const char *what)
{
    return err_setf(p->err, ERR_INVALID, "malformed test script", "line %zu: %s", p->lines.pos + 1,
                    what);
}

/* Cut the first word (up to blanks) off *rest. */
static struct str word(struct str *rest)
{
    size_t n = 0;
    *rest = str_trim(*rest);
    while (n < rest->len && rest->ptr[n] != ' ' && rest->ptr[n] != '\t')
        n++;
    struct str w = str_sub(*rest, 0, n);
    *rest = str_trim(str_sub(*rest, n, rest->len));
    return w;
}

static enum err_code take_duration(struct parser *p, struct str w, int64_t *out)
{
    return duration_parse(w, out, NULL) == ERR_OK ? ERR_OK : fail(p, "not a duration");
}

/* ---- series and values ---- */

/* Where the label set ends: at the first blank outside of braces and quotes. */
static size_t series_length(struct str line)
{
    size_t i = 0;
    bool in_braces = false;
    char quote = '\0';
    for (; i < line.len; i++) {
        char c = line.ptr[i];
        if (quote) {
            if (c == '\\' && quote != '`') i++;
            if (c == quote) quote = '\0';
        } else if (c == '"' || c == '\'' || c == '`') {
            quote = c;
        } else if (c == '{') {
            in_braces = true;
        } else if (c == '}') {
            in_braces = false;
        } else if (!in_braces && (c == ' ' || c == '\t')) {
            break;
        }
    }
    return i;
}

static bool push(struct series_values *s, enum item_kind kind, double v)
{
    if (s->count == VALUES_MAX) return false;
    s->kinds[s->count] = kind;
    s->values[s->count++] = v;
    return true;
}

static bool push_run(struct series_values *s, enum item_kind kind, double v, double delta,
                     uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        if (!push(s, kind, v)) return false;
        v += delta;
    }
    return true;
}

/* A PromQL number: underscores, durations as seconds, any case of inf and nan. */
static bool number(struct str s, double *out)
{
    char plain[64];
    size_t n = 0;
    int64_t ms;
    for (size_t i = 0; i < s.len && n + 1 < sizeof plain; i++) {
        if (s.ptr[i] != '_') plain[n++] = s.ptr[i];
    }
    if (float_parse((struct str){ plain, n }, out)) return true;
    bool is_negative = n > 0 && plain[0] == '-';
    bool is_signed = n > 0 && (plain[0] == '-' || plain[0] == '+');
    if (duration_parse((struct str){ plain + is_signed, n - is_signed }, &ms, NULL) != ERR_OK) {
        return false;
    }
    *out = (is_negative ? -1 : 1) * (double)ms / 1000;
    return true;
}

/* v, vxN, v+dxN, v-dxN, stale, stalexN, _, _xN. */
static bool push_item(struct series_values *s, struct str item)
{
    size_t x = item.len;
    uint64_t repeat = 0;
    double v, delta = 0;
    for (size_t i = item.len; i-- > 0;) {
        if (item.ptr[i] == 'x') {
            x = i;
            break;
        }
    }
    bool has_repeat = x < item.len && str_to_u64(str_sub(item, x + 1, item.len), &repeat);
    struct str base = has_repeat ? str_sub(item, 0, x) : item;
    if (str_eq(base, STR("_"))) return push_run(s, ITEM_NONE, 0, 0, has_repeat ? repeat : 1);
    uint64_t n = has_repeat ? repeat + 1 : 1;
    if (str_eq(base, STR("stale"))) return push_run(s, ITEM_FLOAT, stale_nan(), 0, n);
    if (number(base, &v)) return push_run(s, ITEM_FLOAT, v, 0, n);
    for (size_t i = 1; i < base.len; i++) {
        char sign = base.ptr[i];
        if ((sign != '+' && sign != '-') || base.ptr[i - 1] == 'e' || base.ptr[i - 1] == 'E')
            continue;
        if (!number(str_sub(base, 0, i), &v)) continue;
        if (!number(str_sub(base, i + 1, base.len), &delta)) continue;
        return push_run(s, ITEM_FLOAT, v, sign == '-' ? -delta : delta, n);
    }
    return false;
}

/* {{...}}, {{...}}xN, {{A}}+{{B}}xN: positions with a histogram. */
static bool push_histograms(struct series_values *s, struct str *rest)
{
    uint64_t n = 1, repeat;
    do {
        size_t end = str_find(*rest, STR("}}"));
        if (end == rest->len) return false;
        *rest = str_sub(*rest, end + 2, rest->len);
        if (rest->len > 2 && (rest->ptr[0] == '+' || rest->ptr[0] == '-')) {
            *rest = str_sub(*rest, 1, rest->len);
        }
    } while (str_starts_with(*rest, STR("{{")));
    if (rest->len && rest->ptr[0] == 'x') {
        struct str w = word(rest);
        if (!str_to_u64(str_sub(w, 1, w.len), &repeat)) return false;
        n = repeat + 1;
    }
    *rest = str_trim(*rest);
    return push_run(s, ITEM_HISTOGRAM, 0, 0, n);
}

static enum err_code parse_series(struct parser *p, struct str line, struct series_values *out)
{
    size_t len = series_length(line);
    struct str rest = str_trim(str_sub(line, len, line.len));
    enum item_kind *kinds = malloc(VALUES_MAX * sizeof *kinds);
    double *values = malloc(VALUES_MAX * sizeof *values);
    struct series_values s = { .kinds = kinds, .values = values };
    if (!kinds || !values) abort();
    enum err_code rc = promql_parse_labels(str_sub(line, 0, len), p->a, &s.labels, p->err);
    while (rc == ERR_OK && rest.len) {
        bool good = str_starts_with(rest, STR("{{")) ? push_histograms(&s, &rest)
                                                     : push_item(&s, word(&rest));
        if (!good) rc = fail(p, "cannot read the values");
    }
    if (rc == ERR_OK) {
        s.kinds = arena_array(p->a, enum item_kind, s.count + 1);
        s.values = arena_array(p->a, double, s.count + 1);
        if (!s.kinds || !s.values) abort();
        memcpy(s.kinds, kinds, s.count * sizeof *kinds);
        memcpy(s.values, values, s.count * sizeof *values);
        *out = s;
    }
    free(kinds);
    free(values);
    return rc;
}

/* ---- commands ---- */

static struct str current(const struct parser *p)
{
    return p->lines.pos < p->lines.len ? p->lines.ptr[p->lines.pos] : (struct str){ "", 0 };
}

/* Lines of the block that begins here. */
static size_t block_lines(const struct parser *p)
{
    size_t n = 0;
    while (p->lines.pos + n < p->lines.len && p->lines.ptr[p->lines.pos + n].len)
        n++;
    return n;
}

static enum err_code parse_load(struct parser *p, struct command *c)
{
    struct str line = current(p);
    c->kind = COMMAND_LOAD;
    c->with_nhcb = str_eq_nocase(word(&line), STR("load_with_nhcb"));
    TRY(take_duration(p, word(&line), &c->step_ms));
    c->series = arena_array(p->a, struct series_values, block_lines(p));
    for (p->lines.pos++; current(p).len; p->lines.pos++) {
        struct str l = current(p);
        if (str_find(str_sub(l, 0, series_length(l)), STR("@st")) < series_length(l)) {
            c->has_start_times = true;
            continue;
        }
        TRY(parse_series(p, l, &c->series[c->series_count++]));
    }
    return ERR_OK;
}

/* "..." with escapes, or `...` raw. */
static enum err_code unquote(struct parser *p, struct str s, struct str *out)
{
    struct promql_expr *x;
    TRY(promql_parse(s, p->a, NULL, &x, p->err));
    if (x->kind != PROMQL_STRING_LITERAL) return fail(p, "expected a string");
    *out = x->string;
    return ERR_OK;
}

static enum err_code parse_expect(struct parser *p, struct command *c, struct str rest)
{
    static const struct {
        struct str word;
        enum expectation_kind kind;
    } KINDS[] = { { STR_INIT("fail"), EXPECT_FAIL },
                  { STR_INIT("warn"), EXPECT_WARN },
                  { STR_INIT("no_warn"), EXPECT_NO_WARN },
                  { STR_INIT("info"), EXPECT_INFO },
                  { STR_INIT("no_info"), EXPECT_NO_INFO } };
    struct str type = word(&rest);
    if (str_eq(type, STR("ordered"))) {
        c->is_ordered = true;
        return ERR_OK;
    }
    if (str_eq(type, STR("string"))) {
        c->has_string = true;
        return unquote(p, rest, &c->string);
    }
    if (str_eq(type, STR("range"))) { /* range vector from A to B step C */
        c->expects_range_vector = true;
        (void)word(&rest);
        (void)word(&rest);
        TRY(take_duration(p, word(&rest), &c->vector_start_ms));
        (void)word(&rest);
        TRY(take_duration(p, word(&rest), &c->start_ms));
        c->end_ms = c->start_ms;
        (void)word(&rest);
        return take_duration(p, word(&rest), &c->vector_step_ms);
    }
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        struct expectation *e = &c->expectations[c->expectation_count];
        if (!str_eq(type, KINDS[i].word)) continue;
        e->kind = KINDS[i].kind;
        e->is_regex = str_starts_with(rest, STR("regex:"));
        if (e->is_regex) {
            e->text = str_trim(str_sub(rest, 6, rest.len));
        } else if (str_starts_with(rest, STR("msg:"))) {
            e->text = str_trim(str_sub(rest, 4, rest.len));
        }
        c->expectation_count++;
        return ERR_OK;
    }
    return fail(p, "unknown expectation");
}

/* True when the line ends the block. */
static enum err_code parse_body_line(struct parser *p, struct command *c, bool *out_is_end)
{
    struct str line = current(p), rest = line, first = word(&rest);
    struct expectation *e = &c->expectations[c->expectation_count];
    *out_is_end = false;
    if (str_eq(first, STR("expect"))) return parse_expect(p, c, rest);
    if (str_starts_with(first, STR("expected_fail_"))) {
        *e = (struct expectation){ EXPECT_FAIL, rest, str_eq(first, STR("expected_fail_regexp")) };
        c->expectation_count++;
        *out_is_end = true;
        return ERR_OK;
    }
    if (rest.len == 0 && number(first, &c->scalar)) {
        c->has_scalar = true;
        *out_is_end = true;
        return ERR_OK;
    }
    return parse_series(p, line, &c->series[c->series_count++]);
}

static enum err_code parse_eval(struct parser *p, struct command *c)
{
    struct str rest = current(p), verb = word(&rest);
    struct str form = word(&rest);
    c->kind = COMMAND_EVAL;
    c->is_range = str_eq(form, STR("range"));
    c->series = arena_array(p->a, struct series_values, block_lines(p));
    c->expectations = arena_array(p->a, struct expectation, block_lines(p) + 1);
    if (str_eq(verb, STR("eval_ordered"))) c->is_ordered = true;
    if (str_starts_with(verb, STR("eval_")) && !c->is_ordered) {
        struct expectation e = { EXPECT_FAIL, { "", 0 }, false };
        if (str_eq(verb, STR("eval_warn"))) e.kind = EXPECT_WARN;
        if (str_eq(verb, STR("eval_info"))) e.kind = EXPECT_INFO;
        c->expectations[c->expectation_count++] = e;
    }
    (void)word(&rest); /* at, from */
    TRY(take_duration(p, word(&rest), &c->start_ms));
    c->end_ms = c->start_ms;
    if (c->is_range) {
        (void)word(&rest);
        TRY(take_duration(p, word(&rest), &c->end_ms));
        (void)word(&rest);
        TRY(take_duration(p, word(&rest), &c->step_ms));
    }
    c->expr = rest;
    bool is_end = false;
    for (p->lines.pos++; current(p).len && !is_end; p->lines.pos++) {
        TRY(parse_body_line(p, c, &is_end));
    }
    return ERR_OK;
}

static void split_lines(struct parser *p, struct str text)
{
    struct str line;
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.ptr[i] == '\n';
    p->lines.ptr = arena_array(p->a, struct str, count + 1);
    while (text.ptr && str_split(&text, '\n', &line)) {
        line = str_trim(line);
        if (line.len && line.ptr[0] == '#') line.len = 0;
        p->lines.ptr[p->lines.len++] = line;
    }
}

enum err_code script_parse(struct str text, struct arena *a, struct script *out, struct err *err)
{
    struct parser p = { .a = a, .err = err };
    split_lines(&p, text);
    out->commands = arena_array(a, struct command, COMMANDS_MAX);
    out->count = 0;
    while (p.lines.pos < p.lines.len) {
        struct str rest = current(&p), first = word(&rest);
        if (first.len == 0) {
            p.lines.pos++;
            continue;
        }
        struct command *c = &out->commands[out->count++];
        c->line = (unsigned)p.lines.pos + 1;
        if (str_eq_nocase(first, STR("clear"))) {
            c->kind = COMMAND_CLEAR;
            p.lines.pos++;
        } else if (str_starts_with(first, STR("load"))) {
            TRY(parse_load(&p, c));
        } else if (str_starts_with(first, STR("eval"))) {
            TRY(parse_eval(&p, c));
        } else {
            return fail(&p, "unknown command");
        }
    }
    return ERR_OK;
}
