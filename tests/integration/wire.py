# SPDX-License-Identifier: Apache-2.0
"""Remote write 1.0 bodies by hand: protobuf, and snappy with literals only (valid, not small)."""
import base64
import os
import struct


def uvarint(n: int) -> bytes:
    n &= (1 << 64) - 1
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    return uvarint(number << 3 | 2) + uvarint(len(content)) + content


def label(name: str, value: str) -> bytes:
    return field(1, field(1, name.encode()) + field(2, value.encode()))


def sample(ts_ms: int, value: float) -> bytes:
    return field(2, b'\x09' + struct.pack('<d', value) + b'\x10' + uvarint(ts_ms))


def series(labels: dict, samples: list) -> bytes:
    """labels {name: value}, samples [(ts_ms, value)]"""
    return field(1, b''.join(label(k, labels[k]) for k in sorted(labels)) + b''.join(sample(t, v) for t, v in samples))


def snappy(data: bytes) -> bytes:
    out = [uvarint(len(data))]
    for i in range(0, len(data), 65536):
        part = data[i:i + 65536]
        out.append(b'\xf4' + struct.pack('<H', len(part) - 1) + part)
    return b''.join(out)


def write_request(many: list) -> bytes:
    """many [(labels, samples)] -> compressed body"""
    return snappy(b''.join(series(labels, samples) for labels, samples in many))


def metadata_request(families: int = 900) -> bytes:
    """A body of about a KiB for each family that only says what metrics are for, in random letters: it takes its size in the journal."""
    text = base64.b64encode(os.urandom(families * 750))
    return snappy(b''.join(field(3, field(2, b'family_%d' % i) + field(4, text[i * 1000:i * 1000 + 1000])) for i in range(families)))
