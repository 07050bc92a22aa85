/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

enum err_code err_set(struct err *err, enum err_code code, const char *msg)
{
    ASSERT(code > ERR_OK);
    ASSERT(code < ERR_CODE_COUNT);
    if (err) {
        err->code = code;
        err->os_errno = 0;
        err->offset = 0;
        err->msg = msg;
        err->detail[0] = '\0';
    }
    return code;
}

enum err_code err_setf(struct err *err, enum err_code code, const char *msg, const char *detail_fmt,
                       ...)
{
    if (!err) return err_set(NULL, code, msg);
    /* Formatted aside, because the arguments may point into err->detail. */
    char detail[ERR_DETAIL_SIZE];
    va_list args;
    va_start(args, detail_fmt);
    int n = vsnprintf(detail, sizeof detail, detail_fmt, args);
    va_end(args);
    if (n < 0) detail[0] = '\0';
    (void)err_set(err, code, msg);
    memcpy(err->detail, detail, strlen(detail) + 1);
    return code;
}

static enum err_code code_of_errno(int os_errno)
{
    switch (os_errno) {
    case ENOMEM: return ERR_NOMEM;
    case ENOENT: return ERR_NOTFOUND;
    case EEXIST:
    case ENOTEMPTY:
    case EADDRINUSE: return ERR_CONFLICT;
    case EAGAIN:
    case EBUSY: return ERR_BUSY;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case ECANCELED: return ERR_CANCELLED;
    case EACCES:
    case EPERM: return ERR_DENIED;
    case ENOSYS:
    case EOPNOTSUPP: return ERR_UNSUPPORTED;
    case ENAMETOOLONG:
    case EFBIG: return ERR_LIMIT;
    default: return ERR_IO;
    }
}

enum err_code err_set_os(struct err *err, int os_errno, const char *msg)
{
    enum err_code code = err_set(err, code_of_errno(os_errno), msg);
    if (err) err->os_errno = os_errno;
    return code;
}

const char *err_name(enum err_code code)
{
    switch (code) {
    case ERR_OK: return "ERR_OK";
    case ERR_NOMEM: return "ERR_NOMEM";
    case ERR_LIMIT: return "ERR_LIMIT";
    case ERR_INVALID: return "ERR_INVALID";
    case ERR_CORRUPT: return "ERR_CORRUPT";
    case ERR_IO: return "ERR_IO";
    case ERR_NOTFOUND: return "ERR_NOTFOUND";
    case ERR_CONFLICT: return "ERR_CONFLICT";
    case ERR_BUSY: return "ERR_BUSY";
    case ERR_TIMEOUT: return "ERR_TIMEOUT";
    case ERR_CANCELLED: return "ERR_CANCELLED";
    case ERR_DENIED: return "ERR_DENIED";
    case ERR_UNSUPPORTED: return "ERR_UNSUPPORTED";
    case ERR_CODE_COUNT: break;
    }
    return "ERR_UNKNOWN";
}

void err_text(const struct err *err, char *out, uint64_t size)
{
    ASSERT(size > 0);
    const char *msg = err->msg ? err->msg : err_name(err->code);
    const char *os_text = err->os_errno ? strerrordesc_np(err->os_errno) : NULL;
    bool has_detail = err->detail[0] != '\0';
    (void)snprintf(out, size, "%s%s%s%s%s%s", msg, has_detail ? ": " : "", err->detail,
                   os_text ? " (" : "", os_text ? os_text : "", os_text ? ")" : "");
}
