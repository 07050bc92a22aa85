/* SPDX-License-Identifier: Apache-2.0
 *
 * http_call - prepared requests and their options for curl. Answers are in http_call_result.c.
 */
#include <stdio.h>

#include "base/assert.h"
#include "codec/url.h"
#include "net/http_client_priv.h"

enum {
    TIMEOUT_MS_DEFAULT = 30 * 1000,
    REDIRECTS_MAX = 10,
    HEADER_TEXT_BYTES_MAX = 16 << 10,
    NUMBER_BYTES = 8
};

static const uint64_t BODY_BYTES_DEFAULT = 64u << 20;

/* ---- preparing ------------------------------------------------------------------------------ */

/* Strings are laid into one block. First pass (block NULL): only the size is counted. */
struct block {
    char *ptr;
    size_t size;
};

static char *put_text(struct block *b, struct str s)
{
    char *at = b->ptr ? b->ptr + b->size : NULL;
    if (at) {
        if (s.len > 0) memcpy(at, s.ptr, s.len);
        at[s.len] = '\0';
    }
    b->size += s.len + 1;
    return at;
}

static char *put_text3(struct block *b, struct str first, struct str second, struct str third)
{
    char *at = b->ptr ? b->ptr + b->size : NULL;
    const struct str parts[] = { first, second, third };
    for (size_t i = 0; i < 3; i++) {
        (void)put_text(b, parts[i]);
        b->size--; /* the next part begins on the NUL */
    }
    b->size++;
    return at;
}

static void put_header_line(struct block *b, struct http_call *call, struct http_header header)
{
    b->size = (b->size + _Alignof(struct curl_slist) - 1) & ~(_Alignof(struct curl_slist) - 1);
    struct curl_slist *node = b->ptr ? (struct curl_slist *)(void *)(b->ptr + b->size) : NULL;
    b->size += sizeof *node;
    /* An empty value is written "Name;" for curl; "Name:" would suppress the header. */
    bool is_empty = header.value.len == 0;
    char *text = put_text3(b, header.name, is_empty ? STR(";") : STR(": "), header.value);
    if (!node) return;
    *node = (struct curl_slist){ text, call->headers };
    call->headers = node;
}

/* "Name:" keeps curl from adding its own. */
static void put_no_header(struct block *b, struct http_call *call, struct str name)
{
    put_header_line(b, call, (struct http_header){ name, STR(" ") });
    if (!b->ptr) return;
    char *colon = strchr(call->headers->data, ':');
    colon[1] = '\0';
}

static bool has_header(const struct http_call_options *o, struct str name)
{
    for (uint32_t i = 0; i < o->header_count; i++) {
        if (str_eq_nocase(o->headers[i].name, name)) return true;
    }
    return false;
}

static struct curl_blob put_blob(struct block *b, struct str pem)
{
    void *at = put_text(b, pem);
    return (struct curl_blob){ .data = at, .len = pem.len, .flags = CURL_BLOB_NOCOPY };
}

static struct str port_text(const struct url *url, char *out)
{
    if (url->port == 0) return str_eq_nocase(url->scheme, STR("https")) ? STR("443") : STR("80");
    int n = snprintf(out, NUMBER_BYTES, "%u", (unsigned)url->port);
    return (struct str){ out, (size_t)n };
}

/* TLS to another name than the URL's host: the URL gets that name (curl takes SNI and the name to
 * verify from it), CONNECT_TO leads to the real host, and Host keeps the original. */
static void put_renamed_url(struct block *b, struct http_call *call,
                            const struct http_call_options *o, const struct url *url)
{
    char number[NUMBER_BYTES];
    struct str port = port_text(url, number);
    bool is_ipv6 = str_index(url->host, ':') < url->host.len;
    size_t authority_end = STR("https://").len;
    while (authority_end < o->url.len && !strchr("/?#", o->url.ptr[authority_end]))
        authority_end++;
    struct str tail = str_sub(o->url, authority_end, o->url.len);
    char *start = b->ptr ? b->ptr + b->size : NULL;
    (void)put_text3(b, STR("https://"), o->tls->server_name, STR(":"));
    b->size--;
    (void)put_text3(b, port, tail, STR(""));
    call->url = start;
    char *to = b->ptr ? b->ptr + b->size : NULL;
    (void)put_text3(b, STR("::"), is_ipv6 ? STR("[") : STR(""), url->host);
    b->size--;
    (void)put_text3(b, is_ipv6 ? STR("]:") : STR(":"), port, STR(""));
    call->connect_to_text = to;
    if (has_header(o, STR("Host"))) return;
    struct str authority = str_sub(o->url, STR("https://").len, authority_end);
    if (url->userinfo.len > 0) {
        authority = str_sub(authority, url->userinfo.len + 1, authority.len);
    }
    put_header_line(b, call, (struct http_header){ STR("Host"), authority });
}

