/* SPDX-License-Identifier: Apache-2.0 */
#include "net/peers.h"

#include "base/assert.h"
#include "base/hash.h"
#include "os/thread.h"

enum { KEY_BYTES = 46, SLOTS_MIN = 64 }; /* an IPv6 text has at most 45 bytes and its zone is cut */

struct slot {
    uint32_t count; /* 0 = free */
    uint8_t key_len;
    char key[KEY_BYTES];
};

struct peers {
    struct mem_budget *mem;
    uint64_t seed;
    struct mutex lock;
    /* guarded by lock */
    struct slot *slots;
    size_t slot_count; /* a power of two */
    size_t used_count;
};

/* "10.0.0.7:51422" -> "10.0.0.7"; "[::1]:80" -> "[::1]". */
static struct str address_of(struct str addr)
{
    size_t end = addr.len;
    while (end > 0 && addr.ptr[end - 1] != ':')
        end--;
    struct str host = str_sub(addr, 0, end > 0 ? end - 1 : addr.len);
    return str_sub(host, 0, KEY_BYTES);
}

enum err_code peers_create(struct mem_budget *mem, uint64_t seed, struct peers **out,
                           struct err *err)
{
    struct peers *p = mem_zalloc(mem, MEM_NETWORK, sizeof *p);
    struct slot *slots = mem_zalloc(mem, MEM_NETWORK, SLOTS_MIN * sizeof *slots);
    if (!p || !slots) {
        mem_free(mem, MEM_NETWORK, slots, SLOTS_MIN * sizeof *slots);
        mem_free(mem, MEM_NETWORK, p, sizeof *p);
        return err_set(err, ERR_NOMEM, "no memory for the table of peers");
    }
    *p = (struct peers){ .mem = mem, .seed = seed, .slots = slots, .slot_count = SLOTS_MIN };
    mutex_init(&p->lock);
    *out = p;
    return ERR_OK;
}

void peers_destroy(struct peers *p)
{
    if (!p) return;
    struct mem_budget *mem = p->mem;
    mutex_deinit(&p->lock);
    mem_free(mem, MEM_NETWORK, p->slots, p->slot_count * sizeof *p->slots);
    mem_free(mem, MEM_NETWORK, p, sizeof *p);
}

static size_t home_of(const struct peers *p, struct str key)
{
    return (size_t)hash64(key.ptr, key.len, p->seed) & (p->slot_count - 1);
}

static struct str slot_key(const struct slot *s)
{
    return (struct str){ s->key, s->key_len };
}

/* The slot of the key, or the free one where it belongs. */
static size_t find_slot(const struct peers *p, struct str key)
{
    size_t i = home_of(p, key);
    while (p->slots[i].count > 0 && !str_eq(slot_key(&p->slots[i]), key)) {
        i = (i + 1) & (p->slot_count - 1);
    }
    return i;
}

static bool grow(struct peers *p)
{
    struct slot *old = p->slots;
    size_t old_count = p->slot_count;
    struct slot *slots = mem_zalloc(p->mem, MEM_NETWORK, old_count * 2 * sizeof *slots);
    if (!slots) return false;
    p->slots = slots;
    p->slot_count = old_count * 2;
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].count > 0) p->slots[find_slot(p, slot_key(&old[i]))] = old[i];
    }
    mem_free(p->mem, MEM_NETWORK, old, old_count * sizeof *old);
    return true;
}

bool peers_add(struct peers *p, struct str addr, uint32_t max)
{
    struct str key = address_of(addr);
    MUTEX_SCOPE(&p->lock);
    struct slot *slot = &p->slots[find_slot(p, key)];
    if (slot->count >= max) return false;
    if (slot->count > 0) {
        slot->count++;
        return true;
    }
    if ((p->used_count + 1) * 4 > p->slot_count * 3) {
        if (!grow(p)) return false;
        slot = &p->slots[find_slot(p, key)];
    }
    slot->count = 1;
    slot->key_len = (uint8_t)key.len;
    memcpy(slot->key, key.ptr, key.len);
    p->used_count++;
    return true;
}

/* Close the gap at `hole`: move back each follower that may live there. */
static void shift_back(struct peers *p, size_t hole)
{
    size_t mask = p->slot_count - 1;
    size_t i = hole;
    for (;;) {
        i = (i + 1) & mask;
        if (p->slots[i].count == 0) break;
        size_t home = home_of(p, slot_key(&p->slots[i]));
        if (((i - home) & mask) < ((i - hole) & mask)) continue;
        p->slots[hole] = p->slots[i];
        hole = i;
    }
    p->slots[hole].count = 0;
}

void peers_remove(struct peers *p, struct str addr)
{
    struct str key = address_of(addr);
    MUTEX_SCOPE(&p->lock);
    size_t i = find_slot(p, key);
    ASSERT(p->slots[i].count > 0);
    if (--p->slots[i].count > 0) return;
    p->used_count--;
    shift_back(p, i);
}

uint32_t peers_count(struct peers *p, struct str addr)
{
    struct str key = address_of(addr);
    MUTEX_SCOPE(&p->lock);
    return p->slots[find_slot(p, key)].count;
}
