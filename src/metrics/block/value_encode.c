/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "metrics/block/bitpack.h"
#include "metrics/block/value_priv.h"

/* ---- payloads ---- */

/* Leave the low w bits of the wider values in enc->u; their positions and high parts go to `at`
 * and `high`. */
static void take_exceptions(struct value_encoder *enc, size_t count, const struct value_choice *p,
                            uint64_t *at, uint64_t *high)
{
    size_t patches = 0;
    for (size_t i = 0; i < count; i++) {
        if (enc->u[i] >> p->w == 0) continue;
        at[patches] = i;
        high[patches++] = enc->u[i] >> p->w;
        enc->u[i] &= ((uint64_t)1 << p->w) - 1;
    }
    ASSERT(patches == p->patches);
}

static void put_packed(struct value_encoder *enc, size_t count, const struct value_choice *p,
                       struct buf *payload)
{
    if (p->patches == 0) {
        bitpack_put(payload, enc->u, count, p->w);
        return;
    }
    uint64_t at[VECTOR_SAMPLES_MAX], high[VECTOR_SAMPLES_MAX];
    take_exceptions(enc, count, p, at, high);
    bitpack_put(payload, enc->u, count, p->w);
    bitpack_put(payload, at, p->patches, EXCEPTION_POSITION_BITS);
    bitpack_put(payload, high, p->patches, p->wx);
}

static void put_gaps(const uint16_t *change_at, size_t changes, struct buf *payload)
{
    size_t from = 1;
    for (size_t i = 0; i < changes; i++) {
        buf_put_uvarint(payload, change_at[i] - from);
        from = change_at[i] + 1u;
    }
}

static void put_sparse(struct value_encoder *enc, size_t changes, struct buf *payload)
{
    size_t from = 1;
    for (size_t i = 0; i < changes; i++) {
        size_t at = enc->change_at[i];
        buf_put_uvarint(payload, at - from);
        buf_put_zigzag(payload, enc->x[at] - enc->x[at - 1]);
        from = at + 1;
    }
}

static void put_specials(const struct value_encoder *enc, const double *values, struct buf *payload)
{
    buf_put_uvarint(payload, enc->special_count);
    size_t from = 0;
    for (size_t i = 0; i < enc->special_count; i++) {
        size_t at = enc->special_at[i];
        uint64_t bits = bits_of_double(values[at]);
        buf_put_uvarint(payload, at - from);
        from = at + 1;
        switch (bits) {
        case STALE_NAN_BITS: buf_put_u8(payload, SPECIAL_STALE); break;
        case NORMAL_NAN_BITS: buf_put_u8(payload, SPECIAL_NAN); break;
        case 0x7ff0000000000000ull: buf_put_u8(payload, SPECIAL_POS_INF); break;
        case 0xfff0000000000000ull: buf_put_u8(payload, SPECIAL_NEG_INF); break;
        case NEG_ZERO_BITS: buf_put_u8(payload, SPECIAL_NEG_ZERO); break;
        default:
            buf_put_u8(payload, SPECIAL_RAW);
            buf_put_u64le(payload, bits);
            break;
        }
    }
}

/* ---- the integer form ---- */

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* x[i] - x[0] in place and their common divisor (0: all equal); false on overflow. */
static bool subtract_first(int64_t *x, size_t count, uint64_t *out_g)
{
    uint64_t g = 0;
    int64_t first = x[0], last = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t d;
        if (__builtin_sub_overflow(x[i], first, &d)) return false;
        x[i] = d;
        if (g == 1 || d == last) continue;
        last = d;
        g = gcd(d < 0 ? -(uint64_t)d : (uint64_t)d, g);
    }
    *out_g = g;
    return true;
}

/* Inverse of odd a modulo 2^64 (Newton: each step doubles the right bits). */
static uint64_t inverse_mod_2_64(uint64_t a)
{
    uint64_t x = (a * 3) ^ 2; /* 5 bits */
    for (int i = 0; i < 4; i++)
        x *= 2 - a * x;
    return x;
}

