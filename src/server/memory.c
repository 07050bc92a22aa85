/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory limit of the process, as the system counts it (RSS), against the budget, which counts
 * what was asked for.
 *
 *     limit = what the process is before it does anything (binary, libraries, stacks)
 *           + what an allocator holds beyond what was asked for (a tenth of the limit, 12 MiB at
 *             least)
 *           + the budget of the accounts, at least half of the limit
 *
 * Freed pages are kept by the allocator for some seconds, in each of its arenas: a burst of queries
 * would leave more than that. So the resident size is looked at 4 to 20 times a second, and above
 * 80 % of the limit they are given back when they make a difference. Pages of mapped files do not
 * count there: the kernel takes them back by itself.
 */
#include "os/process.h"
#include "server/server_priv.h"

#define STACK_BYTES ((uint64_t)64 << 10) /* of a thread, touched */
#define THREADS 64
#define SLACK_PERCENT 10
#define SLACK_BYTES_MIN ((uint64_t)12 << 20)
#define LOOK_NS (250ull * 1000000ull)
#define LOOK_OFTEN_NS (50ull * 1000000ull)   /* above half of the limit */
#define LOOK_AGAIN_NS (5000ull * 1000000ull) /* after giving back that gave nothing */

uint64_t server_memory_limit(uint64_t given_bytes)
{
    return given_bytes ? given_bytes : mem_system_limit() / 10 * 7;
}

uint64_t server_memory_budget(uint64_t limit_bytes)
{
    uint64_t slack = limit_bytes / 100 * SLACK_PERCENT;
    if (slack < SLACK_BYTES_MIN) slack = SLACK_BYTES_MIN;
    uint64_t reserved = process_memory_read().rss_bytes + THREADS * STACK_BYTES + slack;
    uint64_t least = limit_bytes / 2;
    return limit_bytes > reserved + least ? limit_bytes - reserved : least;
}

static void arm(struct server *s, uint64_t after_ns)
{
    struct err err = { 0 };
    if (loop_timer_set(s->loop, &s->memory_timer, loop_now_ns(s->loop) + after_ns, &err) == ERR_OK)
        return;
    log_error(&s->log, "the resident size is not watched", LOG_ERR(&err));
}

static void on_look(struct loop_timer *t)
{
    struct server *s = (struct server *)(void *)((char *)t - offsetof(struct server, memory_timer));
    const uint64_t limit = s->memory_limit, used = mem_total_used(s->mem);
    const struct process_memory now = process_memory_read();
    uint64_t wait_ns = now.rss_bytes > limit / 2 ? LOOK_OFTEN_NS : LOOK_NS;
    const bool is_close = now.rss_bytes > limit / 100 * 80;
    if (is_close && now.own_bytes > used + limit / 100 * SLACK_PERCENT) {
        mem_release_free_pages();
        stat_add(&s->stats.memory_trims, 1);
        const bool gave_nothing = process_memory_read().own_bytes + limit / 100 > now.own_bytes;
        if (gave_nothing) wait_ns = LOOK_AGAIN_NS;
    }
    arm(s, wait_ns);
}

void server_memory_watch(struct server *s)
{
    s->memory_timer.fn = on_look;
    arm(s, LOOK_NS);
}
