/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_client.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/loop.h"
#include "server_fixture.h"
#include "test_app.h"
#include "test_identity.h"

struct setup {
    struct test_app app;
    struct fixture f;
    struct mem_budget *mem;
    struct loop *loop;
    struct http_client *client;
    unsigned pending; /* calls that run() waits for */
    char url[128];
};

/* One call and what became of it. */
struct attempt {
    struct setup *s;
    struct http_call *call;
    struct buf answer;
    struct http_call_result result;
    unsigned done_count;
    unsigned again; /* start so many times more, from within done */
};

static bool refuse_all(void *ctx, const struct http_client_address *address)
{
    unsigned *calls = ctx;
    (*calls)++;
    ck_assert(!address->is_ipv6);
    ck_assert_int_eq(address->octets[0], 127);
    return false;
}

static void start_with(struct setup *s, struct http_client_options options, struct tls_options *tls)
{
    test_app_init(&s->app);
    struct fixture_options fixture = { .limits = http_limits_default(),
                                       .handler = test_app_handler(&s->app),
                                       .tls = tls };
    s->f = fixture_start(&fixture);
    s->app.mem = mem_source_of(s->f.mem, MEM_QUERY);
    s->mem = mem_budget_create(512 << 20);
    struct err err = { 0 };
    ck_assert_int_eq(loop_create(s->mem, clock_system(), &s->loop, &err), ERR_OK);
    options.mem = s->mem;
    options.account = MEM_SCRAPE;
    options.loop = s->loop;
    options.clock = clock_system();
    options.user_agent = STR("Test/1");
    ck_assert_int_eq(http_client_create(&options, &s->client, &err), ERR_OK);
    s->pending = 0;
}

static void start(struct setup *s)
{
    start_with(s, (struct http_client_options){ 0 }, NULL);
}

static void stop(struct setup *s)
{
    http_client_destroy(s->client);
    loop_destroy(s->loop);
    ck_assert_uint_eq(mem_live_count(s->mem), 0);
    ck_assert_uint_eq(mem_used(s->mem, MEM_SCRAPE), 0);
    mem_budget_destroy(s->mem);
    fixture_stop(&s->f);
    test_app_deinit(&s->app);
}

static struct str url_of(struct setup *s, const char *scheme, const char *path)
{
    (void)snprintf(s->url, sizeof s->url, "%s://127.0.0.1:%u%s", scheme, s->f.port, path);
    return str_of_z(s->url);
}

static void on_done(void *ctx, struct http_call *call, const struct http_call_result *result)
{
    struct attempt *a = ctx;
    ck_assert_ptr_eq(call, a->call);
    ck_assert(!http_call_is_running(call));
    a->result = *result;
    a->done_count++;
    if (a->again > 0) {
        a->again--;
        struct http_call_start again = { .answer = &a->answer, .done = on_done, .ctx = a };
        ck_assert_int_eq(http_call_start(call, &again, NULL), ERR_OK);
        return;
    }
    a->s->pending--;
}

static void prepare(struct setup *s, struct attempt *a, const struct http_call_options *options)
{
    *a = (struct attempt){ .s = s };
    buf_init(&a->answer, mem_source_of(s->mem, MEM_QUERY), 16 << 20);
    struct err err = { 0 };
    enum err_code rc = http_call_create(s->client, options, &a->call, &err);
    ck_assert_msg(rc == ERR_OK, "%s %s", err.msg, err.detail);
}

static void begin(struct attempt *a, struct http_call_start start)
{
    start.answer = &a->answer;
    start.done = on_done;
    start.ctx = a;
    ck_assert_int_eq(http_call_start(a->call, &start, NULL), ERR_OK);
    a->s->pending++;
}

static void run(struct setup *s)
{
    while (s->pending > 0)
        loop_turn(s->loop, true);
}

static void release(struct attempt *a)
{
    http_call_destroy(a->call);
    buf_deinit(&a->answer);
}

static void assert_ok(const struct attempt *a, unsigned status, const char *body)
{
    ck_assert_msg(a->result.code == ERR_OK, "%s", a->result.err.detail);
    ck_assert_uint_eq(a->result.status, status);
    ck_assert(str_eq(str_of_bytes(a->result.body), str_of_z(body)));
}

