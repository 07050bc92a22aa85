/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/block_writer.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "metrics/block/chunk_format.h"
#include "metrics/block/index_write.h"
#include "metrics/block/out_file.h"
#include "metrics/block/page.h"
#include "metrics/block/tombstones.h"

#define WRITER_MAGIC 0x52574250u
#define MEMORY_MAX ((size_t)64 << 20)
/* A block's range: differences of its times never overflow. */
#define RANGE_MAX (INT64_MAX / 4)

struct block_writer {
    uint32_t magic;
    struct block_writer_options options; /* id lists are the caller's */
    char name[ULID_TEXT_LEN + 1];
    char dir[FILE_PATH_SIZE];
    bool is_staged, is_poisoned, is_published;
    /* the current series: written to the index with its first sample */
    struct arena label_texts[2]; /* current and last, in turn */
    struct labels labels, last_labels;
    bool has_series, is_series_written, has_last;
    uint32_t ordinal; /* of the current series, once written */
    int64_t last_ts_ms;
    /* samples of the current series that do not fill a vector yet */
    int64_t ts_ms[VECTOR_SAMPLES_MAX];
    double value[VECTOR_SAMPLES_MAX];
    size_t pending;

    struct time_dict dict;
    struct zstd_encoder *zstd;
    struct page_builder page;
    struct buf page_bytes;
    struct out_file chunks;
    uint32_t chunk_file; /* number of the open one; 0: none yet */
    struct index_writer index;
    uint64_t sample_count, series_count, page_count, chunk_bytes;
};

static enum err_code check_options(const struct block_writer_options *o, struct err *err)
{
    int64_t range;
    if (__builtin_sub_overflow(o->maxt_ms, o->mint_ms, &range) || range <= 0 || range > RANGE_MAX)
        return err_set(err, ERR_INVALID, "time range of a block");
    if (ulid_is_none(o->id)) return err_set(err, ERR_INVALID, "block without an id");
    return ERR_OK;
}

static enum err_code open_staging(struct block_writer *w, struct err *err)
{
    char chunks[FILE_PATH_SIZE];
    const struct file_layer *l = w->options.blobs->files;
    TRY(blobs_stage(w->options.blobs, str_of_z(w->name), w->dir, err));
    w->is_staged = true;
    TRY(file_join(chunks, w->dir, CHUNK_DIR, err));
    return l->mkdir(l->ctx, chunks, err);
}

enum err_code block_writer_create(const struct block_writer_options *options,
                                  struct block_writer **out, struct err *err)
{
    TRY(check_options(options, err));
    struct mem_budget *mem = options->mem;
    CLEANUP(block_writer_destroy_p)
    struct block_writer *w = mem_zalloc(mem, MEM_COMPACTION, sizeof *w);
    if (!w) return err_set(err, ERR_NOMEM, "no memory to write a block");
    const struct mem_source *source = mem_source_of(mem, MEM_COMPACTION);
    w->magic = WRITER_MAGIC;
    w->options = *options;
    if (w->options.level == 0) w->options.level = 1;
    if (w->options.memory_max == 0) w->options.memory_max = MEMORY_MAX;
    ulid_text(options->id, w->name);
    arena_init(&w->label_texts[0], source, SIZE_MAX);
    arena_init(&w->label_texts[1], source, SIZE_MAX);
    buf_init(&w->page_bytes, source, 4 * PAGE_RAW_MAX);
    uint64_t seed;
    memcpy(&seed, options->id.octets + 8, sizeof seed);
    time_dict_init(&w->dict, mem, options->mint_ms, seed);
    index_writer_init(&w->index, mem, options->blobs->files, w->dir, w->options.memory_max);
    if (options->has_zstd_pages) TRY(zstd_encoder_create(mem, MEM_COMPACTION, 1, &w->zstd, err));
    TRY(page_builder_init(&w->page, mem, &w->dict, w->zstd, err));
    TRY(open_staging(w, err));
    *out = TAKE(w);
    return ERR_OK;
}

void block_writer_destroy(struct block_writer *w)
{
    if (!w) return;
    ASSERT(w->magic == WRITER_MAGIC);
    out_file_abort(&w->chunks);
    index_writer_deinit(&w->index);
    if (w->is_staged && !w->is_published) {
        enum err_code code = blobs_discard(w->options.blobs, str_of_z(w->name), NULL);
        (void)code; /* what stays is swept at the next start */
    }
    page_builder_deinit(&w->page);
    zstd_encoder_destroy(w->zstd);
    time_dict_deinit(&w->dict);
    buf_deinit(&w->page_bytes);
    arena_deinit(&w->label_texts[0]);
    arena_deinit(&w->label_texts[1]);
    w->magic = 0;
    mem_free(w->options.mem, MEM_COMPACTION, w, sizeof *w);
}

/* ---- pages ---- */

