# SPDX-License-Identifier: Apache-2.0
"""The servers that are measured: how each is started, asked and weighed.

All run in a folder of their own, listen on 127.0.0.1 and are ended by whoever started them (`with`).
"""
import http.client
import os
import re
import signal
import socket
import subprocess
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf('SC_CLK_TCK')
PAGE = os.sysconf('SC_PAGE_SIZE')


class BenchError(Exception):
    """A measurement that could not be taken; the text says why."""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


class Clock:
    """What is left of the run's time."""

    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def left(self, wanted: float = 1e9) -> float:
        left = min(wanted, self.end - time.monotonic())
        if left <= 1:
            raise BenchError('no time left')
        return left


@dataclass
class Kind:
    """One product: its binary and how to start it."""
    name: str
    binary: Path
    clock: Clock
    ready: str = '/-/ready'
    write_path: str = '/api/v1/write'

    def argv(self, data: Path, port: int, config: Path | None) -> list:
        raise NotImplementedError

    def wal_bytes(self, server: 'Server') -> float | None:
        raise NotImplementedError


class Prometheus(Kind):
    def argv(self, data: Path, port: int, config: Path | None) -> list:
        if config is None:
            config = data.parent / 'empty.yml'
            config.write_text('scrape_configs: []\n', encoding='utf-8')
        return [self.binary, f'--config.file={config}', f'--storage.tsdb.path={data}', f'--web.listen-address=127.0.0.1:{port}',
                '--web.enable-remote-write-receiver', '--web.enable-admin-api', '--query.max-samples=200000000']

    def wal_bytes(self, server: 'Server') -> float | None:
        return tree_bytes(server.data / 'wal')


class VictoriaMetrics(Kind):
    def argv(self, data: Path, port: int, config: Path | None) -> list:
        extra = [f'-promscrape.config={config}'] if config else []
        return [self.binary, f'-storageDataPath={data}', f'-httpListenAddr=127.0.0.1:{port}', '-search.maxUniqueTimeseries=5000000',
                '-search.maxQueryDuration=120s', '-search.maxSamplesPerQuery=2000000000', *extra]

    def wal_bytes(self, server: 'Server') -> float | None:
        return None  # it has none


class Pharos(Kind):
    def argv(self, data: Path, port: int, config: Path | None) -> list:
        if config is None:  # without a file it would watch itself and the host
            config = data.parent / 'empty.yml'
            config.write_text('scrape_configs: []\n', encoding='utf-8')
        return [self.binary, f'--config.file={config}', f'--storage.path={data}', f'--web.listen-address=127.0.0.1:{port}',
                '--query.max-samples=200000000']

    def wal_bytes(self, server: 'Server') -> float | None:
        """Bytes ever written: segments may be gone by now, and the last one is longer than its content."""
        return server.metric('pharos_wal_written_bytes_total')


def tree_bytes(folder: Path, pattern: str = '**/*') -> int:
    total = 0
    for p in folder.glob(pattern):
        try:
            total += p.stat().st_size if p.is_file() else 0
        except FileNotFoundError:  # a merge just removed it
            continue
    return total


@dataclass
class Server:
    """A running process. Create, then `start()`; usable with `with`."""
    kind: Kind
    folder: Path
    config: Path | None = None
    without_config_argv: list | None = None  # replaces the whole command line
    port: int = 0
    process: subprocess.Popen | None = None
    ready_seconds: float = 0.0
    log: object = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        return self.folder / 'data'

    def __enter__(self) -> 'Server':
        return self

    def __exit__(self, *_) -> None:
        self.kill()

    def start(self, deadline: float = 60) -> 'Server':
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        argv = self.without_config_argv or self.kind.argv(self.data, self.port, self.config)
        argv = [str(a).replace('{port}', str(self.port)) for a in argv]
        self.log = open(self.folder / 'log', 'ab')
        begin = time.monotonic()
        self.process = subprocess.Popen(argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env={**os.environ, 'GOMAXPROCS': str(os.cpu_count())})
        self.wait_ready(begin, self.kind.clock.left(deadline))
        return self

    def wait_ready(self, begin: float, deadline: float) -> None:
        while time.monotonic() - begin < deadline:
            if self.process.poll() is not None:
                raise BenchError(f'{self.kind.name} ended with {self.process.returncode}: {self.last_log()}')
            try:
                if self.get(self.kind.ready, timeout=2)[0] == 200:
                    self.ready_seconds = time.monotonic() - begin
                    return
            except OSError:
                pass
            time.sleep(0.002 if time.monotonic() - begin < 2 else 0.02)
        raise BenchError(f'{self.kind.name} was not ready within {deadline:.0f} s')

    def last_log(self) -> str:
        lines = (self.folder / 'log').read_text(encoding='utf-8', errors='replace').strip().splitlines()
        return lines[-1][-300:] if lines else ''

    def stop(self, deadline: float = 60) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(deadline)
        except subprocess.TimeoutExpired as late:
            raise BenchError(f'{self.kind.name} did not stop within {deadline:.0f} s') from late
        finally:
            self.kill()

    def kill(self) -> None:
        if self.process:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process = None
        if self.log:
            self.log.close()
            self.log = None

    # ---- the process, as the kernel sees it ----

    def cpu_seconds(self) -> float:
        fields = Path(f'/proc/{self.process.pid}/stat').read_text(encoding='ascii').rsplit(')', 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> dict:
        """VmRSS, VmHWM (its peak), RssAnon, RssFile in bytes."""
        text = Path(f'/proc/{self.process.pid}/status').read_text(encoding='ascii')
        return {key: int(value) * 1024 for key, value in re.findall(r'^(VmRSS|VmHWM|RssAnon|RssFile):\s+(\d+) kB', text, re.M)}

    def rss(self) -> int:
        return self.memory()['VmRSS']

    # ---- its HTTP side ----

    def request(self, method: str, path: str, timeout: float = 60, headers: dict | None = None, **params) -> tuple:
        """(status, body, seconds from the first byte sent to the last one received)"""
        conn = http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout)
        query = urllib.parse.urlencode(params)
        begin = time.monotonic()
        try:
            conn.request(method, path + (f'?{query}' if query else ''), headers=headers or {})
            answer = conn.getresponse()
            body = answer.read()
            return answer.status, body, time.monotonic() - begin
        except http.client.HTTPException as broken:
            raise OSError(f'{type(broken).__name__}: {broken}') from broken
        finally:
            conn.close()

    def get(self, path: str, timeout: float = 60, **params) -> tuple:
        return self.request('GET', path, timeout, **params)

    def metric(self, name: str) -> float | None:
        """Sum of the samples of one metric at /metrics; None when there is none."""
        status, body, _ = self.get('/metrics')
        values = re.findall(rf'^{name}(?:{{[^}}]*}})? (\S+)', body.decode('utf-8', 'replace'), re.M) if status == 200 else []
        return sum(map(float, values)) if values else None
