/* SPDX-License-Identifier: Apache-2.0
 *
 * batch_maker - batches for tests. A key is the text "name=value,name=value"; its labels are those
 * pairs.
 */
#ifndef PHAROS_TESTS_BATCH_MAKER_H
#define PHAROS_TESTS_BATCH_MAKER_H

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/hash.h"
#include "model/batch.h"
#include "os/mem.h"

#define MAKER_SERIES_MAX 4096
#define MAKER_SAMPLES_MAX 65536

#define MAKER_TEXT_MAX ((size_t)4 << 20)

/* Series, samples and keys are of the test's own memory; what the append allocates is the budget's. */
struct batch_maker {
    struct arena arena;
    struct batch batch;
    struct batch_series *series;
    struct sample *samples;
    char *text;
    size_t text_len;
    size_t decoded; /* calls of decode */
};

static inline enum err_code maker_decode(const struct batch *batch, const struct batch_series *s,
                                         struct labels_builder *b, struct labels *out,
                                         struct err *err)
{
    struct batch_maker *m = (struct batch_maker *)(uintptr_t)batch->decode_ctx;
    m->decoded++;
    struct str rest = str_of_bytes(s->key);
    if (str_starts_with(rest, STR("drop"))) return ERR_NOTFOUND;
    struct str pair;
    while (str_split(&rest, ',', &pair)) {
        size_t at = str_index(pair, '=');
        labels_builder_add(b, str_sub(pair, 0, at), str_sub(pair, at + 1, pair.len));
    }
    const struct label_limits limits = LABEL_LIMITS_DEFAULT;
    return labels_builder_finish(b, &limits, out, err);
}

static inline void batch_maker_init(struct batch_maker *m, struct mem_budget *mem)
{
    *m = (struct batch_maker){ 0 };
    arena_init(&m->arena, mem_source_of(mem, MEM_INGEST), (size_t)256 << 20);
    m->series = calloc(MAKER_SERIES_MAX, sizeof *m->series);
    m->samples = calloc(MAKER_SAMPLES_MAX, sizeof *m->samples);
    m->text = malloc(MAKER_TEXT_MAX);
    if (m->series == NULL || m->samples == NULL || m->text == NULL) abort();
}
static inline void batch_maker_deinit(struct batch_maker *m)
{
    arena_deinit(&m->arena);
    free(m->series);
    free(m->samples);
    free(m->text);
}
static inline void batch_maker_begin(struct batch_maker *m)
{
    arena_reset(&m->arena);
    m->text_len = 0;
    m->batch = (struct batch){ .arena = &m->arena,
                               .series = m->series,
                               .samples = m->samples,
                               .decode = maker_decode,
                               .decode_ctx = m };
}
/* A series without samples yet; returns its index. */
static inline uint32_t batch_maker_series(struct batch_maker *m, const char *key)
{
    struct str copy = { m->text + m->text_len, strlen(key) };
    if (m->text_len + copy.len > MAKER_TEXT_MAX || m->batch.series_count == MAKER_SERIES_MAX)
        abort();
    memcpy(m->text + m->text_len, key, copy.len);
    m->text_len += copy.len;
    uint32_t i = (uint32_t)m->batch.series_count++;
    m->batch.series[i] = (struct batch_series){ .key = bytes_of_str(copy),
                                                .key_hash = hash128(copy.ptr, copy.len, 99),
                                                .sample_first = (uint32_t)m->batch.sample_count };
    return i;
}
/* A sample of the series added last. */
static inline void batch_maker_sample(struct batch_maker *m, int64_t t, uint64_t bits)
{
    struct batch_series *s = &m->batch.series[m->batch.series_count - 1];
    if (m->batch.sample_count == MAKER_SAMPLES_MAX) abort();
    m->batch.samples[m->batch.sample_count++] = (struct sample){ t, double_of_bits(bits) };
    s->sample_count++;
}
static inline void batch_maker_one(struct batch_maker *m, const char *key, int64_t t, double v)
{
    (void)batch_maker_series(m, key);
    batch_maker_sample(m, t, bits_of_double(v));
}

#endif
