/* SPDX-License-Identifier: Apache-2.0 */
#include "os/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/assert.h"

static sigset_t service_set(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGUSR1);
    return set;
}

void signals_block(void)
{
    sigset_t set = service_set();
    int rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
    ASSERT(rc == 0);
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    rc = sigaction(SIGPIPE, &ignore, NULL);
    ASSERT(rc == 0);
}

static void on_readable(struct loop_watch *w, uint32_t ready)
{
    (void)ready;
    struct signals *s = (struct signals *)w; /* watch is the first member */
    struct signalfd_siginfo info;
    while (w->is_active && read(w->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGTERM:
        case SIGINT: s->fn(s->arg, SIGNAL_STOP); break;
        case SIGHUP: s->fn(s->arg, SIGNAL_RELOAD); break;
        case SIGUSR1: s->fn(s->arg, SIGNAL_REOPEN); break;
        default: break;
        }
    }
}

enum err_code signals_open(struct signals *s, struct loop *l,
                           void (*fn)(void *arg, enum service_signal signal), void *arg,
                           struct err *err)
{
    _Static_assert(offsetof(struct signals, watch) == 0, "on_readable casts");
    sigset_t set = service_set();
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) return err_set_os(err, errno, "cannot receive signals");
    *s = (struct signals){
        .watch = { .fd = fd, .events = LOOP_READ, .fn = on_readable },
        .loop = l,
        .fn = fn,
        .arg = arg,
    };
    enum err_code code = loop_watch_add(l, &s->watch, err);
    if (code != ERR_OK) (void)close(fd);
    return code;
}

void signals_close(struct signals *s)
{
    if (!s->watch.is_active) return;
    loop_watch_remove(s->loop, &s->watch);
    (void)close(s->watch.fd);
}
