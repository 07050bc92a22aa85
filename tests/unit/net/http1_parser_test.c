/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http1_parser.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { HEADERS_CAP = 100 };

struct parsed {
    struct http_header headers[HEADERS_CAP];
    struct http_request req;
    struct http1_framing framing;
    struct http1_fault fault;
    bool ok;
};

/* Scan and parse a whole head. */
static struct parsed parse(struct str text)
{
    struct parsed p = { 0 };
    struct http_limits limits = http_limits_default();
    struct http1_scan scan = { 0 };
    size_t len = http1_scan_head(&scan, bytes_of_str(text), &limits, &p.fault);
    if (len == 0) return p;
    struct str head = str_sub(text, scan.head_start, len);
    p.ok = http1_parse_head(head, &limits, p.headers, &p.req, &p.framing, &p.fault);
    return p;
}

static void assert_str(struct str actual, const char *expected)
{
    if (str_eq(actual, str_of_z(expected))) return;
    ck_abort_msg("got '%.*s', want '%s'", (int)actual.len, actual.ptr ? actual.ptr : "", expected);
}

START_TEST(request_line_and_headers_are_split)
{
    struct parsed p = parse(STR("POST /api/v1/query?time=1 HTTP/1.1\r\nHost: a.example:9090\r\n"
                                "content-TYPE:  application/json \r\nX-Empty:\r\n"
                                "Accept-Encoding: gzip\r\nContent-Length: 12\r\n\r\n"));
    ck_assert(p.ok);
    ck_assert_int_eq(p.req.method, HTTP_POST);
    assert_str(p.req.path, "/api/v1/query");
    assert_str(p.req.query, "time=1");
    assert_str(p.req.host, "a.example:9090");
    assert_str(p.req.content_type, "application/json");
    assert_str(p.req.accept_encoding, "gzip");
    ck_assert_uint_eq(p.req.header_count, 5);
    assert_str(p.req.headers[2].name, "X-Empty");
    assert_str(p.req.headers[2].value, "");
    ck_assert(p.req.has_content_length);
    ck_assert_uint_eq(p.req.content_length, 12);
    ck_assert(p.framing.keep_alive);
    ck_assert(!p.framing.is_chunked);
    ck_assert_uint_eq(p.req.version_minor, 1);
    assert_str(http_request_header(&p.req, STR("CONTENT-type")), "application/json");
    ck_assert_ptr_null(http_request_header(&p.req, STR("absent")).ptr);
}
END_TEST

