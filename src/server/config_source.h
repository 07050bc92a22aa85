/* SPDX-License-Identifier: Apache-2.0
 *
 * config_source - one YAML file of the configuration: read, and bound to a struct by its schema.
 *
 * Memory    Texts and what is bound live in the arena of the place.
 * Failure   ERR_INVALID with all errors rendered (file:line:col, marker, suggestion) in `diags`;
 *           err->detail has the first on one line. Warnings are rendered into `diags` too.
 */
#ifndef PHAROS_SERVER_CONFIG_SOURCE_H
#define PHAROS_SERVER_CONFIG_SOURCE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/yaml_bind.h"
#include "os/file_layer.h"
#include "os/mem.h"

struct config_source {
    struct str file, text;
    struct str
        base_dir; /* of relative paths in it: "" when the file was named without a directory */
};

/* Where it is read from, and to. */
struct config_place {
    struct mem_budget *mem;
    const struct file_layer *files;
    struct arena *arena;
};

CHECK_RESULT enum err_code config_source_read(const struct config_place *place, const char *path,
                                              struct config_source *out, struct err *err);
CHECK_RESULT enum err_code config_source_bind(const struct config_place *place,
                                              const struct config_source *source,
                                              const struct yaml_schema *schema, void *obj,
                                              struct buf *diags, struct err *err);

#endif
