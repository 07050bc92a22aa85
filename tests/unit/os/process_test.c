/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "os/crash.h"
#include "os/mem.h"
#include "os/process.h"
#include "os/signals.h"
#include "os/thread.h"

static unsigned stops, reloads, reopens;

static void on_signal(void *arg, enum service_signal signal)
{
    ck_assert_ptr_eq(arg, &stops);
    switch (signal) {
    case SIGNAL_STOP: stops++; break;
    case SIGNAL_RELOAD: reloads++; break;
    case SIGNAL_REOPEN: reopens++; break;
    }
}

START_TEST(signals_become_events_of_the_loop)
{
    struct mem_budget *mem = mem_budget_create(1u << 20);
    struct loop *l = NULL;
    struct signals s = { 0 };
    signals_block();
    ck_assert_int_eq(loop_create(mem, clock_system(), &l, NULL), ERR_OK);
    ck_assert_int_eq(signals_open(&s, l, on_signal, &stops, NULL), ERR_OK);
    ck_assert_int_eq(kill(getpid(), SIGHUP), 0);
    ck_assert_int_eq(kill(getpid(), SIGHUP), 0); /* together they count once */
    ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
    ck_assert_int_eq(kill(getpid(), SIGTERM), 0);
    ck_assert_int_eq(kill(getpid(), SIGPIPE), 0); /* ignored */
    loop_turn(l, true);
    ck_assert_uint_eq(reloads, 1);
    ck_assert_uint_eq(reopens, 1);
    ck_assert_uint_eq(stops, 1);
    ck_assert_int_eq(kill(getpid(), SIGINT), 0);
    loop_turn(l, true);
    ck_assert_uint_eq(stops, 2);
    signals_close(&s);
    signals_close(&s); /* no-op */
    loop_destroy(l);
    mem_budget_destroy(mem);
}
END_TEST

START_TEST(process_facts_are_plausible)
{
    struct process_stats before;
    struct process_stats after;
    process_stats_read(&before);
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    process_stats_read(&after);
    ck_assert_uint_eq(after.open_fds, before.open_fds + 1);
    (void)close(fd);
    ck_assert_uint_gt(before.rss_bytes, 100000);
    ck_assert_uint_gt(before.virtual_bytes, before.rss_bytes);
    ck_assert_uint_ge(before.threads, 1);
    ck_assert_uint_gt(before.cpu_ns, 0);
    ck_assert_uint_gt(before.max_fds, before.open_fds);
    int64_t now_ms = clock_wall_ms(clock_system());
    ck_assert_int_le(process_start_ms(), now_ms + 20);
    ck_assert_int_gt(process_start_ms(), now_ms - 600000);
    char text[256];
    ck_assert_uint_gt(strlen(process_hostname(text, sizeof text)), 0);
    ck_assert_int_eq(process_cwd(text, sizeof text)[0], '/');
    ck_assert_uint_eq(process_id(), (unsigned)getpid());
    ck_assert_int_eq(setenv("PHAROS_TEST", "yes", 1), 0);
    ck_assert(str_eq(process_env("PHAROS_TEST"), STR("yes")));
    ck_assert_ptr_null(process_env("PHAROS_TEST_NOT_SET").ptr);
    ck_assert_uint_ge(process_raise_fd_limit(), before.max_fds);
}
END_TEST

/* Run fn in a child; what it wrote to stderr and to the crash file; its wait status. */
static int run_child(void (*fn)(int crash_fd), char *out_stderr, char *out_file, size_t size)
{
    int err_pipe[2];
    int crash_pipe[2];
    ck_assert_int_eq(pipe(err_pipe), 0);
    ck_assert_int_eq(pipe(crash_pipe), 0);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct rlimit no_core = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)dup2(err_pipe[1], STDERR_FILENO);
        fn(crash_pipe[1]);
        _exit(0);
    }
    (void)close(err_pipe[1]);
    (void)close(crash_pipe[1]);
    int fds[2] = { err_pipe[0], crash_pipe[0] };
    char *outs[2] = { out_stderr, out_file };
    for (int i = 0; i < 2; i++) {
        size_t len = 0;
        ssize_t n;
        while (len < size - 1 && (n = read(fds[i], outs[i] + len, size - 1 - len)) > 0) {
            len += (size_t)n;
        }
        outs[i][len] = '\0';
        (void)close(fds[i]);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    return status;
}

static void fail_assertion(int crash_fd)
{
    install_crash_handlers(crash_fd);
    crash_task_set("tenant=a request=17");
    ASSERT(1 + 1 == 2);
    ASSERT(crash_fd == -2);
}

START_TEST(failed_assertion_is_reported_and_aborts)
{
    static char err_text[16384];
    static char file_text[16384];
    int status = run_child(fail_assertion, err_text, file_text, sizeof err_text);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), SIGABRT);
    const char *line = strstr(file_text, "fatal: assertion failed: crash_fd == -2 at ");
    ck_assert_ptr_nonnull(line);
    ck_assert_ptr_nonnull(strstr(line, " in fail_assertion thread="));
    ck_assert_ptr_nonnull(strstr(line, "task=\"tenant=a request=17\"\n"));
    ck_assert_ptr_nonnull(strstr(line, "[0x")); /* a frame of the backtrace */
    ck_assert_ptr_nonnull(strstr(err_text, "fatal: assertion failed: crash_fd == -2"));
    ck_assert_ptr_null(strstr(file_text, "SIGABRT")); /* reported once */
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

static void die_by_fault(int crash_fd)
{
    install_crash_handlers(crash_fd);
    (void)raise(SIGSEGV);
}

static void die_by_abort(int crash_fd)
{
    install_crash_handlers(crash_fd);
    abort();
}

/* Recursion that the optimiser cannot turn into a loop. */
static unsigned overflow_stack(volatile unsigned char *above, unsigned depth)
{
    volatile unsigned char frame[4096];
    frame[depth % sizeof frame] = above ? above[0] : 1;
    return depth == UINT32_MAX ? frame[0] : overflow_stack(frame, depth + 1) + frame[1];
}

static void overflow_thread(void *arg)
{
    (void)arg;
    (void)overflow_stack(NULL, 0);
}

static void die_by_stack_overflow(int crash_fd)
{
    install_crash_handlers(crash_fd);
    struct thread t = { 0 };
    if (thread_start(&t, "deep", overflow_thread, NULL, NULL) == ERR_OK) thread_join(&t);
}

START_TEST(fatal_signal_is_reported_and_kills)
{
    static const struct {
        void (*fn)(int crash_fd);
        int number;
        const char *text;
    } rows[] = { { die_by_fault, SIGSEGV, "fatal: SIGSEGV address=0x" },
                 { die_by_abort, SIGABRT, "fatal: SIGABRT thread=" },
                 { die_by_stack_overflow, SIGSEGV, " thread=deep" } };
    static char err_text[16384];
    static char file_text[16384];
    int status = run_child(rows[_i].fn, err_text, file_text, sizeof err_text);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(WTERMSIG(status), rows[_i].number);
    ck_assert_msg(strstr(file_text, rows[_i].text) != NULL, "%s", file_text);
    ck_assert_ptr_nonnull(strstr(err_text, rows[_i].text));
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("process");
    TCase *tc = tcase_create("process");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, signals_become_events_of_the_loop);
    tcase_add_test(tc, process_facts_are_plausible);
    tcase_add_test(tc, failed_assertion_is_reported_and_aborts);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    tcase_add_loop_test(tc, fatal_signal_is_reported_and_kills, 0, 3);
#endif
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
