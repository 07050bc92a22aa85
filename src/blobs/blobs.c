/* SPDX-License-Identifier: Apache-2.0 */
#include "blobs/blobs.h"

bool blobs_name_is_valid(struct str name)
{
    if (name.len == 0 || name.len > BLOBS_NAME_MAX) return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-';
        if (!ok) return false;
    }
    return true;
}

static enum err_code check_name(struct str name, struct err *err)
{
    if (blobs_name_is_valid(name)) return ERR_OK;
    return err_setf(err, ERR_INVALID, "not a name of a bundle", STR_FMT, STR_ARG(name));
}

enum err_code blobs_stage(struct blobs *b, struct str name, char out_path[FILE_PATH_SIZE],
                          struct err *err)
{
    TRY(check_name(name, err));
    return b->ops->stage(b, name, out_path, err);
}

enum err_code blobs_publish(struct blobs *b, struct str name, struct err *err)
{
    TRY(check_name(name, err));
    return b->ops->publish(b, name, err);
}

enum err_code blobs_discard(struct blobs *b, struct str name, struct err *err)
{
    TRY(check_name(name, err));
    return b->ops->discard(b, name, err);
}

enum err_code blobs_list(struct blobs *b, blobs_list_fn fn, void *arg, struct err *err)
{
    return b->ops->list(b, fn, arg, err);
}

enum err_code blobs_remove(struct blobs *b, struct str name, struct err *err)
{
    TRY(check_name(name, err));
    return b->ops->remove(b, name, err);
}

enum err_code blobs_open(struct blobs *b, struct str name, const char *file, struct blob **out,
                         struct err *err)
{
    TRY(check_name(name, err));
    return b->ops->open(b, name, file, out, err);
}

enum err_code blobs_put(struct blobs *b, struct str name, const char *file, struct bytes content,
                        struct err *err)
{
    TRY(check_name(name, err));
    return b->ops->put(b, name, file, content, err);
}

enum err_code blobs_sweep(struct blobs *b, struct err *err)
{
    return b->ops->sweep(b, err);
}

void blobs_destroy(struct blobs *b)
{
    if (b) b->ops->destroy(b);
}

enum err_code blob_read(struct blob *b, uint64_t offset, void *dst, size_t len, struct err *err)
{
    return b->ops->read(b, offset, dst, len, err);
}

enum err_code blob_map(struct blob *b, struct bytes *out, struct err *err)
{
    return b->ops->map(b, out, err);
}

void blob_close(struct blob *b)
{
    if (b) b->ops->close(b);
}
