# SPDX-License-Identifier: Apache-2.0
"""Hostile and broken input: the answer that the contract names, a counter, and nothing else lost."""
import gzip
import os
import shutil
import socket
import subprocess
import time

import harness
import wire

PROTOBUF = {'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf'}


def post(p, body, headers=None):
    return harness.http('POST', p.url + '/api/v1/write', body, {**PROTOBUF, **(headers or {})})


def test_remote_write_refuses_what_it_must(bench):
    p = bench.pharos(config='{}\n')
    now = int(time.time() * 1000)
    good = ({'__name__': 'm', 'a': 'b'}, [(now, 1)])
    body = wire.write_request([good])
    assert post(p, body, {'Content-Encoding': 'gzip'}).status == 415
    assert post(p, body, {'Content-Type': 'text/plain'}).status == 415
    assert post(p, body, {'Content-Type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request'}).status == 415
    assert post(p, body[:-1]).text == 'snappy: corrupt input\n'
    assert post(p, b'\xff\xff\xff\xff\x09' + b'x' * 40).status == 400, 'a snappy header that claims 2.5 GB'
    assert post(p, wire.snappy(b'\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01')).status == 400, 'a field of 2^63 bytes'
    with open(bench.path('large'), 'wb') as f:
        f.write(b'x' * (33 << 20))
    curl = subprocess.run(['curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', '-H', 'Content-Encoding: snappy', '--data-binary',
                           '@' + bench.path('large'), p.url + '/api/v1/write'], capture_output=True, text=True)
    assert curl.stdout == '413', curl
    assert harness.http('GET', p.url + '/api/v1/write').status == 405
    text = p.get('/metrics').text
    for reason, count in (('encoding', 1), ('content_type', 1), ('message_type', 1), ('corrupt', 1), ('too_large', 1), ('malformed', 1), ('memory', 0)):
        assert f'pharos_remote_write_requests_refused_total{{reason="{reason}"}} {count}\n' in text, (reason, text)
    rss = p.rss_bytes()
    assert rss < 200 << 20, f'{rss} bytes resident after bombs'
    assert post(p, body).status == 204, 'and still serves'


def test_good_samples_in_a_bad_batch_are_stored(bench):
    p = bench.pharos(config='{}\n')
    now = int(time.time() * 1000)
    assert p.write([({'__name__': 'm', 'i': '1'}, [(now, 1)])]).status == 204
    a = p.write([({'__name__': 'm', 'i': '1'}, [(now - 60000, 5)]),
                 ({'__name__': 'm', 'i': '2'}, [(now, 2)]),
                 ({'__name__': 'm', 'i': '3'}, [(now + 3600000, 3)]),
                 ({'__name__': 'm', 'i': '1'}, [(now, 7)])])
    reasons = ('out of order sample', 'out of bounds', 'duplicate sample for timestamp')
    assert a.status == 400 and a.text.startswith(reasons) and '3 refused' in a.text, (a.status, a.text)
    assert p.value('m{i="2"}') == 2 and p.value('m{i="1"}') == 1 and p.query('m{i="3"}') == []
    assert p.write([({'__name__': 'm', 'i': '1'}, [(now, 1)])]).status == 204, 'an exact duplicate is fine'
    a = p.write([({'no_name': 'x'}, [(now, 1)]), ({'__name__': 'm', 'i': '4'}, [(now, 4)])])
    assert a.status == 204 and p.value('m{i="4"}') == 4, 'series with bad labels are left out silently'
    text = p.get('/metrics').text
    assert 'pharos_remote_write_samples_refused_total{reason="out_of_order"} 1' in text
    assert 'pharos_remote_write_samples_refused_total{reason="out_of_bounds"} 1' in text
    assert 'pharos_remote_write_samples_refused_total{reason="duplicate"} 1' in text


def test_one_large_request_is_stored_whole(bench):
    p = bench.pharos(config='{}\n')
    now = int(time.time() * 1000)
    a = p.write([({'__name__': 'large', 'i': str(i), 'job': 'one'}, [(now, i)]) for i in range(100000)])
    assert a.status == 204, (a.status, a.text)
    assert p.value('count(large)') == 100000 and p.value('large{i="99999"}') == 99999


def raw(p, data: bytes, seconds: float = 10) -> bytes:
    with socket.create_connection(('127.0.0.1', p.port), timeout=seconds) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        out = b''
        while chunk := s.recv(65536):
            out += chunk
    return out


