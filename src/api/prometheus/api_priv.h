/* SPDX-License-Identifier: Apache-2.0
 *
 * api_priv - what the handlers share: parameters, the answer envelope, offloaded requests.
 */
#ifndef PHAROS_API_PROMETHEUS_API_PRIV_H
#define PHAROS_API_PROMETHEUS_API_PRIV_H

#include "api/prometheus/prometheus_api.h"
#include "codec/json_write.h"
#include "os/cancel.h"

#define ANSWER_BYTES_MAX ((size_t)1 << 30)
#define PARAMS_MAX 4096

/* ---- parameters ---- */

struct api_param {
    struct str name, value;
};
/* Query string and form body, merged, in order. */
struct api_params {
    struct api_param *ptr;
    size_t len;
};

/* One request and its answer. Lives in the exchange's arena until the exchange is finished. */
struct api_call {
    struct prometheus_api *api;
    struct http_exchange *ex;
    struct arena *arena; /* of the request: parameters, small things */
    struct api_params params;
    struct buf out; /* JSON of the answer */
    struct json_writer json;
    struct cancel cancel;
    struct offload_task task;
    uint64_t begin_ns; /* mono_ns: offloaded calls wait since then */
    void (*run)(struct api_call *call);
    struct arena work; /* of offloaded calls: results, MEM_QUERY */
    const struct str *warnings, *infos;
    size_t warning_count, info_count;
    bool is_streaming;
    bool is_broken; /* a part of the stream could not be sent: the rest must not follow */
    bool is_offloaded;
};

/* First value, or ptr == NULL. */
struct str api_param(const struct api_call *c, struct str name);

/* On failure these answer the exchange with 400 and return false. `name` is a literal. */
bool api_time(struct api_call *c, const char *name, int64_t fallback, int64_t *out);
bool api_limit(struct api_call *c, const char *name, size_t *out);
/* Texts as `invalid parameter "NAME": CAUSE`. */
bool api_duration_ms(struct api_call *c, const char *name, int64_t *out);
/* Parse "1.5", "1h30m" to ms; err text as Prometheus'. */
CHECK_RESULT enum err_code api_parse_duration(struct str s, int64_t *out_ms, struct err *err);
CHECK_RESULT enum err_code api_parse_time(struct str s, int64_t *out_ms, struct err *err);

/* match[] selectors, parsed into the arena; answers and returns false on an error. */
struct api_matches {
    struct matchers *ptr;
    size_t len;
    struct promql_regexes regexes; /* release with api_matches_deinit */
};
bool api_matches(struct api_call *c, struct api_matches *out);
void api_matches_deinit(struct api_matches *m);

/* ---- calls and answers ---- */

/* A route's serve function: set up a call on the loop and run it there, or on a lane of the
 * pool. */
void api_serve_inline(struct prometheus_api *api, struct http_exchange *ex,
                      void (*run)(struct api_call *call));
void api_serve_offloaded(struct prometheus_api *api, struct http_exchange *ex,
                         void (*run)(struct api_call *call));
/* The same for PromQL: its lane is its own, and its time-out counts from here. */
void api_serve_query(struct prometheus_api *api, struct http_exchange *ex,
                     void (*run)(struct api_call *call));

/* {"status":"success","data": ... the caller writes one value on c->json ... */
void api_begin(struct api_call *c);
/* Between values of a long answer: sends what has gathered. False when the client is gone: stop. */
bool api_flush(struct api_call *c);
/* ... ,"warnings":[..]} and finish. */
void api_end(struct api_call *c);

enum api_error_type {
    API_BAD_DATA,
    API_EXECUTION,
    API_CANCELED,
    API_TIMEOUT,
    API_INTERNAL,
    API_NOT_FOUND,
    API_NOT_ACCEPTABLE,
    API_UNAVAILABLE
};
/* Error envelope and finish. */
void api_error(struct api_call *c, enum api_error_type type, struct str text);
__attribute__((format(printf, 3, 4))) void api_errorf(struct api_call *c, enum api_error_type type,
                                                      const char *fmt, ...);
/* The same from an error of a query or of the store. */
void api_error_of(struct api_call *c, const struct err *err);
/* Answer what stands in c->out and finish. */
void api_answer(struct api_call *c, struct str content_type);
/* A bare text answer and finish. */
void api_text(struct api_call *c, unsigned status, struct str text);

/* {"a":"b",...} */
void api_put_labels(struct json_writer *w, struct labels labels);

/* ---- handlers (one file per group) ---- */

void api_query(struct api_call *c); /* api_query.c */
void api_query_range(struct api_call *c);
void api_format_query(struct api_call *c);
void api_parse_query(struct api_call *c);
void api_query_exemplars(struct api_call *c);
void api_series(struct api_call *c); /* api_metadata.c */
void api_labels(struct api_call *c);
void api_label_values(struct api_call *c);
void api_metadata(struct api_call *c); /* api_targets.c */
void api_targets(struct api_call *c);
void api_targets_metadata(struct api_call *c);
void api_scrape_pools(struct api_call *c);
void api_status_config(struct api_call *c); /* api_status.c */
void api_status_flags(struct api_call *c);
void api_status_runtimeinfo(struct api_call *c);
void api_status_buildinfo(struct api_call *c);
void api_status_tsdb(struct api_call *c);
void api_status_walreplay(struct api_call *c);
void api_rules(struct api_call *c);
void api_alerts(struct api_call *c);
void api_alertmanagers(struct api_call *c);
void api_version(struct api_call *c);
void api_federate(struct api_call *c); /* api_federate.c */
void api_own_metrics(struct api_call *c);
void api_healthy(struct api_call *c); /* api_lifecycle.c */
void api_readiness(struct api_call *c);
void api_post_only(struct api_call *c);
void api_reload(struct api_call *c);
void api_quit(struct api_call *c);
/* Remote write answers when the journal says so: a life of its own. */
void api_write(struct prometheus_api *api, struct http_exchange *ex); /* api_write.c */

#endif
