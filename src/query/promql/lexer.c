/* SPDX-License-Identifier: Apache-2.0 */
#include "query/promql/lexer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/assert.h"
#include "codec/utf8.h"

_Static_assert(PROMQL_TOK_UNLESS - PROMQL_TOK_ADD == PROMQL_OP_UNLESS, "same order as promql_op");
_Static_assert(PROMQL_TOK_LIMIT_RATIO - PROMQL_TOK_SUM == PROMQL_AGG_LIMIT_RATIO,
               "same order as promql_agg_op");

struct keyword {
    struct str word;
    enum promql_token_kind kind;
};

static const struct keyword KEYWORDS[] = {
#define W(word, kind) { STR_INIT(word), PROMQL_TOK_##kind },
#include "query/promql/keywords.inc"
#undef W
};
#define KEYWORD_COUNT (sizeof KEYWORDS / sizeof KEYWORDS[0])

struct str promql_token_word(enum promql_token_kind k)
{
    for (size_t i = 0; i < KEYWORD_COUNT; i++)
        if (KEYWORDS[i].kind == k) return KEYWORDS[i].word;
    UNREACHABLE();
}

bool promql_token_is_metric_name(enum promql_token_kind k)
{
    if (k == PROMQL_TOK_IDENTIFIER || k == PROMQL_TOK_METRIC_IDENTIFIER) return true;
    if (promql_token_is_aggregator(k) || promql_token_is_function_word(k)) return true;
    if (k >= PROMQL_TOK_AND && k <= PROMQL_TOK_UNLESS) return true;
    return k == PROMQL_TOK_BY || k == PROMQL_TOK_WITHOUT ||
           (k >= PROMQL_TOK_FILL && k <= PROMQL_TOK_SMOOTHED);
}

bool promql_token_is_label_name(enum promql_token_kind k)
{
    return promql_token_is_metric_name(k) || promql_token_is_keyword(k) || k == PROMQL_TOK_ATAN2;
}

void promql_lexer_init(struct promql_lexer *lx, struct str input)
{
    ASSERT(input.len <= PROMQL_SIZE_MAX);
    *lx = (struct promql_lexer){ .input = input };
}

