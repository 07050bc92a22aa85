/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/row_store.h"

#include <string.h>

#include "base/assert.h"

#define FIRST_WORDS 4096
/* At least two of the longest rows. */
#define WINDOW_WORDS (256u << 10)
_Static_assert(WINDOW_WORDS > 2 * (ROW_LABELS_MAX + 1), "a row fits into the window");

void row_store_init(struct row_store *s, struct mem_budget *mem, const struct file_layer *files,
                    const char *dir, size_t memory_max)
{
    *s = (struct row_store){ .mem = mem, .files = files, .dir = dir };
    s->cap_max = memory_max / sizeof *s->words;
    if (s->cap_max < WINDOW_WORDS) s->cap_max = WINDOW_WORDS;
}

void row_store_deinit(struct row_store *s)
{
    if (s->words) mem_free(s->mem, MEM_COMPACTION, s->words, s->cap * sizeof *s->words);
    if (s->scratch) {
        char path[FILE_PATH_SIZE];
        (void)s->files->close(s->files->ctx, s->scratch, NULL); /* content is thrown away */
        if (file_join(path, s->dir, ROW_STORE_SCRATCH, NULL) == ERR_OK)
            (void)s->files->unlink(s->files->ctx, path, NULL);
    }
    *s = (struct row_store){ 0 };
}

static enum err_code spill(struct row_store *s, struct err *err)
{
    if (!s->scratch) {
        char path[FILE_PATH_SIZE];
        TRY(file_join(path, s->dir, ROW_STORE_SCRATCH, err));
        TRY(s->files->open(s->files->ctx, path, FILE_TRUNCATE, &s->scratch, err));
    }
    struct file_iovec iov = { s->words, s->used * sizeof *s->words };
    TRY(s->files->pwritev(s->files->ctx, s->scratch, &iov, 1, s->spilled * sizeof *s->words, err));
    s->spilled += s->used;
    s->used = 0;
    return ERR_OK;
}

static enum err_code make_room(struct row_store *s, size_t more, struct err *err)
{
    if (s->used + more <= s->cap) return ERR_OK;
    if (s->cap < s->cap_max) {
        size_t cap = s->cap ? s->cap * 2 : FIRST_WORDS;
        if (cap < s->used + more) cap = s->used + more;
        if (cap > s->cap_max) cap = s->cap_max;
        uint32_t *grown = mem_realloc(s->mem, MEM_COMPACTION, s->words, s->cap * sizeof *grown,
                                      cap * sizeof *grown);
        if (grown) {
            s->words = grown;
            s->cap = cap;
        }
    }
    if (s->used + more <= s->cap) return ERR_OK;
    if (s->used > 0) TRY(spill(s, err));
    return more <= s->cap ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the series of a block");
}

enum err_code row_store_add(struct row_store *s, const uint32_t *ids, size_t count, struct err *err)
{
    ASSERT(count <= ROW_LABELS_MAX);
    TRY(make_room(s, count + 1, err));
    s->words[s->used++] = (uint32_t)count;
    if (count > 0) memcpy(s->words + s->used, ids, count * sizeof *ids);
    s->used += count;
    s->row_count++;
    return ERR_OK;
}

/* ---- reading ---- */

enum err_code row_cursor_init(struct row_cursor *c, struct row_store *s, struct err *err)
{
    *c = (struct row_cursor){ .store = s };
    if (s->spilled == 0) return ERR_OK;
    c->window = mem_alloc(s->mem, MEM_COMPACTION, WINDOW_WORDS * sizeof *c->window);
    return c->window ? ERR_OK : err_set(err, ERR_NOMEM, "no memory for the series of a block");
}

void row_cursor_deinit(struct row_cursor *c)
{
    if (c->window)
        mem_free(c->store->mem, MEM_COMPACTION, c->window, WINDOW_WORDS * sizeof *c->window);
    *c = (struct row_cursor){ 0 };
}

/* Move what is left to the front and fill up from the file. */
static enum err_code refill(struct row_cursor *c, struct err *err)
{
    struct row_store *s = c->store;
    size_t left = c->window_used - c->window_pos;
    memmove(c->window, c->window + c->window_pos, left * sizeof *c->window);
    uint64_t in_file = s->spilled - c->next_word;
    size_t want = WINDOW_WORDS - left, n = 0;
    if (want > in_file) want = (size_t)in_file;
    TRY(s->files->pread(s->files->ctx, s->scratch, c->window + left, want * sizeof *c->window,
                        c->next_word * sizeof *c->window, &n, err));
    if (n != want * sizeof *c->window) return err_set(err, ERR_IO, "scratch file is cut off");
    c->next_word += want;
    c->window_used = left + want;
    c->window_pos = 0;
    return ERR_OK;
}

/* The row at words[*pos]; false when it is not whole. */
static bool take_row(const uint32_t *words, size_t used, size_t *pos, const uint32_t **out,
                     size_t *out_count)
{
    if (*pos >= used || words[*pos] > used - *pos - 1) return false;
    *out_count = words[*pos];
    *out = words + *pos + 1;
    *pos += 1 + *out_count;
    return true;
}

enum err_code row_cursor_next(struct row_cursor *c, const uint32_t **out, size_t *out_count,
                              struct err *err)
{
    struct row_store *s = c->store;
    *out = NULL;
    *out_count = 0;
    if (take_row(c->window, c->window_used, &c->window_pos, out, out_count)) return ERR_OK;
    if (c->next_word < s->spilled) {
        TRY(refill(c, err));
        if (take_row(c->window, c->window_used, &c->window_pos, out, out_count)) return ERR_OK;
        return err_set(err, ERR_IO, "scratch file is damaged");
    }
    (void)take_row(s->words, s->used, &c->memory_pos, out, out_count);
    return ERR_OK;
}
