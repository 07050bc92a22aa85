/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole connection: HTTP/1.1 or HTTP/2 (preface and SETTINGS in front when the first byte is odd),
 * routed to handlers that echo, stream, go on later, or speak gRPC. The client sends the input in pieces, reads what comes, and
 * leaves. Afterwards the connection and its exchanges are gone and no memory is held.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn_priv.h"
#include "net/grpc.h"
#include "net/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void echo(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    const struct http_request *req = http_exchange_request(ex);
    struct http_header param = { STR("X-Param"), router_param(ex, STR("name")) };
    http_exchange_answer(ex, &(struct http_answer){ .status = 200,
                                                    .flags = HTTP_ANSWER_COMPRESS,
                                                    .headers = &param,
                                                    .header_count = 1,
                                                    .content_type = req->content_type,
                                                    .body = req->body });
}

static void stream(void *ctx, struct http_exchange *ex)
{
    (void)ctx;
    http_exchange_start(ex, &(struct http_answer){ .status = 200, .flags = HTTP_ANSWER_COMPRESS });
    if (http_exchange_try_write(ex, http_exchange_request(ex)->body, NULL) == ERR_OK) {
        static const struct http_header TRAILER = HTTP_HEADER("X-Trailer", "t");
        http_exchange_end(ex, &TRAILER, 1);
    } else {
        http_exchange_abort(ex);
    }
}

static void later(void *ctx, struct http_exchange *ex)
{
    http_exchange_continue(ex, echo, ctx);
}

static void say(void *ctx, struct grpc_call *call)
{
    (void)ctx;
    grpc_call_reply(call, grpc_call_message(call));
}

static const struct http_route ROUTES[] = {
    { .pattern = "/e", .methods = HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_POST), .serve = echo },
    { .pattern = "/n/:name",
      .methods = HTTP_BIT(HTTP_GET),
      .flags = HTTP_ROUTE_CORS,
      .serve = echo },
    { .pattern = "/r",
      .methods = HTTP_BIT(HTTP_POST),
      .flags = HTTP_ROUTE_RAW_BODY,
      .serve = echo },
    { .pattern = "/s", .methods = HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_POST), .serve = stream },
    { .pattern = "/c", .methods = HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_POST), .serve = later },
    { .pattern = "/*rest",
      .methods = HTTP_BIT(HTTP_PUT),
      .flags = HTTP_ROUTE_STATE_CHANGING,
      .serve = echo },
};
static const struct grpc_method METHODS[] = {
    { .path = "/t.E/Say", .fn = say, .message_bytes_max = 4096 }
};

struct world {
    struct mem_budget *mem;
    struct router *router;
    struct http_server *server;
    struct listener listener;
};

static void require(bool ok)
{
    if (!ok) abort();
}

static void build(struct world *w)
{
    w->mem = mem_budget_create(64u << 20);
    struct router_options routing = { .mem = w->mem };
    require(router_create(&routing, &w->router, NULL) == ERR_OK);
    require(router_add(w->router, STR(""), ROUTES, sizeof ROUTES / sizeof ROUTES[0], NULL) ==
            ERR_OK);
    require(grpc_register(w->router, METHODS, 1, NULL) == ERR_OK);
    struct http_server_options options = {
        .mem = w->mem,
        .clock = clock_system(),
        .limits = http_limits_default(),
        .loop_count = 1,
    };
    options.limits.body_bytes_max = 64u << 10;
    options.limits.decoded_bytes_max = 256u << 10;
    options.limits.h2_resets_max = 20;
    require(http_server_create(&options, &w->server, NULL) == ERR_OK);
    w->server->loops[0].self = pthread_self();
    w->listener = (struct listener){ .server = w->server, .handler = router_handler(w->router) };
}

/* As the acceptor does. */
static void connect_pair(struct world *w, int server_fd)
{
    struct conn *c = mem_zalloc(w->mem, MEM_NETWORK, sizeof *c);
    require(c != NULL);
    c->magic = CONN_MAGIC;
    c->watch.fd = server_fd;
    c->listener = &w->listener;
    c->sl = &w->server->loops[0];
    memcpy(c->peer, "127.0.0.1:1", 12);
    require(peers_add(w->server->peers, str_of_z(c->peer), 10));
    atomic_fetch_add(&w->server->conn_count, 1);
    atomic_fetch_add(&c->sl->conn_count, 1);
    conn_start(c);
}

/* Let the server work, and read what it says. */
static void turn(struct world *w, int client_fd)
{
    static uint8_t sink[65536];
    for (unsigned i = 0; i < 4; i++)
        loop_turn(w->server->loops[0].loop, false);
    while (recv(client_fd, sink, sizeof sink, MSG_DONTWAIT) > 0)
        continue;
}

static void send_piece(struct world *w, int client_fd, const uint8_t *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(client_fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) return;
        data += n;
        len -= (size_t)n;
        turn(w, client_fd);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    if (!w.server) build(&w);
    if (size < 2) return 0;
    int fds[2];
    require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
    connect_pair(&w, fds[0]);
    if (data[0] & 1) send_piece(&w, fds[1], (const uint8_t *)PREFACE, sizeof PREFACE - 1);
    size_t step = data[1] == 0 ? size : data[1];
    for (size_t at = 2; at < size; at += step) {
        send_piece(&w, fds[1], data + at, size - at < step ? size - at : step);
    }
    if (data[0] & 2) (void)shutdown(fds[1], SHUT_WR);
    turn(&w, fds[1]);
    (void)close(fds[1]);
    /* A refused connection reads on until the peer is gone: it is. */
    for (unsigned i = 0; i < 1000 && atomic_load(&w.server->conn_count) > 0; i++) {
        loop_turn(w.server->loops[0].loop, false);
    }
    require(atomic_load(&w.server->conn_count) == 0);
    require(atomic_load(&w.server->exchange_count) == 0);
    require(peers_count(w.server->peers, STR("127.0.0.1:1")) == 0);
    return 0;
}
