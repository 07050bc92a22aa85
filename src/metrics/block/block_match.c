/* SPDX-License-Identifier: Apache-2.0
 *
 * Matchers to ordinals. Each matcher becomes a set W of wanted values of its name and one step:
 *     it refuses ""   result &= series that have a value of W      (W: values that match)
 *     it accepts ""   result -= series that have a value of W      (W: values that do not match)
 * so series without the label need no case of their own. Equalities and literal sets go first,
 * smallest cardinality first (known without reading a posting), subtractions last.
 */
#include <string.h>

#include "base/assert.h"
#include "codec/regex.h"
#include "metrics/block/block_priv.h"

#define MATCHERS_MAX 256
#define UNION_BATCH 64 /* postings read before they are united */
#define CANCEL_EVERY 1024

enum wanted_kind {
    WANTED_NONE,   /* no value: nothing to do, or an empty result */
    WANTED_ALL,    /* every value: the "has name" posting */
    WANTED_SET,    /* `texts` */
    WANTED_PREFIX, /* values that begin with texts[0] */
    WANTED_TEST    /* values for which `matches` is `test_result`, among those with `prefix` */
};

struct step {
    const struct matcher *matcher;
    bool subtracts;
    bool is_absent; /* the block has no such name */
    enum wanted_kind wanted;
    const struct str *texts;
    size_t text_count;
    struct str prefix;
    bool test_result;
    struct index_name name;
    uint64_t cost; /* order among the intersections: an upper bound of the cardinality */
};

struct matching {
    struct block *block;
    const struct block_match_options *options;
    struct postings_source source;
    struct symbol_cursor symbols;
    struct postings *result; /* NULL: still all series */
    /* union under construction */
    struct postings *set;
    struct postings *batch[UNION_BATCH];
    size_t batch_count;
    uint32_t singles[CANCEL_EVERY];
    size_t single_count;
    uint64_t seen; /* values, for looking at the cancel flag */
};

/* ---- what is wanted ---- */

static void want_regex(const struct matcher *m, bool wants_matching, struct step *s)
{
    s->texts = regex_literals(m->re, &s->text_count);
    enum regex_kind kind = regex_kind_of(m->re);
    if (kind == REGEX_ANY) {
        s->wanted = wants_matching ? WANTED_ALL : WANTED_NONE;
    } else if (kind == REGEX_NON_EMPTY) {
        s->wanted = wants_matching ? WANTED_ALL : WANTED_NONE;
    } else if (wants_matching && (kind == REGEX_EQUAL || kind == REGEX_SET)) {
        s->wanted = WANTED_SET;
    } else if (wants_matching && kind == REGEX_PREFIX) {
        s->wanted = WANTED_PREFIX;
    } else {
        s->wanted = WANTED_TEST;
        if (wants_matching) s->prefix = regex_prefix(m->re);
    }
    s->test_result = wants_matching;
}

static void plan_step(const struct matcher *m, struct step *s)
{
    *s = (struct step){ .matcher = m };
    s->subtracts = matcher_matches(m, STR(""));
    /* Subtracted are values that do not match, added those that do. */
    bool wants_matching = !s->subtracts;
    switch (m->type) {
    case MATCH_EQ:
    case MATCH_NE:
        /* Both forms name one value: "" stands for all of them. */
        s->wanted = m->value.len == 0 ? WANTED_ALL : WANTED_SET;
        s->texts = &m->value;
        s->text_count = 1;
        break;
    case MATCH_RE: want_regex(m, wants_matching, s); break;
    case MATCH_NRE: want_regex(m, !wants_matching, s); break;
    }
}

/* ---- unions ---- */

