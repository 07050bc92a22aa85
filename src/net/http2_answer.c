/* SPDX-License-Identifier: Apache-2.0
 *
 * http2_answer - answers of exchanges as HEADERS, DATA and trailers of their streams.
 */
#include <stdio.h>

#include "base/assert.h"
#include "net/http2_priv.h"

enum { FIELDS_MAX = 64, NUMBER_BYTES = 24 };

/* The header list under construction. nghttp2 copies names and values and lower-cases names. */
struct fields {
    nghttp2_nv list[FIELDS_MAX];
    size_t count;
};

static bool is_safe(struct str s)
{
    return s.len == 0 || (!memchr(s.ptr, '\r', s.len) && !memchr(s.ptr, '\n', s.len));
}

static void put_field(struct fields *f, struct str name, struct str value)
{
    if (f->count == FIELDS_MAX || !is_safe(name) || !is_safe(value)) return;
    /* The library's type lacks const; it does not write. */
    f->list[f->count++] =
        (nghttp2_nv){ (uint8_t *)(uintptr_t)name.ptr, (uint8_t *)(uintptr_t)value.ptr, name.len,
                      value.len, NGHTTP2_NV_FLAG_NONE };
}

static void put_fields(struct fields *f, const struct http_header *headers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        put_field(f, headers[i].name, headers[i].value);
}

static struct str number_text(uint64_t v, char *out)
{
    int n = snprintf(out, NUMBER_BYTES, "%llu", (unsigned long long)v);
    return (struct str){ out, (size_t)n };
}

static bool is_bodiless(const struct http_exchange *ex, unsigned status)
{
    return ex->req.method == HTTP_HEAD || status == 204 || status == 304;
}

/* The answer's last byte is with nghttp2. */
static void done(struct http2 *h2, struct http_exchange *ex)
{
    http2_forget(h2, ex);
    exchange_done(ex);
}

/* ---- data source --------------------------------------------------------------------------- */

static size_t copy_out(struct http_exchange *ex, struct bytes body, uint8_t *dst, size_t len)
{
    size_t left = body.len - ex->sending_offset;
    size_t n = left < len ? left : len;
    if (n > 0) memcpy(dst, body.ptr + ex->sending_offset, n);
    ex->sending_offset += n;
    ex->progress_ns = loop_now_ns(ex->sl->loop);
    return n;
}

static int submit_trailers(struct http2 *h2, const struct http_exchange *ex, uint32_t *data_flags)
{
    if (ex->trailer_count == 0) return 0;
    *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    struct fields f = { .count = 0 };
    put_fields(&f, ex->trailers, ex->trailer_count);
    return nghttp2_submit_trailer(h2->session, ex->stream_id, f.list, f.count);
}

static ssize_t read_whole(nghttp2_session *session, int32_t stream_id, uint8_t *dst, size_t len,
                          uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)stream_id;
    struct http_exchange *ex = source->ptr;
    size_t n = copy_out(ex, ex->answer.body, dst, len);
    if (ex->sending_offset == ex->answer.body.len) {
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
        if (submit_trailers(user_data, ex, data_flags) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
        done(user_data, ex);
    }
    return (ssize_t)n;
}

