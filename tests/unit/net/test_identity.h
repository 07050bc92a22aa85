/* SPDX-License-Identifier: Apache-2.0
 *
 * test_identity - certificates made on the spot, for tests of TLS.
 */
#ifndef PHAROS_TESTS_TEST_IDENTITY_H
#define PHAROS_TESTS_TEST_IDENTITY_H

#include <openssl/ssl.h>

#include "net/tls.h"

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    char certificate_pem[4096];
    char key_pem[4096];
};

/* A certificate for `name` (common name and DNS name) and 127.0.0.1, signed by `issuer` or by itself. */
struct identity identity_create(const char *name, const struct identity *issuer);
void identity_destroy(struct identity *id);
/* For a server with this identity. */
struct tls_options options_of(const struct identity *id);

#endif
