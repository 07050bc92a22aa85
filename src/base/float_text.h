/* SPDX-License-Identifier: Apache-2.0
 *
 * float_text - doubles as text: the shortest decimal that reads back bit-identical, and the way
 * back. Independent of the locale.
 *
 * Algorithm  Printing: Schubfach (Giulietti 2020), float_format.c. Parsing: Clinger 1990,
 *            Eisel-Lemire (2021), exact big integers, float_parse.c. Both are checked against libc.
 */
#ifndef PHAROS_BASE_FLOAT_TEXT_H
#define PHAROS_BASE_FLOAT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* Longest output of the functions below, including plain notation of 1e308 and 5e-324. */
#define FLOAT_TEXT_SIZE 352

/* The NaN that float_parse gives, whatever sign the text has: Prometheus' "normal" NaN. The
 * staleness marker is another one and never comes out of a text. */
#define FLOAT_NAN_BITS 0x7FF8000000000001u

enum float_style {
    FLOAT_SHORTEST, /* Prometheus sample: plain if 1e-6 <= |v| < 1e21 or 0, else "1e+21", "1e-07" */
    FLOAT_PLAIN,    /* never an exponent: "1000000000000000000000" (Go 'f', -1) */
    FLOAT_GO_G,     /* Go 'g', -1, also %v: exponent if exp < -4 || exp >= 6 ("1e+06", "0.0001") */
    FLOAT_OM,       /* OpenMetrics: FLOAT_GO_G, but integral values end in ".0" ("1.0", "1e+06") */
    FLOAT_GO_E      /* Go 'e', -1: always an exponent of two or more digits: "1e+00" */
};

/* Write v ("NaN", "+Inf", "-Inf", "-0", ...), not NUL-terminated; returns the length, at most
 * FLOAT_TEXT_SIZE (28 unless the style is FLOAT_PLAIN). */
size_t float_format(double v, enum float_style style, char *out);

/* Go's strconv.ParseFloat on the whole text: decimal with optional exponent, hex float with 'p',
 * "inf", "infinity", "nan" in any case with optional sign; underscores are refused. Overflow gives
 * +-Inf and true (Go reports a range error; Prometheus ignores it). False if it is no number. */
bool float_parse(struct str s, double *out);

/* v truncated toward zero if it fits an int64 exactly representable range, else false. */
bool double_to_i64(double v, int64_t *out);

#endif
