/* SPDX-License-Identifier: Apache-2.0
 *
 * A chunked body gives the same bytes and the same verdict however it is cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/http1_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 1 << 16 };

struct outcome {
    enum http1_chunk_result result;
    unsigned status;
    size_t used, body_len;
    uint8_t body[BODY_MAX];
};

static void read_all(const uint8_t *data, size_t size, size_t step, struct outcome *out)
{
    struct http1_chunks c = { 0 };
    struct http1_fault fault = { 0 };
    out->result = HTTP1_CHUNKS_MORE;
    out->used = out->body_len = 0;
    while (out->result == HTTP1_CHUNKS_MORE && out->used < size) {
        size_t n = size - out->used < step ? size - out->used : step;
        struct bytes in = { data + out->used, n };
        struct bytes piece;
        while ((out->result = http1_chunks_read(&c, &in, &piece, &fault)) == HTTP1_CHUNKS_DATA) {
            if (piece.len == 0 || piece.len > BODY_MAX - out->body_len) abort();
            memcpy(out->body + out->body_len, piece.ptr, piece.len);
            out->body_len += piece.len;
        }
        out->used += n - in.len;
    }
    out->status = out->result == HTTP1_CHUNKS_BAD ? fault.status : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole;
    static struct outcome cut;
    if (size < 1 || size > BODY_MAX) return 0;
    read_all(data + 1, size - 1, BODY_MAX, &whole);
    read_all(data + 1, size - 1, 1 + data[0] % 16, &cut);
    if (whole.result != cut.result || whole.status != cut.status || whole.used != cut.used) abort();
    if (whole.body_len != cut.body_len || memcmp(whole.body, cut.body, whole.body_len) != 0)
        abort();
    return 0;
}
