/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http1_parser.h"

#include "base/assert.h"

enum {
    METHOD_BYTES_MAX = 32,
    EMPTY_LINES_MAX = 2,
    CHUNK_DIGITS_MAX = 16,
    CHUNK_OVERHEAD_FREE = 16, /* framing that every chunk may have, plus twice its data */
    CHUNK_OVERHEAD_BYTES_MAX = 16 << 10, /* of a body beyond that; as Go's net/http */
    TRAILER_BYTES_MAX = 16 << 10
};

/* Classes of bytes. */
enum { IS_TOKEN = 1, IS_VALUE = 2, IS_TARGET = 4 };

/* One row per 32 bytes would be unreadable; classes are computed from ranges instead, once per byte
 * value by the compiler. */
#define IS_ALNUM(c)                                                                                \
    (((c) >= '0' && (c) <= '9') || ((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z'))
#define IS_TCHAR(c)                                                                                \
    (IS_ALNUM(c) || (c) == '!' || (c) == '#' || (c) == '$' || (c) == '%' || (c) == '&' ||          \
     (c) == '\'' || (c) == '*' || (c) == '+' || (c) == '-' || (c) == '.' || (c) == '^' ||          \
     (c) == '_' || (c) == '`' || (c) == '|' || (c) == '~')
#define CLASS(c)                                                                                   \
    ((IS_TCHAR(c) ? IS_TOKEN : 0) |                                                                \
     ((((c) >= 0x20 && (c) != 0x7f) || (c) == '\t') ? IS_VALUE : 0) |                              \
     (((c) > 0x20 && (c) != 0x7f && (c) != '#') ? IS_TARGET : 0))
#define CLASS_4(c) CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define CLASS_16(c) CLASS_4(c), CLASS_4((c) + 4), CLASS_4((c) + 8), CLASS_4((c) + 12)
#define CLASS_64(c) CLASS_16(c), CLASS_16((c) + 16), CLASS_16((c) + 32), CLASS_16((c) + 48)

static const uint8_t CLASSES[256] = { CLASS_64(0), CLASS_64(64), CLASS_64(128), CLASS_64(192) };

static bool fail(struct http1_fault *fault, unsigned status, enum http_reject reason,
                 const char *text)
{
    *fault = (struct http1_fault){ status, reason, text };
    return false;
}

static bool fail_bad(struct http1_fault *fault, const char *text)
{
    return fail(fault, 400, HTTP_REJECT_BAD_REQUEST, text);
}

static bool fail_smuggling(struct http1_fault *fault, const char *text)
{
    return fail(fault, 400, HTTP_REJECT_SMUGGLING, text);
}

/* ---- end of head ------------------------------------------------------------------------- */

/* The line [scan->line_start, end) is complete. Does it end the head? */
static bool line_ends_head(struct http1_scan *scan, size_t end, struct http1_fault *fault)
{
    bool is_empty = end - scan->line_start == 2;
    bool is_first = scan->line_start == scan->head_start;
    scan->line_start = end;
    if (is_empty && is_first) {
        scan->head_start = end;
        if (end > 2 * EMPTY_LINES_MAX) (void)fail_bad(fault, "empty lines before the request line");
        return false;
    }
    return is_empty;
}

size_t http1_scan_head(struct http1_scan *scan, struct bytes data, const struct http_limits *limits,
                       struct http1_fault *out_fault)
{
    ASSERT(scan->pos <= data.len);
    out_fault->status = 0;
    size_t end = 0;
    while (end == 0 && scan->pos < data.len) {
        const uint8_t *lf = memchr(data.ptr + scan->pos, '\n', data.len - scan->pos);
        if (!lf) {
            scan->pos = data.len;
            break;
        }
        size_t at = (size_t)(lf - data.ptr);
        if (at == 0 || data.ptr[at - 1] != '\r') {
            (void)fail_bad(out_fault, "line feed without carriage return");
            return 0;
        }
        scan->pos = at + 1;
        if (line_ends_head(scan, at + 1, out_fault)) end = at + 1;
        if (out_fault->status != 0) return 0;
    }
    size_t seen = (end > 0 ? end : data.len) - scan->head_start;
    bool in_first_line = scan->line_start == scan->head_start;
    if (in_first_line && seen > 0) {
        uint8_t first = data.ptr[scan->head_start];
        if (!(CLASSES[first] & IS_TOKEN) && first != '\r') {
            (void)fail_bad(out_fault, "malformed request line");
            return 0;
        }
        if (seen > (size_t)limits->target_bytes_max + METHOD_BYTES_MAX + sizeof " HTTP/1.1\r\n") {
            (void)fail(out_fault, 414, HTTP_REJECT_TARGET_TOO_LONG, "request target too long");
            return 0;
        }
    }
    if (seen > limits->head_bytes_max) {
        (void)fail(out_fault, 431, HTTP_REJECT_HEAD_TOO_LARGE, "request header block too large");
        return 0;
    }
    return end;
}

/* ---- head -------------------------------------------------------------------------------- */

struct head_parser {
    struct str text;
    size_t pos;
    const struct http_limits *limits;
    struct http_request *req;
    struct http1_framing *framing;
    struct http1_fault *fault;
    unsigned host_count, length_count, transfer_count;
    bool wants_close, wants_keep_alive;
};

/* The longest run of bytes of a class from pos on. */
static struct str take_run(struct head_parser *p, uint8_t class_bits)
{
    const uint8_t *text = (const uint8_t *)p->text.ptr;
    size_t end = p->pos;
    while (end < p->text.len && (CLASSES[text[end]] & class_bits))
        end++;
    struct str run = { p->text.ptr + p->pos, end - p->pos };
    p->pos = end;
    return run;
}

static bool take_literal(struct head_parser *p, struct str literal)
{
    if (p->text.len - p->pos < literal.len) return false;
    if (memcmp(p->text.ptr + p->pos, literal.ptr, literal.len) != 0) return false;
    p->pos += literal.len;
    return true;
}

static bool parse_version(struct head_parser *p)
{
    if (!take_literal(p, STR("HTTP/"))) return fail_bad(p->fault, "malformed request line");
    struct str rest = str_sub(p->text, p->pos, p->pos + 5);
    if (rest.len != 5 || rest.ptr[0] < '0' || rest.ptr[0] > '9' || rest.ptr[1] != '.' ||
        rest.ptr[2] < '0' || rest.ptr[2] > '9' || rest.ptr[3] != '\r' || rest.ptr[4] != '\n') {
        return fail_bad(p->fault, "malformed request line");
    }
    if (rest.ptr[0] != '1') {
        return fail(p->fault, 505, HTTP_REJECT_VERSION, "HTTP version not supported");
    }
    p->req->version_major = 1;
    /* A later 1.x is served as 1.1 (RFC 9110 section 2.5). */
    p->req->version_minor = rest.ptr[2] == '0' ? 0 : 1;
    p->pos += rest.len;
    return true;
}

/* origin-form, absolute-form (the authority becomes the host), or "*" of OPTIONS. */
static bool split_target(struct head_parser *p, struct str target)
{
    struct http_request *req = p->req;
    struct str path = target;
    if (path.ptr[0] != '/') {
        struct str scheme = STR("http://");
        if (!str_eq_nocase(str_sub(path, 0, scheme.len), scheme)) scheme = STR("https://");
        if (str_eq_nocase(str_sub(path, 0, scheme.len), scheme)) {
            path = str_sub(path, scheme.len, path.len);
            size_t slash = str_index(path, '/');
            size_t mark = str_index(path, '?');
            size_t end = slash < mark ? slash : mark;
            req->host = str_sub(path, 0, end);
            path = str_sub(path, end, path.len);
            if (req->host.len == 0) return fail_bad(p->fault, "malformed request target");
        } else if (!(req->method == HTTP_OPTIONS && str_eq(path, STR("*")))) {
            return fail_bad(p->fault, "malformed request target");
        }
    }
    size_t mark = str_index(path, '?');
    req->query = str_sub(path, mark + 1, path.len);
    req->path = str_sub(path, 0, mark);
    if (req->path.len == 0) req->path = STR("/");
    return true;
}

static bool parse_request_line(struct head_parser *p)
{
    struct str method = take_run(p, IS_TOKEN);
    if (method.len == 0 || method.len > METHOD_BYTES_MAX || !take_literal(p, STR(" "))) {
        return fail_bad(p->fault, "malformed request line");
    }
    p->req->method = http_method_of(method);
    p->req->method_text = method;
    struct str target = take_run(p, IS_TARGET);
    if (target.len > p->limits->target_bytes_max) {
        return fail(p->fault, 414, HTTP_REJECT_TARGET_TOO_LONG, "request target too long");
    }
    if (target.len == 0 || !take_literal(p, STR(" "))) {
        return fail_bad(p->fault, "malformed request target");
    }
    return parse_version(p) && split_target(p, target);
}

static bool set_content_length(struct head_parser *p, struct str value)
{
    if (p->length_count++ > 0) return fail_smuggling(p->fault, "repeated Content-Length");
    bool is_number = value.len >= 1 && value.len <= 19;
    uint64_t length = 0;
    for (size_t i = 0; is_number && i < value.len; i++) {
        is_number = value.ptr[i] >= '0' && value.ptr[i] <= '9';
        length = length * 10 + (uint64_t)(value.ptr[i] - '0');
    }
    if (!is_number) return fail_smuggling(p->fault, "malformed Content-Length");
    p->req->has_content_length = true;
    p->req->content_length = length;
    return true;
}

static bool set_transfer_encoding(struct head_parser *p, struct str value)
{
    if (p->transfer_count++ > 0) return fail_smuggling(p->fault, "repeated Transfer-Encoding");
    if (!str_eq_nocase(value, STR("chunked"))) {
        return fail(p->fault, 501, HTTP_REJECT_UNSUPPORTED_CODING, "unsupported transfer encoding");
    }
    p->framing->is_chunked = true;
    return true;
}

static bool set_host(struct head_parser *p, struct str value)
{
    if (p->host_count++ > 0) return fail_smuggling(p->fault, "repeated Host");
    /* The authority of an absolute-form target wins (RFC 9112 section 3.2.2). */
    if (p->req->host.len == 0) p->req->host = value;
    return true;
}

static bool set_expect(struct head_parser *p, struct str value)
{
    if (!str_eq_nocase(value, STR("100-continue"))) {
        return fail(p->fault, 417, HTTP_REJECT_EXPECTATION, "unsupported expectation");
    }
    p->framing->expects_continue = true;
    return true;
}

static void set_first(struct str *field, struct str value)
{
    if (!field->ptr) *field = value;
}

/* Keep the headers that framing or most handlers look at. Dispatch by length first: one comparison
 * for most names. */
static bool note_header(struct head_parser *p, struct str name, struct str value)
{
    struct http_request *req = p->req;
    switch (name.len) {
    case 2:
        if (str_eq_nocase(name, STR("te"))) {
            p->framing->accepts_trailers = http_list_has(value, STR("trailers"));
        }
        return true;
    case 4: return str_eq_nocase(name, STR("host")) ? set_host(p, value) : true;
    case 6:
        if (str_eq_nocase(name, STR("accept"))) set_first(&req->accept, value);
        if (str_eq_nocase(name, STR("origin"))) set_first(&req->origin, value);
        return str_eq_nocase(name, STR("expect")) ? set_expect(p, value) : true;
    case 10:
        if (str_eq_nocase(name, STR("connection"))) {
            p->wants_close |= http_list_has(value, STR("close"));
            p->wants_keep_alive |= http_list_has(value, STR("keep-alive"));
        }
        return true;
    case 12:
        if (str_eq_nocase(name, STR("content-type"))) set_first(&req->content_type, value);
        return true;
    case 13:
        if (str_eq_nocase(name, STR("authorization"))) set_first(&req->authorization, value);
        return true;
    case 14:
        return str_eq_nocase(name, STR("content-length")) ? set_content_length(p, value) : true;
    case 15:
        if (str_eq_nocase(name, STR("accept-encoding"))) set_first(&req->accept_encoding, value);
        return true;
    case 16:
        if (str_eq_nocase(name, STR("content-encoding"))) {
            /* Several are a list of codings, which we do not undo. */
            req->content_encoding = req->content_encoding.ptr ? STR("multiple") : value;
        }
        return true;
    case 17:
        return str_eq_nocase(name, STR("transfer-encoding")) ? set_transfer_encoding(p, value)
                                                             : true;
    default: return true;
    }
}

static bool parse_header(struct head_parser *p, struct http_header *out)
{
    struct str name = take_run(p, IS_TOKEN);
    if (name.len == 0 || !take_literal(p, STR(":"))) {
        return fail_bad(p->fault, "malformed header name");
    }
    struct str value = take_run(p, IS_VALUE);
    if (!take_literal(p, STR("\r\n"))) return fail_bad(p->fault, "malformed header value");
    *out = (struct http_header){ name, str_trim(value) };
    return note_header(p, name, out->value);
}

static bool parse_headers(struct head_parser *p, struct http_header *headers)
{
    uint32_t count = 0;
    while (!take_literal(p, STR("\r\n"))) {
        if (count == p->limits->header_count_max) {
            return fail(p->fault, 431, HTTP_REJECT_TOO_MANY_HEADERS, "too many request headers");
        }
        if (!parse_header(p, &headers[count])) return false;
        count++;
    }
    p->req->headers = headers;
    p->req->header_count = count;
    return true;
}

/* Which body follows, and is there exactly one way to see it? RFC 9112 section 6.3. */
static bool check_framing(struct head_parser *p)
{
    bool is_http10 = p->req->version_minor == 0;
    if (p->transfer_count > 0 && p->length_count > 0) {
        return fail_smuggling(p->fault, "both Content-Length and Transfer-Encoding");
    }
    if (p->transfer_count > 0 && is_http10) {
        return fail_smuggling(p->fault, "Transfer-Encoding in HTTP/1.0");
    }
    if (!is_http10 && p->host_count == 0) return fail_bad(p->fault, "missing Host header");
    p->framing->keep_alive = !p->wants_close && (!is_http10 || p->wants_keep_alive);
    if (is_http10) p->framing->expects_continue = false;
    return true;
}

bool http1_parse_head(struct str head, const struct http_limits *limits,
                      struct http_header *headers, struct http_request *out_req,
                      struct http1_framing *out_framing, struct http1_fault *out_fault)
{
    *out_req = (struct http_request){ 0 };
    *out_framing = (struct http1_framing){ 0 };
    out_fault->status = 0;
    struct head_parser p = {
        .text = head, .limits = limits, .req = out_req, .framing = out_framing, .fault = out_fault
    };
    if (!parse_request_line(&p) || !parse_headers(&p, headers)) return false;
    if (p.pos != head.len) return fail_bad(out_fault, "malformed request head");
    return check_framing(&p);
}

/* ---- chunked body ------------------------------------------------------------------------ */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    uint8_t lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* A chunk-size line is complete. */
static void begin_chunk(struct http1_chunks *c)
{
    uint64_t free_bytes;
    if (__builtin_mul_overflow(c->left, 2, &free_bytes) ||
        __builtin_add_overflow(free_bytes, CHUNK_OVERHEAD_FREE, &free_bytes)) {
        free_bytes = UINT64_MAX;
    }
    c->overhead_bytes = c->overhead_bytes > free_bytes ? c->overhead_bytes - free_bytes : 0;
    c->digits = 0;
    c->state = c->left > 0 ? HTTP1_CHUNK_DATA : HTTP1_CHUNK_TRAILER;
}

static bool read_size_byte(struct http1_chunks *c, uint8_t byte)
{
    int digit = hex_value(byte);
    if (digit >= 0) {
        if (++c->digits > CHUNK_DIGITS_MAX) return false;
        c->left = c->left << 4 | (uint64_t)digit;
        return true;
    }
    if (c->digits == 0) return false;
    if (byte == '\r') {
        c->state = HTTP1_CHUNK_SIZE_LF;
        return true;
    }
    c->state = HTTP1_CHUNK_EXT;
    return byte == ';' || byte == ' ' || byte == '\t';
}

/* One byte of framing. False: refused. */
static bool read_framing_byte(struct http1_chunks *c, uint8_t byte)
{
    bool is_value = CLASSES[byte] & IS_VALUE;
    switch (c->state) {
    case HTTP1_CHUNK_SIZE: return read_size_byte(c, byte);
    case HTTP1_CHUNK_EXT:
        if (byte == '\r') c->state = HTTP1_CHUNK_SIZE_LF;
        return byte == '\r' || is_value;
    case HTTP1_CHUNK_SIZE_LF:
        if (byte == '\n') begin_chunk(c);
        return byte == '\n';
    case HTTP1_CHUNK_DATA_CR: c->state = HTTP1_CHUNK_DATA_LF; return byte == '\r';
    case HTTP1_CHUNK_DATA_LF: c->state = HTTP1_CHUNK_SIZE; return byte == '\n';
    case HTTP1_CHUNK_TRAILER:
        c->state = byte == '\r' ? HTTP1_CHUNK_END_LF : HTTP1_CHUNK_TRAILER_LINE;
        return byte == '\r' || (CLASSES[byte] & IS_TOKEN);
    case HTTP1_CHUNK_TRAILER_LINE:
        if (byte == '\r') c->state = HTTP1_CHUNK_TRAILER_LF;
        return byte == '\r' || is_value;
    case HTTP1_CHUNK_TRAILER_LF: c->state = HTTP1_CHUNK_TRAILER; return byte == '\n';
    case HTTP1_CHUNK_END_LF: c->state = HTTP1_CHUNK_DONE; return byte == '\n';
    case HTTP1_CHUNK_DATA:
    case HTTP1_CHUNK_DONE: break;
    }
    UNREACHABLE();
}

static bool is_trailer_state(enum http1_chunk_state state)
{
    return state >= HTTP1_CHUNK_TRAILER && state <= HTTP1_CHUNK_END_LF;
}

static enum http1_chunk_result take_chunk_data(struct http1_chunks *c, struct bytes *in,
                                               struct bytes *out_data)
{
    size_t n = in->len < c->left ? in->len : (size_t)c->left;
    *out_data = (struct bytes){ in->ptr, n };
    in->ptr += n;
    in->len -= n;
    c->left -= n;
    if (c->left == 0) c->state = HTTP1_CHUNK_DATA_CR;
    return HTTP1_CHUNKS_DATA;
}

enum http1_chunk_result http1_chunks_read(struct http1_chunks *c, struct bytes *in,
                                          struct bytes *out_data, struct http1_fault *out_fault)
{
    out_fault->status = 0;
    while (c->state != HTTP1_CHUNK_DONE) {
        if (in->len == 0) return HTTP1_CHUNKS_MORE;
        if (c->state == HTTP1_CHUNK_DATA) return take_chunk_data(c, in, out_data);
        uint64_t *counter = is_trailer_state(c->state) ? &c->trailer_bytes : &c->overhead_bytes;
        uint8_t byte = *in->ptr++;
        in->len--;
        (*counter)++;
        if (!read_framing_byte(c, byte)) {
            (void)fail_smuggling(out_fault, "malformed chunk");
            return HTTP1_CHUNKS_BAD;
        }
        if (c->overhead_bytes > CHUNK_OVERHEAD_BYTES_MAX) {
            (void)fail_bad(out_fault, "too much chunk framing");
            return HTTP1_CHUNKS_BAD;
        }
        if (c->trailer_bytes > TRAILER_BYTES_MAX) {
            (void)fail(out_fault, 431, HTTP_REJECT_HEAD_TOO_LARGE, "trailers too large");
            return HTTP1_CHUNKS_BAD;
        }
    }
    return HTTP1_CHUNKS_DONE;
}
