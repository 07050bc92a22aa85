/* SPDX-License-Identifier: Apache-2.0
 *
 * epoch - publish a pointer, retire the old one, free it when no reader can see it any more.
 *
 * A reader enters before it loads a published pointer and leaves when it has forgotten it; the
 * writer retires what it unlinked. Retired items are freed by epoch_collect() once every reader
 * that was inside at retirement has left. Readers never block and never allocate.
 *
 * Threads   enter/leave: any thread, at most EPOCH_READERS_MAX at once (more wait for a slot), may
 *           nest through separate guards; a reader may stay inside across a whole query.
 *           retire/collect: any thread (internal lock).
 * Algorithm Fraser 2004 (epoch-based reclamation), C11 atomics.
 */
#ifndef PHAROS_OS_EPOCH_H
#define PHAROS_OS_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define EPOCH_READERS_MAX 1024

struct epoch;
struct mem_budget;

struct epoch_guard {
    uint32_t slot; /* 0 = not inside */
};

CHECK_RESULT enum err_code epoch_create(struct mem_budget *mem, struct epoch **out,
                                        struct err *err);
/* No reader may be inside; frees everything retired. */
void epoch_destroy(struct epoch *e);

struct epoch_guard epoch_enter(struct epoch *e);
void epoch_leave(struct epoch *e, struct epoch_guard *g);

/* Call fn(arg, ptr, size) when it is safe. Never fails: with no memory for the note it waits for
 * the readers and frees at once, so the caller must not be inside itself. */
void epoch_retire(struct epoch *e, void *ptr, uint64_t size,
                  void (*fn)(void *arg, void *ptr, uint64_t size), void *arg);
/* Free what is safe now; returns the number of items still waiting. */
uint64_t epoch_collect(struct epoch *e);

#endif
