/* SPDX-License-Identifier: Apache-2.0
 *
 * engine_sweep_rig - a whole metrics engine on the in-memory disk, small enough that a few hundred
 * file operations bring chunk files, segment rolls, checkpoints, blocks and retention; and the
 * model of what it must hold.
 *
 * Time goes in ticks of 1 s. A tick is one batch: one sample of each series that lives then. Value
 * and presence of a sample follow from (series, tick), so that a reader can tell lost, doubled,
 * changed and invented samples apart. Series differ in values (constant, counter, random, decimal,
 * stale markers) and in life: some come and go (so that they are collected), one comes back, one is
 * slow.
 */
#ifndef PHAROS_TESTS_ENGINE_SWEEP_RIG_H
#define PHAROS_TESTS_ENGINE_SWEEP_RIG_H

#include "batch_maker.h"
#include "metrics/metrics.h"
#include "metrics/metrics_priv.h"
#include "os/clock.h"
#include "os/file_fault.h"

#define SWEEP_SERIES 20
#define SWEEP_TICKS 256
#define SWEEP_TICK_MS 1000ll
#define SWEEP_RANGE_TICKS 20u
#define SWEEP_KEEP_TICKS 45u /* retention */
#define SWEEP_START_MS 1700000000000ll
#define SWEEP_STORY_TICKS 90u

/* What is known about a sample; each includes the one before. */
enum sweep_state {
    SWEEP_ABSENT,    /* never given to the engine */
    SWEEP_SUBMITTED, /* may be there */
    SWEEP_ACKED,     /* survives kill -9 */
    SWEEP_DURABLE,   /* survives a power cut */
    SWEEP_NOTHING    /* as a need: whatever is found is good */
};

struct sweep_model {
    uint8_t state[SWEEP_SERIES][SWEEP_TICKS];
    uint32_t ticks;     /* the next one */
    uint32_t kept_from; /* retention may have dropped what is before */
};

struct sweep {
    struct file_fault *disk;
    struct mem_budget *mem;
    struct metrics *engine; /* NULL: closed */
    struct clock_fake clock;
    struct batch_maker maker;
    struct sweep_model model;
    enum journal_mode mode;
    bool is_disturbed; /* faults are planned: refusals and reported losses are no error */
    struct err err;    /* of the last call that failed */
};

/* A closed engine on `disk` (owned from here on; NULL: a new one) with a copy of `model` (NULL:
 * nothing submitted). */
void sweep_init(struct sweep *r, struct file_fault *disk, enum journal_mode mode,
                const struct sweep_model *model);
/* Closes without caring for the result; nothing may leak. */
void sweep_deinit(struct sweep *r);
enum err_code sweep_open(struct sweep *r);
enum err_code sweep_close(struct sweep *r);
/* Close, and go on with what the disk holds after a power cut with image `seed` / after kill -9 at
 * this moment. */
void sweep_power_cycle(struct sweep *r, uint64_t seed);
void sweep_kill(struct sweep *r);

/* Append the batch of a tick and wait for the answer. */
enum err_code sweep_send(struct sweep *r, uint32_t tick);
/* The next tick. ERR_BUSY: not all samples were stored (only when is_disturbed). */
enum err_code sweep_tick(struct sweep *r);
/* journal_sync: all that was acknowledged is durable. */
enum err_code sweep_sync(struct sweep *r);
/* A round of maintenance, as the engine's own thread does. */
enum err_code sweep_maintain(struct sweep *r);
/* Wait until the journal takes records again; false after 10 s. */
bool sweep_wait_resumed(struct sweep *r);

/* Compare what a query finds with the model: all samples of at least `needed` are there, once, with
 * their values; nothing else was found but what was submitted; times ascend; files are not too
 * large. The number of samples found. ERR_*: the query failed, nothing was compared. */
enum err_code sweep_query(struct sweep *r, enum sweep_state needed, const char *where,
                          uint64_t *out_found);
/* The same; the query must succeed. */
uint64_t sweep_check(struct sweep *r, enum sweep_state needed, const char *where);
/* No damage was met at start. */
void sweep_check_sound(struct sweep *r, const char *where);
/* The model becomes what a query finds: exactly that must be there from now on. */
void sweep_adopt(struct sweep *r);
/* The store takes two more ticks and, opened again, still has everything. */
void sweep_check_writable(struct sweep *r, const char *where);

/* Three ticks in segments of their own; then the journal is shortened as far as it goes. */
void sweep_write_on(struct sweep *r);

/* What happens after `tick` of the story: a roll, a flush, a cut, a close and a start, ... */
enum err_code sweep_event(struct sweep *r, uint32_t tick);
/* The story that is swept: 90 ticks with everything that happens to an engine. False: it ended
 * early because the disk has stopped. */
bool sweep_story(struct sweep *r);

#endif
