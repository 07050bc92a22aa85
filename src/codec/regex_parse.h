/* SPDX-License-Identifier: Apache-2.0
 *
 * regex_parse - read a pattern into a shape (codec/regex_shape.h). Private to codec/regex.c.
 *
 * Understood  literals, `.`, classes, `\` + punctuation, \a \f \n \r \t \v, \d \D \s \S \w \W \b
 *             \B \A \z, ( ), (?: ), (?P<name> ), (?<name> ), |, * + ? {n} {n,} {n,m} and their
 *             lazy forms, ^ and $. Anything else makes the pattern "not understood".
 */
#ifndef PHAROS_CODEC_REGEX_PARSE_H
#define PHAROS_CODEC_REGEX_PARSE_H

#include "codec/regex_shape.h"

struct regex_parse {
    bool is_understood; /* the fields below mean something */
    bool is_verified;   /* every construct was checked: RE2 would accept the pattern as well */
    size_t group_count; /* capture groups */
    struct shape shape;
};

/* With `is_search` the pattern is to be found anywhere, `.` is no newline, and the shape describes
 * what has to be contained (`.*foo.*` gives the set {foo}). Otherwise ^(?s:pattern)$. */
struct regex_parse regex_parse(struct str pattern, bool is_search, struct arena *a);

#endif
