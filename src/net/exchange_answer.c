/* SPDX-License-Identifier: Apache-2.0
 *
 * exchange_answer - the handler's side of an exchange: net/http_server.h.
 */
#include "base/assert.h"
#include "codec/gzip.h"
#include "net/conn_priv.h"
#include "net/exchange_priv.h"

enum { COMPRESS_BYTES_MIN = 1000, WAIT_SLICE_NS = 1000 * 1000 * 1000 };

/* ---- the request ------------------------------------------------------------------------- */

const struct http_request *http_exchange_request(const struct http_exchange *ex)
{
    return &ex->req;
}

struct arena *http_exchange_arena(struct http_exchange *ex)
{
    return &ex->arena;
}

const struct http_limits *http_exchange_limits(const struct http_exchange *ex)
{
    return &ex->sl->server->limits;
}

uint64_t http_exchange_start_ns(const struct http_exchange *ex)
{
    return ex->start_ns;
}

void http_exchange_set_body_limit(struct http_exchange *ex, uint64_t bytes_max)
{
    ASSERT(!ex->is_served);
    ex->body_limit_bytes = bytes_max;
}

void *http_exchange_slot(const struct http_exchange *ex, unsigned index)
{
    ASSERT(index < EXCHANGE_SLOTS);
    return ex->slots[index];
}

void http_exchange_set_slot(struct http_exchange *ex, unsigned index, void *value)
{
    ASSERT(index < EXCHANGE_SLOTS);
    ex->slots[index] = value;
}

void http_exchange_add_header(struct http_exchange *ex, struct http_header header)
{
    if (ex->extra_count < EXCHANGE_EXTRA_HEADERS) ex->extra[ex->extra_count++] = header;
}

void exchange_count_decode_failure(struct http_exchange *ex, enum err_code code)
{
    enum http_reject reason = HTTP_REJECT_BAD_ENCODING;
    if (code == ERR_LIMIT) reason = HTTP_REJECT_DECODED_TOO_LARGE;
    if (code == ERR_UNSUPPORTED) reason = HTTP_REJECT_UNSUPPORTED_CODING;
    if (code == ERR_NOMEM) reason = HTTP_REJECT_MEMORY;
    stat_add(&ex->sl->server->stats.rejected[reason], 1);
}

enum err_code http_exchange_decode_body(struct http_exchange *ex, struct err *err)
{
    enum http_coding coding = http_coding_of(ex->req.content_encoding);
    if (coding == HTTP_CODING_IDENTITY) return ERR_OK;
    const struct http_limits *limits = &ex->sl->server->limits;
    struct decode_limits decode = {
        .max_bytes = limits->decoded_bytes_max,
        .max_ratio = limits->decoded_ratio_max,
    };
    buf_reset(&ex->decoded);
    ex->decoded.cap_max = limits->decoded_bytes_max;
    enum err_code rc =
        http_body_decode(ex->sl->server->codecs, coding, ex->req.body, &decode, &ex->decoded, err);
    if (rc != ERR_OK) {
        exchange_count_decode_failure(ex, rc);
        return rc;
    }
    ex->req.body = buf_bytes(&ex->decoded);
    ex->req.content_encoding = (struct str){ 0 };
    return ERR_OK;
}

bool http_exchange_is_closed(const struct http_exchange *ex)
{
    /* Relaxed: a hint; the answer's fate is decided on the loop. */
    return atomic_load_explicit(&ex->is_closed, memory_order_relaxed);
}

bool http_exchange_on_close(struct http_exchange *ex, void (*fn)(void *ctx), void *ctx)
{
    MUTEX_SCOPE(&ex->lock);
    if (atomic_load_explicit(&ex->is_closed, memory_order_relaxed)) return false;
    ex->close_fn = fn;
    ex->close_ctx = ctx;
    return true;
}

void http_exchange_on_writable(struct http_exchange *ex,
                               void (*fn)(void *ctx, struct http_exchange *ex), void *ctx)
{
    MUTEX_SCOPE(&ex->lock);
    ex->writable_fn = fn;
    ex->writable_ctx = ctx;
}

/* ---- whole answers ------------------------------------------------------------------------ */

static bool has_body(unsigned status)
{
    return status >= 200 && status != 204 && status != 304;
}

/* May this answer be compressed, and how does the client want it? gzip when it does not matter. */
static void plan_coding(const struct http_exchange *ex, struct exchange_answer *answer)
{
    if (!(answer->flags & HTTP_ANSWER_COMPRESS) || !has_body(answer->status)) return;
    if (!answer->is_stream && answer->body.len < COMPRESS_BYTES_MIN) return;
    for (uint32_t i = 0; i < answer->header_count; i++) {
        if (str_eq_nocase(answer->headers[i].name, STR("content-encoding"))) return;
    }
    answer->varies = true;
    unsigned gzip = http_coding_quality(ex->req.accept_encoding, STR("gzip"));
    unsigned deflate = http_coding_quality(ex->req.accept_encoding, STR("deflate"));
    if (gzip > 0 && gzip >= deflate) {
        answer->coding = HTTP_CODING_GZIP;
    } else if (deflate > 0) {
        answer->coding = HTTP_CODING_DEFLATE;
    }
}

