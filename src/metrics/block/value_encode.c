/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/assert.h"
#include "metrics/block/bitpack.h"
#include "metrics/block/value_priv.h"

/* ---- sizes ---- */

static size_t uvarint_size(uint64_t v)
{
    unsigned bits = bit_length(v);
    return bits == 0 ? 1 : (bits + 6) / 7;
}

/* How many values have each bit length. */
struct width_histogram {
    uint32_t count[65];
    unsigned max;
};

static void histogram_of(struct width_histogram *h, const uint64_t *u, size_t count)
{
    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < count; i++)
        h->count[bit_length(u[i])]++;
    for (h->max = 64; h->max > 0 && h->count[h->max] == 0;)
        h->max--;
}

/* A way to store u[0..count) in w bits each, the high parts of the wider ones apart. */
struct packing {
    size_t size; /* SIZE_MAX: cannot be packed */
    unsigned w, wx, patches;
};

static struct packing best_packing(const struct width_histogram *h, size_t count)
{
    struct packing best = { SIZE_MAX, 0, 0, 0 };
    size_t wider = 0;
    for (unsigned w = h->max + 1; w-- > 0;) {
        if (w < h->max) wider += h->count[w + 1];
        unsigned wx = h->max - w;
        if (wx > BITPACK_WIDTH_MAX) break;
        if (w > BITPACK_WIDTH_MAX) continue;
        size_t size = bitpack_size(count, w) + bitpack_size(wider, EXCEPTION_POSITION_BITS) +
                      bitpack_size(wider, wx);
        if (size < best.size) best = (struct packing){ size, w, wider ? wx : 0, (unsigned)wider };
    }
    return best;
}

/* ---- candidates ---- */

struct candidate {
    enum value_codec codec;
    size_t size; /* descriptor and payload, without what all have in common */
    int64_t base;
    struct packing packing;
};

static struct candidate packed_candidate(enum value_codec codec, int64_t base, const uint64_t *u,
                                         size_t count)
{
    struct width_histogram h;
    histogram_of(&h, u, count);
    struct candidate c = { codec, SIZE_MAX, base, best_packing(&h, count) };
    if (c.packing.size != SIZE_MAX)
        c.size =
            c.packing.size + uvarint_size(zigzag_of(base)) + 2 + uvarint_size(c.packing.patches);
    return c;
}

/* u[i] = y[i] - min; returns min. */
static int64_t fill_for(const int64_t *restrict y, size_t count, uint64_t *restrict u)
{
    int64_t min = y[0];
    for (size_t i = 1; i < count; i++)
        min = y[i] < min ? y[i] : min;
    for (size_t i = 0; i < count; i++)
        u[i] = (uint64_t)y[i] - (uint64_t)min;
    return min;
}

/* u[i] = y[i+1] - y[i] - min, count - 1 of them; false on overflow. */
static bool fill_delta(const int64_t *restrict y, size_t count, uint64_t *restrict u,
                       int64_t *out_min)
{
    int64_t min = INT64_MAX, d;
    for (size_t i = 1; i < count; i++) {
        if (__builtin_sub_overflow(y[i], y[i - 1], &d)) return false;
        min = d < min ? d : min;
        u[i - 1] = (uint64_t)d;
    }
    for (size_t i = 0; i + 1 < count; i++)
        u[i] -= (uint64_t)min;
    *out_min = min;
    return true;
}

/* u[i] = zigzag of the (i+1)-th difference of differences, count - 2 of them. The deltas are known not to
 * overflow. */
static bool fill_dod(const int64_t *restrict y, size_t count, uint64_t *restrict u)
{
    int64_t last = y[1] - y[0], dod;
    for (size_t i = 2; i < count; i++) {
        int64_t d = y[i] - y[i - 1];
        if (__builtin_sub_overflow(d, last, &dod)) return false;
        u[i - 2] = zigzag_of(dod);
        last = d;
    }
    return true;
}

/* Positions i with v[i] != v[i-1] into enc->change_at. */
static size_t find_changes(struct value_encoder *enc, const int64_t *y, size_t count)
{
    size_t k = 0;
    for (size_t i = 1; i < count; i++) {
        enc->change_at[k] = (uint16_t)i;
        k += y[i] != y[i - 1];
    }
    return k;
}

static size_t gaps_size(const uint16_t *change_at, size_t changes)
{
    size_t size = 0, from = 1;
    for (size_t i = 0; i < changes; i++) {
        size += change_at[i] - from < 128 ? 1 : 2;
        from = change_at[i] + 1u;
    }
    return size;
}

