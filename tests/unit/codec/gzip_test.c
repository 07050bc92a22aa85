/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/gzip.h"

#include "compress_test.h"

static struct gzip_decoder *new_decoder(void)
{
    struct gzip_decoder *d = NULL;
    ck_assert_int_eq(gzip_decoder_create(T.budget, MEM_NETWORK, &d, &T.err), ERR_OK);
    return d;
}

static struct gzip_encoder *new_encoder(int level)
{
    struct gzip_encoder *e = NULL;
    ck_assert_int_eq(gzip_encoder_create(T.budget, MEM_NETWORK, level, &e, &T.err), ERR_OK);
    return e;
}

START_TEST(gzip_round_trip)
{
    static const int levels[] = { 1, 6, 12 };
    CLEANUP(gzip_decoder_destroy_p) struct gzip_decoder *d = new_decoder();
    CLEANUP(gzip_encoder_destroy_p)
    struct gzip_encoder *e = new_encoder(levels[_i % 3]);
    struct bytes text = sample_text(SIZES[_i / 3], 3);
    struct buf out;
    buf_init(&out, T.mem, (size_t)8 << 20);
    gzip_encode(e, text, &T.buf);
    ck_assert(!buf_failed(&T.buf));
    ck_assert_int_eq(gzip_decode(d, buf_bytes(&T.buf), &ROOMY, &out, &T.err), ERR_OK);
    assert_bytes_eq(buf_bytes(&out), text);
    buf_reset(&T.buf);
    buf_reset(&out);
    gzip_encode_zlib(e, text, &T.buf);
    ck_assert_int_eq(gzip_decode_zlib(d, buf_bytes(&T.buf), &ROOMY, &out, &T.err), ERR_OK);
    assert_bytes_eq(buf_bytes(&out), text);
    /* raw deflate: the same without header and trailer */
    buf_reset(&out);
    struct bytes raw = { T.buf.ptr + 2, T.buf.len - 6 };
    ck_assert_int_eq(gzip_decode_zlib(d, raw, &ROOMY, &out, &T.err), ERR_OK);
    assert_bytes_eq(buf_bytes(&out), text);
    buf_deinit(&out);
}
END_TEST

/* The last trailer says 0 bytes, which is no measure for the first member. */
START_TEST(size_of_an_empty_last_member_is_no_guess_for_the_first)
{
    CLEANUP(gzip_decoder_destroy_p) struct gzip_decoder *d = new_decoder();
    CLEANUP(gzip_encoder_destroy_p) struct gzip_encoder *e = new_encoder(1);
    struct bytes text = sample_text(100000, 8);
    gzip_encode(e, text, &T.buf);
    gzip_encode(e, bytes_of_z(""), &T.buf);
    struct buf out;
    buf_init(&out, T.mem, 1 << 20);
    ck_assert_int_eq(gzip_decode(d, buf_bytes(&T.buf), &ROOMY, &out, &T.err), ERR_OK);
    assert_bytes_eq(buf_bytes(&out), text);
    buf_deinit(&out);
}
END_TEST

START_TEST(gzip_members_are_concatenated)
{
    CLEANUP(gzip_decoder_destroy_p) struct gzip_decoder *d = new_decoder();
    CLEANUP(gzip_encoder_destroy_p) struct gzip_encoder *e = new_encoder(1);
    gzip_encode(e, bytes_of_z("one "), &T.buf);
    gzip_encode(e, bytes_of_z(""), &T.buf);
    gzip_encode(e, bytes_of_z("two"), &T.buf);
    struct buf out;
    buf_init(&out, T.mem, 1 << 20);
    ck_assert_int_eq(gzip_decode(d, buf_bytes(&T.buf), &ROOMY, &out, &T.err), ERR_OK);
    ck_assert_str_is(buf_str(&out), "one two");
    buf_put_lit(&T.buf, "x");
    ck_assert_int_eq(gzip_decode(d, buf_bytes(&T.buf), &ROOMY, &out, &T.err), ERR_INVALID);
    ck_assert_str_is(buf_str(&out), "one two");
    buf_deinit(&out);
}
END_TEST

static struct bytes bomb(size_t decoded)
{
    CLEANUP(gzip_writer_destroy_p) struct gzip_writer *w = NULL;
    static const uint8_t zeros[65536];
    ck_assert_int_eq(gzip_writer_create(T.budget, MEM_NETWORK, 9, &w, &T.err), ERR_OK);
    buf_reset(&T.buf);
    for (size_t n = 0; n < decoded; n += sizeof zeros)
        gzip_writer_put(w, (struct bytes){ zeros, sizeof zeros }, &T.buf);
    gzip_writer_finish(w, &T.buf);
    ck_assert(!buf_failed(&T.buf));
    return buf_bytes(&T.buf);
}

