/* SPDX-License-Identifier: Apache-2.0
 *
 * loop - one epoll event loop per thread: readiness of descriptors, timers, and messages posted
 * by other threads.
 *
 * Threads   Everything belongs to the loop's thread except loop_post() and loop_stop(), which any
 *           thread may call. Callbacks run on the loop's thread, one at a time, and may add, change
 *           or remove any watch or timer, themselves included.
 * Fairness  A callback that has more to do than about 2 ms re-arms itself (loop_post to its own
 *           loop) and returns.
 */
#ifndef PHAROS_OS_LOOP_H
#define PHAROS_OS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "os/clock.h"

struct loop;
struct mem_budget;

/* LOOP_HANGUP is reported whenever the descriptor is broken or closed by both sides. Asked for, it
 * is reported as soon as the peer has closed its side; since that state stays, whoever asks for it
 * must take it back (loop_watch_update) or remove the watch once it was reported. */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 };

/* Embed in the owner. Zero-initialise. */
struct loop_watch {
    int fd;
    uint32_t events; /* asked for: LOOP_READ | LOOP_WRITE | LOOP_HANGUP */
    void (*fn)(struct loop_watch *w, uint32_t ready);
    bool is_active;
};

struct loop_timer {
    uint64_t due_ns; /* clock mono_ns */
    void (*fn)(struct loop_timer *t);
    uint32_t heap_index; /* 0 = not armed */
};

/* A message; embed in the owner, which must stay alive until fn ran. */
struct loop_msg {
    struct loop_msg *next;
    void (*fn)(struct loop_msg *m);
};

CHECK_RESULT enum err_code loop_create(struct mem_budget *mem, const struct clock *clock,
                                       struct loop **out, struct err *err);
/* Delivers what is still posted. No watch and no timer may be active, and no thread may post any
 * more. NULL is a no-op. */
void loop_destroy(struct loop *l);
/* Run until loop_stop(); messages posted before the stop are still delivered. A loop runs once. */
void loop_run(struct loop *l);
/* One turn: wait for events (until the first timer; not at all unless may_wait), then run what is
 * ready, the messages, and the timers due. loop_run repeats it; tests call it to go step by step.
 * With a fake clock a waiting loop does not see the time move: post a message to it. */
void loop_turn(struct loop *l, bool may_wait);
/* Any thread. */
void loop_stop(struct loop *l);
/* Any thread; lock-free; order per poster is kept. Delivered exactly once, also when the loop
 * stops (loop_run delivers the rest before it returns). */
void loop_post(struct loop *l, struct loop_msg *m);

CHECK_RESULT enum err_code loop_watch_add(struct loop *l, struct loop_watch *w, struct err *err);
/* Change w->events. */
void loop_watch_update(struct loop *l, struct loop_watch *w, uint32_t events);
/* Stop watching; the caller closes the fd afterwards. No-op when inactive. */
void loop_watch_remove(struct loop *l, struct loop_watch *w);

/* (Re)arm at an absolute mono_ns; timer storage belongs to the caller. ERR_NOMEM. */
CHECK_RESULT enum err_code loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t due_ns,
                                          struct err *err);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);
/* mono_ns as of this turn. */
uint64_t loop_now_ns(const struct loop *l);
/* For the watchdog: mono_ns at which the current turn began, 0 while the loop waits. Any thread. */
uint64_t loop_heartbeat_ns(const struct loop *l);

#endif
