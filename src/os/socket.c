/* SPDX-License-Identifier: Apache-2.0 */
#include "os/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/socket_holder.h"

#define LISTEN_BACKLOG 1024
#define PARTS_MAX 8

/* "host:port" in two; host "" = all addresses. */
static enum err_code split_addr(struct str addr, struct str *out_host, uint16_t *out_port,
                                struct err *err)
{
    size_t colon = addr.len;
    while (colon > 0 && addr.ptr[colon - 1] != ':') {
        colon--;
    }
    uint64_t port = 0;
    struct str host = str_sub(addr, 0, colon ? colon - 1 : 0);
    bool is_valid = colon > 0 && str_to_u64(str_sub(addr, colon, addr.len), &port) && port <= 65535;
    if (is_valid && host.len > 0 && host.ptr[0] == '[') {
        is_valid = host.len > 2 && host.ptr[host.len - 1] == ']';
        host = str_sub(host, 1, host.len - 1);
    } else if (is_valid) {
        is_valid = str_index(host, ':') == host.len; /* an IPv6 address needs its brackets */
    }
    if (!is_valid) {
        char quoted[128];
        return err_setf(err, ERR_INVALID, "invalid address",
                        "%s: want host:port, :port or [ipv6]:port",
                        str_quote(addr, quoted, sizeof quoted));
    }
    *out_host = host;
    *out_port = (uint16_t)port;
    return ERR_OK;
}

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value); /* best effort */
}

/* A listening socket on one address; -1 and errno. */
static int listen_on(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (ai->ai_family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0) return fd;
    int os_errno = errno;
    (void)close(fd);
    errno = os_errno;
    return -1;
}

static enum err_code fail_listen(int os_errno, struct str addr, uint16_t port, struct err *err)
{
    enum err_code code = err_set_os(err, os_errno, "cannot listen");
    if (!err) return code;
    char holder[128];
    bool is_known = os_errno == EADDRINUSE && socket_holder(port, holder, sizeof holder);
    (void)snprintf(err->detail, sizeof err->detail, STR_FMT "%s%s", STR_ARG(addr),
                   is_known ? " is in use by " : "", is_known ? holder : "");
    return code;
}

enum err_code socket_listen(struct str addr, int *out_fd, struct err *err)
{
    struct str host = { 0 };
    uint16_t port = 0;
    TRY(split_addr(addr, &host, &port, err));
    char host_z[256];
    char port_z[8];
    (void)snprintf(port_z, sizeof port_z, "%u", (unsigned)port);
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    const char *node = host.len ? str_z(host, host_z, sizeof host_z) : NULL;
    int rc = getaddrinfo(node, port_z, &hints, &found);
    if (rc != 0) {
        return err_setf(err, ERR_INVALID, "invalid address", STR_FMT ": %s", STR_ARG(addr),
                        gai_strerror(rc));
    }
    /* All addresses: prefer ::, which takes IPv4 connections as well. */
    int fd = -1;
    int os_errno = 0;
    for (int family_pass = 0; family_pass < 2 && fd < 0 && os_errno != EADDRINUSE; family_pass++) {
        for (const struct addrinfo *ai = found; ai && fd < 0; ai = ai->ai_next) {
            bool is_first_choice = node != NULL || ai->ai_family == AF_INET6;
            if (is_first_choice != (family_pass == 0)) continue;
            fd = listen_on(ai);
            if (fd < 0) os_errno = errno;
        }
    }
    freeaddrinfo(found);
    if (fd < 0) return fail_listen(os_errno, addr, port, err);
    *out_fd = fd;
    return ERR_OK;
}

