/* SPDX-License-Identifier: Apache-2.0 */
#include "base/time.h"

#include "base/assert.h"

#define SECONDS_PER_DAY 86400
#define DAYS_PER_ERA 146097 /* 400 years */
/* A year beyond the range of int64 milliseconds, within that of int64 seconds. */
#define YEAR_BEYOND_MS 300000000

/* Days since 1970-01-01 of a proleptic Gregorian date. Source: Hinnant, "chrono-compatible
 * low-level date algorithms": years start in March, so that the leap day is the last one. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - 719468;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && is_leap);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

struct civil_time civil_from_unix(int64_t unix_s)
{
    int64_t days = floor_div(unix_s, SECONDS_PER_DAY);
    int second_of_day = (int)(unix_s - days * SECONDS_PER_DAY);
    int64_t shifted = days + 719468;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    int64_t year = year_of_era + era * 400 + (month <= 2);
    int64_t weekday = (days + 4) % 7; /* 1970-01-01 was a Thursday */
    return (struct civil_time){
        .year = year,
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = second_of_day / 3600,
        .minute = second_of_day / 60 % 60,
        .second = second_of_day % 60,
        .weekday = (int)(weekday < 0 ? weekday + 7 : weekday),
        .yearday = (int)(days - days_from_civil(year, 1, 1)) + 1,
        .days_in_month = days_in_month(year, month),
    };
}

int64_t unix_from_civil(int64_t year, int month, int day, int hour, int minute, int second)
{
    ASSERT(month >= 1 && month <= 12);
    return days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
}

/* Cut between min and max digits off the front of *s. */
static bool take_number(struct str *s, size_t min, size_t max, int64_t *out)
{
    int64_t v = 0;
    size_t n = 0;
    while (n < s->len && n < max && s->ptr[n] >= '0' && s->ptr[n] <= '9') {
        v = v * 10 + (s->ptr[n++] - '0');
    }
    if (n < min) return false;
    *s = str_sub(*s, n, s->len);
    *out = v;
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c) return false;
    *s = str_sub(*s, 1, s->len);
    return true;
}

/* Exactly two digits in [0, max]. */
static bool take_two(struct str *s, int64_t max, int *out)
{
    int64_t v;
    if (!take_number(s, 2, 2, &v) || v > max) return false;
    *out = (int)v;
    return true;
}

/* ".678" to milliseconds, cutting finer digits; no '.' is 0. */
static bool take_fraction_ms(struct str *s, int64_t *out_ms)
{
    *out_ms = 0;
    if (!take_char(s, '.')) return true;
    int64_t scale = 100;
    size_t n = 0;
    for (; n < s->len && s->ptr[n] >= '0' && s->ptr[n] <= '9'; n++) {
        *out_ms += (s->ptr[n] - '0') * scale;
        scale /= 10;
    }
    *s = str_sub(*s, n, s->len);
    return n > 0;
}

/* "Z" or "+02:00", in seconds east. Go takes 24 hours and 60 minutes as well. */
static bool take_zone(struct str *s, int64_t *out_east_s)
{
    *out_east_s = 0;
    if (take_char(s, 'Z')) return true;
    bool is_west = take_char(s, '-');
    if (!is_west && !take_char(s, '+')) return false;
    int hour;
    int minute;
    if (!take_two(s, 24, &hour) || !take_char(s, ':') || !take_two(s, 60, &minute)) return false;
    *out_east_s = (hour * 3600 + minute * 60) * (is_west ? -1 : 1);
    return true;
}

