/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs the PromQL conformance vectors over the engine. One line a file:
 *     ok - promqltest/<file> N passed, N expected failures
 * What cannot pass yet is listed by file and line in expected-failures.txt beside this file, with the reason; a listed case that
 * passes, or that is no case, fails the run as well.
 *
 * The vectors are no part of the repository: promqltest/ in $PHAROS_CONFORMANCE, or in ../shared/conformance beside the source. The
 * own ones (own/) always run.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "memory_source.h"
#include "test_case.h"

#define FILES_MAX 256
#define LIST_MAX 4096
#define NAME_SIZE 256

struct listed {
    struct str file, reason;
    uint64_t line;
    bool is_met;
};

struct run {
    struct mem_budget *mem;
    struct arena arena;
    struct listed list[LIST_MAX];
    size_t listed_count;
    unsigned passed, expected, wrong;
};

static struct str read_text(struct arena *a, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return (struct str){ NULL, 0 };
    char *text = arena_alloc(a, 4u << 20, 1, 1);
    size_t len = text ? fread(text, 1, 4u << 20, f) : 0;
    (void)fclose(f);
    return (struct str){ text, len };
}

/* ---- the list ---- */

static void read_list(struct run *r, const char *path)
{
    struct str text = read_text(&r->arena, path), line;
    while (text.ptr && str_split(&text, '\n', &line)) {
        line = str_trim(line);
        if (line.len == 0 || line.ptr[0] == '#' || r->listed_count == LIST_MAX) continue;
        struct listed *l = &r->list[r->listed_count++];
        size_t colon = str_index(line, ':'), blank = str_index(line, ' ');
        l->file = str_sub(line, 0, colon);
        if (!str_to_u64(str_sub(line, colon + 1, blank), &l->line)) {
            printf("not ok - promqltest: bad line in the list: " STR_FMT "\n", STR_ARG(line));
            r->wrong++;
        }
        l->reason = str_trim(str_sub(line, blank, line.len));
    }
}

static struct listed *find_listed(struct run *r, const char *file, unsigned line)
{
    for (size_t i = 0; i < r->listed_count; i++) {
        if (r->list[i].line == line && str_eq(r->list[i].file, str_of_z(file))) return &r->list[i];
    }
    return NULL;
}

/* Entries of this file that no case has asked for. */
static unsigned report_idle(struct run *r, const char *file)
{
    unsigned idle = 0;
    for (size_t i = 0; i < r->listed_count; i++) {
        if (r->list[i].is_met || !str_eq(r->list[i].file, str_of_z(file))) continue;
        printf("# %s:%llu is listed, but there is no case\n", file,
               (unsigned long long)r->list[i].line);
        idle++;
    }
    return idle;
}

/* ---- loading ---- */

/* The native histogram that load_with_nhcb makes of a bucket series. */
static void load_custom_buckets(struct memory_source *m, struct run *r,
                                const struct series_values *s, int64_t step_ms)
{
    struct labels_builder b;
    struct labels labels;
    struct str name = labels_get(s->labels, LABEL_METRIC_NAME);
    if (!str_ends_with(name, STR("_bucket")) || !labels_get(s->labels, STR("le")).len) return;
    labels_builder_init(&b, &r->arena);
    for (size_t i = 0; i < s->labels.len; i++)
        labels_builder_add(&b, s->labels.ptr[i].name, s->labels.ptr[i].value);
    labels_builder_delete(&b, STR("le"));
    labels_builder_set(&b, LABEL_METRIC_NAME, str_sub(name, 0, name.len - 7));
    if (labels_builder_finish(&b, NULL, &labels, NULL) != ERR_OK) abort();
    struct memory_series *to = memory_source_series(m, labels);
    for (size_t i = 0; i < s->count; i++) {
        if (s->kinds[i] != ITEM_NONE) memory_series_add_histogram(to, (int64_t)i * step_ms);
    }
}

static void load(struct memory_source *m, struct run *r, const struct command *c)
{
    for (size_t i = 0; i < c->series_count; i++) {
        const struct series_values *s = &c->series[i];
        struct memory_series *to = memory_source_series(m, s->labels);
        for (size_t k = 0; k < s->count; k++) {
            int64_t ts = (int64_t)k * c->step_ms;
            if (s->kinds[k] == ITEM_FLOAT) memory_series_add(to, ts, s->values[k]);
            if (s->kinds[k] == ITEM_HISTOGRAM) memory_series_add_histogram(to, ts);
        }
        if (c->with_nhcb) load_custom_buckets(m, r, s, c->step_ms);
    }
}

/* ---- one file ---- */

struct tally {
    unsigned passed, expected, wrong;
};

