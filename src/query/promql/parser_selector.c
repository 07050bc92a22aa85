/* SPDX-License-Identifier: Apache-2.0
 *
 * parser_selector - names and braces: vector selectors, label sets, label lists.
 */
#include "base/assert.h"
#include "codec/regex.h"
#include "query/promql/literal.h"
#include "query/promql/parser_priv.h"

/* ---- matchers ---- */

struct matcher_list {
    struct matcher *ptr;
    size_t len;
};

static enum err_code add_matcher(struct parser *p, struct matcher_list *list,
                                 const struct matcher *m)
{
    struct matcher *ptr = parser_grow(p, list->ptr, list->len, sizeof *ptr);
    if (!ptr) return parser_nomem(p);
    ptr[list->len] = *m;
    *list = (struct matcher_list){ ptr, list->len + 1 };
    return ERR_OK;
}

static bool match_type_of(enum promql_token_kind kind, enum match_type *out)
{
    switch ((int)kind) {
    case PROMQL_TOK_ASSIGN: *out = MATCH_EQ; return true;
    case PROMQL_TOK_NE: *out = MATCH_NE; return true;
    case PROMQL_TOK_MATCH_RE: *out = MATCH_RE; return true;
    case PROMQL_TOK_MATCH_NRE: *out = MATCH_NRE; return true;
    default: return false;
    }
}

/* Compile the regex of a matcher, if the caller wants that; errors point at `at`. */
static enum err_code compile(struct parser *p, struct matcher *m, uint32_t at)
{
    bool is_regex = m->type == MATCH_RE || m->type == MATCH_NRE;
    if (!is_regex || !p->options.budget) return ERR_OK;
    CLEANUP(regex_unref_p) struct regex *re = NULL;
    enum err_code rc = regex_compile(p->options.budget, m->value, REGEX_FULL, &re, p->err);
    if (rc != ERR_OK) return parser_fail_as(p, rc, at);
    if (!p->options.regexes) return ERR_OK;
    struct promql_regex_link *link = arena_new(p->arena, struct promql_regex_link);
    if (!link) return parser_nomem(p);
    m->re = TAKE(re);
    *link = (struct promql_regex_link){ p->options.regexes->first, m->re };
    p->options.regexes->first = link;
    return ERR_OK;
}

static enum err_code parse_name_token(struct parser *p, const struct promql_token *t,
                                      struct str *out)
{
    if (t->kind == PROMQL_TOK_STRING) return promql_unquote(t->text, p->arena, out, p->err);
    *out = arena_str(p->arena, t->text);
    return out->ptr ? ERR_OK : parser_nomem(p);
}

#define LABEL_MATCHING(expected_) ((struct expectation){ "label matching", expected_ })

/* label op "value", or a lone "metric name". */
static enum err_code parse_matcher(struct parser *p, struct matcher_list *list)
{
    enum promql_token_kind kind = parser_kind(p);
    if (kind != PROMQL_TOK_IDENTIFIER && kind != PROMQL_TOK_STRING)
        return parser_unexpected(p, LABEL_MATCHING("identifier or \"}\""));
    struct promql_token name = parser_take(p);
    struct matcher m = { 0 };
    TRY(parse_name_token(p, &name, &m.name));
    if (!match_type_of(parser_kind(p), &m.type)) {
        if (kind != PROMQL_TOK_STRING)
            return parser_unexpected(p, LABEL_MATCHING("label matching operator"));
        m = (struct matcher){ MATCH_EQ, LABEL_METRIC_NAME, m.name, NULL };
        return add_matcher(p, list, &m);
    }
    (void)parser_take(p);
    if (parser_kind(p) != PROMQL_TOK_STRING) return parser_unexpected(p, LABEL_MATCHING("string"));
    struct promql_token value = parser_take(p);
    TRY(promql_unquote(value.text, p->arena, &m.value, p->err));
    TRY(compile(p, &m, name.pos.start));
    return add_matcher(p, list, &m);
}

/* From '{' to '}'. */
static enum err_code parse_braces(struct parser *p, struct matcher_list *list)
{
    (void)parser_take(p);
    while (!parser_accept(p, PROMQL_TOK_RIGHT_BRACE)) {
        TRY(parse_matcher(p, list));
        if (parser_accept(p, PROMQL_TOK_COMMA)) continue;
        if (parser_kind(p) != PROMQL_TOK_RIGHT_BRACE)
            return parser_unexpected(p, LABEL_MATCHING("\",\" or \"}\""));
    }
    return ERR_OK;
}

