/* SPDX-License-Identifier: Apache-2.0
 *
 * http_call_result - the answer to a call as it arrives, and its outcome as codes and texts.
 */
#include <errno.h>
#include <stdio.h>

#include "net/http_client_priv.h"

/* ---- the answer as it arrives ---------------------------------------------------------------- */

static void forget_headers(struct transfer *t)
{
    struct http_call *call = t->call;
    t->is_gzip = false;
    buf_reset(&call->header_text);
    for (uint32_t i = 0; i < call->wanted_count; i++)
        call->wanted[i].is_present = false;
}

static void keep_header(struct http_call *call, struct str name, struct str value)
{
    for (uint32_t i = 0; i < call->wanted_count; i++) {
        struct wanted_header *w = &call->wanted[i];
        if (w->is_present || !str_eq_nocase(w->name, name)) continue;
        w->offset = call->header_text.len;
        w->len = value.len;
        buf_put_str(&call->header_text, value);
        /* Never empty, so that a present header has a pointer. */
        buf_put_u8(&call->header_text, '\0');
        w->is_present = !buf_failed(&call->header_text);
    }
}

size_t call_on_header(char *data, size_t size, size_t count, void *transfer)
{
    struct transfer *t = transfer;
    size_t len = size * count;
    struct str line = str_trim((struct str){ data, len });
    if (str_starts_with(line, STR("HTTP/"))) {
        forget_headers(t); /* of a redirect or an interim answer */
        return len;
    }
    size_t colon = str_index(line, ':');
    if (colon == line.len) return len;
    struct str name = str_sub(line, 0, colon);
    struct str value = str_trim(str_sub(line, colon + 1, line.len));
    if (t->call->accept_gzip && str_eq_nocase(name, STR("Content-Encoding"))) {
        t->is_gzip = http_coding_of(value) == HTTP_CODING_GZIP;
    }
    keep_header(t->call, name, value);
    return len;
}

size_t call_on_body(char *data, size_t size, size_t count, void *transfer)
{
    struct transfer *t = transfer;
    struct http_call *call = t->call;
    size_t len = size * count;
    t->received_bytes += len;
    if (t->received_bytes > call->body_bytes_max) {
        t->is_over_limit = true;
        return 0;
    }
    struct buf *out = t->is_gzip ? &t->raw : call->start.answer;
    if (!out) return len;
    buf_put(out, data, len);
    if (!buf_failed(out)) return len;
    t->is_over_limit = out->len + len > out->cap_max;
    t->is_out_of_memory = !t->is_over_limit;
    return 0;
}

/* ---- outcome -------------------------------------------------------------------------------- */

/* Texts as Go's net/http prints them, so that a target's last error reads like Prometheus'. */
static enum err_code set_text(const struct http_call *call, struct err *err, enum err_code code,
                              const char *text)
{
    struct str method = http_method_text(call->method);
    char verb[16];
    (void)str_z(method, verb, sizeof verb);
    for (size_t i = 1; verb[0] && verb[i]; i++)
        verb[i] = (char)(verb[i] | 0x20);
    return err_setf(err, code, "request failed", "%s \"%s\": %s", verb, call->display_url, text);
}

static const char *errno_text(long os_errno)
{
    switch (os_errno) {
    case ECONNREFUSED: return "connection refused";
    case ECONNRESET: return "connection reset by peer";
    case ENETUNREACH: return "network is unreachable";
    case EHOSTUNREACH: return "no route to host";
    case EPIPE: return "broken pipe";
    case EADDRNOTAVAIL: return "cannot assign requested address";
    case EMFILE:
    case ENFILE: return "too many open files";
    default: return NULL;
    }
}

static enum err_code fail_connect(const struct http_call *call, struct transfer *t, struct err *err)
{
    long os_errno = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    const char *reason = errno_text(os_errno);
    char text[160];
    (void)snprintf(text, sizeof text, "dial tcp %s: connect: %s", t->dialed,
                   reason ? reason : "connection failed");
    return set_text(call, err, ERR_IO, text);
}

static enum err_code fail_transfer(const struct http_call *call, struct transfer *t,
                                   struct err *err)
{
    long os_errno = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
    const char *reason = errno_text(os_errno);
    char text[160];
    (void)snprintf(text, sizeof text, "read tcp: %s", reason ? reason : "connection failed");
    return set_text(call, err, ERR_IO, text);
}

static enum err_code fail_tls(const struct http_call *call, struct transfer *t, enum err_code code,
                              struct err *err)
{
    char text[CURL_ERROR_SIZE + 64];
    const char *prefix = code == ERR_DENIED ? "failed to verify certificate" : "handshake failed";
    (void)snprintf(text, sizeof text, "tls: %s: %s", prefix, t->error_text);
    return set_text(call, err, code, text);
}

