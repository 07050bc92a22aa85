/* SPDX-License-Identifier: Apache-2.0
 *
 * blobs - the seam "put, get a range of, list, delete immutable files". Embedded: a local
 * directory (blobs/blobs_dir.h). Scale-out: a bucket.
 *
 * What is published, listed and deleted is a *bundle*: a named set of files that appears and
 * disappears as one (a block: meta.json, index, chunks/000001). A bundle is prepared as plain
 * files in a local staging directory and then published.
 *
 *     stage(name) -> path of an empty local directory; the caller writes files below it through the
 *                    file layer and syncs each
 *     publish(name) -> the bundle is visible under `name`, durably, whole; or an error and it is
 * not open(name, file) -> read ranges, or map it
 *
 * Names     1..64 bytes of [A-Za-z0-9_-]; file names inside a bundle may have one '/'
 *           (chunks/000001). Immutable A published file is never changed. put() replaces one small
 *           side file (tombstones) as a whole.
 * Threads   All verbs: any thread; stage..publish of one bundle: one owner. A blob may be read by
 *           many threads.
 * Errors    ERR_NOTFOUND, ERR_CONFLICT (name taken), ERR_IO, ERR_NOMEM, ERR_INVALID (bad name).
 */
#ifndef PHAROS_BLOBS_BLOBS_H
#define PHAROS_BLOBS_BLOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem_source.h"
#include "base/str.h"
#include "os/file_layer.h"

#define BLOBS_NAME_MAX 64

struct blobs;
struct blob;

/* Called once per bundle, in byte order of the names. A non-OK return stops the listing and is
 * returned. */
typedef enum err_code (*blobs_list_fn)(void *arg, struct str name, struct err *err);

struct blobs_ops {
    enum err_code (*stage)(struct blobs *b, struct str name, char out_path[FILE_PATH_SIZE],
                           struct err *err);
    enum err_code (*publish)(struct blobs *b, struct str name, struct err *err);
    /* Throw a staged bundle away, or what a crash left of it. Missing is fine. */
    enum err_code (*discard)(struct blobs *b, struct str name, struct err *err);
    enum err_code (*list)(struct blobs *b, blobs_list_fn fn, void *arg, struct err *err);
    /* The bundle is gone from list() when this returns OK, and cannot come back half after a crash.
     * Open blobs stay readable. */
    enum err_code (*remove)(struct blobs *b, struct str name, struct err *err);
    enum err_code (*open)(struct blobs *b, struct str name, const char *file, struct blob **out,
                          struct err *err);
    enum err_code (*put)(struct blobs *b, struct str name, const char *file, struct bytes content,
                         struct err *err);
    /* Remove all staged bundles: at start, before anything is staged. What list() shows is durable
     * afterwards. */
    enum err_code (*sweep)(struct blobs *b, struct err *err);
    void (*destroy)(struct blobs *b);
};

struct blob_ops {
    /* Exactly `len` bytes at `offset`; ERR_CORRUPT when the blob ends before. */
    enum err_code (*read)(struct blob *b, uint64_t offset, void *dst, size_t len, struct err *err);
    /* The whole blob as bytes, valid until close; the same mapping each time. */
    enum err_code (*map)(struct blob *b, struct bytes *out, struct err *err);
    void (*close)(struct blob *b);
};

/* First members of every implementation. */
struct blobs {
    const struct blobs_ops *ops;
    const struct file_layer *files; /* for writing staged files */
};
struct blob {
    const struct blob_ops *ops;
    uint64_t size_bytes;
};

/* Is `name` a valid bundle name? */
bool blobs_name_is_valid(struct str name);

/* Thin forms of the verbs. */
CHECK_RESULT enum err_code blobs_stage(struct blobs *b, struct str name,
                                       char out_path[FILE_PATH_SIZE], struct err *err);
CHECK_RESULT enum err_code blobs_publish(struct blobs *b, struct str name, struct err *err);
CHECK_RESULT enum err_code blobs_discard(struct blobs *b, struct str name, struct err *err);
CHECK_RESULT enum err_code blobs_list(struct blobs *b, blobs_list_fn fn, void *arg,
                                      struct err *err);
CHECK_RESULT enum err_code blobs_remove(struct blobs *b, struct str name, struct err *err);
CHECK_RESULT enum err_code blobs_open(struct blobs *b, struct str name, const char *file,
                                      struct blob **out, struct err *err);
CHECK_RESULT enum err_code blobs_put(struct blobs *b, struct str name, const char *file,
                                     struct bytes content, struct err *err);
CHECK_RESULT enum err_code blobs_sweep(struct blobs *b, struct err *err);
void blobs_destroy(struct blobs *b);
CHECK_RESULT enum err_code blob_read(struct blob *b, uint64_t offset, void *dst, size_t len,
                                     struct err *err);
CHECK_RESULT enum err_code blob_map(struct blob *b, struct bytes *out, struct err *err);
/* NULL is a no-op. */
void blob_close(struct blob *b);

#endif
