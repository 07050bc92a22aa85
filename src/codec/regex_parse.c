/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/regex_parse.h"

#include "codec/utf8.h"

#define DEPTH_MAX 50
#define REPEAT_MAX 1000 /* Go's and RE2's limit */

/* Small classes become sets of their characters. */
#define CLASS_MEMBERS_MAX 64

struct parser {
    struct str text;
    size_t pos;
    struct arena *arena;
    bool is_search;
    bool is_verified;
    bool has_given_up; /* not understood, or out of memory */
    unsigned depth;
    size_t group_count;
    /* unescaped literal characters; never more than the pattern has bytes */
    char *literals;
    size_t literal_len;
};

static bool at_end(const struct parser *p)
{
    return p->pos == p->text.len;
}

static char peek(const struct parser *p)
{
    return at_end(p) ? '\0' : p->text.ptr[p->pos];
}

static bool looking_at(const struct parser *p, struct str s)
{
    return str_starts_with(str_sub(p->text, p->pos, p->text.len), s);
}

static void give_up(struct parser *p)
{
    p->has_given_up = true;
    p->pos = p->text.len;
}

/* ---- classes ---------------------------------------------------------------------------- */

/* The class at pos (behind its '['): members into `seen` (ASCII only), *out_simple when they are
 * all of it. Leaves pos behind the ']'. */
static void scan_class(struct parser *p, bool seen[128], bool *out_simple)
{
    bool is_simple = true, is_first = true;
    int low = -1;          /* last member, a possible start of a range */
    bool is_range = false; /* a '-' has been seen after it */
    if (peek(p) == '^') {
        is_simple = false;
        p->pos++;
    }
    for (; !at_end(p); is_first = false) {
        char c = p->text.ptr[p->pos++];
        if (c == ']' && !is_first) {
            if (is_range) seen['-'] = true;
            *out_simple = is_simple;
            return;
        }
        if (c == '\\' || (unsigned char)c >= 0x80 || (c == '[' && peek(p) == ':')) {
            is_simple = false;
            if (c == '\\') p->pos++;
            if (c == '[') {
                size_t end = str_find(str_sub(p->text, p->pos + 1, p->text.len), STR(":]"));
                p->pos += end + 3;
            }
            if (p->pos > p->text.len) break;
            low = -1;
            is_range = false;
            continue;
        }
        if (is_range) {
            if (low < 0 || c < low) break;
            for (int member = low; member <= c; member++)
                seen[member] = true;
            low = -1;
            is_range = false;
        } else if (c == '-' && low >= 0) {
            is_range = true;
        } else {
            if (c == '-' && !is_first && peek(p) != ']') break; /* RE2 refuses some of these */
            seen[(unsigned char)c] = true;
            low = c;
        }
    }
    give_up(p);
}

static struct shape class_shape(struct parser *p)
{
    bool seen[128] = { false };
    bool is_simple = false;
    size_t count = 0;
    struct shape s = shape_other();
    scan_class(p, seen, &is_simple);
    for (size_t c = 0; c < 128; c++)
        count += seen[c];
    if (p->has_given_up) return s;
    if (!is_simple) p->is_verified = false;
    if (!is_simple || count == 0 || count > CLASS_MEMBERS_MAX) return s;
    bool is_begun = false;
    for (size_t c = 0; c < 128; c++) {
        struct shape one;
        char *member = seen[c] ? arena_array_raw(p->arena, char, 1) : NULL;
        if (!seen[c]) continue;
        if (member == NULL || !shape_literal(p->arena, (struct str){ member, 1 }, &one)) {
            give_up(p);
            return s;
        }
        *member = (char)c;
        if (!is_begun)
            s = one;
        else if (!shape_alternate(p->arena, &s, &one))
            give_up(p);
        is_begun = true;
    }
    return s;
}

/* ---- repetition ------------------------------------------------------------------------- */

/* Decimal without leading zeros: `{02}` is no repetition. */
static bool scan_number(struct parser *p, uint32_t *out)
{
    size_t begin = p->pos;
    uint32_t v = 0;
    for (; peek(p) >= '0' && peek(p) <= '9' && v <= REPEAT_MAX; p->pos++)
        v = v * 10 + (uint32_t)(peek(p) - '0');
    *out = v;
    return p->pos > begin && (p->text.ptr[begin] != '0' || p->pos == begin + 1);
}

