/* SPDX-License-Identifier: Apache-2.0 */
#include "server_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "os/clock.h"

/* ---- server ------------------------------------------------------------------------------- */

void require(bool ok, const char *text, const char *file, int line)
{
    if (ok) return;
    (void)fprintf(stderr, "%s:%d: %s\n", file, line, text);
    abort();
}

struct fixture fixture_start(const struct fixture_options *options)
{
    struct fixture f = { .mem = mem_budget_create(1u << 30) };
    REQUIRE(f.mem);
    struct err err = { 0 };
    struct http_server_options server = {
        .mem = f.mem,
        .clock = clock_system(),
        .limits = options->limits,
        .loop_count = options->loop_count ? options->loop_count : 2,
    };
    REQUIRE(http_server_create(&server, &f.server, &err) == ERR_OK);
    struct tls_context *tls = NULL;
    if (options->tls) {
        enum err_code rc = tls_context_create(f.mem, options->tls, &tls, &err);
        REQUIRE(rc == ERR_OK);
    }
    struct http_listen_options listener = {
        .addr = STR("127.0.0.1:0"),
        .tls = tls,
        .is_tls_required = options->is_tls_required,
        .handler = options->handler,
    };
    REQUIRE(http_server_listen(f.server, &listener, f.addr, &err) == ERR_OK);
    f.tls = tls;
    f.port = (uint16_t)atoi(strrchr(f.addr, ':') + 1);
    REQUIRE(http_server_start(f.server, &err) == ERR_OK);
    return f;
}

void fixture_stop(struct fixture *f)
{
    http_server_destroy(f->server);
    tls_context_destroy(f->tls);
    REQUIRE(mem_live_count(f->mem) == 0);
    mem_budget_destroy(f->mem);
}

uint64_t fixture_rejected(const struct fixture *f, enum http_reject reason)
{
    return stat_get(&http_server_stats(f->server)->rejected[reason]);
}

/* One millisecond at a time: the value arrives from another thread. */
static void pause_briefly(void)
{
    (void)poll(NULL, 0, 1);
}

void fixture_await_counter(const struct stat_counter *c, uint64_t value)
{
    for (unsigned i = 0; i < CLIENT_TIMEOUT_S * 1000 && stat_get(c) != value; i++)
        pause_briefly();
    ck_assert_uint_eq(stat_get(c), value);
}

void fixture_await_rejected(const struct fixture *f, enum http_reject reason, uint64_t count)
{
    fixture_await_counter(&http_server_stats(f->server)->rejected[reason], count);
}

void fixture_await_gauge(const struct stat_gauge *g, int64_t value)
{
    for (unsigned i = 0; i < CLIENT_TIMEOUT_S * 1000 && stat_gauge_get(g) != value; i++) {
        pause_briefly();
    }
    ck_assert_int_eq(stat_gauge_get(g), value);
}

/* ---- client ------------------------------------------------------------------------------- */

int client_connect(const struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    struct timeval timeout = { .tv_sec = CLIENT_TIMEOUT_S };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons(f->port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

void client_send(int fd, struct str text)
{
    for (size_t done = 0; done < text.len;) {
        ssize_t n = send(fd, text.ptr + done, text.len - done, MSG_NOSIGNAL);
        if (n <= 0) return; /* the server has closed: its answer tells why */
        done += (size_t)n;
    }
}

bool client_read(int fd, void *dst, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = recv(fd, (char *)dst + done, len - done, 0);
        ck_assert_msg(n >= 0 || errno == ECONNRESET, "the server does not answer");
        if (n <= 0) return false;
        done += (size_t)n;
    }
    return true;
}

char *client_read_all(int fd)
{
    char *text = malloc(ANSWER_BYTES_MAX + 1);
    size_t len = 0;
    while (len < ANSWER_BYTES_MAX && client_read(fd, text + len, 1))
        len++;
    text[len] = '\0';
    return text;
}

void client_half_close(int fd)
{
    (void)shutdown(fd, SHUT_WR); /* the server may have closed already */
}

void client_close(int fd)
{
    (void)close(fd);
}

void client_reset(int fd)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
    (void)close(fd);
}

/* ---- answers ------------------------------------------------------------------------------ */

struct str answer_header(const struct answer *a, const char *name)
{
    struct str rest = str_of_z(a->head);
    struct str line;
    while (str_split(&rest, '\n', &line)) {
        size_t colon = str_index(line, ':');
        if (colon < line.len && str_eq_nocase(str_sub(line, 0, colon), str_of_z(name))) {
            return str_trim(str_sub(line, colon + 1, line.len));
        }
    }
    return (struct str){ 0 };
}

/* One line with its line end. */
static size_t read_line(int fd, char *out, size_t cap)
{
    size_t len = 0;
    while (len + 1 < cap && client_read(fd, out + len, 1)) {
        if (out[len++] == '\n') break;
    }
    out[len] = '\0';
    return len;
}

static void read_chunked(int fd, struct answer *a)
{
    for (;;) {
        char line[64];
        if (read_line(fd, line, sizeof line) == 0) return;
        size_t n = strtoul(line, NULL, 16);
        if (n == 0) break;
        ck_assert_uint_le(a->body_len + n, ANSWER_BYTES_MAX);
        if (!client_read(fd, a->body + a->body_len, n)) return;
        a->body_len += n;
        if (!client_read(fd, line, 2)) return;
        ck_assert_mem_eq(line, "\r\n", 2);
    }
    /* Trailers, kept behind the head for answer_header(). */
    size_t head_len = strlen(a->head);
    for (;;) {
        size_t n = read_line(fd, a->head + head_len, sizeof a->head - head_len);
        if (n <= 2) break;
        head_len += n;
    }
    a->is_complete = true;
}

static void read_body(int fd, struct answer *a)
{
    a->body = malloc(ANSWER_BYTES_MAX + 1);
    struct str length = answer_header(a, "Content-Length");
    if (str_eq(answer_header(a, "Transfer-Encoding"), STR("chunked"))) {
        a->is_chunked = true;
        read_chunked(fd, a);
    } else if (length.ptr) {
        uint64_t n = 0;
        ck_assert(str_to_u64(length, &n));
        ck_assert_uint_le(n, ANSWER_BYTES_MAX);
        a->is_complete = client_read(fd, a->body, n);
        a->body_len = n;
    } else {
        while (a->body_len < ANSWER_BYTES_MAX && client_read(fd, a->body + a->body_len, 1)) {
            a->body_len++;
        }
        a->is_complete = true;
    }
    a->body[a->body_len] = '\0';
}

struct answer client_read_answer(int fd, bool is_head)
{
    struct answer a = { 0 };
    size_t len = 0;
    while (len + 1 < sizeof a.head) {
        size_t n = read_line(fd, a.head + len, sizeof a.head - len);
        len += n;
        if (n <= 2) break;
    }
    if (len == 0) return a;
    ck_assert_msg(strncmp(a.head, "HTTP/1.1 ", 9) == 0, "answer: %s", a.head);
    a.status = (unsigned)strtoul(a.head + 9, NULL, 10);
    bool has_body = !is_head && a.status != 204 && a.status != 304 && a.status >= 200;
    if (has_body) {
        read_body(fd, &a);
    } else {
        a.is_complete = true;
    }
    return a;
}

void answer_free(struct answer *a)
{
    free(a->body);
    a->body = NULL;
}

struct answer client_exchange(const struct fixture *f, struct str request)
{
    int fd = client_connect(f);
    client_send(fd, request);
    struct answer a = client_read_answer(fd, str_starts_with(request, STR("HEAD ")));
    client_close(fd);
    return a;
}
