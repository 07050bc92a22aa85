/* SPDX-License-Identifier: Apache-2.0
 *
 * Decoding: unpack w bits -> (prefix sum) -> x0 + g * y -> double -> / 10^e. The unpacked integers
 * of one vector stay in the first-level cache; the rest is one loop.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/block/bitpack.h"
#include "metrics/block/kernel.h"
#include "metrics/block/value_priv.h"

/* Wrapping arithmetic throughout: damaged bytes give wrong numbers, never undefined behaviour. */
static int64_t wrap_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static bool widths_are_sound(const struct value_desc *d, size_t count)
{
    if (d->w > BITPACK_WIDTH_MAX || d->wx > BITPACK_WIDTH_MAX || d->w + d->wx > 64) return false;
    return d->patches <= count && (d->patches > 0 || d->wx == 0);
}

/* FOR, DELTA or DOD: the codec of the packed integers. */
static enum value_codec packed_codec(const struct value_desc *d)
{
    return value_is_runs(d->codec) ? d->codec - (VALUE_RUNS_FOR - VALUE_FOR) : d->codec;
}

/* Values that such a codec does not pack: they stand in the descriptor. */
static size_t left_out(enum value_codec codec)
{
    return (size_t)(codec - VALUE_FOR);
}

bool value_desc_read(struct rd *r, size_t count, struct value_desc *d)
{
    if (d->codec > VALUE_XOR && !value_is_runs(d->codec)) return false;
    if (d->codec == VALUE_XOR || d->codec == VALUE_RAWX) {
        if (d->has_specials) return false;
        if (d->codec == VALUE_XOR) return true;
        d->raw_bits = rd_u64le(r);
        uint64_t changes = rd_uvarint(r);
        d->patches = (uint16_t)changes;
        return rd_ok(r) && changes < count;
    }
    d->exponent = rd_u8(r);
    if (d->exponent == VALUE_EXPONENT_RAW) {
        d->raw_bits = rd_u64le(r);
        d->x0 = (int64_t)d->raw_bits;
    } else {
        d->x0 = rd_zigzag(r);
        if (d->exponent > VALUE_EXPONENT_MAX) return false;
    }
    if (d->codec == VALUE_CONST) return rd_ok(r);
    d->g = rd_uvarint(r);
    if (d->codec != VALUE_SPARSE) {
        d->base = rd_zigzag(r);
        d->w = rd_u8(r);
        d->wx = rd_u8(r);
    }
    uint64_t patches = rd_uvarint(r);
    if (!rd_ok(r) || patches > count) return false;
    d->patches = (uint16_t)patches;
    if (d->codec == VALUE_SPARSE) return patches < count;
    return count > left_out(packed_codec(d)) && widths_are_sound(d, count);
}

/* ---- leaves: no branches on data, plain values ---- */

KERNEL static void fill(double *restrict out, size_t count, double v)
{
    for (size_t i = 0; i < count; i++)
        out[i] = v;
}

/* For |x| < 2^51: x + 2^52 + 2^51 as the mantissa of a double, then those subtracted. Exact, and
 * unlike a conversion there are vector instructions for it. */
#define NEAR_BITS 0x4338000000000000ull
#define NEAR_VALUE 6755399441055744.0
#define NEAR_MAX ((uint64_t)1 << 51)

KERNEL static void convert_near(const uint64_t *restrict x, size_t count, double *restrict out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = double_of_bits(x[i] + NEAR_BITS) - NEAR_VALUE;
}

static void convert_any(const uint64_t *restrict x, size_t count, double *restrict out)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (double)(int64_t)x[i];
}

KERNEL static void divide(double *restrict out, size_t count, double by)
{
    for (size_t i = 0; i < count; i++)
        out[i] /= by;
}

/* x[i] = first + g * x[i] */
KERNEL static void scale_for(uint64_t *restrict x, size_t count, uint64_t first, uint64_t g)
{
    if (g == 1) {
        for (size_t i = 0; i < count; i++)
            x[i] += first;
        return;
    }
    for (size_t i = 0; i < count; i++)
        x[i] = first + g * x[i];
}

/* x[0..count) from x[1..count) = deltas less the smallest. */
static void sum_deltas(uint64_t *restrict x, size_t count, const struct value_desc *d)
{
    uint64_t sum = (uint64_t)d->x0, g = d->g, step = g * (uint64_t)d->base;
    x[0] = sum;
    if (g == 1) {
        for (size_t i = 1; i < count; i++)
            x[i] = sum += x[i] + step;
        return;
    }
    for (size_t i = 1; i < count; i++)
        x[i] = sum += g * x[i] + step;
}

