# SPDX-License-Identifier: Apache-2.0
"""Prometheus is the reference: the same data, the same questions, the same answers, errors, warnings and infos.

PHAROS_SEED repeats the random queries of a run. A difference is a bug unless `Explained` gives its reason.
"""
import concurrent.futures
import http.client
import json
import math
import os
import random
import re
import urllib.parse

import answers
import harness

SEED = int(os.environ.get('PHAROS_SEED', '0')) or random.randrange(1, 1 << 31)
RANDOM_QUERIES = 500
SHOWN = 25
# Ranges and moments: in blocks, over the border, in the head, beyond the end.
RANGES = [(answers.MIDNIGHT_S - 2700, answers.MIDNIGHT_S + 2700, 60), (answers.START_S - 300, answers.START_S + 7200, 173),
          (answers.END_S - 1800, answers.END_S + 600, 30)]
MOMENTS = [answers.MIDNIGHT_S + 60, answers.MIDNIGHT_S - 3600.25, answers.END_S - 7, answers.END_S + 280]
TOLERANCE = 1e-12  # sums of floats in another order of series



class Explained:
    """The differences that are none of ours, each with its reason. The contract is that of Prometheus 3.14, the peer is 3.5.

    Each rule makes the two answers comparable where it applies, and nothing else of them.
    """

    # 3.5 names the metric in these texts although the name is gone, and says nothing of the buckets that it mended.
    NAME = re.compile(r' for metric name "[^"]*"(?=$| \(\d+:\d+\)$)')
    # 3.5 forgets where a subquery stands. The same text at two places is said once: 3.5 names the last, we the first.
    PLACE = re.compile(r' \(\d+:\d+\)$')
    SUBQUERY = re.compile(r'\[\w+:\w*\]')
    MENDED = re.compile(r', from buckets .* with a max diff of .*, over \d+ samples from \S+ to \S+(?=$| \(\d+:\d+\)$)')
    # Which of several duplicates is named depends on the order of series in the store.
    DUPLICATES = re.compile(r'(?<=^found duplicate series for the match group )\{.*\}( on the .* hand-side of the operation: )\[.*\](?=;many-to-many)')
    DATES = re.compile(r'\b(year|month|hour|minute|day_of_\w+|days_in_month)\(odd')

    @classmethod
    def note(cls, expr: str, text: str) -> str:
        metric = re.search(r'not be a counter.*"(.+)"', text)
        is_twice = ('quantile value' in text and expr.count('quantile') > 1) or (metric and expr.count(metric[1]) > 1)
        if 'bucket label "le"' in text or 'needed to be fixed for monotonicity' in text:
            text = cls.MENDED.sub('', cls.NAME.sub('', text))
        return cls.PLACE.sub('', text) if cls.SUBQUERY.search(expr) or is_twice else text

    @classmethod
    def mend(cls, expr: str, path: str, ours: dict, theirs: dict) -> tuple:
        for answer in (ours, theirs):
            for field in ('warnings', 'infos'):
                if field in answer:
                    answer[field] = sorted({cls.note(expr, text) for text in answer[field]})
                    if any(text.endswith(' annotations omitted') for text in answer[field]):
                        answer[field] = [text for text in answer[field] if text.endswith('omitted')]  # which ten are shown is open
            if 'error' in answer:
                answer['error'] = cls.DUPLICATES.sub(r'{...}\1[...]', answer['error'])
        # "sort is ineffective for range queries" came after 3.5.
        if path == '/api/v1/query_range' and 'sort' in expr and 'warnings' in ours:
            ours['warnings'] = [w for w in ours['warnings'] if not w.startswith('PromQL warning: sort is ineffective')]
        # A k that is NaN has a text of its own after 3.5.
        if theirs.get('error') == 'Scalar value NaN overflows int64':
            theirs['error'] = 'Parameter value is NaN'
        # k is looked at over the whole range after 3.5, before for each step that has a vector.
        if expr.startswith('topk(scalar(count(late))') and ours.get('error') == 'Parameter value is NaN':
            ours = theirs
        # Durations may be expressions after 3.5: another text names what may follow.
        if theirs.get('error', '').endswith('expected number or duration'):
            theirs['error'] = theirs['error'].replace('expected number or duration', 'expected number, duration, step(), or range()')
        # 3.5 interpolates histogram_fraction from -Inf in the first bucket, which gives NaN; later releases from 0.
        if 'histogram_fraction' in expr:
            cls.forget(ours, theirs, lambda x, y: y == 'NaN')
        # Of 0 and -0 either is the smaller one: a quantile takes what its sort put there, min and max what came first.
        if re.search(r'quantile|min|max|sort', expr) and 'clamp' not in expr:
            cls.forget(ours, theirs, lambda x, y: float(x) == float(y) == 0)
        # Beyond int64 a Go conversion gives what the processor gives; ours are the dates of second 0.
        if cls.DATES.search(expr):
            cls.forget(ours, theirs, lambda x, y: True)
        # Two on the left for one on the right is an error after 3.5 also when a comparison lets fewer pass (operators.test of 3.14).
        if ours.get('error', '').startswith('multiple matches for labels: many-to-one') and theirs['code'] == 200 and re.search(r'[<>=]', expr):
            ours = theirs
        # label_replace compiles the anchored text there, so that parentheses need not match: ^(?s:a)()$.
        if expr.startswith('label_replace') and 'a)(' in expr and ours.get('error', '').startswith('invalid regular expression in label_replace()'):
            ours = theirs
        # start(), end(), range(), step() as functions came after 3.5; since then unary minus and label functions join what
        # does not overlap in time.
        is_joined = path == '/api/v1/query_range' and re.search(r'-[({]|label_', expr) and 'same labelset' in theirs.get('error', '')
        is_newer = expr == 'start()' or is_joined
        return (theirs, theirs) if is_newer and ours['code'] == 200 and theirs['code'] != 200 else (ours, theirs)

    @staticmethod
    def forget(ours: dict, theirs: dict, is_explained) -> None:
        """Take over their value at each point whose pair is explained."""
        if 'result' not in theirs.get('data', {}) or theirs['data']['resultType'] not in ('vector', 'matrix') or 'result' not in ours.get('data', {}):
            return
        reference = {repr(sorted(s['metric'].items())): dict(map(tuple, points(s))) for s in theirs['data']['result']}
        for s in ours['data']['result']:
            there = reference.get(repr(sorted(s['metric'].items())), {})
            for point in points(s):
                if point[0] in there and is_explained(point[1], there[point[0]]):
                    point[1] = there[point[0]]


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


