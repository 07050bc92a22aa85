/* SPDX-License-Identifier: Apache-2.0 */
#include "os/socket.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "os/process.h"

/* Port of "ip:port". */
static uint16_t port_of(const char *addr)
{
    return (uint16_t)strtoul(strrchr(addr, ':') + 1, NULL, 10);
}

static int connect_to(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    return fd;
}

static void wait_for(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };
    ck_assert_int_eq(poll(&p, 1, 10000), 1);
}

/* A listener on a free port of the loopback interface. */
static int listen_somewhere(uint16_t *out_port)
{
    int fd = -1;
    char addr[SOCKET_ADDR_SIZE];
    struct err err = { 0 };
    ck_assert_int_eq(socket_listen(STR("127.0.0.1:0"), &fd, &err), ERR_OK);
    ck_assert_int_eq(socket_local_addr(fd, addr, &err), ERR_OK);
    ck_assert_int_eq(strncmp(addr, "127.0.0.1:", 10), 0);
    *out_port = port_of(addr);
    ck_assert_uint_gt(*out_port, 0);
    return fd;
}

struct pair {
    int listener, client, server;
};

static struct pair make_pair(void)
{
    struct pair p = { -1, -1, -1 };
    uint16_t port;
    char peer[SOCKET_ADDR_SIZE];
    p.listener = listen_somewhere(&port);
    ck_assert_int_eq(socket_accept(p.listener, &p.server, peer, NULL), ERR_OK);
    ck_assert_int_eq(p.server, -1); /* nobody yet */
    p.client = connect_to(port);
    wait_for(p.listener, POLLIN);
    ck_assert_int_eq(socket_accept(p.listener, &p.server, peer, NULL), ERR_OK);
    ck_assert_int_ge(p.server, 0);
    ck_assert_int_eq(strncmp(peer, "127.0.0.1:", 10), 0);
    return p;
}

static void close_pair(struct pair *p)
{
    socket_close(p->server);
    socket_close(p->client);
    socket_close(p->listener);
}

START_TEST(bytes_go_both_ways_and_the_end_is_seen)
{
    struct pair p = make_pair();
    char in[16];
    size_t n;
    bool again;
    ck_assert_int_eq(socket_read(p.server, in, sizeof in, &n, &again, NULL), ERR_OK);
    ck_assert(again);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(send(p.client, "ping", 4, 0), 4);
    wait_for(p.server, POLLIN);
    ck_assert_int_eq(socket_read(p.server, in, sizeof in, &n, &again, NULL), ERR_OK);
    ck_assert(!again);
    ck_assert_uint_eq(n, 4);
    struct bytes parts[3] = { bytes_of_str(STR("po")), { NULL, 0 }, bytes_of_str(STR("ng")) };
    ck_assert_int_eq(socket_writev(p.server, parts, 3, &n, &again, NULL), ERR_OK);
    ck_assert_uint_eq(n, 4);
    ck_assert_int_eq(socket_write(p.server, "!", 1, &n, &again, NULL), ERR_OK);
    socket_shutdown_write(p.server);
    char out[16] = { 0 };
    ck_assert_int_eq(recv(p.client, out, 5, MSG_WAITALL), 5);
    ck_assert_str_eq(out, "pong!");
    ck_assert_int_eq(recv(p.client, out, 1, 0), 0);
    ck_assert_int_eq(shutdown(p.client, SHUT_WR), 0);
    wait_for(p.server, POLLIN);
    ck_assert_int_eq(socket_read(p.server, in, sizeof in, &n, &again, NULL), ERR_OK);
    ck_assert(!again);
    ck_assert_uint_eq(n, 0);
    close_pair(&p);
}
END_TEST

START_TEST(full_buffer_asks_to_try_again)
{
    struct pair p = make_pair();
    static char chunk[65536];
    size_t n;
    bool again = false;
    for (int i = 0; i < 10000 && !again; i++) {
        ck_assert_int_eq(socket_write(p.server, chunk, sizeof chunk, &n, &again, NULL), ERR_OK);
    }
    ck_assert(again);
    ck_assert_uint_eq(n, 0);
    close_pair(&p);
}
END_TEST