/* x[0..count) from x[2..count) = zigzag differences of deltas. */
static void sum_dods(uint64_t *restrict x, size_t count, const struct value_desc *d)
{
    uint64_t sum = (uint64_t)d->x0, g = d->g, delta = g * (uint64_t)d->base;
    x[0] = sum;
    x[1] = sum += delta;
    for (size_t i = 2; i < count; i++) {
        uint64_t dod = (x[i] >> 1) ^ -(x[i] & 1);
        delta += g * dod;
        x[i] = sum += delta;
    }
}

/* Is |x| < 2^51 for all? */
KERNEL static bool are_near(const uint64_t *restrict x, size_t count)
{
    uint64_t far = 0;
    for (size_t i = 0; i < count; i++)
        far |= (x[i] + NEAR_MAX) & ~(2 * NEAR_MAX - 1);
    return far == 0;
}

/* out[0..count) from one value per run. Bit i - 1 of the mask: does a run begin at i? May write 7
 * values more. */
static void repeat_runs(const uint8_t *restrict mask, const double *restrict runs, size_t count,
                        double *restrict out)
{
    out[0] = *runs;
    for (size_t i = 1; i < count; i += 8) {
        unsigned bits = *mask++;
        for (unsigned k = 0; k < 8; k++) {
            runs += bits >> k & 1;
            out[i + k] = *runs;
        }
    }
}

/* ---- payloads ---- */

/* Take the three areas of a packed payload and put the values into u. */
static bool unpack(const struct value_desc *d, struct rd *r, size_t count, uint64_t *u)
{
    struct bytes low = rd_bytes(r, bitpack_size(count, d->w));
    struct bytes at = rd_bytes(r, bitpack_size(d->patches, EXCEPTION_POSITION_BITS));
    struct bytes high = rd_bytes(r, bitpack_size(d->patches, d->wx));
    if (!rd_ok(r)) return false;
    bitpack_get(low.ptr, count, d->w, u);
    if (d->patches == 0) return true;
    uint64_t position[VECTOR_SAMPLES_MAX], part[VECTOR_SAMPLES_MAX];
    bitpack_get(at.ptr, d->patches, EXCEPTION_POSITION_BITS, position);
    bitpack_get(high.ptr, d->patches, d->wx, part);
    for (size_t i = 0; i < d->patches; i++) {
        if (position[i] >= count) return false;
        u[position[i]] |= d->w < 64 ? part[i] << d->w : 0;
    }
    return true;
}

static bool decode_packed(const struct value_desc *d, struct rd *r, size_t count,
                          struct value_scratch *scratch, double *out)
{
    uint64_t *x = scratch->x;
    enum value_codec codec = packed_codec(d);
    size_t first = left_out(codec);
    if (count <= first || d->patches > count - first) return false;
    if (!unpack(d, r, count - first, x + first)) return false;
    if (codec == VALUE_FOR)
        scale_for(x, count, (uint64_t)d->x0 + d->g * (uint64_t)d->base, d->g);
    else if (codec == VALUE_DELTA)
        sum_deltas(x, count, d);
    else
        sum_dods(x, count, d);
    if (d->exponent == VALUE_EXPONENT_RAW) {
        memcpy(out, x, count * sizeof *out);
        return true;
    }
    if (are_near(x, count))
        convert_near(x, count, out);
    else
        convert_any(x, count, out);
    if (d->exponent > 0) divide(out, count, VALUE_POW10[d->exponent]);
    return true;
}

static size_t bits_set(struct bytes mask)
{
    size_t count = 0;
    for (size_t i = 0; i < mask.len; i++)
        count += (size_t)__builtin_popcount(mask.ptr[i]);
    return count;
}

static bool decode_runs(const struct value_desc *d, struct rd *r, size_t count,
                        struct value_scratch *scratch, double *out)
{
    unsigned last_bits = (unsigned)(count - 1) % 8;
    struct bytes mask = rd_bytes(r, bitpack_size(count - 1, 1));
    if (!rd_ok(r)) return false;
    if (last_bits > 0 && mask.ptr[mask.len - 1] >> last_bits != 0) return false;
    if (!decode_packed(d, r, bits_set(mask) + 1, scratch, scratch->runs)) return false;
    repeat_runs(mask.ptr, scratch->runs, count, out);
    return true;
}

