/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "api_rig.h"
#include "codec/gzip.h"
#include "metrics/metrics_priv.h"

static struct api_rig rig;

static void set_up(void)
{
    api_rig_setup(&rig, true);
}

static void set_up_not_ready(void)
{
    api_rig_setup(&rig, false);
}

static void tear_down(void)
{
    api_rig_teardown(&rig);
}

static void fill(void)
{
    const struct rig_sample samples[] = { { "m", "1", rig.base_ms, 1 },
                                          { "m", "2", rig.base_ms, 2.5 },
                                          { "n", "1", rig.base_ms + 1500, 1e21 } };
    ck_assert_uint_eq(api_rig_write(&rig, samples, 3), 204);
}

/* printf into one of a few static buffers: @ in the format is the base second. */
static const char *text(const char *format)
{
    static char out[4][4096];
    static unsigned next;
    char *to = out[next++ % 4];
    size_t n = 0;
    for (const char *c = format; *c; c++) {
        if (*c == '@') {
            n += (size_t)snprintf(to + n, 32, "%lld", (long long)rig.base_ms / 1000);
        } else {
            to[n++] = *c;
        }
    }
    to[n] = '\0';
    return to;
}

static void expect(const char *target, unsigned status, const char *body)
{
    api_rig_expect(&rig, text(target), status, text(body));
}

#define OK(data) "{\"status\":\"success\",\"data\":" data "}"
#define BAD(message) "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"" message "\"}"

START_TEST(results_of_every_type)
{
    fill();
    expect("/api/v1/query?query=sort(m)&time=@", 200,
           OK("{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"m\",\"i\":\"1\"},"
              "\"value\":[@,\"1\"]},{\"metric\":{\"__name__\":\"m\",\"i\":\"2\"},\"value\":[@,\"2."
              "5\"]}]}"));
    expect("/api/v1/query?query=1e21&time=@.5", 200,
           OK("{\"resultType\":\"scalar\",\"result\":[@.500,\"1000000000000000000000\"]}"));
    expect("/api/v1/query?query=%22a%3Cb%22&time=@", 200,
           OK("{\"resultType\":\"string\",\"result\":[@,\"a<b\"]}"));
    expect("/api/v1/query?query=none&time=@", 200, OK("{\"resultType\":\"vector\",\"result\":[]}"));
    expect("/api/v1/query_range?query=n&start=@&end=@&step=1", 200,
           OK("{\"resultType\":\"matrix\",\"result\":[]}"));
    expect("/api/v1/query?query=n%5B5s%5D&time=@2", 200,
           OK("{\"resultType\":\"matrix\",\"result\":["
              "]}"));
    expect("/api/v1/query?query=sum(n)&time=@.000&timeout=5s&lookback_delta=1m", 200,
           OK("{\"resultType\":\"vector\",\"result\":[]}"));
}
END_TEST

START_TEST(forms_are_merged_with_the_query_string)
{
    fill();
    struct str body = str_of_z(text("query=m%7Bi%3D%221%22%7D&time=@"));
    struct answer a = api_rig_ask(&rig, "POST", "/api/v1/query?query=ignored",
                                  "Content-Type: application/x-www-form-urlencoded\r\n", body);
    ck_assert_uint_eq(a.status, 200);
    ck_assert_ptr_nonnull(strstr(a.body, "\"i\":\"1\""));
    ck_assert(str_eq(answer_header(&a, "Content-Type"), STR("application/json")));
    ck_assert(str_eq(answer_header(&a, "Vary"), STR("Origin")) ||
              answer_header(&a, "Vary").len > 0);
    answer_free(&a);
}
END_TEST

