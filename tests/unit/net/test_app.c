/* SPDX-License-Identifier: Apache-2.0 */
#include "test_app.h"

#include <check.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "os/clock.h"
#include "server_fixture.h"

enum { PIECE = 1000, BIG_MAX = 8 << 20, WAIT_NS = 1000 * 1000 * 1000 };

static char BIG[BIG_MAX]; /* all 'b'; written once by test_app_init */

void test_app_init(struct test_app *app)
{
    *app = (struct test_app){ 0 };
    mutex_init(&app->lock);
    cond_init(&app->changed);
    memset(BIG, 'b', sizeof BIG);
}

void test_app_deinit(struct test_app *app)
{
    for (unsigned i = 0; i < app->thread_count; i++)
        thread_join(&app->threads[i]);
    cond_deinit(&app->changed);
    mutex_deinit(&app->lock);
}

static uint64_t number_of(const struct http_exchange *ex)
{
    uint64_t n = 0;
    (void)str_to_u64(http_exchange_request(ex)->query, &n);
    return n < BIG_MAX ? n : BIG_MAX;
}

static void on_close(void *ctx)
{
    struct test_app *app = ctx;
    atomic_fetch_add(&app->closed_count, 1);
    MUTEX_SCOPE(&app->lock);
    cond_broadcast(&app->changed);
}

struct http_exchange *test_app_take(struct test_app *app)
{
    MUTEX_SCOPE(&app->lock);
    for (unsigned i = 0; i < 20 && !app->kept; i++) {
        (void)cond_wait_ns(&app->changed, &app->lock, WAIT_NS);
    }
    struct http_exchange *ex = app->kept;
    app->kept = NULL;
    ck_assert_ptr_nonnull(ex);
    return ex;
}

void test_app_await_closed(struct test_app *app, unsigned count)
{
    MUTEX_SCOPE(&app->lock);
    for (unsigned i = 0; i < 20 && atomic_load(&app->closed_count) < count; i++) {
        (void)cond_wait_ns(&app->changed, &app->lock, WAIT_NS);
    }
    ck_assert_uint_eq(atomic_load(&app->closed_count), count);
}

/* ---- streams ------------------------------------------------------------------------------ */

static void stream_main(void *arg)
{
    struct http_exchange *ex = arg;
    uint64_t left = number_of(ex);
    http_exchange_start(ex,
                        &(struct http_answer){ .status = 200, .content_type = STR("text/plain") });
    enum err_code rc = ERR_OK;
    while (left > 0 && rc == ERR_OK) {
        size_t n = left < PIECE ? (size_t)left : PIECE;
        uint64_t deadline = clock_mono_ns(clock_system()) + (uint64_t)20 * WAIT_NS;
        rc = http_exchange_write(ex, (struct bytes){ (uint8_t *)BIG, n }, deadline, NULL);
        left -= n;
    }
    static const struct http_header TRAILER = HTTP_HEADER("X-Trailer", "at the end");
    if (rc == ERR_OK) {
        http_exchange_end(ex, &TRAILER, 1);
    } else {
        http_exchange_abort(ex);
    }
}

static void start_thread(struct test_app *app, void (*fn)(void *), struct http_exchange *ex)
{
    MUTEX_SCOPE(&app->lock);
    REQUIRE(app->thread_count < sizeof app->threads / sizeof app->threads[0]);
    struct thread *t = &app->threads[app->thread_count++];
    REQUIRE(thread_start(t, "stream", fn, ex, NULL) == ERR_OK);
}

static void abort_main(void *arg)
{
    struct http_exchange *ex = arg;
    http_exchange_start(ex, &(struct http_answer){ .status = 200 });
    (void)!http_exchange_write(ex, (struct bytes){ (uint8_t *)BIG, 10 }, UINT64_MAX, NULL);
    http_exchange_abort(ex);
}