/* ---- characters ---- */

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(int c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_alnum(int c)
{
    return is_alpha(c) || is_digit(c);
}

static bool is_hex(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* The byte at `pos`, -1 past the end. */
static int byte_at(const struct promql_lexer *lx, uint32_t pos)
{
    return pos < lx->input.len ? (uint8_t)lx->input.ptr[pos] : -1;
}

static int peek(const struct promql_lexer *lx)
{
    return byte_at(lx, lx->pos);
}

/* Consume the next byte if it is one of the NUL-terminated `set`. */
static bool accept(struct promql_lexer *lx, const char *set)
{
    int c = peek(lx);
    if (c <= 0 || strchr(set, c) == NULL) return false;
    lx->pos++;
    return true;
}

/* ---- errors ---- */

__attribute__((format(printf, 3, 4))) static void fail(struct promql_lexer *lx, uint32_t at,
                                                       const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(lx->message, sizeof lx->message, fmt, args);
    va_end(args);
    lx->failed = true;
    lx->error_pos = at;
}

#define RUNE_TEXT_SIZE 24

/* The character at `pos` as Go's %q prints a rune: 'x', '\n', '\'', and the replacement character
 * for what is no UTF-8 (or past the end). */
static void quote_rune(const struct promql_lexer *lx, uint32_t pos, char out[RUNE_TEXT_SIZE])
{
    size_t left = lx->input.len - pos;
    unsigned n = left > 0 ? utf8_length(lx->input.ptr + pos, left) : 0;
    struct str rune = n > 0 ? (struct str){ lx->input.ptr + pos, n } : STR("\xef\xbf\xbd");
    if (str_eq(rune, STR("'"))) {
        (void)snprintf(out, RUNE_TEXT_SIZE, "'\\''");
        return;
    }
    if (str_eq(rune, STR("\""))) {
        (void)snprintf(out, RUNE_TEXT_SIZE, "'\"'");
        return;
    }
    (void)str_quote(rune, out, RUNE_TEXT_SIZE);
    out[0] = '\'';
    out[strlen(out) - 1] = '\'';
}

/* The character at `pos` as Go's %#U prints it: U+0071 'q'. */
static void describe_rune(const struct promql_lexer *lx, uint32_t pos, char *out, size_t size)
{
    unsigned n = utf8_length(lx->input.ptr + pos, lx->input.len - pos);
    uint32_t code = n > 0 ? utf8_code(lx->input.ptr + pos, n) : 0xfffd;
    const char *bytes = n > 0 ? lx->input.ptr + pos : "\xef\xbf\xbd";
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) {
        (void)snprintf(out, size, "U+%04X", code);
    } else {
        (void)snprintf(out, size, "U+%04X '%.*s'", code, n > 0 ? (int)n : 3, bytes);
    }
}

static void fail_character(struct promql_lexer *lx, uint32_t at, const char *what)
{
    char rune[RUNE_TEXT_SIZE];
    quote_rune(lx, at, rune);
    fail(lx, at, "%s %s", what, rune);
}

/* ---- strings ---- */

/* Consume one character of a string; false (and failed) if it is no UTF-8. */
static bool string_character(struct promql_lexer *lx, uint32_t start)
{
    unsigned n = utf8_length(lx->input.ptr + lx->pos, lx->input.len - lx->pos);
    if (n == 0) {
        fail(lx, start, "invalid UTF-8 rune");
        return false;
    }
    lx->pos += n;
    return true;
}

/* `digits` digits of an escape sequence: one byte, or a code point that is no surrogate. */
static bool escape_digits(struct promql_lexer *lx, uint32_t start, unsigned digits, unsigned base)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < digits; i++) {
        int c = peek(lx);
        if (c < 0) {
            fail(lx, start, "escape sequence not terminated");
            return false;
        }
        unsigned digit = is_digit(c) ? (unsigned)(c - '0')
                         : is_hex(c) ? (unsigned)((c | 0x20) - 'a' + 10)
                                     : 16;
        if (digit >= base) {
            char rune[RUNE_TEXT_SIZE];
            describe_rune(lx, lx->pos, rune, sizeof rune);
            fail(lx, start, "illegal character %s in escape sequence", rune);
            return false;
        }
        value = value * base + digit;
        lx->pos++;
    }
    bool is_byte = digits == 2 || base == 8;
    if (value > (is_byte ? 255 : 0x10ffff) || (value >= 0xd800 && value < 0xe000)) {
        fail(lx, start, "escape sequence is an invalid Unicode code point");
        return false;
    }
    return true;
}

/* What follows a backslash. */
static bool escape(struct promql_lexer *lx, uint32_t start, int quote)
{
    int c = peek(lx);
    if (c < 0) {
        fail(lx, start, "escape sequence not terminated");
        return false;
    }
    if (c == quote || accept(lx, "abfnrtv\\")) {
        if (c == quote) lx->pos++;
        return true;
    }
    if (c >= '0' && c <= '7') return escape_digits(lx, start, 3, 8);
    if (accept(lx, "x")) return escape_digits(lx, start, 2, 16);
    if (accept(lx, "u")) return escape_digits(lx, start, 4, 16);
    if (accept(lx, "U")) return escape_digits(lx, start, 8, 16);
    char rune[RUNE_TEXT_SIZE];
    describe_rune(lx, lx->pos, rune, sizeof rune);
    fail(lx, start, "unknown escape sequence %s", rune);
    return false;
}

static enum promql_token_kind lex_string(struct promql_lexer *lx)
{
    uint32_t start = lx->pos;
    int quote = peek(lx);
    lx->pos++;
    for (;;) {
        int c = peek(lx);
        if (c < 0 || (c == '\n' && quote != '`')) {
            fail(lx, start,
                 quote == '`' ? "unterminated raw string" : "unterminated quoted string");
            return PROMQL_TOK_ERROR;
        }
        if (c == '\\' && quote != '`') {
            lx->pos++;
            if (!escape(lx, start, quote)) return PROMQL_TOK_ERROR;
            continue;
        }
        if (!string_character(lx, start)) return PROMQL_TOK_ERROR;
        if (c == quote) return PROMQL_TOK_STRING;
    }
}

/* ---- numbers and durations ---- */

