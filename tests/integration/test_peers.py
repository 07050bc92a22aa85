# SPDX-License-Identifier: Apache-2.0
"""Real components: node_exporter as a target, promtool and the own command line as clients; restarts."""
import os
import subprocess

import answers_by_hand
import answers_data as data
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


def test_restart_keeps_every_answer(bench):
    """Over blocks and head, after a kill and after a stop."""
    p = bench.pharos('--storage.tsdb.retention.time=100y', config='{}\n')
    for part in data.slices(data.fleet()):
        assert p.write(part).status == 204
    harness.wait_until('two blocks', lambda: 'pharos_storage_blocks 2\n' in p.get('/metrics').text)

    def ask():
        return {expr: p.query_range(expr, data.MIDNIGHT_S - 2700, data.MIDNIGHT_S + 2700, 30) for expr in answers_by_hand.QUERIES[:75]}

    before = ask()
    p.kill()
    p.start()
    assert ask() == before
    assert p.stop() == 0
    p.start()
    assert ask() == before


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
    (test_restart_keeps_every_answer, None),
    (test_promtool_asks, 'promtool'),
    (test_cli_asks, None),
])
