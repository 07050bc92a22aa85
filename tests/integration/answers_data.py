# SPDX-License-Identifier: Apache-2.0
"""The data about which Prometheus and Pharos are both asked.

The data are fixed: 20:10 to 02:30 around midnight before 29 February 2024. Both servers cut the blocks 20:10-22:00 and
22:00-24:00 from it and keep the rest in the head, so that a query may lie in blocks, in the head, or over the border.
"""
import math
import random
import struct

START_S = 1709151000  # 2024-02-28 20:10:00 UTC
MIDNIGHT_S = 1709164800  # where the blocks end and the head begins
END_S = 1709173800  # 2024-02-29 02:30:00 UTC
STALE = struct.unpack('<d', struct.pack('<Q', 0x7FF0000000000002))[0]


def times_every(step_s: int, start_s: int = START_S, end_s: int = END_S) -> list:
    return [t * 1000 for t in range(start_s, end_s + 1, step_s)]


def counters(rng: random.Random, times: list) -> list:
    """Counters with resets, gaps and uneven times; in shops whose rates a join can look up."""
    many = []
    for i in range(12):
        v, samples = 0.0, []
        for t in times:
            v = 0.0 if rng.random() < 0.02 else v + rng.randrange(0, 50)
            if rng.random() > 0.03:
                samples.append((t + rng.randrange(0, 3), v))
        many.append(({'__name__': 'requests_total', 'job': f'j{i % 3}', 'instance': f'i{i}'}, samples))
    return many


def gauges(rng: random.Random, times: list) -> list:
    many = []
    for i in range(9):
        samples = [(t, round(50 + 40 * math.sin(t / 300000 + i) + rng.random(), 3)) for t in times if not 80 < (t // 15000) % 120 < 100]
        many.append(({'__name__': 'temperature', 'job': f'j{i % 3}', 'room': f'r{i}'}, samples))
    for i in range(12):
        version = ('1.0', '1.1', '2.0 "beta"\n', 'größer')[i % 4]
        many.append(({'__name__': 'build_info', 'job': f'j{i % 3}', 'instance': f'i{i}', 'version': version}, [(t, 1.0) for t in times[::4]]))
    return many


def oddities(rng: random.Random, times: list) -> list:
    many = [({'__name__': 'odd', 'kind': 'nan'}, [(t, math.nan if k % 7 == 0 else float(k)) for k, t in enumerate(times)]),
            ({'__name__': 'odd', 'kind': 'inf'}, [(t, math.inf if k % 11 == 0 else -k / 3) for k, t in enumerate(times)]),
            ({'__name__': 'odd', 'kind': 'zero'}, [(t, -0.0 if k % 3 else 0.0) for k, t in enumerate(times)]),
            ({'__name__': 'odd', 'kind': 'huge'}, [(t, rng.choice((-1, 1)) * 10.0 ** rng.randrange(-300, 300)) for t in times])]
    for i in range(4):  # targets that come and go: stale markers
        samples = []
        for k, t in enumerate(times):
            phase = (k + 11 * i) % (23 + i)
            if phase < 15:
                samples.append((t, float(k)))
            elif phase == 15:
                samples.append((t, STALE))
        many.append(({'__name__': 'flappy', 'i': str(i), 'half': str(i % 2)}, samples))
    for name in ('twin_a', 'twin_b'):  # the same labels once the name is gone
        for x in ('1', '2'):
            many.append(({'__name__': name, 'x': x}, [(t, float(k % 5)) for k, t in enumerate(times)]))
    many.append(({'__name__': 'late', 'x': '1'}, [(t, 1.0) for t in times if t >= MIDNIGHT_S * 1000]))
    many.append(({'__name__': 'early', 'x': '1'}, [(t, 2.0) for t in times if t < MIDNIGHT_S * 1000 - 600000]))
    many.append(({'__name__': 'sparse', 'x': '1'}, [(t, 3.0) for t in times[::24]]))  # every 6 min: beyond the look-back
    return many


def histograms(rng: random.Random, times: list) -> list:
    many = []
    for i, bounds in enumerate((('0.1', '0.5', '1', '5', '+Inf'), ('0.1', '0.5', '1', '5', '+Inf'), ('1', '2'), ('-1', '0', '+Inf'))):
        counts, rows = [0.0] * len(bounds), [[] for _ in bounds]
        for t in times:
            if rng.random() < 0.003:
                counts = [0.0] * len(bounds)
            for b in range(len(bounds)):
                counts[b] += rng.randrange(0, 4)
            for b in range(len(bounds)):
                rows[b].append((t, sum(counts[:b + 1])))
        for b, le in enumerate(bounds):
            many.append(({'__name__': 'latency_seconds_bucket', 'job': f'j{i}', 'le': le}, rows[b]))
        many.append(({'__name__': 'latency_seconds_count', 'job': f'j{i}'}, rows[-1]))
        many.append(({'__name__': 'latency_seconds_sum', 'job': f'j{i}'}, [(t, v * 0.7) for t, v in rows[-1]]))
    return many


def fleet() -> list:
    """[(labels, samples)], the same in every run."""
    rng, times = random.Random(7), times_every(15)
    return counters(rng, times) + gauges(rng, times) + oddities(rng, times) + histograms(rng, times)


def slices(many: list, seconds: int = 600):
    """The data in the order of time, as senders deliver it: bodies of `seconds` each over all series."""
    at = [0] * len(many)
    for end in range(START_S + seconds, END_S + seconds + 1, seconds):
        part = []
        for i, (labels, samples) in enumerate(many):
            first = at[i]
            while at[i] < len(samples) and samples[at[i]][0] < end * 1000:
                at[i] += 1
            if at[i] > first:
                part.append((labels, samples[first:at[i]]))
        yield part
