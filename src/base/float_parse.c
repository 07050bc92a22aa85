/* SPDX-License-Identifier: Apache-2.0
 *
 * Decimal text to the nearest double (ties to even), three ways, each exact:
 *   1. Clinger 1990: up to 2^53 times or by 10^0..22 is one correctly rounded operation.
 *   2. Eisel-Lemire (Lemire 2021; no fallback needed for at most 19 digits: Mushtak, Lemire 2023):
 *      a 64 x 128 bit product with a truncated power of five.
 *   3. More than 19 digits whose tail matters: the two candidates differ by one step, and an exact
 *      comparison of the text with the middle between them decides (big integers).
 */
#include <math.h>
#include <string.h>

#include "base/assert.h"
#include "base/float_parse_table.h" /* generated: pow5_trunc */
#include "base/float_text.h"
#include "base/num.h"

#define MANTISSA_BITS 52
#define EXPONENT_MIN (-1023)
#define EXPONENT_INF 0x7FF
#define DIGITS_FAST 19         /* always fit a uint64 */
#define DIGITS_DECISIVE 770    /* no middle between two doubles has more significant digits */
#define EXPONENT_CLAMP 1000000 /* far beyond any double, far from int64 overflow */

/* A parsed decimal: (digits of the text without the point) * 10^exponent. */
struct decimal_text {
    const char *digits; /* first significant digit; a '.' may follow within */
    size_t digit_count; /* significant digits, trailing zeros included */
    uint64_t head;      /* value of the first min(digit_count, 19) digits */
    int64_t exponent;   /* of the last digit */
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Optional exponent "e+12" at *at; false if there is an 'e' without digits. */
static bool parse_exponent(struct str s, size_t *at, char letter, int64_t *out)
{
    *out = 0;
    size_t i = *at;
    if (i == s.len || (s.ptr[i] | 0x20) != letter) return true;
    i++;
    bool is_negative = i < s.len && s.ptr[i] == '-';
    if (i < s.len && (s.ptr[i] == '-' || s.ptr[i] == '+')) i++;
    if (i == s.len || !is_digit(s.ptr[i])) return false;
    int64_t e = 0;
    for (; i < s.len && is_digit(s.ptr[i]); i++) {
        if (e < EXPONENT_CLAMP) e = e * 10 + (s.ptr[i] - '0');
    }
    *out = is_negative ? -e : e;
    *at = i;
    return true;
}

/* The whole of s as an unsigned decimal. */
static bool parse_decimal(struct str s, struct decimal_text *out)
{
    struct decimal_text d = { 0 };
    bool has_digit = false;
    bool has_point = false;
    int64_t fraction_digits = 0;
    size_t i = 0;
    for (; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '.') {
            if (has_point) return false;
            has_point = true;
            continue;
        }
        if (!is_digit(c)) break;
        has_digit = true;
        fraction_digits += has_point;
        if (d.digit_count == 0) {
            if (c == '0') continue;
            d.digits = s.ptr + i;
        }
        if (d.digit_count < DIGITS_FAST) d.head = d.head * 10 + (uint64_t)(c - '0');
        d.digit_count++;
    }
    int64_t e;
    if (!has_digit || !parse_exponent(s, &i, 'e', &e) || i != s.len) return false;
    d.exponent = e - fraction_digits;
    *out = d;
    return true;
}

/* Assemble a double from a mantissa with or without its hidden bit and a biased exponent. */
static double assemble(uint64_t mantissa, int biased_exponent)
{
    uint64_t bits = mantissa & ((1ull << MANTISSA_BITS) - 1);
    return double_of_bits(bits | (uint64_t)biased_exponent << MANTISSA_BITS);
}

/* mantissa has one bit below the last place kept and is exact up to stickiness in that bit. */
static double round_half_bit(uint64_t mantissa, int biased_exponent)
{
    mantissa += mantissa & 1;
    mantissa >>= 1;
    if (mantissa >= 2ull << MANTISSA_BITS) {
        mantissa = 1ull << MANTISSA_BITS;
        biased_exponent++;
    }
    if (biased_exponent >= EXPONENT_INF) return INFINITY;
    return assemble(mantissa, biased_exponent);
}

