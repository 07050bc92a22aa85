/* SPDX-License-Identifier: Apache-2.0
 *
 * block_fixture - what the tests of blocks share: a disk in memory, a store on it, blocks of a small fleet.
 */
#ifndef PHAROS_TESTS_BLOCK_FIXTURE_H
#define PHAROS_TESTS_BLOCK_FIXTURE_H

#include "blobs/blobs_dir.h"
#include "block_fleet.h"
#include "metrics/block/block.h"
#include "metrics/block/block_writer.h"
#include "os/clock.h"
#include "os/file_fault.h"
#include "os/mem.h"

#define BLOCK_MINT 1700006400000
#define BLOCK_RANGE 7200000
#define BLOCK_ROOT "data/blocks"

struct block_fixture {
    struct mem_budget *mem;
    struct file_fault *disk;
    struct blobs *blobs;
    struct arena arena;
    struct clock_fake clock;
    struct fleet fleet;
};

void block_fixture_setup(struct block_fixture *f);
/* Also checks that nothing leaks. */
void block_fixture_teardown(struct block_fixture *f);
/* Fails the test with the error's text. */
void assert_ok(enum err_code code, const struct err *err);

/* A fleet whose samples fill the block. */
void block_fixture_fleet(struct block_fixture *f, uint32_t targets, uint32_t series_per_target,
                         uint32_t samples);
/* Options of a block of the fleet's range with a fresh id. */
struct block_writer_options block_fixture_options(struct block_fixture *f);
/* Write the fleet; samples arrive in two pieces. */
struct block_meta block_fixture_write(struct block_fixture *f,
                                      const struct block_writer_options *options);
struct block *block_fixture_open(struct block_fixture *f, struct ulid id);
/* Series `i` of the fleet, read by `r` in that range, is what the fleet says. */
void assert_fleet_series(struct block_fixture *f, struct block_reader *r, uint32_t i,
                         struct block_range range);
/* All labels and samples of the fleet are in `b`. */
void assert_fleet_block(struct block_fixture *f, struct block *b);

#define EVERYTHING ((struct block_range){ INT64_MIN, INT64_MAX })

#endif
