# SPDX-License-Identifier: Apache-2.0
"""Real components: Prometheus as a sender and as the reference for answers, node_exporter as a target, promtool as a client."""
import math
import os
import random
import subprocess
import time

import harness


def test_node_exporter_is_scraped_and_ends_stale(bench):
    node = bench.node_exporter()
    targets = bench.file('targets.json', f'[{{"targets": ["127.0.0.1:{node.port}"], "labels": {{"env": "test"}}}}]')
    p = bench.pharos(config=f'''
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- job_name: node
  file_sd_configs: [{{files: ["{targets}"]}}]
  metric_relabel_configs:
  - {{source_labels: [__name__], regex: "node_scrape_.*", action: drop}}
''')
    harness.wait_until('samples', lambda: p.value('up{job="node",env="test"}') == 1)
    assert p.value('count(node_cpu_seconds_total{env="test"})') >= 8
    assert p.query('node_scrape_collector_success') == []
    node.kill()
    harness.wait_until('down', lambda: p.value('up{job="node"}') == 0)
    assert p.query('node_load1') == [], 'a series of a dead target is stale at once'
    target = p.get('/api/v1/targets').json()['data']['activeTargets'][0]
    assert target['health'] == 'down' and 'refused' in target['lastError'], target


def test_prometheus_sends_remote_write(bench):
    p = bench.pharos(config='{}\n')
    prom = bench.prometheus(f'''
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: self
  static_configs: [{{targets: ["127.0.0.1:1"]}}]
remote_write: [{{url: "{p.url}/api/v1/write", queue_config: {{batch_send_deadline: 500ms}}}}]
''')
    harness.wait_until('samples arrive', lambda: p.query('up{job="self"}'))

    def agree():
        t = int(time.time()) - 2
        return p.value('up', time=t) == prom.value('up', time=t) == 0

    harness.wait_until('both agree', agree, 20)


