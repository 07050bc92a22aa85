/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client - curl's multi handle on a struct loop: transfers, sockets, the timer.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>

#include "base/assert.h"
#include "net/http_client_priv.h"
#include "os/socket.h"

enum { CONNECTIONS_DEFAULT = 64, TRANSFERS_DEFAULT = 1000 };

static void start_waiting(struct http_client *c);

/* ---- transfers ------------------------------------------------------------------------------- */

/* A failing callback would end curl's multi handle for good, so what the callbacks need is set
 * aside where a failure costs one transfer. */
static bool reserve_socket(struct http_client *c)
{
    if (c->socket_count == c->sockets_needed) {
        struct client_socket *s = mem_alloc(c->options.mem, c->options.account, sizeof *s);
        if (!s) return false;
        s->next = c->free_sockets;
        c->free_sockets = s;
        c->socket_count++;
    }
    c->sockets_needed++;
    return true;
}

static void transfer_destroy(struct transfer *t)
{
    struct mem_budget *mem = t->client->options.mem;
    enum mem_account account = t->client->options.account;
    if (t->easy) curl_easy_cleanup(t->easy);
    buf_deinit(&t->raw);
    t->client->sockets_needed--;
    mem_uncharge(mem, account, TRANSFER_BYTES);
    mem_free(mem, account, t, sizeof *t);
}

static struct transfer *transfer_create(struct http_client *c)
{
    struct mem_budget *mem = c->options.mem;
    if (!mem_charge(mem, c->options.account, TRANSFER_BYTES)) return NULL;
    struct transfer *t = mem_zalloc(mem, c->options.account, sizeof *t);
    if (!t || !reserve_socket(c)) {
        mem_free(mem, c->options.account, t, sizeof *t);
        mem_uncharge(mem, c->options.account, TRANSFER_BYTES);
        return NULL;
    }
    t->client = c;
    buf_init(&t->raw, mem_source_of(mem, c->options.account), SIZE_MAX / 2);
    t->easy = curl_easy_init();
    if (t->easy) return t;
    transfer_destroy(t);
    return NULL;
}

static struct transfer *transfer_get(struct http_client *c)
{
    struct transfer *t = c->idle;
    if (!t) return transfer_create(c);
    c->idle = t->next;
    c->idle_count--;
    t->next = NULL;
    return t;
}

static void transfer_put(struct transfer *t)
{
    struct http_client *c = t->client;
    const struct mem_source *mem = t->raw.mem;
    t->call = NULL;
    if (t->raw.cap > RAW_BYTES_KEPT) {
        buf_deinit(&t->raw);
        buf_init(&t->raw, mem, SIZE_MAX / 2);
    }
    if (c->idle_count >= TRANSFERS_KEPT) {
        transfer_destroy(t);
        return;
    }
    t->next = c->idle;
    c->idle = t;
    c->idle_count++;
}

/* Take the transfer away from its call. */
static void unbind(struct transfer *t)
{
    struct http_client *c = t->client;
    (void)curl_multi_remove_handle(c->multi, t->easy);
    t->call->state = CALL_IDLE;
    t->call->transfer = NULL;
    c->running_count--;
    stat_gauge_add(&c->stats.running, -1);
}

static void count_result(struct http_client *c, const struct http_call_result *result)
{
    stat_add(&c->stats.calls_total, 1);
    stat_add(&c->stats.bytes_in, result->received_bytes);
    if (result->is_new_connection) stat_add(&c->stats.connects_total, 1);
    if (result->code == ERR_OK) return;
    stat_add(&c->stats.failures_total, 1);
    if (result->code == ERR_TIMEOUT) stat_add(&c->stats.timeouts_total, 1);
    if (result->code == ERR_DENIED) stat_add(&c->stats.denied_total, 1);
}

