/* SPDX-License-Identifier: Apache-2.0
 *
 * test_server - a server for real clients: plain, h2c and TLS on one port of loopback, with the
 * routes of test_app and the gRPC echo service. Writes its certificate to the file in argv[1], prints "127.0.0.1:PORT",
 * and ends when its standard input does.
 */
#include <stdio.h>
#include <unistd.h>

#include "echo_service.h"
#include "net/http_server.h"
#include "net/router.h"
#include "server_fixture.h"
#include "test_app.h"
#include "test_identity.h"

struct test_server {
    struct mem_budget *mem;
    struct router *router;
    struct test_app app;
    struct echo_service echo;
    struct identity id;
    struct fixture f;
};

static void serve_app(void *ctx, struct http_exchange *ex)
{
    const struct http_handler handler = test_app_handler(ctx);
    handler.serve(handler.ctx, ex);
}

static enum err_code build_router(struct test_server *s, struct http_route *app_route,
                                  struct err *err)
{
    struct router_options options = { .mem = s->mem };
    TRY(router_create(&options, &s->router, err));
    *app_route = (struct http_route){
        .pattern = "/*rest",
        .methods = HTTP_BIT(HTTP_GET) | HTTP_BIT(HTTP_POST) | HTTP_BIT(HTTP_PUT),
        .serve = serve_app,
        .ctx = &s->app,
    };
    TRY(router_add(s->router, STR(""), app_route, 1, err));
    return echo_service_register(&s->echo, s->router, err);
}

static int write_certificate(const struct identity *id, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) return 1;
    int rc = fputs(id->certificate_pem, file) < 0;
    return fclose(file) != 0 || rc;
}

int main(int argc, char **argv)
{
    if (argc != 2) return 2;
    struct test_server s = { .mem = mem_budget_create(64 << 20) };
    struct http_route app_route;
    struct err err = { 0 };
    test_app_init(&s.app);
    s.id = identity_create("localhost", NULL);
    if (write_certificate(&s.id, argv[1]) || build_router(&s, &app_route, &err) != ERR_OK) return 1;
    struct tls_options tls = options_of(&s.id);
    struct fixture_options fixture = { .limits = http_limits_default(),
                                       .handler = router_handler(s.router),
                                       .tls = &tls };
    s.f = fixture_start(&fixture);
    s.app.mem = mem_source_of(s.f.mem, MEM_QUERY);
    printf("%s\n", s.f.addr);
    (void)fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0) {}
    fixture_stop(&s.f);
    test_app_deinit(&s.app);
    echo_service_deinit(&s.echo);
    router_destroy(s.router);
    identity_destroy(&s.id);
    mem_budget_destroy(s.mem);
    return 0;
}