START_TEST(vanished_peer_is_an_error_not_a_signal)
{
    struct pair p = make_pair();
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    ck_assert_int_eq(setsockopt(p.client, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    socket_close(p.client);
    wait_for(p.server, POLLIN | POLLHUP);
    size_t n;
    bool again;
    char in[4];
    struct err err = { 0 };
    ck_assert_int_eq(socket_read(p.server, in, sizeof in, &n, &again, &err), ERR_IO);
    ck_assert_int_eq(err.os_errno, ECONNRESET);
    ck_assert_int_eq(socket_write(p.server, "x", 1, &n, &again, &err), ERR_IO);
    ck_assert_int_eq(err.os_errno, EPIPE);
    p.client = -1;
    close_pair(&p);
}
END_TEST

START_TEST(taken_port_names_its_holder)
{
    uint16_t port;
    int fd = listen_somewhere(&port);
    char addr[64];
    (void)snprintf(addr, sizeof addr, "127.0.0.1:%u", port);
    struct err err = { 0 };
    int second = -1;
    ck_assert_int_eq(socket_listen(str_of_z(addr), &second, &err), ERR_CONFLICT);
    ck_assert_int_eq(second, -1);
    ck_assert_int_eq(err.os_errno, EADDRINUSE);
    char holder[64];
    (void)snprintf(holder, sizeof holder, "(pid %u)", process_id());
    ck_assert_msg(strstr(err.detail, holder) != NULL, "%s", err.detail);
    ck_assert_int_eq(strncmp(err.detail, addr, strlen(addr)), 0);
    socket_close(fd);
    ck_assert_int_eq(socket_listen(str_of_z(addr), &second, &err), ERR_OK);
    socket_close(second);
}
END_TEST

static const char *const bad_addrs[] = {
    "",         "9090",        "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
    "::1:9090", "[::1]",       "[::1:9090", "[]:9090",    "a b:9090",    "127.0.0.1:-1",
    ":+1",      "1.2.3.4.5:1",
};

START_TEST(bad_address_is_refused_with_the_address)
{
    int fd = -1;
    struct err err = { 0 };
    ck_assert_int_eq(socket_listen(str_of_z(bad_addrs[_i]), &fd, &err), ERR_INVALID);
    ck_assert_int_eq(fd, -1);
    ck_assert_ptr_nonnull(strstr(err.detail, bad_addrs[_i]));
}
END_TEST

START_TEST(ipv4_in_ipv6_is_shown_as_ipv4)
{
    int fd = -1;
    int server = -1;
    char addr[SOCKET_ADDR_SIZE];
    /* What a listener on all addresses sees, without being one. */
    if (socket_listen(STR("[::ffff:127.0.0.1]:0"), &fd, NULL) != ERR_OK) return; /* no IPv6 */
    ck_assert_int_eq(socket_local_addr(fd, addr, NULL), ERR_OK);
    ck_assert_msg(strncmp(addr, "127.0.0.1:", 10) == 0, "%s", addr);
    int client = connect_to(port_of(addr));
    wait_for(fd, POLLIN);
    ck_assert_int_eq(socket_accept(fd, &server, addr, NULL), ERR_OK);
    ck_assert_msg(strncmp(addr, "127.0.0.1:", 10) == 0, "%s", addr);
    socket_close(server);
    socket_close(client);
    socket_close(fd);
}
END_TEST

START_TEST(ipv6_addresses_keep_their_brackets)
{
    int fd = -1;
    struct err err = { 0 };
    if (socket_listen(STR("[::1]:0"), &fd, &err) != ERR_OK) {
        return; /* a machine without IPv6 */
    }
    char addr[SOCKET_ADDR_SIZE];
    ck_assert_int_eq(socket_local_addr(fd, addr, NULL), ERR_OK);
    ck_assert_int_eq(strncmp(addr, "[::1]:", 6), 0);
    socket_close(fd);
}
END_TEST

START_TEST(service_manager_is_told)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char name[64];
    (void)snprintf(name, sizeof name, "@pharos-notify-%u", process_id());
    memcpy(addr.sun_path, name, strlen(name));
    addr.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&addr, len), 0);
    ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
    service_notify("READY=1"); /* no-op */
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    service_notify("READY=1\nSTATUS=up");
    char text[64] = { 0 };
    ck_assert_int_eq(recv(fd, text, sizeof text - 1, MSG_DONTWAIT), 17);
    ck_assert_str_eq(text, "READY=1\nSTATUS=up");
    ck_assert_int_eq(setenv("NOTIFY_SOCKET", "/nowhere/at/all", 1), 0);
    service_notify("READY=1"); /* nobody listens: silently nothing */
    socket_close(fd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("socket");
    TCase *tc = tcase_create("socket");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, bytes_go_both_ways_and_the_end_is_seen);
    tcase_add_test(tc, full_buffer_asks_to_try_again);
    tcase_add_test(tc, vanished_peer_is_an_error_not_a_signal);
    tcase_add_test(tc, taken_port_names_its_holder);
    tcase_add_loop_test(tc, bad_address_is_refused_with_the_address, 0,
                        (int)(sizeof bad_addrs / sizeof bad_addrs[0]));
    tcase_add_test(tc, ipv4_in_ipv6_is_shown_as_ipv4);
    tcase_add_test(tc, ipv6_addresses_keep_their_brackets);
    tcase_add_test(tc, service_manager_is_told);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
