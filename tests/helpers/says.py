"""What a sentence says, whatever its words between."""

from __future__ import annotations


def says(text: str, *parts: str) -> bool:
    """Whether a text has these names, numbers and directions, in this sequence.

    Raises:
        AssertionError: naming the first part that is not there.
    """
    place = 0
    for part in parts:
        found = text.find(part, place)
        assert found >= 0, f"{part!r} is not said after {text[:place]!r}, but {text[place:]!r}"
        place = found + len(part)
    return True
