/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc.h"

#include <stdio.h>

#include "base/assert.h"
#include "codec/base64.h"
#include "net/conn_priv.h"
#include "net/exchange_priv.h"

enum {
    FRAME_HEAD_BYTES = 5,
    COMPRESS_BYTES_MIN = 1000,
    STATUS_TEXT_BYTES_MAX = 8 << 10 /* of grpc-message and of the details */
};

static const uint64_t MESSAGE_BYTES_DEFAULT = 4u << 20;

/* A method as a route. */
struct grpc_route {
    const struct grpc_method *method;
    uint64_t message_bytes_max;
};

struct grpc_call {
    struct http_exchange *ex;
    const struct grpc_route *route;
    struct bytes message;
    uint64_t deadline_ns;
    bool accepts_gzip;
    bool is_started; /* the answer's head is out */
};

/* ---- request ------------------------------------------------------------------------------ */

/* "100m" and so on; source: PROTOCOL-HTTP2.md, Timeout. Saturates. */
static bool parse_timeout(struct str text, uint64_t *out_ns)
{
    static const struct {
        char unit;
        uint64_t ns;
    } UNITS[] = {
        { 'H', 3600000000000 }, { 'M', 60000000000 }, { 'S', 1000000000 },
        { 'm', 1000000 },       { 'u', 1000 },        { 'n', 1 },
    };
    uint64_t value = 0;
    if (text.len < 2 || text.len > 9) return false;
    if (!str_to_u64(str_sub(text, 0, text.len - 1), &value)) return false;
    for (size_t i = 0; i < sizeof UNITS / sizeof UNITS[0]; i++) {
        if (UNITS[i].unit != text.ptr[text.len - 1]) continue;
        if (__builtin_mul_overflow(value, UNITS[i].ns, out_ns)) *out_ns = UINT64_MAX;
        return true;
    }
    return false;
}

static void fail_call(struct grpc_call *call, enum grpc_status status, const char *message)
{
    grpc_call_finish(call, status, str_of_z(message), (struct bytes){ 0 });
}

static bool read_timeout(struct grpc_call *call)
{
    struct str text = grpc_call_metadata(call, STR("grpc-timeout"));
    call->deadline_ns = UINT64_MAX;
    if (!text.ptr) return true;
    uint64_t timeout_ns = 0;
    if (!parse_timeout(text, &timeout_ns)) {
        fail_call(call, GRPC_INTERNAL, "malformed grpc-timeout");
        return false;
    }
    uint64_t start_ns = http_exchange_start_ns(call->ex);
    if (__builtin_add_overflow(start_ns, timeout_ns, &call->deadline_ns)) {
        call->deadline_ns = UINT64_MAX;
    }
    return true;
}

static bool inflate_message(struct grpc_call *call, struct bytes packed)
{
    struct http_exchange *ex = call->ex;
    struct str encoding = grpc_call_metadata(call, STR("grpc-encoding"));
    if (!str_eq(encoding, STR("gzip"))) {
        bool is_known = encoding.len == 0 || str_eq(encoding, STR("identity"));
        fail_call(call, is_known ? GRPC_INTERNAL : GRPC_UNIMPLEMENTED,
                  "compressed message without a known grpc-encoding");
        return false;
    }
    size_t max = (size_t)call->route->message_bytes_max;
    struct decode_limits limits = {
        .max_bytes = max,
        .max_ratio = ex->sl->server->limits.decoded_ratio_max,
    };
    buf_reset(&ex->decoded);
    ex->decoded.cap_max = ex->decoded.cap > max ? ex->decoded.cap : max;
    struct err err = { 0 };
    enum err_code rc = http_body_decode(ex->sl->server->codecs, HTTP_CODING_GZIP, packed, &limits,
                                        &ex->decoded, &err);
    if (rc != ERR_OK) {
        exchange_count_decode_failure(ex, rc);
        bool is_damaged = rc == ERR_INVALID;
        fail_call(call, is_damaged ? GRPC_INTERNAL : grpc_status_of_err(rc), err.msg);
        return false;
    }
    call->message = buf_bytes(&ex->decoded);
    return true;
}

/* The body must be one framed message. */
static bool read_message(struct grpc_call *call)
{
    struct bytes body = call->ex->req.body;
    if (body.len < FRAME_HEAD_BYTES) {
        fail_call(call, GRPC_INTERNAL, "incomplete message");
        return false;
    }
    uint32_t len = (uint32_t)body.ptr[1] << 24 | (uint32_t)body.ptr[2] << 16 |
                   (uint32_t)body.ptr[3] << 8 | body.ptr[4];
    struct bytes rest = { body.ptr + FRAME_HEAD_BYTES, body.len - FRAME_HEAD_BYTES };
    if (len > call->route->message_bytes_max) {
        fail_call(call, GRPC_RESOURCE_EXHAUSTED, "message larger than the limit");
        return false;
    }
    if (len > rest.len || body.ptr[0] > 1) {
        fail_call(call, GRPC_INTERNAL, "malformed message frame");
        return false;
    }
    if (len < rest.len) {
        fail_call(call, GRPC_UNIMPLEMENTED, "more than one message in the request");
        return false;
    }
    call->message = rest;
    return body.ptr[0] == 0 || inflate_message(call, rest);
}

