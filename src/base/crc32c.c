/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc32c.h"

#include <string.h>

#include "base/crc32c_table.h" /* generated: crc32c_table[8][256] */

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#define CRC_U64(crc, v) ((uint32_t)_mm_crc32_u64((crc), (v)))
#define CRC_U8(crc, v) _mm_crc32_u8((crc), (v))
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#define CRC_U64(crc, v) __crc32cd((crc), (v))
#define CRC_U8(crc, v) __crc32cb((crc), (v))
#endif

/* Slicing by eight (Kounavis, Berry 2008): table[k][b] is the CRC of byte b followed by k zeros. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        v ^= crc;
        crc = 0;
        for (unsigned i = 0; i < 8; i++) {
            crc ^= crc32c_table[7 - i][v >> (8 * i) & 0xFF];
        }
    }
    for (; len > 0; len--, p++) {
        crc = crc >> 8 ^ crc32c_table[0][(crc ^ *p) & 0xFF];
    }
    return ~crc;
}

#ifdef CRC_U64
uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (; len >= 8; len -= 8, p += 8) {
        uint64_t v;
        memcpy(&v, p, sizeof v);
        crc = CRC_U64(crc, v);
    }
    for (; len > 0; len--, p++) {
        crc = CRC_U8(crc, *p);
    }
    return ~crc;
}
#else
uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    return crc32c_portable(crc, data, len);
}
#endif
