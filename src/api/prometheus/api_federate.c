/* SPDX-License-Identifier: Apache-2.0
 *
 * /federate: the newest sample of each series that matches; and /metrics: our own.
 */
#include <stdlib.h>

#include "api/prometheus/api_priv.h"
#include "formats/exposition_write.h"

#define LOOKBACK_MS 300000

struct federated {
    struct labels labels;
    struct sample sample;
};

struct federation {
    struct federated *ptr;
    size_t len, cap;
};

static int by_name_and_labels(const void *a, const void *b)
{
    const struct federated *x = a, *y = b;
    int order =
        str_cmp(labels_get(x->labels, LABEL_METRIC_NAME), labels_get(y->labels, LABEL_METRIC_NAME));
    return order ? order : labels_cmp(x->labels, y->labels);
}

static enum err_code add_series(struct api_call *c, const struct series_set *set, size_t i,
                                struct sample sample, struct federation *f, struct err *err)
{
    struct labels borrowed;
    if (f->len == f->cap) {
        size_t cap = f->cap ? f->cap * 2 : 1024;
        struct federated *bigger = arena_array_raw(&c->work, struct federated, cap);
        if (!bigger) return err_set(err, ERR_LIMIT, "answer needs too much memory");
        if (f->len) memcpy(bigger, f->ptr, f->len * sizeof *bigger);
        f->ptr = bigger;
        f->cap = cap;
    }
    f->ptr[f->len].sample = sample;
    TRY(set->ops->labels(set, i, &c->work, &borrowed, err));
    TRY(labels_copy(&c->work, borrowed, &f->ptr[f->len].labels, err));
    f->len++;
    return ERR_OK;
}

static enum err_code add_set(struct api_call *c, const struct series_set *set, struct federation *f,
                             struct err *err)
{
    struct series_reader *reader;
    size_t count = set->ops->count(set);
    TRY(set->ops->reader_create(set, c->api->options.mem, &reader, err));
    enum err_code rc = ERR_OK;
    for (size_t i = 0; i < count && rc == ERR_OK; i++) {
        struct sample_columns columns;
        rc = set->ops->read(reader, i, &columns, err);
        if (rc != ERR_OK || columns.count == 0) continue;
        struct sample last = { columns.ts_ms[columns.count - 1], columns.value[columns.count - 1] };
        if (!is_stale(last.value)) rc = add_series(c, set, i, last, f, err);
    }
    set->ops->reader_destroy(reader);
    return rc;
}

static enum err_code collect(struct api_call *c, const struct api_matches *matches,
                             struct federation *f, struct err *err)
{
    struct source source = metrics_source(c->api->options.metrics);
    int64_t now = clock_wall_ms(c->api->options.clock);
    for (size_t i = 0; i < matches->len; i++) {
        struct source_request request = { .matchers = matches->ptr[i],
                                          .mint_ms = now - LOOKBACK_MS + 1,
                                          .maxt_ms = now,
                                          .only_newest = true,
                                          .cancel = &c->cancel };
        struct series_set *set;
        TRY(source.ops->select(source.ctx, &request, c->api->options.mem, &set, err));
        enum err_code rc = add_set(c, set, f, err);
        set->ops->destroy(set);
        TRY(rc);
    }
    if (f->len) qsort(f->ptr, f->len, sizeof *f->ptr, by_name_and_labels);
    return ERR_OK;
}

/* The series' labels, then external ones that it does not have, then an empty instance when there
 * is none: that tells the federating server not to put its own there. */
static struct labels federated_labels(struct api_call *c, struct labels own, struct labels external)
{
    struct label *all = arena_array(&c->work, struct label, own.len + external.len + 1);
    struct labels out = { all, own.len };
    if (!all) {
        c->out.failed = true;
        return own;
    }
    if (own.len) memcpy(all, own.ptr, own.len * sizeof *all);
    for (size_t i = 0; i < external.len; i++) {
        if (labels_get(own, external.ptr[i].name).len == 0) all[out.len++] = external.ptr[i];
    }
    if (labels_get(own, STR("instance")).len == 0 &&
        labels_get(external, STR("instance")).len == 0) {
        all[out.len++] = (struct label){ STR("instance"), { "", 0 } };
    }
    return out;
}

static void put_federated(struct api_call *c, enum exposition_format format,
                          const struct federated *e, struct labels external)
{
    struct labels labels = federated_labels(c, e->labels, external);
    struct exposition_sample s = { .name = labels_get(e->labels, LABEL_METRIC_NAME),
                                   .labels = labels,
                                   .value = e->sample.value,
                                   .ts_ms = e->sample.ts_ms,
                                   .has_ts = true };
    exposition_write_sample(&c->out, format, &s);
}

void api_federate(struct api_call *c)
{
    struct api_matches matches;
    struct federation f = { 0 };
    struct err err = { 0 };
    enum exposition_format format = exposition_negotiate(http_exchange_request(c->ex)->accept);
    if (!api_matches(c, &matches)) return;
    enum err_code rc = collect(c, &matches, &f, &err);
    api_matches_deinit(&matches);
    if (rc != ERR_OK) {
        api_error_of(c, &err);
        return;
    }
    struct labels external = { NULL, 0 };
    c->api->options.hooks.external_labels(c->api->options.hooks.ctx, &c->work, &external);
    struct str family = { NULL, 0 };
    for (size_t i = 0; i < f.len; i++) {
        struct str name = labels_get(f.ptr[i].labels, LABEL_METRIC_NAME);
        if (i > 0 && labels_eq(f.ptr[i - 1].labels, f.ptr[i].labels)) continue;
        if (!str_eq(name, family) || i == 0) {
            exposition_write_family(&c->out, format, name, METRIC_UNKNOWN, (struct str){ "", 0 });
        }
        family = name;
        put_federated(c, format, &f.ptr[i], external);
    }
    exposition_write_end(&c->out, format);
    api_answer(c, exposition_content_type(format));
}

void api_own_metrics(struct api_call *c)
{
    enum exposition_format format = exposition_negotiate(http_exchange_request(c->ex)->accept);
    c->api->options.hooks.own_metrics(c->api->options.hooks.ctx, &c->out, format);
    exposition_write_end(&c->out, format);
    api_answer(c, exposition_content_type(format));
}