static bool is_grpc_type(struct str type)
{
    struct str name = STR("application/grpc");
    if (!str_starts_with(type, name)) return false;
    return type.len == name.len || type.ptr[name.len] == '+' || type.ptr[name.len] == ';';
}

static void serve_call(void *ctx, struct http_exchange *ex)
{
    const struct grpc_route *route = ctx;
    const struct http_request *req = http_exchange_request(ex);
    if (req->version_major != 2) {
        http_exchange_answer_text(ex, 400, STR("gRPC requires HTTP/2\n"));
        return;
    }
    if (!is_grpc_type(req->content_type)) {
        http_exchange_answer_text(ex, 415, STR("invalid gRPC request content-type\n"));
        return;
    }
    struct grpc_call *call = arena_new(http_exchange_arena(ex), struct grpc_call);
    if (!call) {
        http_exchange_answer_text(ex, 503, STR("out of memory\n"));
        return;
    }
    call->ex = ex;
    call->route = route;
    struct str accepted = grpc_call_metadata(call, STR("grpc-accept-encoding"));
    call->accepts_gzip = http_list_has(accepted, STR("gzip"));
    if (read_timeout(call) && read_message(call)) route->method->fn(route->method->ctx, call);
}

enum err_code grpc_register(struct router *r, const struct grpc_method *methods, size_t count,
                            struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        struct grpc_route *own = arena_new(router_arena(r), struct grpc_route);
        struct http_route *route = arena_new(router_arena(r), struct http_route);
        if (!own || !route) return err_set(err, ERR_NOMEM, "no memory for a route");
        uint64_t max = methods[i].message_bytes_max;
        own->method = &methods[i];
        own->message_bytes_max = max > 0 ? max : MESSAGE_BYTES_DEFAULT;
        *route = (struct http_route){
            .pattern = methods[i].path,
            .methods = HTTP_BIT(HTTP_POST),
            .flags = methods[i].route_flags | HTTP_ROUTE_RAW_BODY,
            .body_bytes_max = own->message_bytes_max + FRAME_HEAD_BYTES,
            .serve = serve_call,
            .ctx = own,
        };
        TRY(router_add(r, (struct str){ 0 }, route, 1, err));
    }
    return ERR_OK;
}

/* ---- accessors ------------------------------------------------------------------------------ */

struct bytes grpc_call_message(const struct grpc_call *call)
{
    return call->message;
}

struct http_exchange *grpc_call_exchange(const struct grpc_call *call)
{
    return call->ex;
}

struct arena *grpc_call_arena(struct grpc_call *call)
{
    return http_exchange_arena(call->ex);
}

struct str grpc_call_metadata(const struct grpc_call *call, struct str name)
{
    return http_request_header(http_exchange_request(call->ex), name);
}

uint64_t grpc_call_deadline_ns(const struct grpc_call *call)
{
    return call->deadline_ns;
}

/* ---- answer --------------------------------------------------------------------------------- */

/* Room for status, message and details. */
struct status_fields {
    struct http_header list[3];
    uint32_t count;
    char number[12];
};

/* Percent-encoded as PROTOCOL-HTTP2.md asks: everything but printable ASCII, and '%'. */
static struct str encode_message(struct grpc_call *call, struct str message)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    struct str cut = str_sub(message, 0, STATUS_TEXT_BYTES_MAX / 3);
    char *out = arena_array_raw(grpc_call_arena(call), char, cut.len * 3 + 1);
    if (!out) return (struct str){ 0 };
    size_t len = 0;
    for (size_t i = 0; i < cut.len; i++) {
        unsigned char c = (unsigned char)cut.ptr[i];
        if (c >= 0x20 && c <= 0x7e && c != '%') {
            out[len++] = (char)c;
            continue;
        }
        out[len++] = '%';
        out[len++] = DIGITS[c >> 4];
        out[len++] = DIGITS[c & 15];
    }
    return (struct str){ out, len };
}

/* Base64 without padding (binary metadata). */
static struct str encode_details(struct grpc_call *call, struct bytes details)
{
    struct buf text;
    buf_init(&text, mem_source_of(call->ex->sl->server->options.mem, MEM_NETWORK),
             STATUS_TEXT_BYTES_MAX);
    base64_encode(details, BASE64_STD, &text);
    while (text.len > 0 && text.ptr[text.len - 1] == '=')
        text.len--;
    struct str copy = { 0 };
    if (!buf_failed(&text)) copy = arena_str(grpc_call_arena(call), buf_str(&text));
    buf_deinit(&text);
    return copy;
}