/* {n}, {n,} or {n,m} at pos; a brace that is none of these is a literal, and pos stays. */
static bool scan_braces(struct parser *p, uint32_t *out_min, uint32_t *out_max)
{
    size_t begin = p->pos++;
    if (scan_number(p, out_min)) {
        *out_max = *out_min;
        if (peek(p) == ',') {
            p->pos++;
            if (!scan_number(p, out_max)) *out_max = SHAPE_UNBOUNDED;
        }
        if (peek(p) == '}') {
            p->pos++;
            return true;
        }
    }
    p->pos = begin;
    return false;
}

/* A repetition operator at pos, taken with its lazy mark. */
static bool scan_repeat(struct parser *p, uint32_t *out_min, uint32_t *out_max)
{
    switch (peek(p)) {
    case '*': *out_min = 0, *out_max = SHAPE_UNBOUNDED; break;
    case '+': *out_min = 1, *out_max = SHAPE_UNBOUNDED; break;
    case '?': *out_min = 0, *out_max = 1; break;
    case '{':
        if (!scan_braces(p, out_min, out_max)) return false;
        p->pos--;
        /* RE2 limits the size of nested repetitions; it has the last word on braces. */
        p->is_verified = false;
        break;
    default: return false;
    }
    p->pos++;
    if (peek(p) == '?') p->pos++;
    bool is_wrong = *out_min > *out_max || *out_min > REPEAT_MAX ||
                    (*out_max > REPEAT_MAX && *out_max != SHAPE_UNBOUNDED);
    uint32_t min, max;
    size_t pos = p->pos;
    if (is_wrong || strchr("*+?", peek(p) ? peek(p) : ' ') != NULL ||
        (peek(p) == '{' && scan_braces(p, &min, &max))) {
        give_up(p); /* RE2 tells the user */
        return false;
    }
    p->pos = pos;
    return true;
}

/* ---- atoms ------------------------------------------------------------------------------ */

enum atom {
    ATOM_END,     /* of the branch: '|', ')' or the end */
    ATOM_LITERAL, /* one character, appended to literals */
    ATOM_SHAPE    /* anything else, in *out */
};

static struct shape parse_alternatives(struct parser *p);

static enum atom atom_literal(struct parser *p, const char *ptr, size_t len)
{
    memcpy(p->literals + p->literal_len, ptr, len);
    p->literal_len += len;
    return ATOM_LITERAL;
}

static bool skip_group_name(struct parser *p)
{
    size_t begin = p->pos;
    for (char c; (c = peek(p)) != '>'; p->pos++) {
        bool is_word =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!is_word) return false;
    }
    return p->pos++ > begin;
}

static struct shape parse_group(struct parser *p)
{
    bool is_valid = true;
    if (looking_at(p, STR("?:"))) {
        p->pos += 2;
    } else if (looking_at(p, STR("?P<")) || looking_at(p, STR("?<"))) {
        p->pos += peek(p) == '?' && p->text.ptr[p->pos + 1] == 'P' ? 3 : 2;
        is_valid = skip_group_name(p);
        p->group_count++;
    } else if (peek(p) == '?') {
        is_valid = false;
    } else {
        p->group_count++;
    }
    if (!is_valid || ++p->depth > DEPTH_MAX) {
        give_up(p);
        return shape_other();
    }
    struct shape s = parse_alternatives(p);
    p->depth--;
    if (peek(p) != ')' || at_end(p))
        give_up(p);
    else
        p->pos++;
    return s;
}

static enum atom parse_escape(struct parser *p, struct shape *out)
{
    static const char controls[] = "afnrtv", values[] = "\a\f\n\r\t\v";
    if (at_end(p)) {
        give_up(p);
        return ATOM_END;
    }
    char c = p->text.ptr[p->pos++];
    const char *control = c ? strchr(controls, c) : NULL;
    if (control != NULL) return atom_literal(p, values + (control - controls), 1);
    if (c > ' ' && c < 0x7f && strchr("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", c) != NULL)
        return atom_literal(p, &c, 1);
    *out = shape_other();
    if (c == 0 || strchr("dDsSwWbBAz", c) == NULL) give_up(p);
    return ATOM_SHAPE;
}

static bool at_branch_end(const struct parser *p)
{
    return at_end(p) || peek(p) == '|' || peek(p) == ')';
}

