/* SPDX-License-Identifier: Apache-2.0
 *
 * api_rig - the Prometheus API over a real HTTP server, a whole engine on a disk in memory, and a
 * scrape manager without jobs.
 */
#ifndef PHAROS_TESTS_API_RIG_H
#define PHAROS_TESTS_API_RIG_H

#include "api/offload.h"
#include "api/prometheus/prometheus_api.h"
#include "net/router.h"
#include "os/file_fault.h"
#include "server_fixture.h"

struct api_rig {
    struct mem_budget *mem;
    struct file_fault *disk;
    struct metrics *metrics;
    struct promql_engine *engine;
    struct scrape_manager *scrape;
    struct offload *offload;
    struct router *router;
    struct prometheus_api api;
    struct fixture http;
    int64_t base_ms; /* a whole second, 10 minutes ago */
    bool reload_fails;
    unsigned reloads, quits;
};

/* `is_ready`: false leaves the server as while the journal is replayed. */
void api_rig_setup(struct api_rig *r, bool is_ready);
/* Also checks that nothing leaks. */
void api_rig_teardown(struct api_rig *r);

/* One request on its own connection; answer_free() the result. `headers` end with \r\n each. */
struct answer api_rig_ask(struct api_rig *r, const char *method, const char *target,
                          const char *headers, struct str body);
struct answer api_rig_get(struct api_rig *r, const char *target);
/* GET and compare status and whole body; frees. */
void api_rig_expect(struct api_rig *r, const char *target, unsigned status, const char *body);

/* A remote write body of one series "__name__=name,i=<i>" per sample, snappy-compressed, into out. */
struct rig_sample {
    const char *name, *i;
    int64_t ts_ms;
    double value;
};
void api_rig_write_body(struct api_rig *r, const struct rig_sample *samples, size_t count,
                        struct buf *out);
/* POST it; returns the status. */
unsigned api_rig_write(struct api_rig *r, const struct rig_sample *samples, size_t count);

#endif
