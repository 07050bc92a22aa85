/* SPDX-License-Identifier: Apache-2.0
 *
 * The network layer on loopback: requests per CPU-second of the server's loop, CPU per request of the HTTP client.
 *
 *     bench_http          measures: one loop, clients on a thread of their own
 *     bench_http serve    serves for wrk or h2load; prints the address, ends with its standard input, then
 *                         prints requests and CPU time
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/http_client.h"
#include "net/http_server.h"
#include "os/loop.h"
#include "os/thread.h"

enum {
    REPEATS = 5,
    CONNECTIONS = 32,
    GETS = 200000,
    POSTS = 20000,
    POST_BYTES = 200000,
    TARGETS = 1000,
    LISTENERS = 16,
    ROUNDS = 3,
    SERIES = 500
};

struct bench {
    struct mem_budget *mem;
    struct http_server *server;
    uint16_t ports[LISTENERS];    /* for the client: hosts of their own */
    struct buf page;              /* an exposition of SERIES series */
    _Atomic uint64_t loop_cpu_ns; /* as of the last request */
    struct loop *client_loop;
    unsigned pending;
};

static void must(enum err_code code, const struct err *err)
{
    char text[1024];
    if (code == ERR_OK) return;
    err_text(err, text, sizeof text);
    (void)fprintf(stderr, "%s: %s\n", err_name(code), text);
    exit(EXIT_FAILURE);
}

static int cmp_double(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static void report(const char *name, double *values, const char *unit)
{
    qsort(values, REPEATS, sizeof *values, cmp_double);
    printf("%-40s %12.3f %s (%.3f .. %.3f)\n", name, values[REPEATS / 2], unit, values[0],
           values[REPEATS - 1]);
    (void)fflush(stdout);
}

/* ---- server ------------------------------------------------------------------------------- */

static void serve(void *ctx, struct http_exchange *ex)
{
    struct bench *b = ctx;
    const struct http_request *req = http_exchange_request(ex);
    if (str_eq(req->path, STR("/cpu"))) {
        atomic_store_explicit(&b->loop_cpu_ns, clock_thread_cpu_ns(), memory_order_relaxed);
    }
    bool is_page = str_eq(req->path, STR("/metrics"));
    static const char BODY[120] = "ok";
    http_exchange_answer(ex,
                         &(struct http_answer){
                             .status = 200,
                             .flags = is_page ? HTTP_ANSWER_COMPRESS : 0,
                             .content_type = STR("text/plain; version=0.0.4"),
                             .body = is_page ? buf_bytes(&b->page)
                                             : (struct bytes){ (const uint8_t *)BODY, sizeof BODY },
                         });
}

static void start(struct bench *b)
{
    struct err err = { 0 };
    b->mem = mem_budget_create(2u << 30);
    buf_init(&b->page, mem_source_of(b->mem, MEM_SYSTEM), 1 << 20);
    for (unsigned i = 0; i < SERIES; i++) {
        buf_printf(&b->page,
                   "http_request_duration_seconds_bucket{handler=\"/api/v1/h%u\",le=\"%u\"} %u\n",
                   i / 10, i % 10, i * 7919);
    }
    struct http_server_options options = {
        .mem = b->mem, .clock = clock_system(), .limits = http_limits_default(), .loop_count = 1
    };
    options.limits.connections_per_peer_max = options.limits.connections_max;
    must(http_server_create(&options, &b->server, &err), &err);
    struct http_listen_options listener = { .addr = STR("127.0.0.1:0"),
                                            .handler = { .ctx = b, .serve = serve } };
    for (unsigned i = 0; i < LISTENERS; i++) {
        char addr[SOCKET_ADDR_SIZE];
        must(http_server_listen(b->server, &listener, addr, &err), &err);
        b->ports[i] = (uint16_t)atoi(strrchr(addr, ':') + 1);
    }
    must(http_server_start(b->server, &err), &err);
}

static void stop(struct bench *b)
{
    http_server_destroy(b->server);
    buf_deinit(&b->page);
    mem_budget_destroy(b->mem);
}

/* ---- load --------------------------------------------------------------------------------- */

static int connect_once(const struct bench *b)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons(b->ports[0]),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) exit(EXIT_FAILURE);
    return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) exit(EXIT_FAILURE);
        data += n;
        len -= (size_t)n;
    }
}

static void receive(int fd)
{
    char answer[4096];
    ssize_t n = recv(fd, answer, sizeof answer, 0); /* small answers come in one piece */
    if (n <= 0 || memcmp(answer, "HTTP/1.1 200", 12) != 0) exit(EXIT_FAILURE);
}

/* CPU time of the server's loop, asked for over a connection. */
static uint64_t loop_cpu_ns(struct bench *b)
{
    static const char REQUEST[] = "GET /cpu HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    int fd = connect_once(b);
    send_all(fd, REQUEST, sizeof REQUEST - 1);
    receive(fd);
    (void)close(fd);
    return atomic_load_explicit(&b->loop_cpu_ns, memory_order_relaxed);
}

