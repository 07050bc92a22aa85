# SPDX-License-Identifier: Apache-2.0
"""The HTTP API: shapes, status codes and texts that clients rely on."""
import socket
import time

import harness


def write_some(p, count=3):
    now = int(time.time() * 1000)
    answer = p.write([({'__name__': 'm', 'i': str(i)}, [(now - 30000 + k * 15000, i + k) for k in range(3)]) for i in range(count)])
    assert answer.status == 204, answer.text
    return now / 1000


def test_instant_and_range_query(bench):
    p = bench.pharos()
    now = write_some(p)
    result = p.query('m{i="1"}', time=now)
    assert result == [{'metric': {'__name__': 'm', 'i': '1'}, 'value': [result[0]['value'][0], '3']}], result
    series = p.query_range('sum(m)', now - 30, now, 15)
    assert [v for _, v in series[0]['values']] == ['3', '6', '9'], series
    assert p.get('/api/v1/query', query='1+1').json()['data']['resultType'] == 'scalar'
    assert p.get('/api/v1/query', query='"x"').json()['data']['result'][1] == 'x'
    assert len(p.query('m[1m]', time=now)[0]['values']) == 3


ERRORS = [
    ('/api/v1/query', {'query': 'foo{bar=baz}'}, 400, 'bad_data', 'invalid parameter "query": 1:9: parse error: '),
    ('/api/v1/query', {'query': 'up', 'time': 'abc'}, 400, 'bad_data',
     'invalid parameter "time": invalid time value for \'time\': cannot parse "abc" to a valid timestamp'),
    ('/api/v1/query', {'query': 'up', 'limit': '-1'}, 400, 'bad_data', 'limit must be non-negative'),
    ('/api/v1/query_range', {'query': 'up', 'start': 'x', 'end': '2', 'step': '1'}, 400, 'bad_data',
     'invalid parameter "start": cannot parse "x" to a valid timestamp'),
    ('/api/v1/query_range', {'query': 'up', 'start': '2', 'end': '1', 'step': '1'}, 400, 'bad_data',
     'invalid parameter "end": end timestamp must not be before start time'),
    ('/api/v1/query_range', {'query': 'up', 'start': '1', 'end': '2', 'step': '0'}, 400, 'bad_data',
     'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer'),
    ('/api/v1/query_range', {'query': 'up', 'start': '1', 'end': '20000', 'step': '1'}, 400, 'bad_data',
     'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)'),
    ('/api/v1/query_range', {'query': 'up[1m]', 'start': '1', 'end': '2', 'step': '1'}, 400, 'bad_data',
     'invalid expression type "range vector" for range query, must be Scalar or instant Vector'),
    ('/api/v1/series', {}, 400, 'bad_data', 'no match[] parameter provided'),
    ('/api/v1/series', {'match[]': '{a=~".*"}'}, 400, 'bad_data', 'match[] must contain at least one non-empty matcher'),
    ('/api/v1/status/tsdb', {'limit': '0'}, 400, 'bad_data', 'limit must be a positive number'),
    ('/api/v1/metadata', {'limit': 'x'}, 400, 'bad_data', 'limit must be a number'),
]


def test_errors_have_their_texts(bench):
    p = bench.pharos()
    for path, params, status, kind, text in ERRORS:
        a = p.get(path, **params)
        body = a.json()
        assert a.status == status and body['errorType'] == kind and text in body['error'], (path, params, a.status, body)
    a = p.get('/api/v1/nothing')
    assert a.status == 404 and a.text == '404 page not found\n', a.text
    assert harness.http('DELETE', p.url + '/api/v1/query').status == 405


