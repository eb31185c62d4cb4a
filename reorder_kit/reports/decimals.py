"""Numbers as they appear on a page."""

from __future__ import annotations

MINUS = "\N{MINUS SIGN}"


def decimal(value: float, digits: int = 3, sign: bool = False) -> str:
    """Format a number with a proper minus sign, but none before a zero.

    >>> decimal(-0.0004), decimal(1.5, 1, sign=True)
    ('0.000', '+1.5')
    """
    rounded = round(value, digits) + 0.0
    return f"{rounded:{'+' if sign else ''}.{digits}f}".replace("-", MINUS)


def within(mean: float, low: float, high: float, digits: int = 3, sign: bool = False) -> str:
    """Format a number with its interval.

    >>> within(0.5, 0.25, 0.75, 2)
    '0.50 (0.25 to 0.75)'
    """
    return f"{decimal(mean, digits, sign)} ({decimal(low, digits, sign)} to {decimal(high, digits, sign)})"
