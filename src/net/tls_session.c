/* SPDX-License-Identifier: Apache-2.0 */
#include <openssl/err.h>

#include "base/assert.h"
#include "net/tls_priv.h"
#include "os/socket.h"

enum { IDENTITY_SIZE = 128 };

struct tls_session {
    struct tls_context *context;
    SSL *ssl;
    int fd;
    uint8_t *peeked; /* read before the handshake began */
    size_t peeked_len, peeked_offset;
    bool is_open; /* handshake finished, nothing fatal since */
    bool wants_write;
    char identity[IDENTITY_SIZE];
    size_t identity_len;
};

/* ---- the socket as a BIO --------------------------------------------------------------------- */

static int bio_read(BIO *bio, char *dst, size_t len, size_t *out_n)
{
    struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    size_t waiting = s->peeked_len - s->peeked_offset;
    if (waiting > 0) {
        size_t n = waiting < len ? waiting : len;
        memcpy(dst, s->peeked + s->peeked_offset, n);
        s->peeked_offset += n;
        *out_n = n;
        return 1;
    }
    bool again = false;
    *out_n = 0;
    if (socket_read(s->fd, dst, len, out_n, &again, NULL) != ERR_OK) return 0;
    if (again) BIO_set_retry_read(bio);
    return *out_n > 0;
}

static int bio_write(BIO *bio, const char *src, size_t len, size_t *out_n)
{
    struct tls_session *s = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    bool again = false;
    *out_n = 0;
    if (socket_write(s->fd, src, len, out_n, &again, NULL) != ERR_OK) return 0;
    if (again) BIO_set_retry_write(bio);
    return *out_n > 0;
}

static long bio_ctrl(BIO *bio, int command, long number, void *ptr)
{
    (void)number;
    (void)ptr;
    if (command == BIO_CTRL_FLUSH) return 1;
    /* The end of the stream is an end, not an error to retry. */
    if (command == BIO_CTRL_EOF) return BIO_should_retry(bio) ? 0 : 1;
    return 0;
}

BIO_METHOD *tls_bio_method_create(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "socket");
    if (!m) return NULL;
    bool ok = BIO_meth_set_read_ex(m, bio_read) == 1 && BIO_meth_set_write_ex(m, bio_write) == 1 &&
              BIO_meth_set_ctrl(m, bio_ctrl) == 1;
    if (ok) return m;
    BIO_meth_free(m);
    return NULL;
}

/* ---- life ---------------------------------------------------------------------------------- */

static bool set_up_ssl(struct tls_session *s)
{
    mutex_lock(&s->context->lock);
    s->ssl = SSL_new(s->context->ctx);
    mutex_unlock(&s->context->lock);
    if (!s->ssl) return false;
    BIO *bio = BIO_new(s->context->bio_method);
    if (!bio) return false;
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(s->ssl, bio, bio);
    SSL_set_accept_state(s->ssl);
    return true;
}

enum err_code tls_session_create(struct tls_context *t, int fd, struct bytes peeked,
                                 struct tls_session **out, struct err *err)
{
    struct mem_budget *mem = t->mem;
    if (!mem_charge(mem, MEM_NETWORK, TLS_SESSION_BYTES)) {
        return err_set(err, ERR_NOMEM, "no memory for a TLS session");
    }
    struct tls_session *s = mem_zalloc(mem, MEM_NETWORK, sizeof *s);
    if (!s) {
        mem_uncharge(mem, MEM_NETWORK, TLS_SESSION_BYTES);
        return err_set(err, ERR_NOMEM, "no memory for a TLS session");
    }
    s->context = t;
    s->fd = fd;
    /* Relaxed: the caller's own reference keeps the context alive. */
    atomic_fetch_add_explicit(&t->ref_count, 1, memory_order_relaxed);
    ERR_clear_error();
    if (peeked.len > 0) s->peeked = mem_alloc(mem, MEM_NETWORK, peeked.len);
    if ((peeked.len > 0 && !s->peeked) || !set_up_ssl(s)) {
        tls_session_destroy(s);
        return err_set(err, ERR_NOMEM, "no memory for a TLS session");
    }
    if (peeked.len > 0) memcpy(s->peeked, peeked.ptr, peeked.len);
    s->peeked_len = peeked.len;
    *out = s;
    return ERR_OK;
}

static void drop_peeked(struct tls_session *s)
{
    mem_free(s->context->mem, MEM_NETWORK, s->peeked, s->peeked_len);
    s->peeked = NULL;
    s->peeked_len = s->peeked_offset = 0;
}

