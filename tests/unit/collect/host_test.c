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
    "node_uname_info{domainname=\"(none)\",machine=\"riscv64\",nodename=\"box\",release=\"6.1.0\","
    "sysname=\"Linux\",version=\"#1 SMP\"} 1\n",
    "node_cpu_guest_seconds_total{cpu=\"1\",mode=\"user\"} 0.5\n",
    "node_cpu_guest_seconds_total{cpu=\"1\",mode=\"nice\"} 0.25\n",
    "# TYPE node_disk_discarded_sectors_total counter\n"
    "node_disk_discarded_sectors_total{device=\"nvme0n1\"} 8\n",
    "node_disk_discard_time_seconds_total{device=\"nvme0n1\"} 0.25\n",
    "node_disk_flush_requests_total{device=\"nvme0n1\"} 10\n",
    "node_disk_flush_requests_time_seconds_total{device=\"nvme0n1\"} 0.5\n",
    "node_network_up{device=\"lo\"} 0\nnode_network_up{device=\"eth0\"} 1\n",
    "node_network_mtu_bytes{device=\"lo\"} 65536\nnode_network_mtu_bytes{device=\"eth0\"} 1500\n",
    "# TYPE node_network_speed_bytes gauge\nnode_network_speed_bytes{device=\"eth0\"} 1.25e+08\n",
    "node_network_carrier{device=\"eth0\"} 1\n",
    "node_network_info{address=\"02:00:00:00:00:01\",adminstate=\"up\","
    "broadcast=\"ff:ff:ff:ff:ff:ff\",device=\"eth0\",duplex=\"full\",ifalias=\"to the "
    "\\\"switch\\\"\","
    "operstate=\"up\"} 1\n",
    "node_network_info{address=\"00:00:00:00:00:00\",adminstate=\"down\",broadcast=\"\",device="
    "\"lo\","
    "duplex=\"\",ifalias=\"\",operstate=\"unknown\"} 1\n",
    "node_filesystem_device_error{device=\"/dev/sda1\",device_error=\"\",fstype=\"ext4\","
    "mountpoint=\"/\"} 0\n",
    "node_filesystem_device_error{device=\"/dev/gone\",device_error=\"no such file or directory\","
    "fstype=\"xfs\",mountpoint=\"/nonexistent\"} 1\n",
    "node_filesystem_readonly{device=\"/dev/gone\",device_error=\"no such file or directory\","
    "fstype=\"xfs\",mountpoint=\"/nonexistent\"} 1\n",
    "node_filesystem_device_error{device=\"/dev/stick\",device_error=\"no such file or directory\","
    "fstype=\"vfat\",mountpoint=\"/nonexistent/my stick\"} 1\n",
    "node_filesystem_readonly{device=\"/dev/sdz\",device_error=\"no such file or directory\","
    "fstype=\"ext4\",mountpoint=\"/development\"} 0\n",
    "node_scrape_collector_success{collector=\"netclass\"} 1\n",
    "node_scrape_collector_success{collector=\"diskstats\"} 1\n",
};

START_TEST(the_fixture_gives_node_exporters_names_and_units)
{
    char root[4096];
    snprintf(root, sizeof root, "%s/host", getenv("PHAROS_TEST_DATA"));
    open_at(root);
    struct str text = buf_str(&out);
    ck_assert_msg(str_find(text, str_of_z(LINES[_i])) < text.len, "no %s", LINES[_i]);
    ck_assert(str_find(text, STR("loop0")) == text.len);
    ck_assert(str_find(text, STR("mountpoint=\"/dev\"")) == text.len);
    /* partitions, columns that a kernel does not have, errors */
    ck_assert(str_find(text, STR("nvme0n1p1")) == text.len);
    ck_assert(str_find(text, STR("sda1\"} ")) == text.len);
    ck_assert(str_find(text, STR("node_disk_discards_merged_total{device=\"sda\"}")) == text.len);
    ck_assert(str_find(text, STR("node_network_speed_bytes{device=\"lo\"}")) == text.len);
    ck_assert(str_find(text, STR("node_filesystem_size_bytes{device=\"/dev/gone\"")) == text.len);
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