/* long: one row per curl code */
static enum err_code fail_with(const struct http_call *call, struct transfer *t, CURLcode code,
                               struct err *err)
{
    char text[CURL_ERROR_SIZE + 64];
    if (t->is_denied) return set_text(call, err, ERR_DENIED, "address is not allowed");
    if (t->is_over_limit) return set_text(call, err, ERR_LIMIT, "body size limit exceeded");
    if (t->is_out_of_memory) return set_text(call, err, ERR_NOMEM, "out of memory");
    switch ((int)code) {
    case CURLE_OPERATION_TIMEDOUT:
        return set_text(call, err, ERR_TIMEOUT, "context deadline exceeded");
    case CURLE_COULDNT_CONNECT: return fail_connect(call, t, err);
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR: return fail_transfer(call, t, err);
    case CURLE_COULDNT_RESOLVE_HOST:
        return set_text(call, err, ERR_IO, "dial tcp: lookup: no such host");
    case CURLE_COULDNT_RESOLVE_PROXY:
        return set_text(call, err, ERR_IO, "proxyconnect tcp: lookup: no such host");
    case CURLE_GOT_NOTHING: return set_text(call, err, ERR_IO, "EOF");
    case CURLE_PARTIAL_FILE: return set_text(call, err, ERR_IO, "unexpected EOF");
    case CURLE_FILESIZE_EXCEEDED: return set_text(call, err, ERR_LIMIT, "body size limit exceeded");
    case CURLE_TOO_MANY_REDIRECTS: return set_text(call, err, ERR_IO, "stopped after 10 redirects");
    case CURLE_URL_MALFORMAT:
        (void)snprintf(text, sizeof text, "invalid URL: %s", t->error_text);
        return set_text(call, err, ERR_INVALID, text);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL: /* an answer without a status line */
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        (void)snprintf(text, sizeof text, "malformed HTTP response: %s", t->error_text);
        return set_text(call, err, ERR_IO, text);
    case CURLE_OUT_OF_MEMORY: return set_text(call, err, ERR_NOMEM, "out of memory");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR: return fail_tls(call, t, ERR_DENIED, err);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE: return fail_tls(call, t, ERR_IO, err);
    default:
        (void)snprintf(text, sizeof text, "%s",
                       t->error_text[0] ? t->error_text : curl_easy_strerror(code));
        return set_text(call, err, ERR_IO, text);
    }
}

static uint64_t time_ns(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;
    (void)curl_easy_getinfo(easy, info, &us);
    return us > 0 ? (uint64_t)us * 1000 : 0;
}

static enum err_code decode(struct http_call *call, struct transfer *t, struct err *err)
{
    struct buf *answer = call->start.answer;
    if (!t->is_gzip || !answer || t->raw.len == 0) return ERR_OK;
    struct decode_limits limits = { .max_bytes = call->decoded_bytes_max, .max_ratio = 0 };
    struct err why = { 0 };
    enum err_code rc = gzip_decode(t->client->decoder, buf_bytes(&t->raw), &limits, answer, &why);
    if (rc == ERR_LIMIT) return set_text(call, err, rc, "body size limit exceeded");
    if (rc == ERR_NOMEM) return set_text(call, err, rc, "out of memory");
    if (rc != ERR_OK) return set_text(call, err, rc, "gzip: invalid data");
    return ERR_OK;
}

void call_result(struct http_call *call, struct transfer *t, CURLcode code,
                 struct http_call_result *out)
{
    long status = 0;
    long connects = 0;
    (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    out->status = status > 0 ? (unsigned)status : 0;
    out->is_new_connection = connects > 0;
    out->received_bytes = t->received_bytes;
    out->total_ns = time_ns(t->easy, CURLINFO_TOTAL_TIME_T);
    out->connect_ns = time_ns(t->easy, CURLINFO_CONNECT_TIME_T);
    out->first_byte_ns = time_ns(t->easy, CURLINFO_STARTTRANSFER_TIME_T);
    out->code = code == CURLE_OK ? decode(call, t, &out->err) : fail_with(call, t, code, &out->err);
    struct buf *answer = call->start.answer;
    if (out->code == ERR_OK && answer) out->body = buf_bytes(answer);
}

struct str http_call_header(const struct http_call *call, struct str name)
{
    for (uint32_t i = 0; i < call->wanted_count; i++) {
        const struct wanted_header *w = &call->wanted[i];
        if (!w->is_present || !str_eq_nocase(w->name, name)) continue;
        return (struct str){ (const char *)call->header_text.ptr + w->offset, w->len };
    }
    return (struct str){ 0 };
}
