/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/host/host.h"

#include <stdio.h>

#include "base/float_text.h"
#include "collect/host/host_priv.h"

#define PROC_FILE_MAX ((size_t)1 << 20)
#define READ_STEP 16384

static const struct {
    const char *name;
    bool (*collect)(struct host *h, struct buf *out);
} COLLECTORS[] = {
    { "cpu", host_cpu },        { "loadavg", host_load },        { "pressure", host_pressure },
    { "meminfo", host_memory }, { "diskstats", host_disk },      { "filesystem", host_filesystem },
    { "netdev", host_network }, { "netclass", host_interfaces }, { "sockstat", host_sockets },
    { "system", host_system },
};

#define COLLECTOR_COUNT (sizeof COLLECTORS / sizeof COLLECTORS[0])

enum err_code host_create(const struct host_options *options, struct host **out, struct err *err)
{
    struct host *h = mem_zalloc(options->mem, MEM_SCRAPE, sizeof *h);
    if (!h) return err_set(err, ERR_NOMEM, "no memory for the host collector");
    h->options = *options;
    buf_init(&h->text, mem_source_of(options->mem, MEM_SCRAPE), PROC_FILE_MAX);
    *out = h;
    return ERR_OK;
}

void host_destroy(struct host *h)
{
    if (!h) return;
    buf_deinit(&h->text);
    mem_free(h->options.mem, MEM_SCRAPE, h, sizeof *h);
}

/* Files below /proc have no size: read until the end. */
bool host_read(struct host *h, const char *path, struct str *out)
{
    const struct file_layer *l = h->options.files;
    char full[FILE_PATH_SIZE];
    struct file *f = NULL;
    size_t n = 0;
    if (snprintf(full, sizeof full, "%s%s", h->options.root, path) >= (int)sizeof full) {
        return false;
    }
    if (l->open(l->ctx, full, FILE_READ, &f, NULL) != ERR_OK) return false;
    buf_reset(&h->text);
    bool is_read = true;
    do {
        uint8_t *dst = buf_reserve(&h->text, READ_STEP);
        is_read = dst && l->pread(l->ctx, f, dst, READ_STEP, h->text.len, &n, NULL) == ERR_OK;
        if (is_read) h->text.len += n;
    } while (is_read && n > 0);
    (void)!l->close(l->ctx, f, NULL);
    *out = buf_str(&h->text);
    return is_read;
}

struct str host_first_line(struct host *h, const char *path, char *copy, size_t size)
{
    struct str text;
    if (!host_read(h, path, &text)) return (struct str){ "", 0 };
    return str_of_z(str_z(str_trim(str_sub(text, 0, str_index(text, '\n'))), copy, size));
}

bool host_line(struct str *rest, struct str *out_line)
{
    return rest->len > 0 && str_split(rest, '\n', out_line);
}

static bool is_separator(char c)
{
    return c == ' ' || c == '\t' || c == ':';
}

struct str host_word(struct str *line)
{
    size_t start = 0, end;
    while (start < line->len && is_separator(line->ptr[start]))
        start++;
    end = start;
    while (end < line->len && !is_separator(line->ptr[end]))
        end++;
    struct str word = str_sub(*line, start, end);
    *line = str_sub(*line, end, line->len);
    return word;
}

double host_number(struct str *line)
{
    double v = 0;
    (void)float_parse(host_word(line), &v);
    return v;
}

void host_family(struct buf *out, const char *name, enum metric_type type, const char *help)
{
    exposition_write_family(out, EXPOSITION_TEXT, str_of_z(name), type, str_of_z(help));
}

void host_sample(struct buf *out, const char *metric, struct label label, double value)
{
    struct exposition_sample s = { .name = str_of_z(metric),
                                   .labels = { &label, label.name.len ? 1 : 0 },
                                   .value = value };
    exposition_write_sample(out, EXPOSITION_TEXT, &s);
}

void host_sample2(struct buf *out, const char *metric, struct label a, struct label b, double value)
{
    struct label labels[] = { a, b };
    struct exposition_sample s = { .name = str_of_z(metric),
                                   .labels = { labels, 2 },
                                   .value = value };
    exposition_write_sample(out, EXPOSITION_TEXT, &s);
}

void host_single(struct buf *out, const char *name, enum metric_type type, const char *help,
                 double value)
{
    host_family(out, name, type, help);
    host_sample(out, name, (struct label){ 0 }, value);
}

void host_collect(struct host *h, struct buf *out)
{
    bool success[COLLECTOR_COUNT];
    for (size_t i = 0; i < COLLECTOR_COUNT; i++)
        success[i] = COLLECTORS[i].collect(h, out);
    host_family(out, "node_scrape_collector_success", METRIC_GAUGE,
                "Whether a collector could read its source.");
    for (size_t i = 0; i < COLLECTOR_COUNT; i++) {
        struct label l = { STR("collector"), str_of_z(COLLECTORS[i].name) };
        host_sample(out, "node_scrape_collector_success", l, success[i]);
    }
}