/* Slot 1 counts what is left to write. */
static void loop_stream_more(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    uintptr_t left = (uintptr_t)http_exchange_slot(ex, 1);
    while (left > 0) {
        size_t n = left < PIECE ? left : PIECE;
        enum err_code rc = http_exchange_try_write(ex, (struct bytes){ (uint8_t *)BIG, n }, NULL);
        if (rc == ERR_BUSY) return;
        if (rc != ERR_OK) {
            http_exchange_abort(ex);
            return;
        }
        left -= n;
        http_exchange_set_slot(ex, 1, (void *)left); /* NOLINT: a number in a pointer */
    }
    http_exchange_end(ex, NULL, 0);
}

/* ---- routes ------------------------------------------------------------------------------- */

static void answer_hello(struct test_app *app, struct http_exchange *ex)
{
    (void)app;
    http_exchange_answer_text(ex, 200, STR("hello\n"));
}

static void answer_echo(struct test_app *app, struct http_exchange *ex)
{
    (void)app;
    const struct http_request *req = http_exchange_request(ex);
    struct str target = arena_printf(http_exchange_arena(ex), STR_FMT "?" STR_FMT,
                                     STR_ARG(req->path), STR_ARG(req->query));
    struct http_header path = { STR("X-Path"), target };
    http_exchange_answer(ex, &(struct http_answer){ .status = 200,
                                                    .headers = &path,
                                                    .header_count = 1,
                                                    .content_type = req->content_type,
                                                    .body = req->body });
}

static void answer_whoami(struct test_app *app, struct http_exchange *ex)
{
    (void)app;
    http_exchange_answer_text(ex, 200, http_exchange_request(ex)->tls_identity);
}

static void answer_headers(struct test_app *app, struct http_exchange *ex)
{
    (void)app;
    const struct http_request *req = http_exchange_request(ex);
    struct str text =
        arena_printf(http_exchange_arena(ex), STR_FMT "\n", STR_ARG(req->method_text));
    for (uint32_t i = 0; i < req->header_count; i++) {
        const struct http_header *h = &req->headers[i];
        text = arena_printf(http_exchange_arena(ex), STR_FMT STR_FMT ": " STR_FMT "\n",
                            STR_ARG(text), STR_ARG(h->name), STR_ARG(h->value));
    }
    http_exchange_answer_text(ex, 200, text);
}

static void answer_redirect(struct test_app *app, struct http_exchange *ex)
{
    (void)app;
    static const struct http_header LOCATION = HTTP_HEADER("Location", "/hello");
    http_exchange_answer(
        ex, &(struct http_answer){ .status = 302, .headers = &LOCATION, .header_count = 1 });
}

static void answer_bad_gzip(struct test_app *app, struct http_exchange *ex)
{
    (void)app;
    static const struct http_header CODING = HTTP_HEADER("Content-Encoding", "gzip");
    http_exchange_answer(ex, &(struct http_answer){ .status = 200,
                                                    .headers = &CODING,
                                                    .header_count = 1,
                                                    .body = bytes_of_str(STR("no gzip")) });
}

static void answer_big(struct test_app *app, struct http_exchange *ex)
{
    const struct http_request *req = http_exchange_request(ex);
    struct http_answer answer = {
        .status = 200,
        .content_type = STR("text/plain"),
        .body = { (uint8_t *)BIG, number_of(ex) },
    };
    struct buf taken = { 0 };
    if (str_eq(req->path, STR("/big-static"))) answer.flags = HTTP_ANSWER_STATIC_BODY;
    if (str_eq(req->path, STR("/gzip"))) answer.flags = HTTP_ANSWER_COMPRESS;
    if (str_eq(req->path, STR("/big-taken"))) {
        buf_init(&taken, app->mem, BIG_MAX);
        buf_put(&taken, BIG, number_of(ex));
        answer.take_body = &taken;
    }
    http_exchange_answer(ex, &answer);
}

static void keep(struct test_app *app, struct http_exchange *ex)
{
    (void)http_exchange_on_close(ex, on_close, app);
    MUTEX_SCOPE(&app->lock);
    app->kept = ex;
    cond_broadcast(&app->changed);
}

