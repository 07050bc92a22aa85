/* SPDX-License-Identifier: Apache-2.0
 *
 * The pretty printer: long nodes are split, short ones are not. All rows were compared with
 * Prometheus 3.5.
 */
#include "parse_fixture.h"

static const struct {
    const char *text, *pretty;
} LONG[] = {
    { "sum by (job, instance) "
      "(rate(http_requests_total{job=\"api-server\",instance=~\"host-.*\",code!=\"500\"}[5m])) / "
      "on (job) group_left (team) count by (job, team) (up{job=\"api-server\"})",
      "  sum by (job, instance) (\n    "
      "rate(http_requests_total{code!=\"500\",instance=~\"host-.*\",job=\"api-server\"}[5m])\n  "
      ")\n/ on (job) group_left (team)\n  count by (job, team) (up{job=\"api-server\"})" },
    { "histogram_quantile(0.99, sum by (le, job, instance, namespace, cluster) "
      "(rate(http_request_duration_seconds_bucket{job=\"x\"}[5m])))",
      "histogram_quantile(\n  0.99,\n  sum by (le, job, instance, namespace, cluster) (\n    "
      "rate(http_request_duration_seconds_bucket{job=\"x\"}[5m])\n  )\n)" },
    { "-(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + "
      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)",
      "-(\n    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n  +\n    "
      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n)" },
    { "-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
    { "topk(10, sum by (aaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbb, "
      "cccccccccccccccccccccccc) (rate(ddddddddddddddddddddddd[5m])))",
      "topk(\n  10,\n  sum by (aaaaaaaaaaaaaaaaaaaaaa, bbbbbbbbbbbbbbbbbbbbbbbbbbb, "
      "cccccccccccccccccccccccc) (\n    rate(ddddddddddddddddddddddd[5m])\n  )\n)" },
    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb="
      "\"cccccccccccccccccccccccccccccccccccccccccccc\",ddd=\"eee\"}",
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa{bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb="
      "\"cccccccccccccccccccccccccccccccccccccccccccc\",ddd=\"eee\"}" },
    { "sum_over_time((aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa + "
      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)[5m:1m] offset 1h)",
      "sum_over_time(\n  (\n      aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n    +\n      "
      "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n  )[5m:1m] offset 1h\n)" },
    { "label_replace(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, \"bbbbbbbbbbbbbbbbbb\", "
      "\"$1-$2-$3\", \"cccccccccccccccccccccccc\", \"(.*)-(.*)-(.*)\")",
      "label_replace(\n  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,\n  \"bbbbbbbbbbbbbbbbbb\",\n "
      " \"$1-$2-$3\",\n  \"cccccccccccccccccccccccc\",\n  \"(.*)-(.*)-(.*)\"\n)" },
    { "((aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa or bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb) unless on "
      "(cccccccccccccccc) ddddddddddddddddddddd)",
      "(\n    (aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa or bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb)\n  "
      "unless on (cccccccccccccccc)\n    ddddddddddddddddddddd\n)" },
    { "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa == bool ignoring (bbbbbbbbbbbbbbbbbbbbbb) "
      "group_right () ccccccccccccccccccccccccccccccccccc",
      "  aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n== bool ignoring (bbbbbbbbbbbbbbbbbbbbbb) "
      "group_right ()\n  ccccccccccccccccccccccccccccccccccc" },
    { "time() + aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa * "
      "(bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb - 1)",
      "  time()\n+\n    aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n  *\n    "
      "(bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb - 1)" },
    { "sum without (a) (sum without (bbbbbbbbbbbbbbbbbbb) (sum without "
      "(ccccccccccccccccccccccccccc) (ddddddddddddddddddddddddddddddddddddddddddddd)))",
      "sum without (a) (\n  sum without (bbbbbbbbbbbbbbbbbbb) (\n    sum without "
      "(ccccccccccccccccccccccccccc) (ddddddddddddddddddddddddddddddddddddddddddddd)\n  )\n)" },
    { "max_over_time("
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaa{b=\"c\"}[5m:1m])",
      "max_over_time(\n  "
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaa{b=\"c\"}[5m:1m]\n)" },
    { "-sum by (job, instance) "
      "(rate(http_requests_total{job=\"api-server\",instance=~\"host-.*\",code!=\"500\"}[5m]))",
      "-sum by (job, instance) (\n  "
      "rate(http_requests_total{code!=\"500\",instance=~\"host-.*\",job=\"api-server\"}[5m])\n)" },
    { "a + "
      "(sum_over_time(rate(http_requests_total{job=\"api-server\",instance=~\"host-.*\",code!="
      "\"500\"}[5m])[1h:5m]) / 2 == bool 1)",
      "  a\n+\n  (\n        "
      "sum_over_time(\nrate(http_requests_total{code!=\"500\",instance=~\"host-.*\",job=\"api-"
      "server\"}[5m])[1h:5m]\n        )\n      /\n        2\n    == bool\n      1\n  )" },
};

START_TEST(long_expression_is_split_and_parses_to_the_same_tree)
{
    struct promql_expr *e = parse(LONG[_i].text);
    const char *pretty = print(e, true);
    ck_assert_str_eq(pretty, LONG[_i].pretty);
    struct promql_expr *again = parse(pretty);
    ck_assert(promql_expr_equal(e, again));
    ck_assert_str_eq(print(again, true), pretty);
}
END_TEST

START_TEST(exactly_a_hundred_bytes_stay_in_one_line)
{
    char text[128];
    for (size_t len = 95; len < 105; len++) {
        memset(text, 'x', len);
        memcpy(text, "abs(", 4);
        text[len - 1] = ')';
        text[len] = 0;
        bool is_split = strchr(print(parse(text), true), '\n') != NULL;
        ck_assert_int_eq(is_split, len > 100);
    }
}
END_TEST

START_TEST(full_buffer_fails_without_a_crash)
{
    struct promql_expr *e = parse(LONG[_i].text);
    for (size_t cap = 0; cap < 256; cap += 7) {
        struct buf out;
        buf_init(&out, mem_source_of(budget, MEM_QUERY), cap);
        promql_print_pretty(&out, e);
        ck_assert(buf_failed(&out) || out.len <= cap);
        buf_deinit(&out);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("printer");
    TCase *tc = tcase_create("pretty");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, long_expression_is_split_and_parses_to_the_same_tree, 0,
                        COUNT_OF(LONG));
    tcase_add_loop_test(tc, full_buffer_fails_without_a_crash, 0, COUNT_OF(LONG));
    tcase_add_test(tc, exactly_a_hundred_bytes_stay_in_one_line);
    suite_add_tcase(suite, tc);
    RUN_SUITE(suite);
}
