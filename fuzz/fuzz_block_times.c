/* SPDX-License-Identifier: Apache-2.0
 *
 * Timestamps of blocks. First byte even: the rest is codec, count, descriptor and payload, which must give
 * ascending times or be refused; 255: a whole timestamp dictionary. Odd: the rest is deltas, which must survive a
 * round trip.
 */
#include <stdlib.h>
#include <string.h>

#include "metrics/block/bitpack.h"
#include "metrics/block/time_codec.h"
#include "metrics/block/time_dict.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t got[VECTOR_SAMPLES_MAX], plain[VECTOR_SAMPLES_MAX];
static const struct time_limits ANY = { INT64_MIN, INT64_MAX };

static void check_ascending(size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (got[i] <= got[i - 1]) __builtin_trap();
}

static uint8_t *exact_copy(const uint8_t *data, size_t size, size_t slack)
{
    uint8_t *copy = calloc(1, size + slack + 1);
    if (copy && size > 0) memcpy(copy, data, size);
    return copy;
}

static void decode(const uint8_t *data, size_t size)
{
    struct rd r = rd_of((struct bytes){ data, size });
    struct time_desc d = { .codec = rd_u8(&r) };
    size_t count = (size_t)rd_u16le(&r) % VECTOR_SAMPLES_MAX + 1;
    if (!time_desc_read(&r, count, 1700000000000, &d) || d.codec == TIME_SHARED) return;
    size_t left = rd_left(&r);
    uint8_t *payload = exact_copy(r.pos, left, BITPACK_SLACK - 1);
    if (!payload) return;
    struct rd p = rd_of((struct bytes){ payload, left });
    if (time_decode(&d, &p, count, ANY, got, NULL) == ERR_OK) check_ascending(count);
    free(payload);
}

static void dictionary(const uint8_t *data, size_t size)
{
    uint8_t *copy = exact_copy(data, size, 0);
    if (!copy) return;
    struct time_dict_view view = { { copy, size }, 1700000000000 };
    (void)(time_dict_verify(&view, NULL) == ERR_OK);
    for (uint32_t id = 0; id < 20; id++)
        if (time_dict_decode(&view, id, 480, ANY, got, NULL) == ERR_OK) check_ascending(480);
    free(copy);
}

static void round_trip(const uint8_t *data, size_t size)
{
    size_t count = size / 3 < VECTOR_SAMPLES_MAX ? size / 3 : VECTOR_SAMPLES_MAX;
    if (count < 2) return;
    int64_t at = 1700000000000;
    for (size_t i = 0; i < count; i++) {
        at += 1 + (data[3 * i] | (int64_t)data[3 * i + 1] << 8 | (int64_t)data[3 * i + 2] << 16);
        plain[i] = at;
    }
    struct mem_budget *mem = mem_budget_create(64u << 20);
    struct buf payload, column;
    struct time_desc d;
    buf_init(&payload, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    buf_init(&column, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    if (!time_encode_regular(plain, count, &d))
        time_encode_irregular(plain, count, data[0] % 2 > 0, &payload, &d);
    time_desc_put(&d, 1699999999000, &column);
    struct time_desc read = { .codec = d.codec };
    struct rd r = rd_of(buf_bytes(&column));
    if (!time_desc_read(&r, count, 1699999999000, &read) || rd_left(&r) != 0) __builtin_trap();
    size_t payload_size = payload.len;
    buf_put_u64le(&payload, UINT64_MAX);
    r = rd_of((struct bytes){ payload.ptr, payload_size });
    struct time_limits exact = { plain[0], plain[count - 1] };
    if (time_decode(&read, &r, count, exact, got, NULL) != ERR_OK || rd_left(&r) != 0)
        __builtin_trap();
    if (memcmp(got, plain, count * sizeof *got) != 0) __builtin_trap();
    buf_deinit(&payload);
    buf_deinit(&column);
    mem_budget_destroy(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 16384) return 0;
    if (data[0] == 255)
        dictionary(data + 1, size - 1);
    else if (data[0] % 2 == 0)
        decode(data + 1, size - 1);
    else
        round_trip(data + 1, size - 1);
    return 0;
}
