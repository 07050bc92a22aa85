/* SPDX-License-Identifier: Apache-2.0
 *
 * json_read - pull parser (RFC 8259) over a whole text, without a tree.
 *
 * The caller asks for what it expects; errors are sticky (every later call returns false or a zero
 * value), so a decoder is written straight-line and checked once, in json_finish:
 *
 *     struct json_reader r;
 *     json_reader_init(&r, body, arena);
 *     json_object(&r);
 *     for (struct str key; json_next_key(&r, &key);) {
 *         if (str_eq(key, STR("name"))) name = json_str(&r);
 *         else if (str_eq(key, STR("values"))) {
 *             json_array(&r);
 *             while (json_next_item(&r)) push(json_f64(&r));
 *         }
 *     }                                   <- a value nobody took is checked and skipped
 *     TRY(json_finish(&r, err));          <- also refuses trailing text
 *
 * Strict    Numbers by the grammar, UTF-8 and surrogate pairs validated, no control characters in
 *           strings, depth at most JSON_DEPTH_MAX. Duplicate keys are the caller's business.
 * Memory    A string without escapes is a slice of the text; one with escapes is decoded into the
 *           arena. Nothing else is allocated.
 * Failure   json_finish: ERR_INVALID or ERR_LIMIT with detail "line 3, column 7: expected ..." and
 *           err->offset, ERR_NOMEM.
 */
#ifndef PHAROS_CODEC_JSON_READ_H
#define PHAROS_CODEC_JSON_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define JSON_DEPTH_MAX 64

enum json_kind {
    JSON_NONE, /* nothing here: end of the container, end of text, or an error before */
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* Public only so that it can live on the stack. */
struct json_reader {
    const char *pos, *end, *begin;
    struct arena *arena;
    uint64_t is_object; /* bit per open container */
    unsigned depth;
    bool value_due; /* a value stands at pos and nobody has taken it */
    bool first;     /* no element of the innermost container has been read */
    uint64_t value_count, value_count_max;
    enum err_code code; /* first error */
    const char *msg;
    const char *error_pos;
};

void json_reader_init(struct json_reader *r, struct str text, struct arena *arena);
/* Refuse a text with more values than this (default: no limit but the size of the text). */
static inline void json_limit_values(struct json_reader *r, uint64_t max)
{
    r->value_count_max = max;
}

/* What stands next, without taking it. */
enum json_kind json_peek(struct json_reader *r);

/* Enter a container. Any other kind is an error. */
void json_object(struct json_reader *r);
void json_array(struct json_reader *r);
/* The next member of the innermost object: true and its key (valid as long as text and arena), or
 * false after taking the closing brace (or on error). */
bool json_next_key(struct json_reader *r, struct str *out_key);
/* The next element of the innermost array, or false after taking the closing bracket. */
bool json_next_item(struct json_reader *r);

/* Take a value of that kind; anything else is an error. */
struct str json_str(struct json_reader *r);
bool json_bool(struct json_reader *r);
double json_f64(struct json_reader *r);
/* Integers: no fraction, no exponent, in range. */
int64_t json_i64(struct json_reader *r);
uint64_t json_u64(struct json_reader *r);
/* The characters of a number as written. */
struct str json_number(struct json_reader *r);
/* Take a null if one stands here; false (nothing taken) otherwise. */
bool json_null(struct json_reader *r);
/* The text of any value as written, validated. */
struct str json_raw(struct json_reader *r);
/* Check and step over any value. */
void json_skip(struct json_reader *r);

/* Make the reader fail at the value just taken: an error of the caller's own.
 * `msg` is a literal. */
void json_fail(struct json_reader *r, const char *msg);
static inline bool json_ok(const struct json_reader *r)
{
    return r->code == ERR_OK;
}
/* The verdict: the first error, or trailing text. */
CHECK_RESULT enum err_code json_finish(struct json_reader *r, struct err *err);

/* Line and column (1-based; columns in bytes) of an offset. */
void json_position(struct str text, size_t offset, uint32_t *out_line, uint32_t *out_column);

#endif