START_TEST(gzip_bomb_is_stopped_by_size_and_by_ratio)
{
    CLEANUP(gzip_decoder_destroy_p)
    struct gzip_decoder *d = new_decoder();
    struct bytes in = bomb((size_t)64 << 20);
    static const struct decode_limits size = { (size_t)1 << 20, 0 };
    static const struct decode_limits ratio = { (size_t)1 << 30, 100 };
    struct buf out;
    buf_init(&out, T.mem, (size_t)128 << 20);
    ck_assert_int_eq(gzip_decode(d, in, &size, &out, &T.err), ERR_LIMIT);
    ck_assert_uint_le(out.cap, (size_t)2 << 20);
    ck_assert_int_eq(gzip_decode(d, in, &ratio, &out, &T.err), ERR_LIMIT);
    ck_assert_uint_le(out.cap, in.len * 200);
    ck_assert_uint_eq(out.len, 0);
    buf_deinit(&out);
}
END_TEST

START_TEST(small_body_may_exceed_the_ratio)
{
    CLEANUP(gzip_decoder_destroy_p)
    struct gzip_decoder *d = new_decoder();
    struct bytes in = bomb((size_t)1 << 20); /* 1000:1, but only 1 MiB */
    struct buf out;
    buf_init(&out, T.mem, (size_t)8 << 20);
    ck_assert_int_eq(gzip_decode(d, in, &DECODE_LIMITS_DEFAULT, &out, &T.err), ERR_OK);
    ck_assert_uint_eq(out.len, (size_t)1 << 20);
    buf_deinit(&out);
}
END_TEST

START_TEST(gzip_damage_is_refused_and_leaves_the_output)
{
    CLEANUP(gzip_decoder_destroy_p)
    struct gzip_decoder *d = new_decoder();
    CLEANUP(gzip_encoder_destroy_p)
    struct gzip_encoder *e = new_encoder(6);
    gzip_encode(e, sample_text(3000, 4), &T.buf);
    struct buf out;
    buf_init(&out, T.mem, 1 << 20);
    buf_put_lit(&out, "kept");
    for (size_t n = 0; n < T.buf.len; n++) {
        struct bytes cut = { T.buf.ptr, n };
        ck_assert_int_eq(gzip_decode(d, cut, &ROOMY, &out, &T.err), ERR_INVALID);
    }
    T.buf.ptr[T.buf.len - 6] ^= 1; /* CRC */
    ck_assert_int_eq(gzip_decode(d, buf_bytes(&T.buf), &ROOMY, &out, &T.err), ERR_INVALID);
    ck_assert_str_is(buf_str(&out), "kept");
    buf_deinit(&out);
}
END_TEST

/* ---- gzip, streams ---------------------------------------------------------------------- */

START_TEST(stream_written_in_pieces_reads_back_whole_and_in_pieces)
{
    enum gzip_format format = _i % 2 ? GZIP_ZLIB : GZIP_MEMBER;
    struct bytes text = sample_text(300000, (uint64_t)_i);
    CLEANUP(gzip_writer_destroy_p)
    struct gzip_writer *w = NULL;
    CLEANUP(gzip_reader_destroy_p)
    struct gzip_reader *r = NULL;
    CLEANUP(gzip_decoder_destroy_p)
    struct gzip_decoder *d = new_decoder();
    ck_assert_int_eq(gzip_writer_create(T.budget, MEM_NETWORK, 6, &w, &T.err), ERR_OK);
    ck_assert_int_eq(gzip_reader_create(T.budget, MEM_NETWORK, &r, &T.err), ERR_OK);
    struct rng rng;
    rng_init(&rng, (uint64_t)_i);
    for (int round = 0; round < 2; round++) { /* the second time with the same memory */
        buf_reset(&T.buf);
        gzip_writer_reset(w, format);
        for (size_t at = 0; at < text.len;) {
            size_t n = rng_below(&rng, 40000);
            if (n > text.len - at) n = text.len - at;
            gzip_writer_put(w, (struct bytes){ text.ptr + at, n }, &T.buf);
            if (rng_below(&rng, 4) == 0) gzip_writer_flush(w, &T.buf);
            at += n;
        }
        gzip_writer_finish(w, &T.buf);
        ck_assert(!buf_failed(&T.buf));
        struct buf out;
        buf_init(&out, T.mem, (size_t)8 << 20);
        ck_assert_int_eq(format == GZIP_MEMBER
                             ? gzip_decode(d, buf_bytes(&T.buf), &ROOMY, &out, &T.err)
                             : gzip_decode_zlib(d, buf_bytes(&T.buf), &ROOMY, &out, &T.err),
                         ERR_OK);
        assert_bytes_eq(buf_bytes(&out), text);
        buf_reset(&out);
        gzip_reader_reset(r, format, &ROOMY);
        for (size_t at = 0; at < T.buf.len;) {
            ck_assert(!gzip_reader_is_complete(r));
            size_t n = 1 + rng_below(&rng, 3000);
            if (n > T.buf.len - at) n = T.buf.len - at;
            struct bytes piece = { T.buf.ptr + at, n };
            ck_assert_int_eq(gzip_reader_feed(r, piece, &out, &T.err), ERR_OK);
            at += n;
        }
        ck_assert(gzip_reader_is_complete(r));
        assert_bytes_eq(buf_bytes(&out), text);
        buf_deinit(&out);
    }
}
END_TEST

