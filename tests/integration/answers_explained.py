# SPDX-License-Identifier: Apache-2.0
"""The differences between Pharos and Prometheus 3.5 that are none of ours, each with its reason.

The contract is that of Prometheus 3.14, the peer is 3.5. A rule makes two answers comparable where it applies, and nothing
else of them; where 3.5 can be asked otherwise for what a later release answers, it is asked, and that answer counts.
"""
import re

# 3.5 names the metric in these texts although the name is gone, and says nothing of the buckets that it mended.
NAME = re.compile(r' for metric name "[^"]*"(?=$| \(\d+:\d+\)$)')
MENDED = re.compile(r', from buckets .* with a max diff of .*, over \d+ samples from \S+ to \S+(?=$| \(\d+:\d+\)$)')
# 3.5 forgets where a subquery stands. The same text at two places is said once: 3.5 names the last, we the first.
PLACE = re.compile(r' \(\d+:\d+\)$')
SUBQUERY = re.compile(r'\[\w+:\w*\]')
# Which of several duplicates is named depends on the order of series in the store.
DUPLICATES = re.compile(r'(?<=^found duplicate series for the match group )\{.*\}( on the .* hand-side of the operation: )\[.*\](?=;many-to-many)')
DATES = re.compile(r'\b(year|month|hour|minute|day_of_\w+|days_in_month)\(odd')
TIMESTAMP = re.compile(r'timestamp\((?P<selector>[^()]*) offset (?P<sign>-?)(?P<offset>\w+) @ (?P<at>[\d.]+|start\(\)|end\(\))\)')
FILTER = re.compile(r'(?<=[\w)}]) (?:==|!=|<=|>=|<|>)(?= (?:on |ignoring |\(|[a-z]))(?! bool)')  # of vectors
MINUS = re.compile(r'-(?=[({])')
SECONDS = {'s': 1, 'm': 60, 'h': 3600}


def seconds_of(duration: str) -> int:
    return sum(int(n) * SECONDS[unit] for n, unit in re.findall(r'(\d+)([smh])', duration))


def place_moments(expr: str, params: dict) -> str:
    """start() and end() as numbers."""
    first, last = params.get('start', params.get('time')), params.get('end', params.get('time'))
    return expr.replace('@ start()', f'@ {first:.3f}').replace('@ end()', f'@ {last:.3f}')


def as_the_peer_understands(expr: str, params: dict) -> str:
    """timestamp(x offset d @ t): 3.5 loses the offset (it reads at t what it selected around t - d). The same in other words."""
    def folded(m) -> str:
        shift = seconds_of(m['offset']) * (-1 if m['sign'] else 1)
        return f'timestamp({m["selector"]} @ {float(place_moments("@ " + m["at"], params)[2:]) - shift:.3f})'
    return TIMESTAMP.sub(folded, expr)


def note(expr: str, text: str, is_moved: bool) -> str:
    metric = re.search(r'not be a counter.*"(.+)"', text)
    is_twice = ('quantile value' in text and expr.count('quantile') > 1) or (metric and expr.count(metric[1]) > 1)
    if 'bucket label "le"' in text or 'needed to be fixed for monotonicity' in text:
        text = MENDED.sub('', NAME.sub('', text))
        is_twice = expr.count('histogram_quantile') > 1
    return PLACE.sub('', text) if is_moved or is_twice or SUBQUERY.search(expr) else text


