# SPDX-License-Identifier: Apache-2.0
"""The measurements. Each step runs on one server at a time and stores its figures in `ctx.results`."""
import json
import re
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from results import Results
from servers import BenchError, Clock, Kind, Pharos, Prometheus, Server, VictoriaMetrics, tree_bytes

BLOCK_MS = 7_200_000
STEP_MS = 15_000


@dataclass
class Sizes:
    """All reducible by environment: BENCH_<NAME>."""
    series: int = 100_000         # quiet mix; x rounds = 48 M samples
    rounds: int = 480             # two hours at 15 s
    hard_series: int = 20_000
    rss_series: int = 1_000_000
    rss_rounds: int = 6
    query_series: int = 200_000
    query_rounds: int = 241       # one hour at 15 s
    query_runs: int = 10
    query_seconds: int = 25       # warm runs of one query stop after this
    targets: int = 1_000
    scrape_seconds: int = 60
    connections: int = 4
    spread_ms: int = 0            # instances send at times of their own within this


@dataclass
class Context:
    build: Path     # holds bench/load and bench/bench_*
    work: Path      # scratch
    clock: Clock
    sizes: Sizes
    results: Results
    kinds: list

    def tool(self, name: str) -> Path:
        return self.build / 'bench' / name

    @property
    def start_ms(self) -> int:
        """Start of the newest whole block range: all data of a run lies in it."""
        if not hasattr(self, '_start_ms'):
            self._start_ms = int(time.time() * 1000) // BLOCK_MS * BLOCK_MS - BLOCK_MS
        return self._start_ms


def say(text: str) -> None:
    print(f'[{time.strftime("%H:%M:%S")}] {text}', flush=True)


def attempt(ctx: Context, server: str, bars: list, part, *args) -> None:
    """One part of a step; when it fails the others go on."""
    try:
        part(ctx, *args)
    except (BenchError, OSError, ValueError, KeyError, subprocess.SubprocessError) as reason:
        say(f'{server}: {part.__name__} failed: {reason}')
        ctx.results.fail(bars, server, str(reason))


# ---- requests made beforehand, and sent ----

def requests(ctx: Context, name: str, series: int, rounds: int, *extra: str) -> Path:
    path = ctx.work / f'{name}.requests'
    if not path.exists():
        say(f'encoding {series} series x {rounds} rounds ({name})')
        done = subprocess.run([ctx.tool('load/remote_write'), 'encode', '--out', path, '--series', str(series), '--rounds', str(rounds),
                               '--start-ms', str(ctx.start_ms), '--spread-ms', str(ctx.sizes.spread_ms), *extra],
                              capture_output=True, text=True, timeout=ctx.clock.left(180))
        if done.returncode != 0:
            path.unlink(missing_ok=True)
            raise BenchError(done.stderr.strip())
    return path


def send(ctx: Context, server: Server, path: Path, deadline: float) -> dict:
    deadline = ctx.clock.left(deadline)
    done = subprocess.run([ctx.tool('load/remote_write'), 'send', '--file', path, '--port', str(server.port), '--path', server.kind.write_path,
                           '--connections', str(ctx.sizes.connections), '--deadline', str(int(deadline))],
                          capture_output=True, text=True, timeout=deadline + 30)
    if not done.stdout:
        raise BenchError(f'sender: {done.stderr.strip()}')
    sent = json.loads(done.stdout)
    sent['is_late'] = done.returncode == 3
    if sent['is_late']:  # a shorter run is a run: figures are per sample
        ctx.results.notes.append(f'{server.kind.name}, {path.stem}: only {sent["samples"]} samples within {deadline:.0f} s')
    if sent['refused']:
        raise BenchError(f'{sent["refused"]} requests refused: {sent["first_refusal"]}')
    return sent


def settle(server: Server, seconds: float = 3) -> None:
    """Until the process has been idle for a second, at most so long."""
    end, last = time.monotonic() + seconds * 4, server.cpu_seconds()
    time.sleep(seconds)
    while time.monotonic() < end:
        time.sleep(1)
        now = server.cpu_seconds()
        if now - last < 0.05:
            return
        last = now


def ingest(ctx: Context, server: Server, path: Path, deadline: float) -> dict:
    settle(server, 1)
    rss, cpu = server.rss(), server.cpu_seconds()
    sent = send(ctx, server, path, deadline)
    sent['cpu_s'] = server.cpu_seconds() - cpu
    settle(server)
    memory = server.memory()
    sent.update(cpu_settled_s=server.cpu_seconds() - cpu, rss_before=rss, rss_growth=memory['VmRSS'] - rss, memory=memory)
    return sent


# ---- one fleet of two hours: ingest, memory, bytes, restart ----

