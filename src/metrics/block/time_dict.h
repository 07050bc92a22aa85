/* SPDX-License-Identifier: Apache-2.0
 *
 * time_dict - the timestamp dictionary of a block (section TSDICT): vectors that occur more than
 * once are stored once. All series of one target share their scrape times, however far apart they
 * stand in the block.
 *
 * Format    u32 count, u32 0, u32 offset[count] from the start of the section, entries, 8 zero
 *           bytes. Entry: u8 codec (GAPS or JITTER), uvarint n, descriptor (base: the block's
 *           mint), payload.
 * Algorithm A vector seen for the first time is only remembered by its 128-bit hash (seeded per
 *           block) and stands inline; from the second time on it has an id.
 * Memory    Writer: MEM_COMPACTION, at most TIME_DICT_SEEN_MAX hashes and TIME_DICT_BYTES_MAX
 *           bytes; when full, new vectors simply stay inline.
 */
#ifndef PHAROS_METRICS_BLOCK_TIME_DICT_H
#define PHAROS_METRICS_BLOCK_TIME_DICT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "metrics/block/time_codec.h"
#include "os/mem.h"

#define TIME_DICT_SEEN_MAX (1u << 16)
#define TIME_DICT_BYTES_MAX (16u << 20)

struct time_dict_slot;

struct time_dict {
    struct mem_budget *mem;
    struct time_dict_slot *slots; /* open addressing, power of two */
    size_t slot_count, used;
    uint64_t seed;
    int64_t base_ms;
    struct buf entries, offsets; /* offsets: u32 each, relative to entries */
    uint32_t count;
};

void time_dict_init(struct time_dict *d, struct mem_budget *mem, int64_t base_ms, uint64_t seed);
void time_dict_deinit(struct time_dict *d);
/* The id of this vector: true once it has been seen before (in this block). False: write it
 * inline. ERR_NOMEM. */
CHECK_RESULT enum err_code time_dict_lookup(struct time_dict *d, const int64_t *ts_ms, size_t count,
                                            bool *out_is_shared, uint32_t *out_id, struct err *err);
/* Append the section. */
void time_dict_put(const struct time_dict *d, struct buf *out);

/* Reading: `section` as its crc was checked. */
struct time_dict_view {
    struct bytes section;
    int64_t base_ms;
};
/* Decode vector `id`, which must have `count` timestamps. */
CHECK_RESULT enum err_code time_dict_decode(const struct time_dict_view *d, uint32_t id,
                                            size_t count, struct time_limits limits,
                                            int64_t *out_ts_ms, struct err *err);
/* Is the section well-formed, all vectors included? */
CHECK_RESULT enum err_code time_dict_verify(const struct time_dict_view *d, struct err *err);

#endif