def test_metadata_endpoints(bench):
    p = bench.pharos()
    write_some(p)
    assert p.get('/api/v1/labels', **{'match[]': 'm'}).json()['data'] == ['__name__', 'i']
    assert p.get('/api/v1/label/i/values').json()['data'] == ['0', '1', '2']
    a = p.get('/api/v1/label/i/values', limit=2).json()
    assert a['data'] == ['0', '1'] and a['warnings'] == ['results truncated due to limit'], a
    a = p.get('/api/v1/series', **{'match[]': ['m{i="0"}', 'm{i=~"[01]"}']}).json()
    assert a['data'] == [{'__name__': 'm', 'i': '0'}, {'__name__': 'm', 'i': '1'}], a
    stats = p.get('/api/v1/status/tsdb').json()['data']
    assert stats['headStats']['numSeries'] >= 3, stats
    assert any(row['name'] == 'm' and row['value'] == 3 for row in stats['seriesCountByMetricName']), stats


def test_series_of_a_range(bench):
    p = bench.pharos()
    now = int(time.time() * 1000)
    assert p.write([({'__name__': 'early', 'i': '1'}, [(now - 100000, 1), (now - 90000, 1)]),
                    ({'__name__': 'late', 'i': '1'}, [(now - 20000, 1), (now - 10000, 1)])]).status == 204

    def names(start, end):
        data = p.get('/api/v1/series', **{'match[]': '{i="1"}', 'start': (now + start) / 1000, 'end': (now + end) / 1000}).json()['data']
        return [labels['__name__'] for labels in data]

    assert names(-200000, 0) == ['early', 'late']
    assert names(-95000, -80000) == ['early'], 'late begins behind the range'
    assert names(-30000, -5000) == ['late'], 'early ends before it'


def test_flags_in_force(bench):
    p = bench.pharos()
    flags = p.get('/api/v1/status/flags').json()['data']
    assert flags['web.listen-address'] == f'127.0.0.1:{p.port}', flags
    assert flags['storage.tsdb.path'] == flags['storage.path'] != '', flags
    assert flags['storage.tsdb.retention.time'] == '15d', flags


def test_series_end_with_their_client(bench):
    p = bench.pharos()
    now = int(time.time() * 1000)
    for part in range(4):
        assert p.write([({'__name__': 'm', 'i': str(part * 50000 + i), 'text': 'x' * 40}, [(now, i)]) for i in range(50000)]).status == 204
    path = '/api/v1/series?match[]=m'
    started = time.monotonic()
    assert p.get('/api/v1/series', **{'match[]': 'm', 'limit': 1}).status == 200
    whole = time.monotonic() - started
    with socket.create_connection(('127.0.0.1', p.port)) as s:
        s.sendall(f'GET {path} HTTP/1.1\r\nHost: x\r\n\r\n'.encode())
        harness.wait_until('running', lambda: running(p) == 1)
    left = time.monotonic()
    harness.wait_until('ended', lambda: running(p) == 0)
    took = time.monotonic() - left
    assert took < max(0.1, whole / 4), f'{took:.3f} s after the client left, {whole:.3f} s the whole'


def running(p):
    return sum(float(line.split()[-1]) for line in p.get('/metrics').text.splitlines() if line.startswith('pharos_api_requests_running'))


def test_post_forms_and_limits(bench):
    p = bench.pharos()
    now = write_some(p)
    form = f'query=m&time={now}&limit=1'.encode()
    a = harness.http('POST', p.url + '/api/v1/query', form, {'Content-Type': 'application/x-www-form-urlencoded'})
    body = a.json()
    assert len(body['data']['result']) == 1 and body['warnings'] == ['results truncated due to limit'], body


def test_formatting_and_parsing(bench):
    p = bench.pharos()
    assert p.get('/api/v1/format_query', query='sum by(a)(rate(m[5m]))').json()['data'] == 'sum by (a) (rate(m[5m]))'
    tree = p.get('/api/v1/parse_query', query='m > 1').json()['data']
    assert tree['type'] == 'binaryExpr' and tree['lhs']['type'] == 'vectorSelector', tree


