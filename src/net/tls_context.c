/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

#include "base/assert.h"
#include "base/cleanup.h"
#include "base/time.h"
#include "net/tls_priv.h"

DEFINE_CLEANUP(BIO_free_all, BIO *)
DEFINE_CLEANUP(X509_free, X509 *)
DEFINE_CLEANUP(EVP_PKEY_free, EVP_PKEY *)
DEFINE_CLEANUP(SSL_CTX_free, SSL_CTX *)

/* TLS 1.2 suites; those of 1.3 are all good. */
static const char *const CIPHERS_12 = "ECDHE+AESGCM:ECDHE+CHACHA20";

enum err_code tls_fail(struct err *err, enum err_code code, const char *msg)
{
    unsigned long last = ERR_peek_last_error();
    const char *reason = last != 0 ? ERR_reason_error_string(last) : NULL;
    ERR_clear_error();
    return err_setf(err, code, msg, "%s", reason ? reason : "unknown reason");
}

/* ---- loading ------------------------------------------------------------------------------- */

/* Keys with a passphrase are refused rather than asked for on a terminal. */
static int no_passphrase(char *out, int size, int is_writing, void *arg)
{
    (void)out;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static BIO *bio_of(struct str pem)
{
    return BIO_new_mem_buf(pem.ptr, (int)(pem.len > INT32_MAX ? INT32_MAX : pem.len));
}

static int64_t not_after_of(const X509 *leaf)
{
    struct tm tm = { 0 };
    if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1) return 0;
    return unix_from_civil(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                           tm.tm_sec) *
           1000;
}

static enum err_code load_chain(SSL_CTX *ctx, struct str pem, int64_t *out_not_after_ms,
                                struct err *err)
{
    CLEANUP(BIO_free_all_p) BIO *bio = bio_of(pem);
    CLEANUP(X509_free_p)
    X509 *leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_passphrase, NULL) : NULL;
    if (!leaf || SSL_CTX_use_certificate(ctx, leaf) != 1) {
        return tls_fail(err, ERR_INVALID, "cannot read the certificate");
    }
    *out_not_after_ms = not_after_of(leaf);
    X509 *next = NULL;
    while ((next = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        if (SSL_CTX_add0_chain_cert(ctx, next) == 1) continue;
        X509_free(next);
        return tls_fail(err, ERR_INVALID, "cannot use the certificate chain");
    }
    /* The loop ends with "no start line" at the end of the text, which is no error. */
    bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (!is_end) return tls_fail(err, ERR_INVALID, "cannot read the certificate chain");
    ERR_clear_error();
    return ERR_OK;
}

static enum err_code load_key(SSL_CTX *ctx, struct str pem, struct err *err)
{
    CLEANUP(BIO_free_all_p) BIO *bio = bio_of(pem);
    CLEANUP(EVP_PKEY_free_p)
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
    if (!key) return tls_fail(err, ERR_INVALID, "cannot read the private key");
    if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
        return tls_fail(err, ERR_INVALID, "the private key does not belong to the certificate");
    }
    return ERR_OK;
}

static enum err_code load_client_cas(SSL_CTX *ctx, struct str pem, struct err *err)
{
    CLEANUP(BIO_free_all_p) BIO *bio = bio_of(pem);
    if (!bio) return tls_fail(err, ERR_INVALID, "cannot read the client authorities");
    unsigned count = 0;
    for (;;) {
        CLEANUP(X509_free_p) X509 *ca = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        if (!ca) break;
        count++;
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca) != 1 ||
            SSL_CTX_add_client_CA(ctx, ca) != 1) {
            return tls_fail(err, ERR_INVALID, "cannot use the client authorities");
        }
    }
    if (count == 0) return tls_fail(err, ERR_INVALID, "cannot read the client authorities");
    ERR_clear_error();
    return ERR_OK;
}

/* ---- policy -------------------------------------------------------------------------------- */