/* The detail of the error ends with `text`. */
static void assert_failed(const struct attempt *a, enum err_code code, const char *text)
{
    ck_assert_int_eq(a->result.code, code);
    struct str detail = str_of_z(a->result.err.detail);
    ck_assert_msg(str_ends_with(detail, str_of_z(text)), "%s", a->result.err.detail);
}

/* ---- answers -------------------------------------------------------------------------------- */

START_TEST(get_is_answered_on_one_connection)
{
    struct setup s;
    start(&s);
    struct attempt a;
    struct http_call_options options = { .url = url_of(&s, "http", "/hello") };
    prepare(&s, &a, &options);
    for (unsigned i = 0; i < 3; i++) {
        begin(&a, (struct http_call_start){ 0 });
        run(&s);
        assert_ok(&a, 200, "hello\n");
        ck_assert_int_eq(a.result.is_new_connection, i == 0);
        ck_assert_uint_gt(a.result.total_ns, 0);
        ck_assert_uint_eq(a.result.received_bytes, 6);
        struct str type = http_call_header(a.call, STR("content-type"));
        ck_assert(str_eq(type, STR("text/plain; charset=utf-8")));
        ck_assert_ptr_null(http_call_header(a.call, STR("Date")).ptr);
    }
    release(&a);
    ck_assert_uint_eq(stat_get(&http_client_stats(s.client)->connects_total), 1);
    ck_assert_uint_eq(stat_get(&http_client_stats(s.client)->calls_total), 3);
    stop(&s);
}
END_TEST

START_TEST(gzip_answer_is_decoded)
{
    struct setup s;
    start(&s);
    struct attempt a;
    struct http_call_options options = { .url = url_of(&s, "http", "/gzip?500000"),
                                         .accept_gzip = true };
    prepare(&s, &a, &options);
    for (unsigned i = 0; i < 2; i++) {
        begin(&a, (struct http_call_start){ 0 });
        run(&s);
        ck_assert_int_eq(a.result.code, ERR_OK);
        ck_assert_uint_eq(a.result.body.len, 500000);
        ck_assert_uint_lt(a.result.received_bytes, 10000);
    }
    release(&a);
    stop(&s);
}
END_TEST

static const struct {
    const char *path;
    uint64_t sent_max, decoded_max;
    bool accept_gzip;
    enum err_code code;
    const char *text;
} LIMITS[] = {
    { "/big?1000", 1000, 0, false, ERR_OK, "" },
    { "/big?1001", 1000, 0, false, ERR_LIMIT, ": body size limit exceeded" },
    { "/stream?100000", 1000, 0, false, ERR_LIMIT, ": body size limit exceeded" },
    { "/gzip?500000", 0, 400000, true, ERR_LIMIT, ": body size limit exceeded" },
    { "/gzip?500000", 100, 0, true, ERR_LIMIT, ": body size limit exceeded" },
    { "/bad-gzip", 0, 0, true, ERR_INVALID, ": gzip: invalid data" },
    { "/bad-gzip", 0, 0, false, ERR_OK, "" },
};

START_TEST(size_limits_hold)
{
    struct setup s;
    start(&s);
    struct attempt a;
    struct http_call_options options = {
        .url = url_of(&s, "http", LIMITS[_i].path),
        .accept_gzip = LIMITS[_i].accept_gzip,
        .body_bytes_max = LIMITS[_i].sent_max,
        .decoded_bytes_max = LIMITS[_i].decoded_max,
    };
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_failed(&a, LIMITS[_i].code, LIMITS[_i].text);
    release(&a);
    stop(&s);
}
END_TEST

static bool has_line(const struct attempt *a, const char *line)
{
    struct str body = str_of_bytes(a->result.body);
    return str_find(body, str_of_z(line)) < body.len;
}

