/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/cleanup.h"
#include "codec/yaml.h"
#include "collect/discovery/discovery.h"

#define SD_FILE_BYTES_MAX ((size_t)64 << 20)
#define SD_FILES_MAX 4096

static const struct yaml_field STATIC_FIELDS[] = {
    { "targets", YAML_T_LIST, .offset = offsetof(struct static_config, targets),
      .elem = YAML_T_STR },
    { "labels", YAML_T_MAP, .offset = offsetof(struct static_config, labels), .elem = YAML_T_STR },
};
const struct yaml_schema STATIC_CONFIG =
    YAML_SCHEMA(struct static_config, STATIC_FIELDS, .docs = "configuration.md#static_config");

/* Prometheus: ^[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)$ */
static bool is_sd_pattern(struct str s)
{
    static const struct str ENDINGS[] = { STR_INIT(".json"), STR_INIT(".yml"), STR_INIT(".yaml"),
                                          STR_INIT(".JSON"), STR_INIT(".YML"), STR_INIT(".YAML") };
    struct str behind = str_sub(s, str_index(s, '*'), s.len);
    bool ends_well = false;
    for (size_t i = 0; i < sizeof ENDINGS / sizeof ENDINGS[0]; i++)
        ends_well |= str_ends_with(s, ENDINGS[i]);
    return ends_well && str_index(behind, '/') == behind.len;
}

static void check_file_sd(struct yaml_binder *b, const struct yaml_node *node, void *obj)
{
    const struct file_sd_config *c = obj;
    for (size_t i = 0; i < c->files.count; i++) {
        struct str pattern = ((const struct str *)c->files.items)[i];
        if (!is_sd_pattern(pattern)) {
            yaml_bind_error(b, node, "path name \"" STR_FMT "\" is not valid for file discovery",
                            STR_ARG(pattern));
        }
    }
}

static const struct yaml_field FILE_SD_FIELDS[] = {
    { "files", YAML_T_LIST, .offset = offsetof(struct file_sd_config, files), .elem = YAML_T_STR,
      .flags = YAML_F_REQUIRED | YAML_F_NOT_EMPTY },
    { "refresh_interval", YAML_T_DURATION,
      .offset = offsetof(struct file_sd_config, refresh_interval_ms), .default_text = "5m" },
};
const struct yaml_schema FILE_SD_CONFIG =
    YAML_SCHEMA(struct file_sd_config, FILE_SD_FIELDS, .check = check_file_sd,
                .docs = "configuration.md#file_sd_config");

/* One file that matched a pattern. */
struct sd_file {
    struct sd_file *next;
    struct str path; /* in `arena` of the discovery */
    struct file_info info;
    bool is_seen;   /* by the current poll */
    bool is_unread; /* could not be read: try again */
    struct arena arena;
    struct bytes text; /* of the groups */
    bool has_groups;
    struct yaml_list groups; /* of struct static_config, in `arena` */
};

struct file_discovery {
    struct file_discovery_options options;
    const struct file_sd_config *config;
    struct sd_file *files;
    size_t file_count;
    bool has_changed;
    bool is_refresh; /* this poll reads every file */
    int64_t refreshed_ms;
};

static const struct mem_source *memory(const struct file_discovery *d)
{
    return mem_source_of(d->options.mem, MEM_SCRAPE);
}

static void free_text(const struct file_discovery *d, struct bytes text)
{
    const struct mem_source *mem = memory(d);
    if (text.ptr) mem->free(mem->ctx, (void *)(uintptr_t)text.ptr, text.len);
}

static void sd_file_destroy(struct file_discovery *d, struct sd_file *f)
{
    free_text(d, f->text);
    arena_deinit(&f->arena);
    mem_free(d->options.mem, MEM_SCRAPE, (char *)(uintptr_t)f->path.ptr, f->path.len + 1);
    mem_free(d->options.mem, MEM_SCRAPE, f, sizeof *f);
}

enum err_code file_discovery_create(const struct file_discovery_options *options,
                                    const struct file_sd_config *config,
                                    struct file_discovery **out, struct err *err)
{
    struct file_discovery *d = mem_zalloc(options->mem, MEM_SCRAPE, sizeof *d);
    if (!d) return err_set(err, ERR_NOMEM, "no memory for file discovery");
    d->options = *options;
    d->config = config;
    *out = d;
    return ERR_OK;
}

void file_discovery_destroy(struct file_discovery *d)
{
    if (!d) return;
    while (d->files) {
        struct sd_file *f = d->files;
        d->files = f->next;
        sd_file_destroy(d, f);
    }
    mem_free(d->options.mem, MEM_SCRAPE, d, sizeof *d);
}

