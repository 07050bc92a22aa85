/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/write: remote write 1.0. Decode and append run on the connection's loop, the append in
 * parts, between which the other connections have their turn; the answer is sent from the journal's
 * completion, so that nothing is acknowledged that a restart would lose.
 */
#include "api/prometheus/api_priv.h"
#include "codec/snappy.h"
#include "formats/remote_write.h"
#include "os/crash.h"

#define DECODED_BYTES_MAX ((size_t)32 << 20)
#define PART_SERIES_MAX 4096 /* of one turn of the loop: one or two milliseconds */
#define PART_SAMPLES_MAX 32768
#define PART_BYTES_MAX ((size_t)64 << 20)
#define TEXT_BYTES_MAX ((size_t)1 << 20)
#define RETRY_SOON_S 5   /* memory or the journal: it passes */
#define RETRY_LATER_S 30 /* a limit: only when series have gone */

/* One write; lives in the exchange's arena. */
struct write_call {
    struct prometheus_api *api;
    struct http_exchange *ex;
    struct journal_waiter waiter;
    struct batch batch;
    size_t next_series, next_exemplar; /* of the batch: what is appended next */
    struct append_result result;       /* of what was appended */
    uint64_t start_ns;
    unsigned status;
    unsigned retry_after_s; /* 0: do not say */
    struct str text;
};

static void add_retry_after(struct http_exchange *ex, unsigned seconds)
{
    struct str value = arena_printf(http_exchange_arena(ex), "%u", seconds);
    if (value.len) http_exchange_add_header(ex, (struct http_header){ STR("Retry-After"), value });
}

/* The request is not stored, or not to its end: count why, answer. */
static void refuse(struct prometheus_api *api, struct http_exchange *ex, enum api_write_fault fault,
                   struct str text)
{
    static const unsigned STATUS[API_WRITE_FAULT_COUNT] = {
        [API_WRITE_ENCODING] = 415,  [API_WRITE_CONTENT_TYPE] = 415, [API_WRITE_MESSAGE] = 415,
        [API_WRITE_CORRUPT] = 400,   [API_WRITE_TOO_LARGE] = 400,    [API_WRITE_MALFORMED] = 400,
        [API_WRITE_NO_MEMORY] = 503, [API_WRITE_STORAGE] = 503,
    };
    stat_add(&api->stats.write_faults[fault], 1);
    if (STATUS[fault] == 503) add_retry_after(ex, RETRY_SOON_S);
    http_exchange_answer_text(ex, STATUS[fault], text);
}

/* False after answering: the request is not one of remote write 1.0. */
static bool check_headers(struct prometheus_api *api, struct http_exchange *ex)
{
    const struct http_request *req = http_exchange_request(ex);
    struct arena *a = http_exchange_arena(ex);
    struct str type = http_media_type(req->content_type),
               v2 = STR("io.prometheus.write.v2.Request");
    if (req->content_encoding.len && !str_eq_nocase(req->content_encoding, STR("snappy"))) {
        struct str text = arena_printf(a,
                                       STR_FMT " encoding (compression) is not accepted by this "
                                               "server; only snappy is acceptable\n",
                                       STR_ARG(req->content_encoding));
        refuse(api, ex, API_WRITE_ENCODING, text);
        return false;
    }
    if (type.len && !str_eq_nocase(type, STR("application/x-protobuf"))) {
        struct str text = arena_printf(a,
                                       "expected application/x-protobuf as the first (media) "
                                       "part, got " STR_FMT " content-type\n",
                                       STR_ARG(req->content_type));
        refuse(api, ex, API_WRITE_CONTENT_TYPE, text);
        return false;
    }
    size_t at = str_find(req->content_type, STR("proto="));
    struct str proto = str_sub(req->content_type, at + 6, req->content_type.len);
    proto = str_trim(str_sub(proto, 0, str_index(proto, ';')));
    if (at < req->content_type.len && !str_eq(proto, STR("prometheus.WriteRequest"))) {
        bool is_known = str_eq(proto, v2);
        struct str text =
            arena_printf(a,
                         is_known ? STR_FMT " protobuf message is not accepted by this server; "
                                            "only accepts prometheus.WriteRequest\n"
                                  : "unknown remote write protobuf message " STR_FMT "\n",
                         STR_ARG(proto));
        refuse(api, ex, API_WRITE_MESSAGE, text);
        return false;
    }
    return true;
}

static void answer(struct write_call *w)
{
    struct prometheus_api *api = w->api;
    stat_observe_ns(&api->stats.write_duration, clock_mono_ns(api->options.clock) - w->start_ns);
    struct http_answer a = { .status = w->status,
                             .content_type = w->text.len ? STR("text/plain; charset=utf-8")
                                                         : (struct str){ "", 0 },
                             .body = bytes_of_str(w->text) };
    if (w->retry_after_s) add_retry_after(w->ex, w->retry_after_s);
    http_exchange_answer(w->ex, &a);
}

