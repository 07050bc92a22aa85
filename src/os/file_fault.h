/* SPDX-License-Identifier: Apache-2.0
 *
 * file_fault - an in-memory disk behind struct file_layer, for tests: it injects errors into chosen
 * calls, stops the machine at a chosen step, and builds what a real disk may hold afterwards.
 *
 * A crash sweep
 *
 *     for (uint64_t step = 1;; step++) {
 *         struct file_fault *disk = file_fault_create(1);
 *         file_fault_cut(disk, step);               -- the step-th mutating call is the last
 *         run_scenario(file_fault_layer(disk));     -- and note what was acknowledged
 *         bool is_cut = file_fault_is_stopped(disk);
 *         for (uint64_t seed = 0; seed < 8; seed++) {
 *             struct file_fault *after = file_fault_reboot(disk, seed);
 *             reopen_and_check(file_fault_layer(after));
 *             file_fault_destroy(after);
 *         }
 *         file_fault_destroy(disk);
 *         if (!is_cut) break;                       -- the scenario has fewer steps than that
 *     }
 *
 * file_fault_steps() after an undisturbed run gives the number of steps instead. A disk that came
 * from a reboot can be cut again: that is how recovery itself is swept.
 *
 * Steps      Each mutating call is one step: create, write, sync, truncate, fallocate, sync_dir,
 *            rename, link, unlink, mkdir, rmdir, lock. Reads, listings, opening of what exists and
 *            closing are not. file_fault_calls() counts every kind of call.
 * Stop       At the step of the cut the call is under way: what it changes is on its way to the
 *            disk like any unsynced change, but the call fails with EIO, and so does every later
 *            call on this disk (except that close releases its handle, munmap its mapping). A sync
 *            under way is no barrier. Objects of the program under test can then be destroyed in
 *            the ordinary way: they cannot repair anything any more.
 * Durable    fdatasync(file) makes the file's content and size durable, not its name.
 *            fsync_dir(dir) makes the names in `dir` durable (and whatever earlier changes of names
 *            those depend on), not the content of the files. Nothing else is a barrier; close is
 *            not.
 * Reboot     file_fault_reboot = power loss. The new disk holds all durable content and names, plus
 *            an arbitrary choice, by seed, of what was not synced:
 *              content  each write: dropped; kept; torn in 512-byte or 4-KiB sectors (a choice of
 *                       sectors arrived); only its first sectors; sectors of zeros or garbage where
 *                       the new bytes belong. Never damaged: bytes outside the written range.
 *              size     a file may have grown although the content did not arrive (zeros). It is
 *                       never shorter than when it was last synced, unless it was truncated since,
 *                       and that truncation arrived.
 *              names    each creation, link, removal, rename happened or did not, as long as the
 *                       history of every single name stays possible (a rename of a file whose
 *                       creation did not happen did not happen either). A rename is atomic, except
 *                       that a file (not a directory) may be found under both names.
 *            Seed 0: nothing unsynced survived. Seed 1: all of it did. Others: as chosen; the same
 *            seed on the same history gives the same image.
 * Restart    file_fault_restart = the process was killed, the machine lives: everything written is
 *            there, and what was not synced still is not.
 * Faults     file_fault_fail_at / file_fault_fail_op plan an error for the n-th call from now, once
 *            or for all matching calls from there on. Kinds that make no sense for a call act as
 *            FAULT_EIO. A failed sync behaves as Linux does: the error is reported once, each
 *            unsynced write of the file may by now have been forgotten (by the disk's seed), and a
 *            later sync succeeds without it. Who syncs again after a failure loses data here.
 *            Not modelled, because the layer hides them from its callers: EINTR, short reads, slow
 *            calls.
 * Paths      '/'-separated; relative and absolute ones mean the same ("data/x" is "/data/x"); "."
 *            is skipped, ".." is refused. The root directory exists and is durable.
 * Memory     A budget of the disk's own, so that mem_test_fail_at of the program under test does
 *            not disturb it; 4-KiB pages, shared copy-on-write between a disk and its images.
 *            Sparse and fallocated ranges cost nothing.
 * Threads    All calls: any thread (one lock). file_fault_destroy: when nothing uses the disk.
 */
#ifndef PHAROS_OS_FILE_FAULT_H
#define PHAROS_OS_FILE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#include "os/file_layer.h"

struct file_fault;

