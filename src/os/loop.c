/* SPDX-License-Identifier: Apache-2.0 */
#include "os/loop.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/mem.h"

#define LOOP_MAGIC 0x4c4f4f50u
#define EVENTS_PER_TURN 256
#define HEAP_CAP_MIN 64u
#define NS_PER_MS 1000000u

struct loop {
    uint32_t magic;
    /* owner: the loop's thread */
    int epoll_fd;
    int wake_fd;
    struct mem_budget *mem;
    const struct clock *clock;
    uint64_t now_ns;
    struct loop_timer **heap; /* heap[1..count], the earliest first; heap[0] is unused */
    size_t heap_count, heap_cap;
    struct epoll_event events[EVENTS_PER_TURN];
    int event_count, event_next; /* of the turn under way */
    /* any thread */
    _Atomic(struct loop_msg *) inbox; /* newest first; pushed with release, taken with acquire */
    _Atomic bool is_stopped;          /* set with release by loop_stop, read with acquire */
    _Atomic uint64_t heartbeat_ns;    /* relaxed: statistics */
};

static void wake(struct loop *l)
{
    uint64_t one = 1;
    ssize_t n;
    do {
        n = write(l->wake_fd, &one, sizeof one);
    } while (n < 0 && errno == EINTR);
    /* EAGAIN: the counter is full, so the loop is awake anyway. */
    ASSERT(n == (ssize_t)sizeof one || errno == EAGAIN);
}

static enum err_code loop_open(struct loop *l, struct err *err)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (l->epoll_fd < 0) return err_set_os(err, errno, "cannot create an event loop");
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake_fd < 0) return err_set_os(err, errno, "cannot create an event descriptor");
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL }; /* NULL: the wake-up */
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, l->wake_fd, &event) != 0) {
        return err_set_os(err, errno, "cannot watch an event descriptor");
    }
    return ERR_OK;
}

static void loop_free(struct loop *l)
{
    if (l->wake_fd >= 0) (void)close(l->wake_fd);
    if (l->epoll_fd >= 0) (void)close(l->epoll_fd);
    mem_free(l->mem, MEM_SYSTEM, l->heap, l->heap_cap * sizeof l->heap[0]);
    l->magic = 0;
    mem_free(l->mem, MEM_SYSTEM, l, sizeof *l);
}

enum err_code loop_create(struct mem_budget *mem, const struct clock *clock, struct loop **out,
                          struct err *err)
{
    ASSERT(clock != NULL);
    struct loop *l = mem_zalloc(mem, MEM_SYSTEM, sizeof *l);
    if (!l) return err_set(err, ERR_NOMEM, "no memory for an event loop");
    l->magic = LOOP_MAGIC;
    l->mem = mem;
    l->clock = clock;
    l->epoll_fd = l->wake_fd = -1;
    l->now_ns = clock_mono_ns(clock);
    enum err_code code = loop_open(l, err);
    if (code != ERR_OK) {
        loop_free(l);
        return code;
    }
    *out = l;
    return ERR_OK;
}

/* Run what other threads have posted, oldest first. False when there was nothing. */
static bool messages_deliver(struct loop *l)
{
    struct loop_msg *taken = atomic_exchange_explicit(&l->inbox, NULL, memory_order_acquire);
    struct loop_msg *oldest = NULL;
    while (taken) { /* the stack is newest first */
        struct loop_msg *next = taken->next;
        taken->next = oldest;
        oldest = taken;
        taken = next;
    }
    bool has_any = oldest != NULL;
    while (oldest) {
        struct loop_msg *next = oldest->next; /* fn may free or post the message again */
        oldest->fn(oldest);
        oldest = next;
    }
    return has_any;
}

void loop_destroy(struct loop *l)
{
    if (!l) return;
    ASSERT(l->magic == LOOP_MAGIC);
    while (messages_deliver(l)) {}
    loop_free(l);
}

