/* SPDX-License-Identifier: Apache-2.0
 *
 * time - calendar arithmetic and time texts, UTC only. No clock is read here (os/clock.h does).
 * Timestamps are int64 Unix milliseconds (ts_ms) unless the name says otherwise.
 * Algorithm: civil-from-days (Hinnant).
 */
#ifndef PHAROS_BASE_TIME_H
#define PHAROS_BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct civil_time {
    int64_t year;
    int month, day; /* 1..12, 1..31 */
    int hour, minute, second;
    int weekday; /* 0 = Sunday */
    int yearday; /* 1..366 */
    int days_in_month;
};

/* unix_s may be any second whose year fits +-292e6. */
struct civil_time civil_from_unix(int64_t unix_s);
int64_t unix_from_civil(int64_t year, int month, int day, int hour, int minute, int second);

/* RFC 3339 with optional fraction and offset ("2026-01-02T03:04:05.678Z", "...+02:00"), years up
 * to 12 digits with a sign as Go prints them; to milliseconds, saturating. */
bool time_parse_rfc3339(struct str s, int64_t *out_ts_ms);

#define TIME_TEXT_SIZE 48
/* "2026-01-02T03:04:05.678Z"; fraction only when not 0, trailing zeros cut. Returns the length. */
uint64_t time_format_rfc3339(int64_t ts_ms, char *out);
/* The same from nanoseconds. */
uint64_t time_format_rfc3339_ns(int64_t ts_ns, char *out);
/* Prometheus JSON time: seconds with up to 3 decimals, "1435781451.781", "-1.500". */
uint64_t time_format_seconds(int64_t ts_ms, char *out);

/* a + b, saturating at the int64 range. */
static inline int64_t ts_add(int64_t a, int64_t b)
{
    int64_t r;
    if (!__builtin_add_overflow(a, b, &r)) return r;
    return b > 0 ? INT64_MAX : INT64_MIN;
}
/* a - b, saturating. */
static inline int64_t ts_sub(int64_t a, int64_t b)
{
    int64_t r;
    if (!__builtin_sub_overflow(a, b, &r)) return r;
    return b < 0 ? INT64_MAX : INT64_MIN;
}

#endif
