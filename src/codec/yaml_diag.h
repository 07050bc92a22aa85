/* SPDX-License-Identifier: Apache-2.0
 *
 * yaml_diag - errors and warnings about a configuration file, collected, sorted and rendered so
 * that a person sees the place and the remedy:
 *
 *     prometheus.yml:53:5: error: unknown key "metric_path" in scrape_configs[2] (job "node")
 *        53 |     metric_path: /stats
 *           |     ^^^^^^^^^^^ did you mean "metrics_path"?
 *        docs: configuration.md#scrape_configs
 *
 * Secrets   Diagnostics are logged. A shown line ends where the value of a key begins that speaks
 *           of a secret, passwords of URLs are masked, and lines marked by yaml_diags_hide() are
 *           not shown.
 * At most YAML_DIAGS_MAX are kept, those nearest to the start of their file; the rest is counted.
 * Memory    Texts are copied into the arena; when it is full, texts are lost but not the count.
 */
#ifndef PHAROS_CODEC_YAML_DIAG_H
#define PHAROS_CODEC_YAML_DIAG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"
#include "codec/yaml.h"

#define YAML_DIAGS_MAX 20

struct yaml_diag {
    bool is_warning;
    struct str file;
    uint32_t line, column, width; /* line 0: about the file as a whole */
    struct str message;
    struct str source; /* the line of the file */
    struct str hint;   /* text after the marker, may be empty */
    struct str docs;   /* "configuration.md#scrape_configs", may be empty */
};

struct yaml_hidden; /* lines of a file, private */

struct yaml_diags {
    struct arena *arena;
    struct yaml_hidden *hidden;
    size_t count;                        /* kept */
    size_t error_count, warning_count;   /* all, kept or not */
    struct yaml_diag at[YAML_DIAGS_MAX]; /* sorted by file, line, column */
};

void yaml_diags_init(struct yaml_diags *d, struct arena *a);
/* What is wrong where; `doc` gives file name and source line. The texts are copied. */
void yaml_diags_add(struct yaml_diags *d, const struct yaml_doc *doc, struct yaml_diag diag);
/* Never show the lines first .. last (1-based) of the document: values that nobody checks may hold
 * anything. */
void yaml_diags_hide(struct yaml_diags *d, const struct yaml_doc *doc, uint32_t first,
                     uint32_t last);
/* Is the value of a key with that name likely to be secret? */
bool yaml_key_speaks_of_secret(struct str key);
/* All of them as text, warnings included, with a last line "and N more" if some were dropped. */
void yaml_diags_render(const struct yaml_diags *d, struct buf *out);
/* The first error on one line, "file:line:col: message (hint)", for struct err and HTTP answers. */
void yaml_diags_first(const struct yaml_diags *d, struct buf *out);

#endif
