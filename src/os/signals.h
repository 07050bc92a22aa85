/* SPDX-License-Identifier: Apache-2.0
 *
 * signals - what an operator sends to the process, delivered as ordinary events of a loop.
 *
 * signals_block() early in main, before any thread starts, so that every thread inherits it; then
 * signals_open() on the loop that shall hear them (signalfd). No handler ever runs asynchronously.
 * SIGPIPE is ignored: a closed peer is an error of a write.
 */
#ifndef PHAROS_OS_SIGNALS_H
#define PHAROS_OS_SIGNALS_H

#include "base/err.h"
#include "os/loop.h"

enum service_signal {
    SIGNAL_STOP,   /* SIGTERM, SIGINT: drain and end */
    SIGNAL_RELOAD, /* SIGHUP: read the configuration again */
    SIGNAL_REOPEN  /* SIGUSR1: reopen files, dump state */
};

/* Embed in the owner. */
struct signals {
    struct loop_watch watch;
    struct loop *loop;
    void (*fn)(void *arg, enum service_signal signal);
    void *arg;
};

void signals_block(void);
/* fn runs on the loop's thread, once per signal (equal ones that arrive together count once).
 * Call on that thread, or before it runs. */
CHECK_RESULT enum err_code signals_open(struct signals *s, struct loop *l,
                                        void (*fn)(void *arg, enum service_signal signal),
                                        void *arg, struct err *err);
void signals_close(struct signals *s);

#endif
