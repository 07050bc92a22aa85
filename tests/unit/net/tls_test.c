/* SPDX-License-Identifier: Apache-2.0 */
#include "net/tls.h"

#include <check.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "server_fixture.h"
#include "test_app.h"
#include "test_identity.h"

/* ---- client --------------------------------------------------------------------------------- */

struct tls_client {
    int fd;
    SSL_CTX *ctx;
    SSL *ssl;
    bool is_connected;
};

static struct tls_client client_start(const struct fixture *f, const char *alpn,
                                      const struct identity *own)
{
    struct tls_client c = { .fd = client_connect(f), .ctx = SSL_CTX_new(TLS_client_method()) };
    if (own) {
        SSL_CTX_use_certificate(c.ctx, own->certificate);
        SSL_CTX_use_PrivateKey(c.ctx, own->key);
    }
    c.ssl = SSL_new(c.ctx);
    if (alpn) {
        ck_assert_int_eq(
            SSL_set_alpn_protos(c.ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn)), 0);
    }
    SSL_set_fd(c.ssl, c.fd);
    c.is_connected = SSL_connect(c.ssl) == 1;
    return c;
}

static void client_end(struct tls_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    client_close(c->fd);
    ERR_clear_error();
}

/* Ask for a path and read until the server closes. False when the connection fails. */
static bool client_ask(struct tls_client *c, const char *path, char *out, size_t size)
{
    char request[256];
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", path);
    if (SSL_write(c->ssl, request, n) != n) return false;
    size_t len = 0;
    for (;;) {
        n = SSL_read(c->ssl, out + len, (int)(size - 1 - len));
        if (n <= 0) break;
        len += (size_t)n;
    }
    out[len] = '\0';
    return len > 0;
}

static void assert_hello(struct tls_client *c)
{
    char text[4096];
    ck_assert(c->is_connected);
    ck_assert(client_ask(c, "/hello", text, sizeof text));
    ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nhello\n"));
}

struct setup {
    struct test_app app;
    struct fixture f;
    struct identity id;
};

static void start(struct setup *s, struct tls_options *options, bool is_required)
{
    test_app_init(&s->app);
    struct fixture_options fixture = {
        .limits = http_limits_default(),
        .handler = test_app_handler(&s->app),
        .tls = options,
        .is_tls_required = is_required,
    };
    s->f = fixture_start(&fixture);
    s->app.mem = mem_source_of(s->f.mem, MEM_QUERY);
}

static void start_plainly(struct setup *s)
{
    s->id = identity_create("server", NULL);
    struct tls_options options = options_of(&s->id);
    start(s, &options, false);
}

static void stop(struct setup *s)
{
    fixture_stop(&s->f);
    test_app_deinit(&s->app);
    identity_destroy(&s->id);
}

/* ---- connections ------------------------------------------------------------------------------ */

START_TEST(one_port_speaks_tls_and_plain)
{
    struct setup s;
    start_plainly(&s);
    struct tls_client c = client_start(&s.f, "\x08http/1.1", NULL);
    assert_hello(&c);
    ck_assert_int_ge(SSL_version(c.ssl), TLS1_2_VERSION);
    client_end(&c);
    struct answer a = client_exchange(&s.f, STR("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"));
    ck_assert_str_eq(a.body, "hello\n");
    answer_free(&a);
    ck_assert_uint_eq(stat_get(&http_server_stats(s.f.server)->tls_connections_total), 1);
    stop(&s);
}
END_TEST

static const struct {
    const char *offer;
    const char *chosen; /* "": none */
} OFFERS[] = {
    { "\x08http/1.1\x02h2", "h2" },
    { "\x02h2", "h2" },
    { "\x08http/1.1", "http/1.1" },
    { NULL, "" },
};

