/* SPDX-License-Identifier: Apache-2.0
 *
 * /series, /labels, /label/<name>/values.
 */
#include <stdlib.h>

#include "api/prometheus/api_priv.h"

#define CANCEL_EVERY 4096u /* series between two looks whether the client is still there */

static bool read_range(struct api_call *c, int64_t *start, int64_t *end)
{
    return api_time(c, "start", INT64_MIN, start) && api_time(c, "end", INT64_MAX, end);
}

static void add_warnings(struct api_call *c, const struct str *texts, size_t count)
{
    struct str *all = arena_array(c->arena, struct str, c->warning_count + count + 1);
    if (!all || count == 0) return;
    if (c->warning_count) memcpy(all, c->warnings, c->warning_count * sizeof *all);
    memcpy(all + c->warning_count, texts, count * sizeof *all);
    c->warnings = all;
    c->warning_count += count;
}

static void warn_truncated(struct api_call *c)
{
    static const struct str TEXT = STR_INIT("results truncated due to limit");
    add_warnings(c, &TEXT, 1);
}

/* Blocks of the range that cannot be read for now. */
static enum err_code warn_missing(struct api_call *c, int64_t start, int64_t end, struct err *err)
{
    struct source source = metrics_source(c->api->options.metrics);
    struct str_list texts = { 0 };
    TRY(source.ops->warnings(source.ctx, start, end, c->arena, &texts, err));
    add_warnings(c, texts.ptr, texts.len);
    return ERR_OK;
}

/* ---- series ---- */

struct series_list {
    struct labels *ptr;
    size_t len, cap;
};

static int compare_labels(const void *a, const void *b)
{
    return labels_cmp(*(const struct labels *)a, *(const struct labels *)b);
}

/* from[first..mid) and from[mid..end), both sorted, as one into `to`. */
static void merge_runs(const struct labels *from, size_t first, size_t mid, size_t end,
                       struct labels *to)
{
    size_t left = first, right = mid;
    for (size_t k = first; k < end; k++) {
        bool take_left = left < mid && (right >= end || labels_cmp(from[left], from[right]) <= 0);
        to[k] = take_left ? from[left++] : from[right++];
    }
}

/* A million label sets take seconds to sort: in runs, so that it ends soon when the client is
 * gone. */
static enum err_code sort_series(struct api_call *c, struct series_list *list, struct err *err)
{
    size_t n = list->len;
    struct labels *from = list->ptr, *to = arena_array_raw(&c->work, struct labels, n + 1);
    if (!to) return err_set(err, ERR_LIMIT, "answer needs too much memory");
    for (size_t i = 0; i < n; i += CANCEL_EVERY) {
        TRY(cancel_check(&c->cancel, err));
        qsort(from + i, n - i < CANCEL_EVERY ? n - i : CANCEL_EVERY, sizeof *from, compare_labels);
    }
    for (size_t width = CANCEL_EVERY; width < n; width *= 2) {
        for (size_t i = 0; i < n; i += 2 * width) {
            size_t mid = i + width < n ? i + width : n, end = mid + width < n ? mid + width : n;
            TRY(cancel_check(&c->cancel, err));
            merge_runs(from, i, mid, end, to);
        }
        struct labels *swap = from;
        from = to;
        to = swap;
    }
    list->ptr = from;
    return ERR_OK;
}

static enum err_code add_set(struct api_call *c, const struct series_set *set,
                             struct series_list *list, struct err *err)
{
    size_t count = set->ops->count(set);
    if (list->len + count > list->cap) {
        size_t cap = (list->len + count) * 2;
        struct labels *bigger = arena_array_raw(&c->work, struct labels, cap);
        if (!bigger) return err_set(err, ERR_LIMIT, "answer needs too much memory");
        if (list->len) memcpy(bigger, list->ptr, list->len * sizeof *bigger);
        list->ptr = bigger;
        list->cap = cap;
    }
    for (size_t i = 0; i < count; i++) {
        struct labels borrowed;
        if (i % CANCEL_EVERY == 0) TRY(cancel_check(&c->cancel, err));
        TRY(set->ops->labels(set, i, &c->work, &borrowed, err));
        TRY(labels_copy(&c->work, borrowed, &list->ptr[list->len], err)); /* the set goes */
        list->len++;
    }
    return ERR_OK;
}

static enum err_code collect_series(struct api_call *c, const struct api_matches *matches,
                                    int64_t start, int64_t end, struct series_list *list,
                                    struct err *err)
{
    struct source source = metrics_source(c->api->options.metrics);
    for (size_t i = 0; i < matches->len; i++) {
        struct source_request request = { .matchers = matches->ptr[i],
                                          .mint_ms = start,
                                          .maxt_ms = end,
                                          .only_in_range = true,
                                          .cancel = &c->cancel };
        struct series_set *set;
        TRY(source.ops->select(source.ctx, &request, c->api->options.mem, &set, err));
        enum err_code rc = add_set(c, set, list, err);
        set->ops->destroy(set);
        TRY(rc);
    }
    TRY(sort_series(c, list, err));
    return warn_missing(c, start, end, err);
}

