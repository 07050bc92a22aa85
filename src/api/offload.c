/* SPDX-License-Identifier: Apache-2.0 */
#include "api/offload.h"

#include "base/assert.h"
#include "os/thread.h"

#define PATROL_NS (20ull * 1000000ull)

struct lane_stats {
    struct stat_gauge waiting, running;
    struct stat_counter tasks, refused;
};

struct offload_stats {
    struct lane_stats lanes[OFFLOAD_LANE_COUNT];
};

struct lane {
    struct offload *owner;
    struct lane_stats *stats;
    struct cond wake;
    struct offload_task *first, **end; /* guarded by offload.lock, as all below */
    size_t waiting;
    unsigned idle; /* threads that wait for a task */
    struct thread threads[OFFLOAD_THREADS_MAX];
    unsigned thread_count;
};

struct offload {
    struct offload_options options;
    struct mutex lock;
    struct cond queued; /* for the patrol */
    struct lane lanes[OFFLOAD_LANE_COUNT];
    struct thread patrol;
    bool is_stopping; /* guarded by lock */
    struct offload_stats stats;
};

#define LANE(cell, lane, kind, name, help)                                                         \
    STAT_##kind##_L(struct offload_stats, lanes[lane].cell, name,                                  \
                    lane == OFFLOAD_QUERY ? "lane=\"query\"" : "lane=\"light\"", help)
#define BOTH(cell, kind, name, help)                                                               \
    LANE(cell, OFFLOAD_LIGHT, kind, name, help), LANE(cell, OFFLOAD_QUERY, kind, name, help)

static const struct stat_desc OFFLOAD_STATS[] = {
    BOTH(waiting, GAUGE, "pharos_api_requests_waiting",
         "Blocking requests that wait for a thread."),
    BOTH(running, GAUGE, "pharos_api_requests_running", "Blocking requests that run."),
    BOTH(tasks, COUNTER, "pharos_api_requests_offloaded_total", "Blocking requests taken."),
    BOTH(refused, COUNTER, "pharos_api_requests_refused_total",
         "Blocking requests refused because the queue was full."),
};

DEFINE_CLEANUP(offload_destroy, struct offload *)

/* Take the task out of the lane's queue; under the lock. */
static struct offload_task *unlink_at(struct lane *l, struct offload_task **link)
{
    struct offload_task *task = *link;
    *link = task->next;
    if (!task->next) l->end = link;
    task->next = NULL;
    l->waiting--;
    stat_set(&l->stats->waiting, (int64_t)l->waiting);
    return task;
}

static struct offload_task *take(struct lane *l)
{
    struct offload *o = l->owner;
    MUTEX_SCOPE(&o->lock);
    l->idle++;
    while (!l->first && !o->is_stopping)
        cond_wait(&l->wake, &o->lock);
    l->idle--;
    return l->first ? unlink_at(l, &l->first) : NULL;
}

static void run(struct lane *l, struct offload_task *task)
{
    stat_gauge_add(&l->stats->running, 1);
    task->fn(task);
    stat_gauge_add(&l->stats->running, -1);
}

static void worker(void *arg)
{
    struct lane *l = arg;
    for (struct offload_task *task = take(l); task; task = take(l))
        run(l, task);
}

/* ---- tasks that can be given up ---- */

static bool is_over(const struct offload_task *task, uint64_t now)
{
    if (task->cancel && cancel_get(task->cancel) != CANCEL_NONE) return true;
    return task->deadline_ns && now > task->deadline_ns;
}

/* One such task, unlinked, or NULL; under the lock. */
static struct offload_task *find_over(struct lane *l, uint64_t now)
{
    for (struct offload_task **link = &l->first; *link; link = &(*link)->next) {
        if (is_over(*link, now)) return unlink_at(l, link);
    }
    return NULL;
}

static bool nothing_waits(const struct offload *o)
{
    for (unsigned i = 0; i < OFFLOAD_LANE_COUNT; i++) {
        if (o->lanes[i].waiting > o->lanes[i].idle) return false;
    }
    return true;
}

static void patrol_lane(struct offload *o, struct lane *l, uint64_t now)
{
    struct offload_task *task;
    while ((task = find_over(l, now))) {
        mutex_unlock(&o->lock);
        run(l, task);
        mutex_lock(&o->lock);
    }
}

