# SPDX-License-Identifier: Apache-2.0
"""Starts servers on loopback, asks them, and reports results line by line."""
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request

import wire

BINARY = os.environ.get('PHAROS_BINARY', 'build/pharos')
PEERS = os.environ.get('PHAROS_PEERS', '')


def free_port() -> int:
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


class Answer:
    def __init__(self, status: int, body: bytes, headers) -> None:
        self.status, self.body, self.headers = status, body, headers

    @property
    def text(self) -> str:
        return self.body.decode('utf-8', 'replace')

    def json(self):
        return json.loads(self.body)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


def http(method: str, url: str, body: bytes | None = None, headers: dict | None = None, timeout: float = 60) -> Answer:
    req = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with OPENER.open(req, timeout=timeout) as r:
            return Answer(r.status, r.read(), r.headers)
    except urllib.error.HTTPError as e:
        return Answer(e.code, e.read(), e.headers)


def wait_until(what: str, check, seconds: float = 30.0):
    """Poll until check() is true; returns its value."""
    end = time.monotonic() + seconds
    last = None
    while time.monotonic() < end:
        try:
            last = check()
            if last:
                return last
        except (OSError, ValueError, KeyError, IndexError) as e:
            last = e
        time.sleep(0.02)
    raise AssertionError(f'{what}: not within {seconds} s (last: {last!r})')


class Server:
    """Any server that answers HTTP on a loopback port."""

    def __init__(self, argv: list, port: int, ready: str, folder: str, name: str) -> None:
        self.argv, self.port, self.ready_path, self.folder, self.name = argv, port, ready, folder, name
        self.url = f'http://127.0.0.1:{port}'
        self.process = None
        self.start()

    def start(self, wait: bool = True) -> None:
        self.log = open(os.path.join(self.folder, f'{self.name}.log'), 'ab')
        self.process = subprocess.Popen(self.argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        if wait:
            self.wait_ready()

    def wait_ready(self, seconds: float = 60) -> None:
        def check():
            if self.process.poll() is not None:
                raise AssertionError(f'{self.name} ended with {self.process.returncode}: {self.log_text()[-2000:]}')
            return http('GET', self.url + self.ready_path, timeout=5).status == 200
        wait_until(f'{self.name} ready', check, seconds)

    def log_text(self) -> str:
        with open(os.path.join(self.folder, f'{self.name}.log'), encoding='utf-8', errors='replace') as f:
            return f.read()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self, seconds: float = 40) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self.log.close()
        return code

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.kill()

    def cpu_seconds(self) -> float:
        with open(f'/proc/{self.process.pid}/stat', encoding='ascii') as f:
            fields = f.read().rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def rss_bytes(self) -> int:
        with open(f'/proc/{self.process.pid}/statm', encoding='ascii') as f:
            return int(f.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')

    # ---- the Prometheus API ----

    def get(self, path: str, headers: dict | None = None, **params) -> Answer:
        query = urllib.parse.urlencode(params, doseq=True)
        return http('GET', f'{self.url}{path}' + (f'?{query}' if query else ''), headers=headers)

    def query(self, expr: str, **params) -> list:
        a = self.get('/api/v1/query', query=expr, **params)
        assert a.status == 200, f'{expr}: {a.status} {a.text}'
        return a.json()['data']['result']

    def query_range(self, expr: str, start: float, end: float, step: float) -> list:
        a = self.get('/api/v1/query_range', query=expr, start=start, end=end, step=step)
        assert a.status == 200, f'{expr}: {a.status} {a.text}'
        return a.json()['data']['result']

    def value(self, expr: str, **params) -> float | None:
        result = self.query(expr, **params)
        return float(result[0]['value'][1]) if result else None

    def write(self, many: list) -> Answer:
        return http('POST', self.url + '/api/v1/write', wire.write_request(many),
                    {'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf'})


class Bench:
    """Collects what a test starts, so that nothing outlives it."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix='pharos-test-')
        self.servers = []

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def file(self, name: str, text: str) -> str:
        with open(self.path(name), 'w', encoding='utf-8') as f:
            f.write(text)
        return self.path(name)

    def pharos(self, *args: str, name: str = 'pharos', config: str | None = None, storage: str | None = None) -> Server:
        port = free_port()
        argv = [os.path.abspath(BINARY), f'--storage.path={storage or self.path(name + "-data")}', f'--web.listen-address=127.0.0.1:{port}',
                '--web.enable-lifecycle', *args]
        if config is not None:
            argv.append(f'--config.file={self.file(name + ".yml", config)}')
        self.servers.append(Server(argv, port, '/-/ready', self.folder, name))
        return self.servers[-1]

    def prometheus(self, config: str, *args: str, name: str = 'prometheus') -> Server:
        port = free_port()
        argv = [os.path.join(PEERS, 'prometheus'), f'--config.file={self.file(name + ".yml", config)}',
                f'--storage.tsdb.path={self.path(name + "-data")}', f'--web.listen-address=127.0.0.1:{port}',
                '--web.enable-remote-write-receiver', '--web.enable-lifecycle', *args]
        self.servers.append(Server(argv, port, '/-/ready', self.folder, name))
        return self.servers[-1]

    def node_exporter(self) -> Server:
        port = free_port()
        argv = [os.path.join(PEERS, 'prometheus-node-exporter'), f'--web.listen-address=127.0.0.1:{port}']
        self.servers.append(Server(argv, port, '/metrics', self.folder, 'node_exporter'))
        return self.servers[-1]

    def close(self) -> None:
        for s in self.servers:
            s.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def needs_peer(name: str) -> str | None:
    """The reason why a test with this peer must be skipped, or None."""
    if not PEERS:
        return 'peers could not be fetched'
    return None if os.path.exists(os.path.join(PEERS, name)) else f'{name} was not fetched'


def run(tests: list) -> None:
    """tests [(function(bench), peer or None)]; prints a line each and exits."""
    failed = 0
    for test, peer in tests:
        name = test.__name__
        reason = needs_peer(peer) if peer else None
        if reason:
            print(f'skip - {name}: {reason}', flush=True)
            continue
        bench = Bench()
        try:
            test(bench)
            print(f'ok - {name}', flush=True)
        except Skip as reason:
            print(f'skip - {name}: {reason}', flush=True)
        except Exception as e:  # a test may fail in any way
            failed += 1
            print(f'not ok - {name}: {e}', flush=True)
            traceback.print_exc(file=sys.stdout)
            for s in bench.servers:
                print(f'--- {s.name}\n{s.log_text()[-3000:]}')
        finally:
            bench.close()
    sys.exit(1 if failed else 0)


def same_number(a: str, b: str, tolerance: float = 1e-9) -> bool:
    x, y = float(a), float(b)
    if math.isnan(x) or math.isnan(y):
        return math.isnan(x) and math.isnan(y)
    return x == y or abs(x - y) <= tolerance * max(abs(x), abs(y))
