/* SPDX-License-Identifier: Apache-2.0 */
#include "os/log.h"

#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/float_text.h"
#include "base/time.h"

/* A line is built on the stack and cut at this size. */
#define LOG_LINE_SIZE 8192
#define LOG_LINES_PER_SECOND 10

struct line {
    enum log_format format;
    size_t len;
    char text[LOG_LINE_SIZE];
};

/* Kept back for the end of the line: dots, closing quote, brace, newline. */
#define LOG_TAIL_BYTES 16u

static size_t line_room(const struct line *l)
{
    size_t limit = sizeof l->text - LOG_TAIL_BYTES;
    return l->len < limit ? limit - l->len : 0;
}

static void put(struct line *l, const char *text, size_t n)
{
    size_t room = line_room(l);
    if (n > room) n = room;
    memcpy(l->text + l->len, text, n);
    l->len += n;
}

static void put_z(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static void put_u64(struct line *l, uint64_t v)
{
    char text[20];
    size_t pos = sizeof text;
    do {
        text[--pos] = (char)('0' + v % 10);
        v /= 10;
    } while (v != 0);
    put(l, text + pos, sizeof text - pos);
}

/* Does a logfmt value need quotes? */
static bool needs_quotes(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7F) return true;
    }
    return s.len == 0;
}

/* The text between quotes, escaped as JSON (which logfmt readers take as well). */
static void put_escaped(struct line *l, struct str s)
{
    static const char hex[] = "0123456789abcdef";
    bool is_utf8 = str_is_utf8(s);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        char pair[2] = { '\\', (char)c };
        bool is_boundary = (c & 0xC0) != 0x80;
        if (is_boundary && line_room(l) < 6) { /* the longest escape; UTF-8 is not cut inside */
            memcpy(l->text + l->len, "...", 3);
            l->len += 3;
            return;
        }
        if (c == '\n') {
            put(l, "\\n", 2);
        } else if (c == '\t') {
            put(l, "\\t", 2);
        } else if (c == '"' || c == '\\') {
            put(l, pair, 2);
        } else if (c < ' ' || c == 0x7F || (c >= 0x80 && !is_utf8)) {
            char unicode[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
            put(l, unicode, 6);
        } else {
            put(l, pair + 1, 1);
        }
    }
}

static void put_quoted(struct line *l, struct str s)
{
    put(l, "\"", 1);
    put_escaped(l, s);
    /* Past the room that put() respects, so that a cut value still closes its quote. */
    l->text[l->len++] = '"';
}

static void put_key(struct line *l, const char *key)
{
    if (l->format == LOG_JSON) {
        put_z(l, l->len == 0 ? "{\"" : ",\"");
        put_z(l, key);
        put_z(l, "\":");
    } else {
        if (l->len > 0) put_z(l, " ");
        put_z(l, key);
        put_z(l, "=");
    }
}

static void put_text(struct line *l, struct str s)
{
    if (l->format == LOG_JSON || needs_quotes(s)) {
        put_quoted(l, s);
    } else {
        put(l, s.ptr, s.len);
    }
}

static void put_value(struct line *l, const struct log_field *f)
{
    char text[FLOAT_TEXT_SIZE];
    char message[ERR_DETAIL_SIZE + 256];
    switch (f->kind) {
    case LOG_FIELD_STR: put_text(l, f->v.str); break;
    case LOG_FIELD_U64: put_u64(l, f->v.u64); break;
    case LOG_FIELD_I64:
        if (f->v.i64 < 0) put_z(l, "-");
        put_u64(l, f->v.i64 < 0 ? 0 - (uint64_t)f->v.i64 : (uint64_t)f->v.i64);
        break;
    case LOG_FIELD_F64: {
        struct str s = { text, float_format(f->v.f64, FLOAT_SHORTEST, text) };
        bool is_number = f->v.f64 - f->v.f64 == 0; /* JSON has no NaN and no infinity */
        if (is_number) put(l, s.ptr, s.len);
        if (!is_number) put_text(l, s);
        break;
    }
    case LOG_FIELD_BOOL: put_z(l, f->v.boolean ? "true" : "false"); break;
    case LOG_FIELD_ERR:
        err_text(f->v.err, message, sizeof message);
        put_text(l, str_of_z(message));
        break;
    }
}

