/* SPDX-License-Identifier: Apache-2.0 */
#include "model/labels.h"

void labels_builder_init(struct labels_builder *b, struct arena *arena)
{
    *b = (struct labels_builder){ .arena = arena };
}

void labels_builder_reset(struct labels_builder *b)
{
    b->len = 0;
    b->failed = false;
}

static bool reserve_one(struct labels_builder *b)
{
    if (b->len < b->cap) return true;
    size_t cap = b->cap ? b->cap * 2 : 16;
    struct label *ptr = arena_array_raw(b->arena, struct label, cap);
    if (ptr == NULL) {
        b->failed = true;
        return false;
    }
    if (b->len > 0) memcpy(ptr, b->ptr, b->len * sizeof *ptr);
    b->ptr = ptr;
    b->cap = cap;
    return true;
}

void labels_builder_add(struct labels_builder *b, struct str name, struct str value)
{
    if (value.len == 0 || !reserve_one(b)) return;
    b->ptr[b->len++] = (struct label){ name, value };
}

void labels_builder_set(struct labels_builder *b, struct str name, struct str value)
{
    if (value.len == 0) {
        labels_builder_delete(b, name);
        return;
    }
    for (size_t i = 0; i < b->len; i++) {
        if (!str_eq(b->ptr[i].name, name)) continue;
        b->ptr[i].value = value;
        return;
    }
    labels_builder_add(b, name, value);
}

void labels_builder_delete(struct labels_builder *b, struct str name)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->len; i++)
        if (!str_eq(b->ptr[i].name, name)) b->ptr[kept++] = b->ptr[i];
    b->len = kept;
}

struct str labels_builder_get(const struct labels_builder *b, struct str name)
{
    for (size_t i = 0; i < b->len; i++)
        if (str_eq(b->ptr[i].name, name)) return b->ptr[i].value;
    return (struct str){ NULL, 0 };
}

static void sift_down(struct label *p, size_t root, size_t n)
{
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n) return;
        if (child + 1 < n && str_cmp(p[child].name, p[child + 1].name) < 0) child++;
        if (str_cmp(p[root].name, p[child].name) >= 0) return;
        struct label swap = p[root];
        p[root] = p[child];
        p[child] = swap;
        root = child;
    }
}

/* Senders mostly send sorted pairs: insertion sort for the usual few, heap sort for hostile many.
 */
static void sort_pairs(struct label *p, size_t n)
{
    if (n <= 32) {
        for (size_t i = 1; i < n; i++) {
            struct label moving = p[i];
            size_t k = i;
            for (; k > 0 && str_cmp(p[k - 1].name, moving.name) > 0; k--)
                p[k] = p[k - 1];
            p[k] = moving;
        }
        return;
    }
    for (size_t i = n / 2; i-- > 0;)
        sift_down(p, i, n);
    for (size_t end = n - 1; end > 0; end--) {
        struct label swap = p[0];
        p[0] = p[end];
        p[end] = swap;
        sift_down(p, 0, end);
    }
}

static enum err_code check_pair(const struct label *l, const struct label_limits *limits,
                                struct err *err)
{
    if (limits != NULL) {
        if (limits->name_size_max > 0 && l->name.len > limits->name_size_max)
            return err_setf(err, ERR_LIMIT, "label name too long", "label name \"" STR_FMT "...\"",
                            STR_ARG(str_sub(l->name, 0, 60)));
        if (limits->value_size_max > 0 && l->value.len > limits->value_size_max)
            return err_setf(err, ERR_LIMIT, "label value too long", "label \"" STR_FMT "\"",
                            STR_ARG(l->name));
    }
    if (!label_name_is_valid(l->name))
        return err_setf(err, ERR_INVALID, "invalid label name", "label name \"" STR_FMT "\"",
                        STR_ARG(l->name));
    if (!str_is_utf8(l->value))
        return err_setf(err, ERR_INVALID, "invalid label value", "label \"" STR_FMT "\"",
                        STR_ARG(l->name));
    return ERR_OK;
}

enum err_code labels_builder_finish(struct labels_builder *b, const struct label_limits *limits,
                                    struct labels *out, struct err *err)
{
    if (b->failed) return err_set(err, ERR_NOMEM, "no memory for labels");
    if (limits != NULL && limits->count_max > 0 && b->len > limits->count_max)
        return err_setf(err, ERR_LIMIT, "too many labels", "%zu labels, limit %zu", b->len,
                        limits->count_max);
    for (size_t i = 0; i < b->len; i++)
        TRY(check_pair(&b->ptr[i], limits, err));
    sort_pairs(b->ptr, b->len);
    for (size_t i = 1; i < b->len; i++) {
        if (str_eq(b->ptr[i - 1].name, b->ptr[i].name))
            return err_setf(err, ERR_INVALID, "duplicate label name", "label \"" STR_FMT "\"",
                            STR_ARG(b->ptr[i].name));
    }
    *out = (struct labels){ b->ptr, b->len };
    return ERR_OK;
}