void api_series(struct api_call *c)
{
    struct api_matches matches;
    struct series_list list = { 0 };
    struct err err = { 0 };
    int64_t start, end;
    size_t limit, written = 0;
    if (!api_limit(c, "limit", &limit)) return;
    if (api_param(c, STR("match[]")).ptr == NULL) {
        api_error(c, API_BAD_DATA, STR("no match[] parameter provided"));
        return;
    }
    if (!read_range(c, &start, &end) || !api_matches(c, &matches)) return;
    enum err_code rc = collect_series(c, &matches, start, end, &list, &err);
    api_matches_deinit(&matches);
    if (rc != ERR_OK) {
        api_error_of(c, &err);
        return;
    }
    api_begin(c);
    json_open_array(&c->json);
    for (size_t i = 0; i < list.len; i++) {
        if (i % CANCEL_EVERY == 0 && cancel_get(&c->cancel)) break;
        if (i > 0 && labels_eq(list.ptr[i - 1], list.ptr[i])) continue;
        if (limit && written == limit) {
            warn_truncated(c);
            break;
        }
        api_put_labels(&c->json, list.ptr[i]);
        written++;
        if (!api_flush(c)) break;
    }
    json_close_array(&c->json);
    api_end(c);
}

/* ---- names and values ---- */

static int compare_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* The union over all selectors; name.ptr == NULL asks for label names. */
static enum err_code collect_strings(struct api_call *c, struct str name,
                                     const struct api_matches *matches, struct label_query *q,
                                     struct str_list *out, struct err *err)
{
    struct source source = metrics_source(c->api->options.metrics);
    size_t rounds = matches->len ? matches->len : 1;
    *out = (struct str_list){ 0 };
    for (size_t i = 0; i < rounds; i++) {
        struct str_list part;
        TRY(cancel_check(&c->cancel, err));
        if (matches->len) q->matchers = matches->ptr[i];
        if (name.ptr) {
            TRY(source.ops->label_values(source.ctx, name, q, &c->work, &part, err));
        } else {
            TRY(source.ops->label_names(source.ctx, q, &c->work, &part, err));
        }
        if (i == 0) {
            *out = part;
            continue;
        }
        struct str *both = arena_array_raw(&c->work, struct str, out->len + part.len + 1);
        if (!both) return err_set(err, ERR_LIMIT, "answer needs too much memory");
        if (out->len) memcpy(both, out->ptr, out->len * sizeof *both);
        if (part.len) memcpy(both + out->len, part.ptr, part.len * sizeof *both);
        *out =
            (struct str_list){ both, out->len + part.len, out->is_truncated | part.is_truncated };
    }
    if (rounds > 1 && out->len) qsort(out->ptr, out->len, sizeof *out->ptr, compare_str);
    return warn_missing(c, q->mint_ms, q->maxt_ms, err);
}

static void answer_strings(struct api_call *c, struct str name)
{
    struct api_matches matches;
    struct str_list list;
    struct err err = { 0 };
    struct label_query q = { .cancel = &c->cancel };
    size_t limit, written = 0;
    if (!api_limit(c, "limit", &limit) || !read_range(c, &q.mint_ms, &q.maxt_ms) ||
        !api_matches(c, &matches)) {
        return;
    }
    q.limit = limit ? limit + 1 : 0;
    enum err_code rc = collect_strings(c, name, &matches, &q, &list, &err);
    api_matches_deinit(&matches);
    if (rc != ERR_OK) {
        api_error_of(c, &err);
        return;
    }
    api_begin(c);
    json_open_array(&c->json);
    for (size_t i = 0; i < list.len; i++) {
        if (i > 0 && str_eq(list.ptr[i - 1], list.ptr[i])) continue;
        if (limit && written == limit) {
            warn_truncated(c);
            break;
        }
        json_put_str(&c->json, list.ptr[i]);
        written++;
        if (!api_flush(c)) break;
    }
    json_close_array(&c->json);
    api_end(c);
}

void api_labels(struct api_call *c)
{
    answer_strings(c, (struct str){ NULL, 0 });
}

/* One hexadecimal code point between underscores, "_2e_"; returns the length, 0 when it is none. */
static size_t take_code_point(struct str s, size_t pos, uint32_t *out)
{
    uint32_t value = 0;
    size_t i = pos + 1;
    for (; i < s.len && s.ptr[i] != '_' && i - pos <= 6; i++) {
        char ch = s.ptr[i];
        if (ch >= '0' && ch <= '9') {
            value = value * 16 + (uint32_t)(ch - '0');
        } else if (ch >= 'a' && ch <= 'f') {
            value = value * 16 + (uint32_t)(ch - 'a' + 10);
        } else if (ch >= 'A' && ch <= 'F') {
            value = value * 16 + (uint32_t)(ch - 'A' + 10);
        } else {
            return 0;
        }
    }
    if (i == pos + 1 || i >= s.len || s.ptr[i] != '_') return 0;
    *out = value;
    return i + 1 - pos;
}

static size_t put_utf8(char *out, uint32_t cp)
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

/* "U__a_2e_b" is "a.b": Prometheus' escaping of names that are no legacy names. */
static struct str unescape_name(struct arena *a, struct str name)
{
    if (!str_starts_with(name, STR("U__"))) return name;
    char *text = arena_alloc_raw(a, name.len + 4, 1, 1);
    size_t n = 0;
    if (!text) return name;
    for (size_t i = 3; i < name.len;) {
        uint32_t cp;
        size_t len;
        if (name.ptr[i] != '_') {
            text[n++] = name.ptr[i++];
        } else if (i + 1 < name.len && name.ptr[i + 1] == '_') {
            text[n++] = '_';
            i += 2;
        } else if ((len = take_code_point(name, i, &cp)) && cp <= 0x10ffff) {
            n += put_utf8(text + n, cp);
            i += len;
        } else {
            return name;
        }
    }
    return (struct str){ text, n };
}

void api_label_values(struct api_call *c)
{
    struct str name = unescape_name(c->arena, router_param(c->ex, STR("name")));
    if (!label_name_is_valid(name)) {
        api_errorf(c, API_BAD_DATA, "invalid label name: \"" STR_FMT "\"", STR_ARG(name));
        return;
    }
    answer_strings(c, name);
}
