/* SPDX-License-Identifier: Apache-2.0
 *
 * What answers miss: the blocks of their range that are on disk and not served.
 */
#include "base/time.h"
#include "metrics/select/select_priv.h"

#define WARNINGS_MAX 8

/* The head has all samples of the block: it is one that was cut and does not open yet. */
static bool is_in_head(const struct select_store *s, const struct block_damage *d)
{
    return unserved_has_range(d) && d->mint_ms >= head_mint_ms(s->head);
}

static struct str describe(const struct block_damage *d, struct arena *a)
{
    char name[ULID_TEXT_LEN + 1];
    char from[TIME_TEXT_SIZE];
    char to[TIME_TEXT_SIZE];
    ulid_text(d->id, name);
    const char *what = d->is_waiting ? "cannot be opened for now and is tried again"
                                     : "is damaged and was set aside";
    if (!unserved_has_range(d))
        return arena_printf(a, "block %s %s: samples may be missing", name, what);
    struct str begin = { from, time_format_rfc3339(d->mint_ms, from) };
    struct str end = { to, time_format_rfc3339(d->maxt_ms, to) };
    return arena_printf(a, "block %s %s: samples from " STR_FMT " to " STR_FMT " may be missing",
                        name, what, STR_ARG(begin), STR_ARG(end));
}

enum err_code select_warnings(void *ctx, int64_t mint_ms, int64_t maxt_ms, struct arena *a,
                              struct str_list *out, struct err *err)
{
    struct select_store *s = ctx;
    struct block_damage missing[WARNINGS_MAX];
    struct str_list list = { 0 };
    size_t all = block_set_missing(s->blocks, mint_ms, maxt_ms, missing, WARNINGS_MAX);
    size_t count = all < WARNINGS_MAX ? all : WARNINGS_MAX;
    if (count > 0) list.ptr = arena_array(a, struct str, count + 1);
    if (count > 0 && list.ptr == NULL) return err_set(err, ERR_NOMEM, "no memory for warnings");
    for (size_t i = 0; i < count; i++)
        if (!is_in_head(s, &missing[i])) list.ptr[list.len++] = describe(&missing[i], a);
    if (all > count)
        list.ptr[list.len++] =
            arena_printf(a, "%zu more blocks cannot be read: samples may be missing", all - count);
    for (size_t i = 0; i < list.len; i++)
        if (list.ptr[i].ptr == NULL) return err_set(err, ERR_NOMEM, "no memory for warnings");
    *out = list;
    return ERR_OK;
}
