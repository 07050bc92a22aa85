/* SPDX-License-Identifier: Apache-2.0
 *
 * annotations - warnings and infos of a query, each text once, with the position of its expression.
 *
 * Source    promql.md section 13. Threads: any; a mutex inside.
 */
#ifndef PHAROS_QUERY_PROMQL_ANNOTATIONS_H
#define PHAROS_QUERY_PROMQL_ANNOTATIONS_H

#include "base/arena.h"
#include "os/thread.h"
#include "query/promql/ast.h"

#define ANNOTATIONS_MAX 1024

struct annotation {
    struct str text; /* without prefix and position */
    struct promql_pos pos;
    bool is_of_store; /* about the data, not about an expression: shown as it is */
};

struct annotations {
    struct mutex lock;
    struct arena arena; /* used under the lock only */
    struct annotation *warnings, *infos;
    size_t warning_count, info_count;
};

void annotations_init(struct annotations *a, const struct mem_source *mem);
void annotations_deinit(struct annotations *a);
__attribute__((format(printf, 3, 4))) void annotations_warn(struct annotations *a,
                                                            struct promql_pos pos, const char *fmt,
                                                            ...);
__attribute__((format(printf, 3, 4))) void annotations_info(struct annotations *a,
                                                            struct promql_pos pos, const char *fmt,
                                                            ...);
/* What the store says about its data; the text is copied. */
void annotations_warn_store(struct annotations *a, struct str text);
/* "PromQL warning: ... (LINE:COL)", or the store's own words; sorted, texts in `out`. NULL without
 * memory. */
struct str *annotations_render(const struct annotation *list, size_t count, const char *word,
                               struct str query, struct arena *out);

#endif
