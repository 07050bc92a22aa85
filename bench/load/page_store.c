/* SPDX-License-Identifier: Apache-2.0 */
#include "page_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "fleet.h"
#include "options.h"

#define LINE_MAX_BYTES 400
#define PREFIX_SIZE 320

struct maker {
    struct fleet *fleet;
    char (*prefixes)
        [PREFIX_SIZE]; /* [FLEET_SLOTS]: comments, where a family starts, and `name{...} ` */
    char *text;
    uint8_t *packed;
    z_stream stream;
};

static size_t put_comments(char *out, const struct fleet_family *family)
{
    int n = snprintf(out, PREFIX_SIZE, "# HELP %s Made up for a benchmark.\n# TYPE %s %s\n",
                     family->name, family->name, family->type);
    return (size_t)n;
}

static void write_prefixes(struct maker *m)
{
    const char *last = "";
    for (uint32_t k = 0; k < FLEET_SLOTS; k++) {
        struct fleet_label labels[FLEET_LABELS_MAX];
        struct fleet_family family;
        char *out = m->prefixes[k];
        unsigned n = fleet_own_labels(m->fleet, k, labels, &family);
        size_t len = strcmp(last, family.name) != 0 ? put_comments(out, &family) : 0;
        last = family.name;
        len += (size_t)snprintf(out + len, PREFIX_SIZE - len, "%s", family.name);
        for (unsigned i = 0; i < n; i++) {
            len += (size_t)snprintf(out + len, PREFIX_SIZE - len, "%s%s=\"%s\"", i ? "," : "{",
                                    labels[i].name, labels[i].value);
        }
        (void)snprintf(out + len, PREFIX_SIZE - len, "%s ", n ? "}" : "");
        if (strlen(out) + 2 > PREFIX_SIZE) die("line too long");
    }
}

static size_t write_text(struct maker *m, uint32_t target)
{
    char *p = m->text;
    for (uint32_t k = 0; k < FLEET_SLOTS; k++) {
        double value = fleet_step(m->fleet, target * FLEET_SLOTS + k);
        size_t len = strlen(m->prefixes[k]);
        memcpy(p, m->prefixes[k], len);
        p += len;
        /* As client libraries print: shortest for short ones, all 17 digits where they are needed. */
        char digits[40];
        (void)snprintf(digits, sizeof digits, "%.15g", value);
        if (strtod(digits, NULL) != value) (void)snprintf(digits, sizeof digits, "%.17g", value);
        p += sprintf(p, "%s\n", digits);
    }
    return (size_t)(p - m->text);
}

static void compress_page(struct maker *m, size_t text_len, struct page *out)
{
    size_t cap = FLEET_SLOTS * LINE_MAX_BYTES;
    (void)deflateReset(&m->stream);
    m->stream.next_in = (uint8_t *)m->text;
    m->stream.avail_in = (uInt)text_len;
    m->stream.next_out = m->packed;
    m->stream.avail_out = (uInt)cap;
    if (deflate(&m->stream, Z_FINISH) != Z_STREAM_END) die("deflate failed");
    size_t len = cap - m->stream.avail_out;
    out->gzip = malloc(len);
    if (!out->gzip) die("out of memory");
    memcpy(out->gzip, m->packed, len);
    out->gzip_len = (uint32_t)len;
    out->text_len = (uint32_t)text_len;
}

void page_store_fill(struct page_store *s, uint32_t targets, uint32_t variants, uint64_t seed)
{
    struct fleet_options fo = { .series_count = targets * FLEET_SLOTS, .seed = seed };
    struct maker m = { .fleet = fleet_create(&fo) };
    m.prefixes = calloc(FLEET_SLOTS, sizeof *m.prefixes);
    m.text = malloc(FLEET_SLOTS * LINE_MAX_BYTES);
    m.packed = malloc(FLEET_SLOTS * LINE_MAX_BYTES);
    *s = (struct page_store){ targets, variants, NULL };
    s->pages = calloc((size_t)targets * variants, sizeof *s->pages);
    if (!m.prefixes || !m.text || !m.packed || !s->pages) die("out of memory");
    if (deflateInit2(&m.stream, 2, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
        die("deflate failed");
    }
    write_prefixes(&m);
    for (uint32_t t = 0; t < targets; t++) {
        for (uint32_t v = 0; v < variants; v++)
            compress_page(&m, write_text(&m, t), &s->pages[(size_t)t * variants + v]);
    }
    (void)deflateEnd(&m.stream);
    fleet_destroy(m.fleet);
    free(m.prefixes);
    free(m.text);
    free(m.packed);
}

const struct page *page_store_get(const struct page_store *s, uint32_t target, uint32_t scrape)
{
    return &s->pages[(size_t)target * s->variants + scrape % s->variants];
}
