/* SPDX-License-Identifier: Apache-2.0
 *
 * regex - regular expressions of RE2 syntax, with an analysis in front that answers most of them
 * by comparing bytes.
 *
 * Modes     REGEX_FULL is the label matcher: the whole subject must match and `.` matches newlines,
 *           as ^(?s:PATTERN)$ would, but the pattern must be valid by itself: `a)(b` is none.
 *           REGEX_SEARCH is the line filter: unanchored, `.` stops at a newline, as Go's
 *           MatchString.
 * Analysis  enum regex_kind says what the pattern is equivalent to. Index lookups (postings) use
 *           regex_kind, regex_literals and regex_prefix instead of running anything. Source of the
 *           idea and of the 256: Prometheus model/labels/regexp.go. It is fuzzed against RE2.
 * Semantics Go's regexp: leftmost-first, linear time, no backreferences. Subjects are UTF-8; on
 *           other bytes literals are compared as they are and `.` does not match them.
 * Threads   A compiled regex is immutable; any number of threads may match. ref and unref are
 *           atomic.
 * Memory    The struct and its literals come from MEM_SYSTEM. RE2 allocates by itself: the reported
 *           program size is charged to MEM_CACHE; its lazy automata are bounded by
 *           REGEX_ENGINE_BYTES_MAX.
 * Failure   ERR_INVALID with Go's text in err->detail ("error parsing regexp: missing closing ):
 *           `(a`"), ERR_LIMIT (pattern or program too large), ERR_NOMEM.
 */
#ifndef PHAROS_CODEC_REGEX_H
#define PHAROS_CODEC_REGEX_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "os/mem.h"

#define REGEX_PATTERN_BYTES_MAX ((size_t)64 << 10)
#define REGEX_ENGINE_BYTES_MAX ((size_t)8 << 20)
#define REGEX_SET_MAX                                                                              \
    256                       /* members of an expanded set, as `a[0-9]{2}`; an alternation of
                                * literals has as many as the pattern spells out */
#define REGEX_CONTAINS_MAX 16 /* literals of a CONTAINS in mode SEARCH */

struct regex;

enum regex_mode { REGEX_FULL, REGEX_SEARCH };

enum regex_kind {
    REGEX_ANY,       /* `.*`: everything */
    REGEX_NON_EMPTY, /* `.+`: all but the empty string (mode FULL only) */
    REGEX_EQUAL,     /* one literal (mode FULL only) */
    REGEX_SET,       /* one of 2 or more literals (mode FULL only) */
    REGEX_PREFIX,    /* `lit.*` (mode FULL only) */
    REGEX_SUFFIX,    /* `.*lit` (mode FULL only) */
    REGEX_CONTAINS,  /* `.*lit.*`; in mode SEARCH one of up to 16 literals */
    REGEX_GENERAL    /* the engine decides; regex_prefix may still narrow the search */
};

CHECK_RESULT enum err_code regex_compile(struct mem_budget *budget, struct str pattern,
                                         enum regex_mode mode, struct regex **out, struct err *err);
struct regex *regex_ref(const struct regex *re);
void regex_unref(const struct regex *re);

/* Does the subject match (whole in mode FULL, anywhere in mode SEARCH)? */
bool regex_match(const struct regex *re, struct str subject);

enum regex_mode regex_mode_of(const struct regex *re);
enum regex_kind regex_kind_of(const struct regex *re);
/* EQUAL, PREFIX, SUFFIX: one literal; SET: all, sorted by bytes, without duplicates; CONTAINS: one
 * or more. Otherwise *out_count = 0. Borrowed from `re`. */
const struct str *regex_literals(const struct regex *re, size_t *out_count);
/* Mode FULL: text with which every matching subject begins; may be empty. Borrowed from `re`. */
struct str regex_prefix(const struct regex *re);
bool regex_matches_empty(const struct regex *re);
/* The pattern as given. Borrowed from `re`. */
struct str regex_pattern(const struct regex *re);

/* ---- capture groups --------------------------------------------------------------------- */

#define REGEX_GROUPS_MAX 64 /* groups beyond this one are not captured */

/* Index of the first group with that name, 0 if there is none. */
size_t regex_group_index(const struct regex *re, struct str name);
/* Name of group `index` (1-based), empty if it has none. Borrowed from `re`. */
struct str regex_group_name(const struct regex *re, size_t index);

struct regex_groups {
    size_t count;                        /* group 0 included, at most REGEX_GROUPS_MAX + 1 */
    struct str at[REGEX_GROUPS_MAX + 1]; /* slices of the subject; ptr == NULL: no part in match */
};

/* As regex_match, and where the groups are. */
bool regex_match_groups(const struct regex *re, struct str subject, struct regex_groups *out);
/* Mode SEARCH: the first match at or after byte `from` of the subject (ReplaceAll loops). */
bool regex_match_groups_from(const struct regex *re, struct str subject, size_t from,
                             struct regex_groups *out);

/* Append `text` with $1, ${1}, $name, ${name} replaced by the groups and $$ by $, exactly as
 * Go's Regexp.Expand: the name is the longest run of letters, digits and underscores; an unknown
 * group is empty; a malformed reference stays as it is. */
void regex_expand(const struct regex *re, struct str text, const struct regex_groups *groups,
                  struct buf *out);

DEFINE_CLEANUP(regex_unref, struct regex *)

#endif
