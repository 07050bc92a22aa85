/* SPDX-License-Identifier: Apache-2.0 */
#include "h2_client.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static struct h2_stream *stream_of(struct h2_client *c, int32_t id)
{
    for (unsigned i = 0; i < c->stream_count; i++) {
        if (c->streams[i].id == id) return &c->streams[i];
    }
    return NULL;
}

/* Trailers, unless a :status follows. */
static int on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    struct h2_stream *s = stream_of(user_data, frame->hd.stream_id);
    if (s) s->is_in_trailers = true;
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user_data)
{
    (void)session;
    (void)flags;
    struct h2_stream *s = stream_of(user_data, frame->hd.stream_id);
    if (!s) return 0;
    if (name_len == 7 && memcmp(name, ":status", 7) == 0) {
        s->has_interim |= s->status / 100 == 1;
        s->status = (unsigned)atoi((const char *)value);
        s->is_in_trailers = false;
        s->headers[0] = '\0';
    }
    char *block = s->is_in_trailers ? s->trailers : s->headers;
    size_t len = strlen(block);
    (void)snprintf(block + len, H2_HEADERS_BYTES - len, "%.*s: %.*s\n", (int)name_len,
                   (const char *)name, (int)value_len, (const char *)value);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data,
                   size_t len, void *user_data)
{
    (void)session;
    (void)flags;
    struct h2_stream *s = stream_of(user_data, id);
    if (!s) return 0;
    s->body = realloc(s->body, s->body_len + len + 1);
    memcpy(s->body + s->body_len, data, len);
    s->body_len += len;
    s->body[s->body_len] = '\0';
    return 0;
}

static int on_close(nghttp2_session *session, int32_t id, uint32_t error_code, void *user_data)
{
    (void)session;
    struct h2_stream *s = stream_of(user_data, id);
    if (!s) return 0;
    s->is_closed = true;
    s->error_code = error_code;
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    (void)session;
    struct h2_client *c = user_data;
    if (frame->hd.type != NGHTTP2_GOAWAY) return 0;
    c->is_goaway = true;
    c->goaway_error = frame->goaway.error_code;
    return 0;
}

static ssize_t read_upload(nghttp2_session *session, int32_t id, uint8_t *dst, size_t len,
                           uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)source;
    struct h2_stream *s = stream_of(user_data, id);
    size_t left = s->upload.len - s->upload_offset;
    size_t n = left < len ? left : len;
    if (n > 0) memcpy(dst, s->upload.ptr + s->upload_offset, n);
    s->upload_offset += n;
    if (s->upload_offset < s->upload.len) return (ssize_t)n;
    if (!s->holds_upload) *data_flags |= NGHTTP2_DATA_FLAG_EOF;
    return n == 0 && s->holds_upload ? NGHTTP2_ERR_DEFERRED : (ssize_t)n;
}

void h2_client_init(struct h2_client *c, const struct fixture *f)
{
    *c = (struct h2_client){ .fd = client_connect(f) };
    nghttp2_session_callbacks *callbacks = NULL;
    ck_assert_int_eq(nghttp2_session_callbacks_new(&callbacks), 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session *session = NULL;
    ck_assert_int_eq(nghttp2_session_client_new(&session, callbacks, c), 0);
    nghttp2_session_callbacks_del(callbacks);
    ck_assert_int_eq(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, NULL, 0), 0);
    c->session = session;
}

void h2_client_deinit(struct h2_client *c)
{
    nghttp2_session_del(c->session);
    for (unsigned i = 0; i < c->stream_count; i++)
        free(c->streams[i].body);
    client_close(c->fd);
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                         strlen(value), NGHTTP2_NV_FLAG_NONE };
}

unsigned h2_client_submit(struct h2_client *c, const struct h2_request *request)
{
    ck_assert_uint_lt(c->stream_count, H2_STREAMS_MAX);
    nghttp2_nv fields[12];
    size_t count = 0;
    fields[count++] = field(":method", request->method);
    fields[count++] = field(":scheme", "http");
    fields[count++] = field(":path", request->path);
    fields[count++] = field(":authority", "h");
    for (unsigned i = 0; i < 16 && request->headers[i]; i += 2) {
        fields[count++] = field(request->headers[i], request->headers[i + 1]);
    }
    nghttp2_data_provider provider = { .read_callback = read_upload };
    int32_t id = nghttp2_submit_request(c->session, NULL, fields, count,
                                        request->has_body ? &provider : NULL, NULL);
    ck_assert_int_gt(id, 0);
    unsigned index = c->stream_count++;
    c->streams[index] = (struct h2_stream){ .id = id,
                                            .upload = request->body,
                                            .holds_upload = request->holds_body };
    return index;
}

void h2_client_reset_stream(struct h2_client *c, unsigned index)
{
    ck_assert_int_eq(nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, c->streams[index].id,
                                               NGHTTP2_CANCEL),
                     0);
}

bool h2_client_step(struct h2_client *c)
{
    const uint8_t *out = NULL;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(c->session, &out)) > 0) {
        client_send(c->fd, (struct str){ (const char *)out, (size_t)n });
    }
    ck_assert_int_eq(n, 0);
    uint8_t buf[16384];
    n = recv(c->fd, buf, sizeof buf, 0);
    ck_assert_msg(n >= 0 || errno == ECONNRESET, "the server does not answer");
    if (n <= 0) return false;
    ck_assert_int_eq(nghttp2_session_mem_recv(c->session, buf, (size_t)n), n);
    while ((n = nghttp2_session_mem_send(c->session, &out)) > 0) {
        client_send(c->fd, (struct str){ (const char *)out, (size_t)n });
    }
    return true;
}

void h2_client_await(struct h2_client *c, unsigned index)
{
    while (!c->streams[index].is_closed && h2_client_step(c))
        continue;
}

void h2_client_await_end(struct h2_client *c)
{
    while (h2_client_step(c))
        continue;
}

struct str h2_field(const char *block, const char *name)
{
    struct str rest = str_of_z(block);
    struct str line;
    size_t len = strlen(name);
    while (str_split(&rest, '\n', &line)) {
        if (line.len > len + 2 && memcmp(line.ptr, name, len) == 0 && line.ptr[len] == ':') {
            return str_sub(line, len + 2, line.len);
        }
    }
    return (struct str){ 0 };
}