/* w * 10^q, correctly rounded, w != 0. */
static double eisel_lemire(uint64_t w, int64_t q)
{
    if (q < POW5_TRUNC_MIN) return 0.0;
    if (q > POW5_TRUNC_MAX) return INFINITY;
    int zeros = __builtin_clzll(w);
    w <<= zeros;
    struct float_u128 power = pow5_trunc[q - POW5_TRUNC_MIN];
    unsigned __int128 product = (unsigned __int128)w * power.hi;
    uint64_t high = (uint64_t)(product >> 64);
    if ((high & 0x1FF) == 0x1FF) { /* the lower half of the power may carry into the result */
        product += (uint64_t)((unsigned __int128)w * power.lo >> 64);
        high = (uint64_t)(product >> 64);
    }
    uint64_t low = (uint64_t)product;
    int top = (int)(high >> 63);
    int shift = top + 64 - MANTISSA_BITS - 3;
    uint64_t mantissa = high >> shift;         /* 54 bits */
    int log2 = (int)((217706 * q) >> 16) + 63; /* floor(log2(10^q)) + 63 */
    int biased_exponent = log2 + top - zeros - EXPONENT_MIN;
    if (biased_exponent <= 0) { /* subnormal or zero */
        int down = 1 - biased_exponent;
        if (down >= 64) return 0.0;
        mantissa >>= down;
        mantissa += mantissa & 1;
        mantissa >>= 1;
        return assemble(mantissa, mantissa >> MANTISSA_BITS != 0);
    }
    /* A product that is exactly in the middle rounds to even. Only here can it be exact. */
    if (low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << shift == high) {
        mantissa &= ~1ull;
    }
    return round_half_bit(mantissa, biased_exponent);
}

/* Unsigned big integer, little-endian limbs; large enough for every comparison below. */
#define BIG_LIMBS 90
struct big {
    size_t count;
    uint64_t limb[BIG_LIMBS];
};

static void big_push(struct big *b, uint64_t limb)
{
    if (limb == 0) return;
    ASSERT(b->count < BIG_LIMBS);
    b->limb[b->count++] = limb;
}

/* b = b * factor + addend */
static void big_mul_add(struct big *b, uint64_t factor, uint64_t addend)
{
    unsigned __int128 carry = addend;
    for (size_t i = 0; i < b->count; i++) {
        carry += (unsigned __int128)b->limb[i] * factor;
        b->limb[i] = (uint64_t)carry;
        carry >>= 64;
    }
    big_push(b, (uint64_t)carry);
}

static void big_mul_pow5(struct big *b, uint64_t exponent)
{
    const uint64_t pow5_27 = 7450580596923828125u; /* the largest in 64 bits */
    for (; exponent >= 27; exponent -= 27) {
        big_mul_add(b, pow5_27, 0);
    }
    for (; exponent > 0; exponent--) {
        big_mul_add(b, 5, 0);
    }
}

static void big_shift_left(struct big *b, uint64_t bits)
{
    size_t limbs = (size_t)(bits / 64);
    unsigned rest = (unsigned)(bits % 64);
    if (rest > 0) big_mul_add(b, 1ull << rest, 0);
    if (limbs == 0 || b->count == 0) return;
    ASSERT(b->count + limbs <= BIG_LIMBS);
    memmove(b->limb + limbs, b->limb, b->count * sizeof b->limb[0]);
    memset(b->limb, 0, limbs * sizeof b->limb[0]);
    b->count += limbs;
}

static int big_cmp(const struct big *a, const struct big *b)
{
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    for (size_t i = a->count; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    }
    return 0;
}

/* The digits of d as an integer; *exponent is that of its last digit. Digits beyond the decisive
 * ones are replaced by a single 1 if any of them is not 0: that keeps the order with any middle. */
static void big_of_digits(const struct decimal_text *d, struct big *out, int64_t *exponent)
{
    out->count = 0;
    size_t taken = 0;
    const char *p = d->digits;
    for (; taken < d->digit_count && taken < DIGITS_DECISIVE; p++) {
        if (*p == '.') continue;
        big_mul_add(out, 10, (uint64_t)(*p - '0'));
        taken++;
    }
    size_t seen = taken;
    bool has_tail = false;
    for (; seen < d->digit_count; p++) {
        if (*p == '.') continue;
        has_tail |= *p != '0';
        seen++;
    }
    *exponent = d->exponent + (int64_t)(d->digit_count - taken);
    if (has_tail) {
        big_mul_add(out, 10, 1);
        (*exponent)--;
    }
}

/* Decide between the neighbours low < high (high may be infinite) by the exact value of d. */
static double decide(const struct decimal_text *d, double low, double high)
{
    uint64_t bits = bits_of_double(low);
    int biased_exponent = (int)(bits >> MANTISSA_BITS);
    uint64_t mantissa = bits & ((1ull << MANTISSA_BITS) - 1);
    if (biased_exponent != 0) mantissa |= 1ull << MANTISSA_BITS;
    /* The middle is (2 * mantissa + 1) * 2^power. */
    int64_t power = (biased_exponent ? biased_exponent : 1) - 1075 - 1;
    struct big middle = { 0 };
    big_push(&middle, 2 * mantissa + 1);
    struct big value;
    int64_t exponent;
    big_of_digits(d, &value, &exponent);
    if (exponent >= 0) {
        big_mul_pow5(&value, (uint64_t)exponent);
    } else {
        big_mul_pow5(&middle, (uint64_t)-exponent);
    }
    if (exponent >= power) {
        big_shift_left(&value, (uint64_t)(exponent - power));
    } else {
        big_shift_left(&middle, (uint64_t)(power - exponent));
    }
    int order = big_cmp(&value, &middle);
    if (order != 0) return order < 0 ? low : high;
    return (bits & 1) == 0 ? low : high;
}

