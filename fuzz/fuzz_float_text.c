/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers: any bytes are refused, or give the value that libc reads, and its text in every style
 * reads back to the same bits.
 */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/float_text.h"
#include "base/num.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_styles(double v)
{
    for (int style = FLOAT_SHORTEST; style <= FLOAT_GO_E; style++) {
        char out[FLOAT_TEXT_SIZE];
        size_t n = float_format(v, (enum float_style)style, out);
        double back;
        bool is_read = float_parse((struct str){ out, n }, &back);
        ASSERT(is_read);
        ASSERT(bits_of_double(back) == bits_of_double(v) || (isnan(v) && isnan(back)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    double v;
    if (size >= sizeof v) { /* the same bytes as a value */
        memcpy(&v, data, sizeof v);
        check_styles(v);
    }
    if (!float_parse(text, &v)) return 0;
    check_styles(v);
    char copy[4096];
    if (isnan(v) || size >= sizeof copy) return 0;
    char *end = NULL;
    double libc = strtod(str_z(text, copy, sizeof copy), &end);
    ASSERT(*end == '\0');
    /* glibc 2.36 cuts some hexadecimal subnormals instead of rounding them. */
    bool is_hex = memchr(data, 'x', size) || memchr(data, 'X', size);
    if (is_hex && fabs(v) <= DBL_MIN) return 0;
    ASSERT(bits_of_double(libc) == bits_of_double(v));
    return 0;
}
