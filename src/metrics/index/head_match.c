/* SPDX-License-Identifier: Apache-2.0
 *
 * Matchers to ids. Each matcher names a set W of values and one step:
 *     it refuses ""   result &= series that have a value of W      (W: the values that match)
 *     it accepts ""   result -= series that have a value of W      (W: those that do not match)
 * so that series without the label need no case of their own. Known sets of values go first, the
 * smallest first; then the tests of whole dictionaries; subtractions last.
 */
#include <string.h>

#include "base/assert.h"
#include "codec/regex.h"
#include "metrics/index/head_index_priv.h"
#include "os/clock.h"

#define MATCHERS_MAX 256
#define UNION_SETS 64
#define UNION_IDS 1024
#define SCAN_BATCH 16 /* values whose texts are fetched ahead */
#define CANCEL_EVERY 64
#define SCAN_CPU_NS_MAX 10000000000ull
/* Candidates are tested one by one when there are fewer than the name has values, divided by: */
#define CANDIDATE_SHARE 4
#define MEMO_SLOTS 256

enum wanted_kind {
    WANTED_NONE,  /* no value at all */
    WANTED_ALL,   /* every value: the posting of the name */
    WANTED_TEXTS, /* the values `texts` */
    WANTED_RANGE, /* values that begin with `prefix` */
    WANTED_TEST   /* those of WANTED_RANGE for which the regex says `test_result` */
};

struct step {
    const struct matcher *matcher;
    bool subtracts;
    bool test_result;
    enum wanted_kind wanted;
    const struct str *texts;
    size_t text_count;
    struct str prefix;
    uint32_t name_sym; /* 0: no series has the name */
    struct name_view name;
    uint64_t cost;
};

struct matching {
    struct head_index *index;
    const struct head_match_options *options;
    struct postings *result; /* NULL: still all series */
    struct postings *set;    /* union under construction */
    const struct postings *sets[UNION_SETS];
    size_t set_count;
    uint32_t ids[UNION_IDS];
    size_t id_count;
    /* memo of tested pairs */
    uint32_t memo_pair[MEMO_SLOTS];
    bool memo_result[MEMO_SLOTS];
    size_t step_count;
    struct step steps[MATCHERS_MAX];
};

/* ---- planning ---- */

static void plan_regex(const struct matcher *m, bool wants_matching, struct step *s)
{
    s->test_result = wants_matching;
    s->texts = regex_literals(m->re, &s->text_count);
    switch (regex_kind_of(m->re)) {
    case REGEX_ANY: s->wanted = wants_matching ? WANTED_ALL : WANTED_NONE; return;
    case REGEX_NON_EMPTY: /* values are never empty */
        s->wanted = wants_matching ? WANTED_ALL : WANTED_NONE;
        return;
    case REGEX_EQUAL:
    case REGEX_SET: s->wanted = wants_matching ? WANTED_TEXTS : WANTED_TEST; return;
    case REGEX_PREFIX:
        s->wanted = wants_matching ? WANTED_RANGE : WANTED_TEST;
        if (wants_matching) s->prefix = s->texts[0];
        return;
    case REGEX_SUFFIX:
    case REGEX_CONTAINS:
    case REGEX_GENERAL:
        s->wanted = WANTED_TEST;
        if (wants_matching) s->prefix = regex_prefix(m->re);
        return;
    }
    UNREACHABLE();
}

static void plan(const struct matcher *m, struct step *s)
{
    *s = (struct step){ .matcher = m };
    s->subtracts = matcher_matches(m, STR(""));
    bool wants_matching = !s->subtracts;
    switch (m->type) {
    case MATCH_EQ:
    case MATCH_NE:
        /* Either way the matcher's value is what is wanted; "" stands for "any value". */
        s->wanted = m->value.len == 0 ? WANTED_ALL : WANTED_TEXTS;
        s->texts = &m->value;
        s->text_count = 1;
        return;
    case MATCH_RE: plan_regex(m, wants_matching, s); return;
    case MATCH_NRE: plan_regex(m, !wants_matching, s); return;
    }
    UNREACHABLE();
}

