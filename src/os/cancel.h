/* SPDX-License-Identifier: Apache-2.0
 *
 * cancel - a flag that stops work in progress: set by a closed connection, a time-out or a kill,
 * read by workers once per morsel.
 * Threads   Any.
 */
#ifndef PHAROS_OS_CANCEL_H
#define PHAROS_OS_CANCEL_H

#include <stdatomic.h>

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

#endif