static const struct {
    const char *target, *message;
} WRONG[] = {
    { "/api/v1/query?query=m&time=abc", "invalid parameter \\\"time\\\": invalid time value for "
                                        "'time': cannot parse \\\"abc\\\" to a "
                                        "valid timestamp" },
    { "/api/v1/query?query=m&time=NaN", "invalid parameter \\\"time\\\": invalid time value for "
                                        "'time': cannot parse \\\"NaN\\\" to a "
                                        "valid timestamp" },
    { "/api/v1/query?query=m&timeout=x",
      "invalid parameter \\\"timeout\\\": cannot parse \\\"x\\\" to a valid duration" },
    { "/api/v1/query?query=m&limit=x",
      "invalid parameter \\\"limit\\\": strconv.Atoi: parsing \\\"x\\\": invalid syntax" },
    { "/api/v1/query?query=m&limit=-1",
      "invalid parameter \\\"limit\\\": limit must be non-negative" },
    { "/api/v1/query?query=m&lookback_delta=x",
      "error parsing lookback delta duration: cannot parse \\\"x\\\" to a valid duration" },
    { "/api/v1/query?query=m%zz", "error parsing form values: invalid URL escape \\\"%zz\\\"" },
    { "/api/v1/query_range?query=m&start=2&end=1&step=1",
      "invalid parameter \\\"end\\\": end timestamp must not be before start time" },
    { "/api/v1/query_range?query=m&end=1&step=1",
      "invalid parameter \\\"start\\\": cannot parse \\\"\\\" to a valid timestamp" },
    { "/api/v1/query_range?query=m&start=1&end=2&step=0",
      "invalid parameter \\\"step\\\": zero or negative query resolution step widths are not "
      "accepted. Try a positive integer" },
    { "/api/v1/query_range?query=m&start=1&end=2&step=x",
      "invalid parameter \\\"step\\\": cannot parse \\\"x\\\" to a valid duration" },
    { "/api/v1/query_range?query=m&start=0&end=11002&step=1",
      "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
      "resolution (?step=XX)" },
    { "/api/v1/series", "no match[] parameter provided" },
    { "/api/v1/series?match[]={a=%22%22}", "invalid parameter \\\"match[]\\\": match[] must "
                                           "contain at least one non-empty matcher" },
    { "/api/v1/labels?match[]={}", "invalid parameter \\\"match[]\\\": match[] must contain at "
                                   "least one non-empty matcher" },
    { "/api/v1/label/a%FF/values", "invalid label name: \\\"a\\ufffd\\\"" },
    { "/api/v1/status/tsdb?limit=0", "limit must be a positive number" },
    { "/api/v1/status/tsdb?limit=10001", "limit must not exceed 10000" },
    { "/api/v1/metadata?limit=x", "limit must be a number" },
    { "/api/v1/query_exemplars?query=m&start=2&end=1",
      "end timestamp must not be before start timestamp" },
};

START_TEST(bad_requests_get_the_texts_of_prometheus)
{
    char body[1024];
    snprintf(body, sizeof body, BAD("%s"), WRONG[_i].message);
    api_rig_expect(&rig, WRONG[_i].target, 400, body);
}
END_TEST

START_TEST(parse_errors_are_the_clients)
{
    struct answer a = api_rig_get(&rig, "/api/v1/query?query=sum(");
    ck_assert_uint_eq(a.status, 400);
    ck_assert_ptr_nonnull(strstr(a.body, "\"errorType\":\"bad_data\",\"error\":\"invalid parameter "
                                         "\\\"query\\\": 1:"));
    answer_free(&a);
    a = api_rig_get(&rig, "/api/v1/query?query=%7Ba%3D~%22(%22%7D");
    ck_assert_uint_eq(a.status, 400);
    answer_free(&a);
    a = api_rig_get(&rig, "/api/v1/query_exemplars?query=sum(");
    ck_assert_uint_eq(a.status, 400);
    ck_assert_ptr_nonnull(strstr(a.body, "\"error\":\"1:"));
    answer_free(&a);
}
END_TEST

START_TEST(metadata_of_series)
{
    fill();
    expect(
        "/api/v1/series?match[]=m&match[]={i=~%221|3%22}", 200,
        OK("[{\"__name__\":\"m\",\"i\":\"1\"},{\"__name__\":\"m\",\"i\":\"2\"},{\"__name__\":\"n\","
           "\"i\":\"1\"}]"));
    expect("/api/v1/series?match[]=m&limit=1", 200,
           "{\"status\":\"success\",\"data\":[{\"__name__\":\"m\",\"i\":\"1\"}],\"warnings\":["
           "\"results truncated due to limit\"]}");
    expect("/api/v1/labels", 200, OK("[\"__name__\",\"i\"]"));
    expect("/api/v1/label/i/values", 200, OK("[\"1\",\"2\"]"));
    expect("/api/v1/label/U__i/values?match[]=n", 200, OK("[\"1\"]"));
    expect("/api/v1/label/__name__/values?limit=1", 200,
           "{\"status\":\"success\",\"data\":[\"m\"],\"warnings\":[\"results truncated due to "
           "limit\"]}");
    expect("/api/v1/label/none/values", 200, OK("[]"));
    expect("/api/v1/series?match[]=m&start=1&end=2", 200, OK("[]"));
    /* n begins behind the range, though the head is in it */
    expect("/api/v1/series?match[]={i=%221%22}&start=@&end=@.5", 200,
           OK("[{\"__name__\":\"m\",\"i\":\"1\"}]"));
    expect(
        "/api/v1/query?query=sort(m)&time=@&limit=1", 200,
        "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__"
        "name__\":\"m\",\"i\":\"1\"},\"value\":[@,\"1\"]}]},\"warnings\":[\"results truncated due "
        "to limit\"]}");
}
END_TEST

