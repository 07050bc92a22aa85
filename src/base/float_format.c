/* SPDX-License-Identifier: Apache-2.0
 *
 * Shortest decimal of a double by Schubfach (Giulietti, "The Schubfach way to render doubles",
 * 2020): among the shortest decimals inside the rounding interval, the one closest to the value.
 *
 * A finite v > 0 is c * 2^q. Everything that reads back as v lies between (c - 1/2) * 2^q and
 * (c + 1/2) * 2^q (the lower half gap is 1/4 below a power of two). With k such that 10^k is just
 * below the width of that interval, a multiple of 10^k lies inside and at most one multiple of
 * 10^(k+1) does. All three bounds, in units of 10^k / 4, come from one 64 x 128 bit product each
 * with 10^-k, rounded to odd, which keeps every comparison exact.
 */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/float_format_table.h" /* generated: pow10_ceil */
#include "base/float_text.h"
#include "base/num.h"

#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1075 /* of the mantissa read as an integer */
#define DIGITS_MAX 17

/* digits * 10^exponent, digits without trailing zeros. */
struct decimal {
    uint64_t digits;
    int exponent;
};

static int floor_log2_pow10(int e)
{
    return (e * 1741647) >> 19;
}

/* floor(log10(2^e)), or of 3/4 * 2^e at an uneven interval. */
static int floor_log10_pow2(int e, bool is_uneven)
{
    return (e * 1262611 - (is_uneven ? 524031 : 0)) >> 22;
}

/* High 64 bits of g * cp / 2^64 with the lowest bit set if anything was cut off. */
static uint64_t multiply_round_to_odd(struct float_u128 g, uint64_t cp)
{
    unsigned __int128 low = (unsigned __int128)g.lo * cp;
    unsigned __int128 sum = (unsigned __int128)g.hi * cp + (uint64_t)(low >> 64);
    return (uint64_t)(sum >> 64) | ((uint64_t)sum > 1);
}

static struct decimal decimal_shortest(uint64_t mantissa, int biased_exponent)
{
    uint64_t c = mantissa;
    int q = 1 - EXPONENT_BIAS;
    if (biased_exponent != 0) {
        c |= 1ull << MANTISSA_BITS;
        q = biased_exponent - EXPONENT_BIAS;
        /* An integer below 2^53: its own digits. */
        if (q <= 0 && q > -(MANTISSA_BITS + 1) && (c & ((1ull << -q) - 1)) == 0) {
            return (struct decimal){ c >> -q, 0 };
        }
    }
    bool is_odd = (c & 1) != 0; /* an interval of an even c includes its ends */
    bool is_uneven = mantissa == 0 && biased_exponent > 1;
    int k = floor_log10_pow2(q, is_uneven);
    int h = q + floor_log2_pow10(-k) + 1;
    ASSERT(h >= 1 && h <= 4);
    ASSERT(-k >= POW10_CEIL_MIN && -k <= POW10_CEIL_MAX);
    struct float_u128 g = pow10_ceil[-k - POW10_CEIL_MIN];
    uint64_t lower = multiply_round_to_odd(g, (4 * c - 2 + is_uneven) << h) + is_odd;
    uint64_t value = multiply_round_to_odd(g, (4 * c) << h);
    uint64_t upper = multiply_round_to_odd(g, (4 * c + 2) << h) - is_odd;

    uint64_t s = value / 4;
    if (s >= 10) { /* one digit fewer, if exactly one such decimal is inside */
        uint64_t tens = s / 10;
        bool is_down_inside = lower <= 40 * tens;
        bool is_up_inside = 40 * tens + 40 <= upper;
        if (is_down_inside != is_up_inside) {
            return (struct decimal){ tens + is_up_inside, k + 1 };
        }
    }
    bool is_down_inside = lower <= 4 * s;
    bool is_up_inside = 4 * s + 4 <= upper;
    if (is_down_inside != is_up_inside) return (struct decimal){ s + is_up_inside, k };
    uint64_t middle = 4 * s + 2;
    bool is_rounded_up = value > middle || (value == middle && (s & 1) != 0);
    return (struct decimal){ s + is_rounded_up, k };
}

