# SPDX-License-Identifier: Apache-2.0
"""Runs the bench_* programs. They print lines `name   value unit`; the median of several runs counts."""
import re
import statistics
import subprocess
import time
from pathlib import Path

from servers import BenchError

LINE = re.compile(r'^(\S.*?)\s+(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s+([^\d\s(][^(]*?)\s*(?:\(.*\))?$')
RUNS = 5
SECONDS_EACH = 60  # a program is not started again after this


def run_program(program: Path, work: Path, clock) -> dict:
    """{name: {'value': median, 'unit': text, 'spread': (max - min) / median}}"""
    values, units, begin = {}, {}, time.monotonic()
    for _ in range(RUNS):
        try:
            done = subprocess.run([program], cwd=work, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=clock.left(SECONDS_EACH * 2))
        except subprocess.TimeoutExpired as late:
            raise BenchError(f'{program.name}: not done in time') from late
        if done.returncode != 0:
            raise BenchError(f'{program.name} ended with {done.returncode}: {done.stderr.strip()[-200:]}')
        for line in done.stdout.splitlines():
            m = LINE.match(line)
            if m:
                values.setdefault(m[1].strip(), []).append(float(m[2]))
                units[m[1].strip()] = m[3]
        if time.monotonic() - begin > SECONDS_EACH:
            break
    return {name: {'value': statistics.median(v), 'unit': units[name], 'runs': len(v),
                   'spread': (max(v) - min(v)) / statistics.median(v) if statistics.median(v) else 0.0} for name, v in values.items()}