/* An underscore may only separate digits. */
static bool scan_underscore(struct promql_lexer *lx)
{
    lx->pos++;
    return !accept(lx, "._eE") && peek(lx) >= 0;
}

static bool scan_hex(struct promql_lexer *lx)
{
    for (;;) {
        int c = peek(lx);
        if (is_hex(c)) {
            lx->pos++;
        } else if (c == '_') {
            lx->pos++;
            if (accept(lx, "._") || peek(lx) < 0) return false;
        } else {
            break;
        }
    }
    if (accept(lx, ".")) return false; /* no fractions */
    return !is_alnum(peek(lx));
}

/* Consume what looks like a number: [.][digit][digit . _ e E]*; hexadecimal is integers only. It
 * is not yet known to be one, the parser converts it. False when it cannot be a number. */
static bool scan_number(struct promql_lexer *lx)
{
    if (peek(lx) == '0' && (byte_at(lx, lx->pos + 1) | 0x20) == 'x') {
        lx->pos += 2;
        return scan_hex(lx);
    }
    /* A dot at the start or after one 0 is not counted below, as in the reference. */
    bool got_dot = false, got_exponent = false;
    (void)accept(lx, "0");
    (void)accept(lx, ".");
    (void)accept(lx, "0123456789");
    for (;;) {
        int c = peek(lx);
        if (is_digit(c)) {
            lx->pos++;
        } else if (c == '.') {
            lx->pos++;
            if (got_dot || accept(lx, "_.")) return false;
            got_dot = true;
        } else if (c == 'e' || c == 'E') {
            lx->pos++;
            if (got_exponent) return false;
            got_exponent = true;
            (void)accept(lx, "+-");
            if (accept(lx, "._eE") || peek(lx) < 0) return false;
        } else if (c == '_') {
            if (!scan_underscore(lx)) return false;
        } else {
            break;
        }
    }
    return !is_alnum(peek(lx));
}

/* After the digits of a number: a unit, more digits with units. Order is the parser's concern. */
static bool scan_duration_rest(struct promql_lexer *lx)
{
    if (!accept(lx, "smhdwy")) return false;
    (void)accept(lx, "s"); /* of ms */
    while (accept(lx, "0123456789")) {
        while (accept(lx, "0123456789")) {}
        if (!accept(lx, "smhdw")) return false;
        (void)accept(lx, "s");
    }
    if (!is_alnum(peek(lx))) return true;
    lx->pos++; /* is part of the bad text */
    return false;
}

static enum promql_token_kind lex_number(struct promql_lexer *lx)
{
    uint32_t start = lx->pos;
    if (scan_number(lx)) return PROMQL_TOK_NUMBER;
    if (scan_duration_rest(lx)) return PROMQL_TOK_DURATION;
    char text[128];
    (void)str_quote(str_sub(lx->input, start, lx->pos), text, sizeof text);
    fail(lx, start, "bad number or duration syntax: %s", text);
    return PROMQL_TOK_ERROR;
}

static bool at_number(const struct promql_lexer *lx)
{
    int c = peek(lx);
    return is_digit(c) || (c == '.' && is_digit(byte_at(lx, lx->pos + 1)));
}

/* ---- words ---- */

/* fill, fill_left and fill_right are keywords only before a parenthesis. */
static bool before_paren(const struct promql_lexer *lx)
{
    uint32_t pos = lx->pos;
    while (is_space(byte_at(lx, pos)))
        pos++;
    return byte_at(lx, pos) == '(';
}

static enum promql_token_kind keyword_of(const struct promql_lexer *lx, struct str word)
{
    for (size_t i = 0; i < KEYWORD_COUNT; i++) {
        if (KEYWORDS[i].word.len != word.len || !str_eq_nocase(KEYWORDS[i].word, word)) continue;
        enum promql_token_kind k = KEYWORDS[i].kind;
        bool is_fill = k >= PROMQL_TOK_FILL && k <= PROMQL_TOK_FILL_RIGHT;
        return is_fill && !before_paren(lx) ? PROMQL_TOK_IDENTIFIER : k;
    }
    return str_index(word, ':') < word.len ? PROMQL_TOK_METRIC_IDENTIFIER : PROMQL_TOK_IDENTIFIER;
}

