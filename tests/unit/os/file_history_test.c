/* SPDX-License-Identifier: Apache-2.0
 *
 * Random histories of calls: the in-memory disk answers each of them as the real one does, and
 * what was synced is in every image.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/rng.h"
#include "os/file_fault.h"

#define HANDLES 4
#define HISTORY_CALLS 1000

static const char *const names[] = { "a", "b", "d", "e", "d/a", "d/b", "d/f", "d/f/a", "e/a" };
#define NAME_COUNT (sizeof names / sizeof names[0])

/* One program's view of one disk. */
struct side {
    const struct file_layer *l;
    const char *root;
    struct file *handles[HANDLES];
};

/* What a call is to do; the same for both sides. */
struct step {
    unsigned op, handle, mode;
    const char *one, *two;
    uint64_t offset, len;
    uint8_t byte;
};

static const char *full(const struct side *s, const char *name, char out[FILE_PATH_SIZE])
{
    ck_assert_int_eq(file_join(out, s->root, name, NULL), ERR_OK);
    return out;
}

static enum err_code hash_name(void *arg, const char *name, bool is_dir, struct err *err)
{
    (void)err;
    uint64_t *digest = arg;
    *digest = hash64(name, strlen(name), *digest + is_dir);
    return ERR_OK;
}

static enum err_code open_step(struct side *s, const struct step *step, struct err *err)
{
    char path[FILE_PATH_SIZE];
    struct file **handle = &s->handles[step->handle];
    if (*handle) {
        struct file *f = *handle;
        *handle = NULL;
        return s->l->close(s->l->ctx, f, err);
    }
    enum file_mode mode = (enum file_mode)(step->mode % 3 + 1); /* never read-only */
    return s->l->open(s->l->ctx, full(s, step->one, path), mode, handle, err);
}

static enum err_code file_step(struct side *s, const struct step *step, uint64_t *out,
                               struct err *err)
{
    struct file *f = s->handles[step->handle];
    if (!f) return ERR_OK;
    static uint8_t bytes[8192];
    struct file_iovec iov[2] = { { bytes, (size_t)step->len }, { bytes, (size_t)step->len / 2 } };
    size_t n;
    enum err_code code = ERR_OK;
    switch (step->op) {
    case 1:
        memset(bytes, step->byte, sizeof bytes);
        return s->l->pwritev(s->l->ctx, f, iov, 2, step->offset, err);
    case 2: return s->l->truncate(s->l->ctx, f, step->offset, err);
    case 3: return s->l->fallocate(s->l->ctx, f, step->offset, step->len + 1, err);
    case 4: return s->l->fdatasync(s->l->ctx, f, err);
    case 5: return s->l->size(s->l->ctx, f, out, err);
    default:
        code = s->l->pread(s->l->ctx, f, bytes, (size_t)step->len, step->offset, &n, err);
        if (code == ERR_OK) *out = hash64(bytes, n, n);
        return code;
    }
}

static enum err_code name_step(struct side *s, const struct step *step, uint64_t *out,
                               struct err *err)
{
    char one[FILE_PATH_SIZE];
    char two[FILE_PATH_SIZE];
    struct file_info info;
    (void)full(s, step->one, one);
    (void)full(s, step->two, two);
    enum err_code code;
    switch (step->op) {
    case 7: return s->l->rename(s->l->ctx, one, two, err);
    case 8: return s->l->link(s->l->ctx, one, two, err);
    case 9: return s->l->unlink(s->l->ctx, one, err);
    case 10: return s->l->mkdir(s->l->ctx, one, err);
    case 11: return s->l->rmdir(s->l->ctx, one, err);
    case 12: return s->l->fsync_dir(s->l->ctx, one, err);
    case 13: return s->l->list(s->l->ctx, one, hash_name, out, err);
    default:
        code = s->l->stat(s->l->ctx, one, &info, err);
        if (code == ERR_OK) *out = info.is_dir ? 1 : info.size_bytes * 2;
        return code;
    }
}
#define OP_COUNT 15

static enum err_code run_step(struct side *s, const struct step *step, uint64_t *out,
                              struct err *err)
{
    *out = 0;
    if (step->op == 0) return open_step(s, step, err);
    return step->op < 7 ? file_step(s, step, out, err) : name_step(s, step, out, err);
}

static struct step random_step(struct rng *rng)
{
    struct step step = {
        .op = (unsigned)rng_below(rng, OP_COUNT + 4) % OP_COUNT, /* more opening and writing */
        .handle = (unsigned)rng_below(rng, HANDLES),
        .mode = (unsigned)rng_below(rng, 3),
        .one = names[rng_below(rng, NAME_COUNT)],
        .two = names[rng_below(rng, NAME_COUNT)],
        .offset = rng_below(rng, 9000),
        .len = rng_below(rng, 5000),
        .byte = (uint8_t)rng_below(rng, 256),
    };
    return step;
}

