"""Random mistakes in small files, reproducible by number."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

EXTREME = [
    b"-1", b"0", b"1e999", b"-1e308", b"NaN", b"Infinity", b"1.5", b"9" * 400, b"9" * 5000, b"18446744073709551616",
    b"2147483648", b"null", b"true", b"[]", b"{}", b'""', b'"x"', b"x" * 3000, b"\xc3\xa9", b"\xff\xfe", b"\0", b"..",
    b"../" * 50, b"/dev/zero", b"!!python/object:os.system", b"*a", b"&a", b"<", b'"', b"\r", b"1:00", b"1_0",
]  # fmt: skip
_TOKEN = re.compile(rb"[-+.\w]+")
_OPENING = [b"[", b"{", b"(", b"<a>", b'{"a":', b"- ", b"a: {", b"&a [*a,"]

Mutation = Callable[[Random, bytes], bytes]


def _flipped(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 8, 64])):
        place = random.randrange(len(changed))
        changed[place] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(random: Random, data: bytes) -> bytes:
    return data[: random.randrange(len(data))]


def _headless(random: Random, data: bytes) -> bytes:
    return data[random.randrange(len(data)) :]


def _spliced(random: Random, data: bytes) -> bytes:
    start, end = sorted(random.choices(range(len(data) + 1), k=2))
    place = random.randrange(len(data))
    return data[:place] + data[start:end] * random.choice([1, 1, 2, 20]) + data[place:]


def _holed(random: Random, data: bytes) -> bytes:
    start, end = sorted(random.choices(range(len(data) + 1), k=2))
    return data[:start] + data[end:]


def _overwritten(random: Random, data: bytes) -> bytes:
    start = random.randrange(len(data))
    length = random.choice([1, 2, 4, 8, 64])
    filling = random.choice(
        [b"\0" * length, b"\xff" * length, b"\x7f" + b"\xff" * (length - 1), random.randbytes(length)]
    )
    return data[:start] + filling + data[start + length :]


def _replaced(random: Random, data: bytes) -> bytes:
    """Replace a word or a number with something extreme."""
    tokens = list(_TOKEN.finditer(data)) or [None]
    token = random.choice(tokens)
    start, end = (0, 0) if token is None else token.span()
    return data[:start] + random.choice(EXTREME) + data[end:]


def _nested(random: Random, data: bytes) -> bytes:
    place = random.randrange(len(data))
    return data[:place] + random.choice(_OPENING) * random.choice([10, 1000, 20_000]) + data[place:]


def _without_a_line(random: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    del lines[random.randrange(len(lines))]
    return b"".join(lines)


def _in_other_letters(random: Random, data: bytes) -> bytes:
    return data.decode("latin-1").encode(random.choice(["utf-16", "utf-8-sig", "utf-32", "utf-8"]))


def _noise(random: Random, data: bytes) -> bytes:
    return random.randbytes(random.choice([0, 1, 16, len(data)]))


MUTATIONS: list[Mutation] = [
    _flipped, _flipped, _cut, _headless, _spliced, _holed, _overwritten, _overwritten, _replaced, _replaced, _replaced,
    _nested, _without_a_line, _in_other_letters, _noise,
]  # fmt: skip


def mutated(random: Random, data: bytes) -> tuple[bytes, str]:
    """A file with one or a few mistakes, and a description of them."""
    names = []
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        mutation = random.choice(MUTATIONS)
        names.append(mutation.__name__.strip("_"))
        data = mutation(random, data or b"\n")
    return data, ", ".join(names)