/* Kinds of calls, for counting and for choosing (FAULT_BIT) where a fault hits. */
enum file_fault_op {
    FAULT_OPEN,   /* FILE_READ, FILE_WRITE; not a step */
    FAULT_CREATE, /* FILE_CREATE, FILE_TRUNCATE */
    FAULT_CLOSE,  /* not a step */
    FAULT_READ,   /* not a step */
    FAULT_WRITE,
    FAULT_SYNC,
    FAULT_TRUNCATE,
    FAULT_FALLOCATE,
    FAULT_MMAP, /* not a step */
    FAULT_SYNC_DIR,
    FAULT_RENAME,
    FAULT_LINK,
    FAULT_UNLINK,
    FAULT_MKDIR,
    FAULT_RMDIR,
    FAULT_LIST, /* not a step */
    FAULT_STAT, /* stat, size, space; not a step */
    FAULT_LOCK,
    FAULT_OP_COUNT
};
#define FAULT_BIT(op) (1u << (op))
#define FAULT_ALL_OPS ((1u << FAULT_OP_COUNT) - 1)
/* The calls that count as steps. */
#define FAULT_STEP_OPS                                                                             \
    (FAULT_ALL_OPS & ~(FAULT_BIT(FAULT_OPEN) | FAULT_BIT(FAULT_CLOSE) | FAULT_BIT(FAULT_READ) |    \
                       FAULT_BIT(FAULT_MMAP) | FAULT_BIT(FAULT_LIST) | FAULT_BIT(FAULT_STAT)))

enum file_fault_kind {
    FAULT_EIO,    /* the call has no effect and fails */
    FAULT_ENOSPC, /* the same */
    FAULT_EDQUOT,
    FAULT_EMFILE,
    FAULT_SHORT, /* write: a part from the front is written, then ENOSPC */
    FAULT_TORN,  /* write: some of its 512-byte sectors are written, then EIO */
    FAULT_LOST,  /* write: succeeds, is read back, and never reaches the disk, sync or not (the size
                  * does);  sync, sync_dir: succeeds and is no barrier */
    FAULT_MISREAD, /* read, mmap: succeeds with the bytes of the next sector of the file */
    FAULT_FLIP,    /* read, mmap: one bit of the result is wrong, this time; write: one bit is
                  * stored wrong */
    FAULT_KIND_COUNT
};

enum file_fault_mode { FAULT_ONCE, FAULT_FOREVER };

/* An empty disk. `seed` decides about everything random but the images. Asserts on no memory. */
struct file_fault *file_fault_create(uint64_t seed);
/* Open handles and mappings die with it. NULL is a no-op. */
void file_fault_destroy(struct file_fault *f);
const struct file_layer *file_fault_layer(struct file_fault *f);

/* Stop at the step-th mutating call from now (1-based); 0 takes the plan back. */
void file_fault_cut(struct file_fault *f, uint64_t step);
/* Stop between two calls: now. */
void file_fault_stop(struct file_fault *f);
bool file_fault_is_stopped(const struct file_fault *f);
/* The disk after a power loss / after a kill of the process, at the point where f is now (it need
 * not be stopped). f is left as it is, and may be asked again. Plans, counters and locks start
 * afresh; the caller owns the new disk. */
struct file_fault *file_fault_reboot(struct file_fault *f, uint64_t image_seed);
struct file_fault *file_fault_restart(struct file_fault *f);

/* Plan a fault for the n-th step from now (1-based), or for the n-th call from now among the kinds
 * in `ops` (FAULT_BIT(FAULT_WRITE) | ...). Up to FAULT_PLANS_MAX plans at a time. */
#define FAULT_PLANS_MAX 8
void file_fault_fail_at(struct file_fault *f, uint64_t n, enum file_fault_kind kind,
                        enum file_fault_mode mode);
void file_fault_fail_op(struct file_fault *f, uint32_t ops, uint64_t n, enum file_fault_kind kind,
                        enum file_fault_mode mode);
/* Drop all planned faults (space has returned, the cable is back). */
void file_fault_clear(struct file_fault *f);

/* Since creation: steps done, calls of a kind, faults injected. */
uint64_t file_fault_steps(const struct file_fault *f);
uint64_t file_fault_calls(const struct file_fault *f, enum file_fault_op op);
uint64_t file_fault_fired(const struct file_fault *f);

/* For people: from now on a line per call to stderr, such as
 * "step 17: write data/wal/0 @4096+512: EIO". */
void file_fault_trace(struct file_fault *f, bool is_on);

/* Total size of the disk (default 1 TiB); a call that would make the sum of all file sizes exceed
 * it gets ENOSPC (a write after storing what fits). Removing works on a full disk. */
void file_fault_set_capacity(struct file_fault *f, uint64_t bytes);
uint64_t file_fault_used(const struct file_fault *f);

/* Media damage: flip bit `bit` (byte bit / 8, counted from bit 0) of the file's content, synced or
 * not. False when there is no such file or bit. No step. */
bool file_fault_flip(struct file_fault *f, const char *path, uint64_t bit);

/* Hash of all names and contents as a program sees them: equal trees have equal digests. */
uint64_t file_fault_digest(const struct file_fault *f);
/* Handles and mappings not given back yet; 0 at the end of a clean test. */
uint64_t file_fault_open_count(const struct file_fault *f);

#endif
