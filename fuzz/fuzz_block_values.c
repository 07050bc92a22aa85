/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of blocks. First byte even: the rest is codec, count, descriptor and payload, decoded here and by a plain
 * reference, which must agree. Odd: the rest is doubles, which must survive a round trip.
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "metrics/block/bitpack.h"
#include "metrics/block/value_codec.h"
#include "os/mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct value_scratch scratch;
static struct value_encoder encoder;
static double got[VECTOR_SAMPLES_MAX + 16], plain[VECTOR_SAMPLES_MAX + 16];

/* ---- the reference: one bit, one sample at a time ---- */

static uint64_t slow_bits(const uint8_t *p, size_t first_bit, unsigned w)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < w; i++)
        v |= (uint64_t)(p[(first_bit + i) / 8] >> ((first_bit + i) % 8) & 1) << i;
    return v;
}

static double slow_double(uint64_t x, unsigned exponent)
{
    static const double pow10[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                    1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18 };
    return exponent == VALUE_EXPONENT_RAW ? double_of_bits(x)
                                          : (double)(int64_t)x / pow10[exponent];
}

/* FOR, DELTA, DOD without specials, of a payload that the decoder accepted. */
static void slow_packed(const struct value_desc *d, unsigned codec, const uint8_t *p, size_t count)
{
    static uint64_t u[VECTOR_SAMPLES_MAX];
    size_t n = count - (size_t)(codec - VALUE_FOR);
    const uint8_t *at = p + bitpack_size(n, d->w), *high = at + bitpack_size(d->patches, 10);
    for (size_t i = 0; i < n; i++)
        u[i] = slow_bits(p, i * d->w, d->w);
    for (size_t i = 0; i < d->patches; i++)
        u[slow_bits(at, i * 10, 10)] |= slow_bits(high, i * d->wx, d->wx) << d->w;
    uint64_t y = 0, delta = (uint64_t)d->base;
    for (size_t i = 0; i < count; i++) {
        if (codec == VALUE_FOR) y = (uint64_t)d->base + u[i];
        if (codec == VALUE_DELTA && i > 0) y += (uint64_t)d->base + u[i - 1];
        if (codec == VALUE_DOD && i > 1) delta += (u[i - 2] >> 1) ^ -(u[i - 2] & 1);
        if (codec == VALUE_DOD && i > 0) y += delta;
        plain[i] = slow_double((uint64_t)d->x0 + d->g * y, d->exponent);
    }
}

static void slow_runs(const struct value_desc *d, const uint8_t *p, size_t count)
{
    size_t run = 0;
    for (size_t i = 1; i < count; i++)
        run += slow_bits(p, i - 1, 1);
    slow_packed(d, d->codec - (VALUE_RUNS_FOR - VALUE_FOR), p + bitpack_size(count - 1, 1),
                run + 1);
    for (size_t i = count; i-- > 0;) { /* in place, from the end */
        plain[i] = plain[run];
        if (i > 0) run -= slow_bits(p, i - 1, 1);
    }
}

static void slow_sparse(const struct value_desc *d, struct rd r, size_t count)
{
    uint64_t y = 0;
    size_t i = 0;
    for (size_t k = 0; k < d->patches; k++) {
        uint64_t until = i + 1 + rd_uvarint(&r);
        while (i < until)
            plain[i++] = slow_double((uint64_t)d->x0 + d->g * y, d->exponent);
        y += (uint64_t)rd_zigzag(&r);
    }
    while (i < count)
        plain[i++] = slow_double((uint64_t)d->x0 + d->g * y, d->exponent);
}

static void check_same(size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bits_of_double(got[i]) != bits_of_double(plain[i])) __builtin_trap();
}

static void decode(const uint8_t *data, size_t size)
{
    struct rd r = rd_of((struct bytes){ data, size });
    uint8_t type = rd_u8(&r);
    size_t count = (size_t)rd_u16le(&r) % VECTOR_SAMPLES_MAX + 1;
    struct value_desc d = { .codec = type & 15, .has_specials = (type & 0x80) != 0 };
    if (!value_desc_read(&r, count, &d)) return;
    /* An exact block, so that the sanitizer sees every read behind payload and slack. */
    size_t left = rd_left(&r);
    uint8_t *payload = calloc(1, left + BITPACK_SLACK);
    if (!payload) return;
    memcpy(payload, r.pos, left);
    struct rd p = rd_of((struct bytes){ payload, left });
    if (value_decode(&d, &p, count, &scratch, got, NULL) == ERR_OK && !d.has_specials) {
        if (d.codec >= VALUE_FOR && d.codec <= VALUE_DOD) {
            slow_packed(&d, d.codec, payload, count);
            check_same(count);
        } else if (d.codec >= VALUE_RUNS_FOR) {
            slow_runs(&d, payload, count);
            check_same(count);
        } else if (d.codec == VALUE_SPARSE) {
            slow_sparse(&d, rd_of((struct bytes){ payload, left }), count);
            check_same(count);
        }
    }
    free(payload);
}

static void round_trip(const uint8_t *data, size_t size)
{
    size_t count = size / 8 < VECTOR_SAMPLES_MAX ? size / 8 : VECTOR_SAMPLES_MAX;
    if (count == 0) return;
    struct mem_budget *mem = mem_budget_create(64u << 20);
    struct buf payload, column;
    struct value_desc d;
    buf_init(&payload, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    buf_init(&column, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    memcpy(plain, data, count * 8);
    value_encode(&encoder, plain, count, &payload, &d);
    value_desc_put(&d, &column);
    struct value_desc read = { .codec = d.codec, .has_specials = d.has_specials };
    struct rd r = rd_of(buf_bytes(&column));
    if (!value_desc_read(&r, count, &read) || rd_left(&r) != 0) __builtin_trap();
    size_t payload_size = payload.len;
    buf_put_u64le(&payload, UINT64_MAX);
    r = rd_of((struct bytes){ payload.ptr, payload_size });
    if (value_decode(&read, &r, count, &scratch, got, NULL) != ERR_OK || rd_left(&r) != 0)
        __builtin_trap();
    check_same(count);
    buf_deinit(&payload);
    buf_deinit(&column);
    mem_budget_destroy(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 16384) return 0;
    if (data[0] % 2 == 0)
        decode(data + 1, size - 1);
    else
        round_trip(data + 1, size - 1);
    return 0;
}
