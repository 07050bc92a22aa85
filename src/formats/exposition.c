/* SPDX-License-Identifier: Apache-2.0
 *
 * The fast half of the exposition parser: lines into keys, values and times. It looks at each byte
 * once and allocates per scrape, not per line.
 */
#include "formats/exposition.h"

#include <math.h>

#include "base/float_text.h"
#include "base/num.h"

struct parser {
    const struct exposition_options *options;
    struct batch *batch;
    struct exposition_series *series_info;
    struct err *err;
    size_t series_cap, exemplar_cap, metadata_cap;
    size_t line_number;
    struct str family;     /* of the last TYPE line */
    enum metric_type type; /* its type */
    bool is_openmetrics;
    bool has_eof;
};

static enum err_code fail(struct parser *p, const char *what)
{
    return err_setf(p->err, ERR_INVALID, "invalid exposition", "line %zu: %s", p->line_number,
                    what);
}

static enum err_code fail_nomem(struct parser *p)
{
    return err_set(p->err, ERR_NOMEM, "scrape needs too much memory");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word of *rest (up to a blank); advances past it and the blanks after it. */
static struct str take_word(struct str *rest)
{
    size_t end = 0, next;
    while (end < rest->len && !is_blank(rest->ptr[end]))
        end++;
    next = end;
    while (next < rest->len && is_blank(rest->ptr[next]))
        next++;
    struct str word = str_sub(*rest, 0, end);
    *rest = str_sub(*rest, next, rest->len);
    return word;
}

/* Index behind the quoted string that begins at s[pos] == '"', or s.len + 1 when it is open. */
static size_t skip_quoted(struct str s, size_t pos)
{
    for (pos++; pos < s.len; pos++) {
        if (s.ptr[pos] == '\\') {
            pos++;
        } else if (s.ptr[pos] == '"') {
            return pos + 1;
        }
    }
    return s.len + 1;
}

/* Index behind the closing brace of the set that begins at s[pos] == '{', or s.len + 1. */
static size_t skip_braces(struct str s, size_t pos)
{
    pos++;
    while (pos < s.len) {
        if (s.ptr[pos] == '"') {
            pos = skip_quoted(s, pos);
        } else if (s.ptr[pos++] == '}') {
            return pos;
        }
    }
    return s.len + 1;
}

/* Length of name{...} at the start of the line, without blanks after it; 0 when it is broken. */
static size_t key_length(struct str line)
{
    size_t pos = 0, blank;
    while (pos < line.len && !is_blank(line.ptr[pos]) && line.ptr[pos] != '{')
        pos++;
    blank = pos;
    while (blank < line.len && is_blank(line.ptr[blank]))
        blank++;
    if (blank < line.len && line.ptr[blank] == '{') {
        size_t end = skip_braces(line, blank);
        return end > line.len ? 0 : end;
    }
    return pos;
}

static bool parse_value(struct str word, double *out)
{
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        if (c == '_' || c == 'p' || c == 'P') return false;
    }
    if (!float_parse(word, out)) return false;
    if (isnan(*out)) *out = normal_nan();
    return true;
}

/* Milliseconds from unsigned digits (text) or float seconds (OpenMetrics, truncated). */
static bool parse_timestamp(const struct parser *p, struct str word, int64_t *out)
{
    double seconds;
    uint64_t ms;
    if (!p->is_openmetrics) {
        if (!str_to_u64(word, &ms) || ms > INT64_MAX) return false;
        *out = (int64_t)ms;
        return true;
    }
    return parse_value(word, &seconds) && isfinite(seconds) && double_to_i64(seconds * 1000.0, out);
}

/* Room for one more element; the arrays double inside the arena. */
static void *grown(struct parser *p, void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return array;
    size_t wanted = *cap ? *cap * 2 : 256;
    void *bigger = arena_alloc_raw(p->batch->arena, wanted, size, 16);
    if (!bigger) return NULL;
    if (count) memcpy(bigger, array, count * size);
    *cap = wanted;
    return bigger;
}

static enum err_code reserve_series(struct parser *p)
{
    struct batch *b = p->batch;
    size_t cap = p->series_cap, same = p->series_cap, also = p->series_cap;
    if (b->series_count < cap) return ERR_OK;
    b->series = grown(p, b->series, b->series_count, &cap, sizeof *b->series);
    b->samples = grown(p, b->samples, b->sample_count, &same, sizeof *b->samples);
    p->series_info = grown(p, p->series_info, b->series_count, &also, sizeof *p->series_info);
    if (!b->series || !b->samples || !p->series_info) return fail_nomem(p);
    p->series_cap = cap;
    return ERR_OK;
}

