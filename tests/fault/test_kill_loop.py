# SPDX-License-Identifier: Apache-2.0
"""kill -9 under load, again and again: no acknowledged sample is lost, doubled or changed.

A writer sends numbered samples of a few series and notes each acknowledgement; the server is killed after 5 ms to 2 s, started
again, and everything acknowledged so far must be there exactly once. What was sent but not acknowledged is sent again, as a real
sender does: the server may have it already. PHAROS_KILL_CYCLES (default 200) sets the number of cycles, PHAROS_SEED repeats a run.
"""
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'integration'))
import harness  # noqa: E402

CYCLES = int(os.environ.get('PHAROS_KILL_CYCLES', '200'))
SERIES = 10
SEED = int(os.environ.get('PHAROS_SEED', '0')) or random.randrange(1, 1 << 31)


class Writer(threading.Thread):
    """Sends until the server dies; `acknowledged` is the last number that was answered with 204."""

    def __init__(self, server, first: int, base_ms: int) -> None:
        super().__init__(daemon=True)
        self.server, self.next, self.base_ms, self.acknowledged, self.sent = server, first, base_ms, first - 1, first - 1

    def run(self) -> None:
        while True:
            n = self.next
            body = [({'__name__': 'seq', 'i': str(i)}, [(self.base_ms + n, float(n))]) for i in range(SERIES)]
            self.sent = n
            try:
                if self.server.write(body).status != 204:
                    return
            except OSError:
                return
            self.acknowledged = n
            self.next += 1


def check(server, base_ms: int, acknowledged: int, sent: int) -> None:
    """Everything acknowledged is there once with its value; nothing that was not sent is."""
    for i in range(SERIES):
        end = (base_ms + sent + 1) / 1000
        result = server.query(f'seq{{i="{i}"}}[{sent + 2}ms]', time=f'{end:.3f}')
        points = [(round(float(t) * 1000) - base_ms, float(v)) for t, v in (result[0]['values'] if result else [])]
        assert all(n == v for n, v in points), f'series {i}: a value that was never written'
        numbers = [n for n, _ in points]
        assert numbers == sorted(set(numbers)), f'series {i}: doubled or out of order'
        missing = set(range(1, acknowledged + 1)) - set(numbers)
        assert not missing, f'series {i}: {len(missing)} acknowledged samples lost, first {min(missing)} (seed {SEED})'
        assert not numbers or numbers[-1] <= sent, f'series {i}: invented {numbers[-1]}'


def test_nothing_acknowledged_is_lost(bench):
    rng = random.Random(SEED)
    server = bench.pharos(config='{}\n')
    base_ms = int(time.time() * 1000) - 600000
    acknowledged = sent = 0
    for cycle in range(CYCLES):
        writer = Writer(server, acknowledged + 1, base_ms)
        writer.start()
        time.sleep(rng.uniform(0.005, 2.0) if cycle % 10 == 0 else rng.uniform(0.005, 0.15))
        server.kill()
        writer.join(30)
        acknowledged_before = acknowledged
        acknowledged, sent = max(acknowledged, writer.acknowledged), max(sent, writer.sent)
        server.start()
        if cycle % 5 == 4 or cycle == CYCLES - 1 or acknowledged == acknowledged_before:
            check(server, base_ms, acknowledged, sent)
    print(f'# {CYCLES} kill cycles, {acknowledged * SERIES} acknowledged samples, 0 lost or doubled (seed {SEED})')


harness.run([(test_nothing_acknowledged_is_lost, None)])