enum err_code parse_selector(struct parser *p, const struct promql_token *name,
                             struct promql_expr **out)
{
    struct promql_pos pos = name ? name->pos : parser_peek(p)->pos;
    struct promql_selector *s = arena_new(p->arena, struct promql_selector);
    struct promql_expr *e = parser_node(p, PROMQL_VECTOR_SELECTOR, PROMQL_VECTOR, pos);
    if (!s || !e) return parser_nomem(p);
    struct matcher_list list = { NULL, 0 };
    if (parser_kind(p) == PROMQL_TOK_LEFT_BRACE) {
        TRY(parse_braces(p, &list));
        e->pos.end = p->last_closing;
    }
    if (name) {
        TRY(parse_name_token(p, name, &s->name));
        const struct matcher m = { MATCH_EQ, LABEL_METRIC_NAME, s->name, NULL };
        TRY(add_matcher(p, &list, &m));
    }
    s->matchers = (struct matchers){ list.ptr, list.len };
    e->selector = s;
    *out = e;
    return ERR_OK;
}

/* ---- label sets ---- */

#define LABEL_SET(expected_) ((struct expectation){ "label set", expected_ })

/* label = "value", or a lone "metric name". */
static enum err_code parse_label(struct parser *p, struct labels_builder *b)
{
    enum promql_token_kind kind = parser_kind(p);
    if (kind != PROMQL_TOK_IDENTIFIER && kind != PROMQL_TOK_STRING)
        return parser_unexpected(p, LABEL_SET("identifier or \"}\""));
    struct promql_token name = parser_take(p);
    struct str name_text, value_text;
    TRY(parse_name_token(p, &name, &name_text));
    if (!parser_accept(p, PROMQL_TOK_ASSIGN)) {
        if (kind != PROMQL_TOK_STRING) return parser_unexpected(p, LABEL_SET("\"=\""));
        labels_builder_add(b, LABEL_METRIC_NAME, name_text);
        return ERR_OK;
    }
    if (parser_kind(p) != PROMQL_TOK_STRING) return parser_unexpected(p, LABEL_SET("string"));
    struct promql_token value = parser_take(p);
    TRY(promql_unquote(value.text, p->arena, &value_text, p->err));
    labels_builder_add(b, name_text, value_text);
    return ERR_OK;
}

enum err_code parse_label_set(struct parser *p, struct labels *out)
{
    struct labels_builder b;
    struct str metric = { NULL, 0 };
    labels_builder_init(&b, p->arena);
    if (promql_token_is_metric_name(parser_kind(p))) {
        struct promql_token name = parser_take(p);
        TRY(parse_name_token(p, &name, &metric));
    }
    if (parser_accept(p, PROMQL_TOK_LEFT_BRACE)) {
        while (!parser_accept(p, PROMQL_TOK_RIGHT_BRACE)) {
            TRY(parse_label(p, &b));
            if (parser_accept(p, PROMQL_TOK_COMMA)) continue;
            if (parser_kind(p) != PROMQL_TOK_RIGHT_BRACE)
                return parser_unexpected(p, LABEL_SET("\",\" or \"}\""));
        }
    }
    if (metric.len > 0) labels_builder_set(&b, LABEL_METRIC_NAME, metric);
    enum err_code rc = labels_builder_finish(&b, NULL, out, p->err);
    return rc == ERR_OK ? ERR_OK : parser_fail_as(p, rc, 0);
}

/* ---- lists of label names ---- */

/* More would only serve to make the checks of matching quadratic. */
#define LABEL_NAMES_MAX 1000

#define GROUPING(expected_) ((struct expectation){ "grouping opts", expected_ })

static enum err_code parse_label_name(struct parser *p, struct str *out)
{
    enum promql_token_kind kind = parser_kind(p);
    if (!promql_token_is_label_name(kind) && kind != PROMQL_TOK_STRING)
        return parser_unexpected(p, GROUPING("label"));
    struct promql_token t = parser_take(p);
    TRY(parse_name_token(p, &t, out));
    if (label_name_is_valid(*out)) return ERR_OK;
    char quoted[256];
    return parser_fail(p, ERR_INVALID, t.pos.start, "invalid label name for grouping: %s",
                       str_quote(*out, quoted, sizeof quoted));
}

enum err_code parse_label_names(struct parser *p, struct promql_names *out)
{
    struct str *names = NULL;
    size_t len = 0;
    if (!parser_accept(p, PROMQL_TOK_LEFT_PAREN)) return parser_unexpected(p, GROUPING("\"(\""));
    while (!parser_accept(p, PROMQL_TOK_RIGHT_PAREN)) {
        if (len == LABEL_NAMES_MAX)
            return parser_fail(p, ERR_LIMIT, parser_peek(p)->pos.start,
                               "more than %d label names in one list", LABEL_NAMES_MAX);
        names = parser_grow(p, names, len, sizeof *names);
        if (!names) return parser_nomem(p);
        TRY(parse_label_name(p, &names[len]));
        len++;
        if (parser_accept(p, PROMQL_TOK_COMMA)) continue;
        if (parser_kind(p) != PROMQL_TOK_RIGHT_PAREN)
            return parser_unexpected(p, GROUPING("\",\" or \")\""));
    }
    *out = (struct promql_names){ names, len };
    return ERR_OK;
}
