/* SPDX-License-Identifier: Apache-2.0
 *
 * h2_client - a small blocking HTTP/2 client (nghttp2) for tests: h2c with prior knowledge.
 */
#ifndef PHAROS_TESTS_H2_CLIENT_H
#define PHAROS_TESTS_H2_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "server_fixture.h"

enum { H2_STREAMS_MAX = 64, H2_HEADERS_BYTES = 4096 };

struct h2_stream {
    int32_t id;
    unsigned status;
    char headers[H2_HEADERS_BYTES];  /* "name: value\n" of the answer ... */
    char trailers[H2_HEADERS_BYTES]; /* ... and of its trailers */
    char *body;
    size_t body_len;
    bool is_closed;
    bool has_interim; /* a 1xx came first */
    bool is_in_trailers;
    uint32_t error_code;
    struct bytes upload; /* request body */
    size_t upload_offset;
    bool holds_upload; /* do not end the request body */
};

struct h2_client {
    int fd;
    void *session;
    struct h2_stream streams[H2_STREAMS_MAX];
    unsigned stream_count;
    bool is_goaway;
    uint32_t goaway_error;
};

struct h2_request {
    const char *method;
    const char *path;
    const char *headers[16]; /* name, value, name, value ... */
    struct bytes body;
    bool has_body;
    bool holds_body;
};

void h2_client_init(struct h2_client *c, const struct fixture *f);
void h2_client_deinit(struct h2_client *c);
/* Queue a request; the result is an index into c->streams. */
unsigned h2_client_submit(struct h2_client *c, const struct h2_request *request);
void h2_client_reset_stream(struct h2_client *c, unsigned index);
/* Send and receive until that stream is closed, or the connection is. */
void h2_client_await(struct h2_client *c, unsigned index);
/* ... until the server has closed the connection. */
void h2_client_await_end(struct h2_client *c);
/* One turn: send what is queued, receive something. False at the end of the connection. */
bool h2_client_step(struct h2_client *c);
/* "value" of a header or trailer block, or NULL ptr. */
struct str h2_field(const char *block, const char *name);

#endif