/* On the journal's thread: the batch is safe, or will not be. */
static void on_durable(struct journal_waiter *waiter, enum err_code result)
{
    struct write_call *w =
        (struct write_call *)(void *)((char *)waiter - offsetof(struct write_call, waiter));
    if (result != ERR_OK) {
        stat_add(&w->api->stats.write_faults[API_WRITE_STORAGE], 1);
        w->retry_after_s = RETRY_SOON_S;
        w->status = 503;
        w->text = STR("the journal cannot be written: samples are not stored; retry later\n");
    }
    answer(w);
}

static void count(struct prometheus_api *api, const struct append_result *result)
{
    stat_add(&api->stats.write_samples, result->outcomes[BATCH_STORED]);
    for (size_t i = 0; i < BATCH_OUTCOME_COUNT; i++) {
        if (i != BATCH_STORED && result->outcomes[i]) {
            stat_add(&api->stats.write_refused[i], result->outcomes[i]);
        }
    }
}

/* The labels of a series of the batch; empty when they cannot be had. */
static struct str labels_text(struct prometheus_api *api, const struct batch *batch,
                              const struct batch_series *series)
{
    struct labels_builder builder;
    struct labels labels;
    struct buf text;
    labels_builder_init(&builder, batch->arena);
    if (batch->decode(batch, series, &builder, &labels, NULL) != ERR_OK) return STR("");
    buf_init(&text, mem_source_of(api->options.mem, MEM_INGEST), TEXT_BYTES_MAX);
    labels_print(&text, labels, false);
    struct str out = buf_failed(&text) ? STR("") : arena_str(batch->arena, buf_str(&text));
    buf_deinit(&text);
    return out;
}

/* The first series, in the order of the request, that was refused for one of the reasons
 * [from, to], in words. */
static struct str first_refusal(struct prometheus_api *api, const struct batch *batch,
                                enum batch_outcome from, enum batch_outcome to)
{
    for (size_t i = 0; i < batch->series_count; i++) {
        const struct batch_series *s = &batch->series[i];
        if (s->outcome < from || s->outcome > to) continue;
        struct str kind = batch_outcome_text(s->outcome), labels = labels_text(api, batch, s);
        struct str text = arena_printf(batch->arena, STR_FMT "%s" STR_FMT, STR_ARG(kind),
                                       labels.len ? ": " : "", STR_ARG(labels));
        return text.len ? text : kind;
    }
    return batch_outcome_text(from); /* a series that was worse off later */
}

/* What the sender is told about refused samples. What a retry can mend makes the sender try again,
 * since it drops for good what gets a 400, and by default what gets a 429: 503 for lack of memory,
 * 429 for the limits. What is stored already is then a duplicate, which does no harm. Series with
 * bad labels are left out silently, as Prometheus does. */
static void judge(struct write_call *w)
{
    const struct batch *batch = &w->batch;
    const struct append_result *result = &w->result;
    uint64_t refused = 0, stored = result->outcomes[BATCH_STORED];
    enum batch_outcome from = BATCH_LIMIT, to = BATCH_OUTCOME_COUNT - 1;
    for (size_t i = BATCH_LIMIT; i < BATCH_OUTCOME_COUNT; i++)
        refused += result->outcomes[i];
    w->status = 204;
    if (refused == 0) return;
    if (result->outcomes[BATCH_NOMEM]) {
        w->status = 503;
        w->retry_after_s = RETRY_SOON_S;
        from = to = BATCH_NOMEM;
    } else if (result->outcomes[BATCH_LIMIT]) {
        w->status = 429;
        w->retry_after_s = RETRY_LATER_S;
        from = to = BATCH_LIMIT;
    } else {
        w->status = 400;
    }
    struct str reason = first_refusal(w->api, batch, from, to);
    w->text =
        arena_printf(batch->arena, STR_FMT " (%llu samples stored, %llu refused)\n",
                     STR_ARG(reason), (unsigned long long)stored, (unsigned long long)refused);
}

/* The message in the arena; false after answering. */
static bool decompress(struct prometheus_api *api, struct http_exchange *ex, struct bytes *out)
{
    const struct http_request *req = http_exchange_request(ex);
    struct decode_limits limits = { DECODED_BYTES_MAX, 0 };
    struct err err = { 0 };
    if (req->content_encoding.len == 0 && req->body.len == 0) {
        *out = req->body;
        return true;
    }
    enum err_code rc = snappy_decode(req->body, &limits, http_exchange_arena(ex), out, &err);
    if (rc == ERR_OK) return true;
    if (rc == ERR_NOMEM) {
        refuse(api, ex, API_WRITE_NO_MEMORY, STR("out of memory; retry later\n"));
    } else if (rc == ERR_LIMIT) {
        refuse(api, ex, API_WRITE_TOO_LARGE, STR("snappy: decoded block is too large\n"));
    } else {
        refuse(api, ex, API_WRITE_CORRUPT, STR("snappy: corrupt input\n"));
    }
    return false;
}

