/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/postings.h"

#include <roaring/roaring.h>

#include "base/assert.h"
#include "base/num.h"
#include "base/rd.h"

#define POSTINGS_MAGIC 0x54534f50u
/* Single adds are charged in steps: so many of them before the set is measured again. */
#define ADDS_PER_CHARGE 1024
/* A single add takes at most a new container of 4 ids, its key and its type. */
#define ADD_SIZE_MAX 64

#define COOKIE_NO_RUNS 12346u
#define COOKIE_RUNS 12347u
#define OFFSETS_FROM 4 /* containers from which the form with runs has offsets */
#define ARRAY_CARDINALITY_MAX 4096
#define BITMAP_SIZE 8192

struct postings {
    uint32_t magic;
    uint32_t adds_left; /* before the next charge */
    roaring_bitmap_t *bitmap;
    struct mem_budget *mem;
    enum mem_account account;
    size_t charged_bytes;
};

/* ---- memory ---- */

static size_t measured_bytes(const roaring_bitmap_t *bitmap)
{
    return sizeof(struct postings) + sizeof(roaring_bitmap_t) +
           roaring_bitmap_portable_size_in_bytes(bitmap) +
           (size_t)bitmap->high_low_container.allocation_size * 11;
}

static void settle(struct postings *p)
{
    size_t now = measured_bytes(p->bitmap);
    if (now < p->charged_bytes) {
        mem_uncharge(p->mem, p->account, p->charged_bytes - now);
    } else if (now > p->charged_bytes && !mem_charge(p->mem, p->account, now - p->charged_bytes)) {
        /* The library holds a little more than was reserved: the memory is there already, so it is
         * left out of the account rather than the result thrown away. */
        return;
    }
    p->charged_bytes = now;
}

/* Before an operation that may add `more` bytes. */
static enum err_code reserve(struct postings *p, size_t more, struct err *err)
{
    if (!mem_charge(p->mem, p->account, more))
        return err_set(err, ERR_NOMEM, "no memory for a set of series");
    p->charged_bytes += more;
    return ERR_OK;
}

/* Wrap `bitmap`, which is freed on failure; NULL = the library found no memory. */
static enum err_code wrap(struct mem_budget *mem, enum mem_account account,
                          roaring_bitmap_t *bitmap, struct postings **out, struct err *err)
{
    if (!bitmap) return err_set(err, ERR_NOMEM, "no memory for a set of series");
    size_t size = measured_bytes(bitmap);
    struct postings *p = NULL;
    if (mem_charge(mem, account, size - sizeof *p)) {
        p = mem_zalloc(mem, account, sizeof *p);
        if (!p) mem_uncharge(mem, account, size - sizeof *p);
    }
    if (!p) {
        roaring_bitmap_free(bitmap);
        return err_set(err, ERR_NOMEM, "no memory for a set of series");
    }
    *p = (struct postings){ POSTINGS_MAGIC, ADDS_PER_CHARGE, bitmap, mem, account, size };
    *out = p;
    return ERR_OK;
}

enum err_code postings_create(struct mem_budget *mem, enum mem_account account,
                              struct postings **out, struct err *err)
{
    return wrap(mem, account, roaring_bitmap_create(), out, err);
}

enum err_code postings_of_range(struct mem_budget *mem, enum mem_account account, uint64_t from,
                                uint64_t to, struct postings **out, struct err *err)
{
    ASSERT(to <= (uint64_t)UINT32_MAX + 1);
    roaring_bitmap_t *bitmap =
        from < to ? roaring_bitmap_from_range(from, to, 1) : roaring_bitmap_create();
    return wrap(mem, account, bitmap, out, err);
}

enum err_code postings_copy(const struct postings *p, enum mem_account account,
                            struct postings **out, struct err *err)
{
    ASSERT(p->magic == POSTINGS_MAGIC);
    return wrap(p->mem, account, roaring_bitmap_copy(p->bitmap), out, err);
}

