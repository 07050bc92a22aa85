/* SPDX-License-Identifier: Apache-2.0 */
#include "query/pool.h"

#include <stdatomic.h>

#include "base/assert.h"
#include "os/thread.h"

#define WORKERS_MAX 64

/* One pool_run; lives on its caller's stack. */
struct job {
    struct job *next;
    void (*fn)(void *ctx, size_t part, unsigned worker);
    void *ctx;
    size_t parts;
    _Atomic size_t taken; /* any thread: the next part */
    unsigned helpers;     /* guarded by pool.lock: workers inside */
};

struct pool {
    struct mem_budget *mem;
    struct mutex lock;
    struct cond wake, left;
    struct job *jobs; /* guarded by lock: those with parts left */
    bool is_stopping;
    unsigned worker_count;
    struct worker {
        struct thread thread;
        struct pool *pool;
        unsigned index;
    } workers[WORKERS_MAX];
};

DEFINE_CLEANUP(pool_destroy, struct pool *)

static void work(struct job *j, unsigned worker)
{
    for (;;) {
        size_t part = atomic_fetch_add_explicit(&j->taken, 1, memory_order_relaxed);
        if (part >= j->parts) return;
        j->fn(j->ctx, part, worker);
    }
}

static void unlink_job(struct pool *p, struct job *j)
{
    for (struct job **link = &p->jobs; *link; link = &(*link)->next) {
        if (*link != j) continue;
        *link = j->next;
        return;
    }
}

static void worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    mutex_lock(&p->lock);
    for (;;) {
        while (!p->jobs && !p->is_stopping)
            cond_wait(&p->wake, &p->lock);
        struct job *j = p->jobs;
        if (!j) break;
        j->helpers++;
        mutex_unlock(&p->lock);
        work(j, w->index);
        mutex_lock(&p->lock);
        unlink_job(p, j); /* nothing is left to take */
        if (--j->helpers == 0) cond_broadcast(&p->left);
    }
    mutex_unlock(&p->lock);
}

enum err_code pool_create(struct mem_budget *mem, unsigned workers, struct pool **out,
                          struct err *err)
{
    CLEANUP(pool_destroy_p) struct pool *p = mem_zalloc(mem, MEM_SYSTEM, sizeof *p);
    if (!p) return err_set(err, ERR_NOMEM, "no memory for the query threads");
    p->mem = mem;
    mutex_init(&p->lock);
    cond_init(&p->wake);
    cond_init(&p->left);
    if (workers > WORKERS_MAX) workers = WORKERS_MAX;
    for (; p->worker_count < workers; p->worker_count++) {
        struct worker *w = &p->workers[p->worker_count];
        w->pool = p;
        w->index = p->worker_count + 1;
        TRY(thread_start(&w->thread, "query", worker_main, w, err));
    }
    *out = TAKE(p);
    return ERR_OK;
}

void pool_destroy(struct pool *p)
{
    if (!p) return;
    mutex_lock(&p->lock);
    ASSERT(p->jobs == NULL);
    p->is_stopping = true;
    cond_broadcast(&p->wake);
    mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->worker_count; i++)
        thread_join(&p->workers[i].thread);
    cond_deinit(&p->left);
    cond_deinit(&p->wake);
    mutex_deinit(&p->lock);
    mem_free(p->mem, MEM_SYSTEM, p, sizeof *p);
}

unsigned pool_width(const struct pool *p)
{
    return p->worker_count + 1;
}

void pool_run(struct pool *p, size_t parts, void (*fn)(void *ctx, size_t part, unsigned worker),
              void *ctx)
{
    struct job j = { .fn = fn, .ctx = ctx, .parts = parts };
    bool is_shared = parts > 1 && p->worker_count > 0;
    if (is_shared) {
        mutex_lock(&p->lock);
        j.next = p->jobs;
        p->jobs = &j;
        cond_broadcast(&p->wake);
        mutex_unlock(&p->lock);
    }
    work(&j, 0);
    if (!is_shared) return;
    mutex_lock(&p->lock);
    unlink_job(p, &j);
    while (j.helpers > 0)
        cond_wait(&p->left, &p->lock);
    mutex_unlock(&p->lock);
}
