# SPDX-License-Identifier: Apache-2.0
"""Prometheus scrapes living targets and sends to Pharos, which is killed meanwhile: both hold the same samples afterwards.

A target of our own has counters, a histogram, odd values, and series that come, go and stay away; node_exporter brings some hundred
series as they are in the field. Compared is every sample of every series: time stamp and value, once.
"""
import http.server
import json
import threading
import time

import harness


class Target(http.server.ThreadingHTTPServer):
    """Counts its scrapes; everything it exposes follows from their number."""
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(('127.0.0.1', 0), Handler)
        self.scrapes, self.lock = 0, threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def text(self) -> str:
        with self.lock:
            self.scrapes += 1
            n = self.scrapes
        lines = ['# TYPE play_total counter', f'play_total{{path="/a"}} {n * 3}', f'play_total{{path="/b \\"x\\""}} {n % 7}',
                 '# TYPE play_size gauge', f'play_size{{kind="float"}} {n / 3}', 'play_size{kind="nan"} NaN', f'play_size{{kind="inf"}} {"+-"[n % 2]}Inf',
                 'play_size{kind="constant"} 42', f'play_size{{kind="zero"}} {n % 2}', '# TYPE play_seconds histogram']  # its sender makes 0 of -0
        for i, le in enumerate(('0.1', '1', '+Inf')):
            lines.append(f'play_seconds_bucket{{le="{le}"}} {n * (i + 1)}')
        lines += [f'play_seconds_count {n * 3}', f'play_seconds_sum {n * 0.7}']
        if n % 6 < 3:  # comes and goes
            lines.append(f'play_flapping {n}')
        lines.append(f'play_churn{{run="{n // 4}"}} {n}')  # a new series every fourth scrape, the last one is gone
        return '\n'.join(lines) + '\n'


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = self.server.text().encode()
        self.send_response(200)
        self.send_header('Content-Type', 'text/plain; version=0.0.4')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        pass


def raw(server, at: float) -> dict:
    """All samples of the last five minutes, stale markers not among them: {labels: [(t, value)]}."""
    result = server.query('{job=~"play|node"}[5m]', time=f'{at:.3f}')
    return {json.dumps(s['metric'], sort_keys=True): [tuple(v) for v in s['values']] for s in result}


def first_difference(ours: dict, theirs: dict) -> str | None:
    if ours.keys() != theirs.keys():
        return f'only here {sorted(ours.keys() - theirs.keys())[:2]}, only there {sorted(theirs.keys() - ours.keys())[:2]}'
    for key, samples in theirs.items():
        if ours[key] != samples:
            return f'{key}: missing {[s for s in samples if s not in ours[key]][:3]}, too many {[s for s in ours[key] if s not in samples][:3]}, ' \
                   f'{len(ours[key])} here, {len(samples)} there'
    return None


def test_prometheus_sends_and_every_sample_arrives_once(bench):
    target, node, p = Target(), bench.node_exporter(), bench.pharos(config='{}\n')
    prom = bench.prometheus(f'''
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs:
- {{job_name: play, static_configs: [{{targets: ["127.0.0.1:{target.server_port}"]}}]}}
- {{job_name: node, scrape_interval: 1s, static_configs: [{{targets: ["127.0.0.1:{node.port}"]}}]}}
remote_write:
- {{url: "{p.url}/api/v1/write", queue_config: {{batch_send_deadline: 100ms, max_backoff: 500ms, max_samples_per_send: 300}}}}
''')
    harness.wait_until('samples arrive', lambda: p.query('play_total') and p.query('node_load1'))
    outages = []
    for _ in range(2):
        time.sleep(2)
        p.kill()
        began = time.time()
        time.sleep(1.5)
        p.start()
        outages.append((began, time.time()))
    time.sleep(2)
    target.shutdown()
    target.server_close()
    harness.wait_until('the target is down', lambda: prom.value('up{job="play"}') == 0)
    harness.wait_until('its series are stale here too', lambda: not p.query('{__name__=~"play_.*"}'), 20)
    end = time.time() - 0.5
    theirs = raw(prom, end)

    def agree():
        difference = first_difference(raw(p, end), theirs)
        if difference:
            raise ValueError(difference)
        return True

    harness.wait_until('every sample of Prometheus is here, once', agree, 20)
    samples = sum(len(v) for v in theirs.values())
    for began, ended in outages:
        missed = [t for t, _ in theirs[next(k for k in theirs if 'play_seconds_sum' in k)] if began < t < ended]
        assert len(missed) >= 3, 'nothing was scraped while Pharos was away'
    churned = sum('play_churn' in k for k in theirs)
    assert churned >= 4 and any('"nan"' in k for k in theirs) and len(theirs) > 300, (churned, len(theirs))
    for expr in ('play_flapping', 'play_churn', 'count({job="node"})', 'rate(play_total[5s])', 'histogram_quantile(0.9, play_seconds_bucket)'):
        for back in range(1, 10):  # gaps are where they were
            at = f'{end - back * 0.7:.3f}'
            ours, there = ({json.dumps(s['metric'], sort_keys=True): s['value'] for s in server.query(expr, time=at)} for server in (p, prom))
            assert ours == there, (expr, at, ours, there)
    print(f'# {len(theirs)} series, {samples} samples by remote write over {len(outages)} kills: equal')


harness.run([(test_prometheus_sends_and_every_sample_arrives_once, 'prometheus')])
