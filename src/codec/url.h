/* SPDX-License-Identifier: Apache-2.0
 *
 * url - percent-encoding, query strings, and the parts of a URL (RFC 3986, with Go's net/url
 * choices, because the dialects' clients were written against it).
 *
 * Memory    Slices of the input where nothing is escaped, otherwise decoded into the arena.
 * Failure   ERR_INVALID with Go's text in detail (`invalid URL escape "%zz"`), ERR_LIMIT,
 *           ERR_NOMEM.
 */
#ifndef PHAROS_CODEC_URL_H
#define PHAROS_CODEC_URL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum url_part {
    URL_PATH, /* '+' is '+' */
    URL_QUERY /* '+' is a blank */
};

CHECK_RESULT enum err_code url_decode(struct str s, enum url_part part, struct arena *a,
                                      struct str *out, struct err *err);
/* Go's PathEscape (one segment, '/' is escaped) and QueryEscape (blank becomes '+'). */
void url_encode(struct str s, enum url_part part, struct buf *out);

#define URL_QUERY_PARAMS_MAX 10000

/* Iteration over "a=1&b=2" of a target or a form body. Parameters stay in order and repeat. */
struct url_query {
    struct str rest;
    struct arena *arena;
    size_t count; /* seen so far; ERR_LIMIT beyond URL_QUERY_PARAMS_MAX */
    enum err_code code;
    char bad[24]; /* the escape that was wrong */
};

struct url_query url_query_of(struct str query, struct arena *arena);
/* The next parameter, or false at the end or on error. A key without '=' has an empty value. */
bool url_query_next(struct url_query *q, struct str *out_key, struct str *out_value);
/* The verdict after the loop. ';' as a separator is an error, as in Go. */
CHECK_RESULT enum err_code url_query_finish(const struct url_query *q, struct err *err);

/* Parts of an absolute URL, as written (nothing decoded). */
struct url {
    struct str scheme;   /* lower case is not enforced; compare without case */
    struct str userinfo; /* "user:password" or empty */
    struct str host;     /* name, IPv4 or IPv6 without brackets */
    uint16_t port;       /* 0: none given */
    struct str path;     /* with leading '/', or empty */
    struct str query;    /* without '?' */
    struct str fragment; /* without '#' */
};

/* Zero-copy; ERR_INVALID when it is no absolute URL with a host. */
CHECK_RESULT enum err_code url_parse(struct str s, struct url *out, struct err *err);
/* s with a password in its userinfo replaced by "xxxxx", as Go's Redacted. */
void url_put_redacted(struct str s, struct buf *out);

#endif
