/* SPDX-License-Identifier: Apache-2.0 */
#include "http_setup.h"

#include <check.h>

struct http_limits setup_quick_limits(void)
{
    struct http_limits limits = http_limits_default();
    limits.sweep_ms = 5;
    return limits;
}

void setup_start_loops(struct setup *s, struct http_limits limits, unsigned loop_count)
{
    test_app_init(&s->app);
    struct fixture_options options = {
        .limits = limits,
        .handler = test_app_handler(&s->app),
        .loop_count = loop_count,
    };
    s->f = fixture_start(&options);
    s->app.mem = mem_source_of(s->f.mem, MEM_QUERY);
}

void setup_start(struct setup *s, struct http_limits limits)
{
    setup_start_loops(s, limits, 2);
}

void setup_stop(struct setup *s)
{
    fixture_stop(&s->f);
    test_app_deinit(&s->app);
}

void answer_assert(const struct answer *a, unsigned status, const char *body)
{
    ck_assert_uint_eq(a->status, status);
    ck_assert(a->is_complete);
    ck_assert_str_eq(a->body, body);
}

void setup_ask(struct setup *s, const char *request, unsigned status, const char *body)
{
    struct answer a = client_exchange(&s->f, str_of_z(request));
    answer_assert(&a, status, body);
    answer_free(&a);
}
