/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a call: parameters in, one JSON value out, answered whole or streamed.
 */
#include <stdarg.h>
#include <stdio.h>

#include "api/prometheus/api_priv.h"
#include "codec/url.h"
#include "os/crash.h"

#define WORK_BYTES_MAX ((size_t)4 << 30)
#define STREAM_FROM_BYTES ((size_t)256 << 10)
#define ANNOTATIONS_MAX 10
#define WRITE_DEADLINE_NS (60ull * 1000000000ull)

/* Prometheus counts requests that its client gave up as 499. */
static const struct {
    struct str name;
    unsigned status;
} ERROR_TYPES[] = {
    [API_BAD_DATA] = { STR_INIT("bad_data"), 400 },
    [API_EXECUTION] = { STR_INIT("execution"), 422 },
    [API_CANCELED] = { STR_INIT("canceled"), 499 },
    [API_TIMEOUT] = { STR_INIT("timeout"), 503 },
    [API_INTERNAL] = { STR_INIT("internal"), 500 },
    [API_NOT_FOUND] = { STR_INIT("not_found"), 404 },
    [API_NOT_ACCEPTABLE] = { STR_INIT("not_acceptable"), 406 },
    [API_UNAVAILABLE] = { STR_INIT("unavailable"), 500 },
};

static enum err_code add_params(struct api_call *c, struct str text, struct err *err)
{
    struct url_query q = url_query_of(text, c->arena);
    struct api_param p;
    while (url_query_next(&q, &p.name, &p.value)) {
        if (c->params.len == PARAMS_MAX) {
            return err_setf(err, ERR_LIMIT, "parameters", "too many parameters, limit %d",
                            PARAMS_MAX);
        }
        if (!p.value.ptr) p.value = (struct str){ "", 0 }; /* there, but empty */
        c->params.ptr[c->params.len++] = p;
    }
    return url_query_finish(&q, err);
}

/* False after answering: the parameters cannot be read. */
static bool read_params(struct api_call *c)
{
    const struct http_request *req = http_exchange_request(c->ex);
    struct str form = STR("application/x-www-form-urlencoded");
    c->params.ptr = arena_array_raw(c->arena, struct api_param, PARAMS_MAX);
    if (!c->params.ptr) {
        api_error(c, API_INTERNAL, STR("request needs too much memory"));
        return false;
    }
    bool is_form =
        req->method == HTTP_POST && str_eq_nocase(http_media_type(req->content_type), form);
    /* The body's values come first, as in Go. */
    struct err err = { 0 };
    enum err_code rc = is_form ? add_params(c, str_of_bytes(req->body), &err) : ERR_OK;
    if (rc == ERR_OK) rc = add_params(c, req->query, &err);
    if (rc == ERR_OK) return true;
    api_errorf(c, rc == ERR_NOMEM ? API_INTERNAL : API_BAD_DATA, "error parsing form values: %s",
               err.detail[0] ? err.detail : err.msg);
    return false;
}

static struct api_call *create(struct prometheus_api *api, struct http_exchange *ex,
                               void (*run)(struct api_call *call))
{
    struct arena *a = http_exchange_arena(ex);
    struct api_call *c = arena_new(a, struct api_call);
    if (!c) {
        http_exchange_answer_text(ex, 503, STR("out of memory\n"));
        return NULL;
    }
    const struct mem_source *mem = mem_source_of(api->options.mem, MEM_QUERY);
    c->api = api;
    c->ex = ex;
    c->arena = a;
    c->run = run;
    buf_init(&c->out, mem, ANSWER_BYTES_MAX);
    arena_init(&c->work, mem, WORK_BYTES_MAX);
    c->json = json_writer_of(&c->out);
    return c;
}

void api_serve_inline(struct prometheus_api *api, struct http_exchange *ex,
                      void (*run)(struct api_call *call))
{
    struct api_call *c = create(api, ex, run);
    if (c && read_params(c)) run(c);
}

static void on_task(struct offload_task *task)
{
    struct api_call *c =
        (struct api_call *)(void *)((char *)task - offsetof(struct api_call, task));
    crash_task_set(router_route(c->ex)->pattern);
    c->run(c);
    crash_task_set(NULL);
}

static void on_close(void *ctx)
{
    cancel_set(ctx, CANCEL_CLIENT_GONE);
}