static bool needs_order(const struct step *s)
{
    return s->wanted == WANTED_RANGE || s->wanted == WANTED_TEST;
}

static enum err_code plan_all(struct matching *m, struct matchers matchers, struct err *err)
{
    for (size_t i = 0; i < matchers.len; i++) {
        struct step *s = &m->steps[i];
        plan(&matchers.ptr[i], s);
        s->name_sym = head_symbol_find(m->index->head, s->matcher->name);
        if (s->name_sym != 0 && needs_order(s)) TRY(index_settle(m->index, s->name_sym, err));
    }
    m->step_count = matchers.len;
    return ERR_OK;
}

/* From here on under a guard of the index. */

static struct posting_view view_of_text(const struct matching *m, const struct step *s, size_t i)
{
    uint32_t pair = head_pair_find(m->index->head, s->matcher->name, s->texts[i]);
    return pair != 0 ? index_posting_of(m->index, pair) : (struct posting_view){ 0 };
}

/* Upper bound of the number of series that a step finds. */
static uint64_t cost_of(const struct matching *m, const struct step *s)
{
    if (s->wanted == WANTED_NONE) return 0;
    if (s->wanted != WANTED_TEXTS || s->text_count > 8) return s->name.has.count;
    uint64_t sum = 0;
    for (size_t i = 0; i < s->text_count; i++)
        sum += view_of_text(m, s, i).count;
    return sum;
}

/* Intersections by cost, then tests of dictionaries, then subtractions. */
static uint64_t order_of(const struct step *s)
{
    uint64_t kind = s->subtracts ? 2 : s->wanted == WANTED_TEST ? 1 : 0;
    return kind << 40 | s->cost;
}

static void order_steps(struct matching *m)
{
    for (size_t i = 0; i < m->step_count; i++) {
        struct step s = m->steps[i];
        if (s.name_sym != 0) index_name_view(m->index, s.name_sym, &s.name);
        s.cost = cost_of(m, &s);
        size_t at = i;
        for (; at > 0 && order_of(&s) < order_of(&m->steps[at - 1]); at--)
            m->steps[at] = m->steps[at - 1];
        m->steps[at] = s;
    }
}

/* ---- unions ---- */

static enum err_code flush(struct matching *m, struct err *err)
{
    if (m->set_count > 0) TRY(postings_or_many(m->set, m->sets, m->set_count, err));
    m->set_count = 0;
    if (m->id_count > 0) TRY(postings_add_many(m->set, m->ids, m->id_count, err));
    m->id_count = 0;
    return ERR_OK;
}

static enum err_code add_posting(struct matching *m, const struct posting_view *v, struct err *err)
{
    if (v->set != NULL) m->sets[m->set_count++] = v->set;
    if (m->id_count + v->tail_count > UNION_IDS) TRY(flush(m, err));
    if (v->tail_count > UNION_IDS)
        return postings_add_many(m->set, posting_view_tail(v), v->tail_count, err);
    memcpy(m->ids + m->id_count, posting_view_tail(v), v->tail_count * sizeof m->ids[0]);
    m->id_count += v->tail_count;
    return m->set_count == UNION_SETS ? flush(m, err) : ERR_OK;
}

/* Values [from, from + n) of the name, n <= SCAN_BATCH: tests and adds them. */
static enum err_code add_values(struct matching *m, const struct step *s, size_t from, size_t n,
                                struct err *err)
{
    struct str texts[SCAN_BATCH];
    const uint32_t *pairs = s->name.pairs + from;
    bool is_test = s->wanted == WANTED_TEST;
    for (size_t i = 0; i < n && is_test; i++) {
        texts[i] = index_value_text(m->index, pairs[i]);
        __builtin_prefetch(texts[i].ptr);
    }
    for (size_t i = 0; i < n; i++) {
        if (is_test && regex_match(s->matcher->re, texts[i]) != s->test_result) continue;
        struct posting_view v = index_posting_of(m->index, pairs[i]);
        TRY(add_posting(m, &v, err));
    }
    return ERR_OK;
}