/* "ip:port" or "[ip]:port"; IPv4 in IPv6 is shown as IPv4. */
static void format_addr(const struct sockaddr_storage *addr, socklen_t len,
                        char out[SOCKET_ADDR_SIZE])
{
    char host[SOCKET_ADDR_SIZE - 10];
    char port[8];
    const char *mapped = "::ffff:";
    if (getnameinfo((const struct sockaddr *)addr, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        (void)snprintf(out, SOCKET_ADDR_SIZE, "unknown");
        return;
    }
    const char *shown = host;
    bool is_v6 = addr->ss_family == AF_INET6;
    if (is_v6 && strncmp(host, mapped, strlen(mapped)) == 0 && strchr(host, '.')) {
        shown += strlen(mapped);
        is_v6 = false;
    }
    (void)snprintf(out, SOCKET_ADDR_SIZE, is_v6 ? "[%s]:%s" : "%s:%s", shown, port);
}

enum err_code socket_local_addr(int fd, char out[SOCKET_ADDR_SIZE], struct err *err)
{
    struct sockaddr_storage addr;
    socklen_t len = sizeof addr;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) != 0) {
        return err_set_os(err, errno, "cannot read the local address");
    }
    format_addr(&addr, len, out);
    return ERR_OK;
}

/* Errors of accept() that concern one connection, not the listener: accept(2). */
static bool is_connection_error(int os_errno)
{
    return os_errno == EINTR || os_errno == ECONNABORTED || os_errno == EPROTO ||
           os_errno == ENETDOWN || os_errno == EHOSTDOWN || os_errno == EHOSTUNREACH ||
           os_errno == ENETUNREACH || os_errno == ENOPROTOOPT || os_errno == EPERM;
}

enum err_code socket_accept(int listen_fd, int *out_fd, char peer[SOCKET_ADDR_SIZE],
                            struct err *err)
{
    struct sockaddr_storage addr;
    socklen_t len;
    int fd;
    int attempts = 0;
    do {
        len = sizeof addr;
        fd = accept4(listen_fd, (struct sockaddr *)&addr, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && is_connection_error(errno) && ++attempts < 16);
    if (fd < 0 && (errno == EAGAIN || is_connection_error(errno))) {
        *out_fd = -1;
        return ERR_OK;
    }
    if (fd < 0) return err_set_os(err, errno, "cannot accept a connection");
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    format_addr(&addr, len, peer);
    *out_fd = fd;
    return ERR_OK;
}

/* Turn the result of a read or write call into the out-parameters. */
static enum err_code transfer_result(ssize_t n, const char *msg, size_t *out_n, bool *out_again,
                                     struct err *err)
{
    if (n < 0 && errno != EAGAIN) return err_set_os(err, errno, msg);
    *out_n = n > 0 ? (size_t)n : 0;
    *out_again = n < 0;
    return ERR_OK;
}

enum err_code socket_read(int fd, void *dst, size_t len, size_t *out_n, bool *out_again,
                          struct err *err)
{
    ASSERT(len > 0); /* 0 bytes could not be told from a closed peer */
    ssize_t n;
    do {
        n = recv(fd, dst, len, 0);
    } while (n < 0 && errno == EINTR);
    return transfer_result(n, "cannot read from the connection", out_n, out_again, err);
}

enum err_code socket_write(int fd, const void *src, size_t len, size_t *out_n, bool *out_again,
                           struct err *err)
{
    ssize_t n;
    do {
        n = send(fd, src, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return transfer_result(n, "cannot write to the connection", out_n, out_again, err);
}

enum err_code socket_writev(int fd, const struct bytes *parts, unsigned count, size_t *out_n,
                            bool *out_again, struct err *err)
{
    ASSERT(count <= PARTS_MAX);
    struct iovec iov[PARTS_MAX];
    for (unsigned i = 0; i < count; i++) {
        iov[i] = (struct iovec){ (void *)(uintptr_t)parts[i].ptr, parts[i].len };
    }
    struct msghdr message = { .msg_iov = iov, .msg_iovlen = count };
    ssize_t n;
    do {
        n = sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return transfer_result(n, "cannot write to the connection", out_n, out_again, err);
}

int socket_open_raw(int family, int type, int protocol)
{
    return socket(family, type | SOCK_CLOEXEC, protocol);
}

void socket_shutdown_write(int fd)
{
    (void)shutdown(fd, SHUT_WR); /* the peer may be gone already */
}

void socket_reset_on_close(int fd)
{
    const struct linger none = { .l_onoff = 1, .l_linger = 0 };
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none); /* best effort */
}

void socket_close(int fd)
{
    (void)close(fd);
}