def stored_samples(ctx: Context, server: Server) -> int:
    """Samples of the run's two hours, metric by metric: without names, label sets would collide."""
    span = {'start': ctx.start_ms / 1000, 'end': (ctx.start_ms + BLOCK_MS) / 1000 - 0.001}
    status, body, _ = server.get('/api/v1/label/__name__/values', ctx.clock.left(60), **span)
    if status != 200:
        raise BenchError(f'metric names: {status} {body[:200]!r}')
    kept = 0
    for metric in json.loads(body)['data']:
        status, body, _ = server.get('/api/v1/query', ctx.clock.left(60), query=f'sum(count_over_time({metric}[2h]))', time=span['end'], nocache=1)
        result = json.loads(body)['data']['result'] if status == 200 else []
        kept += int(float(result[0]['value'][1])) if result else 0
    return kept


def restart(ctx: Context, server: Server, samples: int) -> None:
    name = server.kind.name
    before = server.rss()
    server.kill()
    server.start(180)
    ctx.results.put('restart', name, server.ready_seconds)
    ctx.results.put('restart_cpu', name, server.cpu_seconds())
    ctx.results.put('restart_rss', name, server.memory()['VmHWM'] / 1e6)
    ctx.results.detail('restart', name, rss_before_mb=before / 1e6, rss_after_mb=server.rss() / 1e6)
    kept = stored_samples(ctx, server)
    ctx.results.put('restart_lost', name, max(0, samples - kept))  # the last answers of a late run were not awaited
    ctx.results.detail('restart', name, kept=kept)


def block_prometheus(ctx: Context, server: Server, series: int, suffix: str) -> None:
    status, body, _ = server.request('POST', '/api/v1/admin/tsdb/snapshot', ctx.clock.left(120))
    if status != 200:
        raise BenchError(f'snapshot: {status} {body[:200]!r}')
    blocks = list((server.data / 'snapshots').glob('*/*/meta.json'))
    stats = [json.loads(m.read_text(encoding='utf-8'))['stats'] for m in blocks]
    samples = sum(s['numSamples'] for s in stats)
    chunks, index = (sum(tree_bytes(m.parent, p) for m in blocks) for p in ('chunks/*', 'index'))
    ctx.results.detail('blocks' + suffix, server.kind.name, samples=samples, chunk_bytes=chunks, index_bytes=index, blocks=len(blocks))
    ctx.results.put('block' + suffix, server.kind.name, chunks / samples)
    if not suffix:
        ctx.results.put('index', server.kind.name, index / sum(s['numSeries'] for s in stats))


def block_victoriametrics(ctx: Context, server: Server, series: int, suffix: str, samples: int) -> None:
    """As left: after a stop, which brings its in-memory parts to disk. Merged: after /internal/force_merge as well."""
    def sizes() -> tuple:
        server.stop()
        index = tree_bytes(server.data / 'data/indexdb') + tree_bytes(server.data / 'indexdb')  # older versions: the latter
        return tree_bytes(server.data / 'data/small') + tree_bytes(server.data / 'data/big'), index
    samples = ctx.results.details.get('restart', {}).get(server.kind.name, {}).get('kept', samples) if not suffix else samples
    left_data, left_index = sizes()
    ctx.results.put('block' + suffix, server.kind.name, left_data / samples)
    if not suffix:
        ctx.results.put('index', server.kind.name, left_index / series)
    server.start()
    server.get('/internal/force_merge', timeout=ctx.clock.left(120))
    end = time.monotonic() + ctx.clock.left(90)
    while time.monotonic() < end and (server.metric('vm_active_force_merges') or 0) > 0:
        time.sleep(0.5)
    settle(server, 2)
    data, index = sizes()
    ctx.results.put(f'block{suffix}_merged', server.kind.name, data / samples)
    ctx.results.detail('blocks' + suffix, server.kind.name, samples=samples, left_bytes=left_data, left_index_bytes=left_index,
                       merged_bytes=data, merged_index_bytes=index)


def block_pharos(ctx: Context, server: Server, series: int, suffix: str) -> None:
    """The server has no command for it: it is stopped and the head is cut by a program of its own."""
    server.stop()
    done = subprocess.run([ctx.tool('bench_cut'), server.data / 'anonymous' / 'metrics', str(ctx.start_ms + BLOCK_MS)],
                          capture_output=True, text=True, timeout=ctx.clock.left(180))
    if done.returncode != 0:
        raise BenchError(f'bench_cut: {(done.stderr or done.stdout).strip()[-300:]}')
    blocks = list((server.data / 'anonymous/metrics/blocks').glob('*/meta.json'))
    stats = [json.loads(m.read_text(encoding='utf-8'))['stats'] for m in blocks]
    samples = sum(s['numSamples'] for s in stats)
    chunks, index = (sum(tree_bytes(m.parent, p) for m in blocks) for p in ('chunks/*', 'index'))
    figures = {m[0]: float(m[1]) for m in re.findall(r'^(.+?)\s{2,}([-\d.]+)', done.stdout, re.M)}
    ctx.results.detail('blocks' + suffix, server.kind.name, samples=samples, chunk_bytes=chunks, index_bytes=index, blocks=len(blocks), cut=figures)
    ctx.results.put('block' + suffix, server.kind.name, chunks / samples)
    if not suffix:
        ctx.results.put('index', server.kind.name, index / sum(s['numSeries'] for s in stats))


