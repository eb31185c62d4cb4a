"""Numbers in recipes: strict, and within bounds that a machine can handle.

A whole number is written as one: ``true``, ``"3"`` and ``3.0`` are refused. NaN and infinity are refused, and so are
numbers so large that a computation with them overflows::

    candidates: Tries = Field(16, description="orders that are tried in a step")
    levels: Whole = Field(16, ge=2, le=256, description="tokens there are")

If a number needs bounds that none of these types has, the field gives both bounds to ``Whole`` or ``Real``: of two
bounds of one kind, pydantic enforces only the type's.
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
"""What costs only time: images of a split, steps of a run."""

Size = Annotated[int, Strict(), Field(ge=1, le=65_536)]
"""What costs memory: channels, pixels of a side, patches of a side, images of a batch."""

Slots = Annotated[int, Strict(), Field(ge=0, le=1_000_000)]
"""A number of slots, or 0."""

Depth = Annotated[int, Strict(), Field(ge=1, le=1_000)]
"""A number of blocks."""

Tries = Annotated[int, Strict(), Field(ge=1, le=10_000)]
"""What is repeated within a step: drawn or tried orders, passes, iterations."""

Seed = Annotated[int, Strict(), Field(ge=0, lt=2**32)]
"""A seed."""

Real = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A finite number; the field gives both bounds."""

Amount = Annotated[float, Strict(), Field(ge=0, le=1_000_000, allow_inf_nan=False)]
"""A number of at least 0, such as a weight, a temperature or a length in epochs."""

Positive = Annotated[float, Strict(), Field(gt=0, le=1_000_000, allow_inf_nan=False)]
"""A number above 0, such as a factor or a step size."""

Ratio = Annotated[float, Strict(), Field(gt=0, le=100, allow_inf_nan=False)]
"""A factor by which something is wider or more numerous."""

Fraction = Annotated[float, Strict(), Field(ge=0, lt=1, allow_inf_nan=False)]
"""A share or a probability below 1."""

_LARGEST_WHOLE = 2**63 - 1
_LARGEST_REAL = 3.4e38


def require_plain_number(value: Any, field: FieldInfo) -> None:
    """Refuse numbers that no component can mean, if its author has not used the types above.

    Args:
        value: the value in a recipe.
        field: the field that gets it.

    Raises:
        ValueError: if the field takes only numbers, and this is a boolean or a string; or if it is a number that torch
            cannot hold.
    """
    types = _types(field.annotation)
    if not types or not types <= {int, float, NoneType} or any(isinstance(each, Strict) for each in field.metadata):
        return
    if isinstance(value, (bool, str)):
        raise PydanticKnownError("float_type" if float in types else "int_type")
    if isinstance(value, int) and abs(value) > _LARGEST_WHOLE:
        raise ValueError("input does not fit into 64 bits")
    if isinstance(value, float) and _LARGEST_REAL < abs(value) < math.inf:
        raise ValueError(f"input does not fit into 32 bits, {value:g}")


def _types(annotation: Any) -> set[Any]:
    """The types that a value may have; for a generic type or a collection, ``object``."""
    if get_origin(annotation) is Annotated:
        return _types(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return set().union(*map(_types, get_args(annotation)))
    return {annotation if isinstance(annotation, type) else object}