START_TEST(request_carries_what_was_asked_for)
{
    struct setup s;
    start(&s);
    struct attempt a;
    static const struct http_header HEADERS[] = {
        HTTP_HEADER("X-One", "1"),
        HTTP_HEADER("X-Empty", ""),
        HTTP_HEADER("Accept", "text/x"),
    };
    struct http_call_options options = {
        .url = url_of(&s, "http", "/headers"),
        .headers = HEADERS,
        .header_count = 3,
        .accept_gzip = true,
        .basic_user = STR("user"),
        .basic_password = STR("pa:ss"),
    };
    prepare(&s, &a, &options);
    struct http_header extra = HTTP_HEADER("X-Extra", "now");
    begin(&a, (struct http_call_start){ .header = extra });
    run(&s);
    ck_assert(has_line(&a, "GET\n"));
    ck_assert(has_line(&a, "X-One: 1\n"));
    ck_assert(has_line(&a, "X-Empty: \n"));
    ck_assert(has_line(&a, "Accept: text/x\n"));
    ck_assert(has_line(&a, "X-Extra: now\n"));
    ck_assert(has_line(&a, "User-Agent: Test/1\n"));
    ck_assert(has_line(&a, "Accept-Encoding: gzip\n"));
    ck_assert(has_line(&a, "Authorization: Basic dXNlcjpwYTpzcw==\n"));
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    ck_assert(!has_line(&a, "X-Extra"));
    release(&a);
    options = (struct http_call_options){ .url = url_of(&s, "http", "/headers"),
                                          .bearer_token = STR("t0ken"),
                                          .method = HTTP_PUT };
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ .body = bytes_of_str(STR("body")) });
    run(&s);
    ck_assert(has_line(&a, "PUT\n"));
    ck_assert(has_line(&a, "Authorization: Bearer t0ken\n"));
    ck_assert(has_line(&a, "Content-Length: 4\n"));
    ck_assert(!has_line(&a, "Content-Type"));
    ck_assert(!has_line(&a, "Accept-Encoding"));
    release(&a);
    stop(&s);
}
END_TEST

START_TEST(bodies_are_posted)
{
    enum { N = 3000000 };
    struct setup s;
    start(&s);
    struct attempt a;
    static const struct http_header TYPE = HTTP_HEADER("Content-Type", "text/y");
    struct http_call_options options = {
        .url = url_of(&s, "http", "/echo"),
        .method = HTTP_POST,
        .headers = &TYPE,
        .header_count = 1,
    };
    prepare(&s, &a, &options);
    char *body = malloc(N);
    memset(body, 'p', N);
    begin(&a, (struct http_call_start){ .body = { (uint8_t *)body, N } });
    run(&s);
    ck_assert_int_eq(a.result.code, ERR_OK);
    ck_assert_uint_eq(a.result.body.len, N);
    ck_assert(str_eq(http_call_header(a.call, STR("Content-Type")), STR("text/y")));
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_ok(&a, 200, "");
    free(body);
    release(&a);
    stop(&s);
}
END_TEST

START_TEST(head_and_redirects)
{
    struct setup s;
    start(&s);
    struct attempt a;
    static const char *const WANTED[] = { "Location" };
    struct http_call_options options = {
        .url = url_of(&s, "http", "/redirect"),
        .wanted_headers = WANTED,
        .wanted_header_count = 1,
    };
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_ok(&a, 302, "");
    ck_assert(str_eq(http_call_header(a.call, STR("location")), STR("/hello")));
    release(&a);
    options.follow_redirects = true;
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_ok(&a, 200, "hello\n");
    ck_assert_ptr_null(http_call_header(a.call, STR("Location")).ptr);
    release(&a);
    options.method = HTTP_HEAD;
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_ok(&a, 200, "");
    release(&a);
    stop(&s);
}
END_TEST

/* ---- failures ------------------------------------------------------------------------------- */

START_TEST(slow_server_runs_into_the_time_out)
{
    struct setup s;
    start(&s);
    struct attempt a;
    struct http_call_options options = { .url = url_of(&s, "http", "/later"), .timeout_ms = 500 };
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_failed(&a, ERR_TIMEOUT, "/later\": context deadline exceeded");
    ck_assert(str_starts_with(str_of_z(a.result.err.detail), STR("Get \"http://127.0.0.1:")));
    release(&a);
    http_exchange_answer_text(test_app_take(&s.app), 200, STR("late"));
    ck_assert_uint_eq(stat_get(&http_client_stats(s.client)->timeouts_total), 1);
    stop(&s);
}
END_TEST

START_TEST(closed_port_refuses)
{
    struct setup s;
    start(&s);
    /* A port that was bound a moment ago and is closed now. */
    int fd = -1;
    char addr[SOCKET_ADDR_SIZE];
    ck_assert_int_eq(socket_listen(STR("127.0.0.1:0"), &fd, NULL), ERR_OK);
    ck_assert_int_eq(socket_local_addr(fd, addr, NULL), ERR_OK);
    socket_close(fd);
    char url[128];
    char want[256];
    (void)snprintf(url, sizeof url, "http://u:secret@%s/metrics", addr);
    (void)snprintf(want, sizeof want,
                   "Get \"http://u:xxxxx@%s/metrics\": dial tcp %s: connect: connection refused",
                   addr, addr);
    struct attempt a;
    struct http_call_options options = { .url = str_of_z(url) };
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_failed(&a, ERR_IO, want);
    release(&a);
    stop(&s);
}
END_TEST

