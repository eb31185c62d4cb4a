"""Comparison of values, including tensors and containers of tensors."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The atomic parts of a value, each with its path: places, keys and field names.

    Args:
        value: lists, tuples, mappings and dataclasses have parts; an empty one is a leaf.
        path: the path to the value.
    """
    if isinstance(value, list | tuple) and value:
        parts: Mapping[Any, Any] = dict(enumerate(value))
    elif isinstance(value, Mapping) and value:
        parts = value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type) and dataclasses.fields(value):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    else:
        yield path, value
        return
    for key, part in parts.items():
        yield from leaves(part, (*path, key))


def are_same(one: Any, other: Any) -> bool:
    """Whether two values have the same leaves in the same places. NaN equals NaN."""
    first, second = dict(leaves(one)), dict(leaves(other))
    return first.keys() == second.keys() and all(_are_same_leaves(first[path], second[path]) for path in first)


def _are_same_leaves(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor | np.ndarray) or isinstance(other, Tensor | np.ndarray):
        if type(one) is not type(other) or one.dtype != other.dtype or one.shape != other.shape:
            return False
        if one.dtype == object:
            return are_same(one.tolist(), other.tolist())
        return bool(((one == other) | ((one != one) & (other != other))).all())
    return bool(one == other or (one != one and other != other))