static void compress_body(struct http_exchange *ex, struct exchange_answer *answer)
{
    struct buf packed;
    buf_init(&packed, mem_source_of(ex->sl->server->options.mem, MEM_NETWORK), SIZE_MAX / 2);
    struct http_codecs *codecs = ex->sl->server->codecs;
    bool is_packed = answer->coding == HTTP_CODING_GZIP
                         ? http_body_gzip(codecs, answer->body, &packed)
                         : http_body_deflate(codecs, answer->body, &packed);
    if (!is_packed) {
        buf_deinit(&packed);
        answer->coding = HTTP_CODING_IDENTITY;
        return;
    }
    if (answer->owner.mem) buf_deinit(&answer->owner);
    answer->owner = packed;
    answer->body = buf_bytes(&packed);
}

/* Take over the caller's buffer; it is left empty and usable. */
static struct buf take_buf(struct buf *from)
{
    struct buf taken = *from;
    *from = (struct buf){ .mem = taken.mem, .cap_max = taken.cap_max };
    return taken;
}

static struct exchange_answer prepare(struct http_exchange *ex, const struct http_answer *a,
                                      bool is_stream)
{
    ASSERT(a->status >= 200);
    ASSERT(a->status <= 599);
    struct exchange_answer answer = {
        .status = a->status,
        .flags = a->flags,
        .headers = a->headers,
        .header_count = a->header_count,
        .content_type = a->content_type,
        .is_stream = is_stream,
    };
    if (!is_stream && a->take_body) {
        answer.owner = take_buf(a->take_body);
        answer.body = buf_bytes(&answer.owner);
    } else if (!is_stream) {
        answer.body = a->body;
    }
    plan_coding(ex, &answer);
    if (answer.coding != HTTP_CODING_IDENTITY && !is_stream) compress_body(ex, &answer);
    return answer;
}

/* Replace borrowed parts by copies in the exchange. */
static bool copy_parts(struct http_exchange *ex, struct exchange_answer *answer)
{
    struct http_header *headers = arena_array(&ex->arena, struct http_header, answer->header_count);
    if (!headers && answer->header_count > 0) return false;
    for (uint32_t i = 0; i < answer->header_count; i++) {
        headers[i].name = arena_str(&ex->arena, answer->headers[i].name);
        headers[i].value = arena_str(&ex->arena, answer->headers[i].value);
        if (!headers[i].name.ptr || (!headers[i].value.ptr && answer->headers[i].value.len > 0)) {
            return false;
        }
    }
    answer->headers = headers;
    struct str type = arena_str(&ex->arena, answer->content_type);
    if (!type.ptr && answer->content_type.len > 0) return false;
    answer->content_type = type;
    bool is_borrowed = !answer->owner.mem && !(answer->flags & HTTP_ANSWER_STATIC_BODY);
    if (!is_borrowed || answer->body.len == 0) return true;
    buf_init(&answer->owner, mem_source_of(ex->sl->server->options.mem, MEM_NETWORK), SIZE_MAX / 2);
    buf_put(&answer->owner, answer->body.ptr, answer->body.len);
    answer->body = buf_bytes(&answer->owner);
    return !buf_failed(&answer->owner);
}

static bool copy_trailers(struct http_exchange *ex, const struct http_header *trailers,
                          uint32_t trailer_count)
{
    struct http_header *copy = arena_array(&ex->arena, struct http_header, trailer_count);
    if (!copy) return false;
    for (uint32_t i = 0; i < trailer_count; i++) {
        copy[i].name = arena_str(&ex->arena, trailers[i].name);
        copy[i].value = arena_str(&ex->arena, trailers[i].value);
        if (!copy[i].name.ptr || (!copy[i].value.ptr && trailers[i].value.len > 0)) return false;
    }
    ex->trailers = copy; /* seen by the loop after it saw FINISHED under the lock */
    ex->trailer_count = trailer_count;
    return true;
}

/* No memory for the answer: say so instead. */
static void replace_by_503(struct http_exchange *ex, struct exchange_answer *answer)
{
    stat_add(&ex->sl->server->stats.rejected[HTTP_REJECT_MEMORY], 1);
    if (answer->owner.mem) buf_deinit(&answer->owner);
    static const struct http_header RETRY = HTTP_HEADER("Retry-After", "5");
    *answer = (struct exchange_answer){
        .status = 503,
        .flags = HTTP_ANSWER_STATIC_BODY,
        .headers = &RETRY,
        .header_count = 1,
        .content_type = STR("text/plain; charset=utf-8"),
        .body = bytes_of_str(STR("out of memory")),
    };
}

