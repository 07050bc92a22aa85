/* SPDX-License-Identifier: Apache-2.0
 *
 * crc32c - CRC-32C (Castagnoli, reflected 0x82F63B78, init and xorout 0xFFFFFFFF).
 * crc32c(0, "123456789", 9) == 0xE3069283. Incremental: pass the previous result as `crc`.
 * SSE4.2 / ARM CRC instruction where there is one, a slicing table elsewhere; same value always.
 */
#ifndef PHAROS_BASE_CRC32C_H
#define PHAROS_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* The table version, on every machine: what crc32c is tested against. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

#endif
