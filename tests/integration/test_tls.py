# SPDX-License-Identifier: Apache-2.0
"""--web.config.file: TLS of the listeners, as curl sees it."""
import os
import signal
import subprocess

import harness


def certificate(bench, name: str) -> str:
    """A self-signed certificate for 127.0.0.1 in NAME.crt and NAME.key; its path."""
    subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
                    '-subj', f'/CN={name}', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', bench.path(name + '.key'),
                    '-out', bench.path(name + '.crt')], check=True, capture_output=True)
    return bench.path(name + '.crt')


def curl(ca: str, url: str, *args: str) -> subprocess.CompletedProcess:
    return subprocess.run(['curl', '--silent', '--show-error', '--noproxy', '*', '--max-time', '10', '--cacert', ca,
                           '--write-out', '\n%{http_version} %{http_code}', *args, url], capture_output=True, text=True)


def tls_server(bench, web: str):
    """A server whose readiness plain HTTP cannot tell."""
    port = harness.free_port()
    argv = [os.path.abspath(harness.BINARY), f'--storage.path={bench.path("data")}', f'--web.listen-address=127.0.0.1:{port}',
            f'--web.config.file={bench.file("web.yml", web)}']
    server = harness.Server.__new__(harness.Server)
    server.argv, server.port, server.ready_path, server.folder, server.name = argv, port, '/-/ready', bench.folder, 'tls'
    server.url, server.process = f'https://127.0.0.1:{port}', None
    server.start(wait=False)
    bench.servers.append(server)
    return server


def test_both_protocols_over_tls(bench):
    ca = certificate(bench, 'server')
    p = tls_server(bench, 'tls_server_config: {cert_file: server.crt, key_file: server.key}\n')
    harness.wait_until('ready', lambda: curl(ca, p.url + '/-/ready').stdout.endswith(' 200'))
    for option, version in (('--http1.1', '1.1'), ('--http2', '2')):
        a = curl(ca, p.url + '/api/v1/query?query=1', option)
        assert a.returncode == 0, a.stderr
        assert '"status":"success"' in a.stdout and a.stdout.endswith(f'{version} 200'), a.stdout
    other = certificate(bench, 'other')
    assert curl(other, p.url + '/-/ready').returncode == 60  # not who it says
    plain = curl(ca, p.url.replace('https', 'http') + '/-/ready')
    assert not plain.stdout.endswith(' 200'), plain.stdout
    assert curl(ca, p.url + '/-/ready', '--tls-max', '1.1').returncode != 0
    # What the server says of itself is right.
    assert f'UI       {p.url}' in p.log_text(), p.log_text()


def test_a_new_certificate_comes_with_a_reload(bench):
    ca, new = certificate(bench, 'server'), certificate(bench, 'new')
    p = tls_server(bench, 'tls_server_config: {cert_file: server.crt, key_file: server.key, min_version: TLS13}\n')
    harness.wait_until('ready', lambda: curl(ca, p.url + '/-/ready').stdout.endswith(' 200'))
    assert curl(ca, p.url + '/-/ready', '--tls-max', '1.2').returncode != 0
    # A key that does not belong to the certificate: the old ones stay.
    os.replace(new, ca)
    p.process.send_signal(signal.SIGHUP)
    harness.wait_until('refusal', lambda: 'configuration not loaded' in p.log_text())
    os.replace(bench.path('new.key'), bench.path('server.key'))
    p.process.send_signal(signal.SIGHUP)
    harness.wait_until('new certificate', lambda: curl(ca, p.url + '/-/ready').stdout.endswith(' 200'))
    assert p.stop() == 0


def test_clients_are_asked_for_certificates(bench):
    ca, client = certificate(bench, 'server'), certificate(bench, 'client')
    p = tls_server(bench, 'tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n'
                          '  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client.crt\n')
    mine = ('--cert', client, '--key', bench.path('client.key'))
    harness.wait_until('ready', lambda: curl(ca, p.url + '/-/ready', *mine).stdout.endswith(' 200'))
    assert curl(ca, p.url + '/-/ready').returncode != 0
    stranger = certificate(bench, 'stranger')
    assert curl(ca, p.url + '/-/ready', '--cert', stranger, '--key', bench.path('stranger.key')).returncode != 0


# (file, exit code of --check, what is said)
FILES = [
    ('{}\n', 0, ''),
    ('basic_auth_users: {alice: $2y$10$abcdefgh}\n', 2, 'web.yml:1:19: error: basic_auth_users is not supported yet'),
    ('tls_server_config: {cert_file: a.crt}\n', 2, 'key_file'),
    ('tls_server_config: {cert_file: a.crt, key_file: a.key}\n', 2, 'a.crt'),
    ('tls_server_config:\n  cert_fil: a.crt\n', 2, 'web.yml:2:3: error: unknown key "cert_fil"'),
    ('tls_server_config: {cert_file: s.crt, key_file: s.key, client_allowed_sans: [a]}\n', 2, 'client_allowed_sans is not supported'),
    ('tls_server_config: {cert_file: s.crt, key_file: s.key, client_auth_type: RequireAnyClientCert}\n', 2, 'always verified'),
    ('tls_server_config: {cert_file: s.crt, key_file: s.key, cipher_suites: [x]}\n', 0, 'warning: "cipher_suites" has no effect'),
    ('http_server_config: {http2: false}\n', 0, 'warning: "http_server_config" has no effect yet'),
]


def test_what_cannot_be_kept_is_said(bench):
    certificate(bench, 's')
    for text, code, said in FILES:
        argv = [os.path.abspath(harness.BINARY), '--check', f'--web.config.file={bench.file("web.yml", text)}']
        a = subprocess.run(argv, capture_output=True, text=True, cwd=bench.folder)
        assert a.returncode == code and said in a.stderr, (text, a.returncode, a.stderr)
        assert 'abcdefgh' not in a.stderr, a.stderr


if __name__ == '__main__':
    harness.run([(f, None) for name, f in sorted(globals().items()) if name.startswith('test_')])
