"""Whole numbers as files write them."""

from __future__ import annotations

import re
from typing import Any

# Python refuses to convert text with more than a few thousand digits.
_TEXT = re.compile(r"([+-]?[0-9]{1,1000})(\.0*)?")
_TOO_LARGE = 10**9

Size = tuple[int, int]
"""Height and width of an image, in pixels."""


def whole_number(value: Any) -> int | None:
    """The number; None if it is not a whole number.

    >>> whole_number(7), whole_number("7"), whole_number(7.0), whole_number("7.5"), whole_number(True)
    (7, 7, 7, None, None)

    Args:
        value: a number, or its digits as text.
    """
    if isinstance(value, str):
        digits = _TEXT.fullmatch(value.strip())
        return None if digits is None else int(digits[1])
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def declared_size(height: Any, width: Any) -> Size | None:
    """The size that an annotation declares for its image; None if it is not a possible image size."""
    rows, columns = whole_number(height), whole_number(width)
    if rows is None or columns is None or not (0 < rows < _TOO_LARGE and 0 < columns < _TOO_LARGE):
        return None
    return rows, columns
