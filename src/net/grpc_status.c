/* SPDX-License-Identifier: Apache-2.0 */
#include "net/grpc_status.h"

enum grpc_status grpc_status_of_err(enum err_code code)
{
    switch (code) {
    case ERR_OK: return GRPC_OK;
    case ERR_NOMEM: return GRPC_UNAVAILABLE;
    case ERR_LIMIT: return GRPC_RESOURCE_EXHAUSTED;
    case ERR_INVALID: return GRPC_INVALID_ARGUMENT;
    case ERR_CORRUPT: return GRPC_DATA_LOSS;
    case ERR_IO: return GRPC_UNAVAILABLE;
    case ERR_NOTFOUND: return GRPC_NOT_FOUND;
    case ERR_CONFLICT: return GRPC_FAILED_PRECONDITION;
    case ERR_BUSY: return GRPC_UNAVAILABLE;
    case ERR_TIMEOUT: return GRPC_DEADLINE_EXCEEDED;
    case ERR_CANCELLED: return GRPC_CANCELLED;
    case ERR_DENIED: return GRPC_PERMISSION_DENIED;
    case ERR_UNSUPPORTED: return GRPC_UNIMPLEMENTED;
    case ERR_CODE_COUNT: break;
    }
    return GRPC_UNKNOWN;
}

enum grpc_status grpc_status_of_http(unsigned status)
{
    switch (status) {
    case 400: return GRPC_INTERNAL;
    case 401: return GRPC_UNAUTHENTICATED;
    case 403: return GRPC_PERMISSION_DENIED;
    case 404: return GRPC_UNIMPLEMENTED;
    case 408: return GRPC_DEADLINE_EXCEEDED;
    case 413:
    case 431: return GRPC_RESOURCE_EXHAUSTED;
    case 429:
    case 502:
    case 503:
    case 504: return GRPC_UNAVAILABLE;
    default: return GRPC_UNKNOWN;
    }
}
