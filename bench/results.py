# SPDX-License-Identifier: Apache-2.0
"""The bars, what was measured for them, and the table."""
import json
import os
import platform
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

SERVERS = ('prometheus', 'victoriametrics', 'pharos')
REGRESSION = 0.10


@dataclass
class Bar:
    title: str
    form: str                       # how a figure is printed
    goal: str = ''
    met: Callable | None = None     # of Pharos' figure and all figures by server
    is_more_better: bool = False


def at_most(limit: float) -> Callable:
    return lambda mine, _: mine <= limit


def at_least(limit: float) -> Callable:
    return lambda mine, _: mine >= limit


def at_most_of(shares: dict) -> Callable:
    """At most this share of each peer that was measured; not decided without any peer."""
    def check(mine: float, all_of: dict) -> bool | None:
        peers = [mine <= share * all_of[name] for name, share in shares.items() if name in all_of]
        return all(peers) if peers else None
    return check


MEGA, KILO = 1e6, 1e3
BARS = {
    'ingest': Bar('remote write, quiet mix: M samples per server CPU-second', '{:.2f}', '>= 1.0', at_least(1.0), True),
    'ingest_hard': Bar('the same, hard mix', '{:.2f}', '', None, True),
    'ingest_wall': Bar('remote write, quiet mix: M samples per second of wall time', '{:.2f}', '', None, True),
    'rss_100k': Bar('RSS growth per active series after two hours of ingest, B', '{:.0f}', '<= 600', at_most(600)),
    'rss_1m': Bar('RSS growth per active series, 1 M series, B', '{:.0f}', '<= 600', at_most(600)),
    'wal': Bar('WAL bytes per sample, quiet mix', '{:.2f}', '<= 2.5', at_most(2.5)),
    'wal_hard': Bar('WAL bytes per sample, hard mix', '{:.2f}', '<= 0.45 x P', at_most_of({'prometheus': 2.5 / 5.6})),
    'block': Bar('2 h block, bytes per sample without index, quiet mix', '{:.3f}', '<= 0.50', at_most(0.50)),
    'block_merged': Bar('the same, peer after its forced merge', '{:.3f}'),
    'block_hard': Bar('2 h block, bytes per sample without index, hard mix', '{:.3f}', '<= 0.53 x P, 0.86 x V',
                      at_most_of({'prometheus': 0.50 / 0.95, 'victoriametrics': 0.50 / 0.58})),
    'block_hard_merged': Bar('the same, peer after its forced merge', '{:.3f}'),
    'index': Bar('index bytes per series', '{:.0f}', '<= 60', at_most(60)),
    'restart': Bar('restart after kill -9, all samples in the WAL: s until ready', '{:.2f}', '<= 5', at_most(5)),
    'restart_cpu': Bar('the same: CPU-seconds', '{:.2f}'),
    'restart_rss': Bar('the same: peak RSS, MB', '{:.0f}', '<= 1.5 x before', None),
    'restart_lost': Bar('the same: samples lost', '{:.0f}', '0', at_most(0)),
    'scrape': Bar('1,000 targets x 500 series every 10 s: cores', '{:.3f}', '<= 0.08', at_most(0.08)),
    'scrape_missed': Bar('the same: scrapes missed', '{:.0f}', '0', at_most(0)),
    'rate': Bar('sum(rate(m[1m])), 200k series, 1 h at 15 s: s, median warm', '{:.3f}', '<= 1', at_most(1)),
    'rate_cold': Bar('the same, first', '{:.3f}'),
    'rate_cpu': Bar('the same: server CPU-seconds of one', '{:.3f}'),
    'count': Bar('count(m), 200k series: s, median warm', '{:.3f}', '<= 0.1', at_most(0.1)),
    'count_cold': Bar('the same, first', '{:.3f}'),
    'count_cpu': Bar('the same: server CPU-seconds of one', '{:.3f}'),
    'count_range': Bar('count(m), 200k series, 1 h at 15 s: s, median warm', '{:.3f}'),
    'start': Bar('start on an existing data directory: s until ready', '{:.3f}', '<= 0.5', at_most(0.5)),
    'idle_rss': Bar('idle RSS (Pharos: watching itself and this host), MB', '{:.1f}', '<= 25', at_most(25)),
}


