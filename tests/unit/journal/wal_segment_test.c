/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/wal_segment.h"

#include <check.h>
#include <string.h>

/* The worked examples of storage-engine.md section 5. */
static const uint8_t SAMPLES_PAYLOAD[13] = { 0x00, 0xb0, 0x8a, 0xad, 0xfe, 0xf9, 0x62,
                                             0x01, 0x64, 0x04, 0x02, 0x11, 0x01 };
static const uint8_t SAMPLES_RECORD[25] = { 0x0d, 0x00, 0x00, 0x00, 0x66, 0x69, 0xc9, 0xbc, 0x02,
                                            0x00, 0x00, 0x00, 0x00, 0xb0, 0x8a, 0xad, 0xfe, 0xf9,
                                            0x62, 0x01, 0x64, 0x04, 0x02, 0x11, 0x01 };
static const uint8_t SERIES_PAYLOAD[22] = { 0x00, 0x01, 0x64, 0x02, 0x08, 0x5f, 0x5f, 0x6e,
                                            0x61, 0x6d, 0x65, 0x5f, 0x5f, 0x02, 0x75, 0x70,
                                            0x03, 0x6a, 0x6f, 0x62, 0x01, 0x61 };

START_TEST(frame_of_the_samples_example_has_its_bytes)
{
    struct journal_record rec = { .type = JOURNAL_SAMPLES,
                                  .payload = { SAMPLES_PAYLOAD, sizeof SAMPLES_PAYLOAD } };
    uint8_t frame[JOURNAL_FRAME_BYTES];
    wal_frame_encode(&rec, frame);
    ck_assert_mem_eq(frame, SAMPLES_RECORD, sizeof frame);
}
END_TEST

START_TEST(frame_of_the_series_example_has_its_crc)
{
    struct journal_record rec = { .type = JOURNAL_SERIES, .payload = { SERIES_PAYLOAD, 22 } };
    uint8_t frame[JOURNAL_FRAME_BYTES];
    static const uint8_t expected[JOURNAL_FRAME_BYTES] = { 22,   0,    0, 0, 0x18, 0x06,
                                                           0x65, 0xb4, 1, 0, 0,    0 };
    wal_frame_encode(&rec, frame);
    ck_assert_mem_eq(frame, expected, sizeof frame);
}
END_TEST

START_TEST(batch_types_carry_format_one)
{
    struct journal_record rec = { .type = 0x21, .payload = { SAMPLES_PAYLOAD, 1 } };
    uint8_t frame[JOURNAL_FRAME_BYTES + 4] = { 0 };
    wal_frame_encode(&rec, frame);
    ck_assert_uint_eq(frame[10], 1);
    ck_assert_uint_eq(frame[11], 0);
    frame[12] = SAMPLES_PAYLOAD[0];
    struct journal_record out;
    size_t bytes;
    ck_assert_int_eq(wal_record_parse((struct bytes){ frame, 16 }, 16, &out, &bytes),
                     WAL_PARSE_RECORD);
    frame[10] = 2; /* newer data: never guessed */
    ck_assert_int_eq(wal_record_parse((struct bytes){ frame, 16 }, 16, &out, &bytes),
                     WAL_PARSE_BAD);
}
END_TEST

START_TEST(record_is_read_back)
{
    uint8_t in[28] = { 0 };
    memcpy(in, SAMPLES_RECORD, sizeof SAMPLES_RECORD);
    struct journal_record rec;
    size_t bytes = 0;
    ck_assert_int_eq(wal_record_parse((struct bytes){ in, sizeof in }, sizeof in, &rec, &bytes),
                     WAL_PARSE_RECORD);
    ck_assert_uint_eq(bytes, 28);
    ck_assert_uint_eq(rec.type, JOURNAL_SAMPLES);
    ck_assert_uint_eq(rec.flags, 0);
    ck_assert_uint_eq(rec.payload.len, sizeof SAMPLES_PAYLOAD);
    ck_assert_mem_eq(rec.payload.ptr, SAMPLES_PAYLOAD, sizeof SAMPLES_PAYLOAD);
}
END_TEST

/* _i = bytes present of the 28; the segment goes on behind them. */
START_TEST(part_of_a_record_asks_for_more)
{
    struct journal_record rec;
    size_t bytes = 0;
    struct bytes in = { SAMPLES_RECORD, (size_t)_i };
    ck_assert_int_eq(wal_record_parse(in, 1000, &rec, &bytes), WAL_PARSE_MORE);
    ck_assert_uint_eq(bytes, _i < 12 ? 12 : 28);
}
END_TEST

/* _i = bytes up to the end of the segment. */
START_TEST(record_beyond_the_end_is_bad_or_the_end)
{
    struct journal_record rec;
    size_t bytes = 0;
    struct bytes in = { SAMPLES_RECORD, (size_t)_i };
    enum wal_parse parsed = wal_record_parse(in, (size_t)_i, &rec, &bytes);
    ck_assert_int_eq(parsed, _i < 12 ? WAL_PARSE_END : _i < 25 ? WAL_PARSE_BAD : WAL_PARSE_RECORD);
}
END_TEST

/* _i = bit that is wrong. */
START_TEST(flipped_bit_is_noticed)
{
    uint8_t in[28] = { 0 };
    memcpy(in, SAMPLES_RECORD, sizeof SAMPLES_RECORD);
    in[_i / 8] ^= (uint8_t)(1 << (_i % 8));
    struct journal_record rec;
    size_t bytes = 0;
    ck_assert_int_ne(wal_record_parse((struct bytes){ in, sizeof in }, sizeof in, &rec, &bytes),
                     WAL_PARSE_RECORD);
}
END_TEST

