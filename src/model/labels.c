/* SPDX-License-Identifier: Apache-2.0 */
#include "model/labels.h"

/* Canonical bytes up to this size are hashed in one call; longer ones are folded (labels.h). */
#define HASH_BLOCK_SIZE 4096

struct str labels_get(struct labels l, struct str name)
{
    size_t lo = 0;
    size_t hi = l.len;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(l.ptr[mid].name, name);
        if (c == 0) return l.ptr[mid].value;
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return (struct str){ NULL, 0 };
}

static int label_cmp(const struct label *a, const struct label *b)
{
    int c = str_cmp(a->name, b->name);
    return c != 0 ? c : str_cmp(a->value, b->value);
}

int labels_cmp(struct labels a, struct labels b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < n; i++) {
        int c = label_cmp(&a.ptr[i], &b.ptr[i]);
        if (c != 0) return c;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

bool labels_eq(struct labels a, struct labels b)
{
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++) {
        if (!str_eq(a.ptr[i].name, b.ptr[i].name)) return false;
        if (!str_eq(a.ptr[i].value, b.ptr[i].value)) return false;
    }
    return true;
}

/* Collects the canonical bytes in blocks. The hash of a full block becomes the first 16 bytes of
 * the next one. */
struct hash_fold {
    uint8_t block[HASH_BLOCK_SIZE];
    size_t len;
    uint64_t seed;
};

static void fold_put(struct hash_fold *f, struct str s)
{
    while (s.len > 0) {
        if (f->len == HASH_BLOCK_SIZE) {
            struct hash128 h = hash128(f->block, f->len, f->seed);
            memcpy(f->block, &h, sizeof h);
            f->len = sizeof h;
        }
        size_t room = HASH_BLOCK_SIZE - f->len;
        size_t n = s.len < room ? s.len : room;
        memcpy(f->block + f->len, s.ptr, n);
        f->len += n;
        s.ptr += n;
        s.len -= n;
    }
}

struct hash128 labels_hash128(struct labels l, uint64_t seed)
{
    struct hash_fold f;
    f.len = 0;
    f.seed = seed;
    for (size_t i = 0; i < l.len; i++) {
        fold_put(&f, l.ptr[i].name);
        fold_put(&f, STR("\xff"));
        fold_put(&f, l.ptr[i].value);
        fold_put(&f, STR("\xff"));
    }
    return hash128(f.block, f.len, seed);
}

/* Length prefix of promql.md section 9: one byte below 255, else 255 and three bytes. */
static size_t put_hash_part(uint8_t *out, struct str s)
{
    size_t n = 0;
    if (s.len < 255) {
        out[n++] = (uint8_t)s.len;
    } else {
        out[n++] = 255;
        out[n++] = (uint8_t)s.len;
        out[n++] = (uint8_t)(s.len >> 8);
        out[n++] = (uint8_t)(s.len >> 16);
    }
    if (s.len > 0) memcpy(out + n, s.ptr, s.len);
    return n + s.len;
}

uint64_t labels_hash_prometheus(struct labels l, struct arena *scratch)
{
    uint8_t small[1024];
    size_t size = 0;
    for (size_t i = 0; i < l.len; i++)
        size += l.ptr[i].name.len + l.ptr[i].value.len + 8;
    uint8_t *bytes = small;
    if (size > sizeof small) bytes = arena_array_raw(scratch, uint8_t, size);
    if (bytes == NULL) return 0;
    size_t n = 0;
    for (size_t i = 0; i < l.len; i++) {
        n += put_hash_part(bytes + n, l.ptr[i].name);
        n += put_hash_part(bytes + n, l.ptr[i].value);
    }
    return hash_xxh64(bytes, n);
}

enum err_code labels_copy(struct arena *a, struct labels l, struct labels *out, struct err *err)
{
    size_t size = 0;
    for (size_t i = 0; i < l.len; i++)
        size += l.ptr[i].name.len + l.ptr[i].value.len;
    struct label *pairs = arena_array_raw(a, struct label, l.len + 1);
    char *text = arena_array_raw(a, char, size + 1);
    if (pairs == NULL || text == NULL) return err_set(err, ERR_NOMEM, "no memory for labels");
    for (size_t i = 0; i < l.len; i++) {
        struct label from = l.ptr[i];
        if (from.name.len > 0) memcpy(text, from.name.ptr, from.name.len);
        pairs[i].name = (struct str){ text, from.name.len };
        text += from.name.len;
        if (from.value.len > 0) memcpy(text, from.value.ptr, from.value.len);
        pairs[i].value = (struct str){ text, from.value.len };
        text += from.value.len;
    }
    *out = (struct labels){ pairs, l.len };
    return ERR_OK;
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool name_is_legacy(struct str name, bool allow_colon)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_digit = c >= '0' && c <= '9';
        if (is_letter(c) || (is_digit && i > 0) || (allow_colon && c == ':')) continue;
        return false;
    }
    return name.len > 0;
}

bool label_name_is_legacy(struct str name)
{
    return name_is_legacy(name, false);
}

bool metric_name_is_legacy(struct str name)
{
    return name_is_legacy(name, true);
}

bool label_name_is_valid(struct str name)
{
    return name.len > 0 && str_is_utf8(name);
}
