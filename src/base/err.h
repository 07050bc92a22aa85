/* SPDX-License-Identifier: Apache-2.0
 *
 * err - the one error type of Pharos.
 *
 * A fallible function returns enum err_code (the code decides control flow) and fills a struct err
 * supplied by its caller (the message is for people). Nothing is allocated on the error path, and
 * errno does not leave os/. An out-parameter is written only on success.
 *
 * Threads   A struct err belongs to one thread.
 */
#ifndef PHAROS_BASE_ERR_H
#define PHAROS_BASE_ERR_H

#include <stdint.h>

#define CHECK_RESULT __attribute__((warn_unused_result))

enum err_code {
    ERR_OK = 0,
    ERR_NOMEM,   /* memory budget or allocator exhausted; retry later */
    ERR_LIMIT,   /* a configured limit was hit; retrying the same input cannot help */
    ERR_INVALID, /* input violates its grammar or contract */
    ERR_CORRUPT, /* bytes we wrote ourselves fail their checks */
    ERR_IO,      /* disk or network failed; os_errno says how */
    ERR_NOTFOUND,
    ERR_CONFLICT, /* out-of-order, duplicate, precondition failed */
    ERR_BUSY,     /* queue full, load shed; HTTP 429/503, gRPC UNAVAILABLE */
    ERR_TIMEOUT,
    ERR_CANCELLED,
    ERR_DENIED, /* authentication, authorisation, sandbox */
    ERR_UNSUPPORTED,
    ERR_CODE_COUNT
};

#define ERR_DETAIL_SIZE 512

/* Zero-initialise. `msg` is a string literal. `detail` is text a client must see (query position,
 * label name); truncated, always NUL-terminated, never contains secrets. */
struct err {
    enum err_code code;
    int os_errno;
    uint64_t offset; /* byte offset in the input, 0 if meaningless */
    const char *msg;
    char detail[ERR_DETAIL_SIZE];
};

/* Fill *err (may be NULL) and return `code`, so that failing is one line:
 * return err_set(err, ERR_LIMIT, "too many labels"); */
enum err_code err_set(struct err *err, enum err_code code, const char *msg);
__attribute__((format(printf, 4, 5))) enum err_code err_setf(struct err *err, enum err_code code,
                                                             const char *msg,
                                                             const char *detail_fmt, ...);
/* Map EAGAIN, ENOMEM, ENOSPC, ... to a code and keep the number. */
enum err_code err_set_os(struct err *err, int os_errno, const char *msg);
/* "ERR_LIMIT" and so on; never NULL. */
const char *err_name(enum err_code code);
/* One line for people: "msg: detail (os error text)", NUL-terminated, truncated to `size`. */
void err_text(const struct err *err, char *out, uint64_t size);

/* Propagate: if the expression fails, return its code from the enclosing function. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum err_code try_rc_ = (expr);                                                            \
        if (try_rc_ != ERR_OK) return try_rc_;                                                     \
    } while (0)

#endif
