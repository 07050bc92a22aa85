/* SPDX-License-Identifier: Apache-2.0
 *
 * systemd's watchdog (sd_watchdog_enabled(3)): WATCHDOG=1 twice per period, as long as every loop
 * turns. The timer runs on the main loop, which vouches for itself; a loop of the HTTP server that
 * has been in one turn for a whole period is stuck, and systemd restarts the process.
 */
#include "os/process.h"
#include "os/socket.h"
#include "server/server_priv.h"

/* A loop that waits has no heartbeat. */
static bool all_turn(const struct server *s, uint64_t now)
{
    for (unsigned i = 0; s->http && i < http_server_loop_count(s->http); i++) {
        uint64_t begin = loop_heartbeat_ns(http_server_loop(s->http, i));
        if (begin && now > begin && now - begin > s->watchdog_ns) return false;
    }
    return true;
}

static void arm(struct server *s)
{
    struct err err = { 0 };
    uint64_t due = loop_now_ns(s->loop) + s->watchdog_ns / 2;
    if (loop_timer_set(s->loop, &s->watchdog, due, &err) == ERR_OK) return;
    log_error(&s->log, "the watchdog is off", LOG_ERR(&err));
}

static void on_watchdog(struct loop_timer *t)
{
    struct server *s = (struct server *)(void *)((char *)t - offsetof(struct server, watchdog));
    if (all_turn(s, loop_now_ns(s->loop))) {
        service_notify("WATCHDOG=1");
    } else {
        log_error(&s->log, "a loop is stuck");
    }
    arm(s);
}

void server_watchdog_start(struct server *s)
{
    struct str period = process_env("WATCHDOG_USEC"), pid = process_env("WATCHDOG_PID");
    uint64_t us = 0, wanted_pid = process_id();
    if (!period.ptr || !str_to_u64(period, &us) || us == 0 || us > UINT64_MAX / 1000) return;
    if (pid.ptr && (!str_to_u64(pid, &wanted_pid) || wanted_pid != process_id())) return;
    s->watchdog_ns = us * 1000;
    s->watchdog.fn = on_watchdog;
    arm(s);
}
