/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/regex.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/assert.h"
#include "base/hash.h"
#include "codec/regex_parse.h"
#include "codec/regex_re2.h"

_Static_assert(REGEX_SET_MAX == SHAPE_EXPAND_MAX, "one limit, two names");

#define REGEX_MAGIC 0x52454758u
#define ANALYSIS_BYTES_MAX ((size_t)4 << 20)
#define REGEX_BYTES_MAX ((size_t)4 << 20)
#define HASH_FROM_MEMBERS 9 /* smaller sets are compared one by one */

struct regex {
    uint32_t magic;
    _Atomic uint32_t refs;
    struct mem_budget *budget;
    struct arena arena; /* pattern, literals, table */
    size_t charged_bytes;
    enum regex_mode mode;
    enum regex_kind kind;
    struct str pattern;
    struct str *literals;
    size_t literal_count;
    uint32_t *table; /* open addressing over literals: index + 1, 0 = free */
    uint32_t table_mask;
    struct str prefix, suffix, inner; /* conditions that every match fulfils */
    bool matches_empty;
    bool is_whole_group; /* `(.*)` or `(.+)`: group 1 is the subject */
    size_t group_count;
    struct re2_engine *engine; /* NULL when nobody needs it */
};

/* ---- the engine's pattern and errors ---------------------------------------------------- */

/* RE2 of this release does not know Go's (?<name>...), and knows \C, which Go refuses. Copies the
 * pattern to `out`, the former rewritten; false at the latter. */
static bool copy_for_engine(struct str s, struct buf *out)
{
    bool is_in_class = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        buf_put_u8(out, (uint8_t)c);
        if (c == '\\' && i + 1 < s.len) {
            char next = s.ptr[++i];
            if (next == 'C' && !is_in_class) return false;
            buf_put_u8(out, (uint8_t)next);
            if (next != 'Q' || is_in_class) continue;
            struct str rest = str_sub(s, i + 1, s.len);
            struct str quoted = str_sub(rest, 0, str_find(rest, STR("\\E")));
            buf_put_str(out, quoted);
            i += quoted.len;
        } else if (is_in_class) {
            is_in_class = c != ']';
        } else if (c == '[') {
            is_in_class = true;
            size_t first = i + 1 + (i + 1 < s.len && s.ptr[i + 1] == '^');
            if (first < s.len && s.ptr[first] == ']') {
                buf_put_str(out, str_sub(s, i + 1, first + 1));
                i = first;
            }
        } else if (c == '(' && str_starts_with(str_sub(s, i + 1, s.len), STR("?<"))) {
            char next = i + 3 < s.len ? s.ptr[i + 3] : '=';
            buf_put_str(out, next == '=' || next == '!' ? STR("?<") : STR("?P<"));
            i += 2;
        }
    }
    return true;
}

static enum err_code syntax_error(struct err *err, const char *text, struct str fragment)
{
    return err_setf(err, ERR_INVALID, "regular expression",
                    "error parsing regexp: %s: `" STR_FMT "`", text, STR_ARG(fragment));
}

static enum err_code engine_error(struct err *err, const struct re2_error *error)
{
    switch (error->failure) {
    case RE2_SYNTAX: return syntax_error(err, error->text, str_of_z(error->fragment));
    case RE2_TOO_LARGE:
        return err_setf(err, ERR_LIMIT, "regular expression",
                        "error parsing regexp: expression too large");
    case RE2_NOMEM: return err_set(err, ERR_NOMEM, "no memory for a regular expression");
    }
    UNREACHABLE();
}