/* Does the character match the set at pattern[*pos] == '['? Moves *pos past the set. */
static bool set_matches(struct str pattern, size_t *pos, char c)
{
    size_t i = *pos + 1;
    bool negated = i < pattern.len && (pattern.ptr[i] == '!' || pattern.ptr[i] == '^');
    bool matches = false;
    for (i += negated; i < pattern.len && pattern.ptr[i] != ']'; i++) {
        char low = pattern.ptr[i], high = low;
        if (i + 2 < pattern.len && pattern.ptr[i + 1] == '-' && pattern.ptr[i + 2] != ']') {
            high = pattern.ptr[i + 2];
            i += 2;
        }
        matches |= c >= low && c <= high;
    }
    *pos = i + 1;
    return matches != negated;
}

bool discovery_glob_matches(struct str pattern, struct str name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, star_n = 0;
    while (n < name.len) {
        size_t next = p + 1;
        char c = p < pattern.len ? pattern.ptr[p] : '\0';
        if (c == '*') {
            star = p++;
            star_n = n;
        } else if (p < pattern.len &&
                   (c == '[' ? (next = p, set_matches(pattern, &next, name.ptr[n]))
                             : (c == '?' || c == name.ptr[n]))) {
            p = next;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++star_n;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static struct sd_file *find_file(const struct file_discovery *d, struct str path)
{
    struct sd_file *f = d->files;
    while (f && !str_eq(f->path, path))
        f = f->next;
    return f;
}

static struct sd_file *add_file(struct file_discovery *d, struct str path)
{
    struct sd_file *f = mem_zalloc(d->options.mem, MEM_SCRAPE, sizeof *f);
    char *copy = mem_alloc(d->options.mem, MEM_SCRAPE, path.len + 1);
    if (!f || !copy || d->file_count >= SD_FILES_MAX) {
        mem_free(d->options.mem, MEM_SCRAPE, f, sizeof *f);
        mem_free(d->options.mem, MEM_SCRAPE, copy, path.len + 1);
        return NULL;
    }
    f->path = str_of_z(str_z(path, copy, path.len + 1));
    arena_init(&f->arena, memory(d), SD_FILE_BYTES_MAX);
    f->next = d->files;
    d->files = f;
    d->file_count++;
    return f;
}

/* Bind the file's list of groups into `a`; false (and logged) when it is not good. */
static bool parse_groups(struct file_discovery *d, struct str path, struct bytes text,
                         struct arena *a, struct yaml_list *out)
{
    static const struct yaml_field LIST = { .type = YAML_T_LIST,
                                            .elem = YAML_T_STRUCT,
                                            .schema = &STATIC_CONFIG };
    struct yaml_doc doc;
    struct yaml_diags diags;
    struct yaml_binder binder;
    struct yaml_env env = { .budget = d->options.mem };
    yaml_diags_init(&diags, a);
    bool is_json =
        path.len >= 5 && str_eq_nocase(str_sub(path, path.len - 5, path.len), STR(".json"));
    enum err_code rc = is_json ? yaml_parse_json(path, str_of_bytes(text), a, &diags, &doc)
                               : yaml_parse(path, str_of_bytes(text), a, &diags, &doc);
    if (rc == ERR_OK) {
        yaml_binder_init(&binder, &doc, a, &diags, &env);
        rc = yaml_bind_field(&binder, &LIST, out);
    }
    if (rc == ERR_OK) return true;
    struct buf message;
    buf_init(&message, memory(d), 1u << 16);
    yaml_diags_first(&diags, &message);
    log_error(d->options.log, "file discovery: keeping the last targets of a bad file",
              LOG_STR("file", path), LOG_STR("err", buf_str(&message)));
    buf_deinit(&message);
    return false;
}

/* Read and parse anew; on failure the old groups stay. */
static void load_file(struct file_discovery *d, struct sd_file *f)
{
    const struct mem_source *mem = memory(d);
    struct bytes text = { NULL, 0 };
    struct err err = { 0 };
    struct yaml_list groups = { NULL, 0 };
    struct arena arena;
    if (file_read_all(d->options.files, f->path.ptr, mem, SD_FILE_BYTES_MAX, &text, &err) !=
        ERR_OK) {
        f->is_unread = true;
        log_error(d->options.log, "file discovery: cannot read", LOG_STR("file", f->path),
                  LOG_ERR(&err));
        return;
    }
    f->is_unread = false;
    if (f->has_groups && str_eq(str_of_bytes(text), str_of_bytes(f->text))) {
        free_text(d, text);
        return;
    }
    arena_init(&arena, mem, SD_FILE_BYTES_MAX);
    if (!parse_groups(d, f->path, text, &arena, &groups)) {
        arena_deinit(&arena);
        free_text(d, text);
        return;
    }
    free_text(d, f->text);
    arena_deinit(&f->arena);
    f->has_groups = true;
    f->arena = arena;
    f->text = text;
    f->groups = groups;
    d->has_changed = true;
}

struct listing {
    struct file_discovery *d;
    const char *dir; /* "": where the process runs */
    struct str pattern;
};

static enum err_code visit(void *arg, const char *name, bool is_dir, struct err *err)
{
    struct listing *l = arg;
    struct file_discovery *d = l->d;
    char path[FILE_PATH_SIZE];
    struct file_info info;
    if (is_dir || !discovery_glob_matches(l->pattern, str_of_z(name))) return ERR_OK;
    if (l->dir[0]) {
        TRY(file_join(path, l->dir, name, err));
    } else {
        (void)str_z(str_of_z(name), path, sizeof path);
    }
    const struct file_layer *files = d->options.files;
    if (files->stat(files->ctx, path, &info, err) != ERR_OK) return ERR_OK;
    struct sd_file *f = find_file(d, str_of_z(path));
    bool is_new = !f;
    if (is_new) f = add_file(d, str_of_z(path));
    if (!f) return ERR_OK;
    f->is_seen = true;
    bool is_same = info.size_bytes == f->info.size_bytes && info.mtime_ms == f->info.mtime_ms;
    f->info = info;
    if (is_new || !is_same || f->is_unread || d->is_refresh) load_file(d, f);
    return ERR_OK;
}

/* The shortest path with the same meaning, by its text alone, as Go's filepath.Clean; "" for ".".
 * In place. */
static void clean_path(char *path)
{
    size_t root = path[0] == '/', n = root, fixed = root; /* ".." takes nothing below `fixed` */
    struct str rest = str_of_z(path), part;
    while (rest.len && str_split(&rest, '/', &part)) {
        bool is_up = str_eq(part, STR(".."));
        if (part.len == 0 || str_eq(part, STR(".")) || (is_up && root && n == fixed)) continue;
        if (is_up && n > fixed) {
            while (n > fixed && path[n - 1] != '/')
                n--;
            n -= n > fixed;
            continue;
        }
        if (n > root) path[n++] = '/';
        memmove(path + n, part.ptr, part.len);
        n += part.len;
        if (is_up) fixed = n;
    }
    path[n] = '\0';
}

static bool is_below(struct str path, struct str dir)
{
    return str_starts_with(path, dir) && path.len > dir.len;
}

static void poll_pattern(struct file_discovery *d, struct str pattern)
{
    char dir[FILE_PATH_SIZE];
    size_t slash = pattern.len;
    while (slash > 0 && pattern.ptr[slash - 1] != '/')
        slash--;
    struct str folder = str_sub(pattern, 0, slash ? slash - 1 : 0);
    bool is_absolute = pattern.len && pattern.ptr[0] == '/';
    struct str base = is_absolute ? (struct str){ "", 0 } : d->options.base_dir;
    int n = snprintf(dir, sizeof dir, STR_FMT "%s" STR_FMT, STR_ARG(base),
                     base.len && folder.len ? "/" : "", STR_ARG(folder));
    if (n < 0 || n >= (int)sizeof dir) return;
    if (is_absolute && n == 0) snprintf(dir, sizeof dir, "/");
    if (!is_absolute) clean_path(dir);
    struct listing l = { d, dir, str_sub(pattern, slash, pattern.len) };
    const char *listed = dir[0] ? dir : ".";
    struct err err = { 0 };
    const struct file_layer *files = d->options.files;
    enum err_code rc = files->list(files->ctx, listed, visit, &l, &err);
    if (rc == ERR_OK) return;
    log_warn(d->options.log, "file discovery: cannot list", LOG_Z("dir", listed), LOG_ERR(&err));
    if (rc == ERR_NOTFOUND) return; /* a directory that is gone takes its files along */
    for (struct sd_file *f = d->files; f; f = f->next)
        f->is_seen |= is_below(f->path, str_of_z(l.dir));
}

bool file_discovery_poll(struct file_discovery *d, int64_t now_ms)
{
    d->has_changed = false;
    d->is_refresh = now_ms - d->refreshed_ms >= d->config->refresh_interval_ms;
    if (d->is_refresh) d->refreshed_ms = now_ms;
    for (struct sd_file *f = d->files; f; f = f->next)
        f->is_seen = false;
    for (size_t i = 0; i < d->config->files.count; i++) {
        poll_pattern(d, ((const struct str *)d->config->files.items)[i]);
    }
    for (struct sd_file **link = &d->files; *link;) {
        struct sd_file *f = *link;
        if (f->is_seen) {
            link = &f->next;
            continue;
        }
        *link = f->next; /* the file is gone, and so are its targets */
        d->file_count--;
        d->has_changed = true;
        sd_file_destroy(d, f);
    }
    return d->has_changed;
}

void file_discovery_each(const struct file_discovery *d,
                         void (*fn)(void *arg, const struct target_group *group), void *arg)
{
    for (const struct sd_file *f = d->files; f; f = f->next) {
        const struct static_config *groups = f->groups.items;
        for (size_t i = 0; i < f->groups.count; i++) {
            struct target_group group = { &groups[i], f->path };
            fn(arg, &group);
        }
    }
}
