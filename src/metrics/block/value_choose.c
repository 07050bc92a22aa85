/* SPDX-License-Identifier: Apache-2.0
 *
 * Which codec holds a vector of integers in the fewest bytes: the exact size of each from
 * histograms of bit lengths.
 */
#include <string.h>

#include "base/assert.h"
#include "metrics/block/bitpack.h"
#include "metrics/block/value_priv.h"

/* RUNS is slower to decode than what it replaces, so it must be at least 1/RUNS_GAIN smaller. */
#define RUNS_GAIN 32

/* ---- sizes ---- */

/* How many values have each bit length. */
struct width_histogram {
    uint32_t count[65];
    unsigned max;
};

static void histogram_of(struct width_histogram *h, const uint64_t *u, size_t count)
{
    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < count; i++)
        h->count[bit_length(u[i])]++;
    for (h->max = 64; h->max > 0 && h->count[h->max] == 0;)
        h->max--;
}

/* Store u[0..count) in w bits each, the high parts of the wider ones apart. Bytes into out->size,
 * SIZE_MAX if that cannot be. */
static void best_packing(const struct width_histogram *h, size_t count, struct value_choice *out)
{
    size_t wider = 0;
    out->size = SIZE_MAX;
    for (unsigned w = h->max + 1; w-- > 0;) {
        if (w < h->max) wider += h->count[w + 1];
        unsigned wx = h->max - w;
        if (wx > BITPACK_WIDTH_MAX) break;
        if (w > BITPACK_WIDTH_MAX) continue;
        size_t size = bitpack_size(count, w) + bitpack_size(wider, EXCEPTION_POSITION_BITS) +
                      bitpack_size(wider, wx);
        if (size >= out->size) continue;
        out->size = size;
        out->w = w;
        out->wx = wider ? wx : 0;
        out->patches = (unsigned)wider;
    }
}

size_t value_gaps_size(const uint16_t *change_at, size_t changes)
{
    size_t size = uvarint_size(changes), from = 1;
    for (size_t i = 0; i < changes; i++) {
        size += change_at[i] - from < 128 ? 1 : 2;
        from = change_at[i] + 1u;
    }
    return size;
}

/* Positions i with x[i] != x[i-1] into enc->change_at. */
size_t value_find_changes(struct value_encoder *enc, size_t count)
{
    size_t k = 0;
    for (size_t i = 1; i < count; i++) {
        enc->change_at[k] = (uint16_t)i;
        k += enc->x[i] != enc->x[i - 1];
    }
    return k;
}

/* ---- the integers that are packed ---- */

/* u[i] = y[i] - min; returns min. */
static int64_t fill_for(const int64_t *restrict y, size_t count, uint64_t *restrict u)
{
    int64_t min = y[0];
    for (size_t i = 1; i < count; i++)
        min = y[i] < min ? y[i] : min;
    for (size_t i = 0; i < count; i++)
        u[i] = (uint64_t)y[i] - (uint64_t)min;
    return min;
}

/* u[i] = y[i+1] - y[i] - min, count - 1 of them; false on overflow. */
static bool fill_delta(const int64_t *restrict y, size_t count, uint64_t *restrict u,
                       int64_t *out_min)
{
    int64_t min = INT64_MAX, d;
    for (size_t i = 1; i < count; i++) {
        if (__builtin_sub_overflow(y[i], y[i - 1], &d)) return false;
        min = d < min ? d : min;
        u[i - 1] = (uint64_t)d;
    }
    for (size_t i = 0; i + 1 < count; i++)
        u[i] -= (uint64_t)min;
    *out_min = min;
    return true;
}

/* u[i] = zigzag of the (i+1)-th difference of differences, count - 2 of them. The deltas are known
 * not to overflow. */