static enum err_code next_chunk_file(struct block_writer *w, struct err *err)
{
    if (w->chunk_file > 0) TRY(out_file_finish(&w->chunks, err));
    char name[CHUNK_FILE_NAME_SIZE];
    (void)snprintf(name, sizeof name, CHUNK_FILE_NAME_FORMAT, ++w->chunk_file);
    TRY(out_file_open(&w->chunks, w->options.blobs->files, w->options.mem, w->dir, name, err));
    struct {
        uint32_t magic;
        uint16_t version, zero;
        uint64_t zero_too;
    } header = { CHUNK_FILE_MAGIC, CHUNK_FILE_VERSION, 0, 0 };
    _Static_assert(sizeof header == CHUNK_FILE_HEADER_SIZE, "on-disk format");
    out_file_put(&w->chunks, &header, sizeof header);
    w->chunk_bytes += sizeof header;
    return ERR_OK;
}

static enum err_code write_page(struct block_writer *w, struct err *err)
{
    if (w->page.vector_count == 0) return ERR_OK;
    struct index_page entry = { .first_series = w->page.vectors[0].ordinal,
                                .mint_ms = w->page.mint_ms,
                                .maxt_ms = w->page.maxt_ms,
                                .vector_count = (uint32_t)w->page.vector_count };
    buf_reset(&w->page_bytes);
    TRY(page_builder_finish(&w->page, &w->page_bytes, err));
    if (w->chunk_file == 0 || w->chunks.offset + w->page_bytes.len > CHUNK_FILE_BYTES_MAX)
        TRY(next_chunk_file(w, err));
    uint64_t before = w->chunks.offset;
    out_file_align(&w->chunks, PAGE_ALIGN);
    entry.file = w->chunk_file;
    entry.offset = w->chunks.offset;
    entry.size = u32_from_u64(w->page_bytes.len);
    out_file_put(&w->chunks, w->page_bytes.ptr, w->page_bytes.len);
    index_writer_add_page(&w->index, &entry);
    w->chunk_bytes += w->chunks.offset - before;
    w->page_count++;
    return out_file_check(&w->chunks, err);
}

/* The pending samples become a vector. */
static enum err_code write_vector(struct block_writer *w, const int64_t *ts_ms, const double *value,
                                  size_t count, struct err *err)
{
    if (count == 0) return ERR_OK;
    if (page_builder_is_full(&w->page, w->ordinal)) TRY(write_page(w, err));
    return page_builder_add(&w->page, w->ordinal, ts_ms, value, count, err);
}

static enum err_code flush_pending(struct block_writer *w, struct err *err)
{
    size_t count = w->pending;
    w->pending = 0;
    return write_vector(w, w->ts_ms, w->value, count, err);
}

/* ---- series ---- */

/* After a failure in the middle of writing nothing more can be right. */
static enum err_code poison(struct block_writer *w, enum err_code code)
{
    if (code != ERR_OK) w->is_poisoned = true;
    return code;
}

static enum err_code check_usable(const struct block_writer *w, struct err *err)
{
    ASSERT(w->magic == WRITER_MAGIC);
    if (!w->is_poisoned && !w->is_published) return ERR_OK;
    return err_set(err, ERR_CONFLICT, "block writer used after it failed or finished");
}

enum err_code block_writer_add_series(struct block_writer *w, struct labels labels, struct err *err)
{
    TRY(check_usable(w, err));
    if (w->is_series_written) { /* the current one becomes the last one */
        w->last_labels = w->labels;
        w->has_last = true;
        struct arena texts = w->label_texts[0];
        w->label_texts[0] = w->label_texts[1];
        w->label_texts[1] = texts;
    }
    w->has_series = w->is_series_written = false;
    if (w->has_last && block_order_cmp(w->last_labels, labels) >= 0)
        return err_set(err, ERR_INVALID, "series out of block order");
    TRY(poison(w, flush_pending(w, err)));
    arena_reset(&w->label_texts[0]);
    TRY(labels_copy(&w->label_texts[0], labels, &w->labels, err));
    w->has_series = true;
    return ERR_OK;
}

static enum err_code check_samples(const struct block_writer *w, const struct sample_columns *s,
                                   struct err *err)
{
    if (!w->has_series) return err_set(err, ERR_INVALID, "samples without a series");
    if (s->h) return err_set(err, ERR_UNSUPPORTED, "native histograms in a block");
    bool is_sound = s->ts_ms[0] >= w->options.mint_ms &&
                    s->ts_ms[s->count - 1] < w->options.maxt_ms &&
                    (!w->is_series_written || s->ts_ms[0] > w->last_ts_ms);
    for (size_t i = 1; i < s->count; i++)
        is_sound &= s->ts_ms[i] > s->ts_ms[i - 1];
    return is_sound ? ERR_OK : err_set(err, ERR_INVALID, "samples out of order or range");
}

static enum err_code begin_series(struct block_writer *w, struct err *err)
{
    if (w->series_count >= UINT32_MAX) return err_set(err, ERR_LIMIT, "too many series");
    TRY(index_writer_add_series(&w->index, w->labels, err));
    w->ordinal = (uint32_t)w->series_count++;
    w->is_series_written = true;
    return ERR_OK;
}

