/* SPDX-License-Identifier: Apache-2.0 */
#include "scrape_log.h"

#include <stdio.h>
#include <stdlib.h>

#include "options.h"

void scrape_log_init(struct scrape_log *l, uint32_t count, int64_t interval_ms)
{
    *l = (struct scrape_log){ .count = count, .interval_ms = interval_ms };
    l->targets = calloc(count, sizeof *l->targets);
    if (!l->targets) die("out of memory");
}

void scrape_log_start_window(struct scrape_log *l, int64_t now_ms)
{
    l->window_start_ms = now_ms;
    l->missed = l->bytes = l->identity_answers = 0;
    l->gap_max_ms = 0;
    for (uint32_t i = 0; i < l->count; i++)
        l->targets[i].in_window = 0;
}

static uint64_t missed_in(const struct scrape_log *l, int64_t gap_ms)
{
    int64_t intervals = (gap_ms + l->interval_ms / 2) / l->interval_ms;
    return intervals > 1 ? (uint64_t)intervals - 1 : 0;
}

void scrape_log_add(struct scrape_log *l, uint32_t target, int64_t now_ms, uint64_t bytes)
{
    struct target_log *t = &l->targets[target];
    int64_t from = t->last_ms > l->window_start_ms ? t->last_ms : l->window_start_ms;
    int64_t gap_ms = t->last_ms ? now_ms - (t->in_window ? t->last_ms : from) : 0;
    if (gap_ms > l->gap_max_ms) l->gap_max_ms = gap_ms;
    l->missed += missed_in(l, gap_ms);
    l->bytes += bytes;
    t->last_ms = now_ms;
    t->scrapes++;
    t->in_window++;
}

int scrape_log_print(const struct scrape_log *l, int64_t now_ms, char *out, int size)
{
    uint64_t scrapes = 0, missed = l->missed, silent = 0;
    uint32_t least = UINT32_MAX, most = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct target_log *t = &l->targets[i];
        int64_t since = t->in_window ? t->last_ms : l->window_start_ms;
        scrapes += t->in_window;
        silent += t->in_window == 0;
        missed += missed_in(l, now_ms - since);
        least = t->in_window < least ? t->in_window : least;
        most = t->in_window > most ? t->in_window : most;
    }
    return snprintf(out, (size_t)size,
                    "{\"targets\": %u, \"window_s\": %.3f, \"scrapes\": %lu, \"missed\": %lu, "
                    "\"never_scraped\": %lu, \"least\": %u, \"most\": %u, \"gap_max_ms\": %ld, "
                    "\"bytes\": %lu, \"identity_answers\": %lu}\n",
                    l->count, (double)(now_ms - l->window_start_ms) / 1000, scrapes, missed, silent,
                    least, most, l->gap_max_ms, l->bytes, l->identity_answers);
}