static ssize_t read_stream(nghttp2_session *session, int32_t stream_id, uint8_t *dst, size_t len,
                           uint32_t *data_flags, nghttp2_data_source *source, void *user_data)
{
    (void)session;
    (void)stream_id;
    struct http_exchange *ex = source->ptr;
    bool ended = false;
    bool has_data = exchange_take_queue(ex, &ended);
    size_t n = has_data ? copy_out(ex, buf_bytes(&ex->sending), dst, len) : 0;
    if (has_data && exchange_take_queue(ex, &ended)) return (ssize_t)n;
    if (ended) {
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
        if (submit_trailers(user_data, ex, data_flags) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
        done(user_data, ex);
        return (ssize_t)n;
    }
    if (n > 0) return (ssize_t)n;
    ex->is_resumable = true;
    return NGHTTP2_ERR_DEFERRED;
}

/* ---- answers ------------------------------------------------------------------------------- */

static void put_answer_head(struct fields *f, const struct http_exchange *ex,
                            const struct exchange_answer *answer, char *numbers)
{
    server_loop_update_date(ex->sl);
    put_field(f, STR(":status"), number_text(answer->status, numbers));
    put_field(f, STR("date"), (struct str){ ex->sl->date, HTTP_DATE_LEN });
    if (answer->content_type.len > 0) put_field(f, STR("content-type"), answer->content_type);
    if (answer->coding == HTTP_CODING_GZIP) put_field(f, STR("content-encoding"), STR("gzip"));
    if (answer->coding == HTTP_CODING_DEFLATE)
        put_field(f, STR("content-encoding"), STR("deflate"));
    if (answer->varies) put_field(f, STR("vary"), STR("Accept-Encoding"));
    put_fields(f, ex->extra, ex->extra_count);
    put_fields(f, answer->headers, answer->header_count);
    bool has_length = !answer->is_stream && answer->status != 204 && answer->status != 304 &&
                      (answer->body.len > 0 || ex->req.method != HTTP_POST);
    if (has_length) {
        put_field(f, STR("content-length"), number_text(answer->body.len, numbers + NUMBER_BYTES));
    }
}

/* Give the body a life as long as the exchange's. */
static bool keep_body(struct http_exchange *ex, struct exchange_answer *answer)
{
    bool is_static = answer->flags & HTTP_ANSWER_STATIC_BODY;
    ex->sending_offset = 0;
    ex->answer.body = answer->body;
    if (answer->owner.mem) {
        ex->answer.owner = answer->owner;
        answer->owner = (struct buf){ 0 };
    } else if (!is_static) {
        size_t cap_max = ex->sending.cap_max;
        ex->sending.cap_max = SIZE_MAX / 2;
        buf_put(&ex->sending, answer->body.ptr, answer->body.len);
        ex->sending.cap_max = cap_max > ex->sending.cap ? cap_max : ex->sending.cap;
        ex->answer.body = buf_bytes(&ex->sending);
    }
    return !buf_failed(&ex->sending);
}

void http2_answer(struct conn *c, struct http_exchange *ex, struct exchange_answer *answer)
{
    struct http2 *h2 = c->h2;
    struct fields f = { .count = 0 };
    char numbers[2 * NUMBER_BYTES];
    put_answer_head(&f, ex, answer, numbers);
    bool has_data = !is_bodiless(ex, answer->status) &&
                    (answer->is_stream || answer->body.len > 0 || ex->trailer_count > 0);
    if (has_data && !answer->is_stream && !keep_body(ex, answer)) {
        conn_count_reject(c, HTTP_REJECT_MEMORY);
        http2_reset_stream(h2, ex->stream_id, NGHTTP2_INTERNAL_ERROR);
        return;
    }
    if (answer->owner.mem) buf_deinit(&answer->owner);
    nghttp2_data_provider provider = {
        .source.ptr = ex,
        .read_callback = answer->is_stream ? read_stream : read_whole,
    };
    ex->progress_ns = loop_now_ns(c->sl->loop);
    int rc = nghttp2_submit_response(h2->session, ex->stream_id, f.list, f.count,
                                     has_data ? &provider : NULL);
    if (rc != 0) {
        conn_kill(c);
    } else if (!has_data && !answer->is_stream) {
        done(h2, ex);
    }
}

void http2_pump(struct conn *c, struct http_exchange *ex)
{
    if (ex->req.method == HTTP_HEAD) {
        bool ended = false;
        while (exchange_take_queue(ex, &ended))
            ex->sending_offset = ex->sending.len;
        if (ended) done(c->h2, ex);
        return;
    }
    if (!ex->is_resumable) return;
    ex->is_resumable = false;
    if (nghttp2_session_resume_data(c->h2->session, ex->stream_id) != 0) conn_kill(c);
}

void http2_abort(struct conn *c, struct http_exchange *ex)
{
    http2_reset_stream(c->h2, ex->stream_id, NGHTTP2_INTERNAL_ERROR);
}
