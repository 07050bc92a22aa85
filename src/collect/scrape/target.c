/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/scrape/target.h"

#include <stdlib.h>

#include "base/duration.h"
#include "codec/url.h"

static bool is_hidden(struct str name)
{
    return str_starts_with(name, STR("__"));
}

static struct str duration_text(struct arena *a, int64_t ms)
{
    char text[DURATION_TEXT_SIZE];
    return arena_str(a, (struct str){ text, duration_format(ms, text) });
}

/* Set unless the target or its group has it. */
static void set_default(struct labels_builder *b, struct str name, struct str value)
{
    if (labels_builder_get(b, name).len == 0) labels_builder_set(b, name, value);
}

static void add_discovered(const struct scrape_config *config, const struct target_group *group,
                           struct str address, struct labels_builder *b)
{
    const struct yaml_str_pair *pairs = group->config->labels.items;
    const struct yaml_list_pair *params = config->params.items;
    labels_builder_set(b, STR("__address__"), address);
    if (group->filepath.len) labels_builder_set(b, STR("__meta_filepath"), group->filepath);
    for (size_t i = 0; i < group->config->labels.count; i++) {
        set_default(b, pairs[i].key, pairs[i].value); /* what the target says itself wins */
    }
    set_default(b, STR("job"), config->job_name);
    set_default(b, STR("__scrape_interval__"), duration_text(b->arena, config->scrape_interval_ms));
    set_default(b, STR("__scrape_timeout__"), duration_text(b->arena, config->scrape_timeout_ms));
    set_default(b, STR("__metrics_path__"), config->metrics_path);
    set_default(b, STR("__scheme__"), config->scheme);
    for (size_t i = 0; i < config->params.count; i++) {
        if (params[i].values.count == 0) continue;
        struct str name = arena_printf(b->arena, "__param_" STR_FMT, STR_ARG(params[i].key));
        if (name.ptr) set_default(b, name, ((const struct str *)params[i].values.items)[0]);
    }
}

/* The pairs of `b` as they are now, sorted, in memory of their own. */
static enum err_code snapshot(struct labels_builder *b, struct labels *out, struct err *err)
{
    struct labels sorted;
    TRY(labels_builder_finish(b, NULL, &sorted, err));
    return labels_copy(b->arena, sorted, out, err);
}

static enum err_code parse_times(struct labels_builder *b, struct target_spec *out, struct err *err)
{
    struct str interval = labels_builder_get(b, STR("__scrape_interval__"));
    struct str timeout = labels_builder_get(b, STR("__scrape_timeout__"));
    struct err why = { 0 };
    if (duration_parse(interval, &out->interval_ms, &why) != ERR_OK) {
        return err_setf(err, ERR_INVALID, "target", "error parsing scrape interval: %s",
                        why.detail);
    }
    if (duration_parse(timeout, &out->timeout_ms, &why) != ERR_OK) {
        return err_setf(err, ERR_INVALID, "target", "error parsing scrape timeout: %s", why.detail);
    }
    if (out->interval_ms == 0) return err_set(err, ERR_INVALID, "scrape interval cannot be 0");
    if (out->timeout_ms == 0) return err_set(err, ERR_INVALID, "scrape timeout cannot be 0");
    if (out->timeout_ms > out->interval_ms) {
        return err_setf(err, ERR_INVALID, "target",
                        "scrape timeout cannot be greater than scrape interval (\"" STR_FMT
                        "\" > \"" STR_FMT "\")",
                        STR_ARG(timeout), STR_ARG(interval));
    }
    return ERR_OK;
}

static void put_param(struct buf *url, bool *is_first, struct str key, struct str value)
{
    buf_put_u8(url, *is_first ? '?' : '&');
    *is_first = false;
    url_encode(key, URL_QUERY, url);
    buf_put_u8(url, '=');
    url_encode(value, URL_QUERY, url);
}

/* A parameter of the URL: from the configuration, from a label __param_<key>, or from both. */
struct param {
    struct str key;
    const struct yaml_list *values; /* of the configuration, or NULL */
    struct str label;               /* replaces the first value; ptr NULL: none */
};

static int by_key(const void *a, const void *b)
{
    return str_cmp(((const struct param *)a)->key, ((const struct param *)b)->key);
}

static size_t gather_params(const struct scrape_config *config, struct labels labels,
                            struct param *out)
{
    const struct yaml_list_pair *pairs = config->params.items;
    const struct str prefix = STR("__param_");
    size_t n = 0;
    for (; n < config->params.count; n++) {
        out[n] = (struct param){ .key = pairs[n].key, .values = &pairs[n].values };
    }
    for (size_t i = 0; i < labels.len; i++) {
        if (!str_starts_with(labels.ptr[i].name, prefix)) continue;
        struct str key = str_sub(labels.ptr[i].name, prefix.len, labels.ptr[i].name.len);
        size_t at = 0;
        while (at < n && !str_eq(out[at].key, key))
            at++;
        if (at == n) out[n++] = (struct param){ .key = key };
        out[at].label = labels.ptr[i].value;
    }
    qsort(out, n, sizeof *out, by_key);
    return n;
}