/* How long a query may wait: its handler parses the parameter again and complains about it. */
static void limit_wait(struct api_call *c)
{
    int64_t wanted_ms = 0;
    struct err err = { 0 };
    if (api_parse_duration(api_param(c, STR("timeout")), &wanted_ms, &err) != ERR_OK) wanted_ms = 0;
    int64_t ms = promql_engine_timeout_ms(c->api->options.engine, wanted_ms);
    c->task.deadline_ns = c->begin_ns + (uint64_t)ms * 1000000u;
    c->task.cancel = &c->cancel;
}

static void serve_on(enum offload_lane lane, struct prometheus_api *api, struct http_exchange *ex,
                     void (*run)(struct api_call *call))
{
    struct api_call *c = create(api, ex, run);
    struct err err = { 0 };
    if (!c || !read_params(c)) return;
    c->is_offloaded = true;
    c->begin_ns = clock_mono_ns(api->options.clock);
    c->task.fn = on_task;
    if (lane == OFFLOAD_QUERY) limit_wait(c);
    if (!http_exchange_on_close(ex, on_close, &c->cancel)) {
        cancel_set(&c->cancel, CANCEL_CLIENT_GONE);
    }
    if (offload_submit(api->options.offload, lane, &c->task, &err) == ERR_OK) return;
    http_exchange_add_header(ex, (struct http_header)HTTP_HEADER("Retry-After", "1"));
    api_error(c, API_TIMEOUT, str_of_z(err.msg));
}

void api_serve_offloaded(struct prometheus_api *api, struct http_exchange *ex,
                         void (*run)(struct api_call *call))
{
    serve_on(OFFLOAD_LIGHT, api, ex, run);
}

void api_serve_query(struct prometheus_api *api, struct http_exchange *ex,
                     void (*run)(struct api_call *call))
{
    serve_on(OFFLOAD_QUERY, api, ex, run);
}

/* The exchange ends with this: nothing of the call may be touched afterwards. */
static void finish_whole(struct api_call *c, unsigned status, struct str content_type)
{
    struct http_exchange *ex = c->ex;
    struct http_answer answer = { .status = status,
                                  .flags = HTTP_ANSWER_COMPRESS,
                                  .content_type = content_type,
                                  .take_body = &c->out };
    bool failed = buf_failed(&c->out);
    arena_deinit(&c->work);
    if (failed) { /* not even an error fits */
        buf_deinit(&c->out);
        http_exchange_add_header(ex, (struct http_header)HTTP_HEADER("Retry-After", "5"));
        http_exchange_answer_text(ex, 503, STR("out of memory; retry later\n"));
        return;
    }
    http_exchange_answer(ex, &answer);
}

void api_answer(struct api_call *c, struct str content_type)
{
    finish_whole(c, 200, content_type);
}

void api_begin(struct api_call *c)
{
    buf_put_lit(&c->out, "{\"status\":\"success\",\"data\":");
    c->json.comma = false;
}

bool api_flush(struct api_call *c)
{
    struct err err = { 0 };
    if (c->is_broken) return false;
    if (c->out.len < STREAM_FROM_BYTES) return !buf_failed(&c->out);
    if (!c->is_offloaded) return !buf_failed(&c->out); /* never wait on a loop */
    if (!c->is_streaming) {
        struct http_answer answer = { .status = 200,
                                      .flags = HTTP_ANSWER_COMPRESS,
                                      .content_type = STR("application/json") };
        http_exchange_start(c->ex, &answer);
        c->is_streaming = true;
    }
    uint64_t deadline = clock_mono_ns(c->api->options.clock) + WRITE_DEADLINE_NS;
    bool comma = c->json.comma;
    c->is_broken = buf_failed(&c->out) ||
                   http_exchange_write(c->ex, buf_bytes(&c->out), deadline, &err) != ERR_OK;
    if (c->is_broken) return false;
    buf_reset(&c->out);
    c->json.comma = comma;
    return true;
}

static void put_annotations(struct api_call *c, const char *key, const char *word,
                            const struct str *texts, size_t count)
{
    struct json_writer *w = &c->json;
    if (count == 0) return;
    w->comma = false;
    buf_printf(&c->out, ",\"%s\":", key);
    json_open_array(w);
    for (size_t i = 0; i < count && i < ANNOTATIONS_MAX; i++)
        json_put_str(w, texts[i]);
    if (count > ANNOTATIONS_MAX) {
        char more[64];
        snprintf(more, sizeof more, "%zu more %s annotations omitted", count - ANNOTATIONS_MAX,
                 word);
        json_put_str(w, str_of_z(more));
    }
    json_close_array(w);
}

