/* SPDX-License-Identifier: Apache-2.0
 *
 * Plays many scrape targets on loopback: one port each, so that they differ like real ones.
 *
 *   targets [--targets 1000] [--variants 16] [--interval-ms 10000] [--port-base 21000] [--seed 1]
 *
 * Prints `ready FIRST_PORT CONTROL_PORT` once all pages are made; target t listens on FIRST_PORT + t.
 * On the control port: GET /window starts the measured window, GET /stats tells (scrape_log.h). Pages are
 * gzip, made beforehand, so a scrape costs this process about one system call; ends with its standard input.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "options.h"
#include "page_store.h"
#include "scrape_log.h"

#define REQUEST_SIZE 4096
#define HEAD_SIZE 256
#define EVENTS_MAX 256

enum peer_kind { PEER_LISTENER, PEER_CONTROL_LISTENER, PEER_CONN, PEER_CONTROL_CONN, PEER_STDIN };

struct peer {
    enum peer_kind kind;
    int fd;
    uint32_t target;
    size_t request_len;
    char request[REQUEST_SIZE];
    /* the answer that did not fit into the socket */
    uint8_t *rest;
    size_t rest_len, rest_sent;
};

struct farm {
    int epoll;
    struct page_store store;
    struct scrape_log log;
    bool is_over;
};

static int64_t now_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct peer *add_peer(struct farm *f, enum peer_kind kind, int fd, uint32_t target)
{
    struct peer *p = calloc(1, kind == PEER_LISTENER ? offsetof(struct peer, request) : sizeof *p);
    if (!p) die("out of memory");
    p->kind = kind;
    p->fd = fd;
    p->target = target;
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };
    if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &e) != 0) die("epoll_ctl: %s", strerror(errno));
    return p;
}

static void drop_peer(struct peer *p)
{
    (void)close(p->fd);
    free(p->rest);
    free(p);
}

/* A listening socket on 127.0.0.1, or -1 when the port is taken. */
static int listen_on(int port, int *out_port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
    if (fd < 0) die("socket: %s", strerror(errno));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 64) != 0) {
        (void)close(fd);
        return -1;
    }
    (void)getsockname(fd, (struct sockaddr *)&at, &size);
    *out_port = ntohs(at.sin_port);
    return fd;
}

/* `count` ports in a row that are free; returns the first. */
static int listen_in_a_row(int *fds, int count, int base)
{
    int port;
    for (; base + count < 32000; base += count / 2 + 1) {
        int i = 0;
        while (i < count && (fds[i] = listen_on(base + i, &port)) >= 0)
            i++;
        if (i == count) return base;
        while (i-- > 0)
            (void)close(fds[i]);
    }
    die("no %d free ports in a row", count);
}

static void send_parts(struct farm *f, struct peer *p, struct iovec *parts)
{
    struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2 };
    size_t all = parts[0].iov_len + parts[1].iov_len;
    ssize_t n = sendmsg(p->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    size_t sent = n > 0 ? (size_t)n : 0;
    if (sent == all || (n < 0 && errno != EAGAIN)) return;
    uint8_t *whole = malloc(all);
    if (!whole) die("out of memory");
    memcpy(whole, parts[0].iov_base, parts[0].iov_len);
    memcpy(whole + parts[0].iov_len, parts[1].iov_base, parts[1].iov_len);
    p->rest = whole;
    p->rest_len = all;
    p->rest_sent = sent;
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT, .data.ptr = p };
    (void)epoll_ctl(f->epoll, EPOLL_CTL_MOD, p->fd, &e);
}

static void send_rest(struct farm *f, struct peer *p)
{
    ssize_t n = send(p->fd, p->rest + p->rest_sent, p->rest_len - p->rest_sent,
                     MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) p->rest_sent += (size_t)n;
    if (p->rest_sent < p->rest_len && (n > 0 || errno == EAGAIN)) return;
    free(p->rest);
    p->rest = NULL;
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = p };
    (void)epoll_ctl(f->epoll, EPOLL_CTL_MOD, p->fd, &e);
}

static uint8_t *unpack(const struct page *page)
{
    uint8_t *text = malloc(page->text_len);
    z_stream z = { .next_in = page->gzip, .avail_in = page->gzip_len };
    z.next_out = text;
    z.avail_out = page->text_len;
    if (!text || inflateInit2(&z, 15 + 16) != Z_OK || inflate(&z, Z_FINISH) != Z_STREAM_END) {
        die("inflate failed");
    }
    (void)inflateEnd(&z);
    return text;
}