static enum err_code create_engine(struct regex *re, struct err *err)
{
    struct buf text;
    buf_init(&text, mem_source_of(re->budget, MEM_SYSTEM), 2 * REGEX_PATTERN_BYTES_MAX);
    bool is_valid = copy_for_engine(re->pattern, &text);
    enum err_code rc = ERR_OK;
    struct re2_error error = { .text = "" };
    if (!is_valid) {
        rc = syntax_error(err, "invalid escape sequence", STR("\\C"));
    } else if (buf_failed(&text)) {
        rc = err_set(err, ERR_NOMEM, "no memory for a regular expression");
    } else {
        struct str pattern = buf_str(&text);
        re->engine = re2_engine_create((struct re2_slice){ pattern.ptr, pattern.len },
                                       re->mode == REGEX_FULL, REGEX_ENGINE_BYTES_MAX, &error);
        if (re->engine == NULL) rc = engine_error(err, &error);
    }
    buf_deinit(&text);
    if (rc != ERR_OK) return rc;
    size_t bytes = re2_engine_bytes(re->engine);
    if (!mem_charge(re->budget, MEM_CACHE, bytes))
        return err_set(err, ERR_NOMEM, "no memory for a regular expression");
    re->charged_bytes = bytes;
    return ERR_OK;
}

static void drop_engine(struct regex *re)
{
    re2_engine_destroy(re->engine);
    re->engine = NULL;
    mem_uncharge(re->budget, MEM_CACHE, re->charged_bytes);
    re->charged_bytes = 0;
}

/* ---- from shape to kind ----------------------------------------------------------------- */

static int by_bytes(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Copy the set into the regex, sorted and without duplicates. */
static bool keep_literals(struct regex *re, const struct str *set, size_t count)
{
    re->literals = arena_array_raw(&re->arena, struct str, count);
    if (re->literals == NULL) return false;
    memcpy(re->literals, set, count * sizeof *set);
    qsort(re->literals, count, sizeof *re->literals, by_bytes);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && str_eq(re->literals[kept - 1], re->literals[i])) continue;
        struct str copy = arena_str(&re->arena, re->literals[i]);
        if (copy.ptr == NULL && re->literals[i].len > 0) return false;
        re->literals[kept++] = copy;
    }
    re->literal_count = kept;
    return true;
}

static bool build_table(struct regex *re)
{
    if (re->literal_count < HASH_FROM_MEMBERS) return true;
    uint32_t size = 32;
    while (size < 2 * re->literal_count)
        size *= 2;
    re->table = arena_array(&re->arena, uint32_t, size);
    if (re->table == NULL) return false;
    re->table_mask = size - 1;
    for (size_t i = 0; i < re->literal_count; i++) {
        uint32_t slot = (uint32_t)hash64(re->literals[i].ptr, re->literals[i].len, 0);
        while (re->table[slot & re->table_mask] != 0)
            slot++;
        re->table[slot & re->table_mask] = (uint32_t)i + 1;
    }
    return true;
}

/* A member that contains another one adds nothing to "contains one of". */
static void drop_superstrings(struct regex *re)
{
    size_t kept = 0;
    for (size_t i = 0; i < re->literal_count; i++) {
        bool is_needed = true;
        for (size_t j = 0; j < re->literal_count && is_needed; j++) {
            struct str other = re->literals[j];
            bool contains = str_find(re->literals[i], other) < re->literals[i].len;
            if (j != i && contains && other.len < re->literals[i].len) is_needed = false;
        }
        if (is_needed) re->literals[kept++] = re->literals[i];
    }
    re->literal_count = kept;
}

static bool keep_conditions(struct regex *re, const struct shape *s)
{
    struct str prefix = shape_prefix(s), suffix = shape_suffix(s), inner = shape_inner(s);
    re->prefix = arena_str(&re->arena, prefix);
    re->suffix = arena_str(&re->arena, suffix);
    re->inner = arena_str(&re->arena, inner);
    return (re->prefix.ptr || !prefix.len) && (re->suffix.ptr || !suffix.len) &&
           (re->inner.ptr || !inner.len);
}

