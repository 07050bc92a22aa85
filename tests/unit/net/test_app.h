/* SPDX-License-Identifier: Apache-2.0
 *
 * test_app - the handler that the tests of the network layer talk to.
 *
 *   /hello          "hello\n"
 *   /echo           the body, with its content type; "X-Path" repeats the path and query
 *   /whoami         the name in the client's certificate
 *   /headers        the method and headers as they came
 *   /redirect       302 to /hello
 *   /bad-gzip       a body that is no gzip, and says it is
 *   /big?N          N bytes of 'b', borrowed; /big-static and /big-taken the other ways
 *   /gzip?N         the same, compressible
 *   /later          kept; app_take() hands it to the test
 *   /stream?N       a thread streams N bytes in pieces of 1,000; with a trailer
 *   /stream-loop?N  the same from the loop, with try_write and on_writable
 *   /abort          a stream that breaks off
 *   /continue?N     goes on N times in later turns, then "done"
 *   /inject         an answer header with a line break in it
 *   /deny           refused by handler.begin (401)
 *   /small-limit    handler.begin sets a body limit of 10 bytes
 *   /slow-start     nothing but /later for streams: started, then kept
 */
#ifndef PHAROS_TESTS_TEST_APP_H
#define PHAROS_TESTS_TEST_APP_H

#include "net/http_server.h"
#include "os/thread.h"

struct test_app {
    struct mutex lock;
    struct cond changed;
    struct http_exchange *kept; /* by /later */
    _Atomic unsigned closed_count;
    _Atomic unsigned served_count;
    struct thread threads[64];
    unsigned thread_count;
    const struct mem_source *mem;
};

void test_app_init(struct test_app *app);
/* Joins the streaming threads. */
void test_app_deinit(struct test_app *app);
struct http_handler test_app_handler(struct test_app *app);
/* Wait for the exchange that /later keeps. */
struct http_exchange *test_app_take(struct test_app *app);
/* Wait until so many exchanges were told that their client left. */
void test_app_await_closed(struct test_app *app, unsigned count);

#endif