def blocks(ctx: Context, server: Server, series: int, suffix: str, samples: int) -> None:
    if isinstance(server.kind, Prometheus):
        block_prometheus(ctx, server, series, suffix)
    elif isinstance(server.kind, VictoriaMetrics):
        block_victoriametrics(ctx, server, series, suffix, samples)
    else:
        block_pharos(ctx, server, series, suffix)


def fleet(ctx: Context, kind: Kind, wanted: set) -> None:
    """ingest, rss (100k), wal, restart and blocks share one run: two hours of a quiet fleet."""
    size, name = ctx.sizes, kind.name
    path = requests(ctx, 'quiet', size.series, size.rounds)
    with Server(kind, ctx.work / f'fleet-{name}').start() as server:
        sent = ingest(ctx, server, path, 480)
        samples = sent['samples']
        ctx.results.detail('ingest', name, **sent)
        ctx.results.put('ingest', name, samples / sent['cpu_s'] / 1e6)
        ctx.results.put('ingest_wall', name, samples / sent['wall_s'] / 1e6)
        ctx.results.put('rss_100k', name, sent['rss_growth'] / size.series)
        wal = kind.wal_bytes(server)
        if wal is not None:
            ctx.results.put('wal', name, wal / samples)
        if 'restart' in wanted:
            attempt(ctx, name, ['restart', 'restart_cpu', 'restart_rss', 'restart_lost'], restart, server, samples)
        if 'blocks' in wanted:
            attempt(ctx, name, ['block', 'index'], blocks, server, size.series, '', samples)


def hard(ctx: Context, kind: Kind) -> None:
    """Ingest and bytes of a busier fleet: 65 % of the samples differ from the one before."""
    size, name = ctx.sizes, kind.name
    path = requests(ctx, 'hard', size.hard_series, size.rounds, '--hard')
    with Server(kind, ctx.work / f'hard-{name}').start() as server:
        sent = ingest(ctx, server, path, 240)
        ctx.results.detail('hard', name, **sent)
        ctx.results.put('ingest_hard', name, sent['samples'] / sent['cpu_s'] / 1e6)
        wal = kind.wal_bytes(server)
        if wal is not None:
            ctx.results.put('wal_hard', name, wal / sent['samples'])
        attempt(ctx, name, ['block_hard'], blocks, server, size.hard_series, '_hard', sent['samples'])


def million(ctx: Context, kind: Kind) -> None:
    size, name = ctx.sizes, kind.name
    path = requests(ctx, 'million', size.rss_series, size.rss_rounds)
    with Server(kind, ctx.work / f'million-{name}').start() as server:
        sent = ingest(ctx, server, path, 240)
        ctx.results.detail('million', name, **sent)
        ctx.results.put('rss_1m', name, sent['rss_growth'] / size.rss_series)


# ---- scraping ----

def scrape_config(path: Path, first_port: int, count: int) -> Path:
    targets = ', '.join(f'"127.0.0.1:{first_port + i}"' for i in range(count))
    path.write_text('global:\n  scrape_interval: 10s\n  scrape_timeout: 9s\nscrape_configs:\n  - job_name: node\n    static_configs:\n'
                    f'      - targets: [{targets}]\n        labels: {{cluster: one, environment: production}}\n', encoding='utf-8')
    return path


class Targets:
    """The process that plays the targets; it ends with its standard input."""

    def __init__(self, ctx: Context, variants: int) -> None:
        self.process = subprocess.Popen([ctx.tool('load/targets'), '--targets', str(ctx.sizes.targets), '--variants', str(variants)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        word = self.process.stdout.readline().split()
        if len(word) != 3 or word[0] != 'ready':
            raise BenchError('the targets did not start')
        self.first_port, self.control_port = int(word[1]), int(word[2])

    def __enter__(self) -> 'Targets':
        return self

    def __exit__(self, *_) -> None:
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, path: str) -> dict:
        import urllib.request
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f'http://127.0.0.1:{self.control_port}{path}', timeout=10) as answer:
            return json.loads(answer.read())


