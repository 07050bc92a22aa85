/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

static enum err_code digest_of(const EVP_MD *algorithm, struct bytes in, uint8_t *out,
                               struct err *err)
{
    if (EVP_Digest(in.ptr ? in.ptr : (const uint8_t *)"", in.len, out, NULL, algorithm, NULL) != 1)
        return err_set(err, ERR_UNSUPPORTED, "digest algorithm not available");
    return ERR_OK;
}

enum err_code md5(struct bytes in, uint8_t out[MD5_SIZE], struct err *err)
{
    return digest_of(EVP_md5(), in, out, err);
}

enum err_code sha256(struct bytes in, uint8_t out[SHA256_SIZE], struct err *err)
{
    return digest_of(EVP_sha256(), in, out, err);
}

enum err_code hmac_sha256(struct bytes key, struct bytes in, uint8_t out[SHA256_SIZE],
                          struct err *err)
{
    const uint8_t *key_ptr = key.ptr ? key.ptr : (const uint8_t *)"";
    const uint8_t *in_ptr = in.ptr ? in.ptr : (const uint8_t *)"";
    unsigned size = 0;
    if (key.len > INT32_MAX) return err_set(err, ERR_LIMIT, "HMAC key too long");
    if (HMAC(EVP_sha256(), key_ptr, (int)key.len, in_ptr, in.len, out, &size) == NULL)
        return err_set(err, ERR_UNSUPPORTED, "digest algorithm not available");
    return ERR_OK;
}

bool digest_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}