static enum atom parse_atom(struct parser *p, bool is_branch_begin, struct shape *out)
{
    if (at_branch_end(p)) return ATOM_END;
    const char *ptr = p->text.ptr + p->pos;
    unsigned length = utf8_length(ptr, p->text.len - p->pos);
    p->pos += length;
    *out = shape_other();
    switch (*ptr) {
    case '.': out->is_dot = !p->is_search; return ATOM_SHAPE;
    case '[': *out = class_shape(p); return ATOM_SHAPE;
    case '(': *out = parse_group(p); return ATOM_SHAPE;
    case '\\': return parse_escape(p, out);
    case '^':
    case '$': {
        /* Where the anchored pattern has an anchor of its own, another one says nothing. */
        bool is_outer = *ptr == '^' ? is_branch_begin : at_branch_end(p);
        if (p->depth == 0 && !p->is_search && is_outer && !shape_literal(p->arena, STR(""), out))
            give_up(p);
        return ATOM_SHAPE;
    }
    case '*':
    case '+':
    case '?': give_up(p); return ATOM_END;
    case '{': {
        uint32_t min, max;
        p->pos--;
        if (scan_braces(p, &min, &max)) {
            give_up(p);
            return ATOM_END;
        }
        p->pos++;
        return atom_literal(p, ptr, 1);
    }
    default:
        if (length == 0) { /* no UTF-8 */
            give_up(p);
            return ATOM_END;
        }
        return atom_literal(p, ptr, length);
    }
}

/* ---- branches --------------------------------------------------------------------------- */

/* A branch under construction. In mode SEARCH an outermost branch is without the atoms at its ends
 * that may match nothing: whatever contains the rest contains a match. */
struct branch {
    struct shape shape;
    struct shape kept; /* search: up to the last atom that must match something */
    bool is_trimmed;
    bool is_begun;
};

static void branch_add(struct parser *p, struct branch *b, const struct shape *atom)
{
    if (p->has_given_up) return;
    bool is_optional = b->is_trimmed && atom->is_nullable;
    if (is_optional && !b->is_begun) return;
    if (!shape_concat(p->arena, &b->shape, atom)) give_up(p);
    if (is_optional) return;
    b->is_begun = true;
    b->kept = b->shape;
}

static void branch_add_literals(struct parser *p, struct branch *b, size_t from, size_t to)
{
    struct shape s;
    if (from == to) return;
    if (shape_literal(p->arena, (struct str){ p->literals + from, to - from }, &s))
        branch_add(p, b, &s);
    else
        give_up(p);
}

static struct shape parse_branch(struct parser *p)
{
    struct branch b = { .is_trimmed = p->is_search && p->depth == 0 };
    if (!shape_literal(p->arena, STR(""), &b.shape)) give_up(p);
    b.kept = b.shape;
    size_t run = p->literal_len; /* start of literals not yet added */
    bool is_begin = true;
    while (!p->has_given_up) {
        struct shape s;
        uint32_t min, max;
        size_t last = p->literal_len;
        enum atom atom = parse_atom(p, is_begin, &s);
        if (atom == ATOM_END) break;
        is_begin = false;
        bool is_repeated = scan_repeat(p, &min, &max);
        if (atom == ATOM_LITERAL && !is_repeated) continue;
        branch_add_literals(p, &b, run, last);
        if (atom == ATOM_LITERAL) {
            struct str literal = { p->literals + last, p->literal_len - last };
            if (!shape_literal(p->arena, literal, &s)) give_up(p);
        }
        run = p->literal_len;
        if (p->has_given_up) break;
        if (is_repeated && !shape_repeat(p->arena, &s, min, max)) give_up(p);
        branch_add(p, &b, &s);
    }
    branch_add_literals(p, &b, run, p->literal_len);
    return b.is_trimmed ? b.kept : b.shape;
}

static struct shape parse_alternatives(struct parser *p)
{
    struct shape all = parse_branch(p);
    while (!p->has_given_up && peek(p) == '|') {
        p->pos++;
        struct shape next = parse_branch(p);
        if (!p->has_given_up && !shape_alternate(p->arena, &all, &next)) give_up(p);
    }
    return all;
}

struct regex_parse regex_parse(struct str pattern, bool is_search, struct arena *a)
{
    struct regex_parse result = { .shape = shape_other() };
    struct parser p = { .text = pattern,
                        .arena = a,
                        .is_search = is_search,
                        .is_verified = true,
                        .literals = arena_array_raw(a, char, pattern.len + 1) };
    if (p.literals == NULL) return result;
    struct shape shape = parse_alternatives(&p);
    if (p.has_given_up || !at_end(&p)) return result; /* a ')' too many ends up here */
    return (struct regex_parse){ true, p.is_verified, p.group_count, shape };
}
