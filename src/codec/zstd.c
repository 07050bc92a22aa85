/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/zstd.h"

#include <zstd.h>
#include <zstd_errors.h>

#include "base/assert.h"

/* zstd keeps its own memory: what a context reports is charged, and re-measured when it may have
 * grown. Growth that the budget refuses is charged late, at the next successful attempt: a page
 * that is already encoded is not thrown away for it. */
struct charge {
    struct mem_budget *budget;
    enum mem_account account;
    size_t bytes;
};

struct zstd_encoder {
    struct charge charge;
    ZSTD_CCtx *lib;
};

struct zstd_decoder {
    struct charge charge;
    ZSTD_DCtx *lib;
};

static bool charge_to(struct charge *c, size_t bytes)
{
    if (bytes > c->bytes && !mem_charge(c->budget, c->account, bytes - c->bytes)) return false;
    if (bytes < c->bytes) mem_uncharge(c->budget, c->account, c->bytes - bytes);
    c->bytes = bytes;
    return true;
}

/* ---- encoder ---------------------------------------------------------------------------- */

enum err_code zstd_encoder_create(struct mem_budget *budget, enum mem_account account, int level,
                                  struct zstd_encoder **out, struct err *err)
{
    ASSERT(level >= 1);
    ASSERT(level <= 19);
    struct zstd_encoder *e = mem_zalloc(budget, account, sizeof *e);
    if (e == NULL) return err_set(err, ERR_NOMEM, "no memory for a zstd encoder");
    e->charge = (struct charge){ budget, account, 0 };
    e->lib = ZSTD_createCCtx();
    if (e->lib == NULL || !charge_to(&e->charge, ZSTD_sizeof_CCtx(e->lib))) {
        zstd_encoder_destroy(e);
        return err_set(err, ERR_NOMEM, "no memory for a zstd encoder");
    }
    size_t rc = ZSTD_CCtx_setParameter(e->lib, ZSTD_c_compressionLevel, level);
    ASSERT(!ZSTD_isError(rc));
    *out = e;
    return ERR_OK;
}

void zstd_encoder_destroy(struct zstd_encoder *e)
{
    if (e == NULL) return;
    (void)ZSTD_freeCCtx(e->lib);
    (void)charge_to(&e->charge, 0);
    mem_free(e->charge.budget, e->charge.account, e, sizeof *e);
}

size_t zstd_encode_bound(size_t size)
{
    return ZSTD_compressBound(size);
}

size_t zstd_encode_into(struct zstd_encoder *e, struct bytes in, uint8_t *dst, size_t cap)
{
    size_t size = ZSTD_compress2(e->lib, dst, cap, in.ptr, in.len);
    (void)charge_to(&e->charge, ZSTD_sizeof_CCtx(e->lib));
    return ZSTD_isError(size) ? 0 : size;
}

void zstd_encode(struct zstd_encoder *e, struct bytes in, struct buf *out)
{
    size_t room = ZSTD_compressBound(in.len);
    uint8_t *dst = buf_reserve(out, room);
    if (dst == NULL) return;
    size_t size = zstd_encode_into(e, in, dst, room);
    if (size == 0) out->failed = true; /* the library got no memory */
    out->len += size;
}

/* ---- decoder ---------------------------------------------------------------------------- */

