/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/zstd.h"

#include <zstd.h>

#include "codec/gzip.h"
#include "compress_test.h"

static struct zstd_decoder *new_zstd_decoder(void)
{
    struct zstd_decoder *d = NULL;
    ck_assert_int_eq(zstd_decoder_create(T.budget, MEM_NETWORK, &d, &T.err), ERR_OK);
    return d;
}

START_TEST(zstd_round_trip_and_page)
{
    CLEANUP(zstd_encoder_destroy_p)
    struct zstd_encoder *e = NULL;
    CLEANUP(zstd_decoder_destroy_p)
    struct zstd_decoder *d = new_zstd_decoder();
    ck_assert_int_eq(zstd_encoder_create(T.budget, MEM_COMPACTION, _i % 2 ? 1 : 3, &e, &T.err),
                     ERR_OK);
    struct bytes text = sample_text(SIZES[_i / 2], 5);
    struct buf out;
    buf_init(&out, T.mem, (size_t)8 << 20);
    zstd_encode(e, text, &T.buf);
    zstd_encode(e, text, &T.buf); /* two frames */
    ck_assert(!buf_failed(&T.buf));
    ck_assert_int_eq(zstd_decode(d, buf_bytes(&T.buf), &ROOMY, &out, &T.err), ERR_OK);
    ck_assert_uint_eq(out.len, 2 * text.len);
    assert_bytes_eq((struct bytes){ out.ptr + text.len, text.len }, text);
    buf_deinit(&out);

    size_t cap = zstd_encode_bound(text.len);
    uint8_t *page = arena_alloc(&T.arena, cap, 1, 1);
    uint8_t *back = arena_alloc(&T.arena, text.len + 1, 1, 1);
    ck_assert(page != NULL && back != NULL);
    size_t size = zstd_encode_into(e, text, page, cap);
    ck_assert_uint_gt(size, 0);
    struct bytes frame = { page, size };
    ck_assert_int_eq(zstd_decode_exact(d, frame, back, text.len, &T.err), ERR_OK);
    assert_bytes_eq((struct bytes){ back, text.len }, text);
    ck_assert_int_eq(zstd_decode_exact(d, frame, back, text.len + 1, &T.err), ERR_CORRUPT);
    if (text.len > 0) {
        ck_assert_int_eq(zstd_decode_exact(d, frame, back, text.len - 1, &T.err), ERR_CORRUPT);
        ck_assert_uint_eq(zstd_encode_into(e, text, page, 4), 0);
    }
}
END_TEST

/* A frame without content size, as streaming senders write it. */
static struct bytes unsized_frame(struct bytes text, int window_log)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, window_log);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    uint8_t *dst = buf_reserve(&T.buf, ZSTD_compressBound(text.len));
    ck_assert_ptr_nonnull(dst);
    ZSTD_inBuffer in = { text.ptr, text.len, 0 };
    ZSTD_outBuffer out = { dst, ZSTD_compressBound(text.len), 0 };
    ck_assert_uint_eq(ZSTD_compressStream2(c, &out, &in, ZSTD_e_end), 0);
    (void)ZSTD_freeCCtx(c);
    return (struct bytes){ dst, out.pos };
}

START_TEST(zstd_frame_without_size_is_counted_while_decoding)
{
    CLEANUP(zstd_decoder_destroy_p)
    struct zstd_decoder *d = new_zstd_decoder();
    struct bytes text = sample_text(3000000, 6);
    struct bytes frame = unsized_frame(text, 20);
    struct buf out;
    buf_init(&out, T.mem, (size_t)16 << 20);
    ck_assert_int_eq(zstd_decode(d, frame, &ROOMY, &out, &T.err), ERR_OK);
    assert_bytes_eq(buf_bytes(&out), text);
    buf_reset(&out);
    struct decode_limits exact = { text.len, 0 }, less = { text.len - 1, 0 };
    ck_assert_int_eq(zstd_decode(d, frame, &exact, &out, &T.err), ERR_OK);
    buf_reset(&out);
    ck_assert_int_eq(zstd_decode(d, frame, &less, &out, &T.err), ERR_LIMIT);
    ck_assert_uint_eq(out.len, 0);
    for (size_t n = 0; n < frame.len; n += 1009) {
        struct bytes cut = { frame.ptr, n };
        ck_assert_int_eq(zstd_decode(d, cut, &ROOMY, &out, &T.err), ERR_INVALID);
        ck_assert_uint_eq(out.len, 0);
    }
    buf_deinit(&out);
}
END_TEST