def test_lifecycle_and_status(bench):
    p = bench.pharos(config='global: {scrape_interval: 7s, external_labels: {a: b}}\n')
    assert p.get('/-/healthy').text == 'Prometheus Server is Healthy.\n'
    assert p.get('/-/ready').text == 'Prometheus Server is Ready.\n'
    assert harness.http('GET', p.url + '/-/reload').status == 405
    assert 'scrape_interval: 7s' in p.get('/api/v1/status/config').json()['data']['yaml']
    assert p.get('/api/v1/status/buildinfo').json()['data']['version'].startswith('3.')
    assert 'storage.path' in p.get('/api/v1/status/flags').json()['data']
    bench.file('pharos.yml', 'global: {scrape_interval: 8s}\n')
    assert harness.http('POST', p.url + '/-/reload').status == 200
    assert 'scrape_interval: 8s' in p.get('/api/v1/status/config').json()['data']['yaml']
    bench.file('pharos.yml', 'global: {scrape_intervall: 9s}\n')
    a = harness.http('POST', p.url + '/-/reload')
    assert a.status == 500 and 'scrape_intervall' in a.text and 'scrape_interval' in a.text, a.text
    assert 'scrape_interval: 8s' in p.get('/api/v1/status/config').json()['data']['yaml']
    assert p.get('/api/v1/status/runtimeinfo').json()['data']['reloadConfigSuccess'] is False
    assert harness.http('POST', p.url + '/-/quit').status == 200
    assert p.process.wait(30) == 0


def test_own_metrics_parse_and_name_everything_once(bench):
    p = bench.pharos()
    text = p.get('/metrics').text
    families = [line.split()[2] for line in text.splitlines() if line.startswith('# TYPE ')]
    assert len(families) == len(set(families)), sorted(f for f in families if families.count(f) > 1)
    assert 'pharos_build_info{version=' in text and 'process_resident_memory_bytes ' in text
    om = p.get('/metrics', headers={'Accept': 'application/openmetrics-text'})
    assert om.text.endswith('# EOF\n') and 'openmetrics' in om.headers['Content-Type']


def test_federation(bench):
    p = bench.pharos()
    write_some(p, 2)
    text = p.get('/federate', **{'match[]': 'm'}).text
    lines = text.splitlines()
    assert lines[0] == '# TYPE m untyped' and lines[1].startswith('m{i="0",instance=""} 2 '), text
    assert p.get('/federate').text == ''


def test_first_run_watches_host_and_itself(bench):
    p = bench.pharos()
    harness.wait_until('own metrics', lambda: p.value('up{job="pharos"}') == 1)
    harness.wait_until('host metrics', lambda: (p.value('count(node_cpu_seconds_total)') or 0) >= 8)
    targets = p.get('/api/v1/targets').json()['data']['activeTargets']
    assert {t['scrapePool'] for t in targets} == {'pharos', 'node'}, targets
    assert all(t['health'] == 'up' for t in targets), targets
    meta = p.get('/api/v1/metadata', metric='node_load1').json()['data']
    assert meta['node_load1'][0]['type'] == 'gauge', meta


def test_page_is_served_to_browsers_only(bench):
    p = bench.pharos()
    a = p.get('/', headers={'Accept': 'text/html'})
    assert a.status == 200 and '<div id="app">' in a.text and "script-src 'self'" in a.headers['Content-Security-Policy']
    assert p.get('/').status == 302
    assert p.get('/', headers={'Accept': 'text/html', 'If-None-Match': a.headers['ETag']}).status == 304
    assert p.get('/assets/nothing.js').status == 404
    assert p.get('/targets').status == 404


harness.run([(t, None) for t in (
    test_instant_and_range_query, test_errors_have_their_texts, test_metadata_endpoints, test_series_of_a_range, test_flags_in_force,
    test_series_end_with_their_client, test_post_forms_and_limits,
    test_formatting_and_parsing, test_lifecycle_and_status, test_own_metrics_parse_and_name_everything_once, test_federation,
    test_first_run_watches_host_and_itself, test_page_is_served_to_browsers_only)])