static void finish(struct transfer *t, CURLcode code)
{
    struct http_client *c = t->client;
    struct http_call *call = t->call;
    struct http_call_result result = { 0 };
    call_result(call, t, code, &result);
    unbind(t);
    transfer_put(t);
    count_result(c, &result);
    struct http_call_start start = call->start;
    start.done(start.ctx, call, &result); /* may start the call again, or destroy it */
}

/* Deliver what curl has finished, and start what waits. Not from within a curl callback. */
static void collect(struct http_client *c)
{
    int left = 0;
    const CURLMsg *msg = NULL;
    while ((msg = curl_multi_info_read(c->multi, &left)) != NULL) {
        if (msg->msg != CURLMSG_DONE) continue;
        struct transfer *t = NULL;
        CURLcode code = msg->data.result;
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &t);
        finish(t, code);
    }
    start_waiting(c);
}

/* ---- sockets and the timer ------------------------------------------------------------------- */

static void on_socket_ready(struct loop_watch *w, uint32_t ready)
{
    struct client_socket *s =
        (struct client_socket *)(void *)((char *)w - offsetof(struct client_socket, watch));
    struct http_client *c = s->client; /* s may be given back by curl's callback */
    int mask = 0;
    if (ready & (LOOP_READ | LOOP_HANGUP)) mask |= CURL_CSELECT_IN;
    if (ready & LOOP_WRITE) mask |= CURL_CSELECT_OUT;
    if (ready & LOOP_HANGUP) mask |= CURL_CSELECT_ERR;
    int running = 0;
    (void)curl_multi_socket_action(c->multi, w->fd, mask, &running);
    collect(c);
}

static void socket_put(struct client_socket *s)
{
    loop_watch_remove(s->client->options.loop, &s->watch);
    s->next = s->client->free_sockets;
    s->client->free_sockets = s;
}

static uint32_t events_of(int what)
{
    switch (what) {
    case CURL_POLL_IN: return LOOP_READ;
    case CURL_POLL_OUT: return LOOP_WRITE;
    case CURL_POLL_INOUT: return LOOP_READ | LOOP_WRITE;
    default: return 0;
    }
}

/* curl wants a socket watched, or no longer. */
static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *client, void *socket)
{
    (void)easy;
    struct http_client *c = client;
    struct client_socket *s = socket;
    if (what == CURL_POLL_REMOVE) {
        if (s) socket_put(s);
        (void)curl_multi_assign(c->multi, fd, NULL);
        return 0;
    }
    if (s) {
        loop_watch_update(c->options.loop, &s->watch, events_of(what));
        return 0;
    }
    s = c->free_sockets;
    ASSERT(s); /* reserve_socket() */
    c->free_sockets = s->next;
    *s = (struct client_socket){
        .watch = { .fd = fd, .events = events_of(what), .fn = on_socket_ready },
        .client = c,
    };
    if (loop_watch_add(c->options.loop, &s->watch, NULL) != ERR_OK) {
        socket_put(s); /* the transfer runs into its time-out */
        return 0;
    }
    (void)curl_multi_assign(c->multi, fd, s);
    return 0;
}

/* The timer stays armed all the time, if only for the end of time: so it keeps its slot in the
 * loop. */
static int on_curl_timer(CURLM *multi, long timeout_ms, void *client)
{
    (void)multi;
    struct http_client *c = client;
    uint64_t due_ns = UINT64_MAX;
    if (timeout_ms >= 0) {
        due_ns = clock_mono_ns(c->options.clock) + (uint64_t)timeout_ms * 1000000;
    }
    return loop_timer_set(c->options.loop, &c->timer, due_ns, NULL) == ERR_OK ? 0 : -1;
}

