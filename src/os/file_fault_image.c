/* SPDX-License-Identifier: Apache-2.0
 *
 * What is on the disk afterwards: images after a power loss (reboot) and after the end of the
 * process (restart).
 *
 * A reboot copies every inode with its durable content and names, chooses which changes of names
 * arrived and applies them in order, drops what the root does not reach, and then decides the fate
 * of each unsynced change of the remaining files.
 */
#include <string.h>

#include "base/assert.h"
#include "os/file_fault_priv.h"

/* How an image treats unsynced changes. */
struct choice {
    struct rng rng;
    enum { CHOICE_NOTHING, CHOICE_EVERYTHING, CHOICE_RANDOM } mode;
    unsigned keep_of_8;  /* random: so many of 8 changes arrive whole */
    bool is_ordered;     /* random: what came after some point is gone, what was before is whole */
    unsigned cut_of_256; /* is_ordered: that point in each history */
};

static struct choice choice_of_seed(uint64_t seed)
{
    struct choice c = { .mode = CHOICE_RANDOM };
    if (seed == 0) c.mode = CHOICE_NOTHING;
    if (seed == 1) c.mode = CHOICE_EVERYTHING;
    rng_init(&c.rng, seed);
    static const unsigned keep_of_8[4] = { 1, 4, 4, 7 };
    c.keep_of_8 = keep_of_8[rng_below(&c.rng, 4)];
    c.is_ordered = rng_below(&c.rng, 4) == 0;
    c.cut_of_256 = (unsigned)rng_below(&c.rng, 257);
    return c;
}

/* What happens to the i-th of n changes. */
enum fate { FATE_DROPPED, FATE_KEPT, FATE_PARTIAL };

static enum fate fate_choose(struct choice *c, size_t i, size_t n)
{
    if (c->mode == CHOICE_NOTHING) return FATE_DROPPED;
    if (c->mode == CHOICE_EVERYTHING) return FATE_KEPT;
    if (c->is_ordered) {
        size_t cut = n * c->cut_of_256 / 256;
        if (i != cut) return i < cut ? FATE_KEPT : FATE_DROPPED;
        return FATE_PARTIAL;
    }
    if (rng_below(&c->rng, 8) < c->keep_of_8) return FATE_KEPT;
    return rng_below(&c->rng, 2) ? FATE_DROPPED : FATE_PARTIAL;
}

/* Ways in which a write arrives in part. */
enum tear {
    TEAR_SECTORS,
    TEAR_PAGES,
    TEAR_PREFIX,
    TEAR_ZEROS,
    TEAR_ONES,
    TEAR_GARBAGE,
    TEAR_COUNT
};

static void fill_garbage(struct rng *rng, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)rng_u64(rng);
    }
}

/* One sector (or 4-KiB page) of a torn write: the new bytes, a substitute, or nothing. */
static void tear_piece(struct file_fault *f, struct choice *c, struct content *content,
                       uint64_t offset, struct bytes piece, enum tear tear)
{
    uint8_t substitute[FAULT_PAGE_BYTES];
    ASSERT(piece.len <= sizeof substitute);
    bool has_arrived = rng_below(&c->rng, 2);
    if (has_arrived) {
        content_write(f, content, offset, piece.ptr, piece.len);
        return;
    }
    switch (tear) {
    case TEAR_SECTORS:
    case TEAR_PAGES:
    case TEAR_PREFIX:
    case TEAR_COUNT: return; /* old content */
    case TEAR_ZEROS: memset(substitute, 0, piece.len); break;
    case TEAR_ONES: memset(substitute, 0xFF, piece.len); break;
    case TEAR_GARBAGE: fill_garbage(&c->rng, substitute, piece.len); break;
    }
    content_write(f, content, offset, substitute, piece.len);
}