def scrape(ctx: Context, kind: Kind) -> None:
    size, name = ctx.sizes, kind.name
    warm = 25  # every target was scraped at least twice: its series exist
    folder = ctx.work / f'scrape-{name}'
    folder.mkdir(parents=True)
    with Targets(ctx, (size.scrape_seconds + warm) // 10 + 2) as targets:
        config = scrape_config(folder / 'scrape.yml', targets.first_port, size.targets)
        with Server(kind, folder, config).start() as server:
            time.sleep(min(warm, ctx.clock.left()))
            targets.ask('/window')
            cpu, begin = server.cpu_seconds(), time.monotonic()
            time.sleep(min(size.scrape_seconds, ctx.clock.left()))
            stats, wall = targets.ask('/stats'), time.monotonic() - begin
            cores = (server.cpu_seconds() - cpu) / wall
            status, body, _ = server.get('/api/v1/query', query='sum(up{job="node"})')
            up = json.loads(body)['data']['result'] if status == 200 else []
            ctx.results.detail('scrape', name, up=up, cores=cores, rss_mb=server.rss() / 1e6, **stats)
            ctx.results.put('scrape', name, cores)
            ctx.results.put('scrape_missed', name, stats['missed'] + stats['never_scraped'])
            if not up or float(up[0]['value'][1]) != size.targets:
                raise BenchError(f'not all targets are up: {up}')


# ---- queries ----

def timed_query(ctx: Context, server: Server, path: str, deadline: float, **params) -> tuple:
    """Seconds of the first run and of the warm ones, and the answer."""
    times, end, body = [], time.monotonic() + ctx.clock.left(deadline), b''
    while len(times) <= ctx.sizes.query_runs and (len(times) < 3 or time.monotonic() < end):
        status, body, seconds = server.get(path, ctx.clock.left(120), **params)
        if status != 200:
            raise BenchError(f'{params["query"]}: {status} {body[:300].decode("utf-8", "replace")}')
        times.append(seconds)
    return times[0], times[1:], json.loads(body)['data']['result']


def query(ctx: Context, kind: Kind) -> None:
    size, name = ctx.sizes, kind.name
    path = requests(ctx, 'query', size.query_series, size.query_rounds, '--metric', 'm')
    start = ctx.start_ms / 1000
    window = {'start': start, 'end': start + (size.query_rounds - 1) * STEP_MS / 1000, 'step': STEP_MS / 1000, 'nocache': 1}
    rows = [('rate', '/api/v1/query_range', {'query': 'sum(rate(m[1m]))', **window}),
            ('count', '/api/v1/query', {'query': 'count(m)', 'time': window['end'], 'nocache': 1}),
            ('count_range', '/api/v1/query_range', {'query': 'count(m)', **window})]
    with Server(kind, ctx.work / f'query-{name}').start() as server:
        sent = ingest(ctx, server, path, 480)
        ctx.results.detail('query', name, ingest=sent)
        if sent['is_late']:
            raise BenchError('the data could not be loaded in time')
        for bar, api, params in rows:
            cpu = server.cpu_seconds()
            first, warm, result = timed_query(ctx, server, api, size.query_seconds, **params)
            cpu = (server.cpu_seconds() - cpu) / (1 + len(warm))
            ctx.results.put(bar, name, statistics.median(warm))
            if bar != 'count_range':
                ctx.results.put(f'{bar}_cold', name, first)
                ctx.results.put(f'{bar}_cpu', name, cpu)
            values = result[0].get('values') or [result[0]['value']] if result else []
            ctx.results.detail('query', name, **{bar: {'first_s': first, 'warm_s': warm, 'cpu_s_each': cpu, 'points': len(values), 'last': values[-1] if values else None}})
        ctx.results.detail('query', name, memory=server.memory())


# ---- start and idle ----

def start(ctx: Context, kind: Kind) -> None:
    name = kind.name
    folder = ctx.work / f'start-{name}'
    argv = None
    if isinstance(kind, Pharos):  # as a newcomer runs it: no configuration, it watches itself and this host
        argv = [kind.binary, f'--storage.path={folder / "data"}', '--web.listen-address=127.0.0.1:{port}']
    with Server(kind, folder, without_config_argv=argv).start() as server:
        first = server.ready_seconds
        time.sleep(min(6, ctx.clock.left()))
        server.stop()
        again = []
        for _ in range(3):
            server.start()
            again.append(server.ready_seconds)
            time.sleep(0.5)
            if len(again) < 3:
                server.stop()
        time.sleep(min(12, ctx.clock.left()))
        memory = server.memory()
        ctx.results.put('start', name, statistics.median(again))
        ctx.results.put('idle_rss', name, memory['VmRSS'] / 1e6)
        ctx.results.detail('start', name, first_s=first, again_s=again, memory=memory)
