/* SPDX-License-Identifier: Apache-2.0
 *
 * chunk_format - numbers of the files chunks/NNNNNN, which hold pages (page.h) one after the other.
 *
 *     u32 magic "PHPG" | u16 version 1 | u16 0 | u64 0 | pages, each at a multiple of 64
 */
#ifndef PHAROS_METRICS_BLOCK_CHUNK_FORMAT_H
#define PHAROS_METRICS_BLOCK_CHUNK_FORMAT_H

#include <stdint.h>

#define CHUNK_FILE_MAGIC 0x47504850u
#define CHUNK_FILE_VERSION 1
#define CHUNK_FILE_HEADER_SIZE 16
#define CHUNK_FILE_BYTES_MAX (512u << 20)
#define CHUNK_FILES_MAX 65536

#define CHUNK_DIR "chunks"
#define CHUNK_FILE_NAME_FORMAT "chunks/%06u"
#define CHUNK_FILE_NAME_SIZE 32

#endif