void postings_destroy(struct postings *p)
{
    if (!p) return;
    ASSERT(p->magic == POSTINGS_MAGIC);
    roaring_bitmap_free(p->bitmap);
    p->magic = 0;
    mem_uncharge(p->mem, p->account, p->charged_bytes - sizeof *p);
    mem_free(p->mem, p->account, p, sizeof *p);
}

/* ---- building ---- */

enum err_code postings_add(struct postings *p, uint32_t id, struct err *err)
{
    if (p->adds_left == ADDS_PER_CHARGE)
        TRY(reserve(p, (size_t)ADDS_PER_CHARGE * ADD_SIZE_MAX, err));
    roaring_bitmap_add(p->bitmap, id);
    if (--p->adds_left == 0) {
        settle(p);
        p->adds_left = ADDS_PER_CHARGE;
    }
    return ERR_OK;
}

enum err_code postings_add_many(struct postings *p, const uint32_t *ids, size_t count,
                                struct err *err)
{
    size_t more = 0;
    if (!ck_mul(count, 2 + ADD_SIZE_MAX, &more)) more = SIZE_MAX;
    size_t whole = (size_t)UINT16_MAX * BITMAP_SIZE; /* all containers as bitmaps */
    TRY(reserve(p, more < whole ? more : whole, err));
    roaring_bitmap_add_many(p->bitmap, count, ids);
    settle(p);
    return ERR_OK;
}

enum err_code postings_add_range(struct postings *p, uint64_t from, uint64_t to, struct err *err)
{
    ASSERT(to <= (uint64_t)UINT32_MAX + 1);
    if (from >= to) return ERR_OK;
    size_t containers = (size_t)(((to - 1) >> 16) - (from >> 16) + 1);
    TRY(reserve(p, containers * (BITMAP_SIZE + 16), err));
    roaring_bitmap_add_range_closed(p->bitmap, (uint32_t)from, (uint32_t)(to - 1));
    settle(p);
    return ERR_OK;
}

void postings_optimize(struct postings *p)
{
    roaring_bitmap_run_optimize(p->bitmap);
    roaring_bitmap_shrink_to_fit(p->bitmap);
    settle(p);
    p->adds_left = ADDS_PER_CHARGE;
}

enum err_code postings_remove_many(struct postings *p, const uint32_t *ids, size_t count,
                                   struct err *err)
{
    size_t more = 0; /* an id that is taken out may split a run in two */
    if (!ck_mul(count, 4, &more)) more = SIZE_MAX;
    TRY(reserve(p, more, err));
    roaring_bitmap_remove_many(p->bitmap, count, ids);
    settle(p);
    return ERR_OK;
}

/* ---- algebra ---- */

enum err_code postings_and(struct postings *p, const struct postings *q, struct err *err)
{
    if (p == q) return ERR_OK;
    TRY(reserve(p, q->charged_bytes, err)); /* a run of p may become a bitmap of q */
    roaring_bitmap_and_inplace(p->bitmap, q->bitmap);
    settle(p);
    return ERR_OK;
}

enum err_code postings_or(struct postings *p, const struct postings *q, struct err *err)
{
    if (p == q) return ERR_OK;
    TRY(reserve(p, q->charged_bytes, err));
    roaring_bitmap_or_inplace(p->bitmap, q->bitmap);
    settle(p);
    return ERR_OK;
}

enum err_code postings_andnot(struct postings *p, const struct postings *q, struct err *err)
{
    if (p == q) {
        roaring_bitmap_clear(p->bitmap);
        settle(p);
        return ERR_OK;
    }
    /* Taking ids out of a run may split it: at most one more run, 4 bytes, for each id of q that is
     * alone, and never more than the other container kinds take. */
    TRY(reserve(p, q->charged_bytes * 2, err));
    roaring_bitmap_andnot_inplace(p->bitmap, q->bitmap);
    settle(p);
    return ERR_OK;
}

