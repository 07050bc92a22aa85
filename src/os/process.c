/* SPDX-License-Identifier: Apache-2.0 */
#include "os/process.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/clock.h"
#include "os/file_layer.h"

/* Fields of /proc/self/stat behind the command, counted from 0 (their numbers in proc(5) - 3). */
#define STAT_THREADS 17u
#define STAT_START_TICKS 19u
#define STAT_VIRTUAL 20u
#define STAT_RSS_PAGES 21u
#define STAT_COUNT 22u

static void read_stat(uint64_t fields[STAT_COUNT])
{
    char text[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    if (fd >= 0) (void)close(fd);
    size_t len = n > 0 ? (size_t)n : 0;
    size_t after_command = len; /* which may hold blanks and parentheses itself */
    while (after_command > 0 && text[after_command - 1] != ')') {
        after_command--;
    }
    struct str rest = str_trim((struct str){ text + after_command, len - after_command });
    struct str part;
    for (unsigned i = 0; i < STAT_COUNT; i++) {
        fields[i] = 0;
        if (str_split(&rest, ' ', &part)) (void)str_to_u64(part, &fields[i]);
    }
}

static enum err_code count_entry(void *arg, const char *name, bool is_dir, struct err *err)
{
    (void)name;
    (void)is_dir;
    (void)err;
    (*(uint64_t *)arg)++;
    return ERR_OK;
}

static uint64_t open_fd_count(void)
{
    const struct file_layer *l = file_layer_posix();
    struct err ignored = { 0 };
    uint64_t count = 0;
    if (l->list(l->ctx, "/proc/self/fd", count_entry, &count, &ignored) != ERR_OK) return 0;
    return count > 0 ? count - 1 : 0; /* the listing's own */
}

static uint64_t limit_of(int resource)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0) return 0;
    return limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
}

struct process_memory process_memory_read(void)
{
    char text[256];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text);
    if (fd >= 0) (void)close(fd);
    struct str rest = { text, n > 0 ? (size_t)n : 0 };
    struct str part;
    uint64_t pages[3] = { 0 }; /* size, resident, shared */
    for (unsigned i = 0; i < 3; i++) {
        if (str_split(&rest, ' ', &part)) (void)str_to_u64(part, &pages[i]);
    }
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t own = pages[1] > pages[2] ? pages[1] - pages[2] : 0;
    return (struct process_memory){ .rss_bytes = pages[1] * page, .own_bytes = own * page };
}

void process_stats_read(struct process_stats *out)
{
    uint64_t fields[STAT_COUNT];
    read_stat(fields);
    *out = (struct process_stats){
        .rss_bytes = fields[STAT_RSS_PAGES] * (uint64_t)sysconf(_SC_PAGESIZE),
        .virtual_bytes = fields[STAT_VIRTUAL],
        .virtual_max_bytes = limit_of(RLIMIT_AS),
        .cpu_ns = clock_process_cpu_ns(),
        .open_fds = open_fd_count(),
        .max_fds = limit_of(RLIMIT_NOFILE),
        .threads = fields[STAT_THREADS],
    };
}

int64_t process_start_ms(void)
{
    uint64_t fields[STAT_COUNT];
    read_stat(fields);
    struct timespec since_boot;
    int rc = clock_gettime(CLOCK_BOOTTIME, &since_boot);
    ASSERT(rc == 0);
    int64_t boot_ms = (int64_t)since_boot.tv_sec * 1000 + since_boot.tv_nsec / 1000000;
    int64_t ticks_per_s = sysconf(_SC_CLK_TCK);
    int64_t start_ms = (int64_t)fields[STAT_START_TICKS] * 1000 / ticks_per_s;
    return clock_wall_ms(clock_system()) - (boot_ms - start_ms);
}

uint64_t process_raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    return limit_of(RLIMIT_NOFILE);
}

uint32_t process_id(void)
{
    return (uint32_t)getpid();
}

char *process_hostname(char *out, size_t size)
{
    ASSERT(size > 0);
    if (gethostname(out, size) != 0) out[0] = '\0';
    out[size - 1] = '\0';
    return out;
}

char *process_cwd(char *out, size_t size)
{
    ASSERT(size > 0);
    if (!getcwd(out, size)) out[0] = '\0';
    return out;
}

struct str process_env(const char *name)
{
    return str_of_z(getenv(name));
}
