/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/block_writer.h"

/* The next label that is not the metric name. */
static const struct label *next_label(struct labels l, size_t *at)
{
    while (*at < l.len && str_eq(l.ptr[*at].name, LABEL_METRIC_NAME))
        (*at)++;
    return *at < l.len ? &l.ptr[(*at)++] : NULL;
}

int block_order_cmp(struct labels a, struct labels b)
{
    int order = str_cmp(labels_get(a, LABEL_METRIC_NAME), labels_get(b, LABEL_METRIC_NAME));
    size_t i = 0, j = 0;
    while (order == 0) {
        const struct label *x = next_label(a, &i), *y = next_label(b, &j);
        if (!x || !y) return (x != NULL) - (y != NULL);
        order = str_cmp(x->name, y->name);
        if (order == 0) order = str_cmp(x->value, y->value);
    }
    return order;
}