/* Store the answer for the loop. With `is_final` the exchange is dead afterwards. */
static void post_answer(struct http_exchange *ex, struct exchange_answer *answer, bool is_final)
{
    bool here = server_loop_is_here(ex->sl);
    mutex_lock(&ex->lock);
    /* A close callback that has begun must end before the handler may forget its context. */
    while (is_final && ex->is_callback_running && !here)
        cond_wait(&ex->changed, &ex->lock);
    ASSERT(ex->state == EXCHANGE_SERVING || ex->state == EXCHANGE_READING);
    ex->state = is_final ? EXCHANGE_FINISHED : EXCHANGE_STREAMING;
    if (is_final) ex->close_fn = NULL;
    ex->answer = *answer;
    ex->has_answer = true;
    bool must_post = !ex->msg_posted;
    ex->msg_posted = true;
    struct loop *loop = ex->sl->loop;
    mutex_unlock(&ex->lock);
    if (must_post) loop_post(loop, &ex->msg);
}

void http_exchange_answer(struct http_exchange *ex, const struct http_answer *a)
{
    struct exchange_answer answer = prepare(ex, a, false);
    bool has_trailers = a->trailer_count > 0 && ex->req.version_major == 2;
    if (has_trailers && !copy_trailers(ex, a->trailers, a->trailer_count)) {
        replace_by_503(ex, &answer);
    }
    if (server_loop_is_here(ex->sl) && ex->conn && conn_is_in_turn(ex->conn)) {
        ASSERT(ex->state == EXCHANGE_SERVING || ex->state == EXCHANGE_READING);
        ex->state = EXCHANGE_FINISHED;
        exchange_send_answer(ex, &answer);
        return;
    }
    if (!copy_parts(ex, &answer)) replace_by_503(ex, &answer);
    post_answer(ex, &answer, true);
}

void http_exchange_answer_text(struct http_exchange *ex, unsigned status, struct str text)
{
    struct http_answer answer = {
        .status = status,
        .content_type = STR("text/plain; charset=utf-8"),
        .body = bytes_of_str(text),
    };
    http_exchange_answer(ex, &answer);
}

/* ---- streamed answers ---------------------------------------------------------------------- */

void http_exchange_start(struct http_exchange *ex, const struct http_answer *a)
{
    struct exchange_answer answer = prepare(ex, a, true);
    if (answer.coding != HTTP_CODING_IDENTITY) {
        enum gzip_format format = answer.coding == HTTP_CODING_GZIP ? GZIP_MEMBER : GZIP_ZLIB;
        ex->gzip = http_gzip_writer_get(ex->sl->server->codecs, format);
        if (!ex->gzip) answer.coding = HTTP_CODING_IDENTITY;
    }
    if (!copy_parts(ex, &answer)) {
        /* The head cannot be built: a bare 503 stream; what the handler writes is its body. */
        replace_by_503(ex, &answer);
        answer.is_stream = true;
        answer.body = (struct bytes){ 0 };
    }
    post_answer(ex, &answer, false);
}

/* Compress when the stream is compressed. ERR_NOMEM. */
static enum err_code pack(struct http_exchange *ex, struct bytes *data, struct err *err)
{
    if (!ex->gzip) return ERR_OK;
    buf_reset(&ex->packed);
    ex->packed.cap_max = SIZE_MAX / 2;
    gzip_writer_put(ex->gzip, *data, &ex->packed);
    gzip_writer_flush(ex->gzip, &ex->packed);
    if (buf_failed(&ex->packed)) return err_set(err, ERR_NOMEM, "no memory to compress");
    *data = buf_bytes(&ex->packed);
    return ERR_OK;
}

static size_t queue_room(const struct http_exchange *ex)
{
    size_t max = ex->sl->server->limits.answer_queue_bytes_max;
    return ex->queue.len < max ? max - ex->queue.len : 0;
}

/* Append under the lock; *out_must_post: the loop must be told. */
static enum err_code queue_put(struct http_exchange *ex, struct bytes data, bool *out_must_post,
                               struct err *err)
{
    buf_put(&ex->queue, data.ptr, data.len);
    if (buf_failed(&ex->queue)) return err_set(err, ERR_NOMEM, "no memory for the answer");
    *out_must_post = !ex->msg_posted;
    ex->msg_posted = true;
    return ERR_OK;
}

