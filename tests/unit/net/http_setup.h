/* SPDX-License-Identifier: Apache-2.0
 *
 * http_setup - a server with the test application behind it: what the tests of the HTTP server share.
 */
#ifndef PHAROS_TESTS_HTTP_SETUP_H
#define PHAROS_TESTS_HTTP_SETUP_H

#include "server_fixture.h"
#include "test_app.h"

#define HOST "Host: h\r\n"

struct setup {
    struct test_app app;
    struct fixture f;
};

struct http_limits setup_quick_limits(void);
/* `s` must stay where it is: the server points into it. */
void setup_start_loops(struct setup *s, struct http_limits limits, unsigned loop_count);
void setup_start(struct setup *s, struct http_limits limits);
void setup_stop(struct setup *s);
void answer_assert(const struct answer *a, unsigned status, const char *body);
void setup_ask(struct setup *s, const char *request, unsigned status, const char *body);

#endif
