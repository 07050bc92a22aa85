/* SPDX-License-Identifier: Apache-2.0
 *
 * grpc_status - the status codes of gRPC and the one mapping from enum err_code.
 * Source    grpc/grpc doc/statuscodes.md.
 */
#ifndef PHAROS_NET_GRPC_STATUS_H
#define PHAROS_NET_GRPC_STATUS_H

#include "base/err.h"

enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16
};

enum grpc_status grpc_status_of_err(enum err_code code);
/* For refusals that the server makes below gRPC. Source: grpc/grpc doc/http-grpc-status-mapping.md,
 * with 413 and 431 as RESOURCE_EXHAUSTED and 408 as DEADLINE_EXCEEDED. */
enum grpc_status grpc_status_of_http(unsigned status);

#endif
