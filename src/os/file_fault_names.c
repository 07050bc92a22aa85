/* SPDX-License-Identifier: Apache-2.0
 *
 * Names of the fault-injecting disk: the tree as programs see it (cur_names), the tree as of the
 * last fsync_dir (dur_names), and the unsynced changes that lead from one to the other.
 */
#include <errno.h>
#include <string.h>

#include "base/assert.h"
#include "os/file_fault_priv.h"

struct inode *inode_create(struct file_fault *f, bool is_dir)
{
    struct inode *inode = fault_alloc(f, sizeof *inode);
    inode->is_dir = is_dir;
    f->inodes = fault_grow(f, f->inodes, f->inode_count, &f->inode_cap, sizeof f->inodes[0]);
    f->inodes[f->inode_count++] = inode;
    return inode;
}

void inode_destroy(struct file_fault *f, struct inode *inode)
{
    inode_forget_changes(f, inode);
    content_clear(f, &inode->cur);
    content_clear(f, &inode->dur);
    names_clear(f, &inode->cur_names);
    names_clear(f, &inode->dur_names);
    fault_free(f, inode, sizeof *inode);
}

static int name_compare(const char *a, const char *b, size_t b_len)
{
    return str_cmp(str_of_z(a), (struct str){ b, b_len });
}

