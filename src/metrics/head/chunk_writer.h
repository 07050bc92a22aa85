/* SPDX-License-Identifier: Apache-2.0
 *
 * chunk_writer - brings full chunks from the shards' queues to the head chunk files.
 *
 * Round     Copies queued chunks of all shards (256 per lock hold) into a buffer of up to 4 MiB,
 *           writes and syncs it, then turns the chunks' nodes from memory to file and frees their
 *           slab blocks, and announces them in the journal (CHUNKS_DURABLE).
 * When      4 MiB are queued, every 15 s, and when someone waits (chunk_writer_flush).
 * Failure   The chunks stay in memory and queued; tried again in the next round, into a new file.
 * Threads   One of its own between start and stop. flush, kick: any thread.
 * Memory    MEM_COMPACTION, given back when a round leaves nothing to do.
 */
#ifndef PHAROS_METRICS_HEAD_CHUNK_WRITER_H
#define PHAROS_METRICS_HEAD_CHUNK_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct head;
struct chunk_writer;

CHECK_RESULT enum err_code chunk_writer_create(struct head *h, struct chunk_writer **out,
                                               struct err *err);
/* Stopped before. NULL is a no-op. */
void chunk_writer_destroy(struct chunk_writer *w);
CHECK_RESULT enum err_code chunk_writer_start(struct chunk_writer *w, struct err *err);
/* One last round, then the thread ends. No-op when not started. */
void chunk_writer_stop(struct chunk_writer *w);
/* The journal takes records from now on. */
void chunk_writer_set_logging(struct chunk_writer *w, bool can_log);

/* Chunks of `bytes` in total were queued. Cheap; called without a shard's lock. */
void chunk_writer_note(struct chunk_writer *w, uint64_t bytes);
/* Everything queued before the call is durable and announced, or an error. Without a thread the
 * caller does the work. */
CHECK_RESULT enum err_code chunk_writer_flush(struct chunk_writer *w, struct err *err);

#endif