static void apply_torn(struct file_fault *f, struct choice *c, struct content *content,
                       const struct change *change)
{
    enum tear tear = (enum tear)rng_below(&c->rng, TEAR_COUNT);
    uint64_t unit = tear == TEAR_PAGES ? FAULT_PAGE_BYTES : FAULT_SECTOR_BYTES;
    uint64_t sectors = change->len / FAULT_SECTOR_BYTES + 1;
    uint64_t prefix = rng_below(&c->rng, sectors + 1) * FAULT_SECTOR_BYTES;
    for (uint64_t at = 0; at < change->len;) {
        uint64_t n = unit - (change->offset + at) % unit;
        if (n > change->len - at) n = change->len - at;
        struct bytes piece = { change->bytes + at, (size_t)n };
        if (tear != TEAR_PREFIX) {
            tear_piece(f, c, content, change->offset + at, piece, tear);
        } else if (at < prefix) {
            content_write(f, content, change->offset + at, piece.ptr, piece.len);
        }
        at += n;
    }
}

static void grow(struct file_fault *f, struct content *content, uint64_t size)
{
    if (content->size < size) content_resize(f, content, size);
}

static void apply_change(struct file_fault *f, struct choice *c, struct content *content,
                         const struct change *change, enum fate fate)
{
    if (change->is_resize) {
        if (fate == FATE_PARTIAL) fate = rng_below(&c->rng, 2) ? FATE_KEPT : FATE_DROPPED;
        if (fate == FATE_KEPT) content_resize(f, content, change->len);
        return;
    }
    uint64_t end = change->offset + change->len;
    if (fate == FATE_KEPT && !change->is_lost) {
        content_write(f, content, change->offset, change->bytes, (size_t)change->len);
    } else if (fate == FATE_KEPT) {
        grow(f, content, end);
    } else if (fate == FATE_PARTIAL) {
        if (!change->is_lost && rng_below(&c->rng, 4)) apply_torn(f, c, content, change);
        if (rng_below(&c->rng, 2)) grow(f, content, end);
    }
}

/* The twin gets the durable content and what arrived of the changes. */
static void image_content(struct file_fault *image, struct choice *c, const struct inode *inode)
{
    struct inode *twin = inode->twin;
    content_share(image, &twin->dur, &inode->dur);
    for (size_t i = 0; i < inode->change_count; i++) {
        enum fate fate = fate_choose(c, i, inode->change_count);
        apply_change(image, c, &twin->dur, &inode->changes[i], fate);
    }
    content_share(image, &twin->cur, &twin->dur);
}

/* A twin for every inode, with the directories' entries (of cur or of dur) pointing to twins. */
static void names_twin(struct file_fault *image, struct names *dst, const struct names *src)
{
    for (size_t i = 0; i < src->count; i++) {
        names_put(image, dst, src->entries[i].name, src->entries[i].inode->twin);
    }
}

static void twins_create(struct file_fault *f, struct file_fault *image)
{
    for (size_t i = 0; i < f->inode_count; i++) {
        struct inode *twin = inode_create(image, f->inodes[i]->is_dir);
        twin->mtime_ms = f->inodes[i]->mtime_ms;
        f->inodes[i]->twin = twin;
    }
    image->root = f->root->twin;
}

/* Decide which changes of names arrived, and make them true in the twins' cur_names. */
static void image_names(struct file_fault *f, struct file_fault *image, struct choice *c)
{
    for (size_t i = 0; i < f->inode_count; i++) {
        names_twin(image, &f->inodes[i]->twin->cur_names, &f->inodes[i]->dur_names);
    }
    for (size_t i = 0; i < f->name_change_count; i++) {
        struct name_change *change = &f->name_changes[i];
        enum fate fate = fate_choose(c, i, f->name_change_count);
        bool is_file_rename = change->slot_count == 2 && !change->is_dir_rename;
        if (fate == FATE_PARTIAL && !is_file_rename) {
            fate = rng_below(&c->rng, 2) ? FATE_KEPT : FATE_DROPPED;
        }
        change->is_chosen = fate != FATE_DROPPED;
        for (size_t j = 0; j < i && change->is_chosen; j++) {
            change->is_chosen =
                f->name_changes[j].is_chosen || !name_change_depends(change, &f->name_changes[j]);
        }
        if (!change->is_chosen) continue;
        /* slots[0] is the new name of a rename: in part means that the old one is still there. */
        unsigned slot_count = fate == FATE_PARTIAL ? 1 : change->slot_count;
        for (unsigned s = 0; s < slot_count; s++) {
            const struct name_slot *slot = &change->slots[s];
            names_put(image, &slot->dir->twin->cur_names, slot->name,
                      slot->inode ? slot->inode->twin : NULL);
        }
    }
}

