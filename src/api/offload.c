/* SPDX-License-Identifier: Apache-2.0 */
#include "api/offload.h"

#include "base/assert.h"
#include "os/thread.h"

#define THREADS_MAX 128

struct offload_stats {
    struct stat_gauge waiting, running;
    struct stat_counter tasks, refused;
};

struct offload {
    struct mem_budget *mem;
    struct mutex lock;
    struct cond wake;
    struct offload_task *first, *last; /* guarded by lock */
    size_t waiting, queue_max;
    bool is_stopping;
    struct thread threads[THREADS_MAX];
    unsigned thread_count;
    struct offload_stats stats;
};

static const struct stat_desc OFFLOAD_STATS[] = {
    STAT_GAUGE(struct offload_stats, waiting, "pharos_api_requests_waiting",
               "Blocking requests that wait for a thread."),
    STAT_GAUGE(struct offload_stats, running, "pharos_api_requests_running",
               "Blocking requests that run."),
    STAT_COUNTER(struct offload_stats, tasks, "pharos_api_requests_offloaded_total",
                 "Blocking requests taken."),
    STAT_COUNTER(struct offload_stats, refused, "pharos_api_requests_refused_total",
                 "Blocking requests refused because the queue was full."),
};

DEFINE_CLEANUP(offload_destroy, struct offload *)

static struct offload_task *take(struct offload *o)
{
    MUTEX_SCOPE(&o->lock);
    while (!o->first && !o->is_stopping)
        cond_wait(&o->wake, &o->lock);
    struct offload_task *task = o->first;
    if (!task) return NULL;
    o->first = task->next;
    if (!o->first) o->last = NULL;
    o->waiting--;
    stat_set(&o->stats.waiting, (int64_t)o->waiting);
    return task;
}

static void worker(void *arg)
{
    struct offload *o = arg;
    for (struct offload_task *task = take(o); task; task = take(o)) {
        stat_gauge_add(&o->stats.running, 1);
        task->fn(task);
        stat_gauge_add(&o->stats.running, -1);
    }
}

enum err_code offload_create(struct mem_budget *mem, unsigned threads, size_t queue_max,
                             struct offload **out, struct err *err)
{
    ASSERT(threads > 0 && threads <= THREADS_MAX);
    CLEANUP(offload_destroy_p) struct offload *o = mem_zalloc(mem, MEM_SYSTEM, sizeof *o);
    if (!o) return err_set(err, ERR_NOMEM, "no memory for the request threads");
    o->mem = mem;
    o->queue_max = queue_max;
    mutex_init(&o->lock);
    cond_init(&o->wake);
    for (; o->thread_count < threads; o->thread_count++) {
        TRY(thread_start(&o->threads[o->thread_count], "request", worker, o, err));
    }
    *out = TAKE(o);
    return ERR_OK;
}

void offload_stop(struct offload *o)
{
    if (!o) return;
    mutex_lock(&o->lock);
    o->is_stopping = true;
    cond_broadcast(&o->wake);
    mutex_unlock(&o->lock);
    for (unsigned i = 0; i < o->thread_count; i++)
        thread_join(&o->threads[i]);
    o->thread_count = 0;
}

void offload_destroy(struct offload *o)
{
    if (!o) return;
    offload_stop(o);
    cond_deinit(&o->wake);
    mutex_deinit(&o->lock);
    mem_free(o->mem, MEM_SYSTEM, o, sizeof *o);
}

enum err_code offload_submit(struct offload *o, struct offload_task *task, struct err *err)
{
    MUTEX_SCOPE(&o->lock);
    if (o->waiting >= o->queue_max || o->is_stopping) {
        stat_add(&o->stats.refused, 1);
        return err_set(err, ERR_BUSY, "too many requests are waiting");
    }
    task->next = NULL;
    if (o->last) {
        o->last->next = task;
    } else {
        o->first = task;
    }
    o->last = task;
    o->waiting++;
    stat_add(&o->stats.tasks, 1);
    stat_set(&o->stats.waiting, (int64_t)o->waiting);
    cond_signal(&o->wake);
    return ERR_OK;
}

struct stat_table offload_stat_table(const struct offload *o)
{
    return (struct stat_table){ OFFLOAD_STATS, sizeof OFFLOAD_STATS / sizeof OFFLOAD_STATS[0],
                                &o->stats };
}