/* Now and then during a long scan. */
static enum err_code check_scan(const struct matching *m, const struct step *s, uint64_t start_ns,
                                struct err *err)
{
    TRY(cancel_check(m->options->cancel, err));
    if (clock_thread_cpu_ns() - start_ns < SCAN_CPU_NS_MAX) return ERR_OK;
    struct str op = match_type_text(s->matcher->type);
    return err_setf(err, ERR_LIMIT, "matcher too costly",
                    "the matcher " STR_FMT STR_FMT "\"" STR_FMT "\" takes too much time",
                    STR_ARG(s->matcher->name), STR_ARG(op), STR_ARG(s->matcher->value));
}

static enum err_code unite_range(struct matching *m, const struct step *s, struct err *err)
{
    size_t from;
    size_t to;
    uint64_t start_ns = clock_thread_cpu_ns();
    index_prefix_range(m->index, &s->name, s->prefix, &from, &to);
    for (size_t batch = 0; from < to; from += SCAN_BATCH, batch++) {
        if (batch % CANCEL_EVERY == 0) TRY(check_scan(m, s, start_ns, err));
        size_t n = to - from < SCAN_BATCH ? to - from : SCAN_BATCH;
        TRY(add_values(m, s, from, n, err));
    }
    return ERR_OK;
}

/* The series that have a wanted value, into m->set. */
static enum err_code unite(struct matching *m, const struct step *s, struct err *err)
{
    TRY(postings_create(m->index->mem, m->options->account, &m->set, err));
    switch (s->wanted) {
    case WANTED_NONE:
    case WANTED_ALL: UNREACHABLE(); /* apply() has an easier way */
    case WANTED_TEXTS:
        for (size_t i = 0; i < s->text_count; i++) {
            struct posting_view v = view_of_text(m, s, i);
            TRY(add_posting(m, &v, err));
        }
        break;
    case WANTED_RANGE:
    case WANTED_TEST: TRY(unite_range(m, s, err)); break;
    }
    return flush(m, err);
}

/* ---- combining ---- */

static enum err_code start_with_all(struct matching *m, struct err *err)
{
    if (m->result != NULL) return ERR_OK;
    struct posting_view all = posting_view(&m->index->all);
    return posting_copy(m->index->mem, m->options->account, &all, &m->result, err);
}

/* Combine with the series of one posting that exists already. */
static enum err_code apply_view(struct matching *m, const struct step *s,
                                const struct posting_view *v, struct err *err)
{
    if (s->subtracts) {
        TRY(start_with_all(m, err));
        return posting_subtract(m->result, v, err);
    }
    if (m->result == NULL)
        return posting_copy(m->index->mem, m->options->account, v, &m->result, err);
    return posting_intersect(m->result, v, err);
}

static enum err_code apply_union(struct matching *m, const struct step *s, struct err *err)
{
    enum err_code rc = unite(m, s, err);
    m->set_count = m->id_count = 0;
    if (rc == ERR_OK && s->subtracts) rc = start_with_all(m, err);
    if (rc == ERR_OK && s->subtracts) {
        rc = postings_andnot(m->result, m->set, err);
    } else if (rc == ERR_OK && m->result == NULL) {
        m->result = TAKE(m->set);
    } else if (rc == ERR_OK) {
        rc = postings_and(m->result, m->set, err);
    }
    postings_destroy(m->set);
    m->set = NULL;
    return rc;
}

/* ---- testing the candidates themselves ---- */