/* A directory that looks like a block, without a meta.json: set aside. */
START_TEST(answers_name_blocks_that_cannot_be_read)
{
#define MISSING                                                                                    \
    "\"warnings\":[\"block 01ARZ3NDEKTSV4RRFFQ69G5FAV is damaged and was set aside: samples may "  \
    "be missing\""
    fill();
    const struct file_layer *l = file_fault_layer(rig.disk);
    ck_assert_int_eq(l->mkdir(l->ctx, "data/blocks/01ARZ3NDEKTSV4RRFFQ69G5FAV", NULL), ERR_OK);
    ck_assert_int_eq(block_set_reload(rig.metrics->blocks, NULL), ERR_OK);
    expect("/api/v1/series?match[]=n", 200,
           "{\"status\":\"success\",\"data\":[{\"__name__\":\"n\",\"i\":\"1\"}]," MISSING "]}");
    expect("/api/v1/labels?limit=1", 200,
           "{\"status\":\"success\",\"data\":[\"__name__\"]," MISSING
           ",\"results truncated due to limit\"]}");
    expect("/api/v1/query?query=sum(m)%2Bsum(m)&time=1", 200,
           "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}," MISSING
           "]}");
}
END_TEST

/* 11,001 points: streamed. */
static const char *long_query(void)
{
    static char target[256];
    snprintf(target, sizeof target,
             "/api/v1/query_range?query=vector(1.23456789)%%20or%%20label_replace(vector(2),%%22a%%"
             "22,%%22b%%22,%%22%%22,%%22%%22)&start=%lld&end=%lld&step=1",
             (long long)rig.base_ms / 1000 - 11000, (long long)rig.base_ms / 1000);
    return target;
}

START_TEST(a_long_answer_is_streamed_whole)
{
    struct answer a = api_rig_get(&rig, long_query());
    ck_assert_msg(a.status == 200, "%s", a.body);
    ck_assert(a.is_chunked && a.is_complete);
    ck_assert_uint_gt(a.body_len, 256u << 10);
    ck_assert_str_eq(a.body + a.body_len - 5, "]}]}}");
    size_t points = 0;
    for (const char *c = a.body; (c = strstr(c, "1.23456789")); c++)
        points++;
    ck_assert_uint_eq(points, 11001);
    answer_free(&a);
}
END_TEST

static void expect_coding(const char *target, const char *accept, const char *coding)
{
    char headers[128];
    struct gzip_decoder *d;
    struct buf plain;
    struct decode_limits limits = { 16u << 20, 0 };
    struct err err = { 0 };
    struct answer want = api_rig_get(&rig, target);
    snprintf(headers, sizeof headers, "Accept-Encoding: %s\r\n", accept);
    struct answer a = api_rig_ask(&rig, "GET", target, headers, (struct str){ "", 0 });
    struct str got = answer_header(&a, "Content-Encoding");
    ck_assert_msg(str_eq(got, str_of_z(coding)), "%s: " STR_FMT, accept, STR_ARG(got));
    struct bytes body = { (const uint8_t *)a.body, a.body_len };
    buf_init(&plain, mem_source_of(rig.mem, MEM_QUERY), 16u << 20);
    ck_assert_int_eq(gzip_decoder_create(rig.mem, MEM_QUERY, &d, &err), ERR_OK);
    enum err_code rc = ERR_OK;
    if (got.len == 0) {
        buf_put(&plain, body.ptr, body.len);
    } else {
        rc = str_eq(got, STR("gzip")) ? gzip_decode(d, body, &limits, &plain, &err)
                                      : gzip_decode_zlib(d, body, &limits, &plain, &err);
    }
    ck_assert_int_eq(rc, ERR_OK);
    ck_assert(str_eq(buf_str(&plain), (struct str){ want.body, want.body_len }));
    gzip_decoder_destroy(d);
    buf_deinit(&plain);
    answer_free(&a);
    answer_free(&want);
}

