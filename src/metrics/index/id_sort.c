/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/index/id_sort.h"

#include <string.h>

#include "base/assert.h"

#define INSERTION_MAX 12

/* ---- keys ---- */

static void scatter_by_byte(const uint64_t *from, uint64_t *to, size_t count, unsigned shift,
                            const size_t counts[256])
{
    size_t at[256];
    size_t sum = 0;
    for (unsigned b = 0; b < 256; b++) {
        at[b] = sum;
        sum += counts[b];
    }
    for (size_t i = 0; i < count; i++)
        to[at[from[i] >> shift & 0xff]++] = from[i];
}

void id_sort_by_upper(uint64_t *keys, uint64_t *scratch, size_t count)
{
    uint64_t *from = keys;
    uint64_t *to = scratch;
    for (unsigned shift = 32; shift < 64 && count > 1; shift += 8) {
        size_t counts[256] = { 0 };
        for (size_t i = 0; i < count; i++)
            counts[from[i] >> shift & 0xff]++;
        if (counts[from[0] >> shift & 0xff] == count) continue;
        scatter_by_byte(from, to, count, shift, counts);
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != keys) memcpy(keys, from, count * sizeof *keys);
}

/* ---- texts ---- */

/* Bytes [depth, depth + 8) as a big-endian number. A text that ends there is padded with zeros,
 * which a text with zero bytes also has: ties are decided by what follows, or by length. */
static uint64_t key_at(struct str s, size_t depth)
{
    uint64_t v = 0;
    size_t left = s.len > depth ? s.len - depth : 0;
    if (left >= 8) {
        memcpy(&v, s.ptr + depth, 8);
        return __builtin_bswap64(v);
    }
    for (size_t i = 0; i < left; i++)
        v |= (uint64_t)(uint8_t)s.ptr[depth + i] << (56 - 8 * i);
    return v;
}

static void swap_items(struct text_id *a, struct text_id *b)
{
    struct text_id t = *a;
    *a = *b;
    *b = t;
}

static void insertion_sort(struct text_id *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct text_id moving = items[i];
        size_t k = i;
        for (; k > 0; k--) {
            const struct text_id *before = &items[k - 1];
            bool is_after = before->key != moving.key ? before->key > moving.key
                                                      : str_cmp(before->text, moving.text) > 0;
            if (!is_after) break;
            items[k] = *before;
        }
        items[k] = moving;
    }
}

static uint64_t median_of(const struct text_id *items, size_t count)
{
    uint64_t a = items[0].key;
    uint64_t b = items[count / 2].key;
    uint64_t c = items[count - 1].key;
    if (a > b) {
        uint64_t t = a;
        a = b;
        b = t;
    }
    if (c <= a) return a;
    return c >= b ? b : c;
}

/* Smaller keys to [0, *lt), equal ones to [*lt, *gt), larger ones behind. */
static void partition(struct text_id *items, size_t count, uint64_t pivot, size_t *lt, size_t *gt)
{
    size_t low = 0;
    size_t high = count;
    for (size_t i = 0; i < high;) {
        if (items[i].key < pivot) {
            swap_items(&items[low++], &items[i++]);
        } else if (items[i].key > pivot) {
            swap_items(&items[i], &items[--high]);
        } else {
            i++;
        }
    }
    *lt = low;
    *gt = high;
}

/* Texts that end within the present 8 bytes and have equal keys: by length. The rest is loaded for
 * the next depth. Returns how many ended; they stand in front. */
static size_t put_ended_first(struct text_id *items, size_t count, size_t depth)
{
    size_t ended = 0;
    for (size_t i = 0; i < count; i++)
        if (items[i].text.len <= depth) swap_items(&items[ended++], &items[i]);
    for (size_t i = 1; i < ended; i++)
        for (size_t k = i; k > 0 && items[k - 1].text.len > items[k].text.len; k--)
            swap_items(&items[k - 1], &items[k]);
    for (size_t i = ended; i < count; i++)
        items[i].key = key_at(items[i].text, depth);
    return ended;
}

struct stretch {
    struct text_id *items;
    size_t count, depth;
};

/* Stretches that wait are smaller than half of the one they were cut from (by key), or deeper. */
#define STRETCHES_MAX 192

static void push(struct stretch *stack, size_t *top, struct stretch s)
{
    if (s.count < 2) return;
    ASSERT(*top < STRETCHES_MAX);
    stack[(*top)++] = s;
}

static void sort_stretch(struct text_id *items, size_t count, size_t depth, struct stretch *stack,
                         size_t *top)
{
    size_t lt;
    size_t gt;
    partition(items, count, median_of(items, count), &lt, &gt);
    struct stretch less = { items, lt, depth };
    struct stretch more = { items + gt, count - gt, depth };
    size_t ended = put_ended_first(items + lt, gt - lt, depth + 8);
    struct stretch equal = { items + lt + ended, gt - lt - ended, depth + 8 };
    /* The largest first, so that it is worked on last and the stack stays low. */
    struct stretch *order[3] = { &less, &equal, &more };
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2 - i; k++)
            if (order[k]->count < order[k + 1]->count) {
                struct stretch *t = order[k];
                order[k] = order[k + 1];
                order[k + 1] = t;
            }
    for (int i = 0; i < 3; i++)
        push(stack, top, *order[i]);
}

void id_sort_by_text(struct text_id *items, size_t count)
{
    struct stretch stack[STRETCHES_MAX];
    size_t top = 0;
    for (size_t i = 0; i < count; i++)
        items[i].key = key_at(items[i].text, 0);
    push(stack, &top, (struct stretch){ items, count, 0 });
    while (top > 0) {
        struct stretch s = stack[--top];
        if (s.count <= INSERTION_MAX) {
            insertion_sort(s.items, s.count);
        } else {
            sort_stretch(s.items, s.count, s.depth, stack, &top);
        }
    }
}