RAW = [
    (b'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n', b'400'),
    (b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', b'400'),
    (b'GET / HTTP/1.1\r\nHost : x\r\n\r\n', b'400'),
    (b'GET /' + b'a' * 20000 + b' HTTP/1.1\r\nHost: x\r\n\r\n', b'414'),
    (b'GET / HTTP/1.1\r\nHost: x\r\n' + b''.join(b'h%d: v\r\n' % i for i in range(150)) + b'\r\n', b'431'),
    (b'GET / HTTP/1.1\r\nHost: x\r\nCookie: ' + b'c' * 70000 + b'\r\n\r\n', b'431'),
    (b'GET / HTTP/3.7\r\nHost: x\r\n\r\n', b'505'),
    (b'\x00\x01\x02 nonsense\r\n\r\n', b'400'),
]


def test_broken_http_is_refused(bench):
    p = bench.pharos(config='{}\n')
    for data, status in RAW:
        answer = raw(p, data)
        assert answer.startswith(b'HTTP/1.1 ' + status), (data[:60], answer[:100])
    assert p.get('/-/healthy').status == 200


def test_gzip_bomb_is_refused(bench):
    p = bench.pharos(config='{}\n')
    bomb = gzip.compress(b'query=' + b'0' * (300 << 20), 9)
    a = harness.http('POST', p.url + '/api/v1/query', bomb,
                     {'Content-Type': 'application/x-www-form-urlencoded', 'Content-Encoding': 'gzip'})
    assert a.status == 413, a.status
    assert p.rss_bytes() < 200 << 20


def test_hostile_queries_are_errors(bench):
    p = bench.pharos(config='{}\n')
    for expr in ('(' * 20000 + '1' + ')' * 20000, 'a' * 200000 + '{', 'm{a=~"' + '(' * 100 + '"}', '1' + '+1' * 30000):
        a = harness.http('POST', p.url + '/api/v1/query', f'query={expr}'.replace('+', '%2B').encode(),
                         {'Content-Type': 'application/x-www-form-urlencoded'})
        assert a.status in (200, 400, 422), (expr[:40], a.status)
    assert p.get('/-/healthy').status == 200


def test_broken_exposition_marks_the_target_down(bench):
    page = bench.path('page')
    os.mkdir(page)
    with open(os.path.join(page, 'metrics.txt'), 'w', encoding='utf-8') as f:
        f.write('good 1\nbad{ 2\n')
    port = harness.free_port()
    web = harness.Server(['python3', '-m', 'http.server', str(port), '--bind', '127.0.0.1', '--directory', page], port, '/', bench.folder, 'web')
    bench.servers.append(web)
    p = bench.pharos(config=f'''
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
- {{job_name: broken, metrics_path: /metrics.txt, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}
- {{job_name: missing, metrics_path: /nothing, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}
''')
    harness.wait_until('both down', lambda: p.value('count(up == 0)') == 2)
    errors = {t['scrapePool']: t['lastError'] for t in p.get('/api/v1/targets').json()['data']['activeTargets']}
    assert 'line 2' in errors['broken'] and '404' in errors['missing'], errors
    assert p.query('good') == [], 'a broken scrape stores nothing of itself'


def run_pharos(*args):
    return subprocess.run([harness.BINARY, *args], capture_output=True, text=True, timeout=60)


def test_wrong_start_is_explained(bench):
    bad = bench.file('bad.yml', 'scrape_configs:\n- job_name: a\n  metric_path: /x\n- job_name: a\n  scrape_interval: never\n')
    out = run_pharos(f'--config.file={bad}', f'--storage.path={bench.path("d")}')
    assert out.returncode == 2, out
    assert 'bad.yml:3:3: error: unknown key "metric_path"' in out.stderr and 'did you mean "metrics_path"?' in out.stderr, out.stderr
    assert 'bad.yml:5:' in out.stderr, 'all errors at once'
    out = run_pharos('check', 'config', bad)
    assert out.returncode == 2 and 'metrics_path' in out.stderr
    out = run_pharos('--storage.pth=x')
    assert out.returncode == 2 and '--storage.path' in out.stderr, out.stderr
    out = run_pharos(f'--config.file={bench.path("none.yml")}')
    assert out.returncode == 2 and 'none.yml' in out.stderr, out.stderr


def test_data_directory_in_use_is_refused(bench):
    p = bench.pharos(config='{}\n')
    out = run_pharos(f'--storage.path={bench.path("pharos-data")}', f'--web.listen-address=127.0.0.1:{harness.free_port()}')
    assert out.returncode == 1 and str(p.process.pid) in out.stderr, out.stderr
    taken = run_pharos(f'--storage.path={bench.path("other")}', f'--web.listen-address=127.0.0.1:{p.port}')
    assert taken.returncode == 1 and str(p.port) in taken.stderr, taken.stderr


def test_damaged_wal_is_survived(bench):
    p = bench.pharos(config='{}\n')
    now = int(time.time() * 1000)
    for i in range(50):
        assert p.write([({'__name__': 'm', 'i': str(k)}, [(now - 100000 + i * 1000, i)]) for k in range(20)]).status == 204
    p.kill()
    wal = os.path.join(bench.path('pharos-data'), 'anonymous', 'metrics', 'wal')
    segment = os.path.join(wal, sorted(f for f in os.listdir(wal) if f.isdigit())[0])
    saved = bench.path('saved')
    shutil.copytree(bench.path('pharos-data'), saved)
    with open(segment, 'rb') as f:
        data = bytearray(f.read())
    used = len(data.rstrip(b'\0'))
    most = 0
    for at in (17, used // 3, used // 2, used - 3):
        shutil.rmtree(bench.path('pharos-data'))
        shutil.copytree(saved, bench.path('pharos-data'))
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        with open(segment, 'wb') as f:
            f.write(damaged)
        p.start()
        assert p.write([({'__name__': 'after', 'at': str(at)}, [(now, 1)])]).status == 204
        assert p.value('after') == 1
        counted = sum(float(line.split()[-1]) for line in p.get('/metrics').text.splitlines()
                      if line.startswith(('pharos_wal_corruptions_total ', 'pharos_head_files_damaged_total ')))
        told = p.get('/api/v1/status/runtimeinfo').json()['data']['corruptionCount']
        assert told == counted, (at, told, counted)
        most = max(most, told)
        p.kill()
    assert most > 0, 'damage in the middle is counted'


harness.run([(t, None) for t in (
    test_remote_write_refuses_what_it_must, test_good_samples_in_a_bad_batch_are_stored, test_one_large_request_is_stored_whole, test_broken_http_is_refused,
    test_gzip_bomb_is_refused, test_hostile_queries_are_errors, test_broken_exposition_marks_the_target_down,
    test_wrong_start_is_explained, test_data_directory_in_use_is_refused, test_damaged_wal_is_survived)])