static void put_own_headers(struct block *b, struct http_call *call,
                            const struct http_call_options *o)
{
    bool has_body = o->method == HTTP_POST || o->method == HTTP_PUT;
    if (has_body) {
        put_no_header(b, call, STR("Expect"));
        if (!has_header(o, STR("Content-Type"))) put_no_header(b, call, STR("Content-Type"));
    }
    if (o->accept_gzip) {
        put_header_line(b, call, (struct http_header)HTTP_HEADER("Accept-Encoding", "gzip"));
    }
    if (o->bearer_token.len > 0) {
        b->size = (b->size + _Alignof(struct curl_slist) - 1) & ~(_Alignof(struct curl_slist) - 1);
        struct curl_slist *node = b->ptr ? (struct curl_slist *)(void *)(b->ptr + b->size) : NULL;
        b->size += sizeof *node;
        char *text = put_text3(b, STR("Authorization: Bearer "), o->bearer_token, STR(""));
        if (node) {
            *node = (struct curl_slist){ text, call->headers };
            call->headers = node;
        }
    }
}

static void put_all(struct block *b, struct http_call *call, const struct http_call_options *o,
                    const struct url *url)
{
    call->headers = NULL;
    for (uint32_t i = 0; i < o->header_count; i++)
        put_header_line(b, call, o->headers[i]);
    put_own_headers(b, call, o);
    bool is_renamed = o->tls && o->tls->server_name.len > 0 &&
                      str_eq_nocase(url->scheme, STR("https")) &&
                      !str_eq(o->tls->server_name, url->host);
    if (is_renamed) {
        put_renamed_url(b, call, o, url);
    } else {
        call->url = put_text(b, o->url);
    }
    call->user = put_text(b, o->basic_user);
    call->password = put_text(b, o->basic_password);
    call->proxy = put_text(b, o->proxy_url);
    if (o->basic_user.len == 0) call->user = NULL;
    if (!o->tls) return;
    call->has_tls = true;
    call->insecure_skip_verify = o->tls->insecure_skip_verify;
    call->is_tls13_only = o->tls->is_tls13_only;
    call->ca = put_blob(b, o->tls->ca_pem);
    call->certificate = put_blob(b, o->tls->certificate_pem);
    call->key = put_blob(b, o->tls->key_pem);
}

static bool is_text(struct str s)
{
    return s.len == 0 || (!memchr(s.ptr, '\r', s.len) && !memchr(s.ptr, '\n', s.len) &&
                          !memchr(s.ptr, '\0', s.len));
}

static enum err_code check_options(const struct http_call_options *o, struct url *out_url,
                                   struct err *err)
{
    if (!is_text(o->url)) return err_set(err, ERR_INVALID, "invalid URL");
    TRY(url_parse(o->url, out_url, err));
    if (!str_eq_nocase(out_url->scheme, STR("http")) &&
        !str_eq_nocase(out_url->scheme, STR("https"))) {
        return err_setf(err, ERR_INVALID, "unsupported protocol scheme", "\"" STR_FMT "\"",
                        STR_ARG(out_url->scheme));
    }
    bool ok = is_text(o->basic_user) && is_text(o->basic_password) && is_text(o->bearer_token) &&
              is_text(o->proxy_url);
    for (uint32_t i = 0; i < o->header_count; i++) {
        const struct http_header *h = &o->headers[i];
        ok = ok && h->name.len > 0 && is_text(h->name) && is_text(h->value);
    }
    ASSERT(o->wanted_header_count < WANTED_HEADERS_MAX);
    return ok ? ERR_OK : err_set(err, ERR_INVALID, "line break in a header or credential");
}

