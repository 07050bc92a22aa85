/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/block/time_codec.h"

#include "base/assert.h"
#include "base/num.h"
#include "metrics/block/bitpack.h"
#include "metrics/block/kernel.h"

/* ---- encoding ---- */

bool time_encode_regular(const int64_t *ts_ms, size_t count, struct time_desc *out)
{
    int64_t step = count > 1 ? ts_ms[1] - ts_ms[0] : 0;
    for (size_t i = 2; i < count; i++)
        if (ts_ms[i] - ts_ms[i - 1] != step) return false;
    *out = (struct time_desc){ .codec = TIME_REG, .start_ms = ts_ms[0], .step_ms = (uint64_t)step };
    return true;
}

static size_t uvarint_size(uint64_t v)
{
    unsigned bits = bit_length(v);
    return bits == 0 ? 1 : (bits + 6) / 7;
}

/* The delta that more than half of them have, if there is one; else some delta (Boyer and Moore's
 * majority vote). */
static int64_t majority_step(const int64_t *ts_ms, size_t count)
{
    int64_t step = ts_ms[1] - ts_ms[0];
    size_t votes = 0;
    for (size_t i = 1; i < count; i++) {
        int64_t delta = ts_ms[i] - ts_ms[i - 1];
        if (votes == 0) step = delta;
        if (delta == step)
            votes++;
        else
            votes--;
    }
    return step;
}

/* Emit into `payload`, or only measure when it is NULL. */
static size_t gaps_payload(const int64_t *ts_ms, size_t count, int64_t step, struct buf *payload,
                           size_t *out_gaps)
{
    size_t size = 0, gaps = 0, from = 0;
    for (size_t i = 0; i + 1 < count; i++) {
        int64_t odd = ts_ms[i + 1] - ts_ms[i] - step;
        if (odd == 0) continue;
        size += uvarint_size(i - from) + uvarint_size(zigzag_of(odd));
        if (payload) {
            buf_put_uvarint(payload, i - from);
            buf_put_zigzag(payload, odd);
        }
        from = i;
        gaps++;
    }
    *out_gaps = gaps;
    return size;
}

static size_t dod_payload(const int64_t *ts_ms, size_t count, struct buf *payload)
{
    size_t size = 0;
    for (size_t i = 2; i < count; i++) {
        int64_t dod = (ts_ms[i] - ts_ms[i - 1]) - (ts_ms[i - 1] - ts_ms[i - 2]);
        size += uvarint_size(zigzag_of(dod));
        if (payload) buf_put_zigzag(payload, dod);
    }
    return size;
}

/* Residuals against the mean step. */
struct jitter {
    int64_t step, min;
    unsigned w;
};

static struct jitter jitter_of(const int64_t *ts_ms, size_t count)
{
    int64_t span = ts_ms[count - 1] - ts_ms[0], n = (int64_t)count - 1;
    struct jitter j = { (span + n / 2) / n, 0, 0 };
    int64_t max = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t residual = ts_ms[i] - (ts_ms[0] + (int64_t)i * j.step);
        j.min = residual < j.min ? residual : j.min;
        max = residual > max ? residual : max;
    }
    j.w = bit_length((uint64_t)(max - j.min));
    return j;
}

static void put_jitter(const int64_t *ts_ms, size_t count, const struct jitter *j,
                       struct buf *payload)
{
    uint64_t u[VECTOR_SAMPLES_MAX];
    for (size_t i = 0; i < count; i++)
        u[i] = (uint64_t)(ts_ms[i] - (ts_ms[0] + (int64_t)i * j->step) - j->min);
    bitpack_put(payload, u, count, j->w);
}