/* h2 before http/1.1, whatever the client's order. */
static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned int in_len, void *arg)
{
    (void)ssl;
    (void)arg;
    static const unsigned char OURS[] = "\x02h2\x08http/1.1";
    unsigned char *chosen = NULL;
    int rc = SSL_select_next_proto(&chosen, out_len, OURS, sizeof OURS - 1, in, in_len);
    *out = chosen;
    return rc == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum err_code apply_policy(SSL_CTX *ctx, const struct tls_options *options, struct err *err)
{
    int min_version = options->is_tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION;
    static const unsigned char SESSION_CONTEXT[] = "pharos";
    bool ok = SSL_CTX_set_min_proto_version(ctx, min_version) == 1 &&
              SSL_CTX_set_cipher_list(ctx, CIPHERS_12) == 1 &&
              SSL_CTX_set_session_id_context(ctx, SESSION_CONTEXT, sizeof SESSION_CONTEXT - 1) == 1;
    if (!ok) return tls_fail(err, ERR_INVALID, "cannot set up TLS");
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
    switch (options->client_auth) {
    case TLS_CLIENT_AUTH_NONE: break;
    case TLS_CLIENT_AUTH_REQUEST: SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL); break;
    case TLS_CLIENT_AUTH_REQUIRE_AND_VERIFY:
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        break;
    }
    return ERR_OK;
}

static enum err_code build(const struct tls_options *options, SSL_CTX **out, int64_t *out_not_after,
                           struct err *err)
{
    ERR_clear_error();
    CLEANUP(SSL_CTX_free_p) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx) return err_set(err, ERR_NOMEM, "no memory for TLS");
    int64_t not_after = 0;
    TRY(apply_policy(ctx, options, err));
    TRY(load_chain(ctx, options->certificate_pem, &not_after, err));
    TRY(load_key(ctx, options->key_pem, err));
    if (options->client_auth != TLS_CLIENT_AUTH_NONE) {
        TRY(load_client_cas(ctx, options->client_ca_pem, err));
    }
    *out_not_after = not_after;
    *out = TAKE(ctx);
    return ERR_OK;
}

/* ---- life ---------------------------------------------------------------------------------- */

enum err_code tls_context_create(struct mem_budget *mem, const struct tls_options *options,
                                 struct tls_context **out, struct err *err)
{
    SSL_CTX *ctx = NULL;
    int64_t not_after_ms = 0;
    TRY(build(options, &ctx, &not_after_ms, err));
    struct tls_context *t = mem_zalloc(mem, MEM_NETWORK, sizeof *t);
    BIO_METHOD *method = tls_bio_method_create();
    if (!t || !method) {
        SSL_CTX_free(ctx);
        BIO_meth_free(method);
        mem_free(mem, MEM_NETWORK, t, sizeof *t);
        return err_set(err, ERR_NOMEM, "no memory for TLS");
    }
    t->mem = mem;
    t->bio_method = method;
    t->ctx = ctx;
    t->not_after_ms = not_after_ms;
    atomic_init(&t->ref_count, 1);
    mutex_init(&t->lock);
    *out = t;
    return ERR_OK;
}

enum err_code tls_context_reload(struct tls_context *t, const struct tls_options *options,
                                 struct err *err)
{
    SSL_CTX *fresh = NULL;
    int64_t not_after_ms = 0;
    TRY(build(options, &fresh, &not_after_ms, err));
    mutex_lock(&t->lock);
    SSL_CTX *old = t->ctx;
    t->ctx = fresh;
    t->not_after_ms = not_after_ms;
    mutex_unlock(&t->lock);
    SSL_CTX_free(old); /* sessions hold references of their own */
    return ERR_OK;
}

int64_t tls_context_not_after_ms(struct tls_context *t)
{
    MUTEX_SCOPE(&t->lock);
    return t->not_after_ms;
}

void tls_context_unref(struct tls_context *t)
{
    /* acq_rel: the last one sees everything the others did. */
    if (atomic_fetch_sub_explicit(&t->ref_count, 1, memory_order_acq_rel) > 1) return;
    struct mem_budget *mem = t->mem;
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->bio_method);
    mutex_deinit(&t->lock);
    mem_free(mem, MEM_NETWORK, t, sizeof *t);
}

void tls_context_destroy(struct tls_context *t)
{
    if (t) tls_context_unref(t);
}
