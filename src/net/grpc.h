/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc - unary and server-streaming gRPC calls over HTTP/2, as routes of the router.
 *
 * Wire       Request: POST /package.Service/Method, content-type application/grpc[+proto], body of
 *            one message: u8 compressed | u32be length | payload. Answer: the same framing, then
 *            trailers grpc-status and grpc-message (percent-encoded). An error before the first
 *            message is a trailers-only answer.
 * Coding     Messages of the client may be gzip ("grpc-encoding: gzip"); answers are gzip when the
 *            client offers it in grpc-accept-encoding and the message has at least 1 kB.
 * Limits     One message per request (no client streaming: UNIMPLEMENTED). A message above
 *            message_bytes_max, as sent or decoded, gets RESOURCE_EXHAUSTED. grpc-timeout gives
 *            grpc_call_deadline_ns().
 * Threads    fn runs on the loop as any handler; the call may be finished later from any thread,
 *            exactly once.
 * Memory     The call and the decoded message live in the exchange (MEM_INGEST).
 * Source     grpc/grpc doc/PROTOCOL-HTTP2.md.
 */
#ifndef PHAROS_NET_GRPC_H
#define PHAROS_NET_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/grpc_status.h"
#include "net/http_server.h"
#include "net/router.h"

struct grpc_call;

struct grpc_method {
    const char
        *path; /* "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"; a literal */
    void (*fn)(void *ctx, struct grpc_call *call);
    void *ctx;
    uint64_t message_bytes_max; /* 0: 4 MiB, gRPC's usual default */
    uint32_t route_flags;       /* enum http_route_flags for the guard */
};

/* Add the methods as routes. `methods` is kept by reference. Errors as router_add(). */
CHECK_RESULT enum err_code grpc_register(struct router *r, const struct grpc_method *methods,
                                         size_t count, struct err *err);

/* The decoded request message; valid until the call is finished. */
struct bytes grpc_call_message(const struct grpc_call *call);
struct http_exchange *grpc_call_exchange(const struct grpc_call *call);
struct arena *grpc_call_arena(struct grpc_call *call);
/* Metadata of the request; names in lower case. NULL ptr when absent. */
struct str grpc_call_metadata(const struct grpc_call *call, struct str name);
/* mono_ns; UINT64_MAX when the client gave no timeout. */
uint64_t grpc_call_deadline_ns(const struct grpc_call *call);

/* Unary: send the message with status OK and finish. */
void grpc_call_reply(struct grpc_call *call, struct bytes message);
/* Streaming: send one message; waits as http_exchange_write() until the call's deadline, at most
 * `wait_ms`. Handler threads only. */
CHECK_RESULT enum err_code grpc_call_send(struct grpc_call *call, struct bytes message,
                                          uint64_t wait_ms, struct err *err);
/* Finish with a status. `message` is text for people (empty with GRPC_OK). `details` is a
 * serialised google.rpc.Status for "grpc-status-details-bin" (RetryInfo, ...) or empty. */
void grpc_call_finish(struct grpc_call *call, enum grpc_status status, struct str message,
                      struct bytes details);
/* Finish with the status of an error: grpc_status_of_err() and err_text(). */
void grpc_call_fail(struct grpc_call *call, const struct err *err);

#endif