static const struct {
    const char *head;
    const char *path;
    const char *query;
    const char *host;
} TARGETS[] = {
    { "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "/", "", "h" },
    { "GET /a?b?c HTTP/1.1\r\nHost: h\r\n\r\n", "/a", "b?c", "h" },
    { "GET /a%2Fb HTTP/1.1\r\nHost: h\r\n\r\n", "/a%2Fb", "", "h" },
    { "GET http://o:1/p?q HTTP/1.1\r\nHost: h\r\n\r\n", "/p", "q", "o:1" },
    { "GET HTTPS://o HTTP/1.1\r\nHost: h\r\n\r\n", "/", "", "o" },
    { "GET http://o?q HTTP/1.1\r\nHost: h\r\n\r\n", "/", "q", "o" },
    { "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "*", "", "h" },
    { "GET /\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n", "/\xc3\xa9", "", "h" },
    { "\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n", "/x", "", "h" },
    { "GET /x HTTP/1.0\r\n\r\n", "/x", "", "" },
};

START_TEST(target_forms_are_understood)
{
    struct parsed p = parse(str_of_z(TARGETS[_i].head));
    ck_assert(p.ok);
    assert_str(p.req.path, TARGETS[_i].path);
    assert_str(p.req.query, TARGETS[_i].query);
    assert_str(p.req.host, TARGETS[_i].host);
}
END_TEST

#define H "Host: h\r\n"
static const struct {
    const char *head;
    unsigned status;
    enum http_reject reason;
} REFUSED[] = {
    /* line structure */
    { "GET / HTTP/1.1\nHost: h\n\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1\r\nHost: h\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "\r\n\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    /* request line */
    { "GET  / HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1 \r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET /\tHTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET /\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { " GET / HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "G(T / HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET x HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET * HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET /a#b HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET http:///x HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "CONNECT h:80 HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGH / HTTP/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / http/1.1\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.10\r\n" H "\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/2.0\r\n" H "\r\n", 505, HTTP_REJECT_VERSION },
    { "GET / HTTP/0.9\r\n" H "\r\n", 505, HTTP_REJECT_VERSION },
    /* headers */
    { "GET / HTTP/1.1\r\n" H "A : b\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1\r\n" H ": b\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1\r\n" H "no colon\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1\r\n" H "A: \x01\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1\r\n" H "A: \x7f\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    { "GET / HTTP/1.1\r\n\r\n", 400, HTTP_REJECT_BAD_REQUEST },
    /* framing */
    { "GET / HTTP/1.1\r\n" H H "\r\n", 400, HTTP_REJECT_SMUGGLING },
    { "GET / HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400,
      HTTP_REJECT_SMUGGLING },
    { "GET / HTTP/1.1\r\n" H "Content-Length: 1, 1\r\n\r\n", 400, HTTP_REJECT_SMUGGLING },
    { "GET / HTTP/1.1\r\n" H "Content-Length: +1\r\n\r\n", 400, HTTP_REJECT_SMUGGLING },
    { "GET / HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400, HTTP_REJECT_SMUGGLING },
    { "GET / HTTP/1.1\r\n" H "Content-Length: 0x10\r\n\r\n", 400, HTTP_REJECT_SMUGGLING },
    { "GET / HTTP/1.1\r\n" H "Content-Length:\r\n\r\n", 400, HTTP_REJECT_SMUGGLING },
    { "GET / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n", 400,
      HTTP_REJECT_SMUGGLING },
    { "POST / HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
      HTTP_REJECT_SMUGGLING },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
      400, HTTP_REJECT_SMUGGLING },
    { "POST / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 400, HTTP_REJECT_SMUGGLING },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
      HTTP_REJECT_UNSUPPORTED_CODING },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n", 501,
      HTTP_REJECT_UNSUPPORTED_CODING },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n", 501,
      HTTP_REJECT_UNSUPPORTED_CODING },
    { "POST / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n", 417, HTTP_REJECT_EXPECTATION },
};

START_TEST(ambiguous_or_malformed_head_is_refused)
{
    struct parsed p = parse(str_of_z(REFUSED[_i].head));
    ck_assert_msg(!p.ok, "accepted: %s", REFUSED[_i].head);
    ck_assert_msg(p.fault.status == REFUSED[_i].status, "status %u for: %s", p.fault.status,
                  REFUSED[_i].head);
    ck_assert_int_eq(p.fault.reason, REFUSED[_i].reason);
}
END_TEST

START_TEST(nul_byte_anywhere_is_refused)
{
    static const char HEAD[] = "GET /path HTTP/1.1\r\nHost: h\r\nName: value\r\n\r\n";
    char text[sizeof HEAD];
    for (size_t i = 0; i + 5 < sizeof HEAD; i++) {
        memcpy(text, HEAD, sizeof HEAD);
        text[i] = '\0';
        struct parsed p = parse((struct str){ text, sizeof HEAD - 1 });
        ck_assert_msg(!p.ok, "NUL at %zu accepted", i);
    }
}
END_TEST

/* Build "GET /<fill> HTTP/1.1..." with a target of `target` bytes and `headers` headers of `value` bytes. */
static struct str build(size_t target, size_t headers, size_t value)
{
    size_t cap = target + headers * (value + 16) + 64;
    char *text = malloc(cap);
    size_t len = (size_t)snprintf(text, cap, "GET /");
    memset(text + len, 'a', target - 1);
    len += target - 1;
    len += (size_t)snprintf(text + len, cap - len, " HTTP/1.1\r\nHost: h\r\n");
    for (size_t i = 1; i < headers; i++) {
        len += (size_t)snprintf(text + len, cap - len, "H: ");
        memset(text + len, 'v', value);
        len += value;
        len += (size_t)snprintf(text + len, cap - len, "\r\n");
    }
    len += (size_t)snprintf(text + len, cap - len, "\r\n");
    return (struct str){ text, len };
}

static const struct {
    size_t target, headers, value;
    unsigned status; /* 0: accepted */
} SIZES[] = {
    { 16 << 10, 1, 0, 0 }, { (16 << 10) + 1, 1, 0, 414 }, { 40 << 10, 1, 0, 414 },
    { 10, 100, 1, 0 },     { 10, 101, 1, 431 },           { 10, 61, 1000, 0 },
    { 10, 70, 1000, 431 }, { 10, 2, 70000, 431 },
};

START_TEST(size_limits_hold)
{
    struct str head = build(SIZES[_i].target, SIZES[_i].headers, SIZES[_i].value);
    struct parsed p = parse(head);
    ck_assert_uint_eq(p.fault.status, SIZES[_i].status);
    ck_assert(p.ok == (SIZES[_i].status == 0));
    free((void *)(uintptr_t)head.ptr);
}
END_TEST

START_TEST(endless_first_line_is_refused_before_it_ends)
{
    struct str head = build(40 << 10, 1, 0);
    struct http_limits limits = http_limits_default();
    struct http1_scan scan = { 0 };
    struct http1_fault fault = { 0 };
    struct bytes data = { (const uint8_t *)head.ptr, (16 << 10) + 100 };
    ck_assert_uint_eq(http1_scan_head(&scan, data, &limits, &fault), 0);
    ck_assert_uint_eq(fault.status, 414);
    free((void *)(uintptr_t)head.ptr);
}
END_TEST

START_TEST(head_is_found_wherever_it_is_cut)
{
    static const char HEAD[] = "\r\nGET /path HTTP/1.1\r\nHost: h\r\nName: value\r\n\r\nnext";
    struct http_limits limits = http_limits_default();
    size_t total = sizeof HEAD - 1;
    size_t end = total - 4;
    for (size_t cut = 1; cut < total; cut++) {
        struct http1_scan scan = { 0 };
        struct http1_fault fault = { 0 };
        struct bytes part = { (const uint8_t *)HEAD, cut };
        size_t first = http1_scan_head(&scan, part, &limits, &fault);
        ck_assert_uint_eq(first, cut >= end ? end : 0);
        if (first > 0) continue;
        part.len = total;
        ck_assert_uint_eq(http1_scan_head(&scan, part, &limits, &fault), end);
        ck_assert_uint_eq(scan.head_start, 2);
    }
}
END_TEST

static const struct {
    const char *head;
    bool keep_alive, is_chunked, expects_continue, accepts_trailers;
} FRAMINGS[] = {
    { "GET / HTTP/1.1\r\n" H "\r\n", true, false, false, false },
    { "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false, false, false, false },
    { "GET / HTTP/1.1\r\n" H "Connection: TE, Close\r\nTE: trailers\r\n\r\n", false, false, false,
      true },
    { "GET / HTTP/1.0\r\n\r\n", false, false, false, false },
    { "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, false, false, false },
    { "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n", true, true, false, false },
    { "POST / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n", true, false,
      true, false },
    { "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false, false, false,
      false },
    { "GET / HTTP/1.7\r\n" H "\r\n", true, false, false, false },
};

START_TEST(connection_and_framing_headers_are_read)
{
    struct parsed p = parse(str_of_z(FRAMINGS[_i].head));
    ck_assert(p.ok);
    ck_assert_int_eq(p.framing.keep_alive, FRAMINGS[_i].keep_alive);
    ck_assert_int_eq(p.framing.is_chunked, FRAMINGS[_i].is_chunked);
    ck_assert_int_eq(p.framing.expects_continue, FRAMINGS[_i].expects_continue);
    ck_assert_int_eq(p.framing.accepts_trailers, FRAMINGS[_i].accepts_trailers);
}
END_TEST

START_TEST(second_content_encoding_makes_it_unknown)
{
    struct parsed p = parse(STR("POST / HTTP/1.1\r\n" H "Content-Encoding: gzip\r\n"
                                "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\n"));
    ck_assert(p.ok);
    ck_assert_int_eq(http_coding_of(p.req.content_encoding), HTTP_CODING_UNKNOWN);
}
END_TEST

/* ---- chunks ------------------------------------------------------------------------------- */

struct dechunked {
    enum http1_chunk_result result;
    struct http1_fault fault;
    char body[256];
    size_t body_len;
    size_t used;
};

/* Feed `text` in pieces of `step` bytes. */
static struct dechunked dechunk(struct str text, size_t step)
{
    struct dechunked d = { .result = HTTP1_CHUNKS_MORE };
    struct http1_chunks c = { 0 };
    while (d.result == HTTP1_CHUNKS_MORE && d.used < text.len) {
        size_t n = text.len - d.used < step ? text.len - d.used : step;
        struct bytes in = { (const uint8_t *)text.ptr + d.used, n };
        struct bytes data;
        while ((d.result = http1_chunks_read(&c, &in, &data, &d.fault)) == HTTP1_CHUNKS_DATA) {
            ck_assert_uint_le(d.body_len + data.len, sizeof d.body);
            memcpy(d.body + d.body_len, data.ptr, data.len);
            d.body_len += data.len;
        }
        d.used += n - in.len;
    }
    return d;
}

START_TEST(chunked_body_is_put_together_at_every_cut)
{
    struct str text =
        STR("5\r\nhello\r\n1;ext=\"x\"\r\n,\r\n0006\r\n world\r\n0\r\nTrailer: t\r\n\r\nGET");
    struct dechunked d = dechunk(text, (size_t)_i);
    ck_assert_int_eq(d.result, HTTP1_CHUNKS_DONE);
    ck_assert_uint_eq(d.body_len, 12);
    ck_assert_mem_eq(d.body, "hello, world", 12);
    ck_assert_uint_eq(d.used, text.len - 3);
}
END_TEST

static const struct {
    const char *text;
    unsigned status;
} BAD_CHUNKS[] = {
    { "\r\n", 400 },
    { "g\r\n", 400 },
    { "-1\r\n", 400 },
    { " 1\r\n", 400 },
    { "0x1\r\n", 400 },
    { "1\nx", 400 },
    { "1\rx", 400 },
    { "1\r\nxy", 400 },
    { "1\r\nx\n", 400 },
    { "1\r\nx\r\r", 400 },
    { "1;a\nb\r\n", 400 },
    { "1;a\x01\r\n", 400 },
    { "00000000000000001\r\nx", 400 }, /* 17 digits */
    { "0\r\n\n", 400 },
    { "0\r\n: v\r\n\r\n", 400 },
    { "0\r\nA: b\n\r\n", 400 },
    { "0\r\n\rx", 400 },
};

START_TEST(malformed_chunk_is_refused)
{
    struct dechunked d = dechunk(str_of_z(BAD_CHUNKS[_i].text), 1);
    ck_assert_int_eq(d.result, HTTP1_CHUNKS_BAD);
    ck_assert_uint_eq(d.fault.status, BAD_CHUNKS[_i].status);
}
END_TEST

START_TEST(chunk_of_sixteen_digits_is_read)
{
    struct dechunked d = dechunk(STR("0000000000000001\r\nx\r\n0\r\n\r\n"), 100);
    ck_assert_int_eq(d.result, HTTP1_CHUNKS_DONE);
    ck_assert_uint_eq(d.body_len, 1);
}
END_TEST

START_TEST(endless_extensions_are_refused_but_one_byte_chunks_are_not)
{
    struct http1_chunks c = { 0 };
    struct http1_fault fault = { 0 };
    struct bytes data;
    for (unsigned i = 0; i < 100000; i++) {
        struct bytes in = { (const uint8_t *)"1\r\nx\r\n", 6 };
        ck_assert_int_eq(http1_chunks_read(&c, &in, &data, &fault), HTTP1_CHUNKS_DATA);
        ck_assert_int_eq(http1_chunks_read(&c, &in, &data, &fault), HTTP1_CHUNKS_MORE);
    }
    char extension[100];
    memset(extension, 'e', sizeof extension);
    extension[0] = '1';
    extension[1] = ';';
    enum http1_chunk_result result = HTTP1_CHUNKS_MORE;
    for (unsigned i = 0; i < 1000 && result != HTTP1_CHUNKS_BAD; i++) {
        struct bytes in = { (const uint8_t *)extension, i == 0 ? sizeof extension : 50 };
        if (i > 0) in.ptr += 2;
        result = http1_chunks_read(&c, &in, &data, &fault);
    }
    ck_assert_int_eq(result, HTTP1_CHUNKS_BAD);
    ck_assert_uint_eq(fault.status, 400);
}
END_TEST

START_TEST(endless_trailers_are_refused)
{
    struct http1_chunks c = { 0 };
    struct http1_fault fault = { 0 };
    struct bytes data;
    struct bytes in = { (const uint8_t *)"0\r\n", 3 };
    ck_assert_int_eq(http1_chunks_read(&c, &in, &data, &fault), HTTP1_CHUNKS_MORE);
    enum http1_chunk_result result = HTTP1_CHUNKS_MORE;
    for (unsigned i = 0; i < 5000 && result != HTTP1_CHUNKS_BAD; i++) {
        in = (struct bytes){ (const uint8_t *)"Name: v\r\n", 9 };
        result = http1_chunks_read(&c, &in, &data, &fault);
    }
    ck_assert_int_eq(result, HTTP1_CHUNKS_BAD);
    ck_assert_uint_eq(fault.status, 431);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof(table)[0])

int main(void)
{
    Suite *suite = suite_create("http1_parser");
    TCase *head = tcase_create("head");
    tcase_add_test(head, request_line_and_headers_are_split);
    tcase_add_loop_test(head, target_forms_are_understood, 0, COUNT(TARGETS));
    tcase_add_loop_test(head, ambiguous_or_malformed_head_is_refused, 0, COUNT(REFUSED));
    tcase_add_test(head, nul_byte_anywhere_is_refused);
    tcase_add_loop_test(head, size_limits_hold, 0, COUNT(SIZES));
    tcase_add_test(head, endless_first_line_is_refused_before_it_ends);
    tcase_add_test(head, head_is_found_wherever_it_is_cut);
    tcase_add_loop_test(head, connection_and_framing_headers_are_read, 0, COUNT(FRAMINGS));
    tcase_add_test(head, second_content_encoding_makes_it_unknown);
    suite_add_tcase(suite, head);
    TCase *chunks = tcase_create("chunks");
    tcase_add_loop_test(chunks, chunked_body_is_put_together_at_every_cut, 1, 70);
    tcase_add_loop_test(chunks, malformed_chunk_is_refused, 0, COUNT(BAD_CHUNKS));
    tcase_add_test(chunks, chunk_of_sixteen_digits_is_read);
    tcase_add_test(chunks, endless_extensions_are_refused_but_one_byte_chunks_are_not);
    tcase_add_test(chunks, endless_trailers_are_refused);
    suite_add_tcase(suite, chunks);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
