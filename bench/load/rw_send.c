/* SPDX-License-Identifier: Apache-2.0 */
#include "rw_send.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

#define ANSWER_SIZE 16384
#define RETRY_MS 100

struct conn {
    int fd;    /* -1: not connected */
    size_t at; /* index in the file of the request in hand; file count: done */
    char head[256];
    size_t head_len, sent;
    char answer[ANSWER_SIZE];
    size_t answer_len;
    int64_t not_before_ms; /* of the next attempt */
    bool is_waiting;       /* for the drift or for not_before_ms: nothing sent yet */
};

struct sender {
    const struct send_options *o;
    const struct request_file *file;
    struct conn conns[SEND_CONNECTIONS_MAX];
    uint64_t samples, requests, refused, bytes;
    uint64_t shed, broken; /* sent again after 429 or 5xx; after a connection that ended */
    char first_refusal[200];
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void connect_to(struct sender *s, struct conn *c)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->o->port) };
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) die("socket: %s", strerror(errno));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0) {
        (void)close(c->fd);
        c->fd = -1;
    }
}

/* The first request at or after index `from` that travels on connection c. */
static size_t find_request(const struct sender *s, size_t c, size_t from)
{
    for (size_t i = from; i < s->file->count; i++) {
        const struct request_header *h = &s->file->requests[i].header;
        if (h->round >= s->o->round_to) break;
        if (h->round >= s->o->round_from && h->slot % (uint64_t)s->o->connections == c) return i;
    }
    return s->file->count;
}

static void take_request(struct sender *s, struct conn *c, size_t at)
{
    c->at = at;
    c->sent = 0;
    c->answer_len = 0;
    c->is_waiting = true;
    if (at == s->file->count) return;
    int n = snprintf(c->head, sizeof c->head,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: load\r\n"
                     "Content-Type: application/x-protobuf\r\nContent-Encoding: snappy\r\n"
                     "X-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: %u\r\n\r\n",
                     s->o->path, s->file->requests[at].header.bytes);
    c->head_len = (size_t)n;
}

static void retry(struct sender *s, struct conn *c, bool is_broken)
{
    s->shed += !is_broken;
    s->broken += is_broken;
    if (is_broken) {
        (void)close(c->fd);
        c->fd = -1;
    }
    take_request(s, c, c->at);
    c->not_before_ms = now_ms() + RETRY_MS;
}

static uint32_t round_of(const struct sender *s, const struct conn *c)
{
    return c->at == s->file->count ? UINT32_MAX : s->file->requests[c->at].header.round;
}

static bool may_start(const struct sender *s, const struct conn *c)
{
    uint32_t slowest = UINT32_MAX;
    if (now_ms() < c->not_before_ms) return false;
    for (int64_t i = 0; i < s->o->connections; i++) {
        uint32_t round = round_of(s, &s->conns[i]);
        slowest = round < slowest ? round : slowest;
    }
    return round_of(s, c) <= slowest + s->o->drift;
}

static void send_more(struct sender *s, struct conn *c)
{
    const struct request *r = &s->file->requests[c->at];
    size_t head_left = c->sent < c->head_len ? c->head_len - c->sent : 0;
    size_t body_sent = c->sent > c->head_len ? c->sent - c->head_len : 0;
    struct iovec parts[2] = { { c->head + c->head_len - head_left, head_left },
                              { (void *)(uintptr_t)(r->payload + body_sent),
                                r->header.bytes - body_sent } };
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
    ssize_t n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        retry(s, c, true);
        return;
    }
    if (n > 0) c->sent += (size_t)n;
}

/* Length of the whole answer when its head is complete, else 0. */
static size_t answer_size(const struct conn *c)
{
    const char *end = strstr(c->answer, "\r\n\r\n");
    if (!end) return 0;
    size_t size = (size_t)(end - c->answer) + 4;
    for (const char *line = strstr(c->answer, "\r\n"); line && line < end;
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, "content-length:", 15) == 0) {
            size += strtoul(line + 17, NULL, 10);
        }
    }
    return size;
}