static void start_and_keep(struct test_app *app, struct http_exchange *ex)
{
    http_exchange_start(ex, &(struct http_answer){ .status = 200 });
    keep(app, ex);
}

static void answer_stream(struct test_app *app, struct http_exchange *ex)
{
    start_thread(app, stream_main, ex);
}

static void answer_loop_stream(struct test_app *app, struct http_exchange *ex)
{
    http_exchange_set_slot(ex, 1, (void *)(uintptr_t)number_of(ex));
    http_exchange_on_writable(ex, loop_stream_more, app);
    http_exchange_start(ex, &(struct http_answer){ .status = 200 });
    loop_stream_more(app, ex);
}

static void answer_abort(struct test_app *app, struct http_exchange *ex)
{
    start_thread(app, abort_main, ex);
}

static void continue_more(void *ctx, struct http_exchange *ex)
{
    uintptr_t left = (uintptr_t)http_exchange_slot(ex, 1);
    if (left == 0) {
        http_exchange_answer_text(ex, 200, STR("done"));
        return;
    }
    http_exchange_set_slot(ex, 1, (void *)(left - 1)); /* NOLINT: a number in a pointer */
    http_exchange_continue(ex, continue_more, ctx);
}

static void answer_continue(struct test_app *app, struct http_exchange *ex)
{
    http_exchange_set_slot(ex, 1, (void *)(uintptr_t)number_of(ex));
    continue_more(app, ex);
}

static void answer_inject(struct test_app *app, struct http_exchange *ex)
{
    (void)app;
    static const struct http_header HEADERS[] = {
        HTTP_HEADER("X-Good", "yes"),
        HTTP_HEADER("X-Bad", "a\r\nSet-Cookie: stolen"),
    };
    http_exchange_answer(
        ex, &(struct http_answer){ .status = 200, .headers = HEADERS, .header_count = 2 });
}

static const struct {
    struct str path;
    void (*fn)(struct test_app *app, struct http_exchange *ex);
} ROUTES[] = {
    { STR_INIT("/hello"), answer_hello },
    { STR_INIT("/echo"), answer_echo },
    { STR_INIT("/small-limit"), answer_echo },
    { STR_INIT("/whoami"), answer_whoami },
    { STR_INIT("/headers"), answer_headers },
    { STR_INIT("/redirect"), answer_redirect },
    { STR_INIT("/bad-gzip"), answer_bad_gzip },
    { STR_INIT("/big"), answer_big },
    { STR_INIT("/big-static"), answer_big },
    { STR_INIT("/big-taken"), answer_big },
    { STR_INIT("/gzip"), answer_big },
    { STR_INIT("/later"), keep },
    { STR_INIT("/slow-start"), start_and_keep },
    { STR_INIT("/stream"), answer_stream },
    { STR_INIT("/stream-loop"), answer_loop_stream },
    { STR_INIT("/abort"), answer_abort },
    { STR_INIT("/continue"), answer_continue },
    { STR_INIT("/inject"), answer_inject },
};

static void app_begin(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    struct str path = http_exchange_request(ex)->path;
    if (str_eq(path, STR("/deny"))) http_exchange_answer_text(ex, 401, STR("denied"));
    if (str_eq(path, STR("/small-limit"))) http_exchange_set_body_limit(ex, 10);
}

static void app_serve(void *ctx, struct http_exchange *ex)
{
    struct test_app *app = ctx;
    atomic_fetch_add(&app->served_count, 1);
    struct str path = http_exchange_request(ex)->path;
    for (size_t i = 0; i < sizeof ROUTES / sizeof ROUTES[0]; i++) {
        if (!str_eq(path, ROUTES[i].path)) continue;
        ROUTES[i].fn(app, ex);
        return;
    }
    http_exchange_answer_text(ex, 404, STR("no such path"));
}

struct http_handler test_app_handler(struct test_app *app)
{
    return (struct http_handler){ .ctx = app, .begin = app_begin, .serve = app_serve };
}
