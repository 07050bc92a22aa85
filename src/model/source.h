/* SPDX-License-Identifier: Apache-2.0
 *
 * source - what query/ reads from: sets of series with their samples. metrics/ implements it over
 * local data, cluster/ over remote stores, tests over arrays.
 *
 * select() resolves matchers to a series_set: the series (each label set once, merged over head and
 * blocks) that may have samples in the range. Workers then read series by index, each with a reader
 * of its own, decoding straight into the worker's columns. The set pins what it reads from until it
 * is destroyed.
 *
 * Order     Unspecified but the same for the same store state, so that results are reproducible.
 *           Callers sort what they output.
 * Threads   A series_set may be read by many threads at once, each with its own reader; select and
 *           destroy by one.
 * Errors    ERR_LIMIT (too many series, regex too costly), ERR_CANCELLED / ERR_TIMEOUT, ERR_NOMEM,
 *           ERR_IO / ERR_CORRUPT (a block could not be read; partial results are not returned).
 */
#ifndef PHAROS_MODEL_SOURCE_H
#define PHAROS_MODEL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/labels.h"
#include "model/matcher.h"
#include "model/sample.h"
#include "os/cancel.h"
#include "os/mem.h"

struct source_request {
    struct matchers matchers; /* at least one does not match "" */
    int64_t mint_ms, maxt_ms; /* both inclusive */
    bool only_newest;         /* the caller needs just the newest sample <= maxt of each series */
    bool only_in_range;       /* leave out series whose chunks are all outside the range */
    size_t series_max;        /* ERR_LIMIT above; 0 = none */
    const struct cancel *cancel; /* may be NULL */
};

struct series_set;
struct series_reader;

struct label_grouping {
    const struct str *names; /* sorted */
    size_t count;
    bool is_without; /* keep all but names and __name__ */
};

struct series_set_ops {
    size_t (*count)(const struct series_set *s);
    /* Labels of series i, texts in `a` or pinned by the set. */
    enum err_code (*labels)(const struct series_set *s, size_t i, struct arena *a,
                            struct labels *out, struct err *err);
    /* labels_hash128(kept labels, 0) of the series first..first+n-1. */
    enum err_code (*group_hashes)(const struct series_set *s, size_t first, size_t n,
                                  const struct label_grouping *g, struct hash128 *out,
                                  struct err *err);
    enum err_code (*reader_create)(const struct series_set *s, struct mem_budget *mem,
                                   struct series_reader **out, struct err *err);
    void (*reader_destroy)(struct series_reader *r);
    /* Samples of series i in [mint, maxt], stale markers included; *out borrows the reader's
     * columns until its next read. */
    enum err_code (*read)(struct series_reader *r, size_t i, struct sample_columns *out,
                          struct err *err);
    void (*destroy)(struct series_set *s);
};

/* First member of every implementation's set; a reader begins with a pointer to its set's ops. */
struct series_set {
    const struct series_set_ops *ops;
};
struct series_reader {
    const struct series_set_ops *ops;
};

struct label_query {
    struct matchers matchers; /* may be empty: all series */
    int64_t mint_ms, maxt_ms;
    size_t limit; /* 0 = none */
    const struct cancel *cancel;
};

struct str_list {
    struct str *ptr;
    size_t len;
    bool is_truncated; /* by limit */
};

struct source_ops {
    enum err_code (*select)(void *ctx, const struct source_request *req, struct mem_budget *mem,
                            struct series_set **out, struct err *err);
    /* Sorted by bytes, unique, texts in `a`. */
    enum err_code (*label_names)(void *ctx, const struct label_query *q, struct arena *a,
                                 struct str_list *out, struct err *err);
    enum err_code (*label_values)(void *ctx, struct str name, const struct label_query *q,
                                  struct arena *a, struct str_list *out, struct err *err);
    /* What answers over [mint, maxt] miss for now, one sentence each for people, texts in `a`.
     * May be NULL: nothing ever. */
    enum err_code (*warnings)(void *ctx, int64_t mint_ms, int64_t maxt_ms, struct arena *a,
                              struct str_list *out, struct err *err);
};

struct source {
    void *ctx;
    const struct source_ops *ops;
};

#endif
