/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole configuration file through schema, checks and dump; what was dumped loads again and dumps to
 * the same text.
 */
#include <stdint.h>

#include "os/mem.h"
#include "server/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A disk on which every file has the content of the input. */
static enum err_code open_file(void *ctx, const char *path, enum file_mode mode, struct file **out,
                               struct err *err)
{
    (void)path;
    (void)mode;
    (void)err;
    *out = ctx;
    return ERR_OK;
}

static enum err_code close_file(void *ctx, struct file *f, struct err *err)
{
    (void)ctx;
    (void)f;
    (void)err;
    return ERR_OK;
}

static enum err_code size_of_file(void *ctx, struct file *f, uint64_t *out, struct err *err)
{
    (void)f;
    (void)err;
    *out = ((const struct bytes *)ctx)->len;
    return ERR_OK;
}

static enum err_code read_file(void *ctx, struct file *f, void *dst, size_t len, uint64_t offset,
                               size_t *out_n, struct err *err)
{
    const struct bytes *content = ctx;
    (void)f;
    (void)err;
    size_t left = offset < content->len ? content->len - (size_t)offset : 0;
    *out_n = len < left ? len : left;
    if (*out_n) memcpy(dst, content->ptr + offset, *out_n);
    return ERR_OK;
}

/* The dump of `text`, or false when it is not a good configuration. */
static bool load_and_dump(struct mem_budget *mem, struct bytes text, struct buf *out)
{
    struct file_layer files = { .ctx = &text,
                                .open = open_file,
                                .close = close_file,
                                .size = size_of_file,
                                .pread = read_file };
    struct config *config = NULL;
    struct err err = { 0 };
    struct buf diags;
    buf_init(&diags, mem_source_of(mem, MEM_SYSTEM), 1u << 20);
    bool is_good = config_load(mem, &files, "dir/p.yml", &diags, &config, &err) == ERR_OK;
    if (is_good) config_dump(config, out);
    config_unref(config);
    buf_deinit(&diags);
    return is_good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mem_budget *mem = mem_budget_create(256u << 20);
    struct buf first, second;
    if (!mem) return 0;
    buf_init(&first, mem_source_of(mem, MEM_SYSTEM), 1u << 22);
    buf_init(&second, mem_source_of(mem, MEM_SYSTEM), 1u << 22);
    struct str text = { (const char *)data, size };
    /* Texts with references may expand to references, which a second load would follow. */
    bool has_references = str_find(text, STR("${")) < size || str_find(text, STR("$$")) < size;
    if (size < (1u << 16) && load_and_dump(mem, bytes_of_str(text), &first) && !has_references &&
        !buf_failed(&first)) {
        if (!load_and_dump(mem, buf_bytes(&first), &second)) __builtin_trap();
        if (!str_eq(buf_str(&first), buf_str(&second))) __builtin_trap();
    }
    buf_deinit(&first);
    buf_deinit(&second);
    if (mem_live_count(mem) != 0) __builtin_trap();
    mem_budget_destroy(mem);
    return 0;
}