def mend(expr: str, path: str, ours: dict, theirs: dict, is_moved: bool) -> tuple:
    """Both answers without what may differ. `is_moved`: the peer was asked in other words, its places are others."""
    for answer in (ours, theirs):
        for field in ('warnings', 'infos'):
            if field in answer:
                answer[field] = sorted({note(expr, text, is_moved) for text in answer[field]})
                if any(text.endswith(' annotations omitted') for text in answer[field]):
                    answer[field] = [text for text in answer[field] if text.endswith('omitted')]  # which ten are shown is open
        if 'error' in answer:
            answer['error'] = DUPLICATES.sub(r'{...}\1[...]', answer['error'])
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
        forget(ours, theirs, lambda x, y: y == 'NaN')
    # Of 0 and -0 either is the smaller one: a quantile takes what its sort put there, min and max what came first.
    if re.search(r'quantile|min|max|sort', expr) and 'clamp' not in expr:
        forget(ours, theirs, lambda x, y: float(x) == float(y) == 0)
    # Beyond int64 a Go conversion gives what the processor gives; ours are the dates of second 0.
    if DATES.search(expr):
        forget(ours, theirs, lambda x, y: True)
    # label_replace compiles the anchored text there, so that parentheses need not match: ^(?s:a)()$.
    if expr.startswith('label_replace') and 'a)(' in expr and ours.get('error', '').startswith('invalid regular expression in label_replace()'):
        ours = theirs
    # start(), end(), range(), step() as functions came after 3.5.
    return (theirs, theirs) if expr == 'start()' and ours['code'] == 200 and theirs['code'] != 200 else (ours, theirs)


def points(series: dict) -> list:
    return series['values'] if 'values' in series else [series['value']]


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


# ---- asked otherwise ----

def with_bool(expr: str) -> list:
    """The expression with one of its filters as a comparison by value, in turn."""
    return [expr[:m.end()] + ' bool' + expr[m.end():] for m in FILTER.finditer(expr)]


def step_by_step(ask, expr: str, params: dict) -> list:
    """A range as instants: the answer put together, or the answers that are errors."""
    found, series, notes = [], {}, {'warnings': set(), 'infos': set()}
    expr = place_moments(expr, params)
    steps = int((params['end'] - params['start']) / params['step']) + 1
    for t in (params['start'] + k * params['step'] for k in range(steps)):
        answer = ask('/api/v1/query', {'query': expr, 'time': t})
        if answer['code'] != 200:
            found.append(answer)
            continue
        is_scalar = answer['data']['resultType'] == 'scalar'
        for s in [{'metric': {}, 'value': answer['data']['result']}] if is_scalar else answer['data']['result']:
            series.setdefault(repr(sorted(s['metric'].items())), {'metric': s['metric'], 'values': []})['values'].append(s['value'])
        for kind, texts in notes.items():
            texts.update(answer.get(kind, []))
    whole = {'code': 200, 'status': 'success', 'data': {'resultType': 'matrix', 'result': list(series.values())}}
    return found or [{**whole, **{kind: sorted(texts) for kind, texts in notes.items() if texts}}]


def other_answers(ask, expr: str, path: str, params: dict, ours: dict, theirs: dict):
    """What 3.5 answers in other words, where a later release differs in the words at hand.

    - Two on the left for one on the right is an error after 3.5 also when a comparison lets fewer pass (operators.test
      of 3.14). `bool` lets all pass.
    - Unary minus and the label functions join series that do not overlap in time after 3.5. At one moment none overlap;
      in a subquery, whose moments cannot be asked for one by one, a product with -1 joins them in 3.5, too.
    - A subquery is evaluated up to the end of the range, also where the last step lies before it; what it says of the
      points that nobody asked for is left out here.
    """
    is_joined = 'same labelset' in theirs.get('error', '') and re.search(r'-[({]|label_', expr)
    is_many = ours.get('error', '').startswith('multiple matches for labels: many-to-one')
    for words in [expr] + (with_bool(expr) if is_many else []):
        if words != expr:
            yield ask(path, {**params, 'query': words})
        if is_joined and path == '/api/v1/query_range':
            yield from step_by_step(ask, words, params)
    if not SUBQUERY.search(expr):
        return
    if path == '/api/v1/query_range':
        beyond = (params['end'] - params['start']) % params['step']
        if beyond:
            yield ask(path, {**params, 'query': place_moments(expr, params), 'end': params['end'] - beyond})
    if is_joined:
        yield ask(path, {**params, 'query': MINUS.sub('-1 * ', expr)})
