/* SPDX-License-Identifier: Apache-2.0 */
#include "server/config_source.h"

#include "os/process.h"

static bool lookup_env(void *ctx, struct str name, struct str *out)
{
    char text[256];
    (void)ctx;
    if (name.len >= sizeof text) return false;
    *out = process_env(str_z(name, text, sizeof text));
    return out->ptr != NULL;
}

enum err_code config_source_read(const struct config_place *place, const char *path,
                                 struct config_source *out, struct err *err)
{
    const struct mem_source *mem = mem_source_of(place->mem, MEM_SYSTEM);
    struct bytes content = { NULL, 0 };
    struct str file = str_of_z(path);
    size_t slash = file.len;
    TRY(file_read_all(place->files, path, mem, YAML_FILE_BYTES_MAX, &content, err));
    out->file = arena_str(place->arena, file);
    out->text = arena_str(place->arena, str_of_bytes(content));
    bool failed = content.len && !out->text.ptr;
    if (content.ptr) mem->free(mem->ctx, (void *)(uintptr_t)content.ptr, content.len);
    while (slash > 0 && file.ptr[slash - 1] != '/')
        slash--;
    out->base_dir =
        slash ? str_sub(out->file, 0, slash > 1 ? slash - 1 : 1) : (struct str){ "", 0 };
    return failed ? err_set(err, ERR_NOMEM, "no memory for the configuration") : ERR_OK;
}

enum err_code config_source_bind(const struct config_place *place,
                                 const struct config_source *source,
                                 const struct yaml_schema *schema, void *obj,
                                 struct buf *diags_text, struct err *err)
{
    struct yaml_doc doc;
    struct yaml_diags diags;
    struct yaml_binder *binder = arena_new(place->arena, struct yaml_binder);
    struct yaml_env env = { .lookup = lookup_env,
                            .files = place->files,
                            .base_dir = source->base_dir,
                            .budget = place->mem };
    if (!binder) return err_set(err, ERR_NOMEM, "no memory for the configuration");
    yaml_diags_init(&diags, place->arena);
    enum err_code rc = yaml_parse(source->file, source->text, place->arena, &diags, &doc);
    if (rc == ERR_OK) {
        yaml_binder_init(binder, &doc, place->arena, &diags, &env);
        rc = yaml_bind(binder, schema, obj);
    }
    yaml_diags_render(&diags, diags_text);
    if (rc == ERR_OK) return ERR_OK;
    struct buf first;
    buf_init(&first, mem_source_of(place->mem, MEM_SYSTEM), 1u << 16);
    yaml_diags_first(&diags, &first);
    rc = err_setf(err, rc, "the configuration is not valid", STR_FMT, STR_ARG(buf_str(&first)));
    buf_deinit(&first);
    return rc;
}