static bool fill_dod(const int64_t *restrict y, size_t count, uint64_t *restrict u)
{
    int64_t last = y[1] - y[0], dod;
    for (size_t i = 2; i < count; i++) {
        int64_t d = y[i] - y[i - 1];
        if (__builtin_sub_overflow(d, last, &dod)) return false;
        u[i - 2] = zigzag_of(dod);
        last = d;
    }
    return true;
}

bool value_fill(enum value_codec codec, const int64_t *y, size_t count, uint64_t *u,
                int64_t *out_base)
{
    if (codec == VALUE_FOR) {
        *out_base = fill_for(y, count, u);
        return true;
    }
    if (codec == VALUE_DELTA) return count >= 2 && fill_delta(y, count, u, out_base);
    ASSERT(codec == VALUE_DOD);
    if (count < 3) return false;
    *out_base = y[1] - y[0];
    return fill_dod(y, count, u);
}

/* ---- candidates ---- */

/* Take `codec` of y[0..count) if it is smaller than *best. False: it cannot hold them. */
static bool offer_packed(struct value_encoder *enc, enum value_codec codec, const int64_t *y,
                         size_t count, struct value_choice *best)
{
    struct width_histogram h;
    struct value_choice c = { .codec = codec };
    size_t packed_count = count - (size_t)(codec - VALUE_FOR);
    if (!value_fill(codec, y, count, enc->u, &c.base)) return false;
    histogram_of(&h, enc->u, packed_count);
    best_packing(&h, packed_count, &c);
    if (c.size == SIZE_MAX) return false;
    c.size += uvarint_size(zigzag_of(c.base)) + 2 + uvarint_size(c.patches);
    if (c.size < best->size) *best = c;
    return true;
}

/* The same for SPARSE; enc->change_at is filled. */
static void offer_sparse(struct value_encoder *enc, size_t changes, struct value_choice *best)
{
    if (changes * 2 >= best->size) return;
    size_t size = value_gaps_size(enc->change_at, changes);
    for (size_t i = 0; i < changes; i++) {
        size_t at = enc->change_at[i];
        size += uvarint_size(zigzag_of(enc->x[at] - enc->x[at - 1]));
    }
    if (size < best->size)
        *best = (struct value_choice){ VALUE_SPARSE, size, 0, 0, 0, (unsigned)changes };
}

/* FOR, DELTA or DOD of one value per run, and a bit per sample that tells where runs begin. */
static void offer_runs(struct value_encoder *enc, size_t count, size_t changes,
                       struct value_choice *best)
{
    struct value_choice c = { .size = SIZE_MAX };
    size_t mask_size = bitpack_size(count - 1, 1), runs = changes + 1;
    /* A repeat saves 64 bits at most, a patched one more. */
    if ((count - runs) * 12 <= mask_size || best->size <= mask_size) return;
    enc->runs[0] = enc->x[0];
    for (size_t i = 0; i < changes; i++)
        enc->runs[i + 1] = enc->x[enc->change_at[i]];
    (void)offer_packed(enc, VALUE_FOR, enc->runs, runs, &c);
    if (offer_packed(enc, VALUE_DELTA, enc->runs, runs, &c))
        (void)offer_packed(enc, VALUE_DOD, enc->runs, runs, &c);
    if (c.size == SIZE_MAX || c.size + mask_size >= best->size - best->size / RUNS_GAIN) return;
    c.codec += VALUE_RUNS_FOR - VALUE_FOR;
    c.size += mask_size;
    *best = c;
}

bool value_choose(struct value_encoder *enc, size_t count, struct value_choice *out)
{
    size_t changes = value_find_changes(enc, count);
    *out = (struct value_choice){ .size = SIZE_MAX };
    (void)offer_packed(enc, VALUE_FOR, enc->x, count, out);
    if (offer_packed(enc, VALUE_DELTA, enc->x, count, out)) {
        offer_sparse(enc, changes, out);
        (void)offer_packed(enc, VALUE_DOD, enc->x, count, out);
    }
    offer_runs(enc, count, changes, out);
    return out->size != SIZE_MAX;
}
