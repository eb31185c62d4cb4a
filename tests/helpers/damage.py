"""Possible damage to a file: generated, the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Damage = Callable[[bytes, random.Random, Sequence[bytes]], bytes | None]
"""The damaged content, from a file's content, a generator, and possible replacements."""


def flipped(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    damaged = bytearray(content)
    damaged[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def truncated(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    return content[: draw.randrange(len(content))]


def emptied(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    return b""


def deleted(content: bytes, draw: random.Random, others: Sequence[bytes]) -> None:
    return None


def replaced(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes | None:
    return draw.choice(others) if others else None


def overwritten(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Remove some bytes in the middle."""
    length = draw.randint(1, 64)
    start = draw.randrange(len(content))
    return content[:start] + draw.randbytes(min(length, len(content) - start)) + content[start + length :]


def of_random_bytes(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    return draw.randbytes(draw.randint(1, 200))


def not_utf8(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    place = draw.randrange(len(content))
    return content[:place] + b"\xff\xfe\x80" + content[place:]


def repeated(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Repeat a part of it, as after a retried write."""
    place = draw.randrange(len(content))
    return content + content[place:]


VALUES = (float("nan"), float("inf"), "3", "text", True, None, -1, 1e300, 10**400, [], {}, [[1, 2], [3]], "\ud800")


def with_another_value(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    """Somewhere in the JSON of a file, or of one of its lines, there is a value of another kind."""
    lines = content.decode().splitlines() if content.count(b"\n{") else [content.decode()]
    place = draw.randrange(len(lines))
    lines[place] = json.dumps(_changed(json.loads(lines[place]), draw))
    return ("\n".join(lines) + "\n").encode()


def of_another_shape(content: bytes, draw: random.Random, others: Sequence[bytes]) -> bytes:
    shapes = ["[]", "null", "5", '"text"', "{}", '{"a": ' * 5000, "[" * 100_000, '{"a": 1, "a": 1}', "9" * 5000]
    return draw.choice(shapes).encode()


ANY: tuple[Damage, ...] = (
    flipped, flipped, flipped, truncated, truncated, emptied, deleted, replaced, replaced, overwritten, of_random_bytes,
    not_utf8, repeated,
)  # fmt: skip
OF_JSON: tuple[Damage, ...] = (*ANY, with_another_value, with_another_value, with_another_value, of_another_shape)


def damages_of(file: Path) -> tuple[Damage, ...]:
    """Possible damage to a file of this kind."""
    return OF_JSON if file.suffix in (".json", ".jsonl") else ANY


def _changed(content: Any, draw: random.Random) -> Any:
    if isinstance(content, dict) and content and draw.random() < 0.9:
        key = draw.choice(sorted(content))
        if draw.random() < 0.1:
            return {name: value for name, value in content.items() if name != key}
        return {**content, key: _changed(content[key], draw)}
    if isinstance(content, list) and content and draw.random() < 0.9:
        place = draw.randrange(len(content))
        return [*content[:place], _changed(content[place], draw), *content[place + 1 :]]
    return draw.choice(VALUES)
