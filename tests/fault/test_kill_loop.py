# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, again and again: no acknowledged sample is lost, doubled or changed.

Several writers send numbered steps, each of some hundred series of its own: lasting ones, and others that live for a few steps.
Steps lie 20 s apart, so that a run covers many hours: chunks fill and go to files, blocks are cut, checkpoints are taken; one
life writes more than a journal segment holds. Each of that must have happened, or the run fails.

The server is killed after 5 ms to 2 s (the longer lives are those in which maintenance runs), started again, and the first
step that was not acknowledged is sent again, as a real sender does: the server may have it already. Every few cycles the server counts and
sums what it has, and after the last one every single sample is read back. PHAROS_KILL_CYCLES (default 200) sets the number of
cycles, PHAROS_SEED repeats a run.
"""
import http.client
import os
import pathlib
import random
import re
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'integration'))
import harness  # noqa: E402
import wire  # noqa: E402

CYCLES = int(os.environ.get('PHAROS_KILL_CYCLES', '200'))
SEED = int(os.environ.get('PHAROS_SEED', '0')) or random.randrange(1, 1 << 31)
WRITERS, LASTING, PASSING, PASSING_STEPS = 3, 480, 20, 8
STEP_MS = 20000
LEAD = 40  # steps that one writer may be ahead of another: the head takes samples up to an hour back
LONG_LIFE = 10  # every so many cycles the server lives long enough for a round of maintenance
STEPS_MAX = 20000  # within the 15 days of retention
PAUSE_S = 0.02  # of each writer between steps: what is written must also be read back
HEADERS = {'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf'}
SEGMENT_BYTES = 130 << 20
HAPPENED = ('pharos_head_chunks_written_total', 'pharos_wal_checkpoints_total', 'pharos_storage_head_cuts_total')


def value(i: int, n: int) -> float:
    """Of lasting series i at step n: every fourth counts, the others are noise, so that their chunks fill."""
    return float(n) if i % 4 == 0 else ((n * 7919 + i * 104729) % 100003) / 7


class Writer(threading.Thread):
    """Sends steps from `first` until the server dies; `acknowledged` is the last one that was answered with 204, `sent` the last tried."""

    def __init__(self, server, w: int, first: int, base_ms: int, all_writers: list) -> None:
        super().__init__(daemon=True)
        self.server, self.w, self.base_ms, self.all = server, w, base_ms, all_writers
        self.acknowledged = self.sent = first - 1
        self.is_over, self.failure = False, None

    def body(self, n: int) -> bytes:
        when, parts = self.base_ms + n * STEP_MS, []
        for i in range(LASTING):
            content = LASTING_LABELS[self.w][i] + wire.sample(when, value(i, n))
            parts.append(b'\x0a' + wire.uvarint(len(content)) + content)
        for k in range(PASSING):
            parts.append(wire.series({'__name__': 'passing', 'w': str(self.w), 'k': str(k), 'born': str(n // PASSING_STEPS)}, [(when, float(n))]))
        return wire.snappy(b''.join(parts))

    def run(self) -> None:
        try:
            while self.acknowledged < STEPS_MAX:
                n = self.acknowledged + 1
                while n > min(o.acknowledged for o in self.all if not o.is_over) + LEAD:
                    time.sleep(0.001)
                body = self.body(n)
                self.sent = n
                answer = harness.http('POST', self.server.url + '/api/v1/write', body, HEADERS)
                if answer.status != 204:
                    self.failure = f'writer {self.w}, step {n}: {answer.status} {answer.text}'
                    return
                self.acknowledged = n
                time.sleep(PAUSE_S)
        except (OSError, ValueError, http.client.HTTPException):  # the server has died
            return
        finally:
            self.is_over = True


LASTING_LABELS = [[b''.join(wire.label(*pair) for pair in (('__name__', 'lasting'), ('i', str(i)), ('w', str(w)))) for i in range(LASTING)]
                  for w in range(WRITERS)]


def fill_a_segment(server, stats: dict) -> None:
    """What is said about metric families is journaled when it changes: more of it in one life than the 128 MiB of a segment."""
    before = figure(server, 'pharos_wal_segments_created_total')
    while figure(server, 'pharos_wal_written_bytes_total') < SEGMENT_BYTES:
        answer = harness.http('POST', server.url + '/api/v1/write', wire.metadata_request(), HEADERS)
        assert answer.status in (204, 503), f'{answer.status} {answer.text}'
    harness.wait_until('the segment is full', lambda: figure(server, 'pharos_wal_segments_created_total') > before)
    stats['rolls within a life'] = 1


def figure(server, name: str) -> float:
    return float(re.search(rf'^{name} (.*)$', server.get('/metrics').text, re.M).group(1))


def note_figures(server, stats: dict) -> None:
    """Counters start at 0 with each life."""
    text = server.get('/metrics').text
    for name in HAPPENED:
        stats[name] = stats.get(name, 0) + float(re.search(rf'^{name} (.*)$', text, re.M).group(1))


def count_and_sum(server, base_ms: int, acknowledged: list, sent: list) -> None:
    """Let the server add up: as many samples as steps in each series, and the sum of their numbers."""
    end = max(sent) + 1
    at = {'time': f'{(base_ms + end * STEP_MS) / 1000:.3f}'}
    window = f'[{(end + 1) * STEP_MS}ms]'
    for w in range(WRITERS):
        counts = {s['metric']['i']: float(s['value'][1]) for s in server.query(f'count_over_time(lasting{{w="{w}"}}{window})', **at)}
        sums = {s['metric']['i']: float(s['value'][1]) for s in server.query(f'sum_over_time(lasting{{w="{w}"}}{window})', **at)}
        for i in range(LASTING if sent[w] else 0):
            n = counts.get(str(i), 0)
            assert acknowledged[w] <= n <= sent[w], f'writer {w}, series {i}: {n} samples, {acknowledged[w]} acknowledged, {sent[w]} sent (seed {SEED})'
            assert i % 4 or n == 0 or sums[str(i)] == n * (n + 1) / 2, f'writer {w}, series {i}: {n} samples, but their sum is {sums[str(i)]} (seed {SEED})'


def check_steps(what: str, points: list, expect, first: int, acknowledged: int, sent: int) -> None:
    numbers = [n for n, _ in points]
    assert numbers == sorted(set(numbers)), f'{what}: doubled or out of order (seed {SEED})'
    missing = set(range(first, acknowledged + 1)) - set(numbers)
    assert not missing, f'{what}: {len(missing)} acknowledged samples lost, first {min(missing)} (seed {SEED})'
    assert not numbers or (numbers[0] >= first and numbers[-1] <= sent), f'{what}: invented samples (seed {SEED})'
    for n, v in points:
        assert v == expect(n), f'{what}, step {n}: {v}, was {expect(n)} (seed {SEED})'


def read_all(server, base_ms: int, acknowledged: list, sent: list) -> int:
    """Everything acknowledged is there once with its value; nothing that was not sent is. Returns the number of samples."""
    end = max(sent) + 1
    at = {'time': f'{(base_ms + end * STEP_MS) / 1000:.3f}'}
    window, total = f'[{(end + 1) * STEP_MS}ms]', 0

    def points(s) -> list:
        return [((round(float(t) * 1000) - base_ms) / STEP_MS, float(v)) for t, v in s['values']]

    for w in range(WRITERS):
        lasting = {int(s['metric']['i']): points(s) for s in server.query(f'lasting{{w="{w}"}}{window}', **at)}
        assert sorted(lasting) == list(range(LASTING)), f'writer {w}: {len(lasting)} series'
        for i, found in lasting.items():
            check_steps(f'writer {w}, series {i}', found, lambda n, i=i: value(i, n), 1, acknowledged[w], sent[w])
            total += len(found)
        passing = {(int(s['metric']['k']), int(s['metric']['born'])): points(s) for s in server.query(f'passing{{w="{w}"}}{window}', **at)}
        for k in range(PASSING):
            for born in range(acknowledged[w] // PASSING_STEPS + 1):
                first, last = max(1, born * PASSING_STEPS), (born + 1) * PASSING_STEPS - 1
                found = passing.pop((k, born), [])
                check_steps(f'writer {w}, passing series {k} of {born}', found, float, first, min(last, acknowledged[w]), min(last, sent[w]))
                total += len(found)
        assert all(born * PASSING_STEPS <= sent[w] for _, born in passing), f'writer {w}: invented series'
    return total


def test_nothing_acknowledged_is_lost(bench):
    rng, began = random.Random(SEED), time.monotonic()
    server = bench.pharos(config='{}\n')
    base_ms = (int(time.time()) // 3600 * 3600 - STEPS_MAX * STEP_MS // 1000 - 7200) * 1000
    acknowledged, sent, stats = [0] * WRITERS, [0] * WRITERS, {}
    for cycle in range(CYCLES):
        writers = []
        writers.extend(Writer(server, w, acknowledged[w] + 1, base_ms, writers) for w in range(WRITERS))
        for writer in writers:
            writer.start()
        if cycle == CYCLES // 2:
            fill_a_segment(server, stats)
        is_long = cycle % LONG_LIFE == LONG_LIFE - 1
        time.sleep(1 + rng.uniform(0, 0.7) if is_long else rng.uniform(0.005, 0.15))
        if is_long:
            note_figures(server, stats)
            time.sleep(rng.uniform(0, 0.3))
        server.kill()
        for w, writer in enumerate(writers):
            writer.join(30)
            assert not writer.is_alive() and not writer.failure, writer.failure
            acknowledged[w], sent[w] = max(acknowledged[w], writer.acknowledged), max(sent[w], writer.sent)
        server.start()
        if cycle % 20 == 19:
            count_and_sum(server, base_ms, acknowledged, sent)
    total = read_all(server, base_ms, acknowledged, sent)
    note_figures(server, stats)
    print(f'# {CYCLES} kill cycles in {time.monotonic() - began:.0f} s: {total} samples in {max(acknowledged) * STEP_MS / 3600000:.1f} h of time stamps, 0 lost or doubled '
          f'(seed {SEED})')
    print('# meanwhile ' + ', '.join(f'{name} {number:.0f}' for name, number in stats.items()))
    if CYCLES >= 200:
        for name in HAPPENED + ('rolls within a life',):
            assert stats.get(name, 0) >= 1, f'{name}: never happened, so no kill can have met it'


harness.run([(test_nothing_acknowledged_is_lost, None)])