void loop_post(struct loop *l, struct loop_msg *m)
{
    ASSERT(l->magic == LOOP_MAGIC);
    struct loop_msg *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);
    do {
        m->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&l->inbox, &head, m, memory_order_release,
                                                    memory_order_relaxed));
    /* The first one wakes the loop; it takes the others along. m may be gone by now. */
    if (head == NULL) wake(l);
}

void loop_stop(struct loop *l)
{
    ASSERT(l->magic == LOOP_MAGIC);
    atomic_store_explicit(&l->is_stopped, true, memory_order_release);
    wake(l);
}

static uint32_t epoll_of_events(uint32_t events)
{
    uint32_t bits = 0;
    if (events & LOOP_READ) bits |= EPOLLIN;
    if (events & LOOP_WRITE) bits |= EPOLLOUT;
    if (events & LOOP_HANGUP) bits |= EPOLLRDHUP;
    return bits;
}

static uint32_t events_of_epoll(uint32_t bits)
{
    uint32_t events = 0;
    if (bits & EPOLLIN) events |= LOOP_READ;
    if (bits & EPOLLOUT) events |= LOOP_WRITE;
    if (bits & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) events |= LOOP_HANGUP;
    return events;
}

enum err_code loop_watch_add(struct loop *l, struct loop_watch *w, struct err *err)
{
    ASSERT(l->magic == LOOP_MAGIC);
    ASSERT(!w->is_active);
    ASSERT(w->fn != NULL);
    struct epoll_event event = { .events = epoll_of_events(w->events), .data.ptr = w };
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, w->fd, &event) != 0) {
        return err_set_os(err, errno, "cannot watch a descriptor");
    }
    w->is_active = true;
    return ERR_OK;
}

void loop_watch_update(struct loop *l, struct loop_watch *w, uint32_t events)
{
    ASSERT(w->is_active);
    if (w->events == events) return;
    w->events = events;
    struct epoll_event event = { .events = epoll_of_events(events), .data.ptr = w };
    int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &event);
    ASSERT(rc == 0); /* else the descriptor was closed while watched */
}

void loop_watch_remove(struct loop *l, struct loop_watch *w)
{
    if (!w->is_active) return;
    w->is_active = false;
    struct epoll_event unused = { 0 };
    int rc = epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, &unused);
    ASSERT(rc == 0);
    /* What this turn has yet to deliver must not reach a watch that may be freed now. */
    for (int i = l->event_next; i < l->event_count; i++) {
        if (l->events[i].data.ptr == w) l->events[i].events = 0;
    }
}

static void heap_place(struct loop *l, size_t i, struct loop_timer *t)
{
    l->heap[i] = t;
    t->heap_index = (uint32_t)i;
}

/* Move t, which belongs at index i or above, up to its place. */
static void heap_sift_up(struct loop *l, size_t i, struct loop_timer *t)
{
    while (i > 1 && l->heap[i / 2]->due_ns > t->due_ns) {
        heap_place(l, i, l->heap[i / 2]);
        i /= 2;
    }
    heap_place(l, i, t);
}

static void heap_sift_down(struct loop *l, size_t i, struct loop_timer *t)
{
    for (;;) {
        size_t child = 2 * i;
        if (child > l->heap_count) break;
        if (child < l->heap_count && l->heap[child + 1]->due_ns < l->heap[child]->due_ns) child++;
        if (l->heap[child]->due_ns >= t->due_ns) break;
        heap_place(l, i, l->heap[child]);
        i = child;
    }
    heap_place(l, i, t);
}

static bool heap_reserve(struct loop *l)
{
    if (l->heap_count + 1 < l->heap_cap) return true;
    size_t cap = l->heap_cap ? l->heap_cap * 2 : HEAP_CAP_MIN;
    struct loop_timer **heap = mem_realloc(l->mem, MEM_SYSTEM, l->heap,
                                           l->heap_cap * sizeof heap[0], cap * sizeof heap[0]);
    if (!heap) return false;
    l->heap = heap;
    l->heap_cap = cap;
    return true;
}

