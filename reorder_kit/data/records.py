"""Records of a split that are read one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
from jaxtyping import Int64

from reorder_kit.data.annotated import RawSample
from reorder_kit.data.decoded_cache import key_of
from reorder_kit.data.field_targets import FieldTargets
from reorder_kit.data.image_file import decode_image
from reorder_kit.data.record_objects import BoxCounts, BoxFormat
from reorder_kit.interfaces import Unreadable


class RecordStore(Protocol):
    """Where the records of a split lie."""

    def __len__(self) -> int:
        """Records."""
        ...

    def name(self, number: int) -> str:
        """How to call a record in messages."""
        ...

    def key(self, number: int) -> str:
        """How a record is called wherever the data lies; no other of the source is called so."""
        ...

    def content_digest(self, number: int) -> str:
        """Of the encoded image of a record."""
        ...

    def read(self, number: int) -> tuple[bytes, Any]:
        """The encoded image of a record, and what its target says.

        Raises:
            OSError: if it cannot be read.
            ValueError: if something is missing, or cannot be understood.
        """
        ...

    def read_target(self, number: int) -> Any:
        """What the target of a record says, without its image.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is missing, or cannot be understood.
        """
        ...

    def count_boxes(self, box_format: BoxFormat) -> BoxCounts:
        """How many boxes of each record are none, and how many there are; asked for where targets are boxes."""
        ...


class Records(Sequence["Record"]):
    """Some records of a store.

    Args:
        store: where they lie.
        numbers: which.
        channels: 3 for colour, 1 for grey.
        targets: makes a target of what a record says.
    """

    def __init__(self, store: RecordStore, numbers: Iterable[int], channels: int, targets: FieldTargets) -> None:
        # A list of numbers would be slow to send to loader processes.
        self._numbers: Int64[np.ndarray, " record"] = np.fromiter(numbers, dtype=np.int64)
        self._store, self._channels, self._targets = store, channels, targets

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return Records(self._store, self._numbers[index], self._channels, self._targets)
        return Record(self._store, int(self._numbers[index]), self._channels, self._targets)


@dataclass(frozen=True)
class Record:
    """One record, not yet read.

    Args:
        store: where it lies.
        number: its number there.
        channels: 3 for colour, 1 for grey.
        targets: makes a target of what it says.
    """

    store: RecordStore
    number: int
    channels: int
    targets: FieldTargets

    @property
    def path(self) -> str:
        """How to call it in messages."""
        return self.store.name(self.number)

    def name(self, root: Path) -> str:
        """How to call it wherever the data lies."""
        return self.store.key(self.number)

    def content_digest(self) -> str:
        """Of the encoded image."""
        return self.store.content_digest(self.number)

    def decoding_key(self) -> bytes:
        """Of the encoded image, how it is decoded, and its target."""
        try:
            value = self.store.read_target(self.number)
        except (OSError, ValueError) as error:
            value = str(error)
        return key_of(self.store.key(self.number), self.content_digest(), value, self.channels, self.targets)

    def read(self) -> RawSample | Unreadable:
        """Decode image and target."""
        try:
            encoded, value = self.store.read(self.number)
        except (OSError, ValueError) as error:
            return Unreadable(self.path, str(error))
        image = decode_image(BytesIO(encoded), self.path, self.channels)
        return image if isinstance(image, Unreadable) else self.targets.sample(image, value, self.path)

    def label(self) -> Any | Unreadable:
        """The target without the image, of the kinds that do not hang on its pixels."""
        try:
            return self.targets(self.store.read_target(self.number))
        except (OSError, ValueError) as error:
            return Unreadable(self.path, str(error))