static void put_pair_text(struct line *l, const char *key, struct str value)
{
    put_key(l, key);
    put_text(l, value);
}

static void line_begin(struct line *l, const struct log *log, enum log_level level, const char *msg)
{
    char when[TIME_TEXT_SIZE];
    l->format = log->sink->format;
    l->len = 0;
    size_t n = (size_t)time_format_rfc3339(clock_wall_ms(log->sink->clock), when);
    put_pair_text(l, "ts", (struct str){ when, n });
    put_pair_text(l, "level", str_of_z(log_level_name(level)));
    if (log->component) put_pair_text(l, "component", str_of_z(log->component));
    put_pair_text(l, "msg", str_of_z(msg));
}

static void write_stderr(struct str line)
{
    while (line.len > 0) {
        ssize_t n = write(STDERR_FILENO, line.ptr, line.len);
        if (n <= 0) return; /* nobody to tell */
        line = str_sub(line, (size_t)n, line.len);
    }
}

static void line_end(struct line *l, const struct log_sink *sink)
{
    if (l->format == LOG_JSON) l->text[l->len++] = '}';
    l->text[l->len++] = '\n';
    ASSERT(l->len <= sizeof l->text);
    struct str line = { l->text, l->len };
    if (sink->write_line) {
        sink->write_line(sink->ctx, line);
    } else {
        write_stderr(line);
    }
}

/* May this call site write now? *out_dropped: lines left out in the window that has just ended. */
static bool site_admit(struct log_site *site, int64_t now_s, uint32_t *out_dropped)
{
    *out_dropped = 0;
    int64_t window_s = atomic_load_explicit(&site->window_s, memory_order_relaxed);
    if (window_s != now_s &&
        atomic_compare_exchange_strong_explicit(&site->window_s, &window_s, now_s,
                                                memory_order_relaxed, memory_order_relaxed)) {
        atomic_store_explicit(&site->count, 0, memory_order_relaxed);
        *out_dropped = atomic_exchange_explicit(&site->dropped, 0, memory_order_relaxed);
    }
    uint32_t count = atomic_fetch_add_explicit(&site->count, 1, memory_order_relaxed);
    if (count < LOG_LINES_PER_SECOND) return true;
    atomic_fetch_add_explicit(&site->dropped, 1, memory_order_relaxed);
    return false;
}

void log_write(const struct log *log, enum log_level level, struct log_site *site, const char *msg,
               const struct log_field *fields, uint32_t field_count)
{
    if (!log || !log->sink) return;
    struct log_sink *sink = log->sink;
    if ((int)level < atomic_load_explicit(&sink->level, memory_order_relaxed)) return;
    struct line l;
    if (site) {
        uint32_t dropped;
        bool is_admitted = site_admit(site, clock_wall_ms(sink->clock) / 1000, &dropped);
        if (dropped > 0) {
            line_begin(&l, log, LOG_WARN, "repeated log lines left out");
            put_pair_text(&l, "of", str_of_z(msg));
            put_key(&l, "count");
            put_u64(&l, dropped);
            line_end(&l, sink);
        }
        if (!is_admitted) return;
    }
    line_begin(&l, log, level, msg);
    for (uint32_t i = 0; i < field_count; i++) {
        /* A cut field would be broken JSON: fields that may not fit are left out as a whole. */
        if (sizeof l.text - l.len < LOG_LINE_SIZE / 4) break;
        put_key(&l, fields[i].key);
        put_value(&l, &fields[i]);
    }
    line_end(&l, sink);
}

bool log_level_parse(struct str s, enum log_level *out)
{
    for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
        if (!str_eq(s, str_of_z(log_level_name((enum log_level)level)))) continue;
        *out = (enum log_level)level;
        return true;
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG: return "debug";
    case LOG_INFO: return "info";
    case LOG_WARN: return "warn";
    case LOG_ERROR: return "error";
    }
    UNREACHABLE();
}
