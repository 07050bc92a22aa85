/* SPDX-License-Identifier: Apache-2.0
 *
 * hex - octets as hexadecimal digits (trace ids, checksums).
 */
#ifndef PHAROS_CODEC_HEX_H
#define PHAROS_CODEC_HEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Lower case; writes 2 * in.len characters, no NUL. */
void hex_encode(struct bytes in, char *out);
/* Either case. False unless s is exactly 2 * size digits. */
bool hex_decode(struct str s, uint8_t *out, size_t size);
/* Value of one digit, -1 if it is none. */
int hex_digit(char c);

#endif