static void close_all(struct side *s)
{
    for (size_t i = 0; i < HANDLES; i++) {
        ck_assert_int_eq(s->l->close(s->l->ctx, s->handles[i], NULL), ERR_OK);
        s->handles[i] = NULL;
    }
}

START_TEST(both_disks_answer_alike)
{
    char root[] = "/tmp/pharos-history-XXXXXX";
    ck_assert_ptr_nonnull(mkdtemp(root));
    struct file_fault *disk = file_fault_create(1);
    struct side real = { .l = file_layer_posix(), .root = root };
    struct side model = { .l = file_fault_layer(disk), .root = "." };
    struct rng rng;
    rng_init(&rng, (uint64_t)_i);
    for (int i = 0; i < HISTORY_CALLS; i++) {
        struct step step = random_step(&rng);
        struct err real_err = { 0 };
        struct err model_err = { 0 };
        uint64_t real_out;
        uint64_t model_out;
        enum err_code real_code = run_step(&real, &step, &real_out, &real_err);
        enum err_code model_code = run_step(&model, &step, &model_out, &model_err);
        if (real_code != model_code || real_err.os_errno != model_err.os_errno ||
            real_out != model_out) {
            ck_abort_msg("call %d, op %u %s %s: %s (%d) on disk, %s (%d) in memory", i, step.op,
                         step.one, step.two, err_name(real_code), real_err.os_errno,
                         err_name(model_code), model_err.os_errno);
        }
    }
    close_all(&real);
    close_all(&model);
    ck_assert_int_eq(file_remove_tree(real.l, root, NULL), ERR_OK);
    file_fault_destroy(disk);
}
END_TEST

/* Sync every file and directory below `dir`. */
static enum err_code sync_entry(void *arg, const char *name, bool is_dir, struct err *err);

static void sync_tree(const struct file_layer *l, const char *dir)
{
    struct side s = { .l = l, .root = dir };
    ck_assert_int_eq(l->list(l->ctx, dir, sync_entry, &s, NULL), ERR_OK);
    ck_assert_int_eq(l->fsync_dir(l->ctx, dir, NULL), ERR_OK);
}

static enum err_code sync_entry(void *arg, const char *name, bool is_dir, struct err *err)
{
    struct side *s = arg;
    char path[FILE_PATH_SIZE];
    (void)full(s, name, path);
    if (is_dir) {
        sync_tree(s->l, path);
        return ERR_OK;
    }
    struct file *f = NULL;
    TRY(s->l->open(s->l->ctx, path, FILE_WRITE, &f, err));
    TRY(s->l->fdatasync(s->l->ctx, f, err));
    return s->l->close(s->l->ctx, f, err);
}

START_TEST(what_is_synced_whole_is_whole_in_every_image)
{
    struct file_fault *disk = file_fault_create((uint64_t)_i);
    struct side s = { .l = file_fault_layer(disk), .root = "." };
    struct rng rng;
    rng_init(&rng, (uint64_t)_i + 1000);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 60; i++) {
            struct step step = random_step(&rng);
            struct err ignored = { 0 };
            uint64_t out;
            (void)run_step(&s, &step, &out, &ignored);
        }
        /* Images of the unsynced state: any of them is a consistent disk, and stable. */
        for (uint64_t seed = 0; seed < 6; seed++) {
            struct file_fault *image = file_fault_reboot(disk, seed);
            struct file_fault *again = file_fault_reboot(image, rng_u64(&rng));
            ck_assert_uint_eq(file_fault_digest(image), file_fault_digest(again));
            file_fault_destroy(again);
            file_fault_destroy(image);
        }
        struct file_fault *killed = file_fault_restart(disk);
        ck_assert_uint_eq(file_fault_digest(killed), file_fault_digest(disk));
        struct file_fault *everything = file_fault_reboot(killed, 1);
        ck_assert_uint_eq(file_fault_digest(everything), file_fault_digest(disk));
        file_fault_destroy(everything);
        file_fault_destroy(killed);
        close_all(&s);
        sync_tree(s.l, ".");
        for (uint64_t seed = 0; seed < 6; seed++) {
            struct file_fault *image = file_fault_reboot(disk, seed);
            ck_assert_uint_eq(file_fault_digest(image), file_fault_digest(disk));
            file_fault_destroy(image);
        }
    }
    file_fault_destroy(disk);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file_history");
    TCase *tc = tcase_create("file_history");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, both_disks_answer_alike, 0, 20);
    tcase_add_loop_test(tc, what_is_synced_whole_is_whole_in_every_image, 0, 60);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
