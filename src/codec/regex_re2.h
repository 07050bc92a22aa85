/* SPDX-License-Identifier: Apache-2.0
 *
 * regex_re2 - RE2 behind a C interface. Private to codec/regex.c; nothing of RE2 shows here.
 *
 * Threads   An engine is immutable to its callers (RE2 locks its caches itself).
 * Failure   No exception leaves: running out of memory is reported as an error.
 */
#ifndef PHAROS_CODEC_REGEX_RE2_H
#define PHAROS_CODEC_REGEX_RE2_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct re2_engine;

enum re2_failure { RE2_SYNTAX, RE2_TOO_LARGE, RE2_NOMEM };

struct re2_error {
    enum re2_failure failure;
    const char *text;   /* Go's words for it, a literal */
    char fragment[400]; /* the offending part, NUL-terminated, truncated */
};

struct re2_slice {
    const char *ptr; /* NULL: the group has no part in the match */
    size_t len;
};

/* is_full: a match is the whole text, and `.` matches newlines. NULL and *out_error on failure. */
struct re2_engine *re2_engine_create(struct re2_slice pattern, bool is_full, size_t memory_max,
                                     struct re2_error *out_error);
void re2_engine_destroy(struct re2_engine *engine);
/* First match at or after `from`; the first `count` groups are stored (0 is the whole match). */
bool re2_engine_match(const struct re2_engine *engine, struct re2_slice text, size_t from,
                      struct re2_slice *groups, size_t count);
/* Without group 0. */
size_t re2_engine_group_count(const struct re2_engine *engine);
/* {"", 0} when the group has no name. Borrowed. */
struct re2_slice re2_engine_group_name(const struct re2_engine *engine, size_t index);
/* Bytes of the compiled program, estimated from its instruction count. */
size_t re2_engine_bytes(const struct re2_engine *engine);

#ifdef __cplusplus
}
#endif

#endif