/* A batch of the message; false after answering. */
static bool decode(struct prometheus_api *api, struct http_exchange *ex, struct bytes message,
                   struct batch *out)
{
    struct arena *a = http_exchange_arena(ex);
    struct remote_write_options *options = arena_new(a, struct remote_write_options);
    struct remote_write_counts counts;
    struct err err = { 0 };
    enum err_code rc = ERR_NOMEM;
    if (options) {
        *options =
            (struct remote_write_options){ api->options.alias_seed, &api->options.label_limits };
        rc = remote_write_decode(message, options, a, out, &counts, &err);
    }
    if (rc == ERR_OK) {
        stat_add(&api->stats.write_histograms_ignored, counts.histograms);
        return true;
    }
    if (rc == ERR_INVALID) {
        refuse(api, ex, API_WRITE_MALFORMED, STR("malformed prometheus.WriteRequest message\n"));
    } else {
        refuse(api, ex, API_WRITE_NO_MEMORY, STR("out of memory; retry later\n"));
    }
    return false;
}

/* The next part as a batch of its own. Exemplars come in the order of their series. */
static struct batch take_part(struct write_call *w)
{
    const struct batch *whole = &w->batch;
    struct batch part = *whole;
    size_t first = w->next_series, end = first, samples = 0;
    while (end < whole->series_count && end - first < PART_SERIES_MAX && samples < PART_SAMPLES_MAX)
        samples += whole->series[end++].sample_count;
    part.series += first;
    part.series_count = end - first;
    part.exemplars += w->next_exemplar;
    part.exemplar_count = 0;
    for (; w->next_exemplar < whole->exemplar_count; w->next_exemplar++) {
        struct batch_exemplar *e = &whole->exemplars[w->next_exemplar];
        if (e->series >= end) break;
        e->series -= (uint32_t)first;
        part.exemplar_count++;
    }
    if (first > 0) part.metadata_count = 0;
    w->next_series = end;
    return part;
}

static enum err_code append_part(struct write_call *w, struct err *err)
{
    struct batch part = take_part(w);
    struct append_result result = { 0 };
    struct arena scratch;
    arena_init(&scratch, mem_source_of(w->api->options.mem, MEM_INGEST), PART_BYTES_MAX);
    part.arena = &scratch;
    enum err_code rc = metrics_append(w->api->options.metrics, &part, &result, err);
    arena_deinit(&scratch);
    count(w->api, &result);
    for (size_t i = 0; i < BATCH_OUTCOME_COUNT; i++)
        w->result.outcomes[i] += result.outcomes[i];
    if (result.position > w->result.position) w->result.position = result.position;
    return rc;
}

/* On the loop: a part, then a later turn or the answer. */
static void go_on(void *ctx, struct http_exchange *ex)
{
    struct write_call *w = ctx;
    struct err err = { 0 };
    crash_task_set(router_route(ex)->pattern); /* also in later turns */
    enum err_code rc = append_part(w, &err);
    crash_task_set(NULL);
    if (rc != ERR_OK) {
        struct str text = arena_printf(http_exchange_arena(ex), "%s; retry later\n", err.msg);
        refuse(w->api, ex, rc == ERR_NOMEM ? API_WRITE_NO_MEMORY : API_WRITE_STORAGE, text);
        return;
    }
    if (w->next_series < w->batch.series_count) {
        http_exchange_continue(ex, go_on, w);
        return;
    }
    judge(w);
    if (w->result.position == 0) {
        answer(w);
        return;
    }
    w->waiter.position = w->result.position;
    w->waiter.fn = on_durable;
    metrics_notify(w->api->options.metrics, &w->waiter);
}

void api_write(struct prometheus_api *api, struct http_exchange *ex)
{
    struct bytes message;
    struct write_call *w = arena_new(http_exchange_arena(ex), struct write_call);
    stat_add(&api->stats.write_requests, 1);
    if (!w) {
        refuse(api, ex, API_WRITE_NO_MEMORY, STR("out of memory; retry later\n"));
        return;
    }
    w->api = api;
    w->ex = ex;
    w->start_ns = http_exchange_start_ns(ex);
    if (!check_headers(api, ex) || !decompress(api, ex, &message) ||
        !decode(api, ex, message, &w->batch))
        return;
    go_on(w, ex);
}
