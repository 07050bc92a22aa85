/* SPDX-License-Identifier: Apache-2.0 */
#include "os/socket_holder.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/str.h"
#include "os/file_layer.h"

#define LISTEN_STATE "0A"

/* The n-th blank-separated field of a line. */
static struct str field_of(struct str line, unsigned n)
{
    struct str rest = str_trim(line);
    for (;;) {
        size_t end = str_index(rest, ' ');
        if (n-- == 0) return str_sub(rest, 0, end);
        rest = str_trim(str_sub(rest, end, rest.len));
        if (rest.len == 0) return rest;
    }
}

/* "0100007F:2382": does it end in this port, in hexadecimal? */
static bool has_port(struct str addr, uint16_t port)
{
    char text[8];
    int n = snprintf(text, sizeof text, ":%04X", (unsigned)port);
    return str_ends_with(addr, (struct str){ text, (size_t)n });
}

/* One line of /proc/net/tcp: slot, local, remote, state, queues, timer, retransmits, uid, timeout,
 * inode. */
static bool line_inode(struct str line, uint16_t port, uint64_t *out_inode)
{
    if (!has_port(field_of(line, 1), port)) return false;
    if (!str_eq(field_of(line, 3), STR(LISTEN_STATE))) return false;
    return str_to_u64(field_of(line, 9), out_inode);
}

/* Read a /proc table piece by piece: it may be long, its lines are not. */
static bool table_inode(const char *path, uint16_t port, uint64_t *out_inode)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    char text[8192];
    size_t len = 0;
    bool is_found = false;
    while (!is_found) {
        ssize_t n = read(fd, text + len, sizeof text - len);
        if (n <= 0) break;
        len += (size_t)n;
        struct str rest = { text, len };
        size_t end;
        while (!is_found && (end = str_index(rest, '\n')) < rest.len) {
            is_found = line_inode(str_sub(rest, 0, end), port, out_inode);
            rest = str_sub(rest, end + 1, rest.len);
        }
        if (rest.len == sizeof text) break; /* no table of the kernel has such a line */
        memmove(text, rest.ptr, rest.len);
        len = rest.len;
    }
    (void)close(fd);
    return is_found;
}

struct search {
    uint64_t inode;
    uint64_t pid;    /* the one looked into */
    char target[40]; /* "socket:[123]" */
    char *out;
    size_t size;
};

static void describe(const struct search *s)
{
    char path[64];
    char name[64];
    (void)snprintf(path, sizeof path, "/proc/%llu/comm", (unsigned long long)s->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof name);
    if (fd >= 0) (void)close(fd);
    struct str comm = str_trim((struct str){ name, n > 0 ? (size_t)n : 0 });
    (void)snprintf(s->out, s->size, STR_FMT " (pid %llu)", STR_ARG(comm),
                   (unsigned long long)s->pid);
}

/* ERR_CONFLICT ends the listings: found. */
static enum err_code look_at_fd(void *arg, const char *name, bool is_dir, struct err *err)
{
    (void)is_dir;
    const struct search *s = arg;
    char path[320];
    char target[64];
    (void)snprintf(path, sizeof path, "/proc/%llu/fd/%s", (unsigned long long)s->pid, name);
    ssize_t n = readlink(path, target, sizeof target);
    if (n <= 0 || !str_eq((struct str){ target, (size_t)n }, str_of_z(s->target))) return ERR_OK;
    describe(s);
    return err_set(err, ERR_CONFLICT, "found");
}

static enum err_code look_at_process(void *arg, const char *name, bool is_dir, struct err *err)
{
    struct search *s = arg;
    if (!is_dir || !str_to_u64(str_of_z(name), &s->pid)) return ERR_OK;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%llu/fd", (unsigned long long)s->pid);
    const struct file_layer *l = file_layer_posix();
    enum err_code code = l->list(l->ctx, path, look_at_fd, s, err);
    return code == ERR_CONFLICT ? code : ERR_OK; /* not ours to look into, or gone */
}

bool socket_holder(uint16_t port, char *out, size_t size)
{
    struct search s = { .out = out, .size = size };
    if (!table_inode("/proc/net/tcp", port, &s.inode) &&
        !table_inode("/proc/net/tcp6", port, &s.inode)) {
        return false;
    }
    (void)snprintf(s.target, sizeof s.target, "socket:[%llu]", (unsigned long long)s.inode);
    const struct file_layer *l = file_layer_posix();
    struct err ignored = { 0 };
    return l->list(l->ctx, "/proc", look_at_process, &s, &ignored) == ERR_CONFLICT;
}
