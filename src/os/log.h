/* SPDX-License-Identifier: Apache-2.0
 *
 * log - one line per event: a constant message and typed key/values, logfmt or JSON, to stderr.
 *
 *     log_info(log, "block written", LOG_STR("ulid", id), LOG_U64("bytes", n));
 * gives
 *     ts=2026-01-02T03:04:05.678Z level=info component=metrics msg="block written" ulid=x bytes=42
 *
 * Values are quoted and escaped as needed; a line is cut at 8 KiB. The same call site writes at
 * most 10 lines a second; what was left out is counted in a summary line when the site writes
 * again. Levels: error = a person must act; warn = degraded but handled; info = life cycle; debug =
 * off by default. Never secrets.
 * Threads   Any; a line is one write().
 */
#ifndef PHAROS_OS_LOG_H
#define PHAROS_OS_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "os/clock.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *key;
    enum {
        LOG_FIELD_STR,
        LOG_FIELD_U64,
        LOG_FIELD_I64,
        LOG_FIELD_F64,
        LOG_FIELD_BOOL,
        LOG_FIELD_ERR
    } kind;
    union {
        struct str str;
        uint64_t u64;
        int64_t i64;
        double f64;
        bool boolean;
        const struct err *err;
    } v;
};

/* clang-format off */
#define LOG_STR(k, s) { .key = (k), .kind = LOG_FIELD_STR, .v.str = (s) }
#define LOG_Z(k, z) { .key = (k), .kind = LOG_FIELD_STR, .v.str = str_of_z(z) }
#define LOG_U64(k, n) { .key = (k), .kind = LOG_FIELD_U64, .v.u64 = (n) }
#define LOG_I64(k, n) { .key = (k), .kind = LOG_FIELD_I64, .v.i64 = (n) }
#define LOG_F64(k, x) { .key = (k), .kind = LOG_FIELD_F64, .v.f64 = (x) }
#define LOG_BOOL(k, b) { .key = (k), .kind = LOG_FIELD_BOOL, .v.boolean = (b) }
#define LOG_ERR(e) { .key = "err", .kind = LOG_FIELD_ERR, .v.err = (e) }
/* clang-format on */

/* A sink shared by all loggers of the process. write_line gets one whole line with '\n'; NULL =
 * stderr. */
struct log_sink {
    const struct clock *clock;
    enum log_format format;
    _Atomic int level; /* enum log_level; lines below are dropped */
    void *ctx;
    void (*write_line)(void *ctx, struct str line);
};

/* A logger is a sink plus a component name; a plain value. A NULL logger is silent. */
struct log {
    struct log_sink *sink;
    const char *component;
};

struct log_site {
    _Atomic int64_t window_s;
    _Atomic uint32_t count, dropped;
};

void log_write(const struct log *log, enum log_level level, struct log_site *site, const char *msg,
               const struct log_field *fields, uint32_t field_count);

#define LOG_AT(log, level, msg, ...)                                                               \
    do {                                                                                           \
        static struct log_site site_;                                                              \
        const struct log_field fields_[] = { { .key = NULL }, ##__VA_ARGS__ };                     \
        log_write((log), (level), &site_, (msg), fields_ + 1,                                      \
                  (uint32_t)(sizeof fields_ / sizeof fields_[0]) - 1);                             \
    } while (0)
#define log_debug(log, msg, ...) LOG_AT(log, LOG_DEBUG, msg, ##__VA_ARGS__)
#define log_info(log, msg, ...) LOG_AT(log, LOG_INFO, msg, ##__VA_ARGS__)
#define log_warn(log, msg, ...) LOG_AT(log, LOG_WARN, msg, ##__VA_ARGS__)
#define log_error(log, msg, ...) LOG_AT(log, LOG_ERROR, msg, ##__VA_ARGS__)

bool log_level_parse(struct str s, enum log_level *out);
const char *log_level_name(enum log_level level);

#endif
