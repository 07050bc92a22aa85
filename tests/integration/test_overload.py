# SPDX-License-Identifier: Apache-2.0
"""Many slow queries at once: what else is asked is answered meanwhile, and a stop does not wait for them."""
import os
import socket
import threading
import time

import harness

# Some seconds of work each; a year of evaluations of nothing.
SLOW = {'query': 'sum_over_time(vector(1)[20d:1s])', 'start': '0', 'end': '600000', 'step': '60', 'timeout': '60s'}


class Askers:
    """`count` clients that ask a slow query at the same time."""

    def __init__(self, server, count: int, **params) -> None:
        self.answers = []
        self.threads = [threading.Thread(target=self.ask, args=(server, params)) for _ in range(count)]
        for t in self.threads:
            t.start()

    def ask(self, server, params) -> None:
        try:
            self.answers.append(server.get('/api/v1/query_range', **{**SLOW, **params}))
        except OSError as e:
            self.answers.append(e)

    def join(self) -> list:
        for t in self.threads:
            t.join()
        return self.answers


def own(server, name: str) -> float:
    """The sum of a metric of the server itself."""
    lines = server.get('/metrics').text.splitlines()
    return sum(float(line.rsplit(' ', 1)[1]) for line in lines if line.split('{')[0].split(' ')[0] == name)


def test_slow_queries_do_not_starve_the_rest(bench):
    p = bench.pharos()
    askers = Askers(p, 40, timeout='20s')
    harness.wait_until('all queries wait or run', lambda: own(p, 'pharos_api_requests_running') + own(p, 'pharos_api_requests_waiting') >= 40)
    begin = time.monotonic()
    for path in ('/api/v1/labels?limit=1', '/api/v1/targets', '/api/v1/format_query?query=up', '/federate?match[]=up'):
        a = harness.http('GET', p.url + path, timeout=10)
        assert a.status == 200, (path, a.status, a.text)
    assert harness.http('POST', p.url + '/-/reload', timeout=10).status == 200
    assert time.monotonic() - begin < 5, time.monotonic() - begin
    assert not askers.answers, 'the queries were too quick for this test'
    p.process.kill()
    askers.join()


def test_a_waiting_query_times_out_without_a_thread(bench):
    p = bench.pharos('--query.max-concurrency=1')
    askers = Askers(p, 16)
    harness.wait_until('a query is parked', lambda: own(p, 'pharos_api_requests_waiting') >= 3)
    begin = time.monotonic()
    a = p.get('/api/v1/query', query='1', timeout='1s')
    assert a.status == 503 and a.json()['errorType'] == 'timeout', (a.status, a.text)
    assert a.json()['error'] == 'query timed out in query queue', a.text
    assert 0.9 < time.monotonic() - begin < 5, time.monotonic() - begin
    p.process.kill()
    askers.join()


def test_a_stop_cancels_queries_and_answers_them(bench):
    p = bench.pharos()
    askers = Askers(p, 40)
    harness.wait_until('all queries wait or run', lambda: own(p, 'pharos_api_requests_running') + own(p, 'pharos_api_requests_waiting') >= 40)
    begin = time.monotonic()
    assert p.stop() == 0
    assert time.monotonic() - begin < 12, time.monotonic() - begin
    answers = askers.join()
    assert len(answers) == 40
    for a in answers:
        assert isinstance(a, harness.Answer), repr(a)
        assert a.status == 503 and a.json()['errorType'] == 'canceled', (a.status, a.text)


def peak_bytes(p) -> int:
    with open(f'/proc/{p.process.pid}/status', encoding='ascii') as f:
        return next(int(line.split()[1]) * 1024 for line in f if line.startswith('VmHWM:'))


def test_the_memory_limit_holds_for_the_process(bench):
    limit = 96 << 20
    p = bench.pharos('--memory.limit=96MB')
    with open(f'/proc/{p.process.pid}/maps', encoding='utf-8') as f:
        maps = f.read()
    if 'libasan' in maps or 'libtsan' in maps:
        print('# not measured: a build with a sanitizer')
        return
    now = int(time.time() * 1000)
    for k in range(3):
        for i in range(0, 100000, 2000):
            assert p.write([({'__name__': f'm{j % 50}', 'instance': f'host-{j:06d}'}, [(now - 45000 + k * 15000, j + k * 0.5)])
                            for j in range(i, i + 2000)]).status == 204
    asked = {'query': 'sum by (instance) (rate({__name__=~"m.*"}[1m]))', 'start': now / 1000 - 60, 'end': now / 1000, 'step': 1}
    for _ in range(3):
        Askers(p, 12, **asked).join()
        Askers(p, 12, **{**asked, 'query': '{__name__=~"m.*"}'}).join()
    assert peak_bytes(p) <= limit * 1.05, f'{peak_bytes(p) / limit:.3f} of the limit'
    # The series themselves fit, and are still answered for.
    assert p.value('count({__name__=~"m.*"})', time=now / 1000) == 100000


def test_the_watchdog_is_fed(bench):
    path = bench.path('notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(path)
        s.settimeout(20)
        os.environ.update(NOTIFY_SOCKET=path, WATCHDOG_USEC='400000')
        try:
            p = bench.pharos()
        finally:
            del os.environ['NOTIFY_SOCKET'], os.environ['WATCHDOG_USEC']
        heard = []
        while heard.count('WATCHDOG=1') < 3:
            heard.append(s.recv(1000).decode())
        assert any('READY=1' in h for h in heard), heard
        assert p.stop() == 0


def test_connections_are_limited_by_the_flag(bench):
    p = bench.pharos('--web.max-connections=3', '--web.enable-admin-api')
    assert 'warning: --web.enable-admin-api has no effect yet' in p.log_text(), p.log_text()
    held = [socket.create_connection(('127.0.0.1', p.port)) for _ in range(3)]
    last = socket.create_connection(('127.0.0.1', p.port))
    last.sendall(b'GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n')
    last.settimeout(1)
    try:
        raise AssertionError(last.recv(100))
    except TimeoutError:
        pass
    held[0].close()
    last.settimeout(10)
    assert last.recv(100).startswith(b'HTTP/1.1 200')
    for s in held + [last]:
        s.close()


if __name__ == '__main__':
    harness.run([(f, None) for name, f in sorted(globals().items()) if name.startswith('test_')])
