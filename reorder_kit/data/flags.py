"""True and false as files write them."""

from __future__ import annotations

from typing import Any

_NO, _YES = ("0", "0.0", "false", "no"), ("1", "1.0", "true", "yes")
_TEXTS = dict.fromkeys(_NO, False) | dict.fromkeys(_YES, True)


def flag(value: Any) -> bool:
    """A boolean from true or false, 0 or 1, or one of these as text; null is false.

    >>> flag("0"), flag("TRUE"), flag(1.0), flag(None)
    (False, True, True, False)

    Raises:
        ValueError: if the value is anything else.
    """
    if value is None:
        return False
    found = None
    if isinstance(value, str):
        found = _TEXTS.get(value.strip().lower())
    elif isinstance(value, int | float) and value in (0, 1):
        found = bool(value)
    if found is None:
        raise ValueError(f"{value!r:.60} is neither true nor false")
    return found
