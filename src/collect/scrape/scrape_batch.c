/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/scrape/scrape_batch.h"

#include "base/assert.h"
#include "base/num.h"
#include "collect/scrape/scrape_labels.h"

#define REPORTS_MAX 8
/* Report series hash their name with another seed than lines do. */
#define REPORT_SEED 0x7265706f7274ull

/* What batch_series.origin points to. */
struct scrape_series {
    enum metric_type type;
    struct hash128 key;   /* of the cache entry */
    struct labels labels; /* decoded already when len > 0 */
    bool is_report, is_stale_marker;
    bool has_ts;
};

struct scrape_run {
    const struct scrape_scope *scope;
    int64_t ts_ms;
    struct batch batch;
    struct scrape_series *origins; /* parallel to batch.series */
    size_t cap;
    struct labels_builder builder;
    struct scrape_counts counts;
};

static enum err_code fail_nomem(struct err *err)
{
    return err_set(err, ERR_NOMEM, "scrape needs too much memory");
}

/* batch.decode: for series that the head does not know (or has forgotten). */
static enum err_code decode(const struct batch *batch, const struct batch_series *s,
                            struct labels_builder *b, struct labels *out, struct err *err)
{
    const struct scrape_run *run = batch->decode_ctx;
    const struct scrape_series *origin = s->origin;
    if (origin->is_stale_marker) return err_set(err, ERR_NOTFOUND, "nothing to end");
    if (origin->labels.len) {
        *out = origin->labels;
        return ERR_OK;
    }
    if (origin->is_report) {
        return scrape_report_labels(run->scope, str_of_bytes(s->key), b, out, err);
    }
    return scrape_line_labels(run->scope, s->key, origin->type, b, out, err);
}

struct scrape_run *scrape_begin(const struct scrape_scope *scope, int64_t ts_ms, struct arena *a)
{
    struct scrape_run *run = arena_new(a, struct scrape_run);
    if (!run) return NULL;
    run->scope = scope;
    run->ts_ms = ts_ms;
    run->batch = (struct batch){ .arena = a, .decode = decode, .decode_ctx = run };
    labels_builder_init(&run->builder, a);
    scrape_cache_begin(scope->cache);
    return run;
}

/* Room for `more` series behind the ones that are there. */
static enum err_code reserve(struct scrape_run *run, size_t more, struct err *err)
{
    struct batch *b = &run->batch;
    size_t cap = b->series_count + more;
    if (cap <= run->cap) return ERR_OK;
    struct batch_series *series = arena_array_raw(b->arena, struct batch_series, cap);
    struct scrape_series *origins = arena_array_raw(b->arena, struct scrape_series, cap);
    struct sample *samples = arena_array_raw(b->arena, struct sample, cap);
    if (!series || !origins || !samples) return fail_nomem(err);
    for (size_t i = 0; i < b->series_count; i++) {
        series[i] = b->series[i];
        origins[i] = run->origins[i];
        samples[i] = b->samples[i];
        series[i].origin = &origins[i];
    }
    b->series = series;
    b->samples = samples;
    run->origins = origins;
    run->cap = cap;
    return ERR_OK;
}

/* Append a series with one sample; room was reserved. */
static void push(struct scrape_run *run, struct bytes key, struct series_ref ref, struct sample s,
                 const struct scrape_series *origin)
{
    struct batch *b = &run->batch;
    size_t i = b->series_count++;
    ASSERT(i < run->cap);
    run->origins[i] = *origin;
    b->samples[i] = s;
    b->sample_count = b->series_count;
    b->series[i] = (struct batch_series){ .key = key,
                                          .key_hash = origin->key,
                                          .ref = ref,
                                          .sample_first = (uint32_t)i,
                                          .sample_count = 1,
                                          .origin = &run->origins[i] };
}

