/* SPDX-License-Identifier: Apache-2.0
 *
 * The WAL: what an append costs the appending thread and the process, how many clients a second
 * group commit serves, how fast the log is read back. On a real directory.
 *
 *     bench_wal [directory]        default bench_wal.data; try a tmpfs and a disk
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "journal/wal.h"
#include "os/thread.h"

#define REPEATS 5
#define LOG_BYTES ((size_t)120 << 20) /* 48 M samples at 2.5 bytes */
#define SLICE 8u                      /* records a credit call, as shards of a request */
#define CLIENTS_MAX 64u

struct bench {
    struct mem_budget *mem;
    const char *dir;
    struct journal *journal;
    uint64_t replayed, replayed_bytes;
};

static void must(enum err_code code, const struct err *err)
{
    char text[1024];
    if (code == ERR_OK) return;
    err_text(err, text, sizeof text);
    (void)fprintf(stderr, "%s: %s\n", err_name(code), text);
    exit(EXIT_FAILURE);
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(clock_mono_ns(clock_system()) - start_ns) / 1e9;
}

static int cmp_double(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Median and spread of REPEATS values. */
static void report(const char *name, double *values, const char *unit)
{
    qsort(values, REPEATS, sizeof *values, cmp_double);
    printf("%-40s %12.3f %s (%.3f .. %.3f)\n", name, values[REPEATS / 2], unit, values[0],
           values[REPEATS - 1]);
    (void)fflush(stdout);
}

/* ---- open and close ----------------------------------------------------------------------- */

static enum err_code count_record(void *arg, const struct journal_record *rec, struct err *err)
{
    (void)err;
    struct bench *b = arg;
    b->replayed++;
    b->replayed_bytes += journal_record_bytes(rec->payload.len);
    return ERR_OK;
}

static void open_log(struct bench *b, enum journal_mode mode)
{
    struct err err = { 0 };
    const struct wal_options options = { .files = file_layer_posix(),
                                         .clock = clock_system(),
                                         .mem = b->mem,
                                         .dir = b->dir,
                                         .mode = mode,
                                         .identity = { .hash_seed = 1, .shards_log2 = 3 } };
    const struct journal_replay to = { .arg = b, .record = count_record };
    b->replayed = b->replayed_bytes = 0;
    must(wal_open(&options, &b->journal, &err), &err);
    must(journal_replay(b->journal, &to, &err), &err);
}

static void close_log(struct bench *b)
{
    struct err err = { 0 };
    must(journal_close(b->journal, &err), &err);
    b->journal = NULL;
}

static void remove_log(struct bench *b)
{
    struct err err = { 0 };
    must(file_remove_tree(file_layer_posix(), b->dir, &err), &err);
}

/* ---- append ------------------------------------------------------------------------------- */

static void ignore_answer(struct journal_waiter *w, enum err_code result)
{
    (void)w;
    ASSERT(result == ERR_OK);
}

/* Request after request: credit, SLICE records, notify; nobody waits. Returns the records. */
static uint64_t append_log(struct bench *b, size_t payload_len)
{
    static uint8_t payload[JOURNAL_RECORD_MAX];
    static struct journal_waiter waiters[4096]; /* answered long before they come round again */
    struct err err = { 0 };
    const size_t size = journal_record_bytes(payload_len);
    const uint64_t requests = LOG_BYTES / (size * SLICE);
    const struct journal_record rec = { .type = JOURNAL_SAMPLES,
                                        .payload = { payload, payload_len } };
    for (size_t i = 0; i < payload_len; i++) {
        payload[i] = (uint8_t)(i * 131);
    }
    for (uint64_t r = 0; r < requests; r++) {
        uint64_t position = 0;
        must(journal_credit(b->journal, size * SLICE, 10000000000u, &err), &err);
        for (unsigned i = 0; i < SLICE; i++) {
            enum err_code code;
            do {
                code = journal_append(b->journal, journal_epoch(b->journal), &rec, &position, &err);
            } while (code == ERR_CONFLICT);
            must(code, &err);
        }
        if (r % 64 != 0) continue;
        struct journal_waiter *w = &waiters[r / 64 % 4096];
        *w = (struct journal_waiter){ .position = position, .fn = ignore_answer };
        journal_notify(b->journal, w);
    }
    return requests * SLICE;
}

static void bench_append(struct bench *b, enum journal_mode mode, const char *mode_name,
                         size_t payload_len)
{
    double rate[REPEATS], bandwidth[REPEATS], thread_ns[REPEATS], process_ns[REPEATS];
    char name[64];
    for (unsigned i = 0; i < REPEATS; i++) {
        remove_log(b);
        open_log(b, mode);
        const uint64_t start_ns = clock_mono_ns(clock_system());
        const uint64_t thread_start_ns = clock_thread_cpu_ns();
        const uint64_t process_start_ns = clock_process_cpu_ns();
        const uint64_t records = append_log(b, payload_len);
        const double thread_cpu = (double)(clock_thread_cpu_ns() - thread_start_ns);
        close_log(b); /* all written and synced */
        const double wall = seconds_since(start_ns);
        rate[i] = (double)records / wall / 1e6;
        bandwidth[i] = (double)(records * journal_record_bytes(payload_len)) / wall / 1e6;
        thread_ns[i] = thread_cpu / (double)records;
        process_ns[i] = (double)(clock_process_cpu_ns() - process_start_ns) / (double)records;
    }
    (void)snprintf(name, sizeof name, "append %zu B, %s, rate", payload_len, mode_name);
    report(name, rate, "M records/s");
    (void)snprintf(name, sizeof name, "append %zu B, %s, bytes", payload_len, mode_name);
    report(name, bandwidth, "MB/s");
    (void)snprintf(name, sizeof name, "append %zu B, %s, caller", payload_len, mode_name);
    report(name, thread_ns, "CPU ns/record");
    (void)snprintf(name, sizeof name, "append %zu B, %s, all threads", payload_len, mode_name);
    report(name, process_ns, "CPU ns/record");
}

/* ---- group commit ------------------------------------------------------------------------- */

struct client {
    struct journal_waiter waiter; /* first */
    struct bench *bench;
    struct thread thread;
    struct mutex lock;
    struct cond answered;
    bool is_answered;
    unsigned commits;
};

static void answer(struct journal_waiter *w, enum err_code result)
{
    struct client *c = (struct client *)(void *)w;
    ASSERT(result == ERR_OK);
    mutex_lock(&c->lock);
    c->is_answered = true;
    cond_signal(&c->answered);
    mutex_unlock(&c->lock);
}

static void run_client(void *arg)
{
    static const uint8_t payload[4096];
    struct client *c = arg;
    struct err err = { 0 };
    const struct journal_record rec = { .type = 0x21, .payload = { payload, sizeof payload } };
    for (unsigned i = 0; i < c->commits; i++) {
        must(journal_credit(c->bench->journal, journal_record_bytes(sizeof payload), 10000000000u,
                            &err),
             &err);
        must(journal_append(c->bench->journal, 0, &rec, &c->waiter.position, &err), &err);
        c->is_answered = false;
        c->waiter.fn = answer;
        journal_notify(c->bench->journal, &c->waiter);
        mutex_lock(&c->lock);
        while (!c->is_answered) {
            cond_wait(&c->answered, &c->lock);
        }
        mutex_unlock(&c->lock);
    }
}

static void bench_commit(struct bench *b, unsigned clients, unsigned commits)
{
    static struct client all[CLIENTS_MAX];
    double rate[REPEATS], latency_ms[REPEATS];
    char name[64];
    struct err err = { 0 };
    for (unsigned i = 0; i < REPEATS; i++) {
        remove_log(b);
        open_log(b, JOURNAL_COMMIT);
        const uint64_t start_ns = clock_mono_ns(clock_system());
        for (unsigned k = 0; k < clients; k++) {
            all[k] = (struct client){ .bench = b, .commits = commits };
            mutex_init(&all[k].lock);
            cond_init(&all[k].answered);
            must(thread_start(&all[k].thread, "client", run_client, &all[k], &err), &err);
        }
        for (unsigned k = 0; k < clients; k++) {
            thread_join(&all[k].thread);
            cond_deinit(&all[k].answered);
            mutex_deinit(&all[k].lock);
        }
        const double wall = seconds_since(start_ns);
        close_log(b);
        rate[i] = clients * commits / wall / 1e3;
        latency_ms[i] = wall * 1e3 / commits;
    }
    (void)snprintf(name, sizeof name, "commit 4 KiB, %u clients, rate", clients);
    report(name, rate, "k commits/s");
    (void)snprintf(name, sizeof name, "commit 4 KiB, %u clients, mean wait", clients);
    report(name, latency_ms, "ms");
}

/* ---- replay ------------------------------------------------------------------------------- */

static void bench_replay(struct bench *b, size_t payload_len)
{
    double wall[REPEATS], rate[REPEATS];
    char name[64];
    remove_log(b);
    open_log(b, JOURNAL_OFF);
    const uint64_t records = append_log(b, payload_len);
    close_log(b);
    for (unsigned i = 0; i < REPEATS; i++) {
        const uint64_t start_ns = clock_mono_ns(clock_system());
        open_log(b, JOURNAL_OFF);
        const double seconds = seconds_since(start_ns);
        ASSERT(b->replayed == records);
        wall[i] = seconds * 1e3;
        rate[i] = (double)b->replayed_bytes / seconds / 1e9;
        close_log(b);
    }
    (void)snprintf(name, sizeof name, "replay of 120 MiB, %zu B, time", payload_len);
    report(name, wall, "ms");
    (void)snprintf(name, sizeof name, "replay of 120 MiB, %zu B, rate", payload_len);
    report(name, rate, "GB/s");
}

int main(int argc, char **argv)
{
    struct bench b = { .mem = mem_budget_create((uint64_t)1 << 30),
                       .dir = argc > 1 ? argv[1] : "bench_wal.data" };
    if (!b.mem) return EXIT_FAILURE;
    bench_append(&b, JOURNAL_INTERVAL, "interval", 64);
    bench_append(&b, JOURNAL_INTERVAL, "interval", 500);
    bench_append(&b, JOURNAL_OFF, "off", 500);
    bench_append(&b, JOURNAL_INTERVAL, "interval", 16000);
    bench_commit(&b, 1, 500);
    bench_commit(&b, 8, 500);
    bench_commit(&b, 64, 200);
    bench_replay(&b, 500);
    bench_replay(&b, 64);
    remove_log(&b);
    mem_budget_destroy(b.mem);
    return EXIT_SUCCESS;
}
