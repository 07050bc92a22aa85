/* SPDX-License-Identifier: Apache-2.0
 *
 * The query side of the engine object.
 */
#include "metrics/metrics.h"

#include "metrics/metrics_priv.h"

struct source metrics_source(struct metrics *m)
{
    return select_source(&m->select);
}

enum err_code metrics_exemplars(struct metrics *m, const struct matchers *any_of,
                                size_t any_of_count, int64_t mint_ms, int64_t maxt_ms,
                                struct arena *a, struct exemplar_series **out, size_t *out_count,
                                struct err *err)
{
    struct exemplar_query q = { any_of, any_of_count, mint_ms, maxt_ms };
    return select_exemplars(&m->select, &q, a, out, out_count, err);
}

enum err_code metrics_cardinality(struct metrics *m, size_t limit, struct arena *a,
                                  struct metrics_cardinality *out, struct err *err)
{
    return select_cardinality(&m->select, limit, a, out, err);
}