START_TEST(answers_are_compressed_as_the_client_asks)
{
    static char whole[2100] = "/api/v1/query?time=1&query=%22";
    memset(whole + strlen(whole), 'x', 2000);
    memcpy(whole + strlen(whole), "%22", 4);
    const char *targets[] = { whole, long_query() };
    for (size_t i = 0; i < 2; i++) {
        expect_coding(targets[i], "gzip, deflate", "gzip");
        expect_coding(targets[i], "deflate", "deflate");
        expect_coding(targets[i], "gzip;q=0.1, deflate", "deflate");
        expect_coding(targets[i], "gzip;q=0, deflate;q=0", "");
        expect_coding(targets[i], "zstd", "");
    }
}
END_TEST

START_TEST(remote_write_is_checked_and_good_samples_stay)
{
    const struct rig_sample mixed[] = { { "w", "1", rig.base_ms, 1 },
                                        { "", "2", rig.base_ms, 2 },
                                        { "w", "3", rig.base_ms + 86400000, 3 } };
    struct buf body;
    buf_init(&body, mem_source_of(rig.mem, MEM_INGEST), 1u << 20);
    api_rig_write_body(&rig, mixed, 3, &body);
    const char *headers = "Content-Encoding: snappy\r\n";
    struct answer a = api_rig_ask(&rig, "POST", "/api/v1/write", headers, buf_str(&body));
    ck_assert_uint_eq(a.status, 400);
    ck_assert_msg(strstr(a.body, "out of bounds"), "%s", a.body);
    ck_assert_ptr_nonnull(strstr(a.body, "(1 samples stored, 1 refused)"));
    answer_free(&a);
    expect("/api/v1/query?query=count(%7B__name__=~%22.%2B%22%7D)&time=@", 200,
           OK("{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[@,\"1\"]}]}"));
    a = api_rig_ask(&rig, "POST", "/api/v1/write", headers, str_sub(buf_str(&body), 0, 20));
    ck_assert_uint_eq(a.status, 400);
    ck_assert_str_eq(a.body, "snappy: corrupt input\n");
    answer_free(&a);
    a = api_rig_ask(&rig, "POST", "/api/v1/write", "Content-Encoding: gzip\r\n", buf_str(&body));
    ck_assert_uint_eq(a.status, 415);
    answer_free(&a);
    a = api_rig_ask(&rig, "POST", "/api/v1/write", "Content-Type: text/plain\r\n", buf_str(&body));
    ck_assert_uint_eq(a.status, 415);
    ck_assert_str_eq(a.body, "expected application/x-protobuf as the first (media) part, got "
                             "text/plain content-type\n");
    answer_free(&a);
    a = api_rig_ask(&rig, "POST", "/api/v1/write",
                    "Content-Type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\n",
                    buf_str(&body));
    ck_assert_uint_eq(a.status, 415);
    answer_free(&a);
    buf_deinit(&body);
}
END_TEST

START_TEST(federation_adds_external_labels)
{
    const int64_t now = clock_wall_ms(clock_system());
    const struct rig_sample fresh[] = { { "f", "1", now, 1.5 } };
    ck_assert_uint_eq(api_rig_write(&rig, fresh, 1), 204);
    char want[256];
    snprintf(want, sizeof want,
             "# TYPE f untyped\nf{i=\"1\",replica=\"a\",instance=\"\"} 1.5 %lld\n", (long long)now);
    api_rig_expect(&rig, "/federate?match[]=f", 200, want);
    api_rig_expect(&rig, "/federate", 200, "");
}
END_TEST

