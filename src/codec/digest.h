/* SPDX-License-Identifier: Apache-2.0
 *
 * digest - MD5 (relabel hashmod), SHA-256 and HMAC-SHA-256 (S3 signatures, webhooks), by OpenSSL.
 * Pure functions; any thread. They fail (ERR_UNSUPPORTED) only where the library forbids the
 * algorithm, as a FIPS provider does with MD5.
 */
#ifndef PHAROS_CODEC_DIGEST_H
#define PHAROS_CODEC_DIGEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define MD5_SIZE 16
#define SHA256_SIZE 32

CHECK_RESULT enum err_code md5(struct bytes in, uint8_t out[MD5_SIZE], struct err *err);
CHECK_RESULT enum err_code sha256(struct bytes in, uint8_t out[SHA256_SIZE], struct err *err);
CHECK_RESULT enum err_code hmac_sha256(struct bytes key, struct bytes in, uint8_t out[SHA256_SIZE],
                                       struct err *err);
/* Comparison whose time does not depend on the content: passwords, signatures. */
bool digest_equal(struct bytes a, struct bytes b);

#endif