static bool classify_full(struct regex *re, const struct shape *s)
{
    if (!keep_conditions(re, s)) return false;
    switch (s->kind) {
    case SHAPE_SET:
        if (!keep_literals(re, s->set, s->count) || !build_table(re)) return false;
        re->kind = re->literal_count == 1 ? REGEX_EQUAL : REGEX_SET;
        return true;
    case SHAPE_ANY: re->kind = REGEX_ANY; return true;
    case SHAPE_NON_EMPTY: re->kind = REGEX_NON_EMPTY; return true;
    case SHAPE_PREFIX: re->kind = REGEX_PREFIX; return keep_literals(re, &s->prefix, 1);
    case SHAPE_SUFFIX: re->kind = REGEX_SUFFIX; return keep_literals(re, &s->suffix, 1);
    case SHAPE_CONTAINS: re->kind = REGEX_CONTAINS; return keep_literals(re, &s->inner, 1);
    case SHAPE_OTHER: return true;
    }
    UNREACHABLE();
}

static bool classify_search(struct regex *re, const struct shape *s)
{
    if (s->is_nullable) {
        re->kind = REGEX_ANY;
        return true;
    }
    if (!keep_conditions(re, s)) return false;
    re->prefix = re->suffix = STR("");
    if (s->kind != SHAPE_SET || s->count > 4 * REGEX_CONTAINS_MAX) return true;
    if (!keep_literals(re, s->set, s->count)) return false;
    drop_superstrings(re);
    if (re->literal_count <= REGEX_CONTAINS_MAX)
        re->kind = REGEX_CONTAINS;
    else
        re->literal_count = 0;
    return true;
}

/* Analyse the pattern and decide whether the engine is needed to check it or to match. */
static enum err_code analyse(struct regex *re, struct arena *scratch, bool *out_needs_engine,
                             bool *out_needs_check, struct err *err)
{
    bool is_search = re->mode == REGEX_SEARCH;
    struct regex_parse parse = regex_parse(re->pattern, is_search, scratch);
    re->kind = REGEX_GENERAL;
    re->prefix = re->suffix = re->inner = STR("");
    bool ok = true;
    if (parse.is_understood)
        ok = is_search ? classify_search(re, &parse.shape) : classify_full(re, &parse.shape);
    if (!ok) return err_set(err, ERR_NOMEM, "no memory for a regular expression");
    re->is_whole_group =
        !is_search && (str_eq(re->pattern, STR("(.*)")) || str_eq(re->pattern, STR("(.+)")));
    re->group_count = parse.group_count;
    *out_needs_engine =
        is_search || re->kind == REGEX_GENERAL || (parse.group_count > 0 && !re->is_whole_group);
    *out_needs_check = *out_needs_engine || !parse.is_verified;
    return ERR_OK;
}

/* ---- life ------------------------------------------------------------------------------- */

static enum err_code fill(struct regex *re, struct str pattern, struct err *err)
{
    struct arena scratch;
    bool needs_engine = true, needs_check = true;
    re->pattern = arena_str(&re->arena, pattern);
    if (re->pattern.ptr == NULL && pattern.len > 0)
        return err_set(err, ERR_NOMEM, "no memory for a regular expression");
    arena_init(&scratch, mem_source_of(re->budget, MEM_SYSTEM), ANALYSIS_BYTES_MAX);
    enum err_code rc = analyse(re, &scratch, &needs_engine, &needs_check, err);
    arena_deinit(&scratch);
    TRY(rc);
    if (needs_check) TRY(create_engine(re, err));
    if (!needs_engine && needs_check) drop_engine(re);
    if (re->engine != NULL) re->group_count = re2_engine_group_count(re->engine);
    re->matches_empty = regex_match(re, STR(""));
    return ERR_OK;
}

static void destroy(struct regex *re)
{
    struct mem_budget *budget = re->budget;
    drop_engine(re);
    arena_deinit(&re->arena);
    re->magic = 0;
    mem_free(budget, MEM_SYSTEM, re, sizeof *re);
}

