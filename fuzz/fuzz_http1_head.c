/* SPDX-License-Identifier: Apache-2.0
 *
 * The head of an HTTP/1.1 request: however it is cut, the scanner finds the same end or refuses it;
 * what the parser accepts has no byte that could split it differently downstream.
 */
#include <stdint.h>
#include <stdlib.h>

#include "net/http1_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEADERS_MAX = 20 };

static void require(int ok)
{
    if (!ok) abort();
}

static void check_slice(struct str part, struct bytes whole)
{
    if (part.len == 0) return;
    for (size_t i = 0; i < part.len; i++) {
        require(part.ptr[i] != '\0' && part.ptr[i] != '\r' && part.ptr[i] != '\n');
    }
    const uint8_t *ptr = (const uint8_t *)part.ptr;
    bool is_inside = ptr >= whole.ptr && ptr + part.len <= whole.ptr + whole.len;
    require(is_inside || str_eq(part, STR("/")) || str_eq(part, STR("multiple")));
}

/* Returns whether it was accepted. */
static bool parse(struct bytes whole, size_t from, size_t end, const struct http_limits *limits)
{
    struct http_header headers[HEADERS_MAX];
    struct http_request req;
    struct http1_framing framing;
    struct http1_fault fault;
    struct str head = str_sub(str_of_bytes(whole), from, end);
    if (!http1_parse_head(head, limits, headers, &req, &framing, &fault)) {
        require(fault.status >= 400);
        return false;
    }
    require(!(framing.is_chunked && req.has_content_length));
    require(req.path.len > 0 && (req.path.ptr[0] == '/' || req.path.ptr[0] == '*'));
    require(req.header_count <= HEADERS_MAX);
    check_slice(req.path, whole);
    check_slice(req.query, whole);
    check_slice(req.host, whole);
    for (uint32_t i = 0; i < req.header_count; i++) {
        require(headers[i].name.len > 0);
        check_slice(headers[i].name, whole);
        check_slice(headers[i].value, whole);
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_limits limits = http_limits_default();
    limits.header_count_max = HEADERS_MAX;
    limits.head_bytes_max = 4096;
    limits.target_bytes_max = 512;
    struct bytes whole = { data, size };
    struct http1_scan at_once = { 0 };
    struct http1_fault fault;
    size_t end = http1_scan_head(&at_once, whole, &limits, &fault);
    unsigned status = fault.status;
    struct http1_scan stepwise = { 0 };
    size_t found = 0;
    fault.status = 0;
    for (size_t n = 1; n <= size && found == 0 && fault.status == 0; n++) {
        found = http1_scan_head(&stepwise, (struct bytes){ data, n }, &limits, &fault);
    }
    require(status == 0 || fault.status != 0);
    if (end == 0) return 0;
    bool is_accepted = parse(whole, at_once.head_start, end, &limits);
    /* Byte by byte a long first line is refused before its end; an accepted head never is. */
    require(!is_accepted || (found == end && stepwise.head_start == at_once.head_start));
    return 0;
}