static const double pow10_exact[23] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                        1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                        1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

static double decimal_value(const struct decimal_text *d)
{
    if (d->digit_count == 0) return 0.0;
    if (d->digit_count <= DIGITS_FAST) {
        if (d->head <= 1ull << 53 && d->exponent >= -22 && d->exponent <= 22) {
            double v = (double)d->head;
            return d->exponent < 0 ? v / pow10_exact[-d->exponent] : v * pow10_exact[d->exponent];
        }
        return eisel_lemire(d->head, d->exponent);
    }
    int64_t exponent = d->exponent + (int64_t)(d->digit_count - DIGITS_FAST);
    double low = eisel_lemire(d->head, exponent);
    double high = eisel_lemire(d->head + 1, exponent);
    if (low == high) return low;
    return decide(d, low, high);
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* mantissa * 2^exponent to the nearest double; is_sticky: something below mantissa was not 0. */
static double hex_value(uint64_t mantissa, int64_t exponent, bool is_sticky)
{
    if (mantissa == 0) return 0.0;
    int zeros = __builtin_clzll(mantissa);
    mantissa <<= zeros;
    int64_t biased = exponent - zeros + 63 - EXPONENT_MIN;
    if (biased >= EXPONENT_INF) return INFINITY;
    /* Bits to drop from the 64: down to 53, more for a subnormal. */
    int64_t drop = 64 - (MANTISSA_BITS + 1);
    if (biased <= 0) drop += 1 - biased;
    if (drop > 64) return 0.0;
    uint64_t kept = drop == 64 ? 0 : mantissa >> drop;
    uint64_t half = 1ull << (drop - 1);
    uint64_t rest = mantissa & (half | (half - 1));
    bool is_up = rest > half || (rest == half && (is_sticky || (kept & 1) != 0));
    kept += is_up;
    if (biased <= 0) return assemble(kept, kept >> MANTISSA_BITS != 0);
    if (kept >> (MANTISSA_BITS + 1)) {
        kept >>= 1;
        biased++;
    }
    return biased >= EXPONENT_INF ? INFINITY : assemble(kept, (int)biased);
}

/* s follows "0x". The binary exponent is mandatory, as in Go. */
static bool parse_hex(struct str s, double *out)
{
    uint64_t mantissa = 0;
    int64_t exponent = 0;
    bool is_sticky = false;
    bool has_digit = false;
    bool has_point = false;
    size_t i = 0;
    for (; i < s.len; i++) {
        if (s.ptr[i] == '.') {
            if (has_point) return false;
            has_point = true;
            continue;
        }
        int digit = hex_digit(s.ptr[i]);
        if (digit < 0) break;
        has_digit = true;
        if (mantissa >> 60 == 0) {
            mantissa = mantissa << 4 | (uint64_t)digit;
            exponent -= has_point ? 4 : 0;
        } else {
            is_sticky |= digit != 0;
            exponent += has_point ? 0 : 4;
        }
    }
    int64_t e;
    if (!has_digit || i == s.len || !parse_exponent(s, &i, 'p', &e) || i != s.len) return false;
    *out = hex_value(mantissa, exponent + e, is_sticky);
    return true;
}

bool float_parse(struct str s, double *out)
{
    bool is_negative = s.len > 0 && s.ptr[0] == '-';
    bool has_sign = is_negative || (s.len > 0 && s.ptr[0] == '+');
    struct str body = str_sub(s, has_sign, s.len);
    if (body.len == 0) return false;
    double v;
    if (is_digit(body.ptr[0]) || body.ptr[0] == '.') {
        if (body.len > 2 && body.ptr[0] == '0' && (body.ptr[1] | 0x20) == 'x') {
            if (!parse_hex(str_sub(body, 2, body.len), &v)) return false;
        } else {
            struct decimal_text d;
            if (!parse_decimal(body, &d)) return false;
            v = decimal_value(&d);
        }
    } else if (str_eq_nocase(body, STR("inf")) || str_eq_nocase(body, STR("infinity"))) {
        v = INFINITY;
    } else if (str_eq_nocase(body, STR("nan"))) {
        *out = double_of_bits(FLOAT_NAN_BITS);
        return true;
    } else {
        return false;
    }
    *out = is_negative ? -v : v;
    return true;
}

bool double_to_i64(double v, int64_t *out)
{
    if (!(v >= -0x1p63 && v < 0x1p63)) return false;
    *out = (int64_t)v;
    return true;
}