static void on_timer(struct loop_timer *timer)
{
    struct http_client *c =
        (struct http_client *)(void *)((char *)timer - offsetof(struct http_client, timer));
    int running = 0;
    (void)on_curl_timer(c->multi, -1, c); /* cannot fail: its slot has just become free */
    (void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(c);
}

static struct http_client_address address_of_ipv4(const struct sockaddr_in *from)
{
    struct http_client_address to = { .port = ntohs(from->sin_port) };
    memcpy(to.octets, &from->sin_addr, 4);
    return to;
}

/* IPv4 inside IPv6 is IPv4: a deny list must not be passed by another spelling. */
static struct http_client_address address_of_ipv6(const struct sockaddr_in6 *from)
{
    static const uint8_t MAPPED[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
    struct http_client_address to = { .port = ntohs(from->sin6_port) };
    const uint8_t *octets = from->sin6_addr.s6_addr;
    to.is_ipv6 = memcmp(octets, MAPPED, sizeof MAPPED) != 0;
    memcpy(to.octets, to.is_ipv6 ? octets : octets + sizeof MAPPED, to.is_ipv6 ? 16 : 4);
    return to;
}

static struct http_client_address address_of(const struct curl_sockaddr *from)
{
    struct sockaddr_in in = { 0 };
    struct sockaddr_in6 in6 = { 0 };
    if (from->family == AF_INET) {
        memcpy(&in, &from->addr, sizeof in);
        return address_of_ipv4(&in);
    }
    memcpy(&in6, &from->addr, sizeof in6);
    return address_of_ipv6(&in6);
}

/* "ip:port" for messages. */
static void show_address(const struct curl_sockaddr *from, char out[SOCKET_ADDR_SIZE])
{
    struct http_client_address a = address_of(from);
    char ip[INET6_ADDRSTRLEN] = "?";
    (void)inet_ntop(a.is_ipv6 ? AF_INET6 : AF_INET, a.octets, ip, sizeof ip);
    (void)snprintf(out, SOCKET_ADDR_SIZE, a.is_ipv6 ? "[%s]:%u" : "%s:%u", ip, (unsigned)a.port);
}

int client_before_request(void *transfer, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    (void)local_ip;
    (void)local_port;
    struct transfer *t = transfer;
    const struct http_client_options *o = &t->client->options;
    if (!o->allow_address) return CURL_PREREQFUNC_OK;
    struct sockaddr_in in = { .sin_port = htons((uint16_t)remote_port) };
    struct sockaddr_in6 in6 = { .sin6_port = htons((uint16_t)remote_port) };
    bool is_ipv6 = strchr(remote_ip, ':') != NULL;
    void *to = is_ipv6 ? (void *)&in6.sin6_addr : (void *)&in.sin_addr;
    bool ok = inet_pton(is_ipv6 ? AF_INET6 : AF_INET, remote_ip, to) == 1;
    struct http_client_address shown = is_ipv6 ? address_of_ipv6(&in6) : address_of_ipv4(&in);
    t->is_denied = !ok || !o->allow_address(o->ctx, &shown);
    return t->is_denied ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

curl_socket_t client_open_socket(void *transfer, curlsocktype purpose,
                                 struct curl_sockaddr *address)
{
    struct transfer *t = transfer;
    struct http_client *c = t->client;
    if (purpose != CURLSOCKTYPE_IPCXN) return CURL_SOCKET_BAD;
    bool is_ip = address->family == AF_INET || address->family == AF_INET6;
    bool is_guarded = t->call->is_guarded && c->options.allow_address;
    if (is_guarded) {
        struct http_client_address to =
            is_ip ? address_of(address) : (struct http_client_address){ 0 };
        t->is_denied = !is_ip || !c->options.allow_address(c->options.ctx, &to);
        if (t->is_denied) return CURL_SOCKET_BAD;
    }
    show_address(address, t->dialed);
    if (!mem_charge(c->options.mem, c->options.account, CONNECTION_BYTES)) {
        t->is_out_of_memory = true;
        return CURL_SOCKET_BAD;
    }
    bool is_reserved = reserve_socket(c);
    int fd = -1;
    if (is_reserved) fd = socket_open_raw(address->family, address->socktype, address->protocol);
    if (fd >= 0) return fd;
    if (is_reserved) c->sockets_needed--;
    t->is_out_of_memory = !is_reserved;
    mem_uncharge(c->options.mem, c->options.account, CONNECTION_BYTES);
    return CURL_SOCKET_BAD;
}

int client_close_socket(void *client, curl_socket_t fd)
{
    struct http_client *c = client;
    c->sockets_needed--;
    mem_uncharge(c->options.mem, c->options.account, CONNECTION_BYTES);
    socket_close(fd);
    return 0;
}

/* ---- starting ------------------------------------------------------------------------------- */

static enum err_code run(struct http_client *c, struct http_call *call, struct err *err)
{
    struct transfer *t = transfer_get(c);
    if (!t) return err_set(err, ERR_NOMEM, "no memory for a request");
    t->call = call;
    t->is_gzip = t->is_over_limit = t->is_denied = t->is_out_of_memory = false;
    t->received_bytes = 0;
    t->error_text[0] = t->dialed[0] = '\0';
    buf_reset(&t->raw);
    if (!call_configure(call, t) || curl_multi_add_handle(c->multi, t->easy) != CURLM_OK) {
        transfer_put(t);
        return err_set(err, ERR_NOMEM, "no memory for a request");
    }
    call->transfer = t;
    call->state = CALL_RUNNING;
    c->running_count++;
    stat_gauge_add(&c->stats.running, 1);
    stat_add(&c->stats.bytes_out, call->start.body.len);
    return ERR_OK;
}

enum err_code client_start(struct http_client *c, struct http_call *call, struct err *err)
{
    if (c->running_count < c->options.transfers_max) return run(c, call, err);
    call->state = CALL_WAITING;
    call->next = NULL;
    if (c->waiting_last) {
        c->waiting_last->next = call;
    } else {
        c->waiting_first = call;
    }
    c->waiting_last = call;
    stat_gauge_add(&c->stats.waiting, 1);
    return ERR_OK;
}

static void unlink_waiting(struct http_client *c, struct http_call *call)
{
    struct http_call *before = NULL;
    struct http_call **link = &c->waiting_first;
    while (*link != call) {
        before = *link;
        link = &before->next;
    }
    *link = call->next;
    if (c->waiting_last == call) c->waiting_last = before;
    call->next = NULL;
    call->state = CALL_IDLE;
    stat_gauge_add(&c->stats.waiting, -1);
}

static void start_waiting(struct http_client *c)
{
    while (c->waiting_first && c->running_count < c->options.transfers_max) {
        struct http_call *call = c->waiting_first;
        unlink_waiting(c, call);
        struct http_call_result result = { 0 };
        result.code = run(c, call, &result.err);
        if (result.code == ERR_OK) continue;
        count_result(c, &result);
        struct http_call_start start = call->start;
        start.done(start.ctx, call, &result);
    }
}

void client_cancel(struct http_client *c, struct http_call *call)
{
    if (call->state == CALL_WAITING) {
        unlink_waiting(c, call);
    } else if (call->state == CALL_RUNNING) {
        struct transfer *t = call->transfer;
        unbind(t);
        transfer_put(t);
    }
}

/* ---- life ---------------------------------------------------------------------------------- */

static enum err_code init_client(struct http_client *c, struct err *err)
{
    struct http_client_options *o = &c->options;
    if (o->connections_max == 0) o->connections_max = CONNECTIONS_DEFAULT;
    if (o->transfers_max == 0) o->transfers_max = TRANSFERS_DEFAULT;
    c->is_global = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    c->multi = c->is_global ? curl_multi_init() : NULL;
    if (!c->multi) return err_set(err, ERR_NOMEM, "no memory for the HTTP client");
    c->timer.fn = on_timer;
    bool ok =
        curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket) == CURLM_OK &&
        curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c) == CURLM_OK &&
        curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer) == CURLM_OK &&
        curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c) == CURLM_OK &&
        curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)o->connections_max) == CURLM_OK;
    if (!ok) return err_set(err, ERR_NOMEM, "no memory for the HTTP client");
    TRY(loop_timer_set(o->loop, &c->timer, UINT64_MAX, err));
    return gzip_decoder_create(o->mem, o->account, &c->decoder, err);
}

