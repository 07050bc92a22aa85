/* SPDX-License-Identifier: Apache-2.0
 *
 * socket_holder - which process listens on a TCP port, for the error message of a start on a taken
 * port. Reads /proc/net/tcp and tcp6 for the socket's inode and /proc/<pid>/fd for its owner, so
 * other users' processes may stay unknown.
 */
#ifndef PHAROS_OS_SOCKET_HOLDER_H
#define PHAROS_OS_SOCKET_HOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "name (pid 123)" into out[size]; false when it cannot be told. */
bool socket_holder(uint16_t port, char *out, size_t size);

#endif