/* Cut into vectors; what does not fill one waits. */
static enum err_code put_samples(struct block_writer *w, const struct sample_columns *s,
                                 struct err *err)
{
    size_t at = 0;
    while (at < s->count) {
        if (w->pending == 0 && s->count - at >= VECTOR_SAMPLES_MAX) {
            TRY(write_vector(w, s->ts_ms + at, s->value + at, VECTOR_SAMPLES_MAX, err));
            at += VECTOR_SAMPLES_MAX;
            continue;
        }
        size_t room = VECTOR_SAMPLES_MAX - w->pending;
        size_t n = s->count - at < room ? s->count - at : room;
        memcpy(w->ts_ms + w->pending, s->ts_ms + at, n * sizeof *w->ts_ms);
        memcpy(w->value + w->pending, s->value + at, n * sizeof *w->value);
        w->pending += n;
        at += n;
        if (w->pending == VECTOR_SAMPLES_MAX) TRY(flush_pending(w, err));
    }
    return ERR_OK;
}

enum err_code block_writer_add_samples(struct block_writer *w, const struct sample_columns *samples,
                                       struct err *err)
{
    TRY(check_usable(w, err));
    if (samples->count == 0) return ERR_OK;
    TRY(check_samples(w, samples, err));
    if (!w->is_series_written) TRY(poison(w, begin_series(w, err)));
    TRY(poison(w, put_samples(w, samples, err)));
    w->last_ts_ms = samples->ts_ms[samples->count - 1];
    w->sample_count += samples->count;
    return ERR_OK;
}

uint64_t block_writer_series_count(const struct block_writer *w)
{
    return w->series_count;
}

uint64_t block_writer_sample_count(const struct block_writer *w)
{
    return w->sample_count;
}

/* ---- the end ---- */

static enum err_code copy_ulids(struct arena *a, const struct ulid *ids, size_t count,
                                const struct ulid **out, struct err *err)
{
    struct ulid *copy = arena_array(a, struct ulid, count ? count : 1);
    if (!copy) return err_set(err, ERR_NOMEM, "no memory for the ids of a block");
    if (count > 0) memcpy(copy, ids, count * sizeof *ids);
    *out = copy;
    return ERR_OK;
}

static enum err_code fill_meta(const struct block_writer *w, uint64_t index_bytes, struct arena *a,
                               struct block_meta *out, struct err *err)
{
    const struct block_writer_options *o = &w->options;
    struct block_meta m = { .id = o->id,
                            .mint_ms = o->mint_ms,
                            .maxt_ms = o->maxt_ms,
                            .sample_count = w->sample_count,
                            .series_count = w->series_count,
                            .page_count = w->page_count,
                            .size_bytes = w->chunk_bytes + index_bytes,
                            .chunk_bytes = w->chunk_bytes,
                            .index_bytes = index_bytes,
                            .level = o->level,
                            .has_zstd_pages = o->has_zstd_pages,
                            .source_count = o->source_count ? o->source_count : 1,
                            .parent_count = o->parent_count };
    const struct ulid *sources = o->source_count ? o->sources : &o->id;
    TRY(copy_ulids(a, sources, m.source_count, &m.sources, err));
    TRY(copy_ulids(a, o->parents, m.parent_count, &m.parents, err));
    *out = m;
    return ERR_OK;
}

static enum err_code write_small_file(struct block_writer *w, const char *name,
                                      const struct buf *content, struct err *err)
{
    struct out_file f;
    if (buf_failed(content)) return err_set(err, ERR_NOMEM, "no memory to write a block");
    TRY(out_file_open(&f, w->options.blobs->files, w->options.mem, w->dir, name, err));
    out_file_put(&f, content->ptr, content->len);
    return out_file_finish(&f, err);
}

static enum err_code write_all(struct block_writer *w, struct arena *a, struct block_meta *meta,
                               struct err *err)
{
    uint64_t index_bytes = 0;
    TRY(flush_pending(w, err));
    TRY(write_page(w, err));
    TRY(out_file_finish(&w->chunks, err));
    TRY(index_writer_finish(&w->index, &w->dict, &index_bytes, err));
    index_writer_deinit(&w->index); /* the scratch file is not published */
    TRY(fill_meta(w, index_bytes, a, meta, err));
    buf_reset(&w->page_bytes);
    tombstones_print(NULL, &w->page_bytes);
    TRY(write_small_file(w, TOMBSTONES_FILE, &w->page_bytes, err));
    buf_reset(&w->page_bytes);
    block_meta_print(meta, &w->page_bytes);
    TRY(write_small_file(w, "meta.json", &w->page_bytes, err));
    return blobs_publish(w->options.blobs, str_of_z(w->name), err);
}

enum err_code block_writer_finish(struct block_writer *w, struct arena *a, struct block_meta *out,
                                  struct err *err)
{
    TRY(check_usable(w, err));
    if (w->sample_count == 0) return err_set(err, ERR_NOTFOUND, "a block without samples");
    struct block_meta meta;
    TRY(poison(w, write_all(w, a, &meta, err)));
    w->is_published = true;
    *out = meta;
    return ERR_OK;
}