struct name_entry *names_find(const struct names *n, const char *name, size_t len, size_t *out_at)
{
    size_t low = 0;
    size_t high = n->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (name_compare(n->entries[middle].name, name, len) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (out_at) *out_at = low;
    if (low == n->count || name_compare(n->entries[low].name, name, len) != 0) return NULL;
    return &n->entries[low];
}

void names_put(struct file_fault *f, struct names *n, const char *name, struct inode *inode)
{
    size_t at;
    size_t len = strlen(name);
    struct name_entry *entry = names_find(n, name, len, &at);
    if (entry && inode) {
        entry->inode = inode;
    } else if (entry) {
        fault_strfree(f, entry->name);
        memmove(entry, entry + 1, (n->count - at - 1) * sizeof *entry);
        n->count--;
    } else if (inode) {
        n->entries = fault_grow(f, n->entries, n->count, &n->cap, sizeof n->entries[0]);
        entry = &n->entries[at];
        memmove(entry + 1, entry, (n->count - at) * sizeof *entry);
        n->count++;
        *entry = (struct name_entry){ fault_strdup(f, name, len), inode };
    }
}

void names_clear(struct file_fault *f, struct names *n)
{
    for (size_t i = 0; i < n->count; i++) {
        fault_strfree(f, n->entries[i].name);
    }
    fault_free(f, n->entries, n->cap * sizeof n->entries[0]);
    *n = (struct names){ 0 };
}

/* A path taken apart: the directory that holds the last name, that name, and what is there. */
struct place {
    struct inode *dir;
    struct str name; /* empty: the root itself */
    struct inode *inode;
};

static int place_find(struct file_fault *f, const char *path, struct place *out)
{
    struct place place = { .inode = f->root };
    struct str rest = str_of_z(path);
    struct str part;
    while (str_split(&rest, '/', &part)) {
        if (part.len == 0 || str_eq(part, STR("."))) continue;
        if (str_eq(part, STR(".."))) return EINVAL;
        if (part.len > 255) return ENAMETOOLONG;
        if (!place.inode) return ENOENT;
        if (!place.inode->is_dir) return ENOTDIR;
        struct name_entry *entry = names_find(&place.inode->cur_names, part.ptr, part.len, NULL);
        place = (struct place){ place.inode, part, entry ? entry->inode : NULL };
    }
    *out = place;
    return 0;
}

int path_lookup(struct file_fault *f, const char *path, struct inode **out)
{
    struct place place;
    int rc = place_find(f, path, &place);
    if (rc != 0) return rc;
    if (!place.inode) return ENOENT;
    *out = place.inode;
    return 0;
}

/* Make one slot true in the visible tree and add it to the change. */
static void slot_apply(struct file_fault *f, struct name_change *change, const struct place *place,
                       struct inode *inode)
{
    char *name = fault_strdup(f, place->name.ptr, place->name.len);
    names_put(f, &place->dir->cur_names, name, inode);
    if (place->inode) {
        place->inode->links--;
        if (place->inode->is_dir) change->removed_dir = place->inode;
    }
    if (inode) inode->links++;
    change->slots[change->slot_count++] = (struct name_slot){ place->dir, name, inode };
}

static struct name_change *change_add(struct file_fault *f)
{
    f->name_changes = fault_grow(f, f->name_changes, f->name_change_count, &f->name_change_cap,
                                 sizeof f->name_changes[0]);
    struct name_change *change = &f->name_changes[f->name_change_count++];
    *change = (struct name_change){ 0 };
    return change;
}

int name_add(struct file_fault *f, const char *path, struct inode *inode)
{
    struct place place;
    int rc = place_find(f, path, &place);
    if (rc != 0) return rc;
    if (place.inode) return EEXIST;
    if (inode->links > 0 && inode->is_dir) return EPERM; /* no second name for a directory */
    slot_apply(f, change_add(f), &place, inode);
    return 0;
}

int name_remove(struct file_fault *f, const char *path, bool of_dir)
{
    struct place place;
    int rc = place_find(f, path, &place);
    if (rc != 0) return rc;
    if (!place.inode) return ENOENT;
    if (place.inode == f->root) return EBUSY;
    if (of_dir && !place.inode->is_dir) return ENOTDIR;
    if (!of_dir && place.inode->is_dir) return EISDIR;
    if (place.inode->cur_names.count > 0) return ENOTEMPTY;
    slot_apply(f, change_add(f), &place, NULL);
    return 0;
}

/* Is `inode` the directory `dir` or somewhere below it? */
static bool is_below(const struct inode *dir, const struct inode *inode)
{
    if (dir == inode) return true;
    for (size_t i = 0; i < dir->cur_names.count; i++) {
        if (is_below(dir->cur_names.entries[i].inode, inode)) return true;
    }
    return false;
}

int name_rename(struct file_fault *f, const char *from, const char *to)
{
    struct place source;
    struct place target;
    int rc = place_find(f, from, &source);
    if (rc == 0) rc = place_find(f, to, &target);
    if (rc != 0) return rc;
    struct inode *moved = source.inode;
    if (!moved) return ENOENT;
    if (moved == f->root || target.inode == f->root) return EBUSY;
    if (moved == target.inode) return 0;
    if (moved->is_dir && is_below(moved, target.dir)) return EINVAL;
    if (target.inode && is_below(target.inode, source.dir)) return ENOTEMPTY;
    if (target.inode) {
        if (moved->is_dir && !target.inode->is_dir) return ENOTDIR;
        if (!moved->is_dir && target.inode->is_dir) return EISDIR;
        if (target.inode->cur_names.count > 0) return ENOTEMPTY;
    }
    struct name_change *change = change_add(f);
    slot_apply(f, change, &target, moved);
    struct inode *replaced_dir = change->removed_dir;
    slot_apply(f, change, &source, NULL);
    change->removed_dir = replaced_dir; /* the moved one is not removed */
    change->is_dir_rename = moved->is_dir;
    return 0;
}

static bool is_same_slot(const struct name_slot *a, const struct name_slot *b)
{
    return a->dir == b->dir && strcmp(a->name, b->name) == 0;
}

bool name_change_depends(const struct name_change *later, const struct name_change *earlier)
{
    if (later->is_dir_rename && earlier->is_dir_rename) return true; /* no cycles of directories */
    for (unsigned i = 0; i < earlier->slot_count; i++) {
        /* A directory is removed only after what was moved out of it is elsewhere. */
        if (later->removed_dir && earlier->slots[i].dir == later->removed_dir) return true;
        for (unsigned j = 0; j < later->slot_count; j++) {
            if (is_same_slot(&later->slots[j], &earlier->slots[i])) return true;
        }
    }
    return false;
}

static void change_free(struct file_fault *f, struct name_change *change)
{
    for (unsigned i = 0; i < change->slot_count; i++) {
        fault_strfree(f, change->slots[i].name);
    }
}

void names_commit(struct file_fault *f, struct inode *dir)
{
    /* Backwards, so that what a chosen change presupposes is chosen as well. */
    for (size_t i = f->name_change_count; i-- > 0;) {
        struct name_change *change = &f->name_changes[i];
        change->is_chosen = false;
        for (unsigned s = 0; s < change->slot_count; s++) {
            change->is_chosen |= change->slots[s].dir == dir;
        }
        for (size_t later = i + 1; later < f->name_change_count && !change->is_chosen; later++) {
            change->is_chosen = f->name_changes[later].is_chosen &&
                                name_change_depends(&f->name_changes[later], change);
        }
    }
    size_t left = 0;
    for (size_t i = 0; i < f->name_change_count; i++) {
        struct name_change *change = &f->name_changes[i];
        if (!change->is_chosen) {
            f->name_changes[left++] = *change;
            continue;
        }
        for (unsigned s = 0; s < change->slot_count; s++) {
            const struct name_slot *slot = &change->slots[s];
            names_put(f, &slot->dir->dur_names, slot->name, slot->inode);
        }
        change_free(f, change);
    }
    f->name_change_count = left;
    inodes_collect(f);
}

void name_changes_clear(struct file_fault *f)
{
    for (size_t i = 0; i < f->name_change_count; i++) {
        change_free(f, &f->name_changes[i]);
    }
    fault_free(f, f->name_changes, f->name_change_cap * sizeof f->name_changes[0]);
    f->name_changes = NULL;
    f->name_change_count = f->name_change_cap = 0;
}

static void mark(struct inode *inode)
{
    if (!inode || inode->is_marked) return;
    inode->is_marked = true;
    for (size_t i = 0; i < inode->cur_names.count; i++) {
        mark(inode->cur_names.entries[i].inode);
    }
    for (size_t i = 0; i < inode->dur_names.count; i++) {
        mark(inode->dur_names.entries[i].inode);
    }
}

void inodes_collect(struct file_fault *f)
{
    for (size_t i = 0; i < f->inode_count; i++) {
        f->inodes[i]->is_marked = false;
    }
    mark(f->root);
    for (size_t i = 0; i < f->inode_count; i++) {
        if (f->inodes[i]->opens > 0) mark(f->inodes[i]);
    }
    for (size_t i = 0; i < f->name_change_count; i++) {
        const struct name_change *change = &f->name_changes[i];
        for (unsigned s = 0; s < change->slot_count; s++) {
            mark(change->slots[s].dir);
            mark(change->slots[s].inode);
        }
        mark(change->removed_dir);
    }
    size_t left = 0;
    for (size_t i = 0; i < f->inode_count; i++) {
        if (f->inodes[i]->is_marked) {
            f->inodes[left++] = f->inodes[i];
        } else {
            inode_destroy(f, f->inodes[i]);
        }
    }
    f->inode_count = left;
}