/* x[i] / g for multiples of g > 1: exact division is a shift and a multiplication, several times
 * faster than dividing. */
static void divide_exactly(int64_t *x, size_t count, uint64_t g)
{
    unsigned shift = (unsigned)__builtin_ctzll(g);
    uint64_t inverse = inverse_mod_2_64(g >> shift);
    for (size_t i = 0; i < count; i++)
        x[i] = (int64_t)((uint64_t)(x[i] >> shift) * inverse);
}

/* A bit per sample but the first: does it differ from the one before? */
static void put_mask(const struct value_encoder *enc, size_t count, size_t changes,
                     struct buf *payload)
{
    size_t size = bitpack_size(count - 1, 1);
    uint8_t *dst = buf_reserve(payload, size);
    if (!dst) return;
    memset(dst, 0, size);
    for (size_t i = 0; i < changes; i++) {
        unsigned bit = enc->change_at[i] - 1u;
        dst[bit / 8] |= (uint8_t)(1u << bit % 8);
    }
    payload->len += size;
}

static void put_choice(struct value_encoder *enc, size_t count, const struct value_choice *c,
                       struct buf *payload)
{
    int64_t base;
    if (c->codec == VALUE_SPARSE) {
        put_sparse(enc, c->patches, payload);
        return;
    }
    const int64_t *y = enc->x;
    enum value_codec codec = c->codec;
    if (value_is_runs(codec)) {
        size_t changes = value_find_changes(enc, count);
        put_mask(enc, count, changes, payload);
        y = enc->runs;
        count = changes + 1;
        codec -= VALUE_RUNS_FOR - VALUE_FOR;
    }
    bool is_filled = value_fill(codec, y, count, enc->u, &base);
    ASSERT(is_filled && base == c->base);
    put_packed(enc, count - (size_t)(codec - VALUE_FOR), c, payload);
}

/* Encode the integers in enc->x, specials apart. */
static bool encode_integers(struct value_encoder *enc, const double *values, size_t count,
                            struct buf *payload, struct value_desc *d)
{
    struct value_choice c = { .codec = VALUE_CONST };
    d->x0 = enc->x[0];
    d->has_specials = enc->special_count > 0;
    if (!subtract_first(enc->x, count, &d->g)) return false;
    if (d->g > (uint64_t)INT64_MAX) return false; /* |INT64_MIN| */
    if (d->g > 1) divide_exactly(enc->x, count, d->g);
    if (d->g > 0) {
        if (!value_choose(enc, count, &c)) return false;
        put_choice(enc, count, &c, payload);
    }
    d->codec = (uint8_t)c.codec;
    d->base = c.base;
    d->w = (uint8_t)c.w;
    d->wx = (uint8_t)c.wx;
    d->patches = (uint16_t)c.patches;
    if (d->has_specials) put_specials(enc, values, payload);
    return true;
}

/* ---- what is no decimal ---- */

static void put_byte_planes(const struct value_encoder *enc, const double *values, size_t changes,
                            struct buf *payload)
{
    uint8_t *dst = buf_reserve(payload, changes * 8);
    if (!dst) return;
    for (size_t i = 0; i < changes; i++) {
        size_t at = enc->change_at[i];
        uint64_t diff = bits_of_double(values[at]) - bits_of_double(values[at - 1]);
        for (unsigned plane = 0; plane < 8; plane++)
            dst[plane * changes + i] = (uint8_t)(diff >> (56 - 8 * plane));
    }
    payload->len += changes * 8;
}

/* The bits of the doubles as integers; false: too many are special. */
static bool fill_bits(struct value_encoder *enc, const double *values, size_t count)
{
    size_t regular = 0;
    enc->special_count = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = bits_of_double(values[i]);
        if (!bits_are_special(bits)) {
            enc->x[i] = (int64_t)bits;
            for (size_t k = i; regular == 0 && k-- > 0;)
                enc->x[k] = enc->x[i];
            regular++;
            continue;
        }
        if (enc->special_count >= count / 8) return false;
        enc->special_at[enc->special_count++] = (uint16_t)i;
        enc->x[i] = i > 0 ? enc->x[i - 1] : 0;
    }
    return true;
}

