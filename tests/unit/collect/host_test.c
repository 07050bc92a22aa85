/* SPDX-License-Identifier: Apache-2.0 */
#include "collect/host/host.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct mem_budget *budget;
static struct host *host;
static struct buf out;

static void open_at(const char *root)
{
    struct host_options options = {
        .files = file_layer_posix(), .clock = clock_system(), .mem = budget, .root = root
    };
    ck_assert_int_eq(host_create(&options, &host, NULL), ERR_OK);
    host_collect(host, &out);
    ck_assert(!buf_failed(&out));
}

static void set_up(void)
{
    budget = mem_budget_create(64u << 20);
    buf_init(&out, mem_source_of(budget, MEM_SCRAPE), 4u << 20);
}

static void tear_down(void)
{
    host_destroy(host);
    buf_deinit(&out);
    ck_assert_uint_eq(mem_live_count(budget), 0);
    mem_budget_destroy(budget);
}

static const char *const LINES[] = {
    "node_cpu_seconds_total{cpu=\"1\",mode=\"user\"} 2\n",
    "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} 25\n",
    "node_context_switches_total 777\n",
    "node_boot_time_seconds 1.7e+09\n",
    "node_load5 1.25\n",
    "node_memory_MemTotal_bytes 1.6777216e+07\n",
    "node_memory_Active_anon_bytes 524288\n",
    "node_memory_HugePages_Total 4\n",
    "node_disk_read_bytes_total{device=\"sda\"} 1.024e+06\n",
    "node_disk_io_time_seconds_total{device=\"sda\"} 0.09\n",
    "node_network_receive_bytes_total{device=\"eth0\"} 5000\n",
    "node_network_transmit_packets_total{device=\"lo\"} 2\n",
    "node_sockstat_TCP_inuse 5\n",
    "node_pressure_io_stalled_seconds_total 1.25\n",
    "node_uname_info{nodename=\"box\",release=\"6.1.0\",sysname=\"Linux\",version=\"#1 SMP\"} 1\n",
    "node_scrape_collector_success{collector=\"diskstats\"} 1\n",
};

START_TEST(the_fixture_gives_node_exporters_names_and_units)
{
    char root[4096];
    snprintf(root, sizeof root, "%s/host", getenv("PHAROS_TEST_DATA"));
    open_at(root);
    struct str text = buf_str(&out);
    ck_assert_msg(str_find(text, str_of_z(LINES[_i])) < text.len, "no %s in\n" STR_FMT, LINES[_i],
                  STR_ARG(text));
    ck_assert(str_find(text, STR("loop0")) == text.len);
}
END_TEST

START_TEST(a_machine_without_proc_reports_failed_collectors)
{
    open_at("/nonexistent");
    struct str text = buf_str(&out);
    ck_assert(str_find(text, STR("node_scrape_collector_success{collector=\"cpu\"} 0\n")) <
              text.len);
}
END_TEST

START_TEST(the_real_machine_has_a_cpu_and_memory)
{
    open_at("");
    struct str text = buf_str(&out);
    ck_assert(str_find(text, STR("node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} ")) < text.len);
    ck_assert(str_find(text, STR("node_memory_MemTotal_bytes ")) < text.len);
    ck_assert(str_find(text, STR("node_filesystem_size_bytes{")) < text.len);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("host");
    TCase *tc = tcase_create("collect");
    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_loop_test(tc, the_fixture_gives_node_exporters_names_and_units, 0,
                        (int)(sizeof LINES / sizeof LINES[0]));
    tcase_add_test(tc, a_machine_without_proc_reports_failed_collectors);
    tcase_add_test(tc, the_real_machine_has_a_cpu_and_memory);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
