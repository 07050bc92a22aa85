/* SPDX-License-Identifier: Apache-2.0
 *
 * base64 - RFC 4648 sections 4 and 5. The decoder takes both alphabets, with or without padding;
 * it refuses blanks, wrong lengths and non-zero trailing bits.
 */
#ifndef PHAROS_CODEC_BASE64_H
#define PHAROS_CODEC_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum base64_alphabet {
    BASE64_STD, /* + / with padding */
    BASE64_URL  /* - _ without padding */
};

void base64_encode(struct bytes in, enum base64_alphabet alphabet, struct buf *out);
/* Room that base64_decode needs at most. */
static inline size_t base64_decoded_max(size_t len)
{
    return len / 4 * 3 + 3;
}
/* Into out[base64_decoded_max(s.len)]. */
bool base64_decode(struct str s, uint8_t *out, size_t *out_len);

#endif
