"""Decoded images and their targets as bytes, and back, without loss."""

from __future__ import annotations

import pickle
import struct
import zlib
from dataclasses import fields, is_dataclass
from io import BytesIO
from typing import Any

import torch
from torch import Tensor

_HEAD = struct.Struct("<QI")
_ALIGNMENT = 8
_PACKAGE = __name__.partition(".")[0]


def pack(decoded: Any) -> bytes:
    """Pack plain data, tuples and data classes of the package, with tensors anywhere in them.

    >>> unpack(pack(("a", torch.tensor([[1, 2]]))))
    ('a', tensor([[1, 2]]))
    """
    pickler = _Packing(description := BytesIO())
    pickler.dump(decoded)
    body = description.getvalue()
    rest = b"".join(pickler.parts)
    return b"".join((_HEAD.pack(len(body), zlib.crc32(rest, zlib.crc32(body))), rest, body))


def unpack(packed: bytes | bytearray, check: bool = True) -> Any:
    """Restore what :func:`pack` was given.

    Only tensors, plain data, and named tuples and data classes of the package are created, whatever the bytes contain.

    Args:
        packed: the bytes; tensors from a byte array share its memory.
        check: whether to check for damage, which takes longer.

    Raises:
        ValueError: if the bytes are damaged.
        pickle.UnpicklingError: if the bytes contain anything else.
    """
    buffer = packed if isinstance(packed, bytearray) else bytearray(packed)
    if len(buffer) < _HEAD.size:
        raise ValueError("bytes are missing")
    length, checksum = _HEAD.unpack_from(buffer)
    view = memoryview(buffer)
    body = len(buffer) - length
    if body < _HEAD.size or (check and zlib.crc32(view[_HEAD.size : body], zlib.crc32(view[body:])) != checksum):
        raise ValueError("bytes are damaged")
    return _Unpacking(BytesIO(view[body:]), buffer).load()


class _Packing(pickle.Pickler):
    """Collects tensors, with their values in the sequence in which they lie in memory."""

    def __init__(self, file: BytesIO) -> None:
        super().__init__(file, protocol=5)
        self.parts: list[bytes] = [bytes(-_HEAD.size % _ALIGNMENT)]
        self._end = _HEAD.size + len(self.parts[0])

    def persistent_id(self, value: Any) -> Any:
        """The place and layout of a collected tensor; None for other values."""
        if not isinstance(value, Tensor):
            return None
        # Channels often come last in memory, and some operations choose their algorithm by that.
        dims = sorted(range(value.ndim), key=value.stride, reverse=True)
        values = value.detach().as_subclass(Tensor).permute(dims).contiguous()
        strides = values.permute(sorted(range(value.ndim), key=dims.__getitem__)).stride()
        data = values.numpy().tobytes()
        place = (str(values.dtype).removeprefix("torch."), tuple(value.shape), strides, self._end, values.numel())
        data += bytes(-len(data) % _ALIGNMENT)
        self.parts.append(data)
        self._end += len(data)
        return place

    def reducer_override(self, value: Any) -> Any:
        """Reduce data classes to their fields, ignoring any custom pickling for loader processes."""
        if isinstance(value, type) or not is_dataclass(value):
            return NotImplemented
        return type(value), tuple(getattr(value, field.name) for field in fields(value) if field.init)


class _Unpacking(pickle.Unpickler):
    def __init__(self, file: BytesIO, buffer: bytearray) -> None:
        super().__init__(file)
        self._buffer = buffer

    def find_class(self, module: str, name: str) -> Any:
        """A named tuple or data class of the package.

        Raises:
            pickle.UnpicklingError: for any other class.
        """
        if module.partition(".")[0] == _PACKAGE and "." not in name:
            found = super().find_class(module, name)
            is_own = isinstance(found, type) and found.__module__.partition(".")[0] == _PACKAGE
            if is_own and (is_dataclass(found) or hasattr(found, "_fields")):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} cannot be kept")

    def persistent_load(self, place: Any) -> Tensor:
        """The tensor at this place."""
        dtype, shape, strides, offset, count = place
        kind = getattr(torch, dtype)
        if not count:
            return torch.empty_strided(shape, strides, dtype=kind)
        return torch.frombuffer(self._buffer, dtype=kind, count=count, offset=offset).as_strided(shape, strides)
