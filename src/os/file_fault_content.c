/* SPDX-License-Identifier: Apache-2.0
 *
 * Contents of the fault-injecting disk: pages shared copy-on-write, and the log of unsynced
 * changes of each file.
 */
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/hash.h"
#include "os/file_fault_priv.h"

static void page_unref(struct file_fault *f, struct page *page)
{
    if (!page) return;
    /* Release and acquire order every user's accesses before the reuse. */
    if (atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) > 1) return;
    fault_free(f, page, sizeof *page);
}

size_t content_read(const struct content *c, uint64_t offset, void *dst, size_t len)
{
    if (offset >= c->size) return 0;
    if (len > c->size - offset) len = (size_t)(c->size - offset);
    size_t done = 0;
    while (done < len) {
        uint64_t at = offset + done;
        size_t in_page = (size_t)(at % FAULT_PAGE_BYTES);
        size_t n = FAULT_PAGE_BYTES - in_page;
        if (n > len - done) n = len - done;
        size_t i = (size_t)(at / FAULT_PAGE_BYTES);
        const struct page *page = i < c->page_count ? c->pages[i] : NULL;
        if (page) memcpy((uint8_t *)dst + done, page->data + in_page, n);
        if (!page) memset((uint8_t *)dst + done, 0, n);
        done += n;
    }
    return len;
}

/* Page i for writing: created, or copied if it is shared. */
static struct page *page_own(struct file_fault *f, struct content *c, size_t i)
{
    if (i >= c->page_count) {
        size_t count = i + 1 + i / 2;
        struct page **pages = fault_alloc(f, count * sizeof *pages);
        if (c->pages) memcpy(pages, c->pages, c->page_count * sizeof *pages);
        fault_free(f, c->pages, c->page_count * sizeof *pages);
        c->pages = pages;
        c->page_count = count;
    }
    struct page *page = c->pages[i];
    /* Acquire: see what the other owners did before they let go. */
    if (page && atomic_load_explicit(&page->refs, memory_order_acquire) == 1) return page;
    struct page *own = fault_alloc(f, sizeof *own);
    atomic_store_explicit(&own->refs, 1, memory_order_relaxed);
    if (page) memcpy(own->data, page->data, sizeof own->data);
    page_unref(f, page);
    c->pages[i] = own;
    return own;
}

void content_write(struct file_fault *f, struct content *c, uint64_t offset, const void *src,
                   size_t len)
{
    size_t done = 0;
    while (done < len) {
        uint64_t at = offset + done;
        size_t in_page = (size_t)(at % FAULT_PAGE_BYTES);
        size_t n = FAULT_PAGE_BYTES - in_page;
        if (n > len - done) n = len - done;
        struct page *page = page_own(f, c, (size_t)(at / FAULT_PAGE_BYTES));
        memcpy(page->data + in_page, (const uint8_t *)src + done, n);
        done += n;
    }
    if (len > 0 && offset + len > c->size) c->size = offset + len;
}

void content_resize(struct file_fault *f, struct content *c, uint64_t size)
{
    if (size < c->size) {
        size_t keep = (size_t)((size + FAULT_PAGE_BYTES - 1) / FAULT_PAGE_BYTES);
        for (size_t i = keep; i < c->page_count; i++) {
            page_unref(f, c->pages[i]);
            c->pages[i] = NULL;
        }
        size_t in_page = (size_t)(size % FAULT_PAGE_BYTES);
        if (in_page > 0 && keep <= c->page_count && c->pages[keep - 1]) {
            struct page *page = page_own(f, c, keep - 1);
            memset(page->data + in_page, 0, FAULT_PAGE_BYTES - in_page);
        }
    }
    c->size = size;
}

void content_share(struct file_fault *f, struct content *dst, const struct content *src)
{
    ASSERT(dst->pages == NULL);
    size_t count = src->page_count;
    while (count > 0 && !src->pages[count - 1]) {
        count--;
    }
    dst->size = src->size;
    dst->page_count = count;
    if (count == 0) return;
    dst->pages = fault_alloc(f, count * sizeof *dst->pages);
    for (size_t i = 0; i < count; i++) {
        dst->pages[i] = src->pages[i];
        if (!dst->pages[i]) continue;
        atomic_fetch_add_explicit(&dst->pages[i]->refs, 1, memory_order_relaxed);
    }
}

void content_clear(struct file_fault *f, struct content *c)
{
    for (size_t i = 0; i < c->page_count; i++) {
        page_unref(f, c->pages[i]);
    }
    fault_free(f, c->pages, c->page_count * sizeof *c->pages);
    *c = (struct content){ 0 };
}

uint64_t content_digest(const struct content *c, uint64_t seed)
{
    static const uint8_t zeros[FAULT_PAGE_BYTES];
    uint64_t digest = hash64(&c->size, sizeof c->size, seed);
    for (size_t i = 0; i < c->page_count; i++) {
        if (!c->pages[i] || memcmp(c->pages[i]->data, zeros, sizeof zeros) == 0) continue;
        uint64_t index = i;
        digest = hash64(&index, sizeof index, digest);
        digest = hash64(c->pages[i]->data, FAULT_PAGE_BYTES, digest);
    }
    return digest;
}

static struct change *change_add(struct file_fault *f, struct inode *inode)
{
    inode->changes = fault_grow(f, inode->changes, inode->change_count, &inode->change_cap,
                                sizeof inode->changes[0]);
    struct change *change = &inode->changes[inode->change_count++];
    *change = (struct change){ 0 };
    return change;
}

void inode_write(struct file_fault *f, struct inode *inode, uint64_t offset, struct bytes bytes,
                 bool is_lost)
{
    if (bytes.len == 0) return;
    content_write(f, &inode->cur, offset, bytes.ptr, bytes.len);
    struct change *change = change_add(f, inode);
    change->offset = offset;
    change->len = bytes.len;
    change->is_lost = is_lost;
    change->bytes = fault_alloc(f, bytes.len);
    memcpy(change->bytes, bytes.ptr, bytes.len);
}

void inode_resize(struct file_fault *f, struct inode *inode, uint64_t size)
{
    content_resize(f, &inode->cur, size);
    struct change *change = change_add(f, inode);
    change->is_resize = true;
    change->len = size;
}

void inode_sync(struct file_fault *f, struct inode *inode)
{
    for (size_t i = 0; i < inode->change_count; i++) {
        const struct change *change = &inode->changes[i];
        if (change->is_resize) {
            content_resize(f, &inode->dur, change->len);
        } else if (!change->is_lost) {
            content_write(f, &inode->dur, change->offset, change->bytes, (size_t)change->len);
        } else if (inode->dur.size < change->offset + change->len) {
            content_resize(f, &inode->dur, change->offset + change->len);
        }
    }
    inode_forget_changes(f, inode);
}

void inode_forget_changes(struct file_fault *f, struct inode *inode)
{
    for (size_t i = 0; i < inode->change_count; i++) {
        struct change *change = &inode->changes[i];
        if (change->bytes) fault_free(f, change->bytes, (size_t)change->len);
    }
    fault_free(f, inode->changes, inode->change_cap * sizeof inode->changes[0]);
    inode->changes = NULL;
    inode->change_count = inode->change_cap = 0;
}