void time_encode_irregular(const int64_t *ts_ms, size_t count, bool may_be_dod, struct buf *payload,
                           struct time_desc *out)
{
    ASSERT(count >= 2 && count <= VECTOR_SAMPLES_MAX);
    int64_t step = majority_step(ts_ms, count);
    size_t gaps = 0;
    size_t gaps_size = gaps_payload(ts_ms, count, step, NULL, &gaps);
    struct jitter j = jitter_of(ts_ms, count);
    size_t jitter_size = j.w <= BITPACK_WIDTH_MAX ? bitpack_size(count, j.w) + 2 : SIZE_MAX;
    size_t dod_size = may_be_dod ? dod_payload(ts_ms, count, NULL) : SIZE_MAX;
    *out = (struct time_desc){ .start_ms = ts_ms[0] };
    if (gaps_size <= jitter_size && gaps_size <= dod_size) {
        out->codec = TIME_GAPS;
        out->step_ms = (uint64_t)step;
        out->gaps = (uint16_t)gaps;
        (void)gaps_payload(ts_ms, count, step, payload, &gaps);
    } else if (jitter_size <= dod_size) {
        out->codec = TIME_JITTER;
        out->step_ms = (uint64_t)j.step;
        out->residual_min = j.min;
        out->w = (uint8_t)j.w;
        put_jitter(ts_ms, count, &j, payload);
    } else {
        out->codec = TIME_DOD;
        out->step_ms = (uint64_t)(ts_ms[1] - ts_ms[0]);
        (void)dod_payload(ts_ms, count, payload);
    }
}

/* ---- descriptors ---- */

void time_desc_put(const struct time_desc *d, int64_t base_ms, struct buf *out)
{
    if (d->codec == TIME_SHARED) {
        buf_put_uvarint(out, d->shared_id);
        return;
    }
    buf_put_zigzag(out, d->start_ms - base_ms);
    buf_put_uvarint(out, d->step_ms);
    if (d->codec == TIME_GAPS) buf_put_uvarint(out, d->gaps);
    if (d->codec == TIME_JITTER) {
        buf_put_zigzag(out, d->residual_min);
        buf_put_u8(out, d->w);
    }
}

bool time_desc_read(struct rd *r, size_t count, int64_t base_ms, struct time_desc *d)
{
    if (d->codec > TIME_DOD) return false;
    if (d->codec == TIME_SHARED) {
        uint64_t id = rd_uvarint(r);
        d->shared_id = (uint32_t)id;
        return rd_ok(r) && id <= UINT32_MAX;
    }
    d->start_ms = (int64_t)((uint64_t)rd_zigzag(r) + (uint64_t)base_ms);
    d->step_ms = rd_uvarint(r);
    if (d->codec == TIME_GAPS) {
        uint64_t gaps = rd_uvarint(r);
        if (gaps >= count) return false;
        d->gaps = (uint16_t)gaps;
    }
    if (d->codec == TIME_JITTER) {
        d->residual_min = rd_zigzag(r);
        d->w = rd_u8(r);
        if (d->w > BITPACK_WIDTH_MAX) return false;
    }
    return rd_ok(r) && (count >= 2 || d->codec == TIME_REG);
}

/* ---- decoding: wrapping arithmetic, the result is checked ---- */

KERNEL static void fill_regular(uint64_t start, uint64_t step, size_t count, int64_t *restrict out)
{
    uint64_t t[4] = { start, start + step, start + 2 * step, start + 3 * step };
    size_t i = 0;
    for (; i + 4 <= count; i += 4) { /* four sums side by side: a vector */
        for (size_t k = 0; k < 4; k++) {
            out[i + k] = (int64_t)t[k];
            t[k] += 4 * step;
        }
    }
    for (size_t k = 0; i < count; i++, k++)
        out[i] = (int64_t)t[k];
}

/* t[i] += start + i * step */
KERNEL static void add_regular(uint64_t start, uint64_t step, size_t count, uint64_t *restrict t)
{
    uint64_t r[4] = { start, start + step, start + 2 * step, start + 3 * step };
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        for (size_t k = 0; k < 4; k++) {
            t[i + k] += r[k];
            r[k] += 4 * step;
        }
    }
    for (size_t k = 0; i < count; i++, k++)
        t[i] += r[k];
}

