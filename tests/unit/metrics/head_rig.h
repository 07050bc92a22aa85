/* SPDX-License-Identifier: Apache-2.0
 *
 * head_rig - a head over a fake journal, an in-memory disk and a fake clock, for tests.
 */
#ifndef PHAROS_TESTS_HEAD_RIG_H
#define PHAROS_TESTS_HEAD_RIG_H

#include "batch_maker.h"
#include "journal_fake.h"
#include "metrics/head/head_append.h"
#include "metrics/head/head_engine.h"
#include "metrics/head/head_priv.h"
#include "os/clock.h"
#include "os/file_fault.h"

#define RIG_START_MS 1700000000000ll
#define RIG_RANGE_MS 7200000ll

struct rig {
    struct mem_budget *mem;
    struct file_fault *disk;
    struct clock_fake clock;
    struct journal_fake journal;
    struct head *head;
    struct batch_maker maker;
    struct append_result result;
    int64_t mint_ms;
    uint64_t series_max;
    uint64_t file_bytes;
    struct head_listener listener;
    uint8_t shards_log2;
};

/* An open rig without a head. */
void rig_init(struct rig *r);
void rig_deinit(struct rig *r);
enum err_code rig_open_head(struct rig *r, struct err *err);
void rig_close_head(struct rig *r);
void rig_reopen(struct rig *r);
/* rig_init + head. */
void rig_setup(struct rig *r);
/* Append r->maker.batch. */
enum err_code rig_append(struct rig *r);
/* One sample; returns the outcome. */
enum batch_outcome rig_one(struct rig *r, const char *key, int64_t t, double v);
/* Find a series by its printed labels: `{a="b", ...}` with the name inside. */
bool rig_find(struct rig *r, const char *labels, uint32_t *out_shard, uint32_t *out_ref);
/* The same for a series that was found. */
void rig_read_ref(struct rig *r, uint32_t shard, uint32_t ref, int64_t mint, int64_t maxt,
                  struct sample_buf *out);
/* Call fn for every series, with its labels as in rig_find. */
void rig_each(struct rig *r, void (*fn)(void *arg, struct str labels, uint32_t shard, uint32_t ref),
              void *arg);
/* All samples of a series in [mint, maxt] appended to `out`; false: no such series. */
bool rig_read(struct rig *r, const char *labels, int64_t mint, int64_t maxt,
              struct sample_buf *out);

#endif