enum err_code http_client_create(const struct http_client_options *options,
                                 struct http_client **out, struct err *err)
{
    ASSERT(options->loop);
    ASSERT(options->clock);
    size_t agent_len = options->user_agent.len;
    struct http_client *c = mem_zalloc(options->mem, options->account, sizeof *c);
    char *agent = mem_alloc(options->mem, options->account, agent_len + 1);
    if (!c || !agent) {
        mem_free(options->mem, options->account, agent, agent_len + 1);
        mem_free(options->mem, options->account, c, sizeof *c);
        return err_set(err, ERR_NOMEM, "no memory for the HTTP client");
    }
    c->options = *options;
    c->options.user_agent.ptr = str_z(options->user_agent, agent, agent_len + 1);
    enum err_code rc = init_client(c, err);
    if (rc != ERR_OK) {
        http_client_destroy(c);
        return rc;
    }
    *out = c;
    return ERR_OK;
}

void http_client_destroy(struct http_client *c)
{
    if (!c) return;
    ASSERT(c->running_count == 0);
    ASSERT(!c->waiting_first);
    struct mem_budget *mem = c->options.mem;
    enum mem_account account = c->options.account;
    while (c->idle) {
        struct transfer *t = c->idle;
        c->idle = t->next;
        transfer_destroy(t);
    }
    /* Closes the connections, and with them gives back their sockets. */
    if (c->multi) (void)curl_multi_cleanup(c->multi);
    loop_timer_cancel(c->options.loop, &c->timer);
    while (c->free_sockets) {
        struct client_socket *s = c->free_sockets;
        c->free_sockets = s->next;
        mem_free(mem, account, s, sizeof *s);
    }
    gzip_decoder_destroy(c->decoder);
    if (c->is_global) curl_global_cleanup();
    mem_free(mem, account, (void *)(uintptr_t)c->options.user_agent.ptr,
             c->options.user_agent.len + 1);
    mem_free(mem, account, c, sizeof *c);
}

