/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

static const struct str METHODS[HTTP_METHOD_COUNT] = {
    [HTTP_GET] = STR_INIT("GET"),       [HTTP_HEAD] = STR_INIT("HEAD"),
    [HTTP_POST] = STR_INIT("POST"),     [HTTP_PUT] = STR_INIT("PUT"),
    [HTTP_DELETE] = STR_INIT("DELETE"), [HTTP_OPTIONS] = STR_INIT("OPTIONS"),
    [HTTP_PATCH] = STR_INIT("PATCH"),   [HTTP_METHOD_OTHER] = STR_INIT(""),
};

enum http_method http_method_of(struct str text)
{
    for (unsigned i = 0; i < HTTP_METHOD_OTHER; i++) {
        if (str_eq(text, METHODS[i])) return (enum http_method)i;
    }
    return HTTP_METHOD_OTHER;
}

struct str http_method_text(enum http_method method)
{
    return method < HTTP_METHOD_COUNT ? METHODS[method] : METHODS[HTTP_METHOD_OTHER];
}

struct str http_request_header(const struct http_request *req, struct str name)
{
    for (uint32_t i = 0; i < req->header_count; i++) {
        if (str_eq_nocase(req->headers[i].name, name)) return req->headers[i].value;
    }
    return (struct str){ 0 };
}

/* The next element of a comma-separated list, split into its name and what follows the first ';'.
 * Empty elements are skipped. */
static bool list_next(struct str *rest, struct str *out_name, struct str *out_params)
{
    struct str part;
    while (str_split(rest, ',', &part)) {
        size_t semicolon = str_index(part, ';');
        *out_name = str_trim(str_sub(part, 0, semicolon));
        *out_params = str_sub(part, semicolon + 1, part.len);
        if (out_name->len > 0) return true;
    }
    return false;
}

bool http_list_has(struct str list, struct str token)
{
    struct str rest = list;
    struct str name;
    struct str params;
    while (list_next(&rest, &name, &params)) {
        if (str_eq_nocase(name, token)) return true;
    }
    return false;
}

/* "0.5" -> 500; RFC 9110 section 12.4.2 allows three decimals. Anything malformed counts as 0. */
static unsigned quality_of(struct str text)
{
    if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1')) return 0;
    unsigned value = text.ptr[0] == '1' ? 1000 : 0;
    if (text.len > 1 && text.ptr[1] != '.') return 0;
    unsigned weight = 100;
    for (size_t i = 2; i < text.len; i++, weight /= 10) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return 0;
        value += (unsigned)(text.ptr[i] - '0') * weight;
    }
    return value > 1000 ? 1000 : value;
}

static unsigned quality_of_params(struct str params)
{
    struct str rest = params;
    struct str part;
    while (str_split(&rest, ';', &part)) {
        part = str_trim(part);
        if (part.len >= 2 && (part.ptr[0] | 0x20) == 'q' && part.ptr[1] == '=') {
            return quality_of(str_sub(part, 2, part.len));
        }
    }
    return 1000;
}

unsigned http_coding_quality(struct str accept_encoding, struct str coding)
{
    struct str rest = accept_encoding;
    struct str name;
    struct str params;
    unsigned any = 0;
    while (list_next(&rest, &name, &params)) {
        if (str_eq_nocase(name, coding)) return quality_of_params(params);
        if (str_eq(name, STR("*"))) any = quality_of_params(params);
    }
    return any;
}

struct str http_media_type(struct str content_type)
{
    return str_trim(str_sub(content_type, 0, str_index(content_type, ';')));
}

struct str http_status_text(unsigned status)
{
    switch (status) {
#define HTTP_STATUS(code, text)                                                                    \
    case code:                                                                                     \
        return STR(text);
#include "net/http_status.inc"
#undef HTTP_STATUS
    default: return STR("");
    }
}

unsigned http_status_of_err(enum err_code code)
{
    switch (code) {
    case ERR_OK: return 200;
    case ERR_NOMEM: return 503;
    case ERR_LIMIT: return 413;
    case ERR_INVALID: return 400;
    case ERR_CORRUPT: return 500;
    case ERR_IO: return 500;
    case ERR_NOTFOUND: return 404;
    case ERR_CONFLICT: return 409;
    case ERR_BUSY: return 503;
    case ERR_TIMEOUT: return 503;
    case ERR_CANCELLED: return 499;
    case ERR_DENIED: return 403;
    case ERR_UNSUPPORTED: return 415;
    case ERR_CODE_COUNT: break;
    }
    return 500;
}

struct http_limits http_limits_default(void)
{
    return (struct http_limits){
        .target_bytes_max = 16u << 10,
        .head_bytes_max = 64u << 10,
        .header_count_max = 100,
        .body_bytes_max = 32u << 20,
        .decoded_bytes_max = 32u << 20,
        .decoded_ratio_max = 100,
        .head_timeout_ms = 10 * 1000,
        .request_timeout_ms = 60 * 1000,
        .body_rate_min = 1024,
        .body_rate_grace_ms = 10 * 1000,
        .idle_timeout_ms = 120 * 1000,
        .write_stall_ms = 60 * 1000,
        .connections_max = 10000,
        .connections_per_peer_max = 1000,
        .pipelined_bytes_max = 64u << 10,
        .answer_queue_bytes_max = 256u << 10,
        .h2_streams_max = 256,
        .h2_resets_max = 1000,
        .h2_reset_window_ms = 30 * 1000,
        .sweep_ms = 500,
    };
}

enum http_coding http_coding_of(struct str content_encoding)
{
    static const struct {
        struct str name;
        enum http_coding coding;
    } CODINGS[] = {
        { STR_INIT(""), HTTP_CODING_IDENTITY },
        { STR_INIT("identity"), HTTP_CODING_IDENTITY },
        { STR_INIT("gzip"), HTTP_CODING_GZIP },
        { STR_INIT("x-gzip"), HTTP_CODING_GZIP },
        { STR_INIT("deflate"), HTTP_CODING_DEFLATE },
        { STR_INIT("zstd"), HTTP_CODING_ZSTD },
        { STR_INIT("snappy"), HTTP_CODING_SNAPPY },
    };
    struct str name = str_trim(content_encoding);
    for (size_t i = 0; i < sizeof CODINGS / sizeof CODINGS[0]; i++) {
        if (str_eq_nocase(name, CODINGS[i].name)) return CODINGS[i].coding;
    }
    return HTTP_CODING_UNKNOWN;
}
