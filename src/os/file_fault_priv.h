/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the fault-injecting disk: pages and contents, inodes, names and their histories.
 * Everything here is called with the disk's lock held, and asserts when memory runs out.
 */
#ifndef PHAROS_OS_FILE_FAULT_PRIV_H
#define PHAROS_OS_FILE_FAULT_PRIV_H

#include "base/rng.h"
#include "os/file_fault.h"
#include "os/mem.h"
#include "os/thread.h"

#define FAULT_PAGE_BYTES 4096u
#define FAULT_SECTOR_BYTES 512u

struct page {
    _Atomic uint32_t refs; /* contents, possibly of several disks, that share it */
    uint8_t data[FAULT_PAGE_BYTES];
};

/* A file's bytes. pages[i] == NULL, or i >= page_count, is a page of zeros. Bytes beyond size are
 * zero. */
struct content {
    uint64_t size;
    struct page **pages;
    size_t page_count;
};

/* An unsynced change of a file's content. */
struct change {
    bool is_resize; /* to `len` bytes; else a write of bytes[len] at `offset` */
    bool is_lost;   /* never reaches the disk, only its size does */
    uint64_t offset, len;
    uint8_t *bytes;
};

struct name_entry {
    char *name;
    struct inode *inode;
};
/* The entries of a directory, in byte order of the names. */
struct names {
    struct name_entry *entries;
    size_t count, cap;
};

struct inode {
    bool is_dir;
    bool is_locked;
    unsigned links, opens; /* names in `cur` trees; handles */
    int64_t mtime_ms;
    struct content cur, dur; /* as programs see it; as of the last sync */
    struct change *changes;  /* from dur to cur */
    size_t change_count, change_cap;
    struct names cur_names, dur_names; /* directories */
    struct inode *twin;                /* while an image is made: its copy there */
    bool is_marked;                    /* while garbage is collected */
};

/* What one entry becomes. */
struct name_slot {
    struct inode *dir;
    char *name;
    struct inode *inode; /* NULL: the name is removed */
};
/* An unsynced change of names: one slot, or two for a rename (from, to). */
struct name_change {
    struct name_slot slots[2];
    unsigned slot_count;
    bool is_dir_rename;
    struct inode *removed_dir; /* the directory that this change removes, or NULL */
    bool is_chosen;            /* scratch of commits and images */
};

struct fault_plan {
    bool is_active;
    uint32_t ops;
    int64_t countdown;
    enum file_fault_kind kind;
    enum file_fault_mode mode;
};

struct mapping {
    struct mapping *next;
    uint8_t *ptr;
    size_t len;
};

struct file {
    uint32_t magic;
    struct file_fault *disk;
    struct inode *inode;
    struct file *next;
    bool is_writable, holds_lock;
    char *path; /* as opened, for the trace */
};

/* A disk and the images made of it share pages, so they share the budget too. */
struct fault_memory {
    _Atomic uint32_t refs; /* disks */
    struct mem_budget *budget;
};

struct file_fault {
    uint32_t magic;
    struct mutex lock;
    struct fault_memory *memory;
    struct file_layer layer;
    struct rng rng;
    struct inode *root;
    struct inode **inodes;
    size_t inode_count, inode_cap;
    struct name_change *name_changes;
    size_t name_change_count, name_change_cap;
    struct file *files;
    struct mapping *mappings;
    struct fault_plan plans[FAULT_PLANS_MAX];
    uint64_t calls[FAULT_OP_COUNT];
    uint64_t steps, fired, cut_at; /* cut_at: value of steps at the fatal one, 0 = none */
    uint64_t capacity;
    bool is_stopped, is_traced;
};

/* An empty disk in the memory of `parent`, or in memory of its own. */
struct file_fault *fault_disk_create(struct file_fault *parent, uint64_t seed);
/* Sum of the sizes of all files that a program can reach. */
uint64_t fault_used(const struct file_fault *f);
/* file_fault_calls.c: fill f->layer. */
void fault_calls_init(struct file_fault *f);
void *fault_alloc(struct file_fault *f, size_t size); /* zeroed */
void fault_free(struct file_fault *f, void *ptr, size_t size);
/* Make room for one more element behind `count`. */
void *fault_grow(struct file_fault *f, void *ptr, size_t count, size_t *cap, size_t element_size);
char *fault_strdup(struct file_fault *f, const char *name, size_t len);
void fault_strfree(struct file_fault *f, char *name);

/* file_fault_content.c */
size_t content_read(const struct content *c, uint64_t offset, void *dst, size_t len);
void content_write(struct file_fault *f, struct content *c, uint64_t offset, const void *src,
                   size_t len);
void content_resize(struct file_fault *f, struct content *c, uint64_t size);
/* *dst (empty) becomes equal to *src, sharing its pages. */
void content_share(struct file_fault *f, struct content *dst, const struct content *src);
void content_clear(struct file_fault *f, struct content *c);
uint64_t content_digest(const struct content *c, uint64_t seed);
/* Apply to cur and remember as unsynced. */
void inode_write(struct file_fault *f, struct inode *inode, uint64_t offset, struct bytes bytes,
                 bool is_lost);
void inode_resize(struct file_fault *f, struct inode *inode, uint64_t size);
void inode_sync(struct file_fault *f, struct inode *inode);
void inode_forget_changes(struct file_fault *f, struct inode *inode);

/* file_fault_names.c; int results are 0 or an errno. */
struct inode *inode_create(struct file_fault *f, bool is_dir);
void inode_destroy(struct file_fault *f, struct inode *inode);
/* The inode at `path`, or an errno. */
int path_lookup(struct file_fault *f, const char *path, struct inode **out);
/* Create, hard-link or re-create: put `inode` at a free path. */
int name_add(struct file_fault *f, const char *path, struct inode *inode);
int name_remove(struct file_fault *f, const char *path, bool of_dir);
int name_rename(struct file_fault *f, const char *from, const char *to);
/* fsync_dir: everything that concerns `dir` becomes durable. */
void names_commit(struct file_fault *f, struct inode *dir);
/* Does `later` presuppose `earlier`? */
bool name_change_depends(const struct name_change *later, const struct name_change *earlier);
struct name_entry *names_find(const struct names *n, const char *name, size_t len, size_t *out_at);
/* Set (inode != NULL) or remove one entry; the name is copied. Links are not counted. */
void names_put(struct file_fault *f, struct names *n, const char *name, struct inode *inode);
void names_clear(struct file_fault *f, struct names *n);
void name_changes_clear(struct file_fault *f);
/* Free the inodes that no program and no possible image can reach. */
void inodes_collect(struct file_fault *f);

#endif