/* Wait for room or a reason not to. Called with the lock held. */
static enum err_code wait_for_room(struct http_exchange *ex, uint64_t deadline_ns, struct err *err)
{
    const struct clock *clock = ex->sl->server->options.clock;
    while (queue_room(ex) == 0) {
        if (http_exchange_is_closed(ex)) break;
        uint64_t now = clock_mono_ns(clock);
        if (now >= deadline_ns) return err_set(err, ERR_TIMEOUT, "the client reads too slowly");
        uint64_t left = deadline_ns - now;
        (void)cond_wait_ns(&ex->changed, &ex->lock, left < WAIT_SLICE_NS ? left : WAIT_SLICE_NS);
    }
    if (http_exchange_is_closed(ex)) return err_set(err, ERR_CANCELLED, "the client has gone");
    return ERR_OK;
}

/* Queue as much as there is room for and cut it off *data. */
static enum err_code write_some(struct http_exchange *ex, struct bytes *data, uint64_t deadline_ns,
                                struct err *err)
{
    bool must_post = false;
    {
        MUTEX_SCOPE(&ex->lock);
        ASSERT(ex->state == EXCHANGE_STREAMING);
        TRY(wait_for_room(ex, deadline_ns, err));
        size_t room = queue_room(ex);
        size_t n = data->len < room ? data->len : room;
        TRY(queue_put(ex, (struct bytes){ data->ptr, n }, &must_post, err));
        *data = (struct bytes){ data->ptr + n, data->len - n };
    }
    if (must_post) loop_post(ex->sl->loop, &ex->msg);
    return ERR_OK;
}

enum err_code http_exchange_write(struct http_exchange *ex, struct bytes data, uint64_t deadline_ns,
                                  struct err *err)
{
    ASSERT(!server_loop_is_here(ex->sl));
    TRY(pack(ex, &data, err));
    while (data.len > 0)
        TRY(write_some(ex, &data, deadline_ns, err));
    return ERR_OK;
}

enum err_code http_exchange_try_write(struct http_exchange *ex, struct bytes data, struct err *err)
{
    size_t limit = ex->sl->server->limits.answer_queue_bytes_max;
    if (http_exchange_is_closed(ex)) return err_set(err, ERR_CANCELLED, "the client has gone");
    if (data.len > limit) return err_set(err, ERR_LIMIT, "more than the answer queue holds");
    bool must_post = false;
    {
        MUTEX_SCOPE(&ex->lock);
        ASSERT(ex->state == EXCHANGE_STREAMING);
        if (ex->queue.len > 0 && data.len > queue_room(ex)) {
            ex->wants_room = true;
            return err_set(err, ERR_BUSY, "the answer queue is full");
        }
    }
    /* Only the loop takes from the queue meanwhile, so the room cannot shrink. */
    TRY(pack(ex, &data, err));
    {
        MUTEX_SCOPE(&ex->lock);
        TRY(queue_put(ex, data, &must_post, err));
    }
    if (must_post) loop_post(ex->sl->loop, &ex->msg);
    return ERR_OK;
}

/* Finish a started stream. `last` is appended first. */
static void finish_stream(struct http_exchange *ex, struct bytes last, bool is_aborted)
{
    bool here = server_loop_is_here(ex->sl);
    struct loop *loop = ex->sl->loop;
    mutex_lock(&ex->lock);
    while (ex->is_callback_running && !here)
        cond_wait(&ex->changed, &ex->lock);
    ASSERT(ex->state == EXCHANGE_STREAMING);
    if (last.len > 0) buf_put(&ex->queue, last.ptr, last.len);
    ex->is_aborted = is_aborted || buf_failed(&ex->queue);
    ex->state = EXCHANGE_FINISHED;
    ex->close_fn = NULL;
    ex->wants_room = false;
    bool must_post = !ex->msg_posted;
    ex->msg_posted = true;
    mutex_unlock(&ex->lock);
    if (must_post) loop_post(loop, &ex->msg);
}

void http_exchange_end(struct http_exchange *ex, const struct http_header *trailers,
                       uint32_t trailer_count)
{
    bool is_aborted = trailer_count > 0 && !copy_trailers(ex, trailers, trailer_count);
    struct bytes last = { 0 };
    if (ex->gzip) {
        buf_reset(&ex->packed);
        gzip_writer_finish(ex->gzip, &ex->packed);
        is_aborted |= buf_failed(&ex->packed);
        last = buf_bytes(&ex->packed);
    }
    finish_stream(ex, last, is_aborted);
}

void http_exchange_abort(struct http_exchange *ex)
{
    mutex_lock(&ex->lock);
    bool is_streaming = ex->state == EXCHANGE_STREAMING;
    mutex_unlock(&ex->lock);
    if (is_streaming) {
        finish_stream(ex, (struct bytes){ 0 }, true);
    } else {
        http_exchange_answer_text(ex, 500, STR("internal error"));
    }
}