START_TEST(flushed_stream_is_readable_so_far)
{
    CLEANUP(gzip_writer_destroy_p)
    struct gzip_writer *w = NULL;
    CLEANUP(gzip_reader_destroy_p)
    struct gzip_reader *r = NULL;
    ck_assert_int_eq(gzip_writer_create(T.budget, MEM_NETWORK, 1, &w, &T.err), ERR_OK);
    ck_assert_int_eq(gzip_reader_create(T.budget, MEM_NETWORK, &r, &T.err), ERR_OK);
    struct buf out;
    buf_init(&out, T.mem, 1 << 20);
    gzip_writer_put(w, bytes_of_z("hello"), &T.buf);
    gzip_writer_flush(w, &T.buf);
    ck_assert_int_eq(gzip_reader_feed(r, buf_bytes(&T.buf), &out, &T.err), ERR_OK);
    ck_assert_str_is(buf_str(&out), "hello");
    ck_assert(!gzip_reader_is_complete(r));
    buf_deinit(&out);
}
END_TEST

START_TEST(stream_reader_stops_a_bomb)
{
    CLEANUP(gzip_reader_destroy_p)
    struct gzip_reader *r = NULL;
    struct bytes in = bomb((size_t)32 << 20);
    ck_assert_int_eq(gzip_reader_create(T.budget, MEM_NETWORK, &r, &T.err), ERR_OK);
    static const struct decode_limits small = { 100000, 0 };
    gzip_reader_reset(r, GZIP_MEMBER, &small);
    struct buf out;
    buf_init(&out, T.mem, (size_t)64 << 20);
    ck_assert_int_eq(gzip_reader_feed(r, in, &out, &T.err), ERR_LIMIT);
    ck_assert_uint_le(out.cap, 1 << 18);
    ck_assert_int_eq(gzip_reader_feed(r, in, &out, &T.err), ERR_INVALID); /* poisoned */
    gzip_reader_reset(r, GZIP_MEMBER, &DECODE_LIMITS_DEFAULT);
    buf_reset(&out);
    ck_assert_int_eq(gzip_reader_feed(r, in, &out, &T.err), ERR_LIMIT); /* ratio */
    gzip_reader_reset(r, GZIP_MEMBER, &ROOMY);
    buf_reset(&out);
    ck_assert_int_eq(gzip_reader_feed(r, in, &out, &T.err), ERR_OK);
    ck_assert(gzip_reader_is_complete(r));
    buf_deinit(&out);
}
END_TEST

START_TEST(stream_reader_refuses_garbage)
{
    CLEANUP(gzip_reader_destroy_p)
    struct gzip_reader *r = NULL;
    ck_assert_int_eq(gzip_reader_create(T.budget, MEM_NETWORK, &r, &T.err), ERR_OK);
    ck_assert_int_eq(gzip_reader_feed(r, bytes_of_z("plain text"), &T.buf, &T.err), ERR_INVALID);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gzip");
    TCase *tc = codec_case(suite, "gzip");
    tcase_add_loop_test(tc, gzip_round_trip, 0, 3 * SIZE_COUNT);
    tcase_add_test(tc, gzip_members_are_concatenated);
    tcase_add_test(tc, size_of_an_empty_last_member_is_no_guess_for_the_first);
    tcase_add_test(tc, gzip_bomb_is_stopped_by_size_and_by_ratio);
    tcase_add_test(tc, small_body_may_exceed_the_ratio);
    tcase_add_test(tc, gzip_damage_is_refused_and_leaves_the_output);
    tcase_add_loop_test(tc, stream_written_in_pieces_reads_back_whole_and_in_pieces, 0, 6);
    tcase_add_test(tc, flushed_stream_is_readable_so_far);
    tcase_add_test(tc, stream_reader_stops_a_bomb);
    tcase_add_test(tc, stream_reader_refuses_garbage);
    return codec_run(suite);
}