static enum promql_token_kind lex_word(struct promql_lexer *lx)
{
    uint32_t start = lx->pos;
    while (is_alnum(peek(lx)) || peek(lx) == ':')
        lx->pos++;
    return keyword_of(lx, str_sub(lx->input, start, lx->pos));
}

/* Words inside brackets. */
static enum promql_token_kind lex_duration_word(struct promql_lexer *lx)
{
    uint32_t start = lx->pos;
    while (is_alpha(peek(lx)))
        lx->pos++;
    enum promql_token_kind k = keyword_of(lx, str_sub(lx->input, start, lx->pos));
    if (k >= PROMQL_TOK_STEP && k <= PROMQL_TOK_MAX_OF) {
        lx->got_duration = true;
        return k;
    }
    char rune[RUNE_TEXT_SIZE];
    quote_rune(lx, start, rune);
    if (lx->before_number) {
        fail(lx, start, "unexpected character in duration expression: %s", rune);
    } else {
        fail(lx, start, "unexpected character: %s, expected ':'", rune);
    }
    return PROMQL_TOK_ERROR;
}

/* ---- the three places ---- */

static enum promql_token_kind take(struct promql_lexer *lx, uint32_t bytes,
                                   enum promql_token_kind kind)
{
    lx->pos += bytes;
    return kind;
}

static enum promql_token_kind lex_in_braces(struct promql_lexer *lx)
{
    uint32_t start = lx->pos;
    int c = peek(lx), next = byte_at(lx, start + 1);
    if (is_alpha(c)) {
        while (is_alnum(peek(lx)))
            lx->pos++;
        return PROMQL_TOK_IDENTIFIER;
    }
    switch (c) {
    case -1: fail(lx, start, "unexpected end of input inside braces"); return PROMQL_TOK_ERROR;
    case ',': return take(lx, 1, PROMQL_TOK_COMMA);
    case '"':
    case '\'':
    case '`': return lex_string(lx);
    case '=':
        return next == '~' ? take(lx, 2, PROMQL_TOK_MATCH_RE) : take(lx, 1, PROMQL_TOK_ASSIGN);
    case '!':
        if (next == '~') return take(lx, 2, PROMQL_TOK_MATCH_NRE);
        if (next == '=') return take(lx, 2, PROMQL_TOK_NE);
        char rune[RUNE_TEXT_SIZE];
        quote_rune(lx, start + 1, rune);
        fail(lx, start, "unexpected character after '!' inside braces: %s", rune);
        return PROMQL_TOK_ERROR;
    case '{': fail(lx, start, "unexpected left brace '{'"); return PROMQL_TOK_ERROR;
    case '}': lx->in_braces = false; return take(lx, 1, PROMQL_TOK_RIGHT_BRACE);
    default:
        fail_character(lx, start, "unexpected character inside braces:");
        return PROMQL_TOK_ERROR;
    }
}

static enum promql_token_kind lex_paren(struct promql_lexer *lx)
{
    if (peek(lx) == '(') {
        lx->paren_depth++;
        return take(lx, 1, PROMQL_TOK_LEFT_PAREN);
    }
    lx->pos++;
    if (--lx->paren_depth >= 0) return PROMQL_TOK_RIGHT_PAREN;
    fail(lx, lx->pos, "unexpected right parenthesis ')'");
    return PROMQL_TOK_ERROR;
}

static enum promql_token_kind lex_right_bracket(struct promql_lexer *lx)
{
    if (!lx->in_brackets) {
        fail(lx, lx->pos, "unexpected right bracket ']'");
        return PROMQL_TOK_ERROR;
    }
    lx->in_brackets = false;
    lx->before_number = false;
    return take(lx, 1, PROMQL_TOK_RIGHT_BRACKET);
}

