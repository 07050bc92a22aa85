/* SPDX-License-Identifier: Apache-2.0
 *
 * target - one thing to scrape: labels, URL, schedule, and what happened last time.
 *
 * A target is made from a discovered address by the pool's relabelling (target_build) and lives on
 * the scrape thread.
 *
 * Source    scrape-and-config.md section 3.
 */
#ifndef PHAROS_COLLECT_SCRAPE_TARGET_H
#define PHAROS_COLLECT_SCRAPE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "collect/discovery/discovery.h"
#include "collect/relabel/relabel.h"
#include "collect/scrape/scrape_config.h"
#include "model/labels.h"

/* What relabelling made of a discovered address; all of it in one arena. */
struct target_spec {
    struct labels discovered; /* before relabelling */
    struct labels labels;     /* what its samples get */
    struct str url;
    int64_t interval_ms, timeout_ms;
    struct hash128 identity; /* of all labels after relabelling and the URL */
};

enum target_result { TARGET_OK, TARGET_DROPPED, TARGET_INVALID, TARGET_NOMEM };

/* `address` of `group` in a job. TARGET_DROPPED sets out->discovered alone; TARGET_INVALID fills
 * err. */
enum target_result target_build(const struct scrape_config *config,
                                const struct relabel_rules *rules, const struct target_group *group,
                                struct str address, struct arena *a, struct target_spec *out,
                                struct err *err);

/* Phase of a target in its interval, ms in [0, interval): spreads targets evenly and differs
 * between servers. */
int64_t target_phase_ms(const struct target_spec *spec, uint64_t server_seed);

#endif
