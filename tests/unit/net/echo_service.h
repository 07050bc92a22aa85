/* SPDX-License-Identifier: Apache-2.0
 *
 * echo_service - the gRPC service that tests call; tests/integration/net/echo.proto describes it.
 *
 *   /test.Echo/Say     answers with the request's bytes (request and answer have the same shape)
 *   /test.Echo/Fail    FAILED_PRECONDITION, with a message that needs escaping, and details
 *   /test.Echo/Repeat  a thread streams the request's bytes 5 times
 *   /test.Echo/Break   one message, then ABORTED
 *   /test.Echo/Later   UNAVAILABLE from a thread, or DEADLINE_EXCEEDED when the call has a time-out
 */
#ifndef PHAROS_TESTS_ECHO_SERVICE_H
#define PHAROS_TESTS_ECHO_SERVICE_H

#include "net/grpc.h"
#include "net/router.h"
#include "os/thread.h"

enum { ECHO_MESSAGE_BYTES_MAX = 1 << 20, ECHO_METHODS = 5, ECHO_THREADS_MAX = 64 };

struct echo_service {
    struct grpc_method methods[ECHO_METHODS];
    struct mutex lock;
    struct thread threads[ECHO_THREADS_MAX];
    unsigned thread_count;
};

CHECK_RESULT enum err_code echo_service_register(struct echo_service *s, struct router *r,
                                                 struct err *err);
/* Joins the threads. */
void echo_service_deinit(struct echo_service *s);

#endif