/* `count` requests, one at a time on each of CONNECTIONS connections; returns requests per CPU-second. */
static double load(struct bench *b, const char *request, size_t len, unsigned count)
{
    int fds[CONNECTIONS];
    for (unsigned i = 0; i < CONNECTIONS; i++)
        fds[i] = connect_once(b);
    uint64_t before = loop_cpu_ns(b);
    for (unsigned i = 0; i < count; i++) {
        int fd = fds[i % CONNECTIONS];
        if (i >= CONNECTIONS) receive(fd);
        send_all(fd, request, len);
    }
    for (unsigned i = 0; i < CONNECTIONS; i++)
        receive(fds[i]);
    uint64_t used = loop_cpu_ns(b) - before;
    for (unsigned i = 0; i < CONNECTIONS; i++)
        (void)close(fds[i]);
    return (double)count * 1e9 / (double)used;
}

static void measure_server(struct bench *b)
{
    double values[REPEATS];
    static const char GET[] = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:9090\r\n\r\n";
    for (unsigned i = 0; i < REPEATS; i++)
        values[i] = load(b, GET, sizeof GET - 1, GETS);
    report("http GET", values, "requests/CPU-s");
    static const char HEAD[] =
        "POST /write HTTP/1.1\r\nHost: 127.0.0.1:9090\r\nContent-Length: 200000\r\n\r\n";
    size_t len = sizeof HEAD - 1 + POST_BYTES;
    char *post = calloc(1, len);
    memcpy(post, HEAD, sizeof HEAD - 1);
    for (unsigned i = 0; i < REPEATS; i++)
        values[i] = load(b, post, len, POSTS);
    report("http POST of 200 kB", values, "requests/CPU-s");
    free(post);
}

/* ---- client ------------------------------------------------------------------------------- */

static void on_done(void *ctx, struct http_call *call, const struct http_call_result *result)
{
    (void)call;
    struct bench *b = ctx;
    must(result->code, &result->err);
    if (result->body.len != b->page.len) exit(EXIT_FAILURE);
    b->pending--;
}

/* One round over all targets, ten under way at a time as when they are spread over an interval. */
static void scrape_all(struct bench *b, struct http_call **calls, struct buf *answers)
{
    for (unsigned i = 0; i < TARGETS; i++) {
        struct http_call_start call = { .answer = &answers[i], .done = on_done, .ctx = b };
        must(http_call_start(calls[i], &call, NULL), NULL);
        b->pending++;
        while (b->pending > 10 || (i == TARGETS - 1 && b->pending > 0))
            loop_turn(b->client_loop, true);
    }
}

static void measure_client(struct bench *b)
{
    struct err err = { 0 };
    must(loop_create(b->mem, clock_system(), &b->client_loop, &err), &err);
    struct http_client *client = NULL;
    struct http_client_options options = { .mem = b->mem,
                                           .account = MEM_SCRAPE,
                                           .loop = b->client_loop,
                                           .clock = clock_system(),
                                           .user_agent = STR("bench"),
                                           .connections_max = TARGETS };
    must(http_client_create(&options, &client, &err), &err);
    static struct http_call *calls[TARGETS];
    static struct buf answers[TARGETS];
    for (unsigned i = 0; i < TARGETS; i++)
        buf_init(&answers[i], mem_source_of(b->mem, MEM_SCRAPE), 1 << 20);
    for (unsigned i = 0; i < TARGETS; i++) {
        char url[64];
        (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/metrics", b->ports[i % LISTENERS]);
        struct http_call_options call = { .url = str_of_z(url), .accept_gzip = true };
        must(http_call_create(client, &call, &calls[i], &err), &err);
    }
    double values[REPEATS];
    scrape_all(b, calls, answers);
    for (unsigned i = 0; i < REPEATS; i++) {
        uint64_t before = clock_thread_cpu_ns();
        for (unsigned k = 0; k < ROUNDS; k++)
            scrape_all(b, calls, answers);
        values[i] = (double)(clock_thread_cpu_ns() - before) / 1e3 / TARGETS / ROUNDS;
    }
    report("http client, gzip page of 500 series", values, "us CPU");
    for (unsigned i = 0; i < TARGETS; i++)
        http_call_destroy(calls[i]);
    for (unsigned i = 0; i < TARGETS; i++)
        buf_deinit(&answers[i]);
    http_client_destroy(client);
    loop_destroy(b->client_loop);
}

/* ---- by hand ------------------------------------------------------------------------------ */

static void serve_until_eof(struct bench *b)
{
    printf("127.0.0.1:%u\n", b->ports[0]);
    (void)fflush(stdout);
    uint64_t before = clock_process_cpu_ns();
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {}
    double seconds = (double)(clock_process_cpu_ns() - before) / 1e9;
    double requests = (double)stat_get(&http_server_stats(b->server)->requests_1xx_to_2xx);
    printf("%.0f requests, %.2f CPU-s, %.0f requests/CPU-s\n", requests, seconds,
           requests / seconds);
}

int main(int argc, char **argv)
{
    struct bench b = { 0 };
    start(&b);
    if (argc > 1 && strcmp(argv[1], "serve") == 0) {
        serve_until_eof(&b);
    } else {
        measure_server(&b);
        measure_client(&b);
    }
    stop(&b);
    return 0;
}
