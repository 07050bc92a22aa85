/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/block.h"

#include <stdio.h>

#include "base/assert.h"
#include "metrics/block/block_priv.h"
#include "metrics/block/chunk_format.h"

#define BLOCK_MAGIC 0x4b4c4250u
#define META_BYTES_MAX (8u << 20)
#define TOMBSTONES_BYTES_MAX ((size_t)1 << 30)

/* ---- life ---- */

static void destroy(struct block *b)
{
    for (uint32_t i = 0; i < b->chunk_count; i++)
        blob_close(b->chunks[i]);
    blob_close(b->index_blob);
    tombstones_unref(b->tombstones);
    arena_deinit(&b->arena);
    mutex_deinit(&b->lock);
    mutex_deinit(&b->delete_lock);
    b->magic = 0;
    mem_free(b->mem, MEM_CACHE, b, sizeof *b);
}

struct block *block_ref(struct block *b)
{
    ASSERT(b->magic == BLOCK_MAGIC);
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void block_unref(struct block *b)
{
    if (!b) return;
    ASSERT(b->magic == BLOCK_MAGIC);
    /* acq_rel: the last one sees what the others did with the block. */
    if (atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) destroy(b);
}

enum err_code block_error(const struct block *b, const char *file, enum err_code code,
                          struct err *err)
{
    if (code == ERR_OK || !err) return code;
    char detail[ERR_DETAIL_SIZE - 128];
    (void)str_z(str_of_z(err->detail), detail, sizeof detail);
    (void)snprintf(err->detail, sizeof err->detail, "%s/%s: %s", b->name, file, detail);
    return code;
}

static enum err_code damaged(const struct block *b, const char *file, const char *what,
                             struct err *err)
{
    return err_setf(err, ERR_CORRUPT, "damaged block", "%s/%s: %s", b->name, file, what);
}

/* ---- opening ---- */

/* A whole small file into the arena. */
static enum err_code read_small_file(struct blob *blob, size_t size_max, struct arena *a,
                                     struct bytes *out, struct err *err)
{
    size_t size = (size_t)blob->size_bytes;
    if (size > size_max) return err_set(err, ERR_CORRUPT, "file too large");
    uint8_t *ptr = arena_alloc_raw(a, size + 1, 1, 8);
    if (!ptr) return err_set(err, ERR_NOMEM, "no memory to open a block");
    *out = (struct bytes){ ptr, size };
    return size > 0 ? blob_read(blob, 0, ptr, size, err) : ERR_OK;
}

enum err_code block_read_meta(struct blobs *blobs, struct ulid id, struct arena *a,
                              struct block_meta *out, struct err *err)
{
    char name[ULID_TEXT_LEN + 1];
    struct blob *blob = NULL;
    struct bytes json;
    ulid_text(id, name);
    TRY(blobs_open(blobs, str_of_z(name), "meta.json", &blob, err));
    enum err_code code = read_small_file(blob, META_BYTES_MAX, a, &json, err);
    blob_close(blob);
    TRY(code);
    TRY(block_meta_parse(json, a, out, err));
    if (!ulid_eq(out->id, id))
        return err_setf(err, ERR_CORRUPT, "damaged meta.json", "another block's id");
    return ERR_OK;
}

/* A missing part of a block is damage; only a missing block is "not found". */
static enum err_code open_part(struct block *b, const char *file, struct blob **out,
                               struct err *err)
{
    enum err_code code = blobs_open(b->blobs, str_of_z(b->name), file, out, err);
    return code == ERR_NOTFOUND ? damaged(b, file, "file missing", err) : code;
}

static enum err_code open_index(struct block *b, struct err *err)
{
    struct bytes map;
    TRY(open_part(b, "index", &b->index_blob, err));
    if (b->index_blob->size_bytes != b->meta.index_bytes)
        return damaged(b, "index", "file size", err);
    TRY(block_error(b, "index", blob_map(b->index_blob, &map, err), err));
    TRY(index_view_init(&b->index, map, b->name, err));
    if (b->index.series_count != b->meta.series_count || b->index.page_count != b->meta.page_count)
        return damaged(b, "index", "does not belong to meta.json", err);
    return ERR_OK;
}

static enum err_code check_chunk_header(struct block *b, const char *file, struct blob *blob,
                                        struct err *err)
{
    uint8_t head[CHUNK_FILE_HEADER_SIZE];
    TRY(block_error(b, file, blob_read(blob, 0, head, sizeof head, err), err));
    struct rd r = rd_of((struct bytes){ head, sizeof head });
    if (rd_u32le(&r) != CHUNK_FILE_MAGIC) return damaged(b, file, "offset 0: magic", err);
    if (rd_u16le(&r) != CHUNK_FILE_VERSION)
        return err_setf(err, ERR_UNSUPPORTED, "chunk file of an unknown version", "%s/%s", b->name,
                        file);
    if (rd_u16le(&r) != 0 || rd_u64le(&r) != 0) return damaged(b, file, "offset 6: header", err);
    return ERR_OK;
}

static enum err_code add_chunk_file(struct block *b, struct blob *blob, struct err *err)
{
    if ((b->chunk_count & (b->chunk_count - 1)) == 0) { /* full at each power of two */
        size_t cap = b->chunk_count ? (size_t)b->chunk_count * 2 : 1;
        struct blob **grown = arena_array(&b->arena, struct blob *, cap);
        if (!grown) return err_set(err, ERR_NOMEM, "no memory to open a block");
        for (uint32_t i = 0; i < b->chunk_count; i++)
            grown[i] = b->chunks[i];
        b->chunks = grown;
    }
    b->chunks[b->chunk_count++] = blob;
    return ERR_OK;
}

/* chunks/000001, 000002, ... until one is missing; together they have the size of meta.json. */
static enum err_code open_chunks(struct block *b, struct err *err)
{
    uint64_t total = 0;
    while (b->chunk_count < CHUNK_FILES_MAX) {
        char file[CHUNK_FILE_NAME_SIZE];
        struct blob *blob = NULL;
        (void)snprintf(file, sizeof file, CHUNK_FILE_NAME_FORMAT, b->chunk_count + 1);
        enum err_code code = blobs_open(b->blobs, str_of_z(b->name), file, &blob, err);
        if (code == ERR_NOTFOUND) break;
        TRY(code);
        code = add_chunk_file(b, blob, err);
        if (code != ERR_OK) {
            blob_close(blob);
            return code;
        }
        TRY(check_chunk_header(b, file, blob, err));
        total += blob->size_bytes;
    }
    if (total != b->meta.chunk_bytes) return damaged(b, CHUNK_DIR, "size of the files", err);
    return ERR_OK;
}

static enum err_code read_tombstones(struct block *b, struct err *err)
{
    struct blob *blob = NULL;
    struct bytes file;
    TRY(open_part(b, TOMBSTONES_FILE, &blob, err));
    enum err_code code = ERR_OK;
    if (blob->size_bytes > TOMBSTONES_BYTES_MAX)
        code = damaged(b, TOMBSTONES_FILE, "too large", err);
    if (code == ERR_OK) code = blob_map(blob, &file, err);
    if (code == ERR_OK)
        code = tombstones_parse(file, b->index.series_count, b->mem, &b->tombstones, err);
    blob_close(blob);
    TRY(block_error(b, TOMBSTONES_FILE, code, err));
    b->meta.tombstone_count = b->tombstones->count;
    return ERR_OK;
}

enum err_code block_open(struct blobs *blobs, struct mem_budget *mem, struct ulid id,
                         struct block **out, struct err *err)
{
    struct block *created = mem_zalloc(mem, MEM_CACHE, sizeof *created);
    if (!created) return err_set(err, ERR_NOMEM, "no memory to open a block");
    created->magic = BLOCK_MAGIC;
    created->blobs = blobs;
    created->mem = mem;
    atomic_init(&created->refs, 1);
    mutex_init(&created->lock);
    mutex_init(&created->delete_lock);
    ulid_text(id, created->name);
    arena_init(&created->arena, mem_source_of(mem, MEM_CACHE), SIZE_MAX);
    CLEANUP(block_unref_p) struct block *b = created;
    TRY(block_error(b, "meta.json", block_read_meta(blobs, id, &b->arena, &b->meta, err), err));
    TRY(open_index(b, err));
    TRY(open_chunks(b, err));
    TRY(read_tombstones(b, err));
    *out = TAKE(b);
    return ERR_OK;
}

const struct block_meta *block_borrow_meta(const struct block *b)
{
    return &b->meta;
}

uint32_t block_series_count(const struct block *b)
{
    return b->index.series_count;
}

/* ---- pages ---- */

static enum err_code load_page(struct block *b, const struct index_page_entry *entry,
                               struct page_view *view, struct err *err)
{
    if (entry->file == 0 || entry->file > b->chunk_count)
        return err_set(err, ERR_CORRUPT, "page in a file that is missing");
    if (entry->size < PAGE_HEADER_SIZE || entry->size > PAGE_HEADER_SIZE + PAGE_RAW_MAX)
        return err_set(err, ERR_CORRUPT, "size of a page");
    uint8_t *dst = page_view_reserve(view, entry->size);
    if (!dst) return err_set(err, ERR_NOMEM, "no memory for a page of samples");
    TRY(blob_read(b->chunks[entry->file - 1], entry->offset, dst, entry->size, err));
    TRY(page_view_load(view, entry->size, err));
    bool is_right = view->mint_ms == entry->mint_ms && view->maxt_ms == entry->maxt_ms &&
                    view->vector_count == entry->vector_count &&
                    view->vectors[0].ordinal == entry->first_series;
    if (!is_right) {
        view->vector_count = 0;
        return err_set(err, ERR_CORRUPT, "page is not the one in the index");
    }
    return ERR_OK;
}

enum err_code block_page_error(struct block *b, uint32_t page, enum err_code code, struct err *err)
{
    struct index_page_entry entry;
    if (code == ERR_OK || !err || err->offset != 0) return code;
    if (index_page_read(&b->index, page, &entry, NULL) != ERR_OK) return code;
    char file[CHUNK_FILE_NAME_SIZE + 40];
    (void)snprintf(file, sizeof file, CHUNK_FILE_NAME_FORMAT ": offset %llu: page", entry.file,
                   (unsigned long long)entry.offset);
    err->offset = entry.offset;
    return block_error(b, file, code, err);
}

enum err_code block_page_load(struct block *b, uint32_t page, struct page_view *view,
                              struct err *err)
{
    struct index_page_entry entry;
    TRY(index_page_read(&b->index, page, &entry, err));
    return block_page_error(b, page, load_page(b, &entry, view, err), err);
}

enum err_code block_time_dict(struct block *b, struct time_dict_view *out, struct err *err)
{
    out->base_ms = b->meta.mint_ms;
    return index_section_get(&b->index, INDEX_TSDICT, &out->section, err);
}

/* ---- deletes ---- */

struct tombstones *block_tombstones(struct block *b)
{
    MUTEX_SCOPE(&b->lock);
    return tombstones_ref(b->tombstones);
}

uint64_t block_tombstone_count(struct block *b)
{
    MUTEX_SCOPE(&b->lock);
    return b->tombstones ? b->tombstones->count : 0;
}

static enum err_code publish_tombstones(struct block *b, struct tombstones *t, struct err *err)
{
    struct buf file;
    buf_init(&file, mem_source_of(b->mem, MEM_CACHE), TOMBSTONES_BYTES_MAX);
    tombstones_print(t, &file);
    enum err_code code = buf_failed(&file) ? err_set(err, ERR_NOMEM, "no memory for tombstones")
                                           : blobs_put(b->blobs, str_of_z(b->name), TOMBSTONES_FILE,
                                                       buf_bytes(&file), err);
    buf_deinit(&file);
    return code;
}

enum err_code block_delete_series(struct block *b, const struct postings *series,
                                  struct block_range range, struct err *err)
{
    if (range.mint_ms > range.maxt_ms || postings_is_empty(series)) return ERR_OK;
    MUTEX_SCOPE(&b->delete_lock);
    CLEANUP(tombstones_unref_p) struct tombstones *old = block_tombstones(b);
    CLEANUP(tombstones_unref_p) struct tombstones *t = NULL;
    TRY(tombstones_add(old, b->mem, series, range.mint_ms, range.maxt_ms, &t, err));
    TRY(publish_tombstones(b, t, err));
    mutex_lock(&b->lock);
    struct tombstones *replaced = b->tombstones;
    b->tombstones = TAKE(t);
    mutex_unlock(&b->lock);
    tombstones_unref(replaced);
    return ERR_OK;
}

enum err_code block_check_cancel(const struct cancel *cancel, struct err *err)
{
    if (!cancel) return ERR_OK;
    switch (cancel_get(cancel)) {
    case CANCEL_NONE: return ERR_OK;
    case CANCEL_TIMEOUT: return err_set(err, ERR_TIMEOUT, "query timed out");
    case CANCEL_CLIENT_GONE:
    case CANCEL_KILLED:
    case CANCEL_SHUTDOWN: break;
    }
    return err_set(err, ERR_CANCELLED, "query was cancelled");
}
