/* SPDX-License-Identifier: Apache-2.0
 *
 * blobs_dir - the blobs seam over one local directory.
 *
 * Layout    <root>/<name>/...        published bundles
 *           <root>/<name>.tmp/...    staged, or being removed; swept at start
 * Publish   sync the staged directories, rename, sync the root. Remove: rename to .tmp, sync the
 *           root, unlink the tree: so a crash never leaves half a bundle under its name, and
 *           removal needs no free space.
 * Reading   map() maps the file read-only (the content is immutable); read() is pread. The file
 *           descriptor stays open, so a removed bundle can still be read by those who opened it.
 */
#ifndef PHAROS_BLOBS_BLOBS_DIR_H
#define PHAROS_BLOBS_BLOBS_DIR_H

#include "base/err.h"
#include "base/mem_source.h"
#include "blobs/blobs.h"
#include "os/file_layer.h"

/* `root` is created when missing and copied; `mem` (small objects) and `files` outlive the store.
 */
CHECK_RESULT enum err_code blobs_dir_create(const struct file_layer *files,
                                            const struct mem_source *mem, const char *root,
                                            struct blobs **out, struct err *err);

#endif
