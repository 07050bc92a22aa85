/* SPDX-License-Identifier: Apache-2.0 */
#include "os/crash.h"

#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CRASH_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CRASH_SANITIZED 1
#endif

#define BACKTRACE_DEPTH 64

/* File-scope state, as the house rules allow for the crash fd: a handler has no other way to it. */
static _Atomic int crash_fd_shared = -1;
static _Thread_local char thread_task[CRASH_TASK_SIZE];
static _Thread_local bool is_reported; /* by assert_fail, which then aborts */

static void write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, text, n);
        if (written <= 0) return;
        text += written;
        n -= (size_t)written;
    }
}

/* A line under construction; snprintf is not async-signal-safe. */
struct line {
    size_t len;
    char text[1024];
};

static void put(struct line *l, const char *text)
{
    while (*text != '\0' && l->len < sizeof l->text - 1) {
        l->text[l->len++] = *text++;
    }
}

static void put_number(struct line *l, uint64_t v, unsigned base)
{
    char text[24];
    size_t pos = sizeof text - 1;
    text[pos] = '\0';
    do {
        text[--pos] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    put(l, text + pos);
}

static void put_thread(struct line *l)
{
    char name[16] = { 0 };
    put(l, " thread=");
    put(l, pthread_getname_np(pthread_self(), name, sizeof name) == 0 ? name : "?");
    if (thread_task[0] != '\0') {
        put(l, " task=\"");
        put(l, thread_task);
        put(l, "\"");
    }
    put(l, "\n");
}

/* The line and a backtrace to stderr and the crash file. */
static void report(const struct line *l)
{
    void *frames[BACKTRACE_DEPTH];
    int depth = backtrace(frames, BACKTRACE_DEPTH);
    int fds[2] = { STDERR_FILENO, atomic_load_explicit(&crash_fd_shared, memory_order_relaxed) };
    for (int i = 0; i < 2; i++) {
        if (fds[i] < 0) continue;
        write_all(fds[i], l->text, l->len);
        backtrace_symbols_fd(frames, depth, fds[i]);
    }
}

void assert_fail(const char *expr, const char *file, int line, const char *func)
{
    struct line l = { 0 };
    put(&l, "fatal: assertion failed: ");
    put(&l, expr);
    put(&l, " at ");
    put(&l, file);
    put(&l, ":");
    put_number(&l, (uint64_t)line, 10);
    put(&l, " in ");
    put(&l, func);
    put_thread(&l);
    report(&l);
    is_reported = true;
    abort();
}

static const char *signal_text(int number)
{
    switch (number) {
    case SIGSEGV: return "SIGSEGV";
    case SIGBUS: return "SIGBUS";
    case SIGFPE: return "SIGFPE";
    case SIGILL: return "SIGILL";
    case SIGABRT: return "SIGABRT";
    default: return "signal";
    }
}

static void on_fatal_signal(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (!is_reported) {
        is_reported = true;
        struct line l = { 0 };
        put(&l, "fatal: ");
        put(&l, signal_text(number));
        if (number == SIGSEGV || number == SIGBUS) {
            put(&l, " address=0x");
            put_number(&l, (uint64_t)(uintptr_t)info->si_addr, 16);
        }
        put_thread(&l);
        report(&l);
    }
    /* SA_RESETHAND has restored the default action: die by the same signal. */
    (void)raise(number);
}

void install_crash_handlers(int crash_fd)
{
    static unsigned char main_stack[CRASH_STACK_SIZE];
    crash_stack_use(main_stack);
    atomic_store_explicit(&crash_fd_shared, crash_fd, memory_order_relaxed);
    void *frame;
    (void)backtrace(&frame, 1); /* loads the unwinder now, which later could not allocate */
#ifdef CRASH_SANITIZED
    (void)on_fatal_signal;
#else
    struct sigaction action = { .sa_sigaction = on_fatal_signal,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
    action.sa_flags |= (int)SA_RESETHAND; /* the top bit, unsigned in the header */
    (void)sigemptyset(&action.sa_mask);
    const int numbers[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        int rc = sigaction(numbers[i], &action, NULL);
        ASSERT(rc == 0);
    }
#endif
}

void crash_task_set(const char *text)
{
    size_t n = text ? strnlen(text, sizeof thread_task - 1) : 0;
    if (n > 0) memcpy(thread_task, text, n);
    thread_task[n] = '\0';
}

void crash_stack_use(void *stack)
{
#ifdef CRASH_SANITIZED
    (void)stack; /* the sanitizer has set up its own */
#else
    stack_t s = { .ss_sp = stack, .ss_size = CRASH_STACK_SIZE };
    int rc = sigaltstack(&s, NULL);
    ASSERT(rc == 0);
#endif
}

void crash_stack_drop(void)
{
#ifndef CRASH_SANITIZED
    stack_t s = { .ss_flags = SS_DISABLE };
    int rc = sigaltstack(&s, NULL);
    ASSERT(rc == 0);
#endif
}