static enum err_code flush_union(struct matching *m, struct err *err)
{
    enum err_code code = ERR_OK;
    if (m->single_count > 0) code = postings_add_many(m->set, m->singles, m->single_count, err);
    if (code == ERR_OK && m->batch_count > 0)
        code =
            postings_or_many(m->set, (const struct postings *const *)m->batch, m->batch_count, err);
    for (size_t i = 0; i < m->batch_count; i++)
        postings_destroy(m->batch[i]);
    m->single_count = m->batch_count = 0;
    return code;
}

static enum err_code add_value(struct matching *m, const struct index_value *value, struct err *err)
{
    if (value->series_count == 1) {
        m->singles[m->single_count++] = (uint32_t)value->where;
    } else {
        TRY(index_posting_read(&m->source, value->where, &m->batch[m->batch_count], err));
        m->batch_count++;
    }
    if (m->single_count == CANCEL_EVERY || m->batch_count == UNION_BATCH) TRY(flush_union(m, err));
    return ERR_OK;
}

static enum err_code check_cancel(struct matching *m, struct err *err)
{
    if (++m->seen % CANCEL_EVERY != 0) return ERR_OK;
    return block_check_cancel(m->options->cancel, err);
}

/* ---- values of a step ---- */

/* Call add_value for the values [from, to) of the name that pass the test. */
static enum err_code add_range(struct matching *m, const struct step *s, uint32_t from, uint32_t to,
                               struct err *err)
{
    struct value_cursor values;
    struct index_value value;
    struct str text;
    TRY(value_cursor_init(&values, &m->block->index, &s->name, err));
    for (uint32_t rank = from; rank < to; rank++) {
        TRY(check_cancel(m, err));
        TRY(value_cursor_read(&values, rank, &value, err));
        if (s->wanted == WANTED_TEST) {
            TRY(symbol_cursor_read(&m->symbols, value.symbol, &text, err));
            if (regex_match(s->matcher->re, text) != s->test_result) continue;
        }
        TRY(add_value(m, &value, err));
    }
    return ERR_OK;
}

/* Ranks of the values that begin with `prefix`. */
static enum err_code prefix_range(struct matching *m, const struct step *s, struct str prefix,
                                  uint32_t *out_from, uint32_t *out_to, struct err *err)
{
    struct value_cursor values;
    uint32_t first, past;
    *out_from = 0;
    *out_to = s->name.value_count;
    if (prefix.len == 0) return ERR_OK;
    TRY(symbol_cursor_find(&m->symbols, prefix, SYMBOL_FROM, &first, err));
    TRY(symbol_cursor_find(&m->symbols, prefix, SYMBOL_PAST, &past, err));
    TRY(value_cursor_init(&values, &m->block->index, &s->name, err));
    TRY(value_cursor_find(&values, first, out_from, err));
    return value_cursor_find(&values, past, out_to, err);
}

/* ERR_NOTFOUND without a message when the name has no such value. */
static enum err_code find_value(struct matching *m, const struct step *s, struct str text,
                                struct index_value *out, struct err *err)
{
    struct value_cursor values;
    struct str found;
    uint32_t symbol, rank;
    TRY(symbol_cursor_find(&m->symbols, text, SYMBOL_FROM, &symbol, err));
    if (symbol >= m->block->index.symbol_count) return ERR_NOTFOUND;
    TRY(symbol_cursor_read(&m->symbols, symbol, &found, err));
    if (!str_eq(found, text)) return ERR_NOTFOUND;
    TRY(value_cursor_init(&values, &m->block->index, &s->name, err));
    TRY(value_cursor_find(&values, symbol, &rank, err));
    if (rank >= s->name.value_count) return ERR_NOTFOUND;
    TRY(value_cursor_read(&values, rank, out, err));
    return out->symbol == symbol ? ERR_OK : ERR_NOTFOUND;
}

static enum err_code add_texts(struct matching *m, const struct step *s, struct err *err)
{
    for (size_t i = 0; i < s->text_count; i++) {
        struct index_value value;
        enum err_code code = find_value(m, s, s->texts[i], &value, err);
        if (code == ERR_NOTFOUND) continue;
        TRY(code);
        TRY(add_value(m, &value, err));
    }
    return ERR_OK;
}

