/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact decimals: v = x / 10^e. For e <= 22 and |x| < 2^53 both operands are exact doubles, so one
 * IEEE division gives the double nearest to the decimal number: every value that was parsed from
 * a text of up to 15 significant digits comes back bit for bit. Whether it does is tested here for
 * each value.
 */
#include <math.h>

#include "metrics/block/value_priv.h"

/* Values that may be odd (need e > ODD_EXPONENT, or none fits) before the vector is given up. */
#define ODD_MAX 3
#define ODD_EXPONENT 15

const double VALUE_POW10[VALUE_EXPONENT_MAX + 1] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,
                                                     1e7,  1e8,  1e9,  1e10, 1e11, 1e12, 1e13,
                                                     1e14, 1e15, 1e16, 1e17, 1e18 };

bool value_decimal(double v, unsigned e, int64_t *out_x)
{
    if (e == 0) {
        if (!(v > -0x1p63 && v < 0x1p63)) return false;
        int64_t x = (int64_t)v;
        *out_x = x;
        return (double)x == v;
    }
    double r = rint(v * VALUE_POW10[e]);
    if (!(r > -0x1p53 && r < 0x1p53)) return false;
    *out_x = (int64_t)r;
    return r / VALUE_POW10[e] == v;
}

unsigned value_decimal_exponent(double v, unsigned e_min, unsigned e_max)
{
    int64_t x;
    for (unsigned e = e_min; e <= e_max; e++)
        if (value_decimal(v, e, &x)) return e;
    return e_max + 1;
}

/* The exponent that all values have in common; odd ones are left out. */
static bool find_exponent(const double *values, size_t count, unsigned *out_exponent)
{
    unsigned e = 0, odd = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t x;
        if (bits_are_special(bits_of_double(values[i])) || value_decimal(values[i], e, &x))
            continue;
        unsigned needed = value_decimal_exponent(values[i], e + 1, ODD_EXPONENT);
        if (needed <= ODD_EXPONENT)
            e = needed;
        else if (++odd > ODD_MAX)
            return false;
    }
    *out_exponent = e;
    return true;
}

/* The common case, alone in a loop: all values are integers. Returns how many are. */
static size_t leading_integers(const double *restrict values, size_t count, int64_t *restrict x)
{
    for (size_t i = 0; i < count; i++) {
        if (!value_decimal(values[i], 0, &x[i])) return i;
        if (x[i] == 0 && bits_of_double(values[i]) != 0) return i; /* -0.0 */
    }
    return count;
}

bool value_to_integers(struct value_encoder *enc, const double *values, size_t count,
                       unsigned *out_exponent)
{
    enc->special_count = 0;
    *out_exponent = 0;
    if (leading_integers(values, count, enc->x) == count) return true;
    unsigned e;
    if (!find_exponent(values, count, &e)) return false;
    size_t regular = 0, odd = 0;
    for (size_t i = 0; i < count; i++) {
        bool is_special = bits_are_special(bits_of_double(values[i]));
        if (!is_special && value_decimal(values[i], e, &enc->x[i])) {
            /* The first regular value also stands for the specials before it. */
            for (size_t k = i; regular == 0 && k-- > 0;)
                enc->x[k] = enc->x[i];
            regular++;
            continue;
        }
        odd += !is_special;
        if (enc->special_count >= count / 8 || odd > ODD_MAX) return false;
        enc->special_at[enc->special_count++] = (uint16_t)i;
        enc->x[i] = i > 0 ? enc->x[i - 1] : 0;
    }
    *out_exponent = e;
    return regular > 0;
}
