"""The meaning of plain YAML scalars: the core schema of YAML 1.2, without numbers that start with a redundant 0."""

from __future__ import annotations

import math
import re

MOST_DIGITS = 100
"""The most digits of a whole number; Python takes long to read many."""

_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **{f"{sign}{word}": math.inf for word in (".inf", ".Inf", ".INF") for sign in ("", "+")},
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
# 017 is 15 in YAML 1.1, 17 in the core schema of 1.2, and not a number in JSON; nobody should have to guess.
WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
WHOLE_IN_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def meaning_of(text: str) -> str | int | float | bool | None:
    """The meaning of a plain scalar; by default, a string.

    >>> [meaning_of(text) for text in ("1e-3", "017", "yes", "0x1F", "~")]
    [0.001, '017', 'yes', 31, None]

    Raises:
        ValueError: if it is a whole number with too many digits.
    """
    if text in _WORDS:
        return _WORDS[text]
    if WHOLE.fullmatch(text):
        if len(text) > MOST_DIGITS:
            raise ValueError(f"a whole number with {len(text)} digits is too long")
        return int(text)
    if WHOLE_IN_OTHER_BASE.fullmatch(text):
        return int(text, base=0)
    return float(text) if DECIMAL.fullmatch(text) else text
