/* SPDX-License-Identifier: Apache-2.0
 *
 * server_fixture - a real server on loopback and plain blocking clients, for tests of the network
 * layer. A client's read gives up after CLIENT_TIMEOUT_S, so a hanging server fails the test instead of hanging it.
 */
#ifndef PHAROS_TESTS_SERVER_FIXTURE_H
#define PHAROS_TESTS_SERVER_FIXTURE_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "net/http_server.h"
#include "net/tls.h"
#include "os/mem.h"

/* As ck_assert(), but also in programs that are no Check tests: prints and aborts. */
#define REQUIRE(e) require((e), #e, __FILE__, __LINE__)
void require(bool ok, const char *text, const char *file, int line);

enum { CLIENT_TIMEOUT_S = 20, ANSWER_BYTES_MAX = 4 << 20 };

struct fixture {
    struct mem_budget *mem;
    struct http_server *server;
    struct tls_context *tls;
    char addr[SOCKET_ADDR_SIZE];
    uint16_t port;
};

struct fixture_options {
    struct http_limits limits; /* start from http_limits_default() */
    struct http_handler handler;
    struct tls_options *tls; /* NULL: plain */
    bool is_tls_required;
    unsigned loop_count; /* 0: 2 */
};

struct fixture fixture_start(const struct fixture_options *options);
/* Stops, destroys, and checks that no memory is left. */
void fixture_stop(struct fixture *f);
uint64_t fixture_rejected(const struct fixture *f, enum http_reject reason);
/* Wait (bounded) until the counter has that value. */
void fixture_await_rejected(const struct fixture *f, enum http_reject reason, uint64_t count);
void fixture_await_gauge(const struct stat_gauge *g, int64_t value);
void fixture_await_counter(const struct stat_counter *c, uint64_t value);

/* ---- client ------------------------------------------------------------------------------- */

int client_connect(const struct fixture *f);
void client_send(int fd, struct str text);
/* Read exactly `len` bytes; false at the end of the stream before that. */
bool client_read(int fd, void *dst, size_t len);
/* Everything until the server closes; NUL-terminated, caller frees. */
char *client_read_all(int fd);
void client_half_close(int fd);
void client_close(int fd);
/* Close with RST. */
void client_reset(int fd);

struct answer {
    unsigned status;
    char head[8192];
    char *body; /* NUL-terminated; free with answer_free */
    size_t body_len;
    bool is_chunked;
    bool is_complete; /* the framing said so */
};

/* Read one answer: Content-Length, chunked, or until close; is_head: no body follows. */
struct answer client_read_answer(int fd, bool is_head);
void answer_free(struct answer *a);
/* Value of a header of the answer (case-insensitive name), or a NULL ptr. */
struct str answer_header(const struct answer *a, const char *name);
/* Send one request on its own connection and read until close. */
struct answer client_exchange(const struct fixture *f, struct str request);

#endif
