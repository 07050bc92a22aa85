/* SPDX-License-Identifier: Apache-2.0
 *
 * engine_rig - a whole metrics engine over a disk in memory and a fake clock, beside a naive model of
 * what it must hold: for tests of the query side.
 */
#ifndef PHAROS_TESTS_ENGINE_RIG_H
#define PHAROS_TESTS_ENGINE_RIG_H

#include "base/rng.h"
#include "batch_maker.h"
#include "codec/regex.h"
#include "metrics/metrics.h"
#include "metrics/metrics_priv.h"
#include "os/clock.h"
#include "os/file_fault.h"

#define ENGINE_START_MS 1700006400000ll /* a block boundary */
#define ENGINE_RANGE_MS 7200000ll
#define MODEL_SERIES_MAX 1200
#define MODEL_SAMPLES_MAX 300

struct model_series {
    char key[256]; /* "name=value,name=value", as batch_maker wants it */
    struct labels labels;
    struct sample samples[MODEL_SAMPLES_MAX];
    size_t count;
};

struct engine_rig {
    struct mem_budget *mem;
    struct file_fault *disk;
    struct clock_fake clock;
    struct metrics *engine;
    struct batch_maker maker;
    struct arena arena; /* of the model's labels and of answers */
    struct model_series *model;
    size_t model_count;
    struct rng rng;
    int64_t now_ms;
};

void engine_rig_setup(struct engine_rig *r, uint64_t seed);
/* Also checks that nothing leaks. */
void engine_rig_teardown(struct engine_rig *r);
void engine_rig_reopen(struct engine_rig *r);
/* The same, and the start may fail: then false, and engine_rig_open comes next. */
bool engine_rig_try_reopen(struct engine_rig *r);
void engine_rig_open(struct engine_rig *r);
/* The power is lost, now or where the disk was cut; the machine starts again with the image of that
 * seed (os/file_fault.h). */
void engine_rig_reboot(struct engine_rig *r, uint64_t image_seed);

/* The model's series with that key, made if there is none. */
struct model_series *engine_rig_series(struct engine_rig *r, const char *key);
/* Put a sample at now_ms on the batch and the model. Begin with batch_maker_begin(&r->maker). */
void engine_rig_sample(struct engine_rig *r, struct model_series *s, double v);
/* Append the batch; every sample must be stored. */
void engine_rig_commit(struct engine_rig *r);
void engine_rig_advance(struct engine_rig *r, int64_t ms);
/* Cut the head up to `end_ms`, a block boundary, and forget what is in blocks. */
void engine_rig_cut_to(struct engine_rig *r, int64_t end_ms);
/* Up to the last block boundary. */
void engine_rig_cut(struct engine_rig *r);

/* A matcher over `value`; regexes are compiled and live until teardown. */
struct matcher engine_rig_matcher(struct engine_rig *r, enum match_type type, const char *name,
                                  const char *value);

struct series_set *engine_rig_select(struct engine_rig *r, const struct source_request *req);
/* Select, read everything, and compare with the model. */
void engine_rig_check(struct engine_rig *r, const struct source_request *req);

#endif