static void answer_scrape(struct farm *f, struct peer *p)
{
    char head[HEAD_SIZE];
    const struct page *page =
        page_store_get(&f->store, p->target, f->log.targets[p->target].scrapes);
    bool takes_gzip = strcasestr(p->request, "\r\naccept-encoding:") && strstr(p->request, "gzip");
    uint32_t len = takes_gzip ? page->gzip_len : page->text_len;
    uint8_t *body = takes_gzip ? page->gzip : unpack(page);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
                     "%sContent-Length: %u\r\n\r\n",
                     takes_gzip ? "Content-Encoding: gzip\r\n" : "", len);
    send_parts(f, p, (struct iovec[2]){ { head, (size_t)n }, { body, len } });
    scrape_log_add(&f->log, p->target, now_ms(), len);
    f->log.identity_answers += !takes_gzip;
    if (!takes_gzip) free(body);
}

static void answer_control(struct farm *f, struct peer *p)
{
    char head[HEAD_SIZE], body[1024];
    if (strncmp(p->request, "GET /window ", 12) == 0) scrape_log_start_window(&f->log, now_ms());
    int len = scrape_log_print(&f->log, now_ms(), body, sizeof body);
    int n = snprintf(
        head, sizeof head,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", len);
    send_parts(f, p, (struct iovec[2]){ { head, (size_t)n }, { body, (size_t)len } });
}

/* False: the connection is over. */
static bool read_requests(struct farm *f, struct peer *p)
{
    ssize_t n =
        recv(p->fd, p->request + p->request_len, REQUEST_SIZE - 1 - p->request_len, MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN || errno == EINTR;
    if (n == 0) return false;
    p->request_len += (size_t)n;
    p->request[p->request_len] = 0;
    const char *end = strstr(p->request, "\r\n\r\n");
    if (!end) return p->request_len < REQUEST_SIZE - 1;
    if (p->rest) return false; /* a request in the middle of an answer: nobody pipelines */
    if (p->kind == PEER_CONTROL_CONN)
        answer_control(f, p);
    else
        answer_scrape(f, p);
    p->request_len = 0;
    return true;
}

static void accept_all(struct farm *f, struct peer *listener)
{
    enum peer_kind kind = listener->kind == PEER_LISTENER ? PEER_CONN : PEER_CONTROL_CONN;
    for (;;) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;
        (void)add_peer(f, kind, fd, listener->target);
    }
}

static void handle(struct farm *f, struct peer *p, uint32_t events)
{
    char drain[64];
    switch (p->kind) {
    case PEER_LISTENER:
    case PEER_CONTROL_LISTENER: accept_all(f, p); return;
    case PEER_STDIN: f->is_over = read(p->fd, drain, sizeof drain) <= 0; return;
    case PEER_CONN:
    case PEER_CONTROL_CONN:
        if ((events & EPOLLOUT) && p->rest) send_rest(f, p);
        if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && !read_requests(f, p)) drop_peer(p);
        return;
    }
}

static void open_ports(struct farm *f, int64_t count, int64_t base)
{
    int control_port = 0, *fds = calloc((size_t)count, sizeof *fds);
    struct rlimit files = { 0 };
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (!fds) die("out of memory");
    int first = listen_in_a_row(fds, (int)count, (int)base);
    for (uint32_t i = 0; i < count; i++)
        (void)add_peer(f, PEER_LISTENER, fds[i], i);
    int control = listen_on(0, &control_port);
    if (control < 0) die("no port left");
    (void)add_peer(f, PEER_CONTROL_LISTENER, control, 0);
    (void)add_peer(f, PEER_STDIN, STDIN_FILENO, 0);
    free(fds);
    printf("ready %d %d\n", first, control_port);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    int64_t targets = 1000, variants = 16, interval_ms = 10000, base = 21000, seed = 1;
    const struct option_row rows[] = {
        { .name = "--targets", .number = &targets },
        { .name = "--variants", .number = &variants },
        { .name = "--port-base", .number = &base },
        { .name = "--seed", .number = &seed },
        { .name = "--interval-ms", .number = &interval_ms },
        { 0 },
    };
    struct epoll_event events[EVENTS_MAX];
    struct farm f = { .epoll = epoll_create1(EPOLL_CLOEXEC) };
    options_read(rows, argc - 1, argv + 1);
    if (targets < 1 || targets > 10000 || variants < 1) die("1 to 10000 targets");
    page_store_fill(&f.store, (uint32_t)targets, (uint32_t)variants, (uint64_t)seed);
    scrape_log_init(&f.log, (uint32_t)targets, interval_ms);
    open_ports(&f, targets, base);
    while (!f.is_over) {
        int n = epoll_wait(f.epoll, events, EVENTS_MAX, -1);
        for (int i = 0; i < n; i++)
            handle(&f, events[i].data.ptr, events[i].events);
    }
    return 0;
}
