/* SPDX-License-Identifier: Apache-2.0
 *
 * assert - statements of programmer errors; on in release builds.
 *
 * Bad input, full disks and lost peers are errors, never assertions. assert_fail is declared here
 * and defined in os/ (it writes a line and a backtrace with async-signal-safe calls and aborts).
 */
#ifndef PHAROS_BASE_ASSERT_H
#define PHAROS_BASE_ASSERT_H

__attribute__((noreturn, cold)) void assert_fail(const char *expr, const char *file, int line,
                                                 const char *func);

#define ASSERT(e)                                                                                  \
    (__builtin_expect(!!(e), 1) ? (void)0 : assert_fail(#e, __FILE__, __LINE__, __func__))
#define UNREACHABLE() assert_fail("unreachable", __FILE__, __LINE__, __func__)
#ifdef PHAROS_EXPENSIVE_CHECKS /* O(n) invariants: on in debug, sanitizer and fuzz builds */
#define ASSERT_SLOW(e) ASSERT(e)
#else
#define ASSERT_SLOW(e) ((void)0)
#endif

#endif
