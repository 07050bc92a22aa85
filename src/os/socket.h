/* SPDX-License-Identifier: Apache-2.0
 *
 * socket - non-blocking TCP sockets, close-on-exec. Errors carry os_errno; a would-block is not an
 * error (*out_n == 0 with *out_again true).
 */
#ifndef PHAROS_OS_SOCKET_H
#define PHAROS_OS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define SOCKET_ADDR_SIZE 64

/* "host:port", ":port" (all addresses), "[::1]:port"; port 0 = any free one. Returns the listening
 * descriptor (SO_REUSEADDR, backlog 1024). ERR_CONFLICT when the port is taken (detail names the
 * holder where /proc can tell), ERR_INVALID for a bad address. */
CHECK_RESULT enum err_code socket_listen(struct str addr, int *out_fd, struct err *err);
/* Actual local address as "127.0.0.1:9090". */
CHECK_RESULT enum err_code socket_local_addr(int fd, char out[SOCKET_ADDR_SIZE], struct err *err);
/* Accept one connection (TCP_NODELAY set); *out_fd = -1 when there is none. `peer` gets "ip:port".
 * ERR_IO with EMFILE or ENFILE: no descriptor is free; the connection keeps waiting and the
 * listener stays readable, so stop watching it for a while. */
CHECK_RESULT enum err_code socket_accept(int listen_fd, int *out_fd, char peer[SOCKET_ADDR_SIZE],
                                         struct err *err);
/* *out_n == 0 and !*out_again means the peer closed. */
CHECK_RESULT enum err_code socket_read(int fd, void *dst, size_t len, size_t *out_n,
                                       bool *out_again, struct err *err);
CHECK_RESULT enum err_code socket_write(int fd, const void *src, size_t len, size_t *out_n,
                                        bool *out_again, struct err *err);
/* One writev of `count` <= 8 parts, in order. */
CHECK_RESULT enum err_code socket_writev(int fd, const struct bytes *parts, unsigned count,
                                         size_t *out_n, bool *out_again, struct err *err);
/* An unconnected socket for a library that connects by itself (libcurl), close-on-exec; the
 * arguments are those of socket(2). -1 on failure. */
int socket_open_raw(int family, int type, int protocol);
void socket_shutdown_write(int fd);
/* The close to come resets the connection, so that the peer's reads fail instead of ending. */
void socket_reset_on_close(int fd);
void socket_close(int fd);
/* Datagram to $NOTIFY_SOCKET (systemd); no-op when unset. `state` as "READY=1". */
void service_notify(const char *state);

#endif