/* Exemplar after "# ": {labels} value [timestamp]. */
static enum err_code parse_exemplar(struct parser *p, struct str rest)
{
    struct batch *b = p->batch;
    struct batch_exemplar e = { .series = u32_from_u64(b->series_count - 1) };
    struct labels_builder labels;
    size_t end = rest.len && rest.ptr[0] == '{' ? skip_braces(rest, 0) : rest.len + 1;
    if (end > rest.len) return fail(p, "exemplar without a label set");
    labels_builder_init(&labels, b->arena);
    /* Exemplar labels have no metric name: borrow one for the shared parser, then take it away. */
    struct str set = arena_printf(b->arena, "x%.*s", (int)end, rest.ptr);
    if (!set.ptr) return fail_nomem(p);
    if (exposition_labels(bytes_of_str(set), METRIC_UNKNOWN, &labels, NULL) != ERR_OK) {
        return fail(p, "invalid exemplar labels");
    }
    labels_builder_delete(&labels, LABEL_METRIC_NAME);
    if (labels_builder_finish(&labels, NULL, &e.exemplar.labels, NULL) != ERR_OK) {
        return fail(p, "invalid exemplar labels");
    }
    rest = str_trim(str_sub(rest, end, rest.len));
    struct str value = take_word(&rest), ts = take_word(&rest);
    if (!parse_value(value, &e.exemplar.value) || rest.len) {
        return fail(p, "invalid exemplar value");
    }
    e.exemplar.has_ts = ts.len > 0;
    e.exemplar.ts_ms = b->samples[b->sample_count - 1].ts_ms;
    if (ts.len && !parse_timestamp(p, ts, &e.exemplar.ts_ms)) {
        return fail(p, "invalid exemplar timestamp");
    }
    b->exemplars = grown(p, b->exemplars, b->exemplar_count, &p->exemplar_cap, sizeof e);
    if (!b->exemplars) return fail_nomem(p);
    b->exemplars[b->exemplar_count++] = e;
    return ERR_OK;
}

/* Does the sample belong to the family of the last TYPE line (name, or name plus a suffix)? */
static enum metric_type type_of_line(const struct parser *p, struct str key)
{
    if (p->family.len == 0 || !str_starts_with(key, p->family)) return METRIC_UNKNOWN;
    return p->type;
}

static enum err_code parse_sample(struct parser *p, struct str line)
{
    struct batch *b = p->batch;
    size_t key_len = key_length(line);
    if (key_len == 0) return fail(p, "unterminated label set");
    struct str rest = str_trim(str_sub(line, key_len, line.len));
    struct str value = take_word(&rest), ts = { NULL, 0 };
    struct sample s = { .ts_ms = p->options->default_ts_ms };
    if (value.len == 0) return fail(p, "expected a value after the metric");
    if (!parse_value(value, &s.value)) return fail(p, "invalid value");
    if (rest.len && rest.ptr[0] != '#') ts = take_word(&rest);
    if (ts.len) {
        int64_t exposed;
        if (!parse_timestamp(p, ts, &exposed)) return fail(p, "invalid timestamp");
        if (p->options->honor_timestamps) s.ts_ms = exposed;
    }
    TRY(reserve_series(p));
    struct bytes key = { (const uint8_t *)line.ptr, key_len };
    p->series_info[b->series_count] = (struct exposition_series){
        .type = (uint8_t)type_of_line(p, str_of_bytes(key)),
        .has_ts = ts.len > 0 && p->options->honor_timestamps,
    };
    b->series[b->series_count] = (struct batch_series){
        .key = key,
        .key_hash = hash128(key.ptr, key.len, p->options->alias_seed),
        .sample_first = u32_from_u64(b->sample_count),
        .sample_count = 1,
    };
    b->samples[b->sample_count++] = s;
    b->series_count++;
    if (rest.len == 0) return ERR_OK;
    if (!p->is_openmetrics || !str_starts_with(rest, STR("# "))) {
        return fail(p, "unexpected text after the value");
    }
    return parse_exemplar(p, str_sub(rest, 2, rest.len));
}

static bool parse_type(const struct parser *p, struct str word, enum metric_type *out)
{
    static const struct {
        struct str word;
        enum metric_type type;
        bool in_text, in_openmetrics;
    } TYPES[] = {
        { STR_INIT("counter"), METRIC_COUNTER, true, true },
        { STR_INIT("gauge"), METRIC_GAUGE, true, true },
        { STR_INIT("histogram"), METRIC_HISTOGRAM, true, true },
        { STR_INIT("gaugehistogram"), METRIC_GAUGEHISTOGRAM, false, true },
        { STR_INIT("summary"), METRIC_SUMMARY, true, true },
        { STR_INIT("info"), METRIC_INFO, false, true },
        { STR_INIT("stateset"), METRIC_STATESET, false, true },
        { STR_INIT("unknown"), METRIC_UNKNOWN, false, true },
        { STR_INIT("untyped"), METRIC_UNKNOWN, true, false },
    };
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        if (!(p->is_openmetrics ? TYPES[i].in_openmetrics : TYPES[i].in_text)) continue;
        if (!str_eq(word, TYPES[i].word)) continue;
        *out = TYPES[i].type;
        return true;
    }
    return false;
}

