/* SPDX-License-Identifier: Apache-2.0
 *
 * clock - time and entropy behind a table, so that a test can own both.
 * Threads   Any.
 */
#ifndef PHAROS_OS_CLOCK_H
#define PHAROS_OS_CLOCK_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct clock {
    void *ctx;
    int64_t (*wall_ms)(void *ctx); /* Unix time */
    int64_t (*wall_ns)(void *ctx);
    uint64_t (*mono_ns)(void *ctx);    /* never goes back */
    uint64_t (*random_u64)(void *ctx); /* from the kernel; for seeds and ids */
};

static inline int64_t clock_wall_ms(const struct clock *c)
{
    return c->wall_ms(c->ctx);
}
static inline uint64_t clock_mono_ns(const struct clock *c)
{
    return c->mono_ns(c->ctx);
}
static inline uint64_t clock_random_u64(const struct clock *c)
{
    return c->random_u64(c->ctx);
}

const struct clock *clock_system(void);
/* CPU time of the calling thread / of the process, for statistics. */
uint64_t clock_thread_cpu_ns(void);
uint64_t clock_process_cpu_ns(void);

/* A clock that moves only when told; random_u64 is a seeded generator. Advance: any thread. */
struct clock_fake {
    struct clock clock;
    int64_t wall_start_ns; /* mono_ns counts from here */
    _Atomic int64_t now_ns;
    _Atomic uint64_t rng_state;
};
void clock_fake_init(struct clock_fake *f, int64_t wall_start_ms, uint64_t seed);
void clock_fake_advance_ms(struct clock_fake *f, int64_t ms);

#endif