enum err_code regex_compile(struct mem_budget *budget, struct str pattern, enum regex_mode mode,
                            struct regex **out, struct err *err)
{
    if (pattern.len > REGEX_PATTERN_BYTES_MAX)
        return err_setf(err, ERR_LIMIT, "regular expression", "longer than %zu bytes",
                        REGEX_PATTERN_BYTES_MAX);
    if (!str_is_utf8(pattern)) return syntax_error(err, "invalid UTF-8", pattern);
    struct regex *re = mem_zalloc(budget, MEM_SYSTEM, sizeof *re);
    if (re == NULL) return err_set(err, ERR_NOMEM, "no memory for a regular expression");
    re->magic = REGEX_MAGIC;
    atomic_init(&re->refs, 1);
    re->budget = budget;
    re->mode = mode;
    arena_init(&re->arena, mem_source_of(budget, MEM_SYSTEM), REGEX_BYTES_MAX);
    enum err_code rc = fill(re, pattern, err);
    if (rc != ERR_OK) {
        destroy(re);
        return rc;
    }
    *out = re;
    return ERR_OK;
}

struct regex *regex_ref(const struct regex *re)
{
    struct regex *shared = (struct regex *)(uintptr_t)re; /* only the count changes */
    ASSERT(shared->magic == REGEX_MAGIC);
    (void)atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

void regex_unref(const struct regex *re)
{
    if (re == NULL) return;
    struct regex *shared = (struct regex *)(uintptr_t)re;
    ASSERT(shared->magic == REGEX_MAGIC);
    /* release/acquire: the last owner sees what the others did before they let go */
    if (atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) == 1) destroy(shared);
}

/* ---- matching --------------------------------------------------------------------------- */

static bool is_member(const struct regex *re, struct str s)
{
    if (re->table == NULL) {
        for (size_t i = 0; i < re->literal_count; i++)
            if (str_eq(re->literals[i], s)) return true;
        return false;
    }
    uint32_t slot = (uint32_t)hash64(s.ptr, s.len, 0);
    for (uint32_t found; (found = re->table[slot & re->table_mask]) != 0; slot++)
        if (str_eq(re->literals[found - 1], s)) return true;
    return false;
}

static bool contains(struct str s, struct str part)
{
    return part.len == 0 || str_find(s, part) < s.len;
}

static bool contains_one(const struct regex *re, struct str s)
{
    for (size_t i = 0; i < re->literal_count; i++)
        if (contains(s, re->literals[i])) return true;
    return false;
}

static bool fulfils_conditions(const struct regex *re, struct str s)
{
    if (!str_starts_with(s, re->prefix) || !str_ends_with(s, re->suffix)) return false;
    /* a prefix or suffix that is as long has already said it */
    if (re->inner.len <= re->prefix.len || re->inner.len <= re->suffix.len) return true;
    return contains(s, re->inner);
}

static bool engine_match(const struct regex *re, struct str s, size_t from,
                         struct re2_slice *groups, size_t count)
{
    const struct re2_slice text = { s.ptr ? s.ptr : "", s.len };
    return re2_engine_match(re->engine, text, from, groups, count);
}

bool regex_match(const struct regex *re, struct str s)
{
    switch (re->kind) {
    case REGEX_ANY: return true;
    case REGEX_NON_EMPTY: return s.len > 0;
    case REGEX_EQUAL: return str_eq(s, re->literals[0]);
    case REGEX_SET: return is_member(re, s);
    case REGEX_PREFIX: return str_starts_with(s, re->literals[0]);
    case REGEX_SUFFIX: return str_ends_with(s, re->literals[0]);
    case REGEX_CONTAINS: return contains_one(re, s);
    case REGEX_GENERAL: return fulfils_conditions(re, s) && engine_match(re, s, 0, NULL, 0);
    }
    UNREACHABLE();
}

static bool match_groups(const struct regex *re, struct str s, size_t from,
                         struct regex_groups *out)
{
    struct re2_slice found[REGEX_GROUPS_MAX + 1];
    size_t count = re->group_count < REGEX_GROUPS_MAX ? re->group_count + 1 : REGEX_GROUPS_MAX + 1;
    if (!engine_match(re, s, from, found, count)) return false;
    out->count = count;
    for (size_t i = 0; i < count; i++)
        out->at[i] = (struct str){ found[i].ptr, found[i].len };
    return true;
}

