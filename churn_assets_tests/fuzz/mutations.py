"""Ways a file gets damaged on its way. After one of a single byte no row may hold values of two; of others none can tell."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Mutation = Callable[[bytes, Random], bytes]
SPECIAL = b'",;\t|\n\r\0{}[]:\\ \xff\xef\xbb\xbf\x1a'


def _at(data: bytes, random: Random) -> int:
    return random.randrange(len(data) + 1)


def _span(data: bytes, random: Random, most: int = 200) -> tuple[int, int]:
    start = _at(data, random)
    return start, min(len(data), start + random.randrange(1, most))


def flip_a_bit(data: bytes, random: Random) -> bytes:
    at = random.randrange(len(data)) if data else 0
    return data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :] if data else data


def set_a_byte(data: bytes, random: Random) -> bytes:
    at = _at(data, random)
    return data[:at] + bytes([random.choice(SPECIAL)]) + data[at + 1 :]


def insert_a_byte(data: bytes, random: Random) -> bytes:
    at = _at(data, random)
    return data[:at] + bytes([random.choice(SPECIAL)]) + data[at:]


def drop_a_byte(data: bytes, random: Random) -> bytes:
    at = _at(data, random)
    return data[:at] + data[at + 1 :]


def truncate(data: bytes, random: Random) -> bytes:
    return data[: _at(data, random)]


def behead(data: bytes, random: Random) -> bytes:
    return data[_at(data, random) :]


def drop_a_span(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random)
    return data[:start] + data[end:]


def repeat_a_span(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random)
    return data[:end] + data[start:end] + data[end:]


def zero_a_span(data: bytes, random: Random) -> bytes:
    start, end = _span(data, random)
    return data[:start] + bytes(end - start) + data[end:]


def splice(data: bytes, random: Random) -> bytes:
    """A piece of it somewhere else in it."""
    start, end = _span(data, random)
    at = _at(data, random)
    return data[:at] + data[start:end] + data[at:]


def other_delimiter(data: bytes, random: Random) -> bytes:
    """In all of it, or from some place on."""
    at = random.choice([0, _at(data, random)])
    return data[:at] + data[at:].replace(b",", random.choice([b";", b"\t", b"|", b",,", b", "]))


def other_line_ends(data: bytes, random: Random) -> bytes:
    at = random.choice([0, _at(data, random)])
    return data[:at] + data[at:].replace(b"\n", random.choice([b"\r", b"\r\n", b"\n\n", b"\n\r", b""]))


def other_quotes(data: bytes, random: Random) -> bytes:
    return data.replace(b'"', random.choice([b"", b"'", b'""', b'\\"']))


def other_encoding(data: bytes, random: Random) -> bytes:
    encoding = random.choice(["utf-16", "utf-16-le", "latin-1", "utf-8-sig", "utf-32"])
    return data.decode("utf-8", "replace").encode(encoding, "replace")


def shuffle_lines(data: bytes, random: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    head, body = lines[:1], lines[1:]
    random.shuffle(body)
    return b"".join(head + body)


OF_ONE_BYTE: tuple[Mutation, ...] = (flip_a_bit, set_a_byte, insert_a_byte, drop_a_byte)
OTHERS: tuple[Mutation, ...] = (
    *(truncate, behead, drop_a_span, repeat_a_span, zero_a_span, splice),
    *(other_delimiter, other_line_ends, other_quotes, other_encoding, shuffle_lines),
)
