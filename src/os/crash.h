/* SPDX-License-Identifier: Apache-2.0
 *
 * crash - what the process says before it dies: one line, the thread, its current task, and a
 * backtrace, to stderr and to a pre-opened crash file.
 *
 * Covers   assert_fail() (base/assert.h) and the fatal signals SEGV, BUS, FPE, ILL, ABRT.
 *          Afterwards the process ends by the original signal, so that a supervisor and core dumps
 *          see the truth. Sanitizer builds keep the sanitizer's own signal handlers.
 * Safety   Only async-signal-safe calls; the unwinder is loaded at installation. Each thread's
 *          handler runs on a stack of its own (thread_start provides it), so that an overflow of
 *          the stack is reported as well.
 * Secrets  The task text is shown as it is: ids and hashes, never data.
 */
#ifndef PHAROS_OS_CRASH_H
#define PHAROS_OS_CRASH_H

#include <stddef.h>

#define CRASH_TASK_SIZE 128
#define CRASH_STACK_SIZE 32768

/* Report fatal signals to stderr and, unless it is -1, to crash_fd as well (the fd stays the
 * caller's). Main thread, once, before other threads start. */
void install_crash_handlers(int crash_fd);

/* What the calling thread is doing ("tenant=a request=17"); truncated; NULL clears. */
void crash_task_set(const char *text);

/* Use stack[CRASH_STACK_SIZE] for the calling thread's fatal signals until it ends; done by
 * thread_start. */
void crash_stack_use(void *stack);
/* Before that memory goes out of scope. */
void crash_stack_drop(void);

#endif
