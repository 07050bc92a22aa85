/* SPDX-License-Identifier: Apache-2.0
 *
 * hex - octets as hexadecimal digits (trace ids, checksums).
 */
#ifndef PHAROS_CODEC_HEX_H
#define PHAROS_CODEC_HEX_H

#include <stddef.h>

#include "base/str.h"

/* Lower case; writes 2 * in.len characters, no NUL. */
void hex_encode(struct bytes in, char *out);
/* Value of one digit, either case, -1 if it is none. */
int hex_digit(char c);

#endif