static bool decode_gaps(const struct time_desc *d, struct rd *r, size_t count, int64_t *out)
{
    uint64_t t = (uint64_t)d->start_ms;
    size_t done = 0, from = 0; /* out[0..done) is written */
    for (size_t k = 0; k < d->gaps; k++) {
        uint64_t ahead = rd_uvarint(r), odd = (uint64_t)rd_zigzag(r);
        if (!rd_ok(r) || ahead >= count - 1 - from) return false;
        if (k > 0 && ahead == 0) return false;
        size_t at = from + (size_t)ahead; /* the delta from at to at + 1 is odd */
        fill_regular(t, d->step_ms, at + 1 - done, out + done);
        t += (at + 1 - done) * d->step_ms + odd;
        done = at + 1;
        from = at;
    }
    fill_regular(t, d->step_ms, count - done, out + done);
    return true;
}

static bool decode_jitter(const struct time_desc *d, struct rd *r, size_t count, int64_t *out)
{
    struct bytes packed = rd_bytes(r, bitpack_size(count, d->w));
    if (!rd_ok(r)) return false;
    uint64_t *t = (uint64_t *)out; /* the other signedness of the same integer: no alias */
    bitpack_get(packed.ptr, count, d->w, t);
    add_regular((uint64_t)d->start_ms + (uint64_t)d->residual_min, d->step_ms, count, t);
    return true;
}

static bool decode_dod(const struct time_desc *d, struct rd *r, size_t count, int64_t *out)
{
    uint64_t t = (uint64_t)d->start_ms, delta = d->step_ms;
    out[0] = (int64_t)t;
    for (size_t i = 1; i < count; i++) {
        t += delta;
        out[i] = (int64_t)t;
        if (i + 1 < count) delta += (uint64_t)rd_zigzag(r);
    }
    return rd_ok(r);
}

KERNEL static bool is_ascending(const int64_t *ts_ms, size_t count, struct time_limits limits)
{
    bool ok = ts_ms[0] >= limits.min_ms && ts_ms[count - 1] <= limits.max_ms;
    for (size_t i = 1; i < count; i++)
        ok &= ts_ms[i] > ts_ms[i - 1];
    return ok;
}

/* The same for a regular vector, without looking at each. */
static bool regular_is_ascending(const struct time_desc *d, size_t count, struct time_limits limits)
{
    uint64_t span;
    int64_t last;
    if (d->start_ms < limits.min_ms) return false;
    if (count > 1 && d->step_ms == 0) return false;
    if (__builtin_mul_overflow(d->step_ms, count - 1, &span) || span > INT64_MAX) return false;
    if (__builtin_add_overflow(d->start_ms, (int64_t)span, &last)) return false;
    return last <= limits.max_ms;
}

enum err_code time_decode(const struct time_desc *d, struct rd *r, size_t count,
                          struct time_limits limits, int64_t *out_ts_ms, struct err *err)
{
    ASSERT(count >= 1 && count <= VECTOR_SAMPLES_MAX);
    bool is_sound = false;
    switch (d->codec) {
    case TIME_REG:
        is_sound = regular_is_ascending(d, count, limits);
        if (is_sound) fill_regular((uint64_t)d->start_ms, d->step_ms, count, out_ts_ms);
        break;
    case TIME_GAPS: is_sound = decode_gaps(d, r, count, out_ts_ms); break;
    case TIME_JITTER: is_sound = decode_jitter(d, r, count, out_ts_ms); break;
    case TIME_DOD: is_sound = decode_dod(d, r, count, out_ts_ms); break;
    default: break;
    }
    if (is_sound && d->codec != TIME_REG) is_sound = is_ascending(out_ts_ms, count, limits);
    if (!is_sound) return err_set(err, ERR_CORRUPT, "malformed timestamps of a series");
    return ERR_OK;
}
