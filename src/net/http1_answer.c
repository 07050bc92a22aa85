/* SPDX-License-Identifier: Apache-2.0
 *
 * http1_answer - the head of an HTTP/1.1 answer as bytes.
 */
#include "base/assert.h"
#include "net/conn_priv.h"

static void put_str(struct conn *c, struct str s)
{
    conn_put(c, s.ptr, s.len);
}

static void put_u64(struct conn *c, uint64_t v)
{
    char text[20];
    size_t pos = sizeof text;
    do {
        text[--pos] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    conn_put(c, text + pos, sizeof text - pos);
}

/* A line break in a value would let its author write headers of his own: such a header is left
 * out. */
static bool is_safe(struct str s)
{
    return s.len == 0 || (!memchr(s.ptr, '\r', s.len) && !memchr(s.ptr, '\n', s.len));
}

static void put_header(struct conn *c, struct str name, struct str value)
{
    if (!is_safe(name) || !is_safe(value)) return;
    put_str(c, name);
    conn_put_lit(c, ": ");
    put_str(c, value);
    conn_put_lit(c, "\r\n");
}

void http1_put_headers(struct conn *c, const struct http_header *headers, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        put_header(c, headers[i].name, headers[i].value);
}

static void put_status_line(struct conn *c, unsigned status)
{
    conn_put_lit(c, "HTTP/1.1 ");
    put_u64(c, status);
    conn_put_lit(c, " ");
    put_str(c, http_status_text(status));
    conn_put_lit(c, "\r\nDate: ");
    conn_put(c, c->sl->date, HTTP_DATE_LEN);
    conn_put_lit(c, "\r\n");
}

static void put_length(struct conn *c, const struct exchange_answer *answer,
                       enum http1_length length)
{
    if (answer->status == 204 || answer->status == 304) return;
    switch (length) {
    case HTTP1_LENGTH_KNOWN:
        conn_put_lit(c, "Content-Length: ");
        put_u64(c, answer->body.len);
        conn_put_lit(c, "\r\n");
        return;
    case HTTP1_LENGTH_CHUNKED: conn_put_lit(c, "Transfer-Encoding: chunked\r\n"); return;
    case HTTP1_LENGTH_CLOSE: return;
    }
}

void http1_put_head(struct conn *c, const struct http_exchange *ex,
                    const struct exchange_answer *answer, enum http1_length length, bool keep_alive)
{
    server_loop_update_date(c->sl);
    put_status_line(c, answer->status);
    if (answer->content_type.len > 0) put_header(c, STR("Content-Type"), answer->content_type);
    if (answer->coding == HTTP_CODING_GZIP) conn_put_lit(c, "Content-Encoding: gzip\r\n");
    if (answer->coding == HTTP_CODING_DEFLATE) conn_put_lit(c, "Content-Encoding: deflate\r\n");
    if (answer->varies) conn_put_lit(c, "Vary: Accept-Encoding\r\n");
    if (ex) http1_put_headers(c, ex->extra, ex->extra_count);
    http1_put_headers(c, answer->headers, answer->header_count);
    put_length(c, answer, length);
    bool is_http10 = ex && ex->req.version_minor == 0;
    if (!keep_alive) conn_put_lit(c, "Connection: close\r\n");
    if (keep_alive && is_http10) conn_put_lit(c, "Connection: keep-alive\r\n");
    conn_put_lit(c, "\r\n");
}

void http1_put_fault(struct conn *c, const struct http1_fault *fault)
{
    static const struct http_header RETRY = HTTP_HEADER("Retry-After", "5");
    struct exchange_answer answer = {
        .status = fault->status,
        .headers = &RETRY,
        .header_count = fault->status == 503 ? 1 : 0,
        .content_type = STR("text/plain; charset=utf-8"),
        .body = bytes_of_str(str_of_z(fault->text)),
    };
    http1_put_head(c, NULL, &answer, HTTP1_LENGTH_KNOWN, false);
    conn_put(c, answer.body.ptr, answer.body.len);
}