static void run_case(struct run *r, struct promql_engine *engine, const char *file,
                     const struct command *c, struct tally *t)
{
    struct why why = { "" };
    struct listed *l = find_listed(r, file, c->line);
    bool passes = test_case_passes(engine, r->mem, c, &why);
    if (l) l->is_met = true;
    if (passes && !l) {
        t->passed++;
    } else if (!passes && l) {
        t->expected++;
    } else {
        t->wrong++;
        printf("# %s:%u: " STR_FMT ": %s\n", file, c->line, STR_ARG(c->expr),
               passes ? "is listed as a failure, but passes" : why.text);
    }
}

static void run_commands(struct run *r, const char *file, const struct script *script,
                         struct tally *t)
{
    struct memory_source memory;
    struct promql_engine *engine = NULL;
    struct err err = { 0 };
    memory_source_init(&memory, r->mem);
    struct promql_engine_options options = { .source = memory_source_of(&memory),
                                             .clock = clock_system(),
                                             .mem = r->mem,
                                             .workers = 2,
                                             .timeout_ms = 100000,
                                             .lookback_ms = 300000,
                                             .subquery_step_ms = 60000,
                                             .samples_max = 10000,
                                             .delayed_name_removal = true };
    if (promql_engine_create(&options, &engine, &err) != ERR_OK) abort();
    for (size_t i = 0; i < script->count; i++) {
        const struct command *c = &script->commands[i];
        if (c->kind == COMMAND_CLEAR) memory_source_clear(&memory);
        if (c->kind == COMMAND_LOAD) load(&memory, r, c);
        if (c->kind == COMMAND_EVAL) run_case(r, engine, file, c, t);
    }
    promql_engine_destroy(engine);
    memory_source_deinit(&memory);
}

static void run_file(struct run *r, const char *folder, const char *file)
{
    char path[4096];
    struct script script;
    struct err err = { 0 };
    struct tally t = { 0 };
    (void)snprintf(path, sizeof path, "%s/%s", folder, file);
    struct str text = read_text(&r->arena, path);
    if (!text.ptr || script_parse(text, &r->arena, &script, &err) != ERR_OK) {
        printf("# %s: %s\n", path, text.ptr ? err.detail : "cannot be read");
        t.wrong++;
    } else {
        run_commands(r, file, &script, &t);
    }
    t.wrong += report_idle(r, file);
    printf("%s - promqltest/%s %u passed, %u expected failures", t.wrong ? "not ok" : "ok", file,
           t.passed, t.expected);
    if (t.wrong) printf(", %u wrong", t.wrong);
    printf("\n");
    r->passed += t.passed;
    r->expected += t.expected;
    r->wrong += t.wrong;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Number of files; 0 when the folder is missing. */
static size_t run_folder(struct run *r, const char *folder)
{
    char(*names)[NAME_SIZE] = calloc(FILES_MAX, NAME_SIZE);
    size_t count = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e = dir ? readdir(dir) : NULL; e && names; e = readdir(dir)) {
        if (!str_ends_with(str_of_z(e->d_name), STR(".test")) || count == FILES_MAX) continue;
        (void)snprintf(names[count++], NAME_SIZE, "%.*s", NAME_SIZE - 1, e->d_name);
    }
    if (dir) (void)closedir(dir);
    if (count) qsort(names, count, NAME_SIZE, by_name);
    for (size_t i = 0; i < count; i++)
        run_file(r, folder, names[i]);
    free(names);
    return count;
}

/* Usage: promqltest [FILE.test]: only this file of the folder. */
int main(int argc, char **argv)
{
    char path[4096];
    const char *root = getenv("PHAROS_SOURCE_ROOT"), *vectors = getenv("PHAROS_CONFORMANCE");
    struct run *r = calloc(1, sizeof *r);
    if (!r) return 1;
    if (!root) root = ".";
    r->mem = mem_budget_create((uint64_t)2 << 30);
    arena_init(&r->arena, mem_source_of(r->mem, MEM_SYSTEM), (size_t)1 << 30);
    (void)snprintf(path, sizeof path, "%s/tests/conformance/expected-failures.txt", root);
    read_list(r, path);
    (void)snprintf(path, sizeof path, "%s%s/promqltest", vectors ? vectors : root,
                   vectors ? "" : "/../shared/conformance");
    if (argc > 1) {
        run_file(r, path, argv[1]);
    } else {
        if (run_folder(r, path) == 0)
            printf("skip - promqltest: no vectors (set PHAROS_CONFORMANCE)\n");
        (void)snprintf(path, sizeof path, "%s/tests/conformance/own", root);
        if (run_folder(r, path) == 0) r->wrong++;
    }
    printf("# promqltest: %u passed, %u expected failures, %u wrong\n", r->passed, r->expected,
           r->wrong);
    bool failed = r->wrong > 0 || r->passed == 0;
    arena_deinit(&r->arena);
    mem_budget_destroy(r->mem);
    free(r);
    return failed ? 1 : 0;
}