START_TEST(protocol_is_negotiated)
{
    struct setup s;
    start_plainly(&s);
    struct tls_client c = client_start(&s.f, OFFERS[_i].offer, NULL);
    ck_assert(c.is_connected);
    const unsigned char *name = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(c.ssl, &name, &len);
    struct str chosen = { (const char *)name, len };
    ck_assert(str_eq(chosen, str_of_z(OFFERS[_i].chosen)));
    if (str_eq(chosen, STR("h2"))) {
        /* The server speaks first: SETTINGS. */
        unsigned char frame[9];
        ck_assert_int_eq(SSL_read(c.ssl, frame, sizeof frame), (int)sizeof frame);
        ck_assert_int_eq(frame[3], 4);
    } else {
        assert_hello(&c);
    }
    client_end(&c);
    stop(&s);
}
END_TEST

START_TEST(large_answers_pass_through_tls)
{
    struct setup s;
    start_plainly(&s);
    static const char *const PATHS[] = { "/big?3000000", "/big-static?3000000",
                                         "/big-taken?3000000", "/stream?3000000" };
    char *text = malloc(4000000);
    for (unsigned i = 0; i < 4; i++) {
        struct tls_client c = client_start(&s.f, NULL, NULL);
        ck_assert(client_ask(&c, PATHS[i], text, 4000000));
        ck_assert_uint_gt(strlen(text), 3000000);
        client_end(&c);
    }
    free(text);
    stop(&s);
}
END_TEST

START_TEST(plain_request_is_refused_where_tls_is_required)
{
    struct setup s;
    s.id = identity_create("server", NULL);
    struct tls_options options = options_of(&s.id);
    start(&s, &options, true);
    int fd = client_connect(&s.f);
    client_send(fd, STR("GET /hello HTTP/1.1\r\nHost: h\r\n\r\n"));
    char *text = client_read_all(fd);
    ck_assert_ptr_nonnull(strstr(text, "Client sent an HTTP request to an HTTPS server."));
    free(text);
    client_close(fd);
    struct tls_client c = client_start(&s.f, NULL, NULL);
    assert_hello(&c);
    client_end(&c);
    stop(&s);
}
END_TEST

START_TEST(broken_handshake_is_counted)
{
    struct setup s;
    start_plainly(&s);
    int fd = client_connect(&s.f);
    client_send(fd, STR("\x16\x03\x01\x00\x05hello"));
    free(client_read_all(fd));
    client_close(fd);
    fixture_await_rejected(&s.f, HTTP_REJECT_TLS, 1);
    stop(&s);
}
END_TEST

START_TEST(unfinished_handshake_times_out)
{
    struct setup s;
    s.id = identity_create("server", NULL);
    struct tls_options options = options_of(&s.id);
    test_app_init(&s.app);
    struct fixture_options fixture = { .limits = http_limits_default(),
                                       .handler = test_app_handler(&s.app),
                                       .tls = &options };
    fixture.limits.head_timeout_ms = 20;
    fixture.limits.sweep_ms = 5;
    s.f = fixture_start(&fixture);
    int fd = client_connect(&s.f);
    client_send(fd, STR("\x16\x03\x01"));
    free(client_read_all(fd));
    client_close(fd);
    fixture_await_rejected(&s.f, HTTP_REJECT_HEAD_TIMEOUT, 1);
    stop(&s);
}
END_TEST

/* ---- certificates ----------------------------------------------------------------------------- */

static void assert_common_name(const struct tls_client *c, const char *want)
{
    X509 *peer = SSL_get1_peer_certificate(c->ssl);
    ck_assert_ptr_nonnull(peer);
    char name[64];
    ck_assert_int_gt(
        X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name, 64), 0);
    ck_assert_str_eq(name, want);
    X509_free(peer);
}

