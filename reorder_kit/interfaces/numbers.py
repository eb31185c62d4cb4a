"""Numbers in recipes: strict, and within bounds that a machine can live with.

A whole number is written as one: ``true``, ``"3"`` and ``3.0`` are none. No number is NaN or infinite, and none is so
large that what is made of it overflows::

    candidates: Tries = Field(16, description="orders that are tried in a step")
    levels: Whole = Field(16, ge=2, le=256, description="tokens there are")

Where a number needs other bounds than one of these types has, the field gives both of them to ``Whole`` or ``Real``: of
two bounds of one kind, pydantic holds the type's alone.
"""

from __future__ import annotations

import math
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Field, Strict
from pydantic.fields import FieldInfo
from pydantic_core import PydanticKnownError

Whole = Annotated[int, Strict()]
"""A whole number; the field gives both bounds."""

Count = Annotated[int, Strict(), Field(ge=1, le=1_000_000_000)]
"""What takes no more than time: images of a split, steps of a run."""

Size = Annotated[int, Strict(), Field(ge=1, le=65_536)]
"""What takes memory: channels, pixels of a side, patches of a side, images of a batch."""

Slots = Annotated[int, Strict(), Field(ge=0, le=1_000_000)]
"""Slots that are looked at, or none."""

Depth = Annotated[int, Strict(), Field(ge=1, le=1_000)]
"""Blocks."""

Tries = Annotated[int, Strict(), Field(ge=1, le=10_000)]
"""What is repeated within a step: orders that are drawn or tried, passes, iterations."""

Seed = Annotated[int, Strict(), Field(ge=0, lt=2**32)]
"""A seed."""

Real = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A finite number; the field gives both bounds."""

Amount = Annotated[float, Strict(), Field(ge=0, le=1_000_000, allow_inf_nan=False)]
"""A number from 0 on, such as a weight, a temperature or a length in epochs."""

Positive = Annotated[float, Strict(), Field(gt=0, le=1_000_000, allow_inf_nan=False)]
"""A number above 0, such as a factor or a step size."""

Ratio = Annotated[float, Strict(), Field(gt=0, le=100, allow_inf_nan=False)]
"""How many times as wide, or as many, something is."""

Fraction = Annotated[float, Strict(), Field(ge=0, lt=1, allow_inf_nan=False)]
"""A share or a probability that is not all."""

_LARGEST_WHOLE = 2**63 - 1
_LARGEST_REAL = 3.4e38


def require_plain_number(value: Any, field: FieldInfo) -> None:
    """Refuse what no component can mean by a number, where its author has not used the types above.

    Args:
        value: as a recipe gives it.
        field: that gets it.

    Raises:
        ValueError: if the field takes numbers alone, and this is a boolean or a text; or if it is a number that torch
            cannot hold.
    """
    types = _types(field.annotation)
    if not types or not types <= {int, float, NoneType} or any(isinstance(each, Strict) for each in field.metadata):
        return
    if isinstance(value, (bool, str)):
        raise PydanticKnownError("float_type" if float in types else "int_type")
    if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:
        raise ValueError("input is a number of more than 64 bits")
    if isinstance(value, float) and _LARGEST_REAL < abs(value) < math.inf:
        raise ValueError(f"input is a number of more than 32 bits, {value:g}")


def _types(annotation: Any) -> set[Any]:
    """The types of which a value has one; of an option of a certain kind or a collection, that one."""
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*map(_types, get_args(annotation)))
    return {annotation if isinstance(annotation, type) else object}
