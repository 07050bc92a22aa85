/* SPDX-License-Identifier: Apache-2.0
 *
 * tls - TLS for server connections: OpenSSL 3 behind two types.
 *
 * A tls_context holds the current certificate and settings of a listener and can be reloaded while
 * connections live: existing ones keep the old certificate until they end, new ones get the new. A
 * tls_session is one connection; the ciphertext goes straight between OpenSSL and the socket (own
 * BIO over os/socket.h), bytes that were peeked at before the handshake are fed first.
 *
 * Policy     TLS 1.2 and 1.3; for 1.2 only ECDHE with AEAD; ALPN h2, http/1.1; no renegotiation, no
 *            compression, stateless tickets.
 * Threads    tls_context: any thread, reload included. tls_session: its connection's loop.
 * Memory     OpenSSL allocates by itself; each session charges an estimate (TLS_SESSION_BYTES) to
 *            MEM_NETWORK.
 * Secrets    PEM texts are read during the call only; the caller wipes them.
 */
#ifndef PHAROS_NET_TLS_H
#define PHAROS_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "os/mem.h"

enum { TLS_SESSION_BYTES = 12 << 10 };

enum tls_client_auth {
    TLS_CLIENT_AUTH_NONE,
    TLS_CLIENT_AUTH_REQUEST,           /* ask; verify when one is sent */
    TLS_CLIENT_AUTH_REQUIRE_AND_VERIFY /* handshake fails without a valid one */
};

struct tls_options {
    struct str certificate_pem; /* chain, leaf first */
    struct str key_pem;
    struct str client_ca_pem; /* needed when client_auth asks for verification */
    enum tls_client_auth client_auth;
    bool is_tls13_only;
};

struct tls_context;

/* ERR_INVALID with OpenSSL's reason in detail when a PEM cannot be read or key and certificate do
 * not match. ERR_NOMEM. */
CHECK_RESULT enum err_code tls_context_create(struct mem_budget *mem,
                                              const struct tls_options *options,
                                              struct tls_context **out, struct err *err);
/* New settings for connections from now on; on error the old ones stay. */
CHECK_RESULT enum err_code tls_context_reload(struct tls_context *t,
                                              const struct tls_options *options, struct err *err);
/* Unix time in ms at which the leaf certificate ends; for a metric and a warning. */
int64_t tls_context_not_after_ms(struct tls_context *t);
/* Sessions keep what they need. NULL is a no-op. */
void tls_context_destroy(struct tls_context *t);

/* ---- one connection ---------------------------------------------------------------------- */

struct tls_session;

enum tls_alpn { TLS_ALPN_NONE, TLS_ALPN_HTTP1, TLS_ALPN_H2 };

/* Server side of a handshake on `fd`. `peeked` holds bytes already read from it (copied). */
CHECK_RESULT enum err_code tls_session_create(struct tls_context *t, int fd, struct bytes peeked,
                                              struct tls_session **out, struct err *err);
/* Sends close_notify when that needs no waiting; does not close fd. */
void tls_session_destroy(struct tls_session *s);

/* As far as possible now. *out_done when finished; otherwise wait for what
 * tls_session_wants_write() says. ERR_DENIED: handshake refused. */
CHECK_RESULT enum err_code tls_session_handshake(struct tls_session *s, bool *out_done,
                                                 struct err *err);
/* As socket_read() and socket_write(). */
CHECK_RESULT enum err_code tls_session_read(struct tls_session *s, void *dst, size_t len,
                                            size_t *out_n, bool *out_again, struct err *err);
CHECK_RESULT enum err_code tls_session_write(struct tls_session *s, const void *src, size_t len,
                                             size_t *out_n, bool *out_again, struct err *err);
/* Did the last call that said "again" wait for the socket to become writable? */
bool tls_session_wants_write(const struct tls_session *s);
/* Decrypted bytes that wait inside: read again without waiting for the socket. */
bool tls_session_has_pending(const struct tls_session *s);
/* No announcement of the end: what was sent so far is no whole. */
void tls_session_cut(struct tls_session *s);
/* Announce the end (close_notify). */
void tls_session_shutdown(struct tls_session *s);
enum tls_alpn tls_session_alpn(const struct tls_session *s);
/* Common name of the verified client certificate, "" without; valid as long as the session. */
struct str tls_session_identity(const struct tls_session *s);

#endif