START_TEST(reload_serves_the_new_certificate_and_keeps_connections)
{
    struct setup s;
    start_plainly(&s);
    struct tls_client old = client_start(&s.f, NULL, NULL);
    assert_common_name(&old, "server");
    struct identity next = identity_create("renewed", NULL);
    struct tls_options options = options_of(&next);
    struct err err = { 0 };
    ck_assert_int_eq(tls_context_reload(s.f.tls, &options, &err), ERR_OK);
    struct tls_client fresh = client_start(&s.f, NULL, NULL);
    assert_common_name(&fresh, "renewed");
    assert_hello(&old);
    assert_hello(&fresh);
    /* A bad file keeps the certificate. */
    options.key_pem = str_of_z(s.id.key_pem);
    ck_assert_int_eq(tls_context_reload(s.f.tls, &options, &err), ERR_INVALID);
    client_end(&old);
    client_end(&fresh);
    fresh = client_start(&s.f, NULL, NULL);
    assert_common_name(&fresh, "renewed");
    client_end(&fresh);
    ck_assert_int_gt(tls_context_not_after_ms(s.f.tls), 0);
    identity_destroy(&next);
    stop(&s);
}
END_TEST

START_TEST(client_certificate_is_verified_when_required)
{
    struct setup s;
    s.id = identity_create("server", NULL);
    struct identity authority = identity_create("authority", NULL);
    struct identity good = identity_create("agent-7", &authority);
    struct identity bad = identity_create("stranger", NULL);
    struct tls_options options = options_of(&s.id);
    options.client_ca_pem = str_of_z(authority.certificate_pem);
    options.client_auth = TLS_CLIENT_AUTH_REQUIRE_AND_VERIFY;
    start(&s, &options, true);
    char text[4096];
    struct tls_client none = client_start(&s.f, NULL, NULL);
    ck_assert(!none.is_connected || !client_ask(&none, "/hello", text, sizeof text));
    client_end(&none);
    struct tls_client stranger = client_start(&s.f, NULL, &bad);
    ck_assert(!stranger.is_connected || !client_ask(&stranger, "/hello", text, sizeof text));
    client_end(&stranger);
    struct tls_client agent = client_start(&s.f, NULL, &good);
    ck_assert(client_ask(&agent, "/whoami", text, sizeof text));
    ck_assert_ptr_nonnull(strstr(text, "\r\n\r\nagent-7"));
    client_end(&agent);
    fixture_await_rejected(&s.f, HTTP_REJECT_TLS, 2);
    identity_destroy(&authority);
    identity_destroy(&good);
    identity_destroy(&bad);
    stop(&s);
}
END_TEST

START_TEST(bad_pem_is_explained)
{
    struct mem_budget *mem = mem_budget_create(64 << 20);
    struct identity id = identity_create("server", NULL);
    struct identity other = identity_create("other", NULL);
    struct tls_options cases[5];
    for (unsigned i = 0; i < 5; i++)
        cases[i] = options_of(&id);
    cases[0].certificate_pem = STR("no certificate");
    cases[1].key_pem = STR("");
    cases[2].key_pem = str_of_z(other.key_pem);
    cases[3].client_auth = TLS_CLIENT_AUTH_REQUEST;
    cases[4].certificate_pem = (struct str){ 0 };
    for (unsigned i = 0; i < 5; i++) {
        struct tls_context *t = NULL;
        struct err err = { 0 };
        ck_assert_int_eq(tls_context_create(mem, &cases[i], &t, &err), ERR_INVALID);
        ck_assert_ptr_null(t);
        ck_assert_uint_gt(strlen(err.msg), 0);
    }
    identity_destroy(&id);
    identity_destroy(&other);
    ck_assert_uint_eq(mem_live_count(mem), 0);
    mem_budget_destroy(mem);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tls");
    TCase *tc = tcase_create("tls");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, one_port_speaks_tls_and_plain);
    tcase_add_loop_test(tc, protocol_is_negotiated, 0, (int)(sizeof OFFERS / sizeof OFFERS[0]));
    tcase_add_test(tc, large_answers_pass_through_tls);
    tcase_add_test(tc, plain_request_is_refused_where_tls_is_required);
    tcase_add_test(tc, broken_handshake_is_counted);
    tcase_add_test(tc, unfinished_handshake_times_out);
    tcase_add_test(tc, reload_serves_the_new_certificate_and_keeps_connections);
    tcase_add_test(tc, client_certificate_is_verified_when_required);
    tcase_add_test(tc, bad_pem_is_explained);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