static void patrol(void *arg)
{
    struct offload *o = arg;
    mutex_lock(&o->lock);
    while (!o->is_stopping) {
        if (nothing_waits(o)) {
            cond_wait(&o->queued, &o->lock);
            continue;
        }
        (void)cond_wait_ns(&o->queued, &o->lock, PATROL_NS);
        uint64_t now = clock_mono_ns(o->options.clock);
        for (unsigned i = 0; i < OFFLOAD_LANE_COUNT; i++)
            patrol_lane(o, &o->lanes[i], now);
    }
    mutex_unlock(&o->lock);
}

/* ---- life ---- */

static enum err_code start_lane(struct lane *l, unsigned threads, struct err *err)
{
    ASSERT(threads > 0 && threads <= OFFLOAD_THREADS_MAX);
    for (; l->thread_count < threads; l->thread_count++)
        TRY(thread_start(&l->threads[l->thread_count], "request", worker, l, err));
    return ERR_OK;
}

enum err_code offload_create(const struct offload_options *options, struct offload **out,
                             struct err *err)
{
    CLEANUP(offload_destroy_p)
    struct offload *o = mem_zalloc(options->mem, MEM_SYSTEM, sizeof *o);
    if (!o) return err_set(err, ERR_NOMEM, "no memory for the request threads");
    o->options = *options;
    mutex_init(&o->lock);
    cond_init(&o->queued);
    for (unsigned i = 0; i < OFFLOAD_LANE_COUNT; i++) {
        struct lane *l = &o->lanes[i];
        l->owner = o;
        l->stats = &o->stats.lanes[i];
        l->end = &l->first;
        cond_init(&l->wake);
    }
    for (unsigned i = 0; i < OFFLOAD_LANE_COUNT; i++)
        TRY(start_lane(&o->lanes[i], options->threads[i], err));
    TRY(thread_start(&o->patrol, "patrol", patrol, o, err));
    *out = TAKE(o);
    return ERR_OK;
}

void offload_stop(struct offload *o)
{
    if (!o) return;
    mutex_lock(&o->lock);
    o->is_stopping = true;
    cond_broadcast(&o->queued);
    for (unsigned i = 0; i < OFFLOAD_LANE_COUNT; i++)
        cond_broadcast(&o->lanes[i].wake);
    mutex_unlock(&o->lock);
    for (unsigned i = 0; i < OFFLOAD_LANE_COUNT; i++) {
        struct lane *l = &o->lanes[i];
        for (unsigned k = 0; k < l->thread_count; k++)
            thread_join(&l->threads[k]);
        l->thread_count = 0;
    }
    thread_join(&o->patrol);
}

void offload_destroy(struct offload *o)
{
    if (!o) return;
    offload_stop(o);
    for (unsigned i = 0; i < OFFLOAD_LANE_COUNT; i++)
        cond_deinit(&o->lanes[i].wake);
    cond_deinit(&o->queued);
    mutex_deinit(&o->lock);
    mem_free(o->options.mem, MEM_SYSTEM, o, sizeof *o);
}

enum err_code offload_submit(struct offload *o, enum offload_lane lane, struct offload_task *task,
                             struct err *err)
{
    struct lane *l = &o->lanes[lane];
    MUTEX_SCOPE(&o->lock);
    if (l->waiting >= o->options.queue_max || o->is_stopping) {
        stat_add(&l->stats->refused, 1);
        return err_set(err, ERR_BUSY, "too many requests are waiting");
    }
    task->next = NULL;
    *l->end = task;
    l->end = &task->next;
    l->waiting++;
    stat_add(&l->stats->tasks, 1);
    stat_set(&l->stats->waiting, (int64_t)l->waiting);
    cond_signal(&l->wake);
    if (l->waiting > l->idle) cond_signal(&o->queued);
    return ERR_OK;
}

struct stat_table offload_stat_table(const struct offload *o)
{
    return (struct stat_table){ OFFLOAD_STATS, sizeof OFFLOAD_STATS / sizeof OFFLOAD_STATS[0],
                                &o->stats };
}