START_TEST(status_answers)
{
    expect("/api/v1/status/config", 200, OK("{\"yaml\":\"global:\\n  scrape_interval: 15s\\n\"}"));
    expect("/api/v1/status/flags", 200, OK("{\"a.flag\":\"x\\\"y\",\"b.flag\":\"in force\"}"));
    expect("/api/v1/status/walreplay", 200, OK("{\"min\":0,\"max\":100,\"current\":100}"));
    expect("/api/v1/rules", 200, OK("{\"groups\":[]}"));
    expect("/api/v1/targets", 200,
           OK("{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":{}}"));
    expect("/api/v1/targets?state=active", 200,
           OK("{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":null}"));
    expect("/api/v1/metadata", 200, OK("{}"));
    expect("/api/v1/format_query?query=sum(a)by(b)", 200, OK("\"sum by (b) (a)\""));
    expect("/-/healthy", 200, "Prometheus Server is Healthy.\n");
    expect("/-/ready", 200, "Prometheus Server is Ready.\n");
    expect("/prometheus/-/ready", 200, "Prometheus Server is Ready.\n");
    expect("/x/y/-/ready", 200, "Prometheus Server is Ready.\n");
    expect("/api/v1/none", 404, "404 page not found\n");
    expect("/metrics", 200,
           "# HELP pharos_test A test.\n# TYPE pharos_test gauge\npharos_test 1\n");
    struct answer a = api_rig_get(&rig, "/version");
    ck_assert(str_eq(answer_header(&a, "Content-Type"), STR("application/json")));
    ck_assert_ptr_nonnull(strstr(a.body, "\"applicationVersion\":\"9.9.9\""));
    answer_free(&a);
    a = api_rig_get(&rig, "/api/v1/status/runtimeinfo");
    ck_assert_ptr_nonnull(strstr(a.body, "\"lastConfigTime\":\"2023-11-14T22:13:20Z\""));
    ck_assert_ptr_nonnull(strstr(a.body, "\"storageRetention\":\"1d\""));
    answer_free(&a);
}
END_TEST

START_TEST(lifecycle_calls_the_server)
{
    struct answer a = api_rig_ask(&rig, "POST", "/-/reload", "", (struct str){ "", 0 });
    ck_assert_uint_eq(a.status, 200);
    answer_free(&a);
    rig.reload_fails = true;
    a = api_rig_ask(&rig, "PUT", "/-/reload", "", (struct str){ "", 0 });
    ck_assert_uint_eq(a.status, 500);
    ck_assert_str_eq(a.body, "failed to reload config: p.yml:1:1: unknown key\n");
    answer_free(&a);
    ck_assert_uint_eq(rig.reloads, 2);
    a = api_rig_get(&rig, "/-/reload");
    ck_assert_uint_eq(a.status, 405);
    answer_free(&a);
    a = api_rig_ask(&rig, "POST", "/-/quit", "", (struct str){ "", 0 });
    ck_assert_str_eq(a.body, "Requesting termination... Goodbye!");
    answer_free(&a);
}
END_TEST

START_TEST(too_many_parameters_are_refused)
{
    static char target[16000] = "/api/v1/query?query=m";
    size_t n = strlen(target);
    while (n + 3 < sizeof target)
        n += (size_t)snprintf(target + n, sizeof target - n, "&a");
    struct answer a = api_rig_get(&rig, target);
    ck_assert_uint_eq(a.status, 400);
    ck_assert_ptr_nonnull(strstr(a.body, "too many parameters"));
    answer_free(&a);
}
END_TEST

START_TEST(requests_wait_until_the_store_is_open)
{
    struct answer a = api_rig_get(&rig, "/api/v1/query?query=m");
    ck_assert_uint_eq(a.status, 503);
    ck_assert(str_eq(answer_header(&a, "X-Prometheus-Stopping"), STR("false")));
    ck_assert_str_eq(a.body, "Service Unavailable");
    answer_free(&a);
    expect("/-/healthy", 200, "Prometheus Server is Healthy.\n");
    expect("/-/ready", 503, "Service Unavailable: replaying the journal, 25 %\n");
    expect("/api/v1/status/walreplay", 200, OK("{\"min\":0,\"max\":100,\"current\":25}"));
    prometheus_api_set_stopping(&rig.api);
    a = api_rig_get(&rig, "/api/v1/labels");
    ck_assert(str_eq(answer_header(&a, "X-Prometheus-Stopping"), STR("true")));
    answer_free(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("prometheus_api");
    TCase *tc = tcase_create("api");
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, results_of_every_type);
    tcase_add_test(tc, forms_are_merged_with_the_query_string);
    tcase_add_loop_test(tc, bad_requests_get_the_texts_of_prometheus, 0,
                        (int)(sizeof WRONG / sizeof WRONG[0]));
    tcase_add_test(tc, parse_errors_are_the_clients);
    tcase_add_test(tc, metadata_of_series);
    tcase_add_test(tc, answers_name_blocks_that_cannot_be_read);
    tcase_add_test(tc, a_long_answer_is_streamed_whole);
    tcase_add_test(tc, answers_are_compressed_as_the_client_asks);
    tcase_add_test(tc, remote_write_is_checked_and_good_samples_stay);
    tcase_add_test(tc, federation_adds_external_labels);
    tcase_add_test(tc, status_answers);
    tcase_add_test(tc, lifecycle_calls_the_server);
    tcase_add_test(tc, too_many_parameters_are_refused);
    suite_add_tcase(suite, tc);
    TCase *starting = tcase_create("starting");
    tcase_add_checked_fixture(starting, set_up_not_ready, tear_down);
    tcase_add_test(starting, requests_wait_until_the_store_is_open);
    suite_add_tcase(suite, starting);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
