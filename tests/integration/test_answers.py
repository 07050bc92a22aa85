# SPDX-License-Identifier: Apache-2.0
"""Prometheus is the reference: the same data, the same questions, the same answers, errors, warnings and infos.

PHAROS_SEED repeats the random queries of a run, PHAROS_QUERIES makes more of them. A difference is a bug unless answers_explained gives its reason.
"""
import concurrent.futures
import copy
import http.client
import json
import math
import os
import random
import re
import urllib.parse

import answers_by_hand
import answers_data as data
import answers_explained as explained
import answers_grammar
import harness

SEED = int(os.environ.get('PHAROS_SEED', '0')) or random.randrange(1, 1 << 31)
RANDOM_QUERIES = int(os.environ.get('PHAROS_QUERIES', '500'))
SHOWN = 25
# Ranges and moments: in blocks, over the border, in the head, beyond the end.
RANGES = [(data.MIDNIGHT_S - 2700, data.MIDNIGHT_S + 2700, 60), (data.START_S - 300, data.START_S + 7200, 173),
          (data.END_S - 1800, data.END_S + 600, 30)]
MOMENTS = [data.MIDNIGHT_S + 60, data.MIDNIGHT_S - 3600.25, data.END_S - 7, data.END_S + 280]
TOLERANCE = 1e-12  # sums of floats in another order of series


class Asker:
    """One kept connection to a server."""

    def __init__(self, server) -> None:
        self.connection = http.client.HTTPConnection('127.0.0.1', server.port, timeout=60)

    def ask(self, path: str, params: dict) -> dict:
        self.connection.request('POST', path, urllib.parse.urlencode(params), {'Content-Type': 'application/x-www-form-urlencoded'})
        answer = self.connection.getresponse()
        return {'code': answer.status, **json.loads(answer.read())}


def same(a: str, b: str) -> bool:
    if a == b:
        return True
    x, y = float(a), float(b)
    if x == 0 and y == 0:
        return False  # -0 and 0
    return abs(x - y) <= TOLERANCE * max(abs(x), abs(y)) if math.isfinite(x) and math.isfinite(y) else False


def difference(ours: dict, theirs: dict, is_ordered: bool) -> str | None:
    for field in ('code', 'status', 'errorType', 'error'):
        if ours.get(field) != theirs.get(field):
            return f'{field}: {ours.get(field)!r} here, {theirs.get(field)!r} there'
    for field in ('warnings', 'infos'):
        if sorted(ours.get(field, [])) != sorted(theirs.get(field, [])):
            return f'{field}: {ours.get(field)} here, {theirs.get(field)} there'
    if 'data' not in theirs:
        return None if 'data' not in ours else 'data here, none there'
    a, b = ours['data'], theirs['data']
    if a['resultType'] != b['resultType']:
        return f'type: {a["resultType"]} here, {b["resultType"]} there'
    if a['resultType'] in ('scalar', 'string'):
        is_equal = a['result'][0] == b['result'][0] and (same if a['resultType'] == 'scalar' else str.__eq__)(a['result'][1], b['result'][1])
        return None if is_equal else f'{a["result"]} here, {b["result"]} there'
    a, b = ([(tuple(sorted(s['metric'].items())), explained.points(s)) for s in x['result']] for x in (a, b))
    if is_ordered and not all(same(x[1][0][1], y[1][0][1]) for x, y in zip(a, b)):  # of equals any may be first
        return f'order: {[x[1][0][1] for x in a]} here, {[y[1][0][1] for y in b]} there'
    a, b = sorted(a, key=lambda s: s[0]), sorted(b, key=lambda s: s[0])
    if [k for k, _ in a] != [k for k, _ in b]:
        here, there = {k for k, _ in a}, {k for k, _ in b}
        return f'series: only here {sorted(here - there)[:2]}, only there {sorted(there - here)[:2]}, {len(a)} and {len(b)}'
    for (key, x), (_, y) in zip(a, b):
        if [t for t, _ in x] != [t for t, _ in y]:
            return f'{dict(key)}: times differ: {len(x)} and {len(y)} points'
        for (t, v), (_, w) in zip(x, y):
            if not same(v, w):
                return f'{dict(key)} at {t}: {v} here, {w} there'
    return None


def fill(p, prom) -> None:
    for part in data.slices(data.fleet()):
        for server in (p, prom):
            answer = server.write(part)
            assert answer.status == 204, (server.name, answer.text)
    harness.wait_until('Pharos has two blocks', lambda: own(p, 'pharos_storage_blocks') == 2)
    harness.wait_until('Prometheus has two blocks', lambda: own(prom, 'prometheus_tsdb_blocks_loaded') == 2)
    harness.wait_until('its head begins at midnight', lambda: own(prom, 'prometheus_tsdb_head_min_time') == data.MIDNIGHT_S * 1000)


def own(server, name: str) -> float:
    return float(re.search(rf'^{name} (.*)$', server.get('/metrics').text, re.M).group(1))


def compare(here: Asker, there: Asker, expr: str, path: str, params: dict) -> str | None:
    """The unexplained difference of one question, or None."""
    is_ordered = path == '/api/v1/query' and expr.startswith('sort')
    words = explained.as_the_peer_understands(expr, params)
    ours, theirs = here.ask(path, {**params, 'query': expr}), there.ask(path, {**params, 'query': words})
    ours, theirs = explained.mend(expr, path, ours, theirs, words != expr)
    found = difference(ours, theirs, is_ordered)
    if found is None:
        return None
    for other in explained.other_answers(there.ask, words, path, params, ours, theirs):
        if difference(*explained.mend(expr, path, copy.deepcopy(ours), other, True), is_ordered) is None:
            return None
    return found


def compare_all(p, prom, queries: list, ways: list) -> list:
    """Ask both, two queries at a time; returns the differences."""
    def part(first: int) -> list:
        here, there = Asker(p), Asker(prom)
        out = []
        for expr in queries[first::2]:
            for path, params in ways:
                found = compare(here, there, expr, path, params)
                if found:
                    out.append(f'{expr}\n      {path} {params}\n      {found}')
                    break
        return out

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return [line for lines in pool.map(part, (0, 1)) for line in lines]


def test_answers_equal_those_of_prometheus(bench):
    args = ('--storage.tsdb.retention.time=100y',)
    p, prom = bench.pharos(*args, config='{}\n'), bench.prometheus('{}\n', *args, '--enable-feature=promql-experimental-functions')
    fill(p, prom)
    instant = [('/api/v1/query', {'time': t}) for t in MOMENTS]
    ranges = [('/api/v1/query_range', {'start': a, 'end': b, 'step': s}) for a, b, s in RANGES]
    by_hand = compare_all(p, prom, answers_by_hand.QUERIES, instant + ranges)
    made = answers_grammar.random_queries(SEED, RANDOM_QUERIES)
    at_random = compare_all(p, prom, made, instant[:1] + ranges[:2])
    print(f'# {len(answers_by_hand.QUERIES)} queries by hand, {len(by_hand)} differ; {len(made)} made at random, {len(at_random)} differ (seed {SEED})')
    found = by_hand + at_random
    assert not found, f'{len(found)} queries are answered differently (seed {SEED}):\n    ' + '\n    '.join(found[:SHOWN])


if __name__ == '__main__':
    harness.run([(test_answers_equal_those_of_prometheus, 'prometheus')])