/* Size of SPARSE, or SIZE_MAX once it is above `limit`. */
static struct candidate sparse_candidate(struct value_encoder *enc, size_t count, size_t limit)
{
    struct candidate c = { VALUE_SPARSE, SIZE_MAX, 0, { 0 } };
    size_t changes = find_changes(enc, enc->x, count);
    if (changes * 2 >= limit) return c;
    size_t size = uvarint_size(changes) + gaps_size(enc->change_at, changes);
    for (size_t i = 0; i < changes; i++) {
        size_t at = enc->change_at[i];
        size += uvarint_size(zigzag_of(enc->x[at] - enc->x[at - 1]));
    }
    c.size = size;
    c.packing.patches = (unsigned)changes;
    return c;
}

/* The smallest codec for enc->x (which holds y); ties go to the fastest to decode: FOR, DELTA, SPARSE, DOD.
 * False: none can hold it. */
static bool choose(struct value_encoder *enc, size_t count, struct candidate *out)
{
    int64_t base = fill_for(enc->x, count, enc->u);
    struct candidate best = packed_candidate(VALUE_FOR, base, enc->u, count);
    if (!fill_delta(enc->x, count, enc->u, &base)) {
        *out = best;
        return best.size != SIZE_MAX;
    }
    struct candidate c = packed_candidate(VALUE_DELTA, base, enc->u, count - 1);
    if (c.size < best.size) best = c;
    c = sparse_candidate(enc, count, best.size);
    if (c.size < best.size) best = c;
    if (count >= 3 && fill_dod(enc->x, count, enc->u)) {
        c = packed_candidate(VALUE_DOD, enc->x[1] - enc->x[0], enc->u, count - 2);
        if (c.size < best.size) best = c;
    }
    *out = best;
    return best.size != SIZE_MAX;
}

/* ---- payloads ---- */

/* Leave the low w bits of the wider values in enc->u; their positions and high parts go to `at`
 * and `high`. */
static void take_exceptions(struct value_encoder *enc, size_t count, const struct packing *p,
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

static void put_packed(struct value_encoder *enc, size_t count, const struct packing *p,
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

static bool encode_integers(struct value_encoder *enc, const double *values, size_t count,
                            struct buf *payload, struct value_desc *d)
{
    unsigned e;
    if (!value_to_integers(enc, values, count, &e)) return false;
    d->exponent = (uint8_t)e;
    d->x0 = enc->x[0];
    d->has_specials = enc->special_count > 0;
    if (!subtract_first(enc->x, count, &d->g)) return false;
    if (d->g == 0) {
        d->codec = VALUE_CONST;
        if (d->has_specials) put_specials(enc, values, payload);
        return true;
    }
    if (d->g > (uint64_t)INT64_MAX) return false; /* |INT64_MIN| */
    if (d->g > 1) divide_exactly(enc->x, count, d->g);
    struct candidate c;
    if (!choose(enc, count, &c)) return false;
    d->codec = (uint8_t)c.codec;
    d->base = c.base;
    d->w = (uint8_t)c.packing.w;
    d->wx = (uint8_t)c.packing.wx;
    d->patches = (uint16_t)c.packing.patches;
    if (c.codec == VALUE_FOR) (void)fill_for(enc->x, count, enc->u);
    if (c.codec == VALUE_DELTA) (void)fill_delta(enc->x, count, enc->u, &c.base);
    if (c.codec == VALUE_DOD) (void)fill_dod(enc->x, count, enc->u);
    if (c.codec == VALUE_SPARSE)
        put_sparse(enc, c.packing.patches, payload);
    else
        put_packed(enc, count - (size_t)(c.codec - VALUE_FOR), &c.packing, payload);
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

static void encode_raw(struct value_encoder *enc, const double *values, size_t count,
                       struct buf *payload, struct value_desc *d)
{
    *d = (struct value_desc){ .codec = VALUE_RAWX, .raw_bits = bits_of_double(values[0]) };
    for (size_t i = 0; i < count; i++)
        enc->x[i] = (int64_t)bits_of_double(values[i]);
    size_t changes = find_changes(enc, enc->x, count);
    size_t size = 8 + uvarint_size(changes) + gaps_size(enc->change_at, changes) + changes * 8;
    if (size > value_xor_size(values, count)) {
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
    *out = (struct value_desc){ 0 };
    if (!encode_integers(enc, values, count, payload, out))
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
    if (d->codec == VALUE_CONST && d->exponent == VALUE_EXPONENT_RAW) {
        buf_put_u64le(out, d->raw_bits);
        return;
    }
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
