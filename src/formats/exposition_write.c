/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/exposition_write.h"

#include "base/float_text.h"
#include "base/time.h"

static void put_escaped(struct buf *out, struct str s, bool with_quote)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\\') {
            buf_put_lit(out, "\\\\");
        } else if (c == '\n') {
            buf_put_lit(out, "\\n");
        } else if (c == '"' && with_quote) {
            buf_put_lit(out, "\\\"");
        } else {
            buf_put_u8(out, (uint8_t)c);
        }
    }
}

static void put_name(struct buf *out, struct str name)
{
    if (metric_name_is_legacy(name)) {
        buf_put_str(out, name);
        return;
    }
    buf_put_u8(out, '"');
    put_escaped(out, name, true);
    buf_put_u8(out, '"');
}

static void put_value(struct buf *out, enum exposition_format format, double v)
{
    char text[FLOAT_TEXT_SIZE];
    enum float_style style = format == EXPOSITION_OPENMETRICS ? FLOAT_OM : FLOAT_GO_G;
    buf_put(out, text, float_format(v, style, text));
}

static struct str type_word(enum exposition_format format, enum metric_type type)
{
    if (type == METRIC_UNKNOWN && format == EXPOSITION_TEXT) return STR("untyped");
    return metric_type_text(type);
}

void exposition_write_family(struct buf *out, enum exposition_format format, struct str name,
                             enum metric_type type, struct str help)
{
    if (format == EXPOSITION_OPENMETRICS && type == METRIC_COUNTER &&
        str_ends_with(name, STR("_total"))) {
        name.len -= STR("_total").len;
    }
    if (help.len) {
        buf_put_lit(out, "# HELP ");
        put_name(out, name);
        buf_put_u8(out, ' ');
        put_escaped(out, help, format == EXPOSITION_OPENMETRICS);
        buf_put_u8(out, '\n');
    }
    buf_put_lit(out, "# TYPE ");
    put_name(out, name);
    buf_put_u8(out, ' ');
    buf_put_str(out, type_word(format, type));
    buf_put_u8(out, '\n');
}

static void put_timestamp(struct buf *out, enum exposition_format format, int64_t ts_ms)
{
    char text[TIME_TEXT_SIZE];
    buf_put_u8(out, ' ');
    if (format == EXPOSITION_TEXT) {
        buf_put_i64_text(out, ts_ms);
    } else {
        buf_put(out, text, time_format_seconds(ts_ms, text));
    }
}

void exposition_write_sample(struct buf *out, enum exposition_format format,
                             const struct exposition_sample *s)
{
    bool is_legacy = metric_name_is_legacy(s->name), has_any = !is_legacy;
    if (is_legacy) {
        buf_put_str(out, s->name);
    } else {
        buf_put_u8(out, '{');
        put_name(out, s->name);
    }
    for (size_t i = 0; i < s->labels.len; i++) {
        const struct label *l = &s->labels.ptr[i];
        if (str_eq(l->name, LABEL_METRIC_NAME)) continue;
        buf_put_u8(out, has_any ? ',' : '{');
        has_any = true;
        if (label_name_is_legacy(l->name)) {
            buf_put_str(out, l->name);
        } else {
            put_name(out, l->name);
        }
        buf_put_lit(out, "=\"");
        put_escaped(out, l->value, true);
        buf_put_u8(out, '"');
    }
    if (has_any) buf_put_u8(out, '}');
    buf_put_u8(out, ' ');
    put_value(out, format, s->value);
    if (s->has_ts) put_timestamp(out, format, s->ts_ms);
    buf_put_u8(out, '\n');
}

void exposition_write_end(struct buf *out, enum exposition_format format)
{
    if (format == EXPOSITION_OPENMETRICS) buf_put_lit(out, "# EOF\n");
}

/* `labels` is the row's literal text, written as it is. */
static void put_stat(struct buf *out, enum exposition_format format, const struct stat_desc *d,
                     const char *suffix, const char *le, double value)
{
    buf_put_str(out, str_of_z(d->name));
    buf_put_str(out, str_of_z(suffix));
    if (d->labels || le) {
        buf_put_u8(out, '{');
        if (d->labels) buf_put_str(out, str_of_z(d->labels));
        if (d->labels && le) buf_put_u8(out, ',');
        if (le) buf_printf(out, "le=\"%s\"", le);
        buf_put_u8(out, '}');
    }
    buf_put_u8(out, ' ');
    put_value(out, format, value);
    buf_put_u8(out, '\n');
}

static void put_stat_histogram(struct buf *out, enum exposition_format format,
                               const struct stat_desc *d, const struct stat_histogram *h)
{
    uint64_t total = 0;
    for (int i = 0; i < STAT_HISTOGRAM_BUCKETS; i++) {
        char le[FLOAT_TEXT_SIZE + 1] = "+Inf";
        total += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        if (i < STAT_HISTOGRAM_BUCKETS - 1) {
            enum float_style style = format == EXPOSITION_OPENMETRICS ? FLOAT_OM : FLOAT_GO_G;
            le[float_format((double)(1ull << i) / 1e6, style, le)] = '\0';
        }
        put_stat(out, format, d, "_bucket", le, (double)total);
    }
    put_stat(out, format, d, "_sum", NULL,
             (double)atomic_load_explicit(&h->sum_ns, memory_order_relaxed) / 1e9);
    put_stat(out, format, d, "_count", NULL, (double)total);
}

static void put_stat_row(struct buf *out, enum exposition_format format, const struct stat_desc *d,
                         const void *cells)
{
    const void *cell = (const char *)cells + d->offset;
    switch (d->kind) {
    case STAT_KIND_COUNTER: put_stat(out, format, d, "", NULL, (double)stat_get(cell)); return;
    case STAT_KIND_GAUGE: put_stat(out, format, d, "", NULL, (double)stat_gauge_get(cell)); return;
    case STAT_KIND_HISTOGRAM: put_stat_histogram(out, format, d, cell); return;
    }
    UNREACHABLE();
}

void exposition_write_stats(struct buf *out, enum exposition_format format,
                            const struct stat_table *tables, size_t table_count)
{
    static const enum metric_type TYPES[] = { [STAT_KIND_COUNTER] = METRIC_COUNTER,
                                              [STAT_KIND_GAUGE] = METRIC_GAUGE,
                                              [STAT_KIND_HISTOGRAM] = METRIC_HISTOGRAM };
    for (size_t t = 0; t < table_count; t++) {
        const char *last = "";
        for (size_t i = 0; i < tables[t].desc_count; i++) {
            const struct stat_desc *d = &tables[t].descs[i];
            if (strcmp(d->name, last) != 0) {
                exposition_write_family(out, format, str_of_z(d->name), TYPES[d->kind],
                                        str_of_z(d->help));
            }
            last = d->name;
            put_stat_row(out, format, d, tables[t].cells);
        }
    }
}

enum exposition_format exposition_negotiate(struct str accept)
{
    struct str wanted = STR("application/openmetrics-text");
    return str_find(accept, wanted) < accept.len ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
}

struct str exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPENMETRICS
               ? STR("application/openmetrics-text; version=1.0.0; charset=utf-8")
               : STR("text/plain; version=0.0.4; charset=utf-8");
}