static void copy_numbers(struct http_call *call, const struct http_call_options *o)
{
    call->method = o->method;
    call->accept_gzip = o->accept_gzip;
    call->follow_redirects = o->follow_redirects;
    call->is_guarded = o->is_guarded;
    call->proxy_from_environment = o->proxy_from_environment;
    call->timeout_ms = o->timeout_ms ? o->timeout_ms : TIMEOUT_MS_DEFAULT;
    call->connect_timeout_ms = o->connect_timeout_ms;
    call->body_bytes_max = o->body_bytes_max ? o->body_bytes_max : BODY_BYTES_DEFAULT;
    call->decoded_bytes_max = o->decoded_bytes_max ? o->decoded_bytes_max : BODY_BYTES_DEFAULT;
    call->wanted[call->wanted_count++].name = STR("Content-Type");
    for (uint32_t i = 0; i < o->wanted_header_count; i++) {
        call->wanted[call->wanted_count++].name = str_of_z(o->wanted_headers[i]);
    }
}

/* For messages: the URL without its password. */
static void put_display_url(struct http_call *call, struct block *b, const struct buf *shown)
{
    call->display_url = put_text(b, buf_str(shown));
}

enum err_code http_call_create(struct http_client *c, const struct http_call_options *options,
                               struct http_call **out, struct err *err)
{
    struct url url = { 0 };
    TRY(check_options(options, &url, err));
    struct mem_budget *mem = c->options.mem;
    const struct mem_source *source = mem_source_of(mem, c->options.account);
    struct http_call *call = mem_zalloc(mem, c->options.account, sizeof *call);
    struct buf shown;
    buf_init(&shown, source, SIZE_MAX / 2);
    url_put_redacted(options->url, &shown);
    struct block b = { 0 };
    if (call && !buf_failed(&shown)) {
        put_all(&b, call, options, &url);
        put_display_url(call, &b, &shown);
        call->block_size = b.size;
        call->block = b.ptr = mem_alloc(mem, c->options.account, b.size);
        b.size = 0;
    }
    if (!b.ptr) {
        buf_deinit(&shown);
        mem_free(mem, c->options.account, call, sizeof *call);
        return err_set(err, ERR_NOMEM, "no memory for a request");
    }
    call->client = c;
    put_all(&b, call, options, &url);
    put_display_url(call, &b, &shown);
    ASSERT(b.size == call->block_size);
    buf_deinit(&shown);
    copy_numbers(call, options);
    buf_init(&call->header_text, source, HEADER_TEXT_BYTES_MAX);
    *out = call;
    return ERR_OK;
}

void http_call_destroy(struct http_call *call)
{
    if (!call) return;
    http_call_cancel(call);
    struct mem_budget *mem = call->client->options.mem;
    enum mem_account account = call->client->options.account;
    buf_deinit(&call->header_text);
    explicit_bzero(call->block, call->block_size); /* credentials */
    mem_free(mem, account, call->block, call->block_size);
    mem_free(mem, account, call, sizeof *call);
}

/* ---- running -------------------------------------------------------------------------------- */

enum err_code http_call_start(struct http_call *call, const struct http_call_start *start,
                              struct err *err)
{
    ASSERT(start->done);
    if (call->state != CALL_IDLE) return err_set(err, ERR_BUSY, "the request is running");
    if (!is_text(start->header.name) || !is_text(start->header.value)) {
        return err_set(err, ERR_INVALID, "line break in a header");
    }
    call->start = *start;
    if (start->answer) buf_reset(start->answer);
    return client_start(call->client, call, err);
}

void http_call_cancel(struct http_call *call)
{
    client_cancel(call->client, call);
}

bool http_call_is_running(const struct http_call *call)
{
    return call->state != CALL_IDLE;
}

/* ---- options for curl ------------------------------------------------------------------------ */

#define SET(option, value) ok = ok && curl_easy_setopt(easy, option, value) == CURLE_OK