/* The union of the postings of all wanted values into m->set. */
static enum err_code unite(struct matching *m, const struct step *s, struct err *err)
{
    uint32_t from, to;
    switch (s->wanted) {
    case WANTED_NONE: return ERR_OK;
    case WANTED_ALL:
        TRY(index_posting_read(&m->source, s->name.posting_offset, &m->batch[0], err));
        m->batch_count = 1;
        return flush_union(m, err);
    case WANTED_SET: TRY(add_texts(m, s, err)); break;
    case WANTED_PREFIX:
        TRY(prefix_range(m, s, s->texts[0], &from, &to, err));
        TRY(add_range(m, s, from, to, err));
        break;
    case WANTED_TEST:
        TRY(prefix_range(m, s, s->prefix, &from, &to, err));
        TRY(add_range(m, s, from, to, err));
        break;
    }
    return flush_union(m, err);
}

/* ---- testing the candidates themselves ---- */

/* Value of the step's name in the series, or "". */
static enum err_code value_of_series(struct matching *m, const struct step *s,
                                     struct series_cursor *series, uint32_t ordinal,
                                     struct value_cursor *values, struct str *out, struct err *err)
{
    const struct series_pair *pairs;
    size_t count;
    struct index_value value;
    TRY(series_cursor_read(series, ordinal, &pairs, &count, err));
    for (size_t i = 0; i < count; i++) {
        if (pairs[i].name != s->name.rank) continue;
        TRY(value_cursor_read(values, pairs[i].value, &value, err));
        return symbol_cursor_read(&m->symbols, value.symbol, out, err);
    }
    *out = STR("");
    return ERR_OK;
}

/* Keep the candidates whose own value matches: cheaper than the dictionary when they are few. */
static enum err_code test_candidates(struct matching *m, const struct step *s,
                                     struct series_cursor *series, struct postings *kept,
                                     struct err *err)
{
    struct value_cursor values;
    struct postings_iter it;
    uint32_t ids[256];
    TRY(value_cursor_init(&values, &m->block->index, &s->name, err));
    postings_iter_init(&it, m->result);
    for (size_t n; (n = postings_iter_read(&it, ids, 256)) > 0;) {
        size_t kept_count = 0;
        for (size_t i = 0; i < n; i++) {
            struct str text;
            TRY(check_cancel(m, err));
            TRY(value_of_series(m, s, series, ids[i], &values, &text, err));
            if (matcher_matches(s->matcher, text)) ids[kept_count++] = ids[i];
        }
        TRY(postings_add_many(kept, ids, kept_count, err));
    }
    return ERR_OK;
}

static enum err_code apply_to_candidates(struct matching *m, const struct step *s, struct err *err)
{
    struct series_cursor series;
    struct postings *kept = NULL;
    enum err_code code = series_cursor_init(&series, &m->block->index,
                                            mem_source_of(m->source.mem, m->source.account), err);
    if (code == ERR_OK) code = postings_create(m->source.mem, m->source.account, &kept, err);
    if (code == ERR_OK) code = test_candidates(m, s, &series, kept, err);
    series_cursor_deinit(&series);
    if (code != ERR_OK) {
        postings_destroy(kept);
        return code;
    }
    postings_destroy(m->result);
    m->result = kept;
    return ERR_OK;
}

/* ---- steps ---- */

/* Look the name up and bound the result. */
static enum err_code prepare_step(struct matching *m, struct step *s, struct err *err)
{
    enum err_code code = block_name_find(m->block, &m->symbols, s->matcher->name, &s->name, err);
    if (code == ERR_NOTFOUND) {
        s->is_absent = true;
        return ERR_OK;
    }
    TRY(code);
    s->cost = s->name.series_count;
    if (s->wanted != WANTED_SET || s->text_count > 8) return ERR_OK;
    s->cost = 0;
    for (size_t i = 0; i < s->text_count; i++) {
        struct index_value value;
        code = find_value(m, s, s->texts[i], &value, err);
        if (code == ERR_OK) s->cost += value.series_count;
        if (code != ERR_OK && code != ERR_NOTFOUND) return code;
    }
    return ERR_OK;
}