/* Count the links of what is below a directory of the image. */
static void links_count(struct inode *dir)
{
    for (size_t i = 0; i < dir->cur_names.count; i++) {
        struct inode *inode = dir->cur_names.entries[i].inode;
        inode->links++;
        if (inode->is_dir && inode->links == 1) links_count(inode);
    }
}

struct file_fault *file_fault_reboot(struct file_fault *f, uint64_t image_seed)
{
    struct file_fault *image = fault_disk_create(f, image_seed);
    struct choice c = choice_of_seed(image_seed);
    MUTEX_SCOPE(&f->lock);
    twins_create(f, image);
    image_names(f, image, &c);
    image->root->links = 1;
    links_count(image->root);
    for (size_t i = 0; i < f->inode_count; i++) {
        const struct inode *inode = f->inodes[i];
        struct inode *twin = inode->twin;
        if (twin->links == 0) continue;
        if (!twin->is_dir) image_content(image, &c, inode);
        for (size_t e = 0; e < twin->cur_names.count; e++) {
            const struct name_entry *entry = &twin->cur_names.entries[e];
            names_put(image, &twin->dur_names, entry->name, entry->inode);
        }
    }
    inodes_collect(image);
    return image;
}

static void changes_copy(struct file_fault *image, const struct inode *inode)
{
    struct inode *twin = inode->twin;
    for (size_t i = 0; i < inode->change_count; i++) {
        const struct change *change = &inode->changes[i];
        twin->changes =
            fault_grow(image, twin->changes, i, &twin->change_cap, sizeof twin->changes[0]);
        twin->changes[i] = *change;
        twin->change_count = i + 1;
        if (!change->bytes) continue;
        twin->changes[i].bytes = fault_alloc(image, (size_t)change->len);
        memcpy(twin->changes[i].bytes, change->bytes, (size_t)change->len);
    }
}

static void name_changes_copy(struct file_fault *f, struct file_fault *image)
{
    for (size_t i = 0; i < f->name_change_count; i++) {
        image->name_changes = fault_grow(image, image->name_changes, i, &image->name_change_cap,
                                         sizeof image->name_changes[0]);
        struct name_change *copy = &image->name_changes[i];
        *copy = f->name_changes[i];
        image->name_change_count = i + 1;
        if (copy->removed_dir) copy->removed_dir = copy->removed_dir->twin;
        for (unsigned s = 0; s < copy->slot_count; s++) {
            struct name_slot *slot = &copy->slots[s];
            slot->name = fault_strdup(image, slot->name, strlen(slot->name));
            slot->dir = slot->dir->twin;
            if (slot->inode) slot->inode = slot->inode->twin;
        }
    }
}

struct file_fault *file_fault_restart(struct file_fault *f)
{
    MUTEX_SCOPE(&f->lock);
    struct file_fault *image = fault_disk_create(f, rng_u64(&f->rng));
    twins_create(f, image);
    for (size_t i = 0; i < f->inode_count; i++) {
        const struct inode *inode = f->inodes[i];
        struct inode *twin = inode->twin;
        twin->links = inode->links;
        content_share(image, &twin->cur, &inode->cur);
        content_share(image, &twin->dur, &inode->dur);
        changes_copy(image, inode);
        names_twin(image, &twin->cur_names, &inode->cur_names);
        names_twin(image, &twin->dur_names, &inode->dur_names);
    }
    name_changes_copy(f, image);
    inodes_collect(image);
    return image;
}
