/* SPDX-License-Identifier: Apache-2.0
 *
 * rw_send - sends the requests of a file over several keep-alive connections, one request at a time on each.
 * A series always travels on the same connection, so its samples arrive in order.
 */
#ifndef PHAROS_BENCH_LOAD_RW_SEND_H
#define PHAROS_BENCH_LOAD_RW_SEND_H

#include <stdint.h>

#include "request_file.h"

#define SEND_CONNECTIONS_MAX 64

struct send_options {
    int64_t port, connections, deadline_s;
    int64_t drift;                /* a connection is at most so many rounds ahead of the slowest */
    int64_t round_from, round_to; /* half open */
    const char *path;
};

/* Prints the result; returns the process's exit code. */
int send_requests(const struct send_options *o, const struct request_file *file);

#endif
