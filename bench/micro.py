# SPDX-License-Identifier: Apache-2.0
"""Runs the bench_* programs. They print lines `name   value unit`; the median of several runs counts."""
import re
import statistics
import subprocess
import time
from pathlib import Path

from servers import BenchError

NUMBER = r'(-?\d+(?:\.\d+)?(?:e[-+]?\d+)?)'
# A name with blanks is told from its value by two blanks or more; without blanks one will do.
LINES = (re.compile(r'^(\S.*?)\s{2,}' + NUMBER + r'\s+([^\d\s(][^(]*?)\s*(?:\(.*\))?$'), re.compile(r'^(\S+)\s' + NUMBER + r'\s(\S.*)$'))
SECTION = re.compile(r'^-- ([^:]+):')  # the names that follow belong to it
RUNS = 5
SECONDS_EACH = 12  # a program is not started again after this
DEADLINE = 120


def parse(text: str) -> list:
    """(name, value, unit) of each line that is one"""
    rows, section = [], ''
    for line in text.splitlines():
        m = SECTION.match(line)
        if m:
            section = m[1] + ': '
            continue
        m = LINES[0].match(line) or LINES[1].match(line)
        if m:
            rows.append((section + m[1].strip(), float(m[2]), m[3]))
    return rows


def run_program(program: Path, work: Path, clock) -> dict:
    """{name: {'value': median, 'unit': text, 'spread': (max - min) / median}}"""
    values, units, begin = {}, {}, time.monotonic()
    for _ in range(RUNS):
        try:
            done = subprocess.run([program], cwd=work, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=clock.left(DEADLINE))
        except subprocess.TimeoutExpired as late:
            raise BenchError(f'{program.name}: not done in time') from late
        if done.returncode != 0:
            raise BenchError(f'{program.name} ended with {done.returncode}: {done.stderr.strip()[-200:]}')
        for name, value, unit in parse(done.stdout):
            values.setdefault(name, []).append(value)
            units[name] = unit
        if time.monotonic() - begin > SECONDS_EACH:
            break
    return {name: {'value': statistics.median(v), 'unit': units[name], 'runs': len(v),
                   'spread': (max(v) - min(v)) / statistics.median(v) if statistics.median(v) else 0.0} for name, v in values.items()}