enum err_code postings_or_many(struct postings *p, const struct postings *const *sets, size_t count,
                               struct err *err)
{
    size_t more = 0;
    for (size_t i = 0; i < count; i++) {
        ASSERT(sets[i] != p);
        more += sets[i]->charged_bytes;
    }
    if (count == 0) return ERR_OK;
    TRY(reserve(p, more, err));
    for (size_t i = 0; i < count; i++)
        roaring_bitmap_lazy_or_inplace(p->bitmap, sets[i]->bitmap, true);
    roaring_bitmap_repair_after_lazy(p->bitmap);
    settle(p);
    return ERR_OK;
}

/* ---- questions ---- */

bool postings_contains(const struct postings *p, uint32_t id)
{
    return roaring_bitmap_contains(p->bitmap, id);
}

uint64_t postings_cardinality(const struct postings *p)
{
    return roaring_bitmap_get_cardinality(p->bitmap);
}

bool postings_is_empty(const struct postings *p)
{
    return roaring_bitmap_is_empty(p->bitmap);
}

bool postings_intersects(const struct postings *p, const struct postings *q)
{
    return roaring_bitmap_intersect(p->bitmap, q->bitmap);
}

uint64_t postings_and_cardinality(const struct postings *p, const struct postings *q)
{
    return roaring_bitmap_and_cardinality(p->bitmap, q->bitmap);
}

bool postings_equal(const struct postings *p, const struct postings *q)
{
    return roaring_bitmap_equals(p->bitmap, q->bitmap);
}

uint64_t postings_rank(const struct postings *p, uint32_t id)
{
    return roaring_bitmap_rank(p->bitmap, id);
}

bool postings_select(const struct postings *p, uint32_t index, uint32_t *out_id)
{
    return roaring_bitmap_select(p->bitmap, index, out_id);
}

size_t postings_size_bytes(const struct postings *p)
{
    return p->charged_bytes;
}

/* ---- reading out ---- */

void postings_iter_init(struct postings_iter *it, const struct postings *p)
{
    *it = (struct postings_iter){ p, 0 };
}

void postings_iter_seek(struct postings_iter *it, uint32_t id)
{
    if (id > it->next) it->next = id;
}

size_t postings_iter_read(struct postings_iter *it, uint32_t *out, size_t cap)
{
    if (it->next > UINT32_MAX || cap == 0) return 0;
    roaring_uint32_iterator_t in;
    roaring_init_iterator(it->set->bitmap, &in);
    uint32_t count = 0;
    if (in.has_value &&
        (it->next == 0 || roaring_move_uint32_iterator_equalorlarger(&in, (uint32_t)it->next)))
        count =
            roaring_read_uint32_iterator(&in, out, cap > UINT32_MAX ? UINT32_MAX : (uint32_t)cap);
    it->next = count > 0 ? (uint64_t)out[count - 1] + 1 : (uint64_t)UINT32_MAX + 1;
    return count;
}

/* ---- bytes ---- */

void postings_serialize(const struct postings *p, struct buf *out)
{
    size_t size = roaring_bitmap_portable_size_in_bytes(p->bitmap);
    uint8_t *dst = buf_reserve(out, size);
    if (!dst) return;
    size_t written = roaring_bitmap_portable_serialize(p->bitmap, (char *)dst);
    ASSERT(written == size);
    out->len += size;
}

/* One container of a sorted array: ids with the same high half. */
struct container {
    size_t count, runs;
    bool is_run;
    size_t size; /* of its content */
};

static struct container container_of(const uint32_t *ids, size_t count)
{
    struct container c = { 1, 1, false, 0 };
    while (c.count < count && ids[c.count] >> 16 == ids[0] >> 16) {
        c.runs += ids[c.count] != ids[c.count - 1] + 1;
        c.count++;
    }
    c.size = c.count <= ARRAY_CARDINALITY_MAX ? c.count * 2 : BITMAP_SIZE;
    if (2 + 4 * c.runs < c.size) {
        c.is_run = true;
        c.size = 2 + 4 * c.runs;
    }
    return c;
}

