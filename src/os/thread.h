/* SPDX-License-Identifier: Apache-2.0
 *
 * thread - pthreads with names, scope-bound locks and waits that have a deadline.
 */
#ifndef PHAROS_OS_THREAD_H
#define PHAROS_OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

struct mutex {
    pthread_mutex_t m;
};
struct cond {
    pthread_cond_t c; /* CLOCK_MONOTONIC */
};

void mutex_init(struct mutex *m);
void mutex_deinit(struct mutex *m);
void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);

static inline void mutex_unlock_p(struct mutex **m)
{
    if (*m) mutex_unlock(*m);
}
/* Hold `mutex` until the end of the scope. */
#define MUTEX_SCOPE_2(lock_, line)                                                                 \
    __attribute__((unused)) CLEANUP(mutex_unlock_p) struct mutex *mutex_scope_##line =             \
        (mutex_lock(lock_), (lock_))
#define MUTEX_SCOPE_1(lock_, line) MUTEX_SCOPE_2(lock_, line)
#define MUTEX_SCOPE(lock_) MUTEX_SCOPE_1(lock_, __LINE__)

void cond_init(struct cond *c);
void cond_deinit(struct cond *c);
void cond_wait(struct cond *c, struct mutex *m);
/* False after `timeout_ns` without a signal (spurious wake-ups return true). */
bool cond_wait_ns(struct cond *c, struct mutex *m, uint64_t timeout_ns);
void cond_signal(struct cond *c);
void cond_broadcast(struct cond *c);

struct thread {
    pthread_t t;
    bool is_started;
};
/* name: at most 15 bytes, seen in ps and in crash reports. */
CHECK_RESULT enum err_code thread_start(struct thread *t, const char *name, void (*fn)(void *),
                                        void *arg, struct err *err);
/* No-op when not started. */
void thread_join(struct thread *t);
/* CPUs that this process may use: its affinity, within the quota of its control group; at least
 * 1. */
unsigned cpu_count(void);

#endif