/* From '[' to the first number: only what may begin a duration expression. */
static enum promql_token_kind lex_before_number(struct promql_lexer *lx)
{
    uint32_t start = lx->pos;
    if (at_number(lx)) {
        lx->before_number = false;
        return lex_number(lx);
    }
    switch (peek(lx)) {
    case -1: fail(lx, start, "unexpected end of input in duration expression"); break;
    case ']': return lex_right_bracket(lx);
    case ':':
        if (lx->got_duration && !lx->got_colon) {
            lx->got_colon = true;
            return take(lx, 1, PROMQL_TOK_COLON);
        }
        fail(lx, start + 1, "unexpected %s in duration expression",
             lx->got_duration ? "repeated colon" : "colon before duration");
        break;
    case '(':
    case ')': return lex_paren(lx);
    case '+': return take(lx, 1, PROMQL_TOK_ADD);
    case '-': return take(lx, 1, PROMQL_TOK_SUB);
    case '*': return take(lx, 1, PROMQL_TOK_MUL);
    case '/': return take(lx, 1, PROMQL_TOK_DIV);
    case '%': return take(lx, 1, PROMQL_TOK_MOD);
    case '^': return take(lx, 1, PROMQL_TOK_POW);
    case ',': return take(lx, 1, PROMQL_TOK_COMMA);
    default:
        if (is_alpha(peek(lx))) return lex_duration_word(lx);
        fail_character(lx, start, "unexpected character in duration expression:");
    }
    return PROMQL_TOK_ERROR;
}

static enum promql_token_kind lex_end(struct promql_lexer *lx)
{
    if (lx->paren_depth > 0) {
        fail(lx, lx->pos, "unclosed left parenthesis");
    } else if (lx->in_brackets) {
        fail(lx, lx->pos, "unclosed left bracket");
    } else {
        return PROMQL_TOK_EOF;
    }
    return PROMQL_TOK_ERROR;
}

/* Operators that begin with = ! < > and may have a second character. */
static enum promql_token_kind lex_comparison(struct promql_lexer *lx)
{
    uint32_t start = lx->pos;
    int c = peek(lx), next = byte_at(lx, start + 1);
    char rune[RUNE_TEXT_SIZE];
    switch (c) {
    case '=':
        if (next == '=') return take(lx, 2, PROMQL_TOK_EQ);
        if (next != '~') return take(lx, 1, PROMQL_TOK_ASSIGN);
        fail(lx, start, "unexpected character after '=': '~'");
        return PROMQL_TOK_ERROR;
    case '!':
        if (next == '=') return take(lx, 2, PROMQL_TOK_NE);
        quote_rune(lx, start + 1, rune);
        fail(lx, start, "unexpected character after '!': %s", rune);
        return PROMQL_TOK_ERROR;
    case '<':
        if (next == '=') return take(lx, 2, PROMQL_TOK_LE);
        if (next == '/') return take(lx, 2, PROMQL_TOK_TRIM_UPPER);
        return take(lx, 1, PROMQL_TOK_LT);
    default:
        ASSERT(c == '>');
        if (next == '=') return take(lx, 2, PROMQL_TOK_GE);
        if (next == '/') return take(lx, 2, PROMQL_TOK_TRIM_LOWER);
        return take(lx, 1, PROMQL_TOK_GT);
    }
}

static enum promql_token_kind lex_colon_or_word(struct promql_lexer *lx)
{
    if (!lx->in_brackets) return lex_word(lx);
    if (peek(lx) != ':') return lex_duration_word(lx);
    if (lx->got_colon) {
        fail(lx, lx->pos, "unexpected colon ':'");
        return PROMQL_TOK_ERROR;
    }
    lx->got_colon = true;
    return take(lx, 1, PROMQL_TOK_COLON);
}

static enum promql_token_kind lex_statement(struct promql_lexer *lx)
{
    uint32_t start = lx->pos;
    int c = peek(lx);
    if (at_number(lx)) return lex_number(lx);
    if (is_alpha(c) || c == ':') return lex_colon_or_word(lx);
    switch (c) {
    case -1: return lex_end(lx);
    case ',': return take(lx, 1, PROMQL_TOK_COMMA);
    case '*': return take(lx, 1, PROMQL_TOK_MUL);
    case '/': return take(lx, 1, PROMQL_TOK_DIV);
    case '%': return take(lx, 1, PROMQL_TOK_MOD);
    case '+': return take(lx, 1, PROMQL_TOK_ADD);
    case '-': return take(lx, 1, PROMQL_TOK_SUB);
    case '^': return take(lx, 1, PROMQL_TOK_POW);
    case '@': return take(lx, 1, PROMQL_TOK_AT);
    case '=':
    case '!':
    case '<':
    case '>': return lex_comparison(lx);
    case '"':
    case '\'':
    case '`': return lex_string(lx);
    case '(':
    case ')': return lex_paren(lx);
    case '{': lx->in_braces = true; return take(lx, 1, PROMQL_TOK_LEFT_BRACE);
    case '[':
        if (lx->in_brackets) {
            fail(lx, start, "unexpected left bracket '['");
            return PROMQL_TOK_ERROR;
        }
        lx->in_brackets = lx->before_number = true;
        lx->got_colon = lx->got_duration = false;
        return take(lx, 1, PROMQL_TOK_LEFT_BRACKET);
    case ']': return lex_right_bracket(lx);
    default: fail_character(lx, start, "unexpected character:"); return PROMQL_TOK_ERROR;
    }
}