static void finish_answer(struct sender *s, struct conn *c)
{
    const struct request *r = &s->file->requests[c->at];
    long status = strtol(c->answer + 9, NULL, 10);
    if (status == 429 || status >= 500) {
        retry(s, c, false);
        return;
    }
    s->requests++;
    s->bytes += r->header.bytes;
    if (status >= 200 && status < 300) {
        s->samples += r->header.samples;
    } else {
        const char *body = strstr(c->answer, "\r\n\r\n");
        if (s->refused++ == 0) {
            (void)snprintf(s->first_refusal, sizeof s->first_refusal, "%ld %.180s", status,
                           body + 4);
        }
    }
    take_request(s, c, find_request(s, (size_t)(c - s->conns), c->at + 1));
}

static void receive_more(struct sender *s, struct conn *c)
{
    ssize_t n =
        recv(c->fd, c->answer + c->answer_len, ANSWER_SIZE - 1 - c->answer_len, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
        retry(s, c, true);
        return;
    }
    c->answer_len += (size_t)n;
    c->answer[c->answer_len] = 0;
    size_t size = answer_size(c);
    if (size && c->answer_len >= size) finish_answer(s, c);
}

/* Starts what may start; returns how many connections still have work. */
static size_t start_requests(struct sender *s)
{
    size_t busy = 0;
    for (int64_t i = 0; i < s->o->connections; i++) {
        struct conn *c = &s->conns[i];
        if (c->at == s->file->count) continue;
        busy++;
        if (!c->is_waiting || !may_start(s, c)) continue;
        if (c->fd < 0) connect_to(s, c);
        if (c->fd < 0) {
            s->broken++;
            c->not_before_ms = now_ms() + RETRY_MS;
            continue;
        }
        c->is_waiting = false;
        send_more(s, c);
    }
    return busy;
}

static void turn(struct sender *s)
{
    struct pollfd fds[SEND_CONNECTIONS_MAX];
    struct conn *owners[SEND_CONNECTIONS_MAX];
    nfds_t n = 0;
    for (int64_t i = 0; i < s->o->connections; i++) {
        struct conn *c = &s->conns[i];
        if (c->at == s->file->count || c->is_waiting) continue;
        bool is_sending = c->sent < c->head_len + s->file->requests[c->at].header.bytes;
        fds[n] = (struct pollfd){ c->fd, (short)(POLLIN | (is_sending ? POLLOUT : 0)), 0 };
        owners[n++] = c;
    }
    (void)poll(fds, n, n ? 1000 : 5);
    for (nfds_t i = 0; i < n; i++) {
        struct conn *c = owners[i];
        if (fds[i].revents & POLLOUT) send_more(s, c);
        if (!c->is_waiting && (fds[i].revents & (POLLIN | POLLHUP | POLLERR))) receive_more(s, c);
    }
}

static void print_text(const char *text)
{
    for (; *text; text++) {
        unsigned char ch = (unsigned char)*text;
        if (ch == '"' || ch == '\\') (void)putchar('\\');
        (void)putchar(ch < 0x20 ? ' ' : ch);
    }
}

static void print_result(const struct sender *s, double wall_s)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    double cpu_s = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
    printf("{\"samples\": %lu, \"requests\": %lu, \"bytes\": %lu, \"wall_s\": %.3f, "
           "\"sender_cpu_s\": %.3f, "
           "\"shed\": %lu, \"broken\": %lu, \"refused\": %lu, \"first_refusal\": \"",
           s->samples, s->requests, s->bytes, wall_s, cpu_s, s->shed, s->broken, s->refused);
    print_text(s->first_refusal);
    printf("\"}\n");
}

int send_requests(const struct send_options *o, const struct request_file *file)
{
    struct sender *s = calloc(1, sizeof *s);
    if (!s) die("out of memory");
    s->o = o;
    s->file = file;
    for (int64_t i = 0; i < o->connections; i++) {
        s->conns[i].fd = -1;
        take_request(s, &s->conns[i], find_request(s, (size_t)i, 0));
    }
    int64_t start = now_ms(), deadline = start + o->deadline_s * 1000;
    bool is_late = false;
    while (start_requests(s) > 0 && !is_late) {
        turn(s);
        is_late = now_ms() > deadline;
    }
    print_result(s, (double)(now_ms() - start) / 1000);
    int code = is_late ? 3 : s->refused ? 1 : 0;
    free(s);
    return code;
}
