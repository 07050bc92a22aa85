/* SPDX-License-Identifier: Apache-2.0
 *
 * /api/v1/write: remote write 1.0. Decode and append run on the connection's loop; the answer is
 * sent from the journal's completion, so that nothing is acknowledged that a restart would lose.
 */
#include "api/prometheus/api_priv.h"
#include "codec/snappy.h"
#include "formats/remote_write.h"

#define DECODED_BYTES_MAX ((size_t)32 << 20)

/* One write; lives in the exchange's arena. */
struct write_call {
    struct prometheus_api *api;
    struct http_exchange *ex;
    struct journal_waiter waiter;
    uint64_t start_ns;
    unsigned status;
    struct str text;
};

/* False after answering: the request is not one of remote write 1.0. */
static bool check_headers(struct http_exchange *ex)
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
        http_exchange_answer_text(ex, 415, text);
        return false;
    }
    if (type.len && !str_eq_nocase(type, STR("application/x-protobuf"))) {
        struct str text = arena_printf(a,
                                       "expected application/x-protobuf as the first (media) "
                                       "part, got " STR_FMT " content-type\n",
                                       STR_ARG(req->content_type));
        http_exchange_answer_text(ex, 415, text);
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
        http_exchange_answer_text(ex, 415, text);
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
    http_exchange_answer(w->ex, &a);
}

/* On the journal's thread: the batch is safe, or will not be. */
static void on_durable(struct journal_waiter *waiter, enum err_code result)
{
    struct write_call *w =
        (struct write_call *)(void *)((char *)waiter - offsetof(struct write_call, waiter));
    if (result != ERR_OK) {
        http_exchange_add_header(w->ex, (struct http_header)HTTP_HEADER("Retry-After", "5"));
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

/* The first refusal in words, if it is of a kind that makes the 400; otherwise (bad labels came first)
 * the first such kind. */
static struct str refusal(const struct append_result *result, struct arena *a)
{
    const struct err *first = &result->first;
    struct str kind = { "", 0 };
    for (size_t i = BATCH_LIMIT; i < BATCH_OUTCOME_COUNT; i++) {
        struct str text = batch_outcome_text((enum batch_outcome)i);
        if (!result->outcomes[i]) continue;
        if (str_eq(text, str_of_z(first->msg))) {
            return arena_printf(a, "%s%s%s", first->msg, first->detail[0] ? ": " : "",
                                first->detail);
        }
        if (kind.len == 0) kind = text;
    }
    return kind;
}

/* What the sender is told about refused samples. Series with bad labels are left out silently, as
 * Prometheus does; the others make it a 400, so that the sender does not try again. */
static void judge(struct write_call *w, const struct append_result *result)
{
    struct arena *a = http_exchange_arena(w->ex);
    uint64_t retry = result->outcomes[BATCH_NOMEM] + result->outcomes[BATCH_LIMIT], refused = 0;
    for (size_t i = 0; i < BATCH_OUTCOME_COUNT; i++)
        refused += result->outcomes[i];
    uint64_t stored = result->outcomes[BATCH_STORED];
    refused -= stored + result->outcomes[BATCH_INVALID_LABELS] + result->outcomes[BATCH_DROPPED];
    w->status = 204;
    if (refused == 0) return;
    w->status = retry == refused ? 429 : 400;
    if (w->status == 429) {
        http_exchange_add_header(w->ex, (struct http_header)HTTP_HEADER("Retry-After", "30"));
    }
    struct str reason = refusal(result, a);
    w->text = arena_printf(a, STR_FMT " (%llu samples stored, %llu refused)\n", STR_ARG(reason),
                           (unsigned long long)stored, (unsigned long long)refused);
}

/* The message in the arena; false after answering. */
static bool decompress(struct http_exchange *ex, struct bytes *out)
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
        http_exchange_add_header(ex, (struct http_header)HTTP_HEADER("Retry-After", "5"));
        http_exchange_answer_text(ex, 503, STR("out of memory; retry later\n"));
    } else {
        http_exchange_answer_text(ex, 400,
                                  rc == ERR_LIMIT ? STR("snappy: decoded block is too large\n")
                                                  : STR("snappy: corrupt input\n"));
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
        http_exchange_answer_text(ex, 400, STR("malformed prometheus.WriteRequest message\n"));
    } else {
        http_exchange_add_header(ex, (struct http_header)HTTP_HEADER("Retry-After", "5"));
        http_exchange_answer_text(ex, 503, STR("out of memory; retry later\n"));
    }
    return false;
}

void api_write(struct prometheus_api *api, struct http_exchange *ex)
{
    struct append_result result = { 0 };
    struct bytes message;
    struct batch batch;
    struct err err = { 0 };
    stat_add(&api->stats.write_requests, 1);
    if (!check_headers(ex) || !decompress(ex, &message) || !decode(api, ex, message, &batch))
        return;
    struct write_call *w = arena_new(http_exchange_arena(ex), struct write_call);
    enum err_code rc = w ? metrics_append(api->options.metrics, &batch, &result, &err) : ERR_NOMEM;
    if (rc != ERR_OK) {
        http_exchange_add_header(ex, (struct http_header)HTTP_HEADER("Retry-After", "5"));
        struct str text = arena_printf(http_exchange_arena(ex), "%s; retry later\n",
                                       err.msg ? err.msg : "out of memory");
        http_exchange_answer_text(ex, 503, text);
        return;
    }
    count(api, &result);
    w->api = api;
    w->ex = ex;
    w->start_ns = http_exchange_start_ns(ex);
    judge(w, &result);
    if (result.position == 0) {
        answer(w);
        return;
    }
    w->waiter.position = result.position;
    w->waiter.fn = on_durable;
    metrics_notify(api->options.metrics, &w->waiter);
}
