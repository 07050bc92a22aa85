/* SPDX-License-Identifier: Apache-2.0
 *
 * cancel - a flag that stops work in progress: set by a closed connection, a time-out or a kill,
 * read by workers once per morsel.
 * Threads   Any.
 */
#ifndef PHAROS_OS_CANCEL_H
#define PHAROS_OS_CANCEL_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/err.h"

enum cancel_reason {
    CANCEL_NONE = 0,
    CANCEL_CLIENT_GONE,
    CANCEL_TIMEOUT,
    CANCEL_KILLED,
    CANCEL_SHUTDOWN
};

struct cancel {
    _Atomic int reason; /* enum cancel_reason; the first one set stays */
};

static inline void cancel_set(struct cancel *c, enum cancel_reason reason)
{
    int none = CANCEL_NONE;
    atomic_compare_exchange_strong_explicit(&c->reason, &none, reason, memory_order_release,
                                            memory_order_relaxed);
}
static inline enum cancel_reason cancel_get(const struct cancel *c)
{
    return (enum cancel_reason)atomic_load_explicit(&c->reason, memory_order_acquire);
}

/* ERR_OK, or ERR_TIMEOUT / ERR_CANCELLED when `c` (may be NULL) was set. */
CHECK_RESULT static inline enum err_code cancel_check(const struct cancel *c, struct err *err)
{
    enum cancel_reason reason = c != NULL ? cancel_get(c) : CANCEL_NONE;
    if (reason == CANCEL_NONE) return ERR_OK;
    if (reason == CANCEL_TIMEOUT) return err_set(err, ERR_TIMEOUT, "query timed out");
    return err_set(err, ERR_CANCELLED, "query was cancelled");
}

#endif