/* Labels of a line seen for the first time: decoded now, since an error aborts the scrape. */
static enum err_code decode_new(struct scrape_run *run, const struct batch_series *line,
                                struct scrape_series *origin, bool *out_is_dropped, struct err *err)
{
    struct labels labels;
    enum err_code rc =
        scrape_line_labels(run->scope, line->key, origin->type, &run->builder, &labels, err);
    *out_is_dropped = rc == ERR_NOTFOUND;
    if (*out_is_dropped) return ERR_OK;
    TRY(rc);
    return labels_copy(run->batch.arena, labels, &origin->labels, err);
}

/* Take one parsed line; *out_index is its place in the batch, UINT32_MAX when it is left out. */
static enum err_code take_line(struct scrape_run *run, const struct batch *parsed, size_t index,
                               uint32_t *out_index, struct err *err)
{
    struct scrape_cache *cache = run->scope->cache;
    const struct batch_series *line = &parsed->series[index];
    const struct exposition_series *info = line->origin;
    struct scrape_series origin = { .type = (enum metric_type)info->type,
                                    .key = line->key_hash,
                                    .has_ts = info->has_ts };
    bool is_new, is_dropped;
    *out_index = UINT32_MAX;
    struct scrape_entry *e = scrape_cache_get(cache, line->key_hash, &is_new);
    if (!e) return fail_nomem(err);
    bool was_here = !is_new && e->iteration == cache->iteration; /* in this body already */
    bool is_repeated = was_here && !info->has_ts;
    if (is_new || (!e->is_dropped && e->ref.v == 0 && !is_repeated)) {
        TRY(decode_new(run, line, &origin, &is_dropped, err));
        e->is_dropped = is_dropped;
        run->counts.added += !is_dropped && !was_here;
    }
    e->iteration = cache->iteration;
    e->has_ts = info->has_ts && !run->scope->config->track_timestamps_staleness;
    if (e->is_dropped) return ERR_OK;
    run->counts.post_relabel++;
    if (is_repeated) {
        run->counts.duplicates++;
        return ERR_OK;
    }
    *out_index = u32_from_u64(run->batch.series_count);
    push(run, line->key, e->ref, parsed->samples[line->sample_first], &origin);
    return ERR_OK;
}

/* Exemplars move with their lines. */
static enum err_code take_exemplars(struct scrape_run *run, const struct batch *parsed,
                                    const uint32_t *moved_to, struct err *err)
{
    struct batch *b = &run->batch;
    if (parsed->exemplar_count == 0) return ERR_OK;
    b->exemplars = arena_array_raw(b->arena, struct batch_exemplar, parsed->exemplar_count);
    if (!b->exemplars) return fail_nomem(err);
    for (size_t i = 0; i < parsed->exemplar_count; i++) {
        struct batch_exemplar e = parsed->exemplars[i];
        e.series = moved_to[e.series];
        if (e.series != UINT32_MAX) b->exemplars[b->exemplar_count++] = e;
    }
    return ERR_OK;
}

enum err_code scrape_add_body(struct scrape_run *run, struct bytes body,
                              enum exposition_format format, struct err *err)
{
    const struct scrape_config *config = run->scope->config;
    struct exposition_options options = { .format = format,
                                          .alias_seed = run->scope->seed,
                                          .default_ts_ms = run->ts_ms,
                                          .honor_timestamps = config->honor_timestamps };
    struct batch parsed;
    TRY(exposition_parse(body, &options, run->batch.arena, &parsed, err));
    run->counts.scraped = parsed.series_count;
    uint32_t *moved_to = arena_array_raw(run->batch.arena, uint32_t, parsed.series_count + 1);
    if (!moved_to) return fail_nomem(err);
    TRY(reserve(run, parsed.series_count + REPORTS_MAX, err));
    for (size_t i = 0; i < parsed.series_count; i++) {
        TRY(take_line(run, &parsed, i, &moved_to[i], err));
    }
    if (config->limits.sample_limit && run->counts.post_relabel > config->limits.sample_limit) {
        return err_set(err, ERR_LIMIT, "sample limit exceeded");
    }
    run->batch.metadata = parsed.metadata;
    run->batch.metadata_count = parsed.metadata_count;
    return take_exemplars(run, &parsed, moved_to, err);
}