bool time_parse_rfc3339(struct str s, int64_t *out_ts_ms)
{
    bool is_negative = take_char(&s, '-');
    if (!is_negative) (void)take_char(&s, '+');
    int64_t year;
    int month, day, hour, minute, second;
    if (!take_number(&s, 4, 12, &year)) return false;
    if (is_negative) year = -year;
    if (!take_char(&s, '-') || !take_two(&s, 12, &month) || month == 0) return false;
    if (!take_char(&s, '-') || !take_two(&s, 31, &day)) return false;
    if (day == 0 || day > days_in_month(year, month)) return false;
    if (!take_char(&s, 'T') || !take_two(&s, 23, &hour)) return false;
    if (!take_char(&s, ':') || !take_two(&s, 59, &minute)) return false;
    if (!take_char(&s, ':') || !take_two(&s, 59, &second)) return false;
    int64_t fraction_ms;
    int64_t east_s;
    if (!take_fraction_ms(&s, &fraction_ms) || !take_zone(&s, &east_s) || s.len != 0) return false;
    if (year > YEAR_BEYOND_MS || year < -YEAR_BEYOND_MS) {
        *out_ts_ms = year < 0 ? INT64_MIN : INT64_MAX;
        return true;
    }
    int64_t unix_s = unix_from_civil(year, month, day, hour, minute, second) - east_s;
    __int128 ms = (__int128)unix_s * 1000 + fraction_ms;
    if (ms > INT64_MAX) ms = INT64_MAX;
    if (ms < INT64_MIN) ms = INT64_MIN;
    *out_ts_ms = (int64_t)ms;
    return true;
}

/* At least `width` digits of v >= 0. Returns the number written. */
static size_t put_number(char *out, int64_t v, size_t width)
{
    char text[20];
    size_t pos = sizeof text;
    do {
        text[--pos] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    while (sizeof text - pos < width) {
        text[--pos] = '0';
    }
    memcpy(out, text + pos, sizeof text - pos);
    return sizeof text - pos;
}

/* fraction of a second as `width` digits with trailing zeros cut, nothing if 0. */
static uint64_t format_rfc3339(int64_t unix_s, int64_t fraction, size_t width, char *out)
{
    struct civil_time c = civil_from_unix(unix_s);
    size_t n = 0;
    if (c.year < 0) out[n++] = '-';
    n += put_number(out + n, c.year < 0 ? -c.year : c.year, 4);
    out[n++] = '-';
    n += put_number(out + n, c.month, 2);
    out[n++] = '-';
    n += put_number(out + n, c.day, 2);
    out[n++] = 'T';
    n += put_number(out + n, c.hour, 2);
    out[n++] = ':';
    n += put_number(out + n, c.minute, 2);
    out[n++] = ':';
    n += put_number(out + n, c.second, 2);
    if (fraction != 0) {
        out[n++] = '.';
        n += put_number(out + n, fraction, width);
        while (out[n - 1] == '0') {
            n--;
        }
    }
    out[n++] = 'Z';
    ASSERT(n <= TIME_TEXT_SIZE);
    return n;
}

uint64_t time_format_rfc3339(int64_t ts_ms, char *out)
{
    int64_t unix_s = floor_div(ts_ms, 1000);
    return format_rfc3339(unix_s, (int64_t)((uint64_t)ts_ms - (uint64_t)unix_s * 1000u), 3, out);
}

uint64_t time_format_rfc3339_ns(int64_t ts_ns, char *out)
{
    int64_t unix_s = floor_div(ts_ns, 1000000000);
    return format_rfc3339(unix_s, (int64_t)((uint64_t)ts_ns - (uint64_t)unix_s * 1000000000u), 9,
                          out);
}

uint64_t time_format_seconds(int64_t ts_ms, char *out)
{
    size_t n = 0;
    uint64_t magnitude = ts_ms < 0 ? 0 - (uint64_t)ts_ms : (uint64_t)ts_ms;
    if (ts_ms < 0) out[n++] = '-';
    n += put_number(out + n, (int64_t)(magnitude / 1000), 1);
    if (magnitude % 1000 != 0) {
        out[n++] = '.';
        n += put_number(out + n, (int64_t)(magnitude % 1000), 3);
    }
    ASSERT(n <= TIME_TEXT_SIZE);
    return n;
}
