/* SPDX-License-Identifier: Apache-2.0
 *
 * host_priv - what the collectors share: reading a /proc file, walking its lines and words, and
 * writing a family.
 */
#ifndef PHAROS_COLLECT_HOST_HOST_PRIV_H
#define PHAROS_COLLECT_HOST_HOST_PRIV_H

#include "collect/host/host.h"
#include "formats/exposition_write.h"

struct host {
    struct host_options options;
    struct buf text; /* the file that is being read */
};

/* Contents of `path` below the root, valid until the next read; false when it cannot be read. */
bool host_read(struct host *h, const char *path, struct str *out);
/* First line of a small file, copied; empty when it cannot be read. */
struct str host_first_line(struct host *h, const char *path, char *copy, size_t size);

/* The next line without its newline; false at the end. */
bool host_line(struct str *rest, struct str *out_line);
/* The next word (blanks and colons separate); empty at the end. */
struct str host_word(struct str *line);
/* The next word as a number; 0 when it is none. */
double host_number(struct str *line);

void host_family(struct buf *out, const char *name, enum metric_type type, const char *help);
/* Without a label: name is NULL. */
void host_sample(struct buf *out, const char *metric, struct label label, double value);
void host_sample2(struct buf *out, const char *metric, struct label a, struct label b,
                  double value);
/* A family with one sample without labels. */
void host_single(struct buf *out, const char *name, enum metric_type type, const char *help,
                 double value);

/* Collectors: false when their source cannot be read. */
bool host_cpu(struct host *h, struct buf *out);
bool host_load(struct host *h, struct buf *out);
bool host_pressure(struct host *h, struct buf *out);
bool host_memory(struct host *h, struct buf *out);
bool host_disk(struct host *h, struct buf *out);
bool host_filesystem(struct host *h, struct buf *out);
bool host_network(struct host *h, struct buf *out);
bool host_interfaces(struct host *h, struct buf *out);
bool host_sockets(struct host *h, struct buf *out);
bool host_system(struct host *h, struct buf *out);

#endif
