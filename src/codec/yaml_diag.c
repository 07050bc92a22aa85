/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/yaml_diag.h"

#include "codec/utf8.h"

/* A source line longer than this is shown in part. */
#define SOURCE_BYTES_MAX 160

/* In the arena. */
struct yaml_hidden {
    struct yaml_hidden *next;
    struct str file;
    uint32_t first, last;
};

void yaml_diags_init(struct yaml_diags *d, struct arena *a)
{
    *d = (struct yaml_diags){ .arena = a };
}

/* ---- collecting ------------------------------------------------------------------------- */

static struct str source_line(struct str text, uint32_t line)
{
    struct str rest = text, part = { NULL, 0 };
    for (uint32_t i = 0; i < line; i++)
        if (rest.ptr == NULL || !str_split(&rest, '\n', &part)) return (struct str){ "", 0 };
    if (part.len > 0 && part.ptr[part.len - 1] == '\r') part.len--;
    return part;
}

static bool has_word(struct str s, struct str word)
{
    for (size_t i = 0; i + word.len <= s.len; i++)
        if (str_eq_nocase(str_sub(s, i, i + word.len), word)) return true;
    return false;
}

bool yaml_key_speaks_of_secret(struct str key)
{
    static const struct str words[] = { STR_INIT("pass"),  STR_INIT("secret"),
                                        STR_INIT("token"), STR_INIT("credential"),
                                        STR_INIT("_key"),  STR_INIT("auth") };
    if (has_word(key, STR("_file"))) return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (has_word(key, words[i])) return true;
    return false;
}

/* Where the first value of the line begins whose key speaks of a secret; the length if none
 * does. */
static size_t secret_begin(struct str line)
{
    size_t key = 0;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.ptr[i];
        if (c == '{' || c == ',' || c == '[') key = i + 1;
        if (c != ':') continue;
        size_t begin = i + 1;
        while (begin < line.len && (line.ptr[begin] == ' ' || line.ptr[begin] == '\t'))
            begin++;
        if (begin < line.len && yaml_key_speaks_of_secret(str_sub(line, key, i))) return begin;
        key = begin;
    }
    return line.len;
}

/* The end of "user:password" when a URL's begins at `at`, else `at`. */
static size_t userinfo_end(struct str line, size_t at)
{
    size_t end = at;
    for (size_t i = at; i < line.len; i++) {
        char c = line.ptr[i];
        if (c == '@') end = i;
        if (c == '/' || c == ' ' || c == '"' || c == '\'') break;
    }
    return end;
}

static void put_shown_line(struct str line, struct buf *out)
{
    size_t end = secret_begin(line);
    for (size_t i = 0; i < end; i++) {
        bool is_url = i >= 3 && memcmp(line.ptr + i - 3, "://", 3) == 0;
        size_t after = is_url ? userinfo_end(line, i) : i;
        if (after > i) buf_put_lit(out, "<secret>");
        i = after;
        if (i < end) buf_put_u8(out, (uint8_t)line.ptr[i]);
    }
    if (end < line.len) buf_put_lit(out, "<secret>");
}

/* The line is about to be logged. */
static struct str shown_line(struct yaml_diags *d, struct str line)
{
    struct buf text;
    buf_init(&text, d->arena->mem, (size_t)1 << 20);
    put_shown_line(str_sub(line, 0, (size_t)64 << 10), &text);
    struct str shown = arena_str(d->arena, buf_str(&text));
    buf_deinit(&text);
    return shown;
}

static int compare(const struct yaml_diag *a, const struct yaml_diag *b)
{
    int order = str_cmp(a->file, b->file);
    if (order != 0) return order;
    if (a->line != b->line) return a->line < b->line ? -1 : 1;
    if (a->column != b->column) return a->column < b->column ? -1 : 1;
    return 0;
}

/* Make room by dropping the last warning, or the last of all; false when `diag` itself is what has
 * to go. */
static bool make_room(struct yaml_diags *d, const struct yaml_diag *diag)
{
    if (d->count < YAML_DIAGS_MAX) return true;
    size_t victim = d->count;
    for (size_t i = 0; i < d->count; i++)
        if (d->at[i].is_warning) victim = i;
    if (victim == d->count) {
        victim = d->count - 1;
        if (diag->is_warning || compare(diag, &d->at[victim]) >= 0) return false;
    } else if (diag->is_warning && compare(diag, &d->at[victim]) >= 0) {
        return false;
    }
    memmove(&d->at[victim], &d->at[victim + 1], (d->count - 1 - victim) * sizeof d->at[0]);
    d->count--;
    return true;
}