def points(series: dict) -> list:
    return series['values'] if 'values' in series else [series['value']]


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
    a, b = ([(tuple(sorted(s['metric'].items())), points(s)) for s in x['result']] for x in (a, b))
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
    for part in answers.slices(answers.fleet()):
        for server in (p, prom):
            answer = server.write(part)
            assert answer.status == 204, (server.name, answer.text)
    harness.wait_until('Pharos has two blocks', lambda: own(p, 'pharos_storage_blocks') == 2)
    harness.wait_until('Prometheus has two blocks', lambda: own(prom, 'prometheus_tsdb_blocks_loaded') == 2)
    harness.wait_until('its head begins at midnight', lambda: own(prom, 'prometheus_tsdb_head_min_time') == answers.MIDNIGHT_S * 1000)


def own(server, name: str) -> float:
    return float(re.search(rf'^{name} (.*)$', server.get('/metrics').text, re.M).group(1))


def compare_all(p, prom, queries: list, ways: list) -> list:
    """Ask both, two queries at a time; returns the differences."""
    def part(first: int) -> list:
        here, there = Asker(p), Asker(prom)
        out = []
        for expr in queries[first::2]:
            for path, params in ways:
                params = {'query': expr, **params}
                ours, theirs = Explained.mend(expr, path, here.ask(path, params), there.ask(path, params))
                is_ordered = path == '/api/v1/query' and expr.startswith('sort')
                found = difference(ours, theirs, is_ordered)
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
    by_hand = compare_all(p, prom, answers.QUERIES, instant + ranges)
    made = answers.random_queries(SEED, RANDOM_QUERIES)
    at_random = compare_all(p, prom, made, instant[:1] + ranges[:2])
    print(f'# {len(answers.QUERIES)} queries by hand, {len(by_hand)} differ; {len(made)} made at random, {len(at_random)} differ (seed {SEED})')
    found = by_hand + at_random
    assert not found, f'{len(found)} queries are answered differently (seed {SEED}):\n    ' + '\n    '.join(found[:SHOWN])


if __name__ == '__main__':
    harness.run([(test_answers_equal_those_of_prometheus, 'prometheus')])