def fleet(now_ms: int) -> list:
    """Deterministic series: counters with resets, gauges, gaps, stale markers, NaN, Inf, classic histograms."""
    rng = random.Random(7)
    many = []
    times = [now_ms - 3450000 + i * 15000 for i in range(231)]  # within the head's hour of tolerance between series
    for i in range(12):
        v, samples = 0.0, []
        for t in times:
            v = 0.0 if rng.random() < 0.02 else v + rng.randrange(0, 50)
            if rng.random() > 0.03:
                samples.append((t + rng.randrange(0, 3), v))
        many.append(({'__name__': 'requests_total', 'job': f'j{i % 3}', 'instance': f'i{i}'}, samples))
    for i in range(9):
        samples = [(t, round(50 + 40 * math.sin(t / 300000 + i) + rng.random(), 3)) for t in times if not 80 < (t // 15000) % 120 < 100]
        many.append(({'__name__': 'temperature', 'job': f'j{i % 3}', 'room': f'r{i}'}, samples))
    many.append(({'__name__': 'odd', 'kind': 'nan'}, [(t, math.nan if k % 7 == 0 else k) for k, t in enumerate(times)]))
    many.append(({'__name__': 'odd', 'kind': 'inf'}, [(t, math.inf if k % 11 == 0 else -k / 3) for k, t in enumerate(times)]))
    for i in range(2):
        counts = [0.0] * 5
        rows = [[] for _ in counts]
        for t in times:
            for b in range(5):
                counts[b] += rng.randrange(0, 4)
            for b in range(5):
                rows[b].append((t, sum(counts[:b + 1])))
        for b, le in enumerate(('0.1', '0.5', '1', '5', '+Inf')):
            many.append(({'__name__': 'latency_seconds_bucket', 'job': f'j{i}', 'le': le}, rows[b]))
    return many


QUERIES = '''
requests_total
sum by (job) (rate(requests_total[5m]))
rate(requests_total[1m])
increase(requests_total[10m])
irate(requests_total[2m])
delta(temperature[5m])
idelta(temperature[5m])
deriv(temperature[10m])
predict_linear(temperature[10m], 600)
avg_over_time(temperature[3m])
sum_over_time(odd[5m])
min_over_time(temperature[5m])
max_over_time(odd[5m])
count_over_time(requests_total[7m])
stddev_over_time(temperature[5m])
stdvar_over_time(temperature[5m])
quantile_over_time(0.9, temperature[5m])
last_over_time(requests_total[2m])
present_over_time(temperature[1m])
changes(requests_total[5m])
resets(requests_total[30m])
absent(nothing{a="b"})
absent_over_time(temperature{room="r1"}[5m])
avg by (job) (temperature)
min without (room) (temperature)
max(temperature)
count by (job) (requests_total)
stddev by (job) (temperature)
stdvar(temperature)
quantile by (job) (0.5, temperature)
topk(3, temperature)
bottomk by (job) (1, temperature)
count_values("v", floor(temperature / 10))
group by (job) (requests_total)
histogram_quantile(0.9, sum by (le, job) (rate(latency_seconds_bucket[5m])))
histogram_quantile(0.5, latency_seconds_bucket)
temperature > 60
temperature > bool 60
60 < temperature
requests_total / on (job) group_left () sum by (job) (requests_total)
sum by (job) (requests_total) and sum by (job) (temperature)
sum by (job) (requests_total) or sum by (room) (temperature)
sum by (job) (requests_total) unless sum by (job) (latency_seconds_bucket)
-temperature
temperature ^ 2 % 7
temperature * 2 + 1
abs(odd)
ceil(temperature)
round(temperature, 5)
clamp(temperature, 20, 60)
sqrt(temperature)
ln(requests_total)
sgn(odd)
label_replace(temperature, "x", "$1", "room", "r(.*)")
label_join(temperature, "x", "-", "job", "room")
time()
timestamp(temperature)
hour()
day_of_week(timestamp(temperature))
vector(3)
scalar(sum(temperature))
rate(requests_total[5m] offset 10m)
requests_total offset -1m
max_over_time(rate(requests_total[1m])[10m:30s])
avg_over_time(sum by (job) (temperature)[5m:])
sum_over_time(temperature[1m:7s])
requests_total @ end()
rate(requests_total[5m] @ start())
{__name__=~"temp.*", job="j1"}
{__name__=~"requests_total|odd"}
temperature{room!~"r[0-3]"}
temperature{nothing=""}
requests_total{job=~"j0|j2", instance!="i0"}
sum(rate({__name__="requests_total"}[5m])) / count(requests_total)
1 + 2 * 3 ^ 2
5 > bool 3
'''.strip().splitlines()


def key_of(series: dict) -> str:
    return repr(sorted(series['metric'].items()))


def compare(expr: str, ours: list, theirs: list) -> str | None:
    """None when equal, else what differs."""
    a, b = {key_of(s): s['values'] for s in ours}, {key_of(s): s['values'] for s in theirs}
    if a.keys() != b.keys():
        return f'{expr}: series differ: only here {sorted(a.keys() - b.keys())[:3]}, only there {sorted(b.keys() - a.keys())[:3]}'
    for key, values in a.items():
        if [t for t, _ in values] != [t for t, _ in b[key]]:
            return f'{expr}: {key}: times differ: {len(values)} and {len(b[key])} points'
        for (t, x), (_, y) in zip(values, b[key]):
            if not harness.same_number(x, y):
                return f'{expr}: {key} at {t}: {x} here, {y} there'
    return None


def test_answers_equal_those_of_prometheus(bench):
    now = int(time.time() / 15) * 15
    p, prom = bench.pharos(config='{}\n'), bench.prometheus('{}\n')
    many = fleet(now * 1000)
    for labels, samples in many:
        for server in (p, prom):
            answer = server.write([(labels, samples)])
            assert answer.status == 204, (server.name, labels, answer.text)
    differences = []
    for expr in QUERIES:
        args = (expr, now - 3000, now, 30)
        ours, theirs = p.query_range(*args), prom.query_range(*args)
        difference = compare(expr, ours, theirs)
        if difference:
            differences.append(difference)
    print(f'# {len(QUERIES)} queries compared with Prometheus, {len(differences)} differences')
    assert not differences, '\n'.join(differences)


def test_restart_keeps_every_answer(bench):
    now = int(time.time() / 15) * 15
    p = bench.pharos(config='{}\n')
    for labels, samples in fleet(now * 1000):
        assert p.write([(labels, samples)]).status == 204
    before = {expr: p.query_range(expr, now - 3000, now, 30) for expr in QUERIES[:20]}
    p.kill()
    p.start()
    for expr, result in before.items():
        assert p.query_range(expr, now - 3000, now, 30) == result, expr
    assert p.stop() == 0
    p.start()
    for expr, result in before.items():
        assert p.query_range(expr, now - 3000, now, 30) == result, expr


def test_promtool_asks(bench):
    p = bench.pharos()
    harness.wait_until('both jobs', lambda: p.value('count(up == 1)') == 2)
    tool = os.path.join(harness.PEERS, 'promtool')
    out = subprocess.run([tool, 'query', 'instant', p.url, 'up{job="pharos"}'], capture_output=True, text=True, check=True).stdout
    assert '=> 1 @' in out, out
    out = subprocess.run([tool, 'query', 'labels', p.url, 'job'], capture_output=True, text=True, check=True).stdout
    assert out.split() == ['node', 'pharos'], out
    metrics = p.get('/metrics').body
    check = subprocess.run([tool, 'check', 'metrics'], input=metrics, capture_output=True)
    assert check.returncode in (0, 3), check.stderr.decode()


def test_cli_asks(bench):
    p = bench.pharos()
    harness.wait_until('own metrics', lambda: p.value('up{job="pharos"}') == 1)

    def ask(*args):
        return subprocess.run([harness.BINARY, 'query', f'--url={p.url}', *args], capture_output=True, text=True)

    out = ask('up{job="pharos"}')
    assert out.returncode == 0 and out.stdout.startswith('up{') and out.stdout.rstrip().endswith('1'), out
    assert ask('up', '-o', 'json').stdout.startswith('{"status":"success"')
    bad = ask('up{')
    assert bad.returncode == 1 and 'parse error' in bad.stderr, bad
    assert ask('nothing', '--fail-empty').returncode == 4
    gone = subprocess.run([harness.BINARY, 'query', '--url=http://127.0.0.1:1', 'up'], capture_output=True, text=True)
    assert gone.returncode == 5 and 'cannot reach' in gone.stderr, gone
    assert subprocess.run([harness.BINARY, 'qury'], capture_output=True, text=True).returncode == 2


harness.run([
    (test_node_exporter_is_scraped_and_ends_stale, 'prometheus-node-exporter'),
    (test_prometheus_sends_remote_write, 'prometheus'),
    (test_answers_equal_those_of_prometheus, 'prometheus'),
    (test_restart_keeps_every_answer, None),
    (test_promtool_asks, 'promtool'),
    (test_cli_asks, None),
])