enum err_code zstd_decoder_create(struct mem_budget *budget, enum mem_account account,
                                  struct zstd_decoder **out, struct err *err)
{
    struct zstd_decoder *d = mem_zalloc(budget, account, sizeof *d);
    if (d == NULL) return err_set(err, ERR_NOMEM, "no memory for a zstd decoder");
    d->charge = (struct charge){ budget, account, 0 };
    d->lib = ZSTD_createDCtx();
    if (d->lib == NULL || !charge_to(&d->charge, ZSTD_sizeof_DCtx(d->lib))) {
        zstd_decoder_destroy(d);
        return err_set(err, ERR_NOMEM, "no memory for a zstd decoder");
    }
    size_t rc = ZSTD_DCtx_setParameter(d->lib, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
    ASSERT(!ZSTD_isError(rc));
    *out = d;
    return ERR_OK;
}

void zstd_decoder_destroy(struct zstd_decoder *d)
{
    if (d == NULL) return;
    (void)ZSTD_freeDCtx(d->lib);
    (void)charge_to(&d->charge, 0);
    mem_free(d->charge.budget, d->charge.account, d, sizeof *d);
}

/* Output to reserve for the frame at the front: its declared size when it has one (refused above
 * `room`), else what zstd usually achieves. */
static enum err_code first_reserve(struct bytes in, size_t room, size_t *out, struct err *err)
{
    unsigned long long said = ZSTD_getFrameContentSize(in.ptr, in.len);
    if (said == ZSTD_CONTENTSIZE_ERROR) return err_set(err, ERR_INVALID, "not a zstd frame");
    if (said == ZSTD_CONTENTSIZE_UNKNOWN) {
        size_t usual = in.len > SIZE_MAX / 8 ? SIZE_MAX : in.len * 8;
        *out = usual < room ? usual : room;
        return ERR_OK;
    }
    if (said > room) return err_set(err, ERR_LIMIT, "zstd: decoded size exceeds the limit");
    *out = (size_t)said;
    return ERR_OK;
}

static enum err_code decode_error(size_t rc, struct err *err)
{
    ZSTD_ErrorCode code = ZSTD_getErrorCode(rc);
    if (code == ZSTD_error_frameParameter_windowTooLarge)
        return err_set(err, ERR_LIMIT, "zstd: window too large");
    if (code == ZSTD_error_memory_allocation)
        return err_set(err, ERR_NOMEM, "no memory to decode zstd");
    return err_set(err, ERR_INVALID, "corrupt zstd data");
}

/* Decode the whole of `in`, frame after frame; the output may grow by `room` bytes. */
static enum err_code decode_frames(struct zstd_decoder *d, struct bytes in, size_t room,
                                   struct buf *out, struct err *err)
{
    ZSTD_inBuffer src = { in.ptr, in.len, 0 };
    bool is_at_frame = true;
    while (src.pos < src.size || !is_at_frame) {
        size_t piece = room < ZSTD_DStreamOutSize() ? room : ZSTD_DStreamOutSize();
        if (is_at_frame) {
            struct bytes rest = { in.ptr + src.pos, in.len - src.pos };
            TRY(first_reserve(rest, room, &piece, err));
        }
        uint8_t *mem = buf_reserve(out, piece ? piece : 1);
        if (mem == NULL) return err_set(err, ERR_NOMEM, "no memory for the decoded body");
        ZSTD_outBuffer dst = { mem, piece, 0 };
        size_t pos_before = src.pos;
        size_t rc = ZSTD_decompressStream(d->lib, &dst, &src);
        out->len += dst.pos;
        room -= dst.pos;
        if (ZSTD_isError(rc)) return decode_error(rc, err);
        is_at_frame = rc == 0;
        if (is_at_frame || dst.pos > 0 || src.pos > pos_before) continue;
        if (src.pos < src.size || room == 0)
            return err_set(err, ERR_LIMIT, "zstd: decoded size exceeds the limit");
        return err_set(err, ERR_INVALID, "truncated zstd data");
    }
    return ERR_OK;
}

enum err_code zstd_decode(struct zstd_decoder *d, struct bytes in,
                          const struct decode_limits *limits, struct buf *out, struct err *err)
{
    size_t len_before = out->len;
    (void)ZSTD_DCtx_reset(d->lib, ZSTD_reset_session_only);
    if (in.len == 0) return err_set(err, ERR_INVALID, "truncated zstd data");
    enum err_code rc = decode_frames(d, in, decode_limit_of(limits, in.len), out, err);
    if (!charge_to(&d->charge, ZSTD_sizeof_DCtx(d->lib)) && rc == ERR_OK)
        rc = err_set(err, ERR_NOMEM, "no memory for the zstd window");
    if (rc != ERR_OK) out->len = len_before;
    return rc;
}

enum err_code zstd_decode_exact(struct zstd_decoder *d, struct bytes in, uint8_t *dst, size_t size,
                                struct err *err)
{
    size_t made = ZSTD_decompressDCtx(d->lib, dst, size, in.ptr, in.len);
    if (ZSTD_isError(made) || made != size)
        return err_set(err, ERR_CORRUPT, "zstd page is damaged");
    return ERR_OK;
}
