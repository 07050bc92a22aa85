/* SPDX-License-Identifier: Apache-2.0
 *
 * cleanup - scope-bound release of function-local ownership.
 *
 * DEFINE_CLEANUP(wal_destroy, struct wal *) creates wal_destroy_p(); then
 *     CLEANUP(wal_destroy_p) struct wal *wal = NULL;
 * releases `wal` on every path out of the scope. TAKE(wal) hands it to the caller instead.
 * Only for variables initialised at declaration; never together with goto, never for variables
 * that are reassigned in a loop.
 */
#ifndef PHAROS_BASE_CLEANUP_H
#define PHAROS_BASE_CLEANUP_H

#include <stddef.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

#define DEFINE_CLEANUP(fn, type)                                                                   \
    static inline void fn##_p(type *p)                                                             \
    {                                                                                              \
        if (*p) fn(*p);                                                                            \
    }

#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) take_ = (p);                                                                 \
        (p) = NULL;                                                                                \
        take_;                                                                                     \
    })

#endif
