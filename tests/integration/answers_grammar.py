# SPDX-License-Identifier: Apache-2.0
"""A seeded generator of queries over the data of answers_data."""
import random

import answers_data


class Grammar:
    """Random well-typed expressions.

    Where the choice among equal values is free (topk of ties, sort), none are made. Last digits that are the library's choice
    (exp, ln, pow, ...) or depend on the order of series (variances) are rounded away before anything else is done with
    them, since a difference or a comparison would make them all of the answer; answers_by_hand compares them as they are.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    @staticmethod
    def rough(text: str, parts: str = '4e3') -> str:
        """Rounded to a multiple of pi / parts: no exact result lies on the border between two."""
        return f'round({text}, pi() / {parts})'

    def pick(self, *choices):
        return self.rng.choice(choices)

    def duration(self) -> str:
        return self.pick('15s', '40s', '1m', '90s', '2m', '5m', '5m', '10m', '1h', '2h30m')

    def modifiers(self) -> str:
        text = ''
        if self.rng.random() < 0.15:
            text += f' offset {self.pick("", "-")}{self.duration()}'
        if self.rng.random() < 0.1:
            text += self.pick(' @ start()', ' @ end()', f' @ {answers_data.MIDNIGHT_S + self.rng.randrange(-3600, 3600)}')
        return text

    def selector(self) -> str:
        return self.pick(
            'requests_total', 'requests_total', 'temperature', 'temperature', 'odd{kind!="huge"}', 'flappy', 'sparse', 'late',
            'build_info', 'latency_seconds_bucket', 'twin_a', 'nope', 'odd{kind=~"nan|zero"}', 'temperature{job="j1"}',
            'temperature{room=~"r[2-5]"}', 'requests_total{job!~"j[01]"}', 'requests_total{instance="i3"}', '{__name__=~"twin_.*"}',
            '{job="j2"}', '{__name__=~"late|early"}', 'requests_total{instance!=""}')

    def range(self, depth: int) -> str:
        if depth > 0 and self.rng.random() < 0.25:
            step = self.pick('', '10s', '30s', '1m', '7s')
            return f'({self.vector(depth - 1)})[{self.pick("1m", "5m", "10m")}:{step}]{self.modifiers()}'
        return f'{self.selector()}[{self.duration()}]{self.modifiers()}'

    def scalar(self, depth: int) -> str:
        kind = self.rng.randrange(8 if depth > 0 else 4)
        if kind < 4:
            return self.pick('0', '1', '2', '0.5', '-1', '100', 'NaN', 'Inf', '-Inf', '1e-3', '60', 'time()', 'pi()')
        if kind == 4:
            return f'scalar({self.vector(depth - 1)})'
        return f'({self.scalar(depth - 1)} {self.pick("+", "-", "*", "/", "%", "> bool", "== bool")} {self.scalar(depth - 1)})'

    def grouping(self) -> str:
        labels = self.rng.sample(['job', 'instance', 'room', 'le', 'half', 'kind', 'x', 'version', 'nothing'], self.rng.randrange(0, 4))
        return self.pick('', f' {self.pick("by", "without")} ({", ".join(labels)}) ')

    def aggregation(self, depth: int) -> str:
        op = self.pick('sum', 'avg', 'min', 'max', 'count', 'group', 'stddev', 'stdvar', 'quantile', 'topk', 'bottomk', 'count_values')
        by = self.grouping()
        if op in ('topk', 'bottomk'):  # of values without ties
            return f'{op}{by}({self.pick("1", "2", "5", "0", "1.5")}, temperature{self.modifiers()})'
        inner = self.vector(depth - 1)
        if op == 'quantile':
            return f'quantile{by}({self.pick("0", "0.5", "0.9", "1", "-1", "7", "NaN")}, {inner})'
        if op == 'count_values':
            return f'count_values{by}("{self.pick("v", "job", "x")}", clamp(round({inner}), -1e9, 1e9))'
        if op in ('stddev', 'stdvar'):
            return self.rough(f'{op}{by}({inner})', '4')
        return f'{op}{by}({inner})'

    def function(self, depth: int) -> str:
        kind = self.rng.randrange(10)
        if kind < 5:
            name = self.pick('rate', 'rate', 'increase', 'irate', 'delta', 'idelta', 'deriv', 'changes', 'resets', 'avg_over_time', 'sum_over_time',
                             'min_over_time', 'max_over_time', 'count_over_time', 'last_over_time', 'present_over_time', 'stddev_over_time',
                             'stdvar_over_time', 'absent_over_time')
            return f'{name}({self.range(depth - 1)})'
        if kind == 5:
            return self.pick(f'quantile_over_time({self.scalar(0)}, {self.range(depth - 1)})', f'predict_linear({self.range(depth - 1)}, {self.scalar(0)})')
        inner = self.vector(depth - 1)
        if kind == 6:
            return self.pick(f'label_replace({inner}, "x", "$1", "job", "j(.*)")', f'label_replace({inner}, "job", "", "", "")',
                             f'label_join({inner}, "y", "-", "job", "room")', f'label_replace({inner}, "room", "r", "room", "r[0-3]")')
        if kind == 7:
            return self.pick(f'histogram_quantile({self.pick("0.5", "0.9", "0", "1", "-1")}, {inner})', f'clamp({inner}, {self.scalar(0)}, {self.scalar(0)})',
                             f'round({inner}, {self.pick("1", "0.1", "5", "0")})', f'vector({self.scalar(depth - 1)})', f'timestamp({inner})')
        name = self.pick('abs', 'ceil', 'floor', 'sqrt', 'sgn', 'round', 'absent', 'sort', 'deg', 'timestamp')
        of_library = self.pick('exp(clamp_max({}, 5))', 'ln({})', 'log2({})', 'log10({})', 'atan({})').format(inner)
        date = self.pick('hour', 'minute', 'month', 'day_of_week', 'day_of_year', 'days_in_month', 'year')
        return self.pick(f'{name}({inner})', f'{name}({inner})', self.rough(of_library), f'{date}(timestamp({inner}))')

    def binary(self, depth: int) -> str:
        a, b = self.vector(depth - 1), self.vector(depth - 1)
        kind = self.rng.randrange(10)
        op = self.pick('+', '-', '*', '/', '%', '==', '!=', '>', '<', '>=', '<=', '> bool', '== bool', '<= bool')
        if kind < 3:
            return self.pick(f'({a}) {op} {self.scalar(0)}', f'{self.scalar(0)} {op} ({a})', self.rough(f'clamp({a}, -1e4, 1e4) ^ {self.pick("2", "0.5", "-1")}'))
        matching = self.pick('', f'on ({self.pick("", "job", "job, instance", "room", "x", "le")}) ', f'ignoring ({self.pick("", "version", "room", "instance", "x")}) ')
        if kind < 5:
            return f'({a}) {self.pick("and", "or", "unless")} {matching}({b})'
        if kind < 7:
            label = self.pick('job', 'room', 'instance')
            return f'({self.selector()}) {op} on ({label}) group_left () ({self.pick("sum", "max", "count")} by ({label}) ({b}))'
        if kind < 8:
            return self.rough(f'(clamp({a}, -9, 9)) {self.pick("^", "atan2")} {matching}(clamp({b}, -3, 3))')
        return f'({a}) {op} {matching}({b})'

    def vector(self, depth: int) -> str:
        if depth <= 0:
            return self.selector() + self.modifiers()
        kind = self.rng.randrange(10)
        if kind < 1:
            return self.selector() + self.modifiers()
        if kind < 5:
            return self.function(depth)
        if kind < 7:
            return self.aggregation(depth)
        return self.binary(depth) if kind < 9 else f'-({self.vector(depth - 1)})'

    def expression(self) -> str:
        return self.scalar(2) if self.rng.random() < 0.04 else self.vector(self.rng.randrange(1, 4))


def random_queries(seed: int, count: int) -> list:
    grammar = Grammar(random.Random(seed))
    return [grammar.expression() for _ in range(count)]
