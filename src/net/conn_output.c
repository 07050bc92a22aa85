/* SPDX-License-Identifier: Apache-2.0
 *
 * conn_output - from staging to the socket: conn_priv.h, "Order".
 */
#include "base/assert.h"
#include "net/conn_priv.h"
#include "net/tls.h"

static size_t pending_left(const struct conn_out *out)
{
    return out->pending.len - out->pending_offset;
}

static size_t big_left(const struct conn_out *out)
{
    return out->big.len - out->big_offset;
}

static struct bytes rest_of(struct bytes whole, size_t offset)
{
    if (offset == whole.len) return (struct bytes){ 0 };
    return (struct bytes){ whole.ptr + offset, whole.len - offset };
}

bool conn_is_blocked(const struct conn *c)
{
    return pending_left(&c->out) > 0 || big_left(&c->out) > 0;
}

void conn_put(struct conn *c, const void *data, size_t len)
{
    ASSERT(conn_is_in_turn(c));
    ASSERT(big_left(&c->out) == 0);
    struct server_loop *sl = c->sl;
    if (c->is_dead || len == 0) return;
    if (sl->staged + len > STAGING_BYTES) conn_flush(c);
    if (len <= STAGING_BYTES && pending_left(&c->out) == 0) {
        memcpy(sl->staging + sl->staged, data, len);
        sl->staged += len;
        return;
    }
    buf_put(&c->out.pending, data, len);
    if (buf_failed(&c->out.pending)) conn_kill(c);
}

static void free_big(struct conn_out *out)
{
    if (out->big_owner.mem) buf_deinit(&out->big_owner);
    out->big = (struct bytes){ 0 };
    out->big_offset = 0;
}

/* What the socket did not take of a borrowed body must outlive the handler's call. */
static void keep_big(struct conn *c)
{
    struct conn_out *out = &c->out;
    struct bytes rest = rest_of(out->big, out->big_offset);
    buf_init(&out->big_owner, mem_source_of(c->sl->server->options.mem, MEM_NETWORK), rest.len);
    buf_put(&out->big_owner, rest.ptr, rest.len);
    out->big = buf_bytes(&out->big_owner);
    out->big_offset = 0;
    if (!buf_failed(&out->big_owner)) return;
    free_big(out);
    conn_kill(c);
}

void conn_put_body(struct conn *c, struct bytes body, struct buf *owner, bool is_static)
{
    if (body.len <= COPY_BYTES_MAX || c->is_dead) {
        conn_put(c, body.ptr, body.len);
        if (owner && owner->mem) buf_deinit(owner);
        return;
    }
    ASSERT(big_left(&c->out) == 0);
    c->out.big = body;
    c->out.big_offset = 0;
    bool is_owned = owner && owner->mem;
    if (is_owned) {
        c->out.big_owner = *owner;
        *owner = (struct buf){ 0 };
    }
    if (is_owned || is_static) return;
    conn_flush(c);
    if (big_left(&c->out) > 0) keep_big(c);
}

/* Count `n` written bytes off pending, staging and big, in this order. Returns what is left of n:
 * the bytes taken from staging. */
static size_t consume(struct conn_out *out, size_t staged, size_t n)
{
    size_t from_pending = n < pending_left(out) ? n : pending_left(out);
    out->pending_offset += from_pending;
    n -= from_pending;
    size_t from_staging = n < staged ? n : staged;
    out->big_offset += n - from_staging;
    return from_staging;
}

static enum err_code write_plain(struct conn *c, const struct bytes *parts, size_t *out_n)
{
    bool again = false;
    /* A short write means a full socket buffer: the loop will say when there is room. */
    return socket_writev(c->watch.fd, parts, 3, out_n, &again, NULL);
}

static enum err_code write_tls(struct conn *c, const struct bytes *parts, size_t *out_n)
{
    *out_n = 0;
    for (unsigned i = 0; i < 3; i++) {
        for (size_t done = 0; done < parts[i].len;) {
            size_t n = 0;
            bool again = false;
            TRY(tls_session_write(c->tls, parts[i].ptr + done, parts[i].len - done, &n, &again,
                                  NULL));
            *out_n += n;
            done += n;
            if (again) return ERR_OK;
        }
    }
    return ERR_OK;
}

/* Bytes of staging that the socket did not take. */
static void keep_staged(struct conn *c, size_t taken)
{
    struct server_loop *sl = c->sl;
    size_t left = sl->staged - taken;
    sl->staged = 0;
    if (left == 0) return;
    buf_put(&c->out.pending, sl->staging + taken, left);
    if (buf_failed(&c->out.pending)) conn_kill(c);
}

/* Empty buffers are given back: an idle connection holds none. */
static void release_written(struct conn *c)
{
    struct conn_out *out = &c->out;
    if (pending_left(out) == 0 && out->pending.cap > 0) {
        const struct mem_source *mem = out->pending.mem;
        buf_deinit(&out->pending);
        buf_init(&out->pending, mem, SIZE_MAX / 2);
        out->pending_offset = 0;
    }
    if (big_left(out) == 0 && out->big.len > 0) free_big(out);
}

void conn_flush(struct conn *c)
{
    ASSERT(conn_is_in_turn(c));
    struct server_loop *sl = c->sl;
    struct conn_out *out = &c->out;
    if (c->is_dead) {
        sl->staged = 0;
        return;
    }
    if (sl->staged == 0 && !conn_is_blocked(c)) return;
    const struct bytes parts[3] = {
        rest_of(buf_bytes(&out->pending), out->pending_offset),
        { sl->staging, sl->staged },
        rest_of(out->big, out->big_offset),
    };
    size_t n = 0;
    enum err_code rc = c->tls ? write_tls(c, parts, &n) : write_plain(c, parts, &n);
    if (rc != ERR_OK) {
        conn_kill(c);
        sl->staged = 0;
        return;
    }
    if (n > 0) out->progress_ns = loop_now_ns(sl->loop);
    stat_add(&sl->server->stats.bytes_out, n);
    keep_staged(c, consume(out, sl->staged, n));
    release_written(c);
}