static bool set_basics(const struct http_call *call, struct transfer *t)
{
    CURL *easy = t->easy;
    struct http_client *c = t->client;
    bool ok = true;
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PRIVATE, t);
    SET(CURLOPT_ERRORBUFFER, t->error_text);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_URL, call->url);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_USERAGENT, c->options.user_agent.ptr);
    SET(CURLOPT_HEADERFUNCTION, call_on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, call_on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_OPENSOCKETFUNCTION, client_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, t);
    SET(CURLOPT_CLOSESOCKETFUNCTION, client_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, c);
    if (call->is_guarded) {
        SET(CURLOPT_PREREQFUNCTION, client_before_request);
        SET(CURLOPT_PREREQDATA, t);
    }
    SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->body_bytes_max);
    uint64_t timeout_ms = call->start.timeout_ms ? call->start.timeout_ms : call->timeout_ms;
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS,
        (long)(call->connect_timeout_ms ? call->connect_timeout_ms : timeout_ms));
    return ok;
}

static bool set_method(const struct http_call *call, CURL *easy)
{
    struct bytes body = call->start.body;
    bool ok = true;
    switch (call->method) {
    case HTTP_GET: SET(CURLOPT_HTTPGET, 1L); return ok;
    case HTTP_HEAD: SET(CURLOPT_NOBODY, 1L); return ok;
    case HTTP_POST:
    case HTTP_PUT:
    case HTTP_PATCH:
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDS, body.len > 0 ? (const char *)body.ptr : "");
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        if (call->method == HTTP_POST) return ok;
        break;
    case HTTP_DELETE:
    case HTTP_OPTIONS: break;
    case HTTP_METHOD_OTHER:
    case HTTP_METHOD_COUNT: UNREACHABLE();
    }
    SET(CURLOPT_CUSTOMREQUEST, http_method_text(call->method).ptr);
    return ok;
}

static bool set_headers(const struct http_call *call, struct transfer *t)
{
    CURL *easy = t->easy;
    struct http_header extra = call->start.header;
    bool ok = true;
    struct curl_slist *list = call->headers;
    if (extra.name.len > 0) {
        int n = snprintf(t->extra_text, sizeof t->extra_text, STR_FMT ": " STR_FMT,
                         STR_ARG(extra.name), STR_ARG(extra.value));
        ok = n > 0 && (size_t)n < sizeof t->extra_text;
        t->extra = (struct curl_slist){ t->extra_text, list };
        list = &t->extra;
    }
    SET(CURLOPT_HTTPHEADER, list);
    if (call->user) {
        SET(CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(CURLOPT_USERNAME, call->user);
        SET(CURLOPT_PASSWORD, call->password);
    }
    return ok;
}

static bool set_route(struct http_call *call, CURL *easy)
{
    bool ok = true;
    if (call->follow_redirects) {
        SET(CURLOPT_FOLLOWLOCATION, 1L);
        SET(CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
        SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    }
    /* The empty string keeps curl from looking into the environment. */
    bool has_proxy = call->proxy[0] != '\0';
    if (has_proxy || !call->proxy_from_environment) SET(CURLOPT_PROXY, call->proxy);
    if (call->connect_to_text) {
        call->connect_to = (struct curl_slist){ (char *)(uintptr_t)call->connect_to_text, NULL };
        SET(CURLOPT_CONNECT_TO, &call->connect_to);
    }
    return ok;
}

static bool set_tls(const struct http_call *call, CURL *easy)
{
    bool ok = true;
    if (!call->has_tls) return ok;
    if (call->insecure_skip_verify) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (call->is_tls13_only) SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    if (call->ca.len > 0) SET(CURLOPT_CAINFO_BLOB, &call->ca);
    if (call->certificate.len > 0) {
        SET(CURLOPT_SSLCERTTYPE, "PEM");
        SET(CURLOPT_SSLCERT_BLOB, &call->certificate);
        SET(CURLOPT_SSLKEY_BLOB, &call->key);
    }
    return ok;
}

bool call_configure(struct http_call *call, struct transfer *t)
{
    curl_easy_reset(t->easy); /* keeps connections */
    return set_basics(call, t) && set_method(call, t->easy) && set_headers(call, t) &&
           set_route(call, t->easy) && set_tls(call, t->easy);
}