/* Parameters in the order of their names, as Go encodes them. */
static enum err_code put_params(struct buf *url, const struct scrape_config *config,
                                struct labels labels, struct arena *a, struct err *err)
{
    struct param *params = arena_array(a, struct param, config->params.count + labels.len + 1);
    bool is_first = true;
    if (!params) return err_set(err, ERR_NOMEM, "no memory for a target");
    size_t count = gather_params(config, labels, params);
    for (size_t i = 0; i < count; i++) {
        const struct param *p = &params[i];
        const struct str *values = p->values ? p->values->items : NULL;
        size_t value_count = p->values ? p->values->count : 0;
        if (p->label.ptr) put_param(url, &is_first, p->key, p->label);
        for (size_t v = p->label.ptr ? 1 : 0; v < value_count; v++) {
            put_param(url, &is_first, p->key, values[v]);
        }
    }
    return ERR_OK;
}

static enum err_code build_url(const struct scrape_config *config, struct labels labels,
                               struct arena *a, struct str *out, struct err *err)
{
    struct str address = labels_get(labels, STR("__address__"));
    struct str path = labels_get(labels, STR("__metrics_path__"));
    struct buf url;
    if (address.len == 0) return err_set(err, ERR_INVALID, "no address");
    if (str_index(address, '/') < address.len) {
        return err_setf(err, ERR_INVALID, "invalid address",
                        "\"" STR_FMT "\" is not a valid hostname", STR_ARG(address));
    }
    buf_init(&url, a->mem, (size_t)1 << 20);
    buf_put_str(&url, labels_get(labels, STR("__scheme__")));
    buf_put_lit(&url, "://");
    buf_put_str(&url, address);
    if (path.len && path.ptr[0] != '/') buf_put_u8(&url, '/');
    buf_put_str(&url, path);
    enum err_code rc = put_params(&url, config, labels, a, err);
    *out = arena_str(a, buf_str(&url));
    bool failed = buf_failed(&url) || !out->ptr;
    buf_deinit(&url);
    return failed ? err_set(err, ERR_NOMEM, "no memory for a target") : rc;
}

static void drop_hidden(struct labels_builder *b, const char *prefix)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->len; i++) {
        if (!str_starts_with(b->ptr[i].name, str_of_z(prefix))) b->ptr[kept++] = b->ptr[i];
    }
    b->len = kept;
}

static enum err_code finish(const struct scrape_config *config, struct labels_builder *b,
                            struct target_spec *out, struct err *err)
{
    struct labels full;
    drop_hidden(b, "__meta_");
    set_default(b, STR("instance"), labels_builder_get(b, STR("__address__")));
    TRY(parse_times(b, out, err));
    TRY(snapshot(b, &full, err));
    TRY(build_url(config, full, b->arena, &out->url, err));
    out->identity = labels_hash128(full, hash64(out->url.ptr, out->url.len, 0));
    size_t kept = 0;
    for (size_t i = 0; i < b->len; i++) {
        if (!is_hidden(b->ptr[i].name)) b->ptr[kept++] = b->ptr[i];
    }
    b->len = kept;
    return snapshot(b, &out->labels, err);
}

enum target_result target_build(const struct scrape_config *config,
                                const struct relabel_rules *rules, const struct target_group *group,
                                struct str address, struct arena *a, struct target_spec *out,
                                struct err *err)
{
    struct labels_builder b;
    struct target_spec spec = { 0 };
    labels_builder_init(&b, a);
    add_discovered(config, group, address, &b);
    enum err_code rc = snapshot(&b, &spec.discovered, err);
    if (rc != ERR_OK) return rc == ERR_NOMEM ? TARGET_NOMEM : TARGET_INVALID;
    *out = spec;
    switch (relabel_apply(rules, &b)) {
    case RELABEL_DROPPED: return TARGET_DROPPED;
    case RELABEL_NOMEM: return TARGET_NOMEM;
    case RELABEL_KEPT: break;
    }
    rc = finish(config, &b, &spec, err);
    if (rc != ERR_OK) return rc == ERR_NOMEM ? TARGET_NOMEM : TARGET_INVALID;
    *out = spec;
    return TARGET_OK;
}

int64_t target_phase_ms(const struct target_spec *spec, uint64_t server_seed)
{
    return (int64_t)((spec->identity.lo ^ server_seed) % (uint64_t)spec->interval_ms);
}
