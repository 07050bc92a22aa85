/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole block from untrusted bytes: u32 size of the index, the index, the chunk file. All checksums are made
 * right and meta.json is made to fit; then everything a reader can do is done. No crash, no leak, bounded time.
 */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "metrics/block/block.h"
#include "metrics/block/index_format.h"
#include "metrics/block/page.h"
#include "metrics/block/tombstones.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORK_MAX 300 /* series, names, pages looked at */

/* ---- a store of one block in memory ---- */

struct memory_file {
    const char *name;
    struct bytes content;
};

struct memory_store {
    struct blobs base;
    struct memory_file files[4];
};

struct memory_blob {
    struct blob base;
    struct bytes content;
};

static enum err_code blob_read_memory(struct blob *b, uint64_t offset, void *dst, size_t len,
                                      struct err *err)
{
    struct bytes c = ((struct memory_blob *)b)->content;
    if (offset > c.len || len > c.len - offset) return err_set(err, ERR_CORRUPT, "too short");
    memcpy(dst, c.ptr + offset, len);
    return ERR_OK;
}

static enum err_code blob_map_memory(struct blob *b, struct bytes *out, struct err *err)
{
    (void)err;
    *out = ((struct memory_blob *)b)->content;
    return ERR_OK;
}

static void blob_close_memory(struct blob *b)
{
    free(b);
}

static const struct blob_ops MEMORY_BLOB = { blob_read_memory, blob_map_memory, blob_close_memory };

static enum err_code open_memory(struct blobs *b, struct str name, const char *file,
                                 struct blob **out, struct err *err)
{
    struct memory_store *s = (struct memory_store *)b;
    (void)name;
    for (int i = 0; i < 4; i++) {
        if (strcmp(s->files[i].name, file) != 0) continue;
        struct memory_blob *blob = calloc(1, sizeof *blob);
        if (!blob) return err_set(err, ERR_NOMEM, "no memory");
        blob->base = (struct blob){ &MEMORY_BLOB, s->files[i].content.len };
        blob->content = s->files[i].content;
        *out = &blob->base;
        return ERR_OK;
    }
    return err_set(err, ERR_NOTFOUND, "no such file");
}

static const struct blobs_ops MEMORY_STORE = { .open = open_memory };

/* ---- making checksums right ---- */