static void put_runs(const uint32_t *ids, const struct container *c, struct buf *out)
{
    buf_put_u16le(out, (uint16_t)c->runs);
    for (size_t i = 0, to; i < c->count; i = to) {
        for (to = i + 1; to < c->count && ids[to] == ids[to - 1] + 1;)
            to++;
        buf_put_u16le(out, (uint16_t)ids[i]);
        buf_put_u16le(out, (uint16_t)(to - i - 1));
    }
}

static void put_container(const uint32_t *ids, const struct container *c, struct buf *out)
{
    if (c->is_run) {
        put_runs(ids, c, out);
        return;
    }
    uint8_t *dst = buf_reserve(out, c->size);
    if (!dst) return;
    bool is_array = c->count <= ARRAY_CARDINALITY_MAX;
    if (!is_array) memset(dst, 0, c->size);
    for (size_t i = 0; i < c->count; i++) {
        uint16_t low = (uint16_t)ids[i];
        if (is_array)
            memcpy(dst + 2 * i, &low, 2);
        else
            dst[low / 8] |= (uint8_t)(1u << (low % 8));
    }
    out->len += c->size;
}

void postings_serialize_sorted(const uint32_t *ids, size_t count, struct buf *out)
{
    ASSERT(count > 0);
    size_t containers = 0, with_runs = 0;
    for (size_t i = 0; i < count; containers++) {
        struct container c = container_of(ids + i, count - i);
        with_runs += c.is_run;
        i += c.count;
    }
    /* The form with run flags is smaller unless there are many containers and no runs. */
    bool has_flags = with_runs > 0 || (containers + 7) / 8 < 4;
    bool has_offsets = !has_flags || containers >= OFFSETS_FROM;
    size_t flags = out->len + 4;
    buf_put_u32le(out, has_flags ? COOKIE_RUNS | (uint32_t)(containers - 1) << 16 : COOKIE_NO_RUNS);
    for (size_t i = 0; has_flags && i < (containers + 7) / 8; i++)
        buf_put_u8(out, 0);
    if (!has_flags) buf_put_u32le(out, (uint32_t)containers);
    size_t offset = out->len - (flags - 4) + containers * (has_offsets ? 8 : 4);
    for (size_t i = 0, k = 0; i < count; k++) {
        struct container c = container_of(ids + i, count - i);
        if (c.is_run && !buf_failed(out)) out->ptr[flags + k / 8] |= (uint8_t)(1u << (k % 8));
        buf_put_u16le(out, (uint16_t)(ids[i] >> 16));
        buf_put_u16le(out, (uint16_t)(c.count - 1));
        i += c.count;
    }
    for (size_t i = 0; has_offsets && i < count;) {
        struct container c = container_of(ids + i, count - i);
        buf_put_u32le(out, u32_from_u64(offset));
        offset += c.size;
        i += c.count;
    }
    for (size_t i = 0; i < count;) {
        struct container c = container_of(ids + i, count - i);
        put_container(ids + i, &c, out);
        i += c.count;
    }
}

static bool array_is_sound(struct bytes ids, size_t cardinality)
{
    if (ids.len != cardinality * 2) return false;
    uint32_t last = 0;
    for (size_t i = 0; i < cardinality; i++) {
        uint32_t id = ids.ptr[2 * i] | (uint32_t)ids.ptr[2 * i + 1] << 8;
        if (i > 0 && id <= last) return false;
        last = id;
    }
    return true;
}

static bool bitmap_is_sound(struct bytes words, size_t cardinality)
{
    size_t set = 0;
    for (size_t i = 0; i + 8 <= words.len; i += 8) {
        uint64_t w;
        memcpy(&w, words.ptr + i, 8);
        set += (size_t)__builtin_popcountll(w);
    }
    return words.len == BITMAP_SIZE && set == cardinality;
}

