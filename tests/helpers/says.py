"""Check the content of a sentence regardless of its wording."""

from __future__ import annotations


def says(text: str, *parts: str) -> bool:
    """Whether a text has these names, numbers and directions, in this order.

    Raises:
        AssertionError: naming the first missing part.
    """
    place = 0
    for part in parts:
        found = text.find(part, place)
        assert found >= 0, f"{part!r} is not said after {text[:place]!r}, but {text[place:]!r}"
        place = found + len(part)
    return True