/* Adopt `*set` as the result, or combine it. */
static enum err_code combine(struct matching *m, bool subtracts, struct err *err)
{
    if (!subtracts && !m->result) {
        m->result = m->set;
        m->set = NULL;
        return ERR_OK;
    }
    if (!m->result)
        TRY(postings_of_range(m->source.mem, m->source.account, 0, m->block->index.series_count,
                              &m->result, err));
    return subtracts ? postings_andnot(m->result, m->set, err)
                     : postings_and(m->result, m->set, err);
}

static enum err_code apply_step(struct matching *m, const struct step *s, struct err *err)
{
    if (s->subtracts && (s->is_absent || s->wanted == WANTED_NONE)) return ERR_OK;
    if (m->result && postings_is_empty(m->result)) return ERR_OK;
    TRY(block_check_cancel(m->options->cancel, err));
    bool is_scan = !s->is_absent && s->wanted == WANTED_TEST;
    if (is_scan && m->result && postings_cardinality(m->result) < s->name.value_count / 4)
        return apply_to_candidates(m, s, err);
    TRY(postings_create(m->source.mem, m->source.account, &m->set, err));
    enum err_code code = s->is_absent ? ERR_OK : unite(m, s, err);
    if (code == ERR_OK) code = combine(m, s->subtracts, err);
    postings_destroy(m->set);
    m->set = NULL;
    return code;
}

/* Intersections by cost, then the dictionary scans, then subtractions. */
static uint64_t step_order(const struct step *s)
{
    uint64_t kind = s->subtracts ? 2 : s->wanted == WANTED_TEST ? 1 : 0;
    return kind << 40 | s->cost;
}

static enum err_code apply_all(struct matching *m, struct matchers matchers, struct err *err)
{
    struct step steps[MATCHERS_MAX];
    for (size_t i = 0; i < matchers.len; i++) {
        struct step s;
        plan_step(&matchers.ptr[i], &s);
        TRY(prepare_step(m, &s, err));
        size_t at = i; /* insertion sort: there are few */
        for (; at > 0 && step_order(&s) < step_order(&steps[at - 1]); at--)
            steps[at] = steps[at - 1];
        steps[at] = s;
    }
    for (size_t i = 0; i < matchers.len; i++)
        TRY(apply_step(m, &steps[i], err));
    if (m->result) return ERR_OK;
    return postings_of_range(m->source.mem, m->source.account, 0, m->block->index.series_count,
                             &m->result, err);
}

enum err_code block_match(struct block *b, struct matchers matchers,
                          const struct block_match_options *options, struct postings **out,
                          struct err *err)
{
    if (matchers.len > MATCHERS_MAX) return err_set(err, ERR_LIMIT, "too many matchers");
    struct matching *m = mem_zalloc(b->mem, options->account, sizeof *m);
    if (!m) return err_set(err, ERR_NOMEM, "no memory to match series");
    m->block = b;
    m->options = options;
    m->source = (struct postings_source){ &b->index, b->mem, options->account };
    enum err_code code =
        symbol_cursor_init(&m->symbols, &b->index, mem_source_of(b->mem, options->account), err);
    if (code == ERR_OK) code = apply_all(m, matchers, err);
    for (size_t i = 0; i < m->batch_count; i++)
        postings_destroy(m->batch[i]);
    symbol_cursor_deinit(&m->symbols);
    if (code == ERR_OK)
        *out = m->result;
    else
        postings_destroy(m->result);
    mem_free(b->mem, options->account, m, sizeof *m);
    return code;
}