/* ---- statistics ------------------------------------------------------------------------------ */

static const struct stat_desc DESCS[] = {
    STAT_COUNTER(struct http_client_stats, calls_total, "pharos_http_client_requests_total",
                 "Outbound requests finished."),
    STAT_COUNTER(struct http_client_stats, failures_total, "pharos_http_client_failures_total",
                 "Outbound requests without an answer."),
    STAT_COUNTER(struct http_client_stats, timeouts_total, "pharos_http_client_timeouts_total",
                 "Outbound requests that ran into their time-out."),
    STAT_COUNTER(struct http_client_stats, denied_total, "pharos_http_client_denied_total",
                 "Outbound requests refused by the address rules or by TLS verification."),
    STAT_COUNTER(struct http_client_stats, connects_total, "pharos_http_client_connects_total",
                 "Requests that needed a new connection."),
    STAT_COUNTER(struct http_client_stats, bytes_in, "pharos_http_client_received_bytes_total",
                 "Body bytes received, as sent."),
    STAT_COUNTER(struct http_client_stats, bytes_out, "pharos_http_client_sent_bytes_total",
                 "Body bytes sent."),
    STAT_GAUGE(struct http_client_stats, running, "pharos_http_client_running",
               "Outbound requests under way."),
    STAT_GAUGE(struct http_client_stats, waiting, "pharos_http_client_waiting",
               "Outbound requests that wait for a free transfer."),
};

struct http_client_stats *http_client_stats(struct http_client *c)
{
    return &c->stats;
}

struct stat_table http_client_stat_table(struct http_client *c)
{
    return (struct stat_table){ DESCS, sizeof DESCS / sizeof DESCS[0], &c->stats };
}