static size_t desc_size(const struct value_desc *d)
{
    size_t size = 9 + uvarint_size(d->g) + uvarint_size(d->patches);
    return d->codec == VALUE_SPARSE ? size : size + uvarint_size(zigzag_of(d->base)) + 2;
}

/* The smallest of the bits as integers, RAWX and XOR. */
static void encode_raw(struct value_encoder *enc, const double *values, size_t count,
                       struct buf *payload, struct value_desc *d)
{
    size_t start = payload->len, integers_size = SIZE_MAX, xor_size = value_xor_size(values, count);
    *d = (struct value_desc){ .exponent = VALUE_EXPONENT_RAW };
    if (fill_bits(enc, values, count) && encode_integers(enc, values, count, payload, d)) {
        integers_size = payload->len - start + desc_size(d);
        d->raw_bits = (uint64_t)d->x0;
    }
    for (size_t i = 0; i < count; i++)
        enc->x[i] = (int64_t)bits_of_double(values[i]);
    size_t changes = value_find_changes(enc, count);
    size_t rawx_size = 8 + value_gaps_size(enc->change_at, changes) + changes * 8;
    if (integers_size <= rawx_size && integers_size <= xor_size) return;
    payload->len = start;
    *d = (struct value_desc){ .codec = VALUE_RAWX, .raw_bits = bits_of_double(values[0]) };
    if (rawx_size > xor_size) {
        d->codec = VALUE_XOR;
        value_xor_encode(values, count, payload);
        return;
    }
    d->patches = (uint16_t)changes;
    put_gaps(enc->change_at, changes, payload);
    put_byte_planes(enc, values, changes, payload);
}

static bool all_equal(const double *values, size_t count)
{
    uint64_t first = bits_of_double(values[0]), diff = 0;
    for (size_t i = 1; i < count; i++)
        diff |= bits_of_double(values[i]) ^ first;
    return diff == 0;
}

static void describe_constant(double v, struct value_desc *d)
{
    uint64_t bits = bits_of_double(v);
    *d = (struct value_desc){ .codec = VALUE_CONST,
                              .exponent = VALUE_EXPONENT_RAW,
                              .raw_bits = bits };
    if (bits_are_special(bits)) return;
    unsigned e = value_decimal_exponent(v, 0, VALUE_EXPONENT_MAX);
    if (e > VALUE_EXPONENT_MAX) return;
    d->exponent = (uint8_t)e;
    (void)value_decimal(v, e, &d->x0);
}

void value_encode(struct value_encoder *enc, const double *values, size_t count,
                  struct buf *payload, struct value_desc *out)
{
    ASSERT(count >= 1 && count <= VECTOR_SAMPLES_MAX);
    if (all_equal(values, count)) {
        describe_constant(values[0], out);
        return;
    }
    unsigned e;
    *out = (struct value_desc){ 0 };
    if (value_to_integers(enc, values, count, &e)) {
        out->exponent = (uint8_t)e;
        if (encode_integers(enc, values, count, payload, out)) return;
    }
    encode_raw(enc, values, count, payload, out);
}

/* ---- descriptors ---- */

void value_desc_put(const struct value_desc *d, struct buf *out)
{
    if (d->codec == VALUE_XOR) return;
    if (d->codec == VALUE_RAWX) {
        buf_put_u64le(out, d->raw_bits);
        buf_put_uvarint(out, d->patches);
        return;
    }
    buf_put_u8(out, d->exponent);
    if (d->exponent == VALUE_EXPONENT_RAW)
        buf_put_u64le(out, d->raw_bits);
    else
        buf_put_zigzag(out, d->x0);
    if (d->codec == VALUE_CONST) return;
    buf_put_uvarint(out, d->g);
    if (d->codec == VALUE_SPARSE) {
        buf_put_uvarint(out, d->patches);
        return;
    }
    buf_put_zigzag(out, d->base);
    buf_put_u8(out, d->w);
    buf_put_u8(out, d->wx);
    buf_put_uvarint(out, d->patches);
}