bool regex_match_groups(const struct regex *re, struct str s, struct regex_groups *out)
{
    if (!regex_match(re, s)) return false;
    if (re->engine != NULL) return match_groups(re, s, 0, out);
    out->count = re->is_whole_group ? 2 : 1;
    out->at[0] = out->at[1] = (struct str){ s.ptr ? s.ptr : "", s.len };
    return true;
}

bool regex_match_groups_from(const struct regex *re, struct str s, size_t from,
                             struct regex_groups *out)
{
    ASSERT(re->mode == REGEX_SEARCH);
    ASSERT(from <= s.len);
    return match_groups(re, s, from, out);
}

/* ---- what the analysis found ------------------------------------------------------------ */

enum regex_mode regex_mode_of(const struct regex *re)
{
    return re->mode;
}

enum regex_kind regex_kind_of(const struct regex *re)
{
    return re->kind;
}

const struct str *regex_literals(const struct regex *re, size_t *out_count)
{
    *out_count = re->literal_count;
    return re->literals;
}

struct str regex_prefix(const struct regex *re)
{
    return re->prefix;
}

bool regex_matches_empty(const struct regex *re)
{
    return re->matches_empty;
}

struct str regex_pattern(const struct regex *re)
{
    return re->pattern;
}

struct str regex_group_name(const struct regex *re, size_t index)
{
    if (re->engine == NULL) return STR("");
    struct re2_slice name = re2_engine_group_name(re->engine, index);
    return (struct str){ name.ptr, name.len };
}

size_t regex_group_index(const struct regex *re, struct str name)
{
    for (size_t i = 1; name.len > 0 && i <= re->group_count; i++)
        if (str_eq(regex_group_name(re, i), name)) return i;
    return 0;
}

/* ---- templates -------------------------------------------------------------------------- */

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A reference at the front of `text` (behind its '$'): its name, and how many bytes it takes. */
static bool scan_reference(struct str text, struct str *out_name, size_t *out_len)
{
    bool has_brace = text.len > 0 && text.ptr[0] == '{';
    size_t begin = has_brace, end = begin;
    while (end < text.len && is_word(text.ptr[end]))
        end++;
    if (end == begin) return false;
    if (has_brace && (end == text.len || text.ptr[end] != '}')) return false;
    *out_name = str_sub(text, begin, end);
    *out_len = end + has_brace;
    return true;
}

/* "0" to "99999999" without leading zero is a number; the rest is a name. Of several groups of one
 * name it is the first that took part in the match. */
static bool reference_index(const struct regex *re, struct str name,
                            const struct regex_groups *groups, size_t *out_index)
{
    uint64_t number = 0;
    bool is_number =
        name.len <= 8 && (name.len == 1 || name.ptr[0] != '0') && str_to_u64(name, &number);
    if (is_number) {
        *out_index = (size_t)number;
        return true;
    }
    for (size_t i = 1; i < groups->count; i++) {
        *out_index = i;
        if (groups->at[i].ptr != NULL && str_eq(regex_group_name(re, i), name)) return true;
    }
    return false;
}

void regex_expand(const struct regex *re, struct str text, const struct regex_groups *groups,
                  struct buf *out)
{
    while (text.len > 0) {
        size_t dollar = str_index(text, '$');
        buf_put_str(out, str_sub(text, 0, dollar));
        if (dollar == text.len) return;
        text = str_sub(text, dollar + 1, text.len);
        struct str name;
        size_t len = 0, index = 0;
        if (text.len > 0 && text.ptr[0] == '$') {
            buf_put_u8(out, '$');
            text = str_sub(text, 1, text.len);
        } else if (!scan_reference(text, &name, &len)) {
            buf_put_u8(out, '$');
        } else {
            if (reference_index(re, name, groups, &index) && index < groups->count &&
                groups->at[index].ptr != NULL)
                buf_put_str(out, groups->at[index]);
            text = str_sub(text, len, text.len);
        }
    }
}