static void skip_blanks(struct promql_lexer *lx)
{
    for (;;) {
        while (is_space(peek(lx)))
            lx->pos++;
        if (peek(lx) != '#' || lx->before_number) return;
        while (peek(lx) >= 0 && peek(lx) != '\n' && peek(lx) != '\r')
            lx->pos++;
    }
}

void promql_lexer_next(struct promql_lexer *lx, struct promql_token *out)
{
    if (!lx->failed) {
        skip_blanks(lx);
        uint32_t start = lx->pos;
        enum promql_token_kind kind = lx->in_braces       ? lex_in_braces(lx)
                                      : lx->before_number ? lex_before_number(lx)
                                                          : lex_statement(lx);
        if (kind != PROMQL_TOK_ERROR) {
            *out = (struct promql_token){ kind,
                                          { start, lx->pos },
                                          str_sub(lx->input, start, lx->pos) };
            return;
        }
    }
    ASSERT(lx->failed);
    *out = (struct promql_token){ PROMQL_TOK_ERROR,
                                  { lx->error_pos, (uint32_t)lx->input.len },
                                  { NULL, 0 } };
}

/* ---- descriptions ---- */

#define TOKEN_TEXT_MAX 10 /* characters of a number or string that messages show */

static void describe_literal(const char *what, struct str text, char *out, size_t size)
{
    char quoted[128];
    size_t cut = 0;
    for (unsigned i = 0; i < TOKEN_TEXT_MAX && cut < text.len; i++) {
        unsigned n = utf8_length(text.ptr + cut, text.len - cut);
        cut += n > 0 ? n : 1;
    }
    bool is_long = text.len > TOKEN_TEXT_MAX;
    (void)str_quote(str_sub(text, 0, cut), quoted, sizeof quoted);
    (void)snprintf(out, size, "%s %s%s", what, quoted, is_long ? "..." : "");
}

void promql_token_describe(const struct promql_token *t, char *out, size_t size)
{
    char quoted[256];
    if (promql_token_is_operator(t->kind)) {
        (void)snprintf(out, size, "<op:" STR_FMT ">", STR_ARG(t->text));
        return;
    }
    if (promql_token_is_aggregator(t->kind)) {
        (void)snprintf(out, size, "<aggr:" STR_FMT ">", STR_ARG(t->text));
        return;
    }
    if (promql_token_is_keyword(t->kind)) {
        (void)snprintf(out, size, "<" STR_FMT ">", STR_ARG(t->text));
        return;
    }
    /* wire-like switch: the other kinds share the default */
    switch ((int)t->kind) {
    case PROMQL_TOK_EOF: (void)snprintf(out, size, "end of input"); return;
    case PROMQL_TOK_NUMBER: describe_literal("number", t->text, out, size); return;
    case PROMQL_TOK_DURATION: describe_literal("duration", t->text, out, size); return;
    case PROMQL_TOK_STRING: describe_literal("string", t->text, out, size); return;
    case PROMQL_TOK_IDENTIFIER:
        (void)snprintf(out, size, "identifier %s", str_quote(t->text, quoted, sizeof quoted));
        return;
    case PROMQL_TOK_METRIC_IDENTIFIER:
        (void)snprintf(out, size, "metric identifier %s",
                       str_quote(t->text, quoted, sizeof quoted));
        return;
    default: (void)snprintf(out, size, "%s", str_quote(t->text, quoted, sizeof quoted)); return;
    }
}
