/* SPDX-License-Identifier: Apache-2.0
 *
 * tls_priv - what tls_context.c and tls_session.c share.
 */
#ifndef PHAROS_NET_TLS_PRIV_H
#define PHAROS_NET_TLS_PRIV_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/tls.h"
#include "os/thread.h"

struct tls_context {
    struct mem_budget *mem;
    BIO_METHOD *bio_method;
    _Atomic uint32_t ref_count; /* the owner and each session */
    struct mutex lock;
    /* guarded by lock */
    SSL_CTX *ctx;
    int64_t not_after_ms;
};

/* The socket as OpenSSL sees it; NULL: no memory. */
BIO_METHOD *tls_bio_method_create(void);
void tls_context_unref(struct tls_context *t);
/* Fill *err with the newest entry of OpenSSL's error queue and empty the queue. */
enum err_code tls_fail(struct err *err, enum err_code code, const char *msg);

#endif
