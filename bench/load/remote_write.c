/* SPDX-License-Identifier: Apache-2.0
 *
 * Sends remote write 1.0 to a server on loopback.
 *
 *   remote_write encode --out FILE --series N --rounds R --start-ms T [--interval-ms 15000] [--batch 2000]
 *                       [--seed 1] [--hard] [--metric NAME] [--spread-ms 0]
 *   remote_write send --file FILE --port P [--path /api/v1/write] [--connections 4] [--drift 4]
 *                     [--from ROUND] [--to ROUND] [--deadline SECONDS]
 *
 * `send` prints one JSON object: samples acknowledged, requests, wall and own CPU seconds, requests sent again (shed: 429, 5xx;
 * broken: the connection ended), requests refused for good, and the first refusal's text. Exit 0: all was taken; 1:
 * something was refused; 3: the deadline passed.
 */
#include <stdio.h>
#include <string.h>

#include "options.h"
#include "request_file.h"
#include "rw_send.h"

static int encode(int argc, char **argv)
{
    struct encode_options o = { .interval_ms = 15000, .batch = 2000, .seed = 1 };
    const struct option_row rows[] = {
        { .name = "--out", .text = &o.path },
        { .name = "--series", .number = &o.series },
        { .name = "--rounds", .number = &o.rounds },
        { .name = "--start-ms", .number = &o.start_ms },
        { .name = "--interval-ms", .number = &o.interval_ms },
        { .name = "--batch", .number = &o.batch },
        { .name = "--seed", .number = &o.seed },
        { .name = "--hard", .flag = &o.is_hard },
        { .name = "--metric", .text = &o.metric },
        { .name = "--spread-ms", .number = &o.spread_ms },
        { 0 },
    };
    options_read(rows, argc, argv);
    if (!o.path || o.series < 1 || o.rounds < 1 || o.batch < 1 || o.start_ms < 1) {
        die("encode needs --out, --series, --rounds and --start-ms");
    }
    request_file_write(&o);
    return 0;
}

static int send_file(int argc, char **argv)
{
    struct send_options o = { .path = "/api/v1/write",
                              .connections = 4,
                              .drift = 4,
                              .round_to = INT64_MAX,
                              .deadline_s = 600 };
    const char *file = NULL;
    const struct option_row rows[] = {
        { .name = "--file", .text = &file },
        { .name = "--port", .number = &o.port },
        { .name = "--path", .text = &o.path },
        { .name = "--connections", .number = &o.connections },
        { .name = "--drift", .number = &o.drift },
        { .name = "--from", .number = &o.round_from },
        { .name = "--to", .number = &o.round_to },
        { .name = "--deadline", .number = &o.deadline_s },
        { 0 },
    };
    options_read(rows, argc, argv);
    if (!file || o.port < 1 || o.connections < 1 || o.connections > SEND_CONNECTIONS_MAX) {
        die("send needs --file, --port and 1 to %d connections", SEND_CONNECTIONS_MAX);
    }
    struct request_file requests;
    request_file_open(file, &requests);
    return send_requests(&o, &requests);
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "encode") == 0) return encode(argc - 2, argv + 2);
    if (argc >= 2 && strcmp(argv[1], "send") == 0) return send_file(argc - 2, argv + 2);
    die("usage: remote_write encode|send --option value ...");
}