enum err_code loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t due_ns, struct err *err)
{
    ASSERT(l->magic == LOOP_MAGIC);
    ASSERT(t->fn != NULL);
    if (t->heap_index == 0 && !heap_reserve(l)) {
        return err_set(err, ERR_NOMEM, "no memory for a timer");
    }
    uint64_t previous_ns = t->due_ns;
    t->due_ns = due_ns;
    if (t->heap_index == 0) {
        l->heap_count++;
        heap_sift_up(l, l->heap_count, t);
    } else if (due_ns < previous_ns) {
        heap_sift_up(l, t->heap_index, t);
    } else {
        heap_sift_down(l, t->heap_index, t);
    }
    return ERR_OK;
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
    if (t->heap_index == 0) return;
    size_t i = t->heap_index;
    ASSERT(l->heap[i] == t);
    struct loop_timer *last = l->heap[l->heap_count--];
    t->heap_index = 0;
    if (last == t) return;
    if (i > 1 && l->heap[i / 2]->due_ns > last->due_ns) {
        heap_sift_up(l, i, last);
    } else {
        heap_sift_down(l, i, last);
    }
}

uint64_t loop_now_ns(const struct loop *l)
{
    return l->now_ns;
}

uint64_t loop_heartbeat_ns(const struct loop *l)
{
    return atomic_load_explicit(&l->heartbeat_ns, memory_order_relaxed);
}

/* Milliseconds that epoll may wait: until the first timer, rounded up so as not to wake early. */
static int wait_ms(const struct loop *l)
{
    if (l->heap_count == 0) return -1;
    uint64_t due_ns = l->heap[1]->due_ns;
    uint64_t now_ns = clock_mono_ns(l->clock);
    if (due_ns <= now_ns) return 0;
    uint64_t ms = (due_ns - now_ns - 1) / NS_PER_MS + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

/* Run the timers that are due now; one that is set again for now waits for the next turn once
 * every timer armed at the start had its chance. */
static void timers_run(struct loop *l)
{
    for (size_t budget = l->heap_count; budget > 0 && l->heap_count > 0; budget--) {
        struct loop_timer *t = l->heap[1];
        if (t->due_ns > l->now_ns) return;
        loop_timer_cancel(l, t);
        t->fn(t);
    }
}

static void events_run(struct loop *l)
{
    for (int i = 0; i < l->event_count; i++) {
        l->event_next = i + 1;
        struct loop_watch *w = l->events[i].data.ptr;
        uint32_t bits = l->events[i].events;
        if (!w) { /* the wake-up; what woke us is in the inbox or in is_stopped */
            uint64_t count;
            ssize_t n = read(l->wake_fd, &count, sizeof count);
            (void)n;
        } else if (bits != 0) { /* 0: removed by an earlier callback of this turn */
            w->fn(w, events_of_epoll(bits));
        }
    }
    l->event_count = l->event_next = 0;
}

void loop_turn(struct loop *l, bool may_wait)
{
    ASSERT(l->magic == LOOP_MAGIC);
    int timeout_ms = may_wait ? wait_ms(l) : 0;
    atomic_store_explicit(&l->heartbeat_ns, 0, memory_order_relaxed);
    int n = epoll_wait(l->epoll_fd, l->events, EVENTS_PER_TURN, timeout_ms);
    ASSERT(n >= 0 || errno == EINTR);
    l->event_count = n > 0 ? n : 0;
    l->now_ns = clock_mono_ns(l->clock);
    atomic_store_explicit(&l->heartbeat_ns, l->now_ns, memory_order_relaxed);
    events_run(l);
    (void)messages_deliver(l);
    timers_run(l);
}

void loop_run(struct loop *l)
{
    /* Acquire: what was done before loop_stop() is visible to the messages delivered last. */
    while (!atomic_load_explicit(&l->is_stopped, memory_order_acquire)) {
        loop_turn(l, true);
    }
    while (messages_deliver(l)) {}
    atomic_store_explicit(&l->heartbeat_ns, 0, memory_order_relaxed);
}