static uint64_t u64_at(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static uint32_t u32_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static void put_crc(uint8_t *at, const uint8_t *from, size_t size)
{
    uint32_t crc = crc32c(0, from, size);
    memcpy(at, &crc, 4);
}

static void repair_index(uint8_t *index, size_t size, struct index_extent toc[INDEX_SECTION_COUNT])
{
    uint8_t *table = index + size - INDEX_TOC_SIZE;
    uint64_t end = size - INDEX_TOC_SIZE;
    for (int i = 0; i < INDEX_SECTION_COUNT; i++) {
        struct index_extent e = { u64_at(table + 8 + i * 16), u64_at(table + 16 + i * 16) };
        toc[i] = (struct index_extent){ 0 };
        if (e.offset > end || e.size > end - e.offset || end - e.offset - e.size < 4) continue;
        put_crc(index + e.offset + e.size, index + e.offset, e.size);
        toc[i] = e;
    }
    put_crc(table + INDEX_TOC_SIZE - 4, table, INDEX_TOC_SIZE - 4);
}

static void repair_pages(const uint8_t *index, struct index_extent pages, uint8_t *chunks,
                         size_t size)
{
    for (uint64_t i = 0; i + PAGE_ENTRY_SIZE <= pages.size && i < WORK_MAX * PAGE_ENTRY_SIZE;
         i += PAGE_ENTRY_SIZE) {
        const uint8_t *entry = index + pages.offset + i;
        uint64_t offset = u64_at(entry + 24);
        uint32_t length = u32_at(entry + 32);
        if (offset > size || length > size - offset || length < PAGE_HEADER_SIZE) continue;
        put_crc(chunks + offset + 12, chunks + offset + 16, length - 16);
    }
}

/* ---- what a reader can do ---- */

static void read_series(struct block *b, struct mem_budget *mem, struct arena *a)
{
    struct block_reader *r = NULL;
    struct block_labels *c = NULL;
    struct sample_buf got;
    struct block_range middle = { 1700006400000 + 1000000, 1700006400000 + 3000000 };
    sample_buf_init(&got, mem_source_of(mem, MEM_QUERY));
    if (block_labels_create(b, a, &c, NULL) != ERR_OK) c = NULL;
    if (block_reader_create(b, mem, &r, NULL) != ERR_OK) return;
    uint32_t count = block_series_count(b);
    for (uint32_t k = 0; k < WORK_MAX && k < count; k++) {
        struct labels labels;
        uint32_t ordinal = k % 7 ? k : count - 1 - k;
        sample_buf_reset(&got);
        (void)(block_reader_read(r, ordinal, k % 2 ? middle : (struct block_range){ 0, INT64_MAX },
                                 &got, NULL) == ERR_OK);
        for (size_t i = 1; i < got.cols.count; i++)
            if (got.cols.ts_ms[i] <= got.cols.ts_ms[i - 1]) __builtin_trap();
        if (c) (void)(block_labels_read(c, ordinal, &labels, NULL) == ERR_OK);
    }
    block_reader_destroy(r);
    sample_buf_deinit(&got);
}

static void ask(struct block *b, struct arena *a)
{
    struct matcher m[] = { { MATCH_EQ, LABEL_METRIC_NAME, STR("cpu_active_total"), NULL },
                           { MATCH_NE, STR("job"), STR("node"), NULL } };
    struct block_match_options options = { MEM_QUERY, NULL };
    struct postings *p = NULL;
    struct str_list list;
    for (size_t count = 0; count <= 2; count++) {
        if (block_match(b, (struct matchers){ m, count }, &options, &p, NULL) != ERR_OK) continue;
        struct block_values_query q = { STR("instance"), count ? p : NULL, 50, NULL };
        (void)(block_label_values(b, &q, a, &list, NULL) == ERR_OK);
        (void)(block_label_names(b, p, a, &list, NULL) == ERR_OK);
        postings_destroy(p);
    }
}

static void open_and_use(struct memory_store *store, struct ulid id, struct mem_budget *mem)
{
    struct block *b = NULL;
    struct arena a;
    arena_init(&a, mem_source_of(mem, MEM_QUERY), 16u << 20);
    if (block_open(&store->base, mem, id, &b, NULL) == ERR_OK) {
        read_series(b, mem, &a);
        ask(b, &a);
        (void)(block_verify(b, NULL, NULL) == ERR_OK);
        block_unref(b);
    }
    arena_deinit(&a);
}

static void run(uint8_t *index, size_t index_size, uint8_t *chunks, size_t chunk_size)
{
    struct mem_budget *mem = mem_budget_create(256u << 20);
    struct index_extent toc[INDEX_SECTION_COUNT];
    struct buf meta_json, no_tombstones;
    struct block_meta meta = { .id = { { 1, 2, 3 } },
                               .mint_ms = 1700006400000,
                               .maxt_ms = 1700006400000 + 7200000,
                               .sample_count = 1,
                               .index_bytes = index_size,
                               .chunk_bytes = chunk_size,
                               .level = 1 };
    repair_index(index, index_size, toc);
    repair_pages(index, toc[INDEX_PAGES], chunks, chunk_size);
    if (toc[INDEX_SERIES].size >= 8) meta.series_count = u32_at(index + toc[INDEX_SERIES].offset);
    meta.page_count = toc[INDEX_PAGES].size / PAGE_ENTRY_SIZE;
    buf_init(&meta_json, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    buf_init(&no_tombstones, mem_source_of(mem, MEM_SYSTEM), 1 << 20);
    block_meta_print(&meta, &meta_json);
    tombstones_print(NULL, &no_tombstones);
    struct memory_store store = { .base = { &MEMORY_STORE, NULL },
                                  .files = { { "meta.json", buf_bytes(&meta_json) },
                                             { "index", { index, index_size } },
                                             { "chunks/000001", { chunks, chunk_size } },
                                             { "tombstones", buf_bytes(&no_tombstones) } } };
    open_and_use(&store, meta.id, mem);
    buf_deinit(&meta_json);
    buf_deinit(&no_tombstones);
    for (enum mem_account account = 0; account < MEM_ACCOUNT_COUNT; account++)
        if (mem_used(mem, account) != 0) __builtin_trap();
    mem_budget_destroy(mem);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4 + INDEX_TOC_SIZE || size > 65536) return 0;
    size_t index_size = u32_at(data);
    if (index_size < INDEX_TOC_SIZE || index_size > size - 4) return 0;
    /* Exact copies, so that the sanitizer sees every read outside a file. */
    size_t chunk_size = size - 4 - index_size;
    uint8_t *index = malloc(index_size), *chunks = malloc(chunk_size + 1);
    if (index && chunks) {
        memcpy(index, data + 4, index_size);
        memcpy(chunks, data + 4 + index_size, chunk_size);
        run(index, index_size, chunks, chunk_size);
    }
    free(index);
    free(chunks);
    return 0;
}