/* Text of d.digits without trailing zeros into out[DIGITS_MAX]; *point becomes the number of digits
 * before the decimal point. */
static size_t decimal_digits(struct decimal d, char *out, int *point)
{
    char text[20];
    size_t pos = sizeof text;
    ASSERT(d.digits != 0);
    for (; d.digits != 0; d.digits /= 10) {
        text[--pos] = (char)('0' + d.digits % 10);
    }
    size_t n = sizeof text - pos;
    *point = d.exponent + (int)n;
    while (text[pos + n - 1] == '0') {
        n--;
    }
    ASSERT(n <= DIGITS_MAX);
    memcpy(out, text + pos, n);
    return n;
}

static size_t write_plain(const char *digits, size_t n, int point, char *out)
{
    char *p = out;
    if (point <= 0) { /* 0.000123 */
        *p++ = '0';
        *p++ = '.';
        memset(p, '0', (size_t)-point);
        p += -point;
        memcpy(p, digits, n);
        p += n;
    } else if ((size_t)point >= n) { /* 123000 */
        memcpy(p, digits, n);
        memset(p + n, '0', (size_t)point - n);
        p += point;
    } else { /* 1.23 */
        memcpy(p, digits, (size_t)point);
        p += point;
        *p++ = '.';
        memcpy(p, digits + point, n - (size_t)point);
        p += n - (size_t)point;
    }
    return (size_t)(p - out);
}

/* d.ddde+dd, the exponent with at least two digits. */
static size_t write_exponent(const char *digits, size_t n, int point, char *out)
{
    char *p = out;
    *p++ = digits[0];
    if (n > 1) {
        *p++ = '.';
        memcpy(p, digits + 1, n - 1);
        p += n - 1;
    }
    int e = point - 1;
    *p++ = 'e';
    *p++ = e < 0 ? '-' : '+';
    unsigned magnitude = (unsigned)(e < 0 ? -e : e);
    if (magnitude >= 100) *p++ = (char)('0' + magnitude / 100);
    *p++ = (char)('0' + magnitude / 10 % 10);
    *p++ = (char)('0' + magnitude % 10);
    return (size_t)(p - out);
}

/* e is the exponent of the scientific form. */
static bool has_exponent(enum float_style style, int e)
{
    switch (style) {
    case FLOAT_SHORTEST: return e < -6 || e >= 21;
    case FLOAT_PLAIN: return false;
    case FLOAT_GO_G:
    case FLOAT_OM: return e < -4 || e >= 6;
    case FLOAT_GO_E: return true;
    }
    UNREACHABLE();
}

static size_t write_literal(const char *text, char *out)
{
    size_t n = strlen(text);
    memcpy(out, text, n);
    return n;
}

size_t float_format(double v, enum float_style style, char *out)
{
    if (isnan(v)) return write_literal("NaN", out);
    if (isinf(v)) return write_literal(v < 0 ? "-Inf" : "+Inf", out);
    uint64_t bits = bits_of_double(v);
    uint64_t mantissa = bits & ((1ull << MANTISSA_BITS) - 1);
    int biased_exponent = (int)(bits >> MANTISSA_BITS & 0x7FF);
    size_t len = 0;
    if (bits >> 63) out[len++] = '-';
    char digits[DIGITS_MAX];
    size_t n = 1;
    int point = 1;
    if (mantissa == 0 && biased_exponent == 0) {
        digits[0] = '0';
    } else {
        n = decimal_digits(decimal_shortest(mantissa, biased_exponent), digits, &point);
    }
    bool with_exponent = has_exponent(style, point - 1);
    if (with_exponent) {
        len += write_exponent(digits, n, point, out + len);
    } else {
        len += write_plain(digits, n, point, out + len);
        if (style == FLOAT_OM && (size_t)(point < 0 ? 0 : point) >= n) {
            len += write_literal(".0", out + len);
        }
    }
    ASSERT(len <= FLOAT_TEXT_SIZE);
    return len;
}