void yaml_diags_add(struct yaml_diags *d, const struct yaml_doc *doc, struct yaml_diag diag)
{
    if (diag.is_warning)
        d->warning_count++;
    else
        d->error_count++;
    diag.file = doc->file;
    if (!make_room(d, &diag)) return;
    diag.file = arena_str(d->arena, doc->file);
    diag.message = arena_str(d->arena, diag.message);
    diag.hint = arena_str(d->arena, diag.hint);
    diag.docs = arena_str(d->arena, diag.docs);
    diag.source = (struct str){ NULL, 0 };
    if (diag.line > 0) diag.source = shown_line(d, source_line(doc->text, diag.line));
    size_t at = d->count;
    while (at > 0 && compare(&diag, &d->at[at - 1]) < 0)
        at--;
    memmove(&d->at[at + 1], &d->at[at], (d->count - at) * sizeof d->at[0]);
    d->at[at] = diag;
    d->count++;
}

void yaml_diags_hide(struct yaml_diags *d, const struct yaml_doc *doc, uint32_t first,
                     uint32_t last)
{
    struct yaml_hidden *h = arena_new(d->arena, struct yaml_hidden);
    if (!h) return; /* the arena is full: texts are lost anyway */
    *h = (struct yaml_hidden){ d->hidden, doc->file, first, last };
    d->hidden = h;
}

/* ---- rendering -------------------------------------------------------------------------- */

static void put_place(const struct yaml_diag *diag, struct buf *out)
{
    buf_put_str(out, diag->file);
    if (diag->line > 0) buf_printf(out, ":%u:%u", diag->line, diag->column);
    buf_put_lit(out, ": ");
}

/* Byte offset of the character number `column` (1-based). */
static size_t column_offset(struct str line, uint32_t column)
{
    size_t at = 0;
    for (uint32_t i = 1; i < column && at < line.len; i++) {
        unsigned length = utf8_length(line.ptr + at, line.len - at);
        at += length ? length : 1;
    }
    return at;
}

/* The source line and, under it, the marker. A long line is cut around the place. */
static void put_source(const struct yaml_diag *diag, struct buf *out)
{
    struct str line = diag->source;
    size_t mark = column_offset(line, diag->column), from = 0;
    if (line.len > SOURCE_BYTES_MAX && mark > SOURCE_BYTES_MAX / 2)
        from = mark - SOURCE_BYTES_MAX / 2;
    while (from > 0 && from < line.len && (line.ptr[from] & 0xc0) == 0x80)
        from--;
    size_t to = from + SOURCE_BYTES_MAX;
    while (to < line.len && (line.ptr[to] & 0xc0) == 0x80)
        to++;
    struct str shown = str_sub(line, from, to);
    buf_printf(out, "%5u | " STR_FMT "\n      | ", diag->line, STR_ARG(shown));
    uint32_t shown_after = 0;
    for (size_t i = 0; i < shown.len; i++) {
        if ((shown.ptr[i] & 0xc0) == 0x80) continue;
        if (from + i < mark)
            buf_put_u8(out, shown.ptr[i] == '\t' ? '\t' : ' ');
        else
            shown_after++;
    }
    uint32_t width = diag->width < shown_after ? diag->width : shown_after;
    for (uint32_t i = 0; i < width || i == 0; i++)
        buf_put_u8(out, '^');
    if (diag->hint.len > 0) buf_printf(out, " " STR_FMT, STR_ARG(diag->hint));
    buf_put_u8(out, '\n');
}

static void put_diag(const struct yaml_diag *diag, bool is_hidden, struct buf *out)
{
    put_place(diag, out);
    buf_put_str(out, diag->is_warning ? STR("warning: ") : STR("error: "));
    buf_put_str(out, diag->message);
    buf_put_u8(out, '\n');
    if (diag->source.len > 0 && !is_hidden)
        put_source(diag, out);
    else if (diag->hint.len > 0)
        buf_printf(out, "   " STR_FMT "\n", STR_ARG(diag->hint));
    if (diag->docs.len > 0) buf_printf(out, "   docs: " STR_FMT "\n", STR_ARG(diag->docs));
}

static bool is_hidden(const struct yaml_diags *d, const struct yaml_diag *diag)
{
    for (const struct yaml_hidden *h = d->hidden; h; h = h->next) {
        if (diag->line >= h->first && diag->line <= h->last && str_eq(h->file, diag->file)) {
            return true;
        }
    }
    return false;
}

void yaml_diags_render(const struct yaml_diags *d, struct buf *out)
{
    for (size_t i = 0; i < d->count; i++)
        put_diag(&d->at[i], is_hidden(d, &d->at[i]), out);
    size_t all = d->error_count + d->warning_count;
    if (all > d->count) buf_printf(out, "and %zu more\n", all - d->count);
}

void yaml_diags_first(const struct yaml_diags *d, struct buf *out)
{
    for (size_t i = 0; i < d->count; i++) {
        if (d->at[i].is_warning) continue;
        put_place(&d->at[i], out);
        buf_put_str(out, d->at[i].message);
        if (d->at[i].hint.len > 0) buf_printf(out, " (" STR_FMT ")", STR_ARG(d->at[i].hint));
        return;
    }
}