void api_end(struct api_call *c)
{
    put_annotations(c, "warnings", "warning", c->warnings, c->warning_count);
    put_annotations(c, "infos", "info", c->infos, c->info_count);
    buf_put_u8(&c->out, '}');
    if (!c->is_streaming) {
        if (buf_failed(&c->out)) {
            api_error(c, API_INTERNAL, STR("answer needs too much memory"));
            return;
        }
        finish_whole(c, 200, STR("application/json"));
        return;
    }
    struct http_exchange *ex = c->ex;
    struct err err = { 0 };
    uint64_t deadline = clock_mono_ns(c->api->options.clock) + WRITE_DEADLINE_NS;
    bool is_whole = !c->is_broken && !buf_failed(&c->out) &&
                    http_exchange_write(ex, buf_bytes(&c->out), deadline, &err) == ERR_OK;
    buf_deinit(&c->out);
    arena_deinit(&c->work);
    if (is_whole) {
        http_exchange_end(ex, NULL, 0);
    } else {
        http_exchange_abort(ex);
    }
}

void api_error(struct api_call *c, enum api_error_type type, struct str text)
{
    struct json_writer *w = &c->json;
    if (c->is_streaming) {
        /* The status is sent already: break off, so that nobody takes the part for the whole. */
        struct http_exchange *ex = c->ex;
        buf_deinit(&c->out);
        arena_deinit(&c->work);
        http_exchange_abort(ex);
        return;
    }
    /* `text` may lie in the call's own memory: write it before anything is freed. */
    struct buf old = c->out;
    buf_init(&c->out, mem_source_of(c->api->options.mem, MEM_QUERY), ANSWER_BYTES_MAX);
    w->comma = false;
    json_open_object(w);
    json_key(w, "status"), json_put_str(w, STR("error"));
    json_key(w, "errorType"), json_put_str(w, ERROR_TYPES[type].name);
    json_key(w, "error"), json_put_str(w, text);
    json_close_object(w);
    buf_deinit(&old);
    unsigned status = ERROR_TYPES[type].status;
    /* Nobody's client gave up: the server ends, and another one may answer. */
    if (type == API_CANCELED && cancel_get(&c->cancel) == CANCEL_SHUTDOWN) status = 503;
    finish_whole(c, status, STR("application/json"));
}

void api_errorf(struct api_call *c, enum api_error_type type, const char *fmt, ...)
{
    char text[8192];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    api_error(c, type, str_of_z(text));
}

void api_error_of(struct api_call *c, const struct err *err)
{
    static const enum api_error_type TYPES[ERR_CODE_COUNT] = {
        [ERR_OK] = API_INTERNAL,           [ERR_NOMEM] = API_EXECUTION,
        [ERR_LIMIT] = API_EXECUTION,       [ERR_INVALID] = API_EXECUTION,
        [ERR_CORRUPT] = API_INTERNAL,      [ERR_IO] = API_INTERNAL,
        [ERR_NOTFOUND] = API_NOT_FOUND,    [ERR_CONFLICT] = API_EXECUTION,
        [ERR_BUSY] = API_TIMEOUT,          [ERR_TIMEOUT] = API_TIMEOUT,
        [ERR_CANCELLED] = API_CANCELED,    [ERR_DENIED] = API_UNAVAILABLE,
        [ERR_UNSUPPORTED] = API_EXECUTION,
    };
    struct str text = str_of_z(err->detail[0] ? err->detail : err->msg);
    api_error(c, TYPES[err->code], text);
}

void api_text(struct api_call *c, unsigned status, struct str text)
{
    /* `text` may lie in what is freed here, and the call is gone with the answer. */
    struct buf out = c->out;
    struct arena work = c->work;
    http_exchange_answer_text(c->ex, status, text);
    buf_deinit(&out);
    arena_deinit(&work);
}

void api_put_labels(struct json_writer *w, struct labels labels)
{
    json_open_object(w);
    for (size_t i = 0; i < labels.len; i++) {
        json_key_str(w, labels.ptr[i].name);
        json_put_str(w, labels.ptr[i].value);
    }
    json_close_object(w);
}