void tls_session_destroy(struct tls_session *s)
{
    if (!s) return;
    struct tls_context *t = s->context;
    tls_session_shutdown(s);
    SSL_free(s->ssl);
    drop_peeked(s);
    mem_free(t->mem, MEM_NETWORK, s, sizeof *s);
    mem_uncharge(t->mem, MEM_NETWORK, TLS_SESSION_BYTES);
    tls_context_unref(t);
}

void tls_session_cut(struct tls_session *s)
{
    s->is_open = false;
}

void tls_session_shutdown(struct tls_session *s)
{
    if (!s->is_open) return;
    s->is_open = false;
    ERR_clear_error();
    (void)SSL_shutdown(s->ssl); /* best effort: the socket may be full or gone */
}

/* ---- data ----------------------------------------------------------------------------------- */

enum outcome { OUTCOME_AGAIN, OUTCOME_END, OUTCOME_FAILED };

/* Why did a call return 0 or less? */
static enum outcome outcome_of(struct tls_session *s, int rc)
{
    switch (SSL_get_error(s->ssl, rc)) {
    case SSL_ERROR_WANT_READ: return OUTCOME_AGAIN;
    case SSL_ERROR_WANT_WRITE: s->wants_write = true; return OUTCOME_AGAIN;
    case SSL_ERROR_ZERO_RETURN: return OUTCOME_END;
    default: s->is_open = false; return OUTCOME_FAILED;
    }
}

static void keep_identity(struct tls_session *s)
{
    const X509 *peer = SSL_get0_peer_certificate(s->ssl);
    if (!peer || SSL_get_verify_result(s->ssl) != X509_V_OK) return;
    int n = X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, s->identity,
                                      IDENTITY_SIZE);
    s->identity_len = n > 0 ? (size_t)n : 0;
}

enum err_code tls_session_handshake(struct tls_session *s, bool *out_done, struct err *err)
{
    ERR_clear_error();
    s->wants_write = false;
    int rc = SSL_do_handshake(s->ssl);
    if (rc == 1) {
        s->is_open = true;
        keep_identity(s);
        *out_done = true;
        return ERR_OK;
    }
    *out_done = false;
    if (outcome_of(s, rc) == OUTCOME_AGAIN) return ERR_OK;
    return tls_fail(err, ERR_DENIED, "TLS handshake failed");
}

enum err_code tls_session_read(struct tls_session *s, void *dst, size_t len, size_t *out_n,
                               bool *out_again, struct err *err)
{
    ERR_clear_error();
    *out_again = false;
    *out_n = 0;
    s->wants_write = false;
    int rc = SSL_read_ex(s->ssl, dst, len, out_n);
    if (s->peeked && s->peeked_offset == s->peeked_len) drop_peeked(s);
    if (rc == 1) return ERR_OK;
    switch (outcome_of(s, rc)) {
    case OUTCOME_AGAIN: *out_again = true; return ERR_OK;
    case OUTCOME_END: return ERR_OK;
    case OUTCOME_FAILED: break;
    }
    return tls_fail(err, ERR_IO, "TLS connection failed");
}

enum err_code tls_session_write(struct tls_session *s, const void *src, size_t len, size_t *out_n,
                                bool *out_again, struct err *err)
{
    ERR_clear_error();
    *out_again = false;
    *out_n = 0;
    if (len == 0) return ERR_OK;
    int rc = SSL_write_ex(s->ssl, src, len, out_n);
    if (rc == 1) return ERR_OK;
    bool wanted_write = s->wants_write;
    enum outcome outcome = outcome_of(s, rc);
    /* The connection knows by itself that its output waits. */
    s->wants_write = wanted_write;
    if (outcome != OUTCOME_AGAIN) return tls_fail(err, ERR_IO, "TLS connection failed");
    *out_again = true;
    return ERR_OK;
}

bool tls_session_wants_write(const struct tls_session *s)
{
    return s->wants_write;
}

bool tls_session_has_pending(const struct tls_session *s)
{
    return SSL_has_pending(s->ssl) == 1;
}

enum tls_alpn tls_session_alpn(const struct tls_session *s)
{
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(s->ssl, &name, &len);
    struct str chosen = { (const char *)name, len };
    if (str_eq(chosen, STR("h2"))) return TLS_ALPN_H2;
    return chosen.len > 0 ? TLS_ALPN_HTTP1 : TLS_ALPN_NONE;
}

struct str tls_session_identity(const struct tls_session *s)
{
    return (struct str){ s->identity, s->identity_len };
}
