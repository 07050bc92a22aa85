/* SPDX-License-Identifier: Apache-2.0
 *
 * labels - the identity of a series: (name, value) pairs, unique names, sorted by name bytes.
 *
 * A label with an empty value is the same as no label and is never part of a struct labels.
 * Texts are borrowed from an arena or from the request that is being decoded.
 */
#ifndef PHAROS_MODEL_LABELS_H
#define PHAROS_MODEL_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/str.h"

struct label {
    struct str name, value;
};

struct labels {
    const struct label *ptr;
    size_t len;
};

#define LABEL_METRIC_NAME STR("__name__")

/* Limits of reliability.md section 7. 0 = none. */
struct label_limits {
    size_t count_max, name_size_max, value_size_max;
};
#define LABEL_LIMITS_DEFAULT                                                                       \
    {                                                                                              \
        128, 1024, 2048                                                                            \
    }

/* Value of `name`, or the empty string. O(log n). */
struct str labels_get(struct labels l, struct str name);
/* The order of results: pair by pair, name bytes then value bytes; a proper prefix first. */
int labels_cmp(struct labels a, struct labels b);
bool labels_eq(struct labels a, struct labels b);
/* XXH3-128 over name 0xFF value 0xFF ...; beyond 4 KiB block by block, the hash of the blocks so
 * far in front of the next one. */
struct hash128 labels_hash128(struct labels l, uint64_t seed);
/* The hash of limit_ratio(): classic XXH64, promql.md section 9. */
uint64_t labels_hash_prometheus(struct labels l, struct arena *scratch);
/* Prometheus' notation: `name{a="b", c="d"}`, values Go-quoted; `{}` when empty. With
 * `name_inside` the metric name is written as a pair instead. */
void labels_print(struct buf *out, struct labels l, bool name_inside);
/* A text as Go's strconv.Quote writes it: "a\"b\n\u200b\xff". */
void labels_print_quoted(struct buf *out, struct str s);
/* Deep copy into `a`. *out untouched on ERR_NOMEM. */
CHECK_RESULT enum err_code labels_copy(struct arena *a, struct labels l, struct labels *out,
                                       struct err *err);

/* [A-Za-z_][A-Za-z0-9_]* / the same with ':' */
bool label_name_is_legacy(struct str name);
bool metric_name_is_legacy(struct str name);
/* Non-empty valid UTF-8. */
bool label_name_is_valid(struct str name);

/* Collects pairs in any order and makes a struct labels of them. */
struct labels_builder {
    struct arena *arena;
    struct label *ptr;
    size_t len, cap;
    bool failed; /* out of memory */
};

void labels_builder_init(struct labels_builder *b, struct arena *arena);
/* Forget the pairs, keep the array. */
void labels_builder_reset(struct labels_builder *b);
/* Append a pair; texts are borrowed. Empty values are dropped. */
void labels_builder_add(struct labels_builder *b, struct str name, struct str value);
/* Replace or append; an empty value deletes. */
void labels_builder_set(struct labels_builder *b, struct str name, struct str value);
void labels_builder_delete(struct labels_builder *b, struct str name);
struct str labels_builder_get(const struct labels_builder *b, struct str name);
/* Sort; ERR_INVALID on duplicate or invalid names and on invalid UTF-8 values (detail says which),
 * ERR_LIMIT on a limit, ERR_NOMEM. *out borrows the builder's array until the next change. */
CHECK_RESULT enum err_code labels_builder_finish(struct labels_builder *b,
                                                 const struct label_limits *limits,
                                                 struct labels *out, struct err *err);

#endif