/* A server that answers every connection with a fixed text and closes. */
struct blunt {
    struct loop_watch watch;
    const char *text;
};

static void on_blunt(struct loop_watch *w, uint32_t ready)
{
    (void)ready;
    struct blunt *blunt = (struct blunt *)w; /* first member */
    int fd = -1;
    char peer[SOCKET_ADDR_SIZE];
    if (socket_accept(w->fd, &fd, peer, NULL) != ERR_OK || fd < 0) return;
    if (blunt->text) {
        size_t n = 0;
        bool again = false;
        ck_assert_int_eq(socket_write(fd, blunt->text, strlen(blunt->text), &n, &again, NULL),
                         ERR_OK);
        socket_shutdown_write(fd);
        char byte;
        (void)!read(fd, &byte, 1);
    }
    socket_close(fd);
}

static const struct {
    const char *answer;
    enum err_code code;
    const char *text;
} BLUNT[] = {
    { "", ERR_IO, ": EOF" },
    { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", ERR_IO, ": unexpected EOF" },
    { "no http at all\r\n", ERR_IO, "" },
    { "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end", ERR_OK, "" },
};

START_TEST(odd_servers_are_survived)
{
    struct setup s;
    start(&s);
    struct blunt blunt = { .watch = { .fn = on_blunt, .events = LOOP_READ },
                           .text = BLUNT[_i].answer };
    ck_assert_int_eq(socket_listen(STR("127.0.0.1:0"), &blunt.watch.fd, NULL), ERR_OK);
    char addr[SOCKET_ADDR_SIZE];
    ck_assert_int_eq(socket_local_addr(blunt.watch.fd, addr, NULL), ERR_OK);
    ck_assert_int_eq(loop_watch_add(s.loop, &blunt.watch, NULL), ERR_OK);
    char url[128];
    (void)snprintf(url, sizeof url, "http://%s/", addr);
    struct attempt a;
    struct http_call_options options = { .url = str_of_z(url), .timeout_ms = 10000 };
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_failed(&a, BLUNT[_i].code, BLUNT[_i].text);
    release(&a);
    loop_watch_remove(s.loop, &blunt.watch);
    socket_close(blunt.watch.fd);
    stop(&s);
}
END_TEST

START_TEST(bad_options_are_refused)
{
    struct setup s;
    start(&s);
    static const struct http_header INJECTED = HTTP_HEADER("X", "a\r\nY: b");
    struct http_call_options cases[] = {
        { .url = STR("") },
        { .url = STR("ftp://h/x") },
        { .url = STR("file:///etc/passwd") },
        { .url = STR("http://h/\r\nX: y") },
        { .url = STR("http://h/"), .headers = &INJECTED, .header_count = 1 },
        { .url = STR("http://h/"), .bearer_token = STR("a\nb") },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_call *call = NULL;
        struct err err = { 0 };
        ck_assert_int_eq(http_call_create(s.client, &cases[i], &call, &err), ERR_INVALID);
    }
    stop(&s);
}
END_TEST

START_TEST(guarded_call_asks_about_every_address)
{
    struct setup s;
    unsigned asked = 0;
    start_with(&s, (struct http_client_options){ .allow_address = refuse_all, .ctx = &asked },
               NULL);
    struct attempt open;
    struct attempt guarded;
    struct http_call_options options = { .url = url_of(&s, "http", "/hello") };
    prepare(&s, &open, &options);
    options.is_guarded = true;
    prepare(&s, &guarded, &options);
    begin(&guarded, (struct http_call_start){ 0 });
    run(&s);
    assert_failed(&guarded, ERR_DENIED, ": address is not allowed");
    ck_assert_uint_eq(asked, 1);
    begin(&open, (struct http_call_start){ 0 });
    run(&s);
    assert_ok(&open, 200, "hello\n");
    ck_assert_uint_eq(asked, 1);
    /* There is a connection to use again now, which must not help. */
    begin(&guarded, (struct http_call_start){ 0 });
    run(&s);
    assert_failed(&guarded, ERR_DENIED, ": address is not allowed");
    ck_assert_uint_eq(stat_get(&http_client_stats(s.client)->denied_total), 2);
    release(&open);
    release(&guarded);
    stop(&s);
}
END_TEST

/* ---- life of calls ---------------------------------------------------------------------------- */

START_TEST(call_may_be_started_again_from_done)
{
    struct setup s;
    start(&s);
    struct attempt a;
    struct http_call_options options = { .url = url_of(&s, "http", "/hello") };
    prepare(&s, &a, &options);
    a.again = 20;
    begin(&a, (struct http_call_start){ 0 });
    ck_assert_int_eq(http_call_start(a.call, &(struct http_call_start){ .done = on_done }, NULL),
                     ERR_BUSY);
    run(&s);
    ck_assert_uint_eq(a.done_count, 21);
    assert_ok(&a, 200, "hello\n");
    release(&a);
    stop(&s);
}
END_TEST

START_TEST(cancelled_and_destroyed_calls_are_never_done)
{
    struct setup s;
    start(&s);
    struct attempt a[3];
    struct http_call_options options = { .url = url_of(&s, "http", "/hello") };
    for (unsigned i = 0; i < 3; i++)
        prepare(&s, &a[i], &options);
    for (unsigned i = 0; i < 3; i++)
        begin(&a[i], (struct http_call_start){ 0 });
    http_call_cancel(a[0].call);
    ck_assert(!http_call_is_running(a[0].call));
    http_call_destroy(a[1].call);
    a[1].call = NULL;
    s.pending = 1;
    run(&s);
    ck_assert_uint_eq(a[0].done_count, 0);
    ck_assert_uint_eq(a[1].done_count, 0);
    ck_assert_uint_eq(a[2].done_count, 1);
    begin(&a[0], (struct http_call_start){ 0 });
    run(&s);
    assert_ok(&a[0], 200, "hello\n");
    for (unsigned i = 0; i < 3; i++)
        release(&a[i]);
    stop(&s);
}
END_TEST

START_TEST(calls_beyond_the_transfers_wait_their_turn)
{
    enum { N = 50 };
    struct setup s;
    start_with(&s, (struct http_client_options){ .transfers_max = 3 }, NULL);
    struct attempt a[N];
    struct http_call_options options = { .url = url_of(&s, "http", "/gzip?5000"),
                                         .accept_gzip = true };
    for (unsigned i = 0; i < N; i++)
        prepare(&s, &a[i], &options);
    for (unsigned i = 0; i < N; i++)
        begin(&a[i], (struct http_call_start){ 0 });
    ck_assert_int_eq(stat_gauge_get(&http_client_stats(s.client)->waiting), N - 3);
    http_call_cancel(a[N - 1].call);
    http_call_cancel(a[10].call);
    s.pending -= 2;
    run(&s);
    for (unsigned i = 0; i < N; i++) {
        ck_assert_uint_eq(a[i].done_count, i == 10 || i == N - 1 ? 0 : 1);
        if (a[i].done_count > 0) ck_assert_uint_eq(a[i].result.body.len, 5000);
        release(&a[i]);
    }
    ck_assert_uint_le(stat_get(&http_client_stats(s.client)->connects_total), 3);
    stop(&s);
}
END_TEST

START_TEST(failed_allocation_fails_one_call)
{
    struct setup s;
    start(&s);
    struct http_call_options options = { .url = url_of(&s, "http", "/gzip?50000"),
                                         .accept_gzip = true };
    mem_test_fail_at(s.mem, (uint64_t)_i, MEM_FAIL_ONCE);
    struct attempt a = { .s = &s };
    buf_init(&a.answer, mem_source_of(s.mem, MEM_QUERY), 16 << 20);
    struct err err = { 0 };
    enum err_code rc = http_call_create(s.client, &options, &a.call, &err);
    if (rc == ERR_OK) {
        struct http_call_start begin_once = { .answer = &a.answer, .done = on_done, .ctx = &a };
        rc = http_call_start(a.call, &begin_once, &err);
        if (rc == ERR_OK) s.pending++;
        run(&s);
        if (rc == ERR_OK) rc = a.result.code;
    }
    ck_assert(rc == ERR_OK || rc == ERR_NOMEM || rc == ERR_IO);
    if (!mem_test_fired(s.mem)) ck_assert_int_eq(rc, ERR_OK);
    mem_test_fail_at(s.mem, 0, MEM_FAIL_OFF);
    release(&a);
    stop(&s);
}
END_TEST

/* ---- TLS ------------------------------------------------------------------------------------- */

START_TEST(tls_is_verified_unless_told_otherwise)
{
    struct setup s;
    struct identity id = identity_create("server.example", NULL);
    struct tls_options server = options_of(&id);
    start_with(&s, (struct http_client_options){ 0 }, &server);
    struct http_client_tls tls = { 0 };
    struct http_call_options options = { .url = url_of(&s, "https", "/hello"), .tls = &tls };
    struct attempt a;
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    ck_assert_int_eq(a.result.code, ERR_DENIED);
    release(&a);
    tls.insecure_skip_verify = true;
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_ok(&a, 200, "hello\n");
    release(&a);
    tls = (struct http_client_tls){ .ca_pem = str_of_z(id.certificate_pem) };
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_ok(&a, 200, "hello\n");
    release(&a);
    identity_destroy(&id);
    stop(&s);
}
END_TEST

START_TEST(server_name_is_verified_and_host_kept)
{
    struct setup s;
    struct identity id = identity_create("server.example", NULL);
    struct tls_options server = options_of(&id);
    start_with(&s, (struct http_client_options){ 0 }, &server);
    struct http_client_tls tls = { .ca_pem = str_of_z(id.certificate_pem),
                                   .server_name = STR("server.example") };
    struct http_call_options options = { .url = url_of(&s, "https", "/headers?x"), .tls = &tls };
    struct attempt a;
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    ck_assert_msg(a.result.code == ERR_OK, "%s", a.result.err.detail);
    char host[64];
    (void)snprintf(host, sizeof host, "Host: 127.0.0.1:%u\n", s.f.port);
    ck_assert(has_line(&a, host));
    release(&a);
    tls.server_name = STR("other.example");
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    ck_assert_int_eq(a.result.code, ERR_DENIED);
    release(&a);
    identity_destroy(&id);
    stop(&s);
}
END_TEST

START_TEST(client_certificate_is_shown)
{
    struct setup s;
    struct identity id = identity_create("server.example", NULL);
    struct identity authority = identity_create("authority", NULL);
    struct identity own = identity_create("agent-7", &authority);
    struct tls_options server = options_of(&id);
    server.client_ca_pem = str_of_z(authority.certificate_pem);
    server.client_auth = TLS_CLIENT_AUTH_REQUIRE_AND_VERIFY;
    start_with(&s, (struct http_client_options){ 0 }, &server);
    struct http_client_tls tls = { .insecure_skip_verify = true,
                                   .certificate_pem = str_of_z(own.certificate_pem),
                                   .key_pem = str_of_z(own.key_pem) };
    struct http_call_options options = { .url = url_of(&s, "https", "/whoami"), .tls = &tls };
    struct attempt a;
    prepare(&s, &a, &options);
    begin(&a, (struct http_call_start){ 0 });
    run(&s);
    assert_ok(&a, 200, "agent-7");
    release(&a);
    identity_destroy(&id);
    identity_destroy(&authority);
    identity_destroy(&own);
    stop(&s);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(table)[0])

int main(void)
{
    Suite *suite = suite_create("http_client");
    TCase *tc = tcase_create("calls");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, get_is_answered_on_one_connection);
    tcase_add_test(tc, gzip_answer_is_decoded);
    tcase_add_loop_test(tc, size_limits_hold, 0, COUNT(LIMITS));
    tcase_add_test(tc, request_carries_what_was_asked_for);
    tcase_add_test(tc, bodies_are_posted);
    tcase_add_test(tc, head_and_redirects);
    tcase_add_test(tc, slow_server_runs_into_the_time_out);
    tcase_add_test(tc, closed_port_refuses);
    tcase_add_loop_test(tc, odd_servers_are_survived, 0, COUNT(BLUNT));
    tcase_add_test(tc, bad_options_are_refused);
    tcase_add_test(tc, guarded_call_asks_about_every_address);
    tcase_add_test(tc, call_may_be_started_again_from_done);
    tcase_add_test(tc, cancelled_and_destroyed_calls_are_never_done);
    tcase_add_test(tc, calls_beyond_the_transfers_wait_their_turn);
    tcase_add_loop_test(tc, failed_allocation_fails_one_call, 1, 12);
    tcase_add_test(tc, tls_is_verified_unless_told_otherwise);
    tcase_add_test(tc, server_name_is_verified_and_host_kept);
    tcase_add_test(tc, client_certificate_is_shown);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