void scrape_fail(struct scrape_run *run)
{
    scrape_cache_begin(run->scope->cache); /* nothing of this iteration counts as seen */
    run->batch.series_count = run->batch.sample_count = 0;
    run->batch.exemplar_count = run->batch.metadata_count = 0;
    run->counts.added = 0;
    run->counts.post_relabel = 0;
}

static enum err_code push_report(struct scrape_run *run, const char *name, double value,
                                 struct err *err)
{
    struct scrape_cache *cache = run->scope->cache;
    struct bytes key = bytes_of_str(str_of_z(name));
    struct scrape_series origin = { .key =
                                        hash128(key.ptr, key.len, run->scope->seed ^ REPORT_SEED),
                                    .is_report = true };
    bool is_new;
    struct scrape_entry *e = scrape_cache_get(cache, origin.key, &is_new);
    if (!e) return fail_nomem(err);
    e->iteration = cache->iteration;
    push(run, key, e->ref, (struct sample){ run->ts_ms, value }, &origin);
    return ERR_OK;
}

enum err_code scrape_add_report(struct scrape_run *run, const struct scrape_report *report,
                                struct err *err)
{
    const struct scrape_counts *c = &run->counts;
    const struct scrape_config *config = run->scope->config;
    TRY(reserve(run, REPORTS_MAX, err));
    TRY(push_report(run, "up", report->is_up, err));
    TRY(push_report(run, "scrape_duration_seconds", report->duration_s, err));
    TRY(push_report(run, "scrape_samples_scraped", (double)c->scraped, err));
    TRY(push_report(run, "scrape_samples_post_metric_relabeling", (double)c->post_relabel, err));
    TRY(push_report(run, "scrape_series_added", (double)c->added, err));
    if (!config->extra_scrape_metrics) return ERR_OK;
    TRY(push_report(run, "scrape_timeout_seconds", report->timeout_s, err));
    TRY(push_report(run, "scrape_sample_limit", (double)config->limits.sample_limit, err));
    return push_report(run, "scrape_body_size_bytes", (double)report->body_size, err);
}

enum err_code scrape_batch_of(struct scrape_run *run, struct batch **out, struct err *err)
{
    struct scrape_cache *cache = run->scope->cache;
    size_t missing = 0, pos = 0;
    struct scrape_entry *e;
    while ((e = scrape_cache_next_missing(cache, &pos)))
        missing += !e->has_ts;
    TRY(reserve(run, missing, err));
    pos = 0;
    while ((e = scrape_cache_next_missing(cache, &pos))) {
        struct scrape_series origin = { .key = e->key, .is_stale_marker = true };
        if (e->has_ts) continue;
        push(run, (struct bytes){ NULL, 0 }, e->ref, (struct sample){ run->ts_ms, stale_nan() },
             &origin);
    }
    *out = &run->batch;
    return ERR_OK;
}

void scrape_settle(struct scrape_run *run)
{
    for (size_t i = 0; i < run->batch.series_count; i++) {
        const struct batch_series *s = &run->batch.series[i];
        bool is_new;
        struct scrape_entry *e = scrape_cache_get(run->scope->cache, run->origins[i].key, &is_new);
        if (!e) continue;
        e->ref = s->ref;
        e->is_stored = s->ref.v != 0 && !run->origins[i].is_stale_marker;
    }
}

struct scrape_counts scrape_counts_of(const struct scrape_run *run)
{
    return run->counts;
}

const struct metadata *scrape_metadata(const struct scrape_run *run, size_t *out_count)
{
    *out_count = run->batch.metadata_count;
    return run->batch.metadata;
}