/* Runs (start, length - 1), ascending, not touching each other. */
static bool runs_are_sound(struct rd *r, size_t cardinality)
{
    size_t count = rd_u16le(r), total = 0;
    uint32_t free_from = 0;
    for (size_t i = 0; i < count && rd_ok(r); i++) {
        uint32_t start = rd_u16le(r), length = (uint32_t)rd_u16le(r) + 1;
        if (start < free_from || start + length > 65536) return false;
        total += length;
        free_from = start + length + 1;
    }
    return rd_ok(r) && count > 0 && total == cardinality;
}

struct container_list {
    struct bytes run_flags; /* bit i: container i is a run container */
    struct bytes heads;     /* u16 key, u16 cardinality - 1 */
    struct bytes offsets;   /* u32 each, from the start; may be absent */
    size_t count;
};

static bool read_container_list(struct rd *r, struct container_list *out)
{
    uint32_t cookie = rd_u32le(r);
    *out = (struct container_list){ 0 };
    if ((cookie & 0xffff) == COOKIE_RUNS) {
        out->count = (cookie >> 16) + 1;
        out->run_flags = rd_bytes(r, (out->count + 7) / 8);
    } else if (cookie == COOKIE_NO_RUNS) {
        out->count = rd_u32le(r);
    } else {
        return false;
    }
    if (out->count > 65536) return false;
    out->heads = rd_bytes(r, out->count * 4);
    if (out->run_flags.len == 0 || out->count >= OFFSETS_FROM)
        out->offsets = rd_bytes(r, out->count * 4);
    return rd_ok(r);
}

static bool container_is_sound(struct rd *r, const struct container_list *list, size_t i)
{
    size_t cardinality = (size_t)(list->heads.ptr[4 * i + 2] | list->heads.ptr[4 * i + 3] << 8) + 1;
    bool is_run = list->run_flags.len > 0 && (list->run_flags.ptr[i / 8] >> (i % 8) & 1);
    if (is_run) return runs_are_sound(r, cardinality);
    if (cardinality <= ARRAY_CARDINALITY_MAX)
        return array_is_sound(rd_bytes(r, cardinality * 2), cardinality);
    return bitmap_is_sound(rd_bytes(r, BITMAP_SIZE), cardinality);
}

/* Does `in` begin with a sound set in portable form? The library does not look. */
static bool portable_form_is_sound(struct bytes in, size_t *out_used)
{
    struct rd r = rd_of(in);
    struct container_list list;
    if (!read_container_list(&r, &list)) return false;
    uint32_t key_min = 0;
    for (size_t i = 0; i < list.count; i++) {
        uint32_t key = list.heads.ptr[4 * i] | (uint32_t)list.heads.ptr[4 * i + 1] << 8;
        if (key < key_min) return false;
        key_min = key + 1;
        if (list.offsets.len > 0) {
            uint32_t offset;
            memcpy(&offset, list.offsets.ptr + 4 * i, 4);
            if (offset != (size_t)(r.pos - in.ptr)) return false;
        }
        if (!container_is_sound(&r, &list, i)) return false;
    }
    *out_used = in.len - rd_left(&r);
    return rd_ok(&r);
}

enum err_code postings_deserialize(struct mem_budget *mem, enum mem_account account,
                                   struct bytes in, struct postings **out, size_t *out_used,
                                   struct err *err)
{
    size_t used = 0;
    if (!portable_form_is_sound(in, &used))
        return err_set(err, ERR_CORRUPT, "malformed set of series");
    roaring_bitmap_t *bitmap = roaring_bitmap_portable_deserialize_safe((const char *)in.ptr, used);
    TRY(wrap(mem, account, bitmap, out, err));
    *out_used = used;
    return ERR_OK;
}