@dataclass
class Results:
    figures: dict = field(default_factory=dict)   # bar -> server -> number
    failures: dict = field(default_factory=dict)  # bar -> server -> reason
    details: dict = field(default_factory=dict)   # step -> server -> anything
    notes: list = field(default_factory=list)
    micro: dict = field(default_factory=dict)     # program -> name -> {value, unit}

    def put(self, bar: str, server: str, value: float) -> None:
        self.figures.setdefault(bar, {})[server] = value
        self.failures.get(bar, {}).pop(server, None)

    def fail(self, bars: list, server: str, reason: str) -> None:
        for bar in bars:
            if server not in self.figures.get(bar, {}):
                self.failures.setdefault(bar, {})[server] = reason

    def detail(self, step: str, server: str, **values) -> None:
        self.details.setdefault(step, {}).setdefault(server, {}).update(values)

    # ---- output ----

    def verdict(self, key: str) -> str:
        bar, figures = BARS[key], self.figures.get(key, {})
        if key == 'restart_rss' and 'pharos' in figures:
            before = self.details.get('restart', {}).get('pharos', {}).get('rss_before_mb')
            return '' if not before else 'yes' if figures['pharos'] <= 1.5 * before else 'NO'
        if bar.met is None or 'pharos' not in figures:
            return '' if bar.met is None else '-'
        met = bar.met(figures['pharos'], figures)
        return '-' if met is None else 'yes' if met else 'NO'

    def cell(self, key: str, server: str) -> str:
        if server in self.figures.get(key, {}):
            return BARS[key].form.format(self.figures[key][server])
        return 'failed' if server in self.failures.get(key, {}) else ''

    def table(self) -> str:
        head = ['bar', 'Prometheus', 'VictoriaMetrics', 'Pharos', 'goal', 'met']
        rows = [[BARS[k].title, *(self.cell(k, s) for s in SERVERS), BARS[k].goal, self.verdict(k)]
                for k in BARS if k in self.figures or k in self.failures]
        widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]

        def line(row: list) -> str:
            cells = [c.rjust(w) if 0 < i < 4 else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths))]
            return '| ' + ' | '.join(cells) + ' |'
        rule = '|' + '|'.join('-' * (w + 1) + (':' if 0 < i < 4 else '-') for i, w in enumerate(widths)) + '|'
        return '\n'.join([line(head), rule, *map(line, rows)])

    def reasons(self) -> list:
        return [f'{server}, {BARS[bar].title}: {reason}' for bar, by in self.failures.items() for server, reason in by.items()]

    def regressions(self, old: dict) -> list:
        """Figures of Pharos and of hot paths that are more than 10 % worse than in `old`, a stored run of the same machine."""
        worse = []
        if old.get('machine') != machine():
            return worse
        for key, by in self.figures.items():
            before, now = old.get('figures', {}).get(key, {}).get('pharos'), by.get('pharos')
            if not before or not now:
                continue
            worse += worsened(BARS[key].title, before, now, BARS[key].is_more_better)
        for program, rows in self.micro.items():
            for name, row in rows.items():
                before = old.get('micro', {}).get(program, {}).get(name, {}).get('value')
                if before and row['value']:
                    worse += worsened(f'{program}: {name}', before, row['value'], row['unit'].endswith(('/s', '/CPU-s')))
        return worse

    def save(self, path: Path, sizes: dict, versions: dict) -> None:
        path.write_text(json.dumps({
            'machine': machine(), 'time': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime()), 'sizes': sizes, 'versions': versions,
            'load_average': os.getloadavg(), 'figures': self.figures, 'failures': self.failures, 'details': self.details,
            'micro': self.micro, 'notes': self.notes}, indent=1) + '\n', encoding='utf-8')


def worsened(what: str, before: float, now: float, is_more_better: bool) -> list:
    change = before / now - 1 if is_more_better else now / before - 1
    return [f'{what}: {before:.4g} -> {now:.4g} ({change * 100:.0f} % worse)'] if change > REGRESSION else []


def machine() -> str:
    model = ''
    for line in Path('/proc/cpuinfo').read_text(encoding='ascii', errors='replace').splitlines():
        if line.startswith('model name'):
            model = line.split(':', 1)[1].strip()
            break
    memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30
    return f'{os.cpu_count()} x {model}, {memory:.0f} GB, Linux {platform.release()}'
