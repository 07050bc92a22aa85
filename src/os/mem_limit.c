/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory this process may use: the smallest of the RAM and the limits of its control
 * group and of all groups above it (v2 memory.max; v1 memory.limit_in_bytes).
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/str.h"
#include "os/mem.h"

/* A small file's content into out[size], or the empty string. */
static struct str read_small_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return (struct str){ 0 };
    ssize_t n = read(fd, out, size);
    (void)close(fd);
    return (struct str){ out, n > 0 ? (size_t)n : 0 };
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The smallest limit in `mount`/`group`/`file` and in the groups above. */
static uint64_t group_limit(const char *mount, struct str group, const char *file)
{
    uint64_t limit = UINT64_MAX;
    for (;;) {
        char path[1024];
        char content[64];
        int n = snprintf(path, sizeof path, "%s" STR_FMT "/%s", mount, STR_ARG(group), file);
        uint64_t value;
        if (n > 0 && (size_t)n < sizeof path &&
            str_to_u64(str_trim(read_small_file(path, content, sizeof content)), &value)) {
            limit = min_u64(limit, value); /* "max" is no number and no limit */
        }
        if (group.len == 0) return limit;
        do {
            group.len--;
        } while (group.len > 0 && group.ptr[group.len] != '/');
    }
}

/* One line of /proc/self/cgroup: "<id>:<controllers>:<path>". */
static uint64_t limit_of_line(struct str line)
{
    struct str id;
    struct str controllers;
    if (!str_split(&line, ':', &id) || !str_split(&line, ':', &controllers)) return UINT64_MAX;
    if (controllers.len == 0) return group_limit("/sys/fs/cgroup", line, "memory.max");
    struct str name;
    while (str_split(&controllers, ',', &name)) {
        if (!str_eq(name, STR("memory"))) continue;
        return group_limit("/sys/fs/cgroup/memory", line, "memory.limit_in_bytes");
    }
    return UINT64_MAX;
}

uint64_t mem_system_limit(void)
{
    uint64_t limit = UINT64_MAX;
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    if (pages > 0 && page_bytes > 0) limit = (uint64_t)pages * (uint64_t)page_bytes;
    char text[4096];
    struct str lines = read_small_file("/proc/self/cgroup", text, sizeof text);
    struct str line;
    while (str_split(&lines, '\n', &line)) {
        limit = min_u64(limit, limit_of_line(line));
    }
    ASSERT(limit > 0);
    return limit;
}