/* The metadata row of `family`: the last one if it is the same family, else a new one. */
static struct metadata *metadata_of(struct parser *p, struct str family)
{
    struct batch *b = p->batch;
    if (b->metadata_count && str_eq(b->metadata[b->metadata_count - 1].family, family)) {
        return &b->metadata[b->metadata_count - 1];
    }
    b->metadata = grown(p, b->metadata, b->metadata_count, &p->metadata_cap, sizeof *b->metadata);
    if (!b->metadata) return NULL;
    b->metadata[b->metadata_count] = (struct metadata){ .family = family };
    return &b->metadata[b->metadata_count++];
}

/* Name of a family in a comment line: bare, or quoted when it is not a legacy name. */
static struct str take_family(struct str *rest)
{
    if (rest->len && rest->ptr[0] == '"') {
        size_t end = skip_quoted(*rest, 0);
        if (end <= rest->len) {
            struct str name = str_sub(*rest, 1, end - 1);
            *rest = str_trim(str_sub(*rest, end, rest->len));
            return name;
        }
    }
    return take_word(rest);
}

static enum err_code parse_unit(struct parser *p, struct metadata *m, struct str unit)
{
    m->unit = unit;
    if (unit.len == 0) return ERR_OK;
    struct str suffix = arena_printf(p->batch->arena, "_" STR_FMT, STR_ARG(unit));
    if (!suffix.ptr) return fail_nomem(p);
    if (str_ends_with(m->family, suffix)) return ERR_OK;
    return err_setf(p->err, ERR_INVALID, "invalid exposition",
                    "line %zu: unit \"" STR_FMT "\" not a suffix of metric \"" STR_FMT "\"",
                    p->line_number, STR_ARG(unit), STR_ARG(m->family));
}

static enum err_code parse_comment(struct parser *p, struct str line)
{
    struct str rest = str_sub(line, 1, line.len);
    while (rest.len && is_blank(rest.ptr[0]))
        rest = str_sub(rest, 1, rest.len);
    struct str word = take_word(&rest);
    bool is_help = str_eq(word, STR("HELP")), is_type = str_eq(word, STR("TYPE"));
    bool is_unit = p->is_openmetrics && str_eq(word, STR("UNIT"));
    if (p->is_openmetrics && str_eq(line, STR("# EOF"))) {
        p->has_eof = true;
        return ERR_OK;
    }
    if (!is_help && !is_type && !is_unit) {
        return p->is_openmetrics ? fail(p, "unknown comment") : ERR_OK;
    }
    struct str family = take_family(&rest);
    if (family.len == 0) return fail(p, "expected a metric name");
    struct metadata *m = metadata_of(p, family);
    if (!m) return fail_nomem(p);
    if (is_unit) return parse_unit(p, m, str_trim(rest));
    if (is_help) {
        m->help = rest;
        return ERR_OK;
    }
    if (!parse_type(p, str_trim(rest), &m->type)) return fail(p, "invalid metric type");
    p->family = family;
    p->type = m->type;
    return ERR_OK;
}

static enum err_code parse_line(struct parser *p, struct str line)
{
    if (p->has_eof) return fail(p, "unexpected data after # EOF");
    if (!p->is_openmetrics) {
        if (line.len && line.ptr[line.len - 1] == '\r') line.len--;
        while (line.len && is_blank(line.ptr[0]))
            line = str_sub(line, 1, line.len);
        if (line.len == 0) return ERR_OK;
    }
    if (line.len == 0) return fail(p, "unexpected empty line");
    if (line.ptr[0] == '#') return parse_comment(p, line);
    return parse_sample(p, line);
}

static enum err_code decode_labels(const struct batch *batch, const struct batch_series *s,
                                   struct labels_builder *b, struct labels *out, struct err *err)
{
    (void)batch;
    const struct exposition_series *info = s->origin;
    labels_builder_reset(b);
    TRY(exposition_labels(s->key, (enum metric_type)info->type, b, err));
    return labels_builder_finish(b, NULL, out, err);
}

enum err_code exposition_parse(struct bytes body, const struct exposition_options *options,
                               struct arena *arena, struct batch *out, struct err *err)
{
    struct batch batch = { .arena = arena, .decode = decode_labels };
    struct parser p = { .options = options,
                        .batch = &batch,
                        .err = err,
                        .is_openmetrics = options->format == EXPOSITION_OPENMETRICS };
    struct str rest = str_of_bytes(body);
    while (rest.len) {
        const char *newline = memchr(rest.ptr, '\n', rest.len);
        size_t end = newline ? (size_t)(newline - rest.ptr) : rest.len;
        struct str line = str_sub(rest, 0, end);
        p.line_number++;
        TRY(parse_line(&p, line));
        rest = str_sub(rest, newline ? end + 1 : end, rest.len);
    }
    if (p.is_openmetrics && !p.has_eof) return fail(&p, "data does not end with # EOF");
    for (size_t i = 0; i < batch.series_count; i++)
        batch.series[i].origin = &p.series_info[i];
    *out = batch;
    return ERR_OK;
}
