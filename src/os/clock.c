/* SPDX-License-Identifier: Apache-2.0 */
#include "os/clock.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/assert.h"

#define NS_PER_S 1000000000
#define NS_PER_MS 1000000

static int64_t read_clock_ns(clockid_t id)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);
    ASSERT(rc == 0);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static int64_t system_wall_ms(void *ctx)
{
    (void)ctx;
    return read_clock_ns(CLOCK_REALTIME) / NS_PER_MS;
}

static int64_t system_wall_ns(void *ctx)
{
    (void)ctx;
    return read_clock_ns(CLOCK_REALTIME);
}

static uint64_t system_mono_ns(void *ctx)
{
    (void)ctx;
    return (uint64_t)read_clock_ns(CLOCK_MONOTONIC);
}

static uint64_t system_random_u64(void *ctx)
{
    (void)ctx;
    uint64_t v = 0;
    ssize_t n;
    do { /* up to 256 bytes only a signal before the pool is ready can interrupt */
        n = getrandom(&v, sizeof v, 0);
    } while (n < 0 && errno == EINTR);
    ASSERT(n == (ssize_t)sizeof v);
    return v;
}

const struct clock *clock_system(void)
{
    static const struct clock system_clock = {
        .wall_ms = system_wall_ms,
        .wall_ns = system_wall_ns,
        .mono_ns = system_mono_ns,
        .random_u64 = system_random_u64,
    };
    return &system_clock;
}

uint64_t clock_thread_cpu_ns(void)
{
    return (uint64_t)read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_process_cpu_ns(void)
{
    return (uint64_t)read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static int64_t fake_now_ns(void *ctx)
{
    struct clock_fake *f = ctx;
    /* Pairs with the release in clock_fake_advance_ms. */
    return atomic_load_explicit(&f->now_ns, memory_order_acquire);
}

static int64_t fake_wall_ms(void *ctx)
{
    int64_t ns = fake_now_ns(ctx);
    return ns / NS_PER_MS - (ns % NS_PER_MS < 0);
}

static uint64_t fake_mono_ns(void *ctx)
{
    struct clock_fake *f = ctx;
    return (uint64_t)(fake_now_ns(ctx) - f->wall_start_ns);
}

/* splitmix64: each call advances the state by a constant, so concurrent callers get distinct
 * values. */
static uint64_t fake_random_u64(void *ctx)
{
    struct clock_fake *f = ctx;
    uint64_t step = 0x9E3779B97F4A7C15u;
    uint64_t z = atomic_fetch_add_explicit(&f->rng_state, step, memory_order_relaxed) + step;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

void clock_fake_init(struct clock_fake *f, int64_t wall_start_ms, uint64_t seed)
{
    f->clock = (struct clock){
        .ctx = f,
        .wall_ms = fake_wall_ms,
        .wall_ns = fake_now_ns,
        .mono_ns = fake_mono_ns,
        .random_u64 = fake_random_u64,
    };
    int64_t start_ns;
    ASSERT(!__builtin_mul_overflow(wall_start_ms, NS_PER_MS, &start_ns));
    f->wall_start_ns = start_ns;
    atomic_store_explicit(&f->now_ns, start_ns, memory_order_release);
    atomic_store_explicit(&f->rng_state, seed, memory_order_relaxed);
}

void clock_fake_advance_ms(struct clock_fake *f, int64_t ms)
{
    ASSERT(ms >= 0);
    atomic_fetch_add_explicit(&f->now_ns, ms * NS_PER_MS, memory_order_release);
}
