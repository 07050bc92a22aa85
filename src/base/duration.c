/* SPDX-License-Identifier: Apache-2.0 */
#include "base/duration.h"

#include <stddef.h>

#include "base/assert.h"

#define NS_PER_MS 1000000

struct duration_unit {
    struct str name;
    int64_t ms;
    bool is_exact_only; /* printed only if it divides the rest */
};

static const struct duration_unit units[] = {
    { STR_INIT("y"), 365LL * 24 * 60 * 60 * 1000, true },
    { STR_INIT("w"), 7LL * 24 * 60 * 60 * 1000, true },
    { STR_INIT("d"), 24LL * 60 * 60 * 1000, false },
    { STR_INIT("h"), 60LL * 60 * 1000, false },
    { STR_INIT("m"), 60LL * 1000, false },
    { STR_INIT("s"), 1000, false },
    { STR_INIT("ms"), 1, false },
};
#define UNIT_COUNT (sizeof units / sizeof units[0])

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum err_code fail_syntax(struct str s, struct err *err)
{
    char quoted[256];
    str_quote(s, quoted, sizeof quoted);
    return err_setf(err, ERR_INVALID, "duration", "not a valid duration string: %s", quoted);
}

static enum err_code fail_unit(struct str unit, struct str s, struct err *err)
{
    char quoted_unit[128];
    char quoted[256];
    str_quote(unit, quoted_unit, sizeof quoted_unit);
    str_quote(s, quoted, sizeof quoted);
    return err_setf(err, ERR_INVALID, "duration", "unknown unit %s in duration %s", quoted_unit,
                    quoted);
}

/* Length of the leading run of digits (or of non-digits) of s. */
static size_t run_length(struct str s, bool of_digits)
{
    size_t n = 0;
    while (n < s.len && is_digit(s.ptr[n]) == of_digits) {
        n++;
    }
    return n;
}

enum err_code duration_parse(struct str s, int64_t *out_ms, struct err *err)
{
    if (str_eq(s, STR("0"))) {
        *out_ms = 0;
        return ERR_OK;
    }
    if (s.len == 0) return err_setf(err, ERR_INVALID, "duration", "empty duration string");
    uint64_t total_ms = 0;
    size_t next_unit = 0; /* units must go from the biggest to the smallest */
    struct str rest = s;
    while (rest.len > 0) {
        uint64_t count;
        size_t n = run_length(rest, true);
        if (!str_to_u64(str_sub(rest, 0, n), &count)) return fail_syntax(s, err);
        rest = str_sub(rest, n, rest.len);
        n = run_length(rest, false);
        if (n == 0) return fail_syntax(s, err);
        struct str name = str_sub(rest, 0, n);
        rest = str_sub(rest, n, rest.len);
        size_t u = 0;
        while (u < UNIT_COUNT && !str_eq(units[u].name, name)) {
            u++;
        }
        if (u == UNIT_COUNT) return fail_unit(name, s, err);
        if (u < next_unit) return fail_syntax(s, err);
        next_unit = u + 1;
        uint64_t part_ms;
        if (__builtin_mul_overflow(count, (uint64_t)units[u].ms, &part_ms) ||
            __builtin_add_overflow(total_ms, part_ms, &total_ms) ||
            total_ms > INT64_MAX / NS_PER_MS) { /* Prometheus counts in int64 nanoseconds */
            return err_setf(err, ERR_INVALID, "duration", "duration out of range");
        }
    }
    *out_ms = (int64_t)total_ms;
    return ERR_OK;
}

uint64_t duration_format(int64_t ms, char *out)
{
    size_t n = 0;
    uint64_t left = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    if (ms < 0) out[n++] = '-';
    if (left == 0) {
        out[n++] = '0';
        out[n++] = 's';
        return n;
    }
    for (size_t u = 0; u < UNIT_COUNT; u++) {
        uint64_t unit_ms = (uint64_t)units[u].ms;
        uint64_t count = left / unit_ms;
        if (count == 0 || (units[u].is_exact_only && left % unit_ms != 0)) continue;
        left -= count * unit_ms;
        char digits[20];
        size_t pos = sizeof digits;
        for (; count != 0; count /= 10) {
            digits[--pos] = (char)('0' + count % 10);
        }
        memcpy(out + n, digits + pos, sizeof digits - pos);
        n += sizeof digits - pos;
        memcpy(out + n, units[u].name.ptr, units[u].name.len);
        n += units[u].name.len;
    }
    ASSERT(n <= DURATION_TEXT_SIZE);
    return n;
}