START_TEST(length_above_the_limit_is_bad_without_reading_on)
{
    static const uint8_t in[12] = { 1, 0, 0x10, 0 };
    struct journal_record rec;
    size_t bytes;
    ck_assert_int_eq(wal_record_parse((struct bytes){ in, sizeof in }, UINT64_MAX, &rec, &bytes),
                     WAL_PARSE_BAD);
}
END_TEST

START_TEST(zeros_are_the_end)
{
    static const uint8_t in[64] = { 0 };
    struct journal_record rec;
    size_t bytes;
    ck_assert_int_eq(wal_record_parse((struct bytes){ in, sizeof in }, 64, &rec, &bytes),
                     WAL_PARSE_END);
}
END_TEST

START_TEST(header_has_its_bytes_and_is_read_back)
{
    static const uint8_t expected[16] = { 'P', 'H', 'W', 'L', 1, 0, 0, 0, 0x11, 0, 0, 0, 0 };
    uint8_t header[WAL_HEADER_BYTES];
    struct err err = { 0 };
    wal_header_encode(0x11, header);
    ck_assert_mem_eq(header, expected, sizeof header);
    struct bytes in = { header, sizeof header };
    ck_assert_int_eq(wal_header_decode(in, 0x11, &err), ERR_OK);
    ck_assert_int_eq(wal_header_decode(in, 0x12, &err), ERR_CORRUPT);
    in.len--;
    ck_assert_int_eq(wal_header_decode(in, 0x11, &err), ERR_CORRUPT);
}
END_TEST

START_TEST(header_with_any_flipped_bit_is_refused)
{
    uint8_t header[WAL_HEADER_BYTES];
    struct err err = { 0 };
    wal_header_encode(5, header);
    header[_i / 8] ^= (uint8_t)(1 << (_i % 8));
    ck_assert_int_eq(wal_header_decode((struct bytes){ header, sizeof header }, 5, &err),
                     ERR_CORRUPT);
}
END_TEST

START_TEST(epoch_is_read_back)
{
    const struct wal_epoch in = { .identity = { 0x0102030405060708u, 6 },
                                  .continues = true,
                                  .previous_bytes = 0xa1b2c3d4u };
    static const uint8_t payload[16] = {
        8, 7, 6, 5, 4, 3, 2, 1, 6, 1, 0, 0, 0xd4, 0xc3, 0xb2, 0xa1
    };
    uint8_t record[WAL_EPOCH_BYTES];
    wal_epoch_encode(&in, record);
    ck_assert_mem_eq(record + JOURNAL_FRAME_BYTES, payload, sizeof payload);
    struct journal_record rec;
    size_t bytes;
    struct bytes whole = { record, sizeof record };
    ck_assert_int_eq(wal_record_parse(whole, sizeof record, &rec, &bytes), WAL_PARSE_RECORD);
    ck_assert_uint_eq(rec.type, JOURNAL_EPOCH);
    struct wal_epoch out;
    ck_assert(wal_epoch_decode(rec.payload, &out));
    ck_assert_uint_eq(out.identity.hash_seed, in.identity.hash_seed);
    ck_assert_uint_eq(out.identity.shards_log2, in.identity.shards_log2);
    ck_assert(out.continues);
    ck_assert_uint_eq(out.previous_bytes, in.previous_bytes);
}
END_TEST

START_TEST(epoch_of_another_shape_is_refused)
{
    uint8_t payload[17] = { 0 };
    struct wal_epoch out;
    ck_assert(wal_epoch_decode((struct bytes){ payload, 16 }, &out));
    ck_assert(!wal_epoch_decode((struct bytes){ payload, 15 }, &out));
    ck_assert(!wal_epoch_decode((struct bytes){ payload, 17 }, &out));
    payload[9] = 2; /* an unknown flag */
    ck_assert(!wal_epoch_decode((struct bytes){ payload, 16 }, &out));
}
END_TEST

START_TEST(names_are_eight_digits)
{
    char name[WAL_NAME_SIZE];
    uint64_t number = 0;
    wal_name(name, "checkpoint.", 16, ".tmp");
    ck_assert_str_eq(name, "checkpoint.00000016.tmp");
    ck_assert(wal_name_parse("00000017", "", &number));
    ck_assert_uint_eq(number, 17);
    ck_assert(wal_name_parse("checkpoint.00000016", "checkpoint.", &number));
    ck_assert_uint_eq(number, 16);
    static const char *const others[] = { "",         "0000001",  "000000170",
                                          "0000001a", "LOCK",     "00000017.tmp",
                                          "-0000001", " 0000001", "checkpoint" };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        ck_assert(!wal_name_parse(others[i], "", &number));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("wal_segment");
    TCase *tc = tcase_create("format");
    tcase_add_test(tc, frame_of_the_samples_example_has_its_bytes);
    tcase_add_test(tc, frame_of_the_series_example_has_its_crc);
    tcase_add_test(tc, batch_types_carry_format_one);
    tcase_add_test(tc, record_is_read_back);
    tcase_add_loop_test(tc, part_of_a_record_asks_for_more, 0, 26);
    tcase_add_loop_test(tc, record_beyond_the_end_is_bad_or_the_end, 0, 26);
    tcase_add_loop_test(tc, flipped_bit_is_noticed, 0, 25 * 8);
    tcase_add_test(tc, length_above_the_limit_is_bad_without_reading_on);
    tcase_add_test(tc, zeros_are_the_end);
    tcase_add_test(tc, header_has_its_bytes_and_is_read_back);
    tcase_add_loop_test(tc, header_with_any_flipped_bit_is_refused, 0, 128);
    tcase_add_test(tc, epoch_is_read_back);
    tcase_add_test(tc, epoch_of_another_shape_is_refused);
    tcase_add_test(tc, names_are_eight_digits);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