static bool candidate_matches(struct matching *m, const struct step *s, uint32_t id)
{
    uint32_t pair = index_pair_of_series(m->index, id, s->name_sym);
    if (pair == 0) return matcher_matches(s->matcher, STR(""));
    size_t slot = pair % MEMO_SLOTS;
    if (m->memo_pair[slot] != pair) {
        m->memo_pair[slot] = pair;
        m->memo_result[slot] = matcher_matches(s->matcher, index_value_text(m->index, pair));
    }
    return m->memo_result[slot];
}

static enum err_code keep_matching(struct matching *m, const struct step *s, struct postings *kept,
                                   struct err *err)
{
    struct postings_iter it;
    uint32_t ids[UNION_IDS];
    memset(m->memo_pair, 0, sizeof m->memo_pair);
    postings_iter_init(&it, m->result);
    for (size_t n; (n = postings_iter_read(&it, ids, UNION_IDS)) > 0;) {
        size_t kept_count = 0;
        TRY(cancel_check(m->options->cancel, err));
        for (size_t i = 0; i < n; i++)
            if (candidate_matches(m, s, ids[i])) ids[kept_count++] = ids[i];
        TRY(postings_add_many(kept, ids, kept_count, err));
    }
    return ERR_OK;
}

static enum err_code apply_to_candidates(struct matching *m, const struct step *s, struct err *err)
{
    CLEANUP(postings_destroy_p) struct postings *kept = NULL;
    TRY(postings_create(m->index->mem, m->options->account, &kept, err));
    TRY(keep_matching(m, s, kept, err));
    postings_destroy(m->result);
    m->result = TAKE(kept);
    return ERR_OK;
}

/* ---- steps ---- */

static enum err_code apply(struct matching *m, const struct step *s, struct err *err)
{
    bool is_nothing = s->wanted == WANTED_NONE || !s->name.is_known;
    if (s->subtracts && is_nothing) return ERR_OK;
    if (m->result != NULL && postings_is_empty(m->result)) return ERR_OK;
    TRY(cancel_check(m->options->cancel, err));
    if (is_nothing) return apply_view(m, s, &(struct posting_view){ 0 }, err);
    if (s->wanted == WANTED_ALL) return apply_view(m, s, &s->name.has, err);
    if (s->wanted == WANTED_TEXTS && s->text_count == 1) {
        struct posting_view v = view_of_text(m, s, 0);
        return apply_view(m, s, &v, err);
    }
    bool is_scan = s->wanted == WANTED_TEST && m->result != NULL;
    if (is_scan && postings_cardinality(m->result) < s->name.pair_count / CANDIDATE_SHARE)
        return apply_to_candidates(m, s, err);
    return apply_union(m, s, err);
}

static enum err_code apply_all(struct matching *m, struct err *err)
{
    order_steps(m);
    for (size_t i = 0; i < m->step_count; i++)
        TRY(apply(m, &m->steps[i], err));
    return start_with_all(m, err);
}

enum err_code head_index_match(struct head_index *x, struct matchers matchers,
                               const struct head_match_options *options, struct postings **out,
                               struct err *err)
{
    if (matchers.len > MATCHERS_MAX) return err_set(err, ERR_LIMIT, "too many matchers");
    struct matching *m = mem_alloc(x->mem, options->account, sizeof *m);
    if (m == NULL) return err_set(err, ERR_NOMEM, "no memory to match series");
    m->index = x;
    m->options = options;
    m->result = m->set = NULL;
    m->set_count = m->id_count = m->step_count = 0;
    enum err_code rc = plan_all(m, matchers, err);
    if (rc == ERR_OK) {
        struct epoch_guard guard = epoch_enter(x->epoch);
        rc = apply_all(m, err);
        epoch_leave(x->epoch, &guard);
    }
    if (rc == ERR_OK) {
        *out = m->result;
    } else {
        postings_destroy(m->result);
    }
    mem_free(x->mem, options->account, m, sizeof *m);
    return rc;
}
