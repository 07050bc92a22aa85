/* SPDX-License-Identifier: Apache-2.0
 *
 * json_write - JSON emitter onto a struct buf. Commas are placed by the writer; nesting needs no
 * state because a comma is due exactly after a value.
 *
 *     struct json_writer w = json_writer_of(buf);
 *     json_open_object(&w);
 *     json_key(&w, "status"), json_put_str(&w, STR("success"));
 *     json_key(&w, "values"), json_open_array(&w) ... json_close_array(&w);
 *     json_close_object(&w);
 *
 * Strings   Escaped are `"`, `\`, controls, U+2028/U+2029 (as Go does); bytes that are no UTF-8
 *           become \ufffd. A run of clean bytes is copied in one piece (16 bytes a step), which is
 *           all that happens to most label strings.
 * Numbers   Shortest round-trip digits (base/float_text.h). NaN and infinities have no JSON form:
 *           json_put_f64 writes null, json_put_f64_str a string as Prometheus does ("NaN").
 * Memory    None but the buf; a failure is sticky there.
 */
#ifndef PHAROS_CODEC_JSON_WRITE_H
#define PHAROS_CODEC_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct json_writer {
    struct buf *out;
    bool comma;       /* a value has just been written in this container */
    bool escape_html; /* also escape < > & as \u003c: Go's default */
};

static inline struct json_writer json_writer_of(struct buf *out)
{
    return (struct json_writer){ .out = out };
}

static inline void json_comma(struct json_writer *w)
{
    if (w->comma) buf_put_u8(w->out, ',');
    w->comma = true;
}
static inline void json_open_object(struct json_writer *w)
{
    json_comma(w);
    buf_put_u8(w->out, '{');
    w->comma = false;
}
static inline void json_close_object(struct json_writer *w)
{
    buf_put_u8(w->out, '}');
    w->comma = true;
}
static inline void json_open_array(struct json_writer *w)
{
    json_comma(w);
    buf_put_u8(w->out, '[');
    w->comma = false;
}
static inline void json_close_array(struct json_writer *w)
{
    buf_put_u8(w->out, ']');
    w->comma = true;
}

/* A member's key that needs no escaping: a literal of the program. */
#define json_key(w, lit) json_key_clean((w), STR(lit))
void json_key_clean(struct json_writer *w, struct str key);
/* A member's key from data. */
void json_key_str(struct json_writer *w, struct str key);

/* Named so as not to clash with the readers of json_read.h. */
void json_put_str(struct json_writer *w, struct str s);
void json_put_bool(struct json_writer *w, bool v);
void json_put_null(struct json_writer *w);
void json_put_i64(struct json_writer *w, int64_t v);
void json_put_u64(struct json_writer *w, uint64_t v);
void json_put_f64(struct json_writer *w, double v);
/* "1.5", "NaN", "+Inf": a sample value of the Prometheus API, in quotes. */
void json_put_f64_str(struct json_writer *w, double v);
/* 1435781451.781: milliseconds as seconds, the time of the Prometheus API. */
void json_put_seconds(struct json_writer *w, int64_t ts_ms);
/* A ready JSON value. */
void json_put_raw(struct json_writer *w, struct str json);

/* The string with its quotes, without any comma: for emitters that do their own framing. */
void json_escape(struct buf *out, struct str s, bool escape_html);

#endif
