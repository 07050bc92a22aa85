/* SPDX-License-Identifier: Apache-2.0 */
#include "echo_service.h"

#include "base/assert.h"
#include "os/clock.h"

static void say(void *ctx, struct grpc_call *call)
{
    (void)ctx;
    grpc_call_reply(call, grpc_call_message(call));
}

static void fail(void *ctx, struct grpc_call *call)
{
    (void)ctx;
    /* A google.rpc.Status with nothing but code 9. */
    static const uint8_t DETAILS[] = { 0x08, 0x09 };
    grpc_call_finish(call, GRPC_FAILED_PRECONDITION, STR("100% \xc3\xa9gal\n"),
                     (struct bytes){ DETAILS, sizeof DETAILS });
}

static void start_thread(struct echo_service *s, void (*fn)(void *), struct grpc_call *call)
{
    MUTEX_SCOPE(&s->lock);
    ASSERT(s->thread_count < ECHO_THREADS_MAX);
    enum err_code rc = thread_start(&s->threads[s->thread_count++], "echo", fn, call, NULL);
    ASSERT(rc == ERR_OK);
}

static void repeat_main(void *arg)
{
    struct grpc_call *call = arg;
    struct err err = { 0 };
    for (unsigned i = 0; i < 5; i++) {
        if (grpc_call_send(call, grpc_call_message(call), 20000, &err) == ERR_OK) continue;
        grpc_call_fail(call, &err);
        return;
    }
    grpc_call_finish(call, GRPC_OK, (struct str){ 0 }, (struct bytes){ 0 });
}

static void repeat(void *ctx, struct grpc_call *call)
{
    start_thread(ctx, repeat_main, call);
}

static void break_main(void *arg)
{
    struct grpc_call *call = arg;
    struct err err = { 0 };
    (void)!grpc_call_send(call, grpc_call_message(call), 20000, &err);
    grpc_call_finish(call, GRPC_ABORTED, STR("broke off"), (struct bytes){ 0 });
}

static void break_off(void *ctx, struct grpc_call *call)
{
    start_thread(ctx, break_main, call);
}

static void later_main(void *arg)
{
    struct grpc_call *call = arg;
    struct err err = { 0 };
    bool has_deadline = grpc_call_deadline_ns(call) != UINT64_MAX;
    if (has_deadline) {
        err_set(&err, ERR_TIMEOUT, "no time left");
    } else {
        err_setf(&err, ERR_BUSY, "try again", "queue of %d", 7);
    }
    grpc_call_fail(call, &err);
}

static void later(void *ctx, struct grpc_call *call)
{
    start_thread(ctx, later_main, call);
}

enum err_code echo_service_register(struct echo_service *s, struct router *r, struct err *err)
{
    *s = (struct echo_service){
        .methods = {
            { .path = "/test.Echo/Say", .fn = say },
            { .path = "/test.Echo/Fail", .fn = fail },
            { .path = "/test.Echo/Repeat", .fn = repeat },
            { .path = "/test.Echo/Break", .fn = break_off },
            { .path = "/test.Echo/Later", .fn = later },
        },
    };
    mutex_init(&s->lock);
    for (unsigned i = 0; i < ECHO_METHODS; i++) {
        s->methods[i].ctx = s;
        s->methods[i].message_bytes_max = ECHO_MESSAGE_BYTES_MAX;
    }
    return grpc_register(r, s->methods, ECHO_METHODS, err);
}

void echo_service_deinit(struct echo_service *s)
{
    for (unsigned i = 0; i < s->thread_count; i++)
        thread_join(&s->threads[i]);
    mutex_deinit(&s->lock);
}
