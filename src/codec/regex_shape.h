/* SPDX-License-Identifier: Apache-2.0
 *
 * regex_shape - what can be said about a regular expression without running it. Private to
 * codec/regex.c; the patterns are read by codec/regex_parse.c.
 *
 * A shape describes a set of strings: a finite set, everything, everything non-empty, `lit.*`,
 * `.*lit`, `.*lit.*`, or "other" with what its members have in common. Shapes are composed
 * bottom-up by concatenation, alternation and repetition. The kinds are equivalences; prefix,
 * suffix and inner are necessary conditions that hold for every member.
 *
 * Memory    The arena given. A function returns false when it is full; the pattern is then not
 *           understood, which is always a right answer.
 */
#ifndef PHAROS_CODEC_REGEX_SHAPE_H
#define PHAROS_CODEC_REGEX_SHAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"

/* Concatenation and repetition may expand to this many members; an alternation has as many as the
 * pattern spells out. */
#define SHAPE_EXPAND_MAX 256

enum shape_kind {
    SHAPE_SET,
    SHAPE_ANY,
    SHAPE_NON_EMPTY,
    SHAPE_PREFIX,   /* `prefix.*` */
    SHAPE_SUFFIX,   /* `.*suffix` */
    SHAPE_CONTAINS, /* `.*inner.*` */
    SHAPE_OTHER
};

struct shape {
    enum shape_kind kind;
    struct str *set; /* SET: at least one member, in order of the pattern, with duplicates */
    size_t count, cap;
    struct str prefix, suffix, inner; /* all kinds but SET (there: ask shape_prefix ...) */
    bool is_nullable;                 /* "" is a member, whatever stands around it */
    bool is_dot;                      /* OTHER: exactly one character, any */
};

/* The set of one literal (borrowed). */
bool shape_literal(struct arena *a, struct str literal, struct shape *out);
struct shape shape_any(void);
struct shape shape_other(void);

struct str shape_prefix(const struct shape *s);
struct str shape_suffix(const struct shape *s);
struct str shape_inner(const struct shape *s);

/* *s := *s followed by *next; their memory is taken over. */
bool shape_concat(struct arena *a, struct shape *s, const struct shape *next);
/* *s := *s or *other. */
bool shape_alternate(struct arena *a, struct shape *s, const struct shape *other);
/* *s := min to max repetitions of *s; max == SHAPE_UNBOUNDED: no maximum. */
#define SHAPE_UNBOUNDED UINT32_MAX
bool shape_repeat(struct arena *a, struct shape *s, uint32_t min, uint32_t max);

#endif