static double double_of_integer(int64_t x, unsigned exponent)
{
    if (exponent == VALUE_EXPONENT_RAW) return double_of_bits((uint64_t)x);
    double v = (double)x;
    return exponent > 0 ? v / VALUE_POW10[exponent] : v;
}

static bool decode_sparse(const struct value_desc *d, struct rd *r, size_t count, double *out)
{
    size_t from = 0;
    int64_t x = d->x0;
    double v = double_of_integer(x, d->exponent);
    for (size_t i = 0; i < d->patches; i++) {
        uint64_t gap = rd_uvarint(r);
        int64_t delta = rd_zigzag(r);
        if (gap >= count - 1 - from) return false;
        size_t to = from + 1 + (size_t)gap;
        fill(out + from, to - from, v);
        from = to;
        x = wrap_add(x, (int64_t)(d->g * (uint64_t)delta));
        v = double_of_integer(x, d->exponent);
    }
    fill(out + from, count - from, v);
    return rd_ok(r);
}

static bool decode_rawx(const struct value_desc *d, struct rd *r, size_t count, double *out)
{
    uint16_t change_at[VECTOR_SAMPLES_MAX];
    size_t from = 0, changes = d->patches;
    for (size_t i = 0; i < changes; i++) {
        uint64_t gap = rd_uvarint(r);
        if (gap >= count - 1 - from) return false;
        from += 1 + (size_t)gap;
        change_at[i] = (uint16_t)from;
    }
    struct bytes planes = rd_bytes(r, changes * 8);
    if (!rd_ok(r)) return false;
    uint64_t bits = d->raw_bits;
    from = 0;
    for (size_t i = 0; i < changes; i++) {
        uint64_t diff = 0;
        for (unsigned plane = 0; plane < 8; plane++)
            diff = diff << 8 | planes.ptr[plane * changes + i];
        fill(out + from, change_at[i] - from, double_of_bits(bits));
        from = change_at[i];
        bits += diff;
    }
    fill(out + from, count - from, double_of_bits(bits));
    return true;
}

static bool decode_specials(struct rd *r, size_t count, double *out)
{
    uint64_t n = rd_uvarint(r);
    size_t from = 0;
    if (n > count) return false;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t gap = rd_uvarint(r), bits = 0;
        if (gap >= count - from) return false;
        size_t at = from + (size_t)gap;
        switch (rd_u8(r)) {
        case SPECIAL_STALE: bits = STALE_NAN_BITS; break;
        case SPECIAL_NAN: bits = NORMAL_NAN_BITS; break;
        case SPECIAL_POS_INF: bits = 0x7ff0000000000000ull; break;
        case SPECIAL_NEG_INF: bits = 0xfff0000000000000ull; break;
        case SPECIAL_NEG_ZERO: bits = NEG_ZERO_BITS; break;
        case SPECIAL_RAW: bits = rd_u64le(r); break;
        default: return false;
        }
        out[at] = double_of_bits(bits);
        from = at + 1;
    }
    return rd_ok(r);
}

static bool decode_values(const struct value_desc *d, struct rd *r, size_t count,
                          struct value_scratch *scratch, double *out)
{
    switch (d->codec) {
    case VALUE_CONST: fill(out, count, double_of_integer(d->x0, d->exponent)); return true;
    case VALUE_FOR:
    case VALUE_DELTA:
    case VALUE_DOD: return decode_packed(d, r, count, scratch, out);
    case VALUE_SPARSE: return decode_sparse(d, r, count, out);
    case VALUE_RAWX: return decode_rawx(d, r, count, out);
    case VALUE_XOR: return value_xor_decode(r, count, out);
    case VALUE_RUNS_FOR:
    case VALUE_RUNS_DELTA:
    case VALUE_RUNS_DOD: return decode_runs(d, r, count, scratch, out);
    default: return false;
    }
}

enum err_code value_decode(const struct value_desc *d, struct rd *r, size_t count,
                           struct value_scratch *scratch, double *out, struct err *err)
{
    ASSERT(count >= 1 && count <= VECTOR_SAMPLES_MAX);
    bool is_sound = decode_values(d, r, count, scratch, out);
    if (is_sound && d->has_specials) is_sound = decode_specials(r, count, out);
    if (!is_sound) return err_set(err, ERR_CORRUPT, "malformed values of a series");
    return ERR_OK;
}
