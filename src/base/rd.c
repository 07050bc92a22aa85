/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rd.h"

/* The fixed-width readers copy host order. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "little-endian hosts only");
_Static_assert(sizeof(double) == 8, "IEEE-754 binary64");