START_TEST(zstd_window_and_declared_size_are_limited)
{
    CLEANUP(zstd_decoder_destroy_p)
    struct zstd_decoder *d = new_zstd_decoder();
    /* magic, descriptor: no single segment, no size; window byte 0xa8 = 2^31 */
    static const uint8_t window[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00 };
    /* single segment, 8-byte content size of 1 TiB */
    static const uint8_t size[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0 };
    ck_assert_int_eq(
        zstd_decode(d, (struct bytes){ window, sizeof window }, &ROOMY, &T.buf, &T.err), ERR_LIMIT);
    ck_assert_int_eq(zstd_decode(d, (struct bytes){ size, sizeof size }, &ROOMY, &T.buf, &T.err),
                     ERR_LIMIT);
    ck_assert_uint_le(T.buf.cap, 1 << 20);
    ck_assert_int_eq(zstd_decode(d, bytes_of_z("not zstd at all"), &ROOMY, &T.buf, &T.err),
                     ERR_INVALID);
}
END_TEST

START_TEST(zstd_contexts_are_charged)
{
    CLEANUP(zstd_encoder_destroy_p)
    struct zstd_encoder *e = NULL;
    ck_assert_int_eq(zstd_encoder_create(T.budget, MEM_COMPACTION, 3, &e, &T.err), ERR_OK);
    uint64_t cold = mem_used(T.budget, MEM_COMPACTION);
    zstd_encode(e, sample_text(300000, 7), &T.buf);
    ck_assert_uint_gt(mem_used(T.budget, MEM_COMPACTION), cold + 100000);
}
END_TEST

/* ---- allocation failure ----------------------------------------------------------------- */

/* The n-th allocation fails: creation reports it and leaves nothing. */
START_TEST(creation_survives_each_allocation_failure)
{
    struct gzip_decoder *gd = NULL;
    struct gzip_encoder *ge = NULL;
    struct gzip_writer *gw = NULL;
    struct gzip_reader *gr = NULL;
    struct zstd_encoder *ze = NULL;
    struct zstd_decoder *zd = NULL;
    mem_test_fail_at(T.budget, (uint64_t)_i + 1, MEM_FAIL_ONCE);
    enum err_code rc[] = { gzip_decoder_create(T.budget, MEM_NETWORK, &gd, &T.err),
                           gzip_encoder_create(T.budget, MEM_NETWORK, 6, &ge, &T.err),
                           gzip_writer_create(T.budget, MEM_NETWORK, 6, &gw, &T.err),
                           gzip_reader_create(T.budget, MEM_NETWORK, &gr, &T.err),
                           zstd_encoder_create(T.budget, MEM_NETWORK, 1, &ze, &T.err),
                           zstd_decoder_create(T.budget, MEM_NETWORK, &zd, &T.err) };
    bool has_fired = mem_test_fired(T.budget);
    mem_test_fail_at(T.budget, 0, MEM_FAIL_OFF);
    int failures = 0;
    for (size_t i = 0; i < 6; i++) {
        ck_assert(rc[i] == ERR_OK || rc[i] == ERR_NOMEM);
        failures += rc[i] != ERR_OK;
    }
    ck_assert_int_eq(failures, has_fired ? 1 : 0);
    gzip_decoder_destroy(gd);
    gzip_encoder_destroy(ge);
    gzip_writer_destroy(gw);
    gzip_reader_destroy(gr);
    zstd_encoder_destroy(ze);
    zstd_decoder_destroy(zd);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("zstd");
    TCase *tc = codec_case(suite, "zstd");
    tcase_add_loop_test(tc, zstd_round_trip_and_page, 0, 2 * SIZE_COUNT);
    tcase_add_test(tc, zstd_frame_without_size_is_counted_while_decoding);
    tcase_add_test(tc, zstd_window_and_declared_size_are_limited);
    tcase_add_test(tc, zstd_contexts_are_charged);
    tcase_add_loop_test(tc, creation_survives_each_allocation_failure, 0, 24);
    return codec_run(suite);
}