static void put_status(struct grpc_call *call, struct status_fields *f, enum grpc_status status,
                       struct str message)
{
    int n = snprintf(f->number, sizeof f->number, "%d", (int)status);
    f->list[f->count++] = (struct http_header){ STR("grpc-status"), { f->number, (size_t)n } };
    if (message.len == 0) return;
    struct str text = encode_message(call, message);
    if (text.len > 0) f->list[f->count++] = (struct http_header){ STR("grpc-message"), text };
}

/* Append one frame: u8 compressed | u32be length | payload. */
static enum err_code put_frame(struct grpc_call *call, struct bytes message, struct buf *out,
                               struct err *err)
{
    uint8_t *head = buf_reserve(out, FRAME_HEAD_BYTES);
    if (!head) return err_set(err, ERR_NOMEM, "no memory for a message");
    size_t start = out->len;
    out->len += FRAME_HEAD_BYTES;
    bool is_packed = call->accepts_gzip && message.len >= COMPRESS_BYTES_MIN &&
                     http_body_gzip(call->ex->sl->server->codecs, message, out);
    if (!is_packed) buf_put(out, message.ptr, message.len);
    size_t len = out->len - start - FRAME_HEAD_BYTES;
    if (buf_failed(out) || len > UINT32_MAX) return err_set(err, ERR_NOMEM, "message too large");
    uint8_t *at = out->ptr + start;
    at[0] = is_packed ? 1 : 0;
    for (unsigned i = 0; i < 4; i++)
        at[1 + i] = (uint8_t)(len >> (24 - 8 * i));
    return ERR_OK;
}

static struct http_answer answer_head(const struct grpc_call *call)
{
    static const struct http_header GZIP = HTTP_HEADER("grpc-encoding", "gzip");
    return (struct http_answer){
        .status = 200,
        .content_type = STR("application/grpc"),
        .headers = &GZIP,
        .header_count = call->accepts_gzip ? 1 : 0,
    };
}

static void init_frame(const struct grpc_call *call, struct buf *frame)
{
    buf_init(frame, mem_source_of(call->ex->sl->server->options.mem, MEM_NETWORK), SIZE_MAX / 2);
}

void grpc_call_reply(struct grpc_call *call, struct bytes message)
{
    ASSERT(!call->is_started);
    struct buf frame;
    init_frame(call, &frame);
    struct err err = { 0 };
    if (put_frame(call, message, &frame, &err) != ERR_OK) {
        buf_deinit(&frame);
        grpc_call_fail(call, &err);
        return;
    }
    static const struct http_header STATUS = HTTP_HEADER("grpc-status", "0");
    struct http_answer answer = answer_head(call);
    answer.take_body = &frame;
    answer.trailers = &STATUS;
    answer.trailer_count = 1;
    http_exchange_answer(call->ex, &answer);
}

enum err_code grpc_call_send(struct grpc_call *call, struct bytes message, uint64_t wait_ms,
                             struct err *err)
{
    if (!call->is_started) {
        struct http_answer answer = answer_head(call);
        http_exchange_start(call->ex, &answer);
        call->is_started = true;
    }
    uint64_t now_ns = clock_mono_ns(call->ex->sl->server->options.clock);
    uint64_t deadline_ns = call->deadline_ns;
    bool is_sooner = deadline_ns > now_ns && (deadline_ns - now_ns) / 1000000 > wait_ms;
    if (is_sooner) deadline_ns = now_ns + wait_ms * 1000000;
    struct buf frame;
    init_frame(call, &frame);
    enum err_code rc = put_frame(call, message, &frame, err);
    if (rc == ERR_OK) rc = http_exchange_write(call->ex, buf_bytes(&frame), deadline_ns, err);
    buf_deinit(&frame);
    return rc;
}

void grpc_call_finish(struct grpc_call *call, enum grpc_status status, struct str message,
                      struct bytes details)
{
    struct status_fields f = { .count = 0 };
    put_status(call, &f, status, message);
    struct str packed = details.len > 0 ? encode_details(call, details) : (struct str){ 0 };
    if (packed.len > 0) {
        f.list[f.count++] = (struct http_header){ STR("grpc-status-details-bin"), packed };
    }
    if (call->is_started) {
        http_exchange_end(call->ex, f.list, f.count);
        return;
    }
    struct http_answer answer = {
        .status = 200,
        .content_type = STR("application/grpc"),
        .headers = f.list,
        .header_count = f.count,
    };
    http_exchange_answer(call->ex, &answer);
}

void grpc_call_fail(struct grpc_call *call, const struct err *err)
{
    char text[ERR_DETAIL_SIZE + 256];
    err_text(err, text, sizeof text);
    grpc_call_finish(call, grpc_status_of_err(err->code), str_of_z(text), (struct bytes){ 0 });
}
