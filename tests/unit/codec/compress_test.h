/* SPDX-License-Identifier: Apache-2.0
 *
 * compress_test - texts and limits for the tests of snappy, gzip and zstd.
 */
#ifndef PHAROS_TESTS_COMPRESS_TEST_H
#define PHAROS_TESTS_COMPRESS_TEST_H

#include "codec/decode_limits.h"
#include "codec_test.h"

static const struct decode_limits ROOMY = { (size_t)32 << 20, 0 };

/* Text that compresses about as telemetry does. */
static struct bytes sample_text(size_t len, uint64_t seed)
{
    static const char *const words[] = {
        "http_requests_total", "{code=\"", "200", "\"} ", "instance", "node-", "10.0.", "\n"
    };
    struct rng rng;
    rng_init(&rng, seed);
    uint8_t *p = arena_alloc(&T.arena, len + 32, 1, 1);
    ck_assert_ptr_nonnull(p);
    for (size_t n = 0; n < len;) {
        struct str word = str_of_z(words[rng_below(&rng, 8)]);
        memcpy(p + n, word.ptr, word.len);
        n += word.len;
        p[n < len ? n : 0] = (uint8_t)rng_u64(&rng);
    }
    return (struct bytes){ p, len };
}

static const size_t SIZES[] = { 0, 1, 17, 100, 4096, 65535, 65536, 1000003 };
enum { SIZE_COUNT = sizeof SIZES / sizeof SIZES[0] };

static void assert_bytes_eq(struct bytes got, struct bytes want)
{
    ck_assert_uint_eq(got.len, want.len);
    ck_assert(want.len == 0 || memcmp(got.ptr, want.ptr, want.len) == 0);
}

#endif
