# SPDX-License-Identifier: Apache-2.0
"""A disk that is full: writes get 503, queries go on, service resumes without a restart, nothing acknowledged is lost.

The server runs on a small file system of its own (tmpfs, for which the test must be root).
"""
import os
import subprocess
import time

import harness
import wire

DISK_MIB = 48
SERIES = 500
HEADERS = {'Content-Encoding': 'snappy', 'Content-Type': 'application/x-protobuf'}


class SmallDisk:
    """A tmpfs, unmounted by close()."""

    def __init__(self, path: str) -> None:
        self.path = path
        if os.geteuid() != 0:
            raise harness.Skip('mounting a small file system needs root')
        os.mkdir(path)
        done = subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={DISK_MIB}m', 'pharos-test', path], capture_output=True, text=True)
        if done.returncode != 0:
            raise harness.Skip(f'a small file system cannot be mounted: {done.stderr.strip()}')

    def close(self) -> None:
        subprocess.run(['umount', '-l', self.path], check=True)

    def free(self) -> int:
        s = os.statvfs(self.path)
        return s.f_bavail * s.f_frsize

    def fill(self) -> None:
        """A file takes all the room there is."""
        with open(os.path.join(self.path, 'ballast'), 'ab', buffering=0) as f:
            for size in (1 << 20, 4096):
                try:
                    while f.write(bytes(size)) == size:
                        pass
                except OSError:
                    pass
        assert self.free() == 0

    def make_room(self) -> None:
        os.remove(os.path.join(self.path, 'ballast'))


class Sender:
    """Numbered steps of SERIES series; remembers which were acknowledged."""

    def __init__(self, server, base_ms: int) -> None:
        self.server, self.base_ms, self.next, self.acknowledged = server, base_ms, 1, []
        self.refused = {}

    def body(self, n: int) -> bytes:
        return wire.write_request([({'__name__': 'seq', 'i': str(i)}, [(self.base_ms + n * 100, self.value(i, n))]) for i in range(SERIES)])

    @staticmethod
    def value(i: int, n: int) -> float:
        return ((n * 7919 + i * 104729) % 100003) / 7

    def send(self) -> int:
        """The next step, or that one again which was refused; returns the status."""
        n = self.next
        answer = harness.http('POST', self.server.url + '/api/v1/write', self.body(n), HEADERS)
        if answer.status == 204:
            self.acknowledged.append(n)
            self.next += 1
        else:
            self.refused[answer.status] = self.refused.get(answer.status, 0) + 1
            assert answer.status == 503, f'{answer.status} {answer.text}'
            assert answer.headers['Retry-After'], 'a sender is not told when to come again'
        return answer.status

    def until_refused(self) -> None:
        """The journal has room that was set aside before: metadata use it up."""
        for _ in range(200):
            status = harness.http('POST', self.server.url + '/api/v1/write', wire.metadata_request(), HEADERS).status
            assert status in (204, 503), status
            if self.send() == 503:
                return
        raise AssertionError('150 MiB were taken on a full disk')

    def check(self) -> None:
        end = self.base_ms + (self.next + 1) * 100
        result = self.server.query(f'seq[{(self.next + 2) * 100}ms]', time=f'{end / 1000:.3f}')
        assert len(result) == SERIES, f'{len(result)} series'
        for s in result:
            i = int(s['metric']['i'])
            points = [(round((float(t) * 1000 - self.base_ms) / 100), float(v)) for t, v in s['values']]
            numbers = [n for n, _ in points]
            assert numbers == sorted(set(numbers)), f'series {i}: doubled or out of order'
            missing = set(self.acknowledged) - set(numbers)
            assert not missing, f'series {i}: {len(missing)} acknowledged samples lost, first {min(missing)}'
            assert set(numbers) - set(self.acknowledged) <= {self.next}, f'series {i}: more than was sent'
            assert all(v == self.value(i, n) for n, v in points), f'series {i}: another value'


def refuse_and_resume(sender, disk) -> None:
    """The disk is full now: refused, answering, and after there is room taken again by the same process."""
    p = sender.server
    for _ in range(3):
        sender.until_refused()
        sender.check()
        assert p.value('count(seq)', time=f'{(sender.base_ms + sender.next * 100) / 1000:.3f}') == SERIES
        assert p.get('/metrics').status == 200 and p.get('/-/healthy').status == 200 and p.get('/api/v1/labels').status == 200
    pid, before = p.process.pid, len(sender.acknowledged)
    disk.make_room()
    harness.wait_until('writes are taken again', lambda: sender.send() == 204, 20)
    for _ in range(50):
        assert sender.send() == 204, 'it resumed, and refuses again'
    assert len(sender.acknowledged) > before + 50 and p.process.pid == pid and p.process.poll() is None
    sender.check()


def test_full_disk_refuses_writes_and_loses_nothing(bench):
    disk = SmallDisk(bench.path('disk'))
    try:
        p = bench.pharos(storage=os.path.join(disk.path, 'data'), config='{}\n')
        sender = Sender(p, int(time.time() * 1000) - 1800000)
        for _ in range(50):
            assert sender.send() == 204
        for kill in (False, True, True):
            disk.fill()
            sender.until_refused()
            if kill:  # a start on a full disk
                p.kill()
                p.start()
                sender.check()
            refuse_and_resume(sender, disk)
            p.kill()
            p.start()
            sender.check()
        assert p.stop() == 0
        p.start()
        sender.check()
        p.close()
        print(f'# {len(sender.acknowledged) * SERIES} samples acknowledged, {sender.refused[503]} requests refused while the disk was full, 0 lost')
    finally:
        disk.close()


harness.run([(test_full_disk_refuses_writes_and_loses_nothing, None)])
