/* SPDX-License-Identifier: Apache-2.0 */
#include "os/cgroup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/str.h"

/* A small file's content without blanks around it, in out[size]; empty if there is none. */
static struct str read_small_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return (struct str){ 0 };
    ssize_t n = read(fd, out, size);
    (void)close(fd);
    return str_trim((struct str){ out, n > 0 ? (size_t)n : 0 });
}

/* Read `file` of one group's directory as a limit; UINT64_MAX if there is none. */
typedef uint64_t (*limit_fn)(const char *dir);

static struct str read_group_file(const char *dir, const char *file, char *out, size_t size)
{
    char path[1200];
    int n = snprintf(path, sizeof path, "%s/%s", dir, file);
    if (n < 0 || (size_t)n >= sizeof path) return (struct str){ 0 };
    return read_small_file(path, out, size);
}

static uint64_t read_number(const char *dir, const char *file)
{
    char text[64];
    uint64_t value;
    /* "max" and "-1" are no numbers and no limits. */
    return str_to_u64(read_group_file(dir, file, text, sizeof text), &value) ? value : UINT64_MAX;
}

static uint64_t memory_v2(const char *dir)
{
    return read_number(dir, "memory.max");
}

static uint64_t memory_v1(const char *dir)
{
    return read_number(dir, "memory.limit_in_bytes");
}

static uint64_t milli_of_quota(uint64_t quota_us, uint64_t period_us)
{
    if (quota_us == UINT64_MAX || period_us == UINT64_MAX || period_us == 0) return UINT64_MAX;
    return quota_us > UINT64_MAX / 1000 ? UINT64_MAX : quota_us * 1000 / period_us;
}

/* "200000 100000" or "max 100000": microseconds per period. */
static uint64_t cpu_v2(const char *dir)
{
    char text[64];
    struct str rest = read_group_file(dir, "cpu.max", text, sizeof text);
    struct str quota_text = { 0 };
    uint64_t quota_us;
    uint64_t period_us;
    if (rest.len == 0 || !str_split(&rest, ' ', &quota_text)) return UINT64_MAX;
    if (!str_to_u64(quota_text, &quota_us) || !str_to_u64(rest, &period_us)) return UINT64_MAX;
    return milli_of_quota(quota_us, period_us);
}

static uint64_t cpu_v1(const char *dir)
{
    return milli_of_quota(read_number(dir, "cpu.cfs_quota_us"),
                          read_number(dir, "cpu.cfs_period_us"));
}

/* The smallest limit in mount/group and in the groups above. */
static uint64_t tightest(const char *mount, struct str group, limit_fn read_limit)
{
    uint64_t limit = UINT64_MAX;
    for (;;) {
        char dir[1024];
        int n = snprintf(dir, sizeof dir, "%s" STR_FMT, mount, STR_ARG(group));
        if (n > 0 && (size_t)n < sizeof dir) {
            uint64_t value = read_limit(dir);
            if (value < limit) limit = value;
        }
        if (group.len == 0) return limit;
        do {
            group.len--;
        } while (group.len > 0 && group.ptr[group.len] != '/');
    }
}

/* Does a comma-separated list of controllers hold this one? */
static bool has_controller(struct str list, struct str name)
{
    struct str one;
    while (str_split(&list, ',', &one)) {
        if (str_eq(one, name)) return true;
    }
    return false;
}

/* Over the lines "<id>:<controllers>:<group>" of /proc/self/cgroup; in version 2 the controllers
 * are empty. */
static uint64_t limit_of_process(const char *controller, limit_fn v1, limit_fn v2)
{
    char text[4096];
    char mount[64];
    uint64_t limit = UINT64_MAX;
    struct str lines = read_small_file("/proc/self/cgroup", text, sizeof text);
    struct str line;
    (void)snprintf(mount, sizeof mount, "/sys/fs/cgroup/%s", controller);
    while (str_split(&lines, '\n', &line)) {
        struct str id;
        struct str controllers;
        if (!str_split(&line, ':', &id) || !str_split(&line, ':', &controllers)) continue;
        uint64_t value = UINT64_MAX;
        if (controllers.len == 0) {
            value = tightest("/sys/fs/cgroup", line, v2);
        } else if (has_controller(controllers, str_of_z(controller))) {
            value = tightest(mount, line, v1);
        }
        if (value < limit) limit = value;
    }
    return limit;
}

uint64_t cgroup_memory_limit(void)
{
    return limit_of_process("memory", memory_v1, memory_v2);
}

uint64_t cgroup_cpu_limit_milli(void)
{
    return limit_of_process("cpu", cpu_v1, cpu_v2);
}
