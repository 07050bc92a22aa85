/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "options.h"
#include "request_file.h"

static int by_round(const void *x, const void *y)
{
    const struct request_header *a = x, *b = y;
    if (a->round != b->round) return a->round < b->round ? -1 : 1;
    return (a->slot > b->slot) - (a->slot < b->slot);
}

void request_file_open(const char *path, struct request_file *out)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) die("%s: cannot read", path);
    size_t size = (size_t)st.st_size, cap = 0, pos = 8;
    const uint8_t *p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED || size < 8 || memcmp(p, REQUEST_FILE_MAGIC, 8) != 0) {
        die("%s: not a request file", path);
    }
    (void)close(fd);
    *out = (struct request_file){ 0 };
    while (pos + sizeof(struct request_header) <= size) {
        if (out->count == cap) {
            cap = cap ? cap * 2 : 1024;
            out->requests = realloc(out->requests, cap * sizeof *out->requests);
            if (!out->requests) die("out of memory");
        }
        struct request *r = &out->requests[out->count++];
        memcpy(&r->header, p + pos, sizeof r->header);
        pos += sizeof r->header;
        r->payload = p + pos;
        if (r->header.bytes > size - pos) die("%s: cut short", path);
        pos += r->header.bytes;
    }
    qsort(out->requests, out->count, sizeof *out->requests, by_round);
}
