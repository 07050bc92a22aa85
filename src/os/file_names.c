/* SPDX-License-Identifier: Apache-2.0 */
#include "os/file_names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/assert.h"

#define GROW_BYTES_MIN 65536u

/* Make room for `need` bytes in a mapping of *cap bytes; 0 or an errno. */
static int map_grow(void **ptr, size_t *cap, size_t need)
{
    if (need <= *cap) return 0;
    size_t size = *cap ? *cap * 2 : GROW_BYTES_MIN;
    ASSERT(size >= need); /* one name is far smaller than the first mapping */
    void *moved =
        *ptr ? mremap(*ptr, *cap, size, MREMAP_MAYMOVE)
             : mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (moved == MAP_FAILED) return errno;
    *ptr = moved;
    *cap = size;
    return 0;
}

static int names_add(struct file_names *names, const char *name, bool is_dir)
{
    size_t len = strlen(name) + 1;
    void *text = names->text;
    int rc = map_grow(&text, &names->text_cap, names->text_len + 1 + len);
    names->text = text;
    if (rc != 0) return rc;
    void *offsets = names->offsets;
    rc = map_grow(&offsets, &names->offsets_cap, (names->count + 1) * sizeof names->offsets[0]);
    names->offsets = offsets;
    if (rc != 0) return rc;
    if (names->text_len > UINT32_MAX) return EOVERFLOW;
    names->offsets[names->count++] = (uint32_t)names->text_len;
    names->text[names->text_len] = is_dir ? 'd' : 'f';
    memcpy(names->text + names->text_len + 1, name, len);
    names->text_len += 1 + len;
    return 0;
}

static bool entry_is_dir(int dir_fd, const char *name, unsigned char type)
{
    if (type != DT_UNKNOWN && type != DT_LNK) return type == DT_DIR;
    struct stat st;
    return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int compare_names(const void *a, const void *b, void *text)
{
    uint32_t offset_a;
    uint32_t offset_b;
    memcpy(&offset_a, a, sizeof offset_a);
    memcpy(&offset_b, b, sizeof offset_b);
    return strcmp((const char *)text + offset_a + 1, (const char *)text + offset_b + 1);
}

/* One record of getdents64: u64 ino, s64 off, u16 reclen, u8 type, name with NUL. */
#define DIRENT_RECLEN_AT 16
#define DIRENT_TYPE_AT 18
#define DIRENT_NAME_AT 19

int file_names_read(struct file_names *names, int dir_fd)
{
    _Alignas(8) char buffer[32768];
    for (;;) {
        ssize_t n = getdents64(dir_fd, buffer, sizeof buffer);
        if (n < 0) return errno;
        if (n == 0) break;
        for (size_t at = 0; at < (size_t)n;) {
            uint16_t record_len;
            memcpy(&record_len, buffer + at + DIRENT_RECLEN_AT, sizeof record_len);
            unsigned char type = (unsigned char)buffer[at + DIRENT_TYPE_AT];
            const char *name = buffer + at + DIRENT_NAME_AT;
            at += record_len;
            if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) continue;
            int rc = names_add(names, name, entry_is_dir(dir_fd, name, type));
            if (rc != 0) return rc;
        }
    }
    if (names->count > 0) {
        qsort_r(names->offsets, names->count, sizeof names->offsets[0], compare_names, names->text);
    }
    return 0;
}

const char *file_names_at(const struct file_names *names, size_t i)
{
    ASSERT(i < names->count);
    return names->text + names->offsets[i] + 1;
}

bool file_names_is_dir(const struct file_names *names, size_t i)
{
    ASSERT(i < names->count);
    return names->text[names->offsets[i]] == 'd';
}

void file_names_free(struct file_names *names)
{
    if (names->text) (void)munmap(names->text, names->text_cap);
    if (names->offsets) (void)munmap(names->offsets, names->offsets_cap);
    *names = (struct file_names){ 0 };
}
