#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Real clients against the network layer: curl, nghttp, h2load, slowhttptest, and Node's gRPC client.

usage: test_clients.py TEST_SERVER
Prints `ok - name`, `not ok - name`, or `skip - name: reason` for a client that cannot be had.
"""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FAILED = []


def report(name: str, ok: bool, why: str = '') -> None:
    print(f'ok - {name}' if ok else f'not ok - {name}: {why}', flush=True)
    if not ok:
        FAILED.append(name)


def skip(name: str, reason: str) -> None:
    print(f'skip - {name}: {reason}', flush=True)


def run(argv: list, timeout: int = 120, cwd: Path | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=timeout, cwd=cwd)


def curl_tests(address: str, certificate: Path, scratch: Path) -> None:
    port = address.rsplit(':', 1)[1]
    body = os.urandom(100_000) * 2
    (scratch / 'body').write_bytes(body)
    want = hashlib.sha256(body).hexdigest()
    ways = {
        'HTTP/1.1': (f'http://{address}', ['--http1.1'], '1.1'),
        'h2c': (f'http://{address}', ['--http2-prior-knowledge'], '2'),
        'TLS, HTTP/1.1': (f'https://localhost:{port}', ['--http1.1', '--cacert', certificate], '1.1'),
        'TLS, h2': (f'https://localhost:{port}', ['--http2', '--cacert', certificate], '2'),
        'TLS 1.2': (f'https://localhost:{port}', ['--tls-max', '1.2', '--cacert', certificate], '2'),
    }
    for name, (base, options, version) in ways.items():
        curl = ['curl', '-sS', '--noproxy', '*', '--resolve', f'localhost:{port}:127.0.0.1', *options]
        got = run([*curl, '-w', ' %{http_code} %{http_version}', f'{base}/hello'])
        report(f'curl, {name}: GET', got.stdout.decode() == f'hello\n 200 {version}', got.stdout.decode())
        got = run([*curl, '--data-binary', f'@{scratch}/body', '-o', scratch / 'answer', f'{base}/echo'])
        answer = (scratch / 'answer').read_bytes() if got.returncode == 0 else b''
        report(f'curl, {name}: POST of 200 kB', hashlib.sha256(answer).hexdigest() == want, got.stdout.decode())
        got = run([*curl, '-H', 'Transfer-Encoding: chunked', '-H', 'Expect: 100-continue', '-T', scratch / 'body',
                   '-o', scratch / 'answer', f'{base}/echo'])
        answer = (scratch / 'answer').read_bytes() if got.returncode == 0 else b''
        report(f'curl, {name}: PUT, chunked', hashlib.sha256(answer).hexdigest() == want, got.stdout.decode())
        got = run([*curl, '-o', scratch / 'answer', f'{base}/stream?3000000'])
        size = (scratch / 'answer').stat().st_size
        report(f'curl, {name}: streamed answer', got.returncode == 0 and size == 3_000_000, got.stdout.decode())
        got = run([*curl, '--compressed', '-o', scratch / 'answer', f'{base}/gzip?3000000'])
        size = (scratch / 'answer').stat().st_size
        report(f'curl, {name}: gzip answer', got.returncode == 0 and size == 3_000_000, got.stdout.decode())
        got = run([*curl, f'{base}/abort'])
        report(f'curl, {name}: broken answer is noticed', got.returncode in (18, 92), f'exit code {got.returncode}')
    for scheme in ('http', 'https'):
        got = [run(['curl', '-sS', '--noproxy', '*', '-k', '--no-alpn', '--http1.0', f'{scheme}://{address}/abort']).returncode for _ in range(20)]
        report(f'curl, HTTP/1.0, {scheme}: broken answer is noticed', set(got) == {56}, f'exit codes {got}')
    got = run(['curl', '-sS', '--noproxy', '*', '-k', '--tls-max', '1.1', '--ciphers', 'ALL:@SECLEVEL=0', f'https://{address}/hello'])
    report('curl: TLS 1.1 is refused', got.returncode == 35, f'exit code {got.returncode}')


def nghttp_tests(address: str) -> None:
    if shutil.which('nghttp'):
        got = run(['nghttp', '-ns', '-m', '20', f'http://{address}/big?200000'])
        report('nghttp: 20 requests', got.stdout.decode().count(' 200 ') == 20, got.stdout.decode())
    else:
        skip('nghttp', 'not installed')
    if not shutil.which('h2load'):
        skip('h2load', 'not installed')
        return
    for name, options in {'h2c': [], 'HTTP/1.1': ['--h1']}.items():
        got = run(['h2load', '-n', '4000', '-c', '20', '-m', '10', *options, f'http://{address}/hello'])
        report(f'h2load, {name}: 4,000 requests', '4000 succeeded, 0 failed, 0 errored' in got.stdout.decode(), got.stdout.decode())


def slow_tests(address: str) -> None:
    if not shutil.which('slowhttptest'):
        skip('slowhttptest', 'not installed')
        return
    attack = subprocess.Popen(['slowhttptest', '-c', '300', '-B', '-r', '300', '-l', '6', '-i', '1', '-u', f'http://{address}/echo'],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    good = 0
    while attack.poll() is None:
        got = run(['curl', '-sS', '--noproxy', '*', '--max-time', '2', f'http://{address}/hello'])
        if got.returncode != 0:
            attack.kill()
            attack.wait()
            report('slowhttptest: others are served during slow POSTs', False, got.stdout.decode())
            return
        good += 1
    report('slowhttptest: others are served during slow POSTs', good > 0, 'no request was made')


def grpc_tests(address: str, certificate: Path, scratch: Path) -> None:
    name = 'gRPC client of Node'
    if not shutil.which('npm') or not shutil.which('node'):
        skip(name, 'node and npm are not installed')
        return
    for file in ('package.json', 'package-lock.json'):
        shutil.copy(HERE / file, scratch / file)
    got = run(['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error'], timeout=300, cwd=scratch)
    if got.returncode != 0:
        skip(name, 'npm cannot fetch @grpc/grpc-js: ' + ' '.join(got.stdout.decode().split())[:200])
        return
    port = address.rsplit(':', 1)[1]
    got = run(['node', HERE / 'grpc_client.js', f'localhost:{port}', certificate], cwd=scratch)
    lines = [line for line in got.stdout.decode().splitlines() if line.startswith(('ok - ', 'not ok - '))]
    print('\n'.join(lines), flush=True)
    if got.returncode != 0:
        FAILED.append(name)
        if not lines:
            report(name, False, got.stdout.decode())


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        certificate = scratch / 'certificate.pem'
        server = subprocess.Popen([sys.argv[1], certificate], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            address = server.stdout.readline().decode().strip()
            curl_tests(address, certificate, scratch)
            nghttp_tests(address)
            slow_tests(address)
            grpc_tests(address, certificate, scratch)
        finally:
            server.stdin.close()
            code = server.wait(timeout=60)
        report('server ends clean, with no memory left', code == 0, f'exit code {code}')
    return 1 if FAILED else 0


if __name__ == '__main__':
    sys.exit(main())
