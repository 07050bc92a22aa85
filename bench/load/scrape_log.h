/* SPDX-License-Identifier: Apache-2.0
 *
 * scrape_log - when each target was scraped within the window that is measured, and which scrapes are missing.
 *
 * A gap between two scrapes of a target that rounds to k intervals misses k - 1 of them; so does the gap
 * from its last scrape to the end of the window. (The first scrape's place is the server's choice.)
 */
#ifndef PHAROS_BENCH_LOAD_SCRAPE_LOG_H
#define PHAROS_BENCH_LOAD_SCRAPE_LOG_H

#include <stdint.h>

struct target_log {
    int64_t last_ms;  /* 0: never */
    uint32_t scrapes; /* of all time: chooses the variant */
    uint32_t in_window;
};

struct scrape_log {
    struct target_log *targets;
    uint32_t count;
    int64_t interval_ms, window_start_ms;
    uint64_t missed, bytes, identity_answers;
    int64_t gap_max_ms;
};

void scrape_log_init(struct scrape_log *l, uint32_t count, int64_t interval_ms);
void scrape_log_start_window(struct scrape_log *l, int64_t now_ms);
void scrape_log_add(struct scrape_log *l, uint32_t target, int64_t now_ms, uint64_t bytes);
/* One JSON object. */
int scrape_log_print(const struct scrape_log *l, int64_t now_ms, char *out, int size);

#endif
