/* SPDX-License-Identifier: Apache-2.0 */
#include "os/thread.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "base/str.h"
#include "os/cgroup.h"
#include "os/crash.h"

#define THREAD_NAME_SIZE 16

void mutex_init(struct mutex *m)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);
    ASSERT(rc == 0);
#ifdef PHAROS_EXPENSIVE_CHECKS /* locking twice and unlocking what is not ours fail at once */
    rc = pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    ASSERT(rc == 0);
#endif
    rc = pthread_mutex_init(&m->m, &attr);
    ASSERT(rc == 0);
    (void)pthread_mutexattr_destroy(&attr);
}

void mutex_deinit(struct mutex *m)
{
    int rc = pthread_mutex_destroy(&m->m);
    ASSERT(rc == 0); /* EBUSY: somebody still holds it */
}

void mutex_lock(struct mutex *m)
{
    int rc = pthread_mutex_lock(&m->m);
    ASSERT(rc == 0);
}

void mutex_unlock(struct mutex *m)
{
    int rc = pthread_mutex_unlock(&m->m);
    ASSERT(rc == 0);
}

void cond_init(struct cond *c)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);
    ASSERT(rc == 0);
    rc = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    ASSERT(rc == 0);
    rc = pthread_cond_init(&c->c, &attr);
    ASSERT(rc == 0);
    (void)pthread_condattr_destroy(&attr);
}

void cond_deinit(struct cond *c)
{
    int rc = pthread_cond_destroy(&c->c);
    ASSERT(rc == 0);
}

void cond_wait(struct cond *c, struct mutex *m)
{
    int rc = pthread_cond_wait(&c->c, &m->m);
    ASSERT(rc == 0);
}

bool cond_wait_ns(struct cond *c, struct mutex *m, uint64_t timeout_ns)
{
    const uint64_t ns_per_s = 1000000000u;
    struct timespec now;
    int rc = clock_gettime(CLOCK_MONOTONIC, &now);
    ASSERT(rc == 0);
    uint64_t ns = (uint64_t)now.tv_nsec + timeout_ns % ns_per_s;
    struct timespec due = {
        .tv_sec = now.tv_sec + (time_t)(timeout_ns / ns_per_s + ns / ns_per_s),
        .tv_nsec = (long)(ns % ns_per_s),
    };
    rc = pthread_cond_timedwait(&c->c, &m->m, &due);
    ASSERT(rc == 0 || rc == ETIMEDOUT);
    return rc == 0;
}

void cond_signal(struct cond *c)
{
    int rc = pthread_cond_signal(&c->c);
    ASSERT(rc == 0);
}

void cond_broadcast(struct cond *c)
{
    int rc = pthread_cond_broadcast(&c->c);
    ASSERT(rc == 0);
}

/* Lives on the creator's stack until the new thread has copied it. */
struct start {
    struct mutex lock;
    struct cond taken;
    bool is_taken;
    const char *name;
    void (*fn)(void *);
    void *arg;
};

static void *thread_main(void *arg)
{
    struct start *start = arg;
    void (*fn)(void *) = start->fn;
    void *fn_arg = start->arg;
    char name[THREAD_NAME_SIZE];
    (void)pthread_setname_np(pthread_self(), str_z(str_of_z(start->name), name, sizeof name));
    mutex_lock(&start->lock);
    start->is_taken = true;
    cond_signal(&start->taken);
    mutex_unlock(&start->lock); /* start is gone from here on */
    /* At the far end of this thread's stack, so intact when the stack overflows. */
    __attribute__((uninitialized)) _Alignas(16) unsigned char crash_stack[CRASH_STACK_SIZE];
    crash_stack_use(crash_stack);
    fn(fn_arg);
    crash_stack_drop();
    return NULL;
}

enum err_code thread_start(struct thread *t, const char *name, void (*fn)(void *), void *arg,
                           struct err *err)
{
    ASSERT(!t->is_started);
    ASSERT(strlen(name) < THREAD_NAME_SIZE);
    struct start start = { .name = name, .fn = fn, .arg = arg };
    mutex_init(&start.lock);
    cond_init(&start.taken);
    int rc = pthread_create(&t->t, NULL, thread_main, &start);
    if (rc == 0) {
        mutex_lock(&start.lock);
        while (!start.is_taken) {
            cond_wait(&start.taken, &start.lock);
        }
        mutex_unlock(&start.lock);
        t->is_started = true;
    }
    cond_deinit(&start.taken);
    mutex_deinit(&start.lock);
    return rc == 0 ? ERR_OK : err_set_os(err, rc, "cannot start a thread");
}

void thread_join(struct thread *t)
{
    if (!t->is_started) return;
    int rc = pthread_join(t->t, NULL);
    ASSERT(rc == 0);
    t->is_started = false;
}

unsigned cpu_count(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    uint64_t count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0) count = (uint64_t)CPU_COUNT(&set);
    uint64_t quota_milli = cgroup_cpu_limit_milli();
    uint64_t quota = quota_milli / 1000 + (quota_milli % 1000 != 0);
    if (quota < count) count = quota;
    return count > 0 ? (unsigned)count : 1;
}
