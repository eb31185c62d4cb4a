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
from reorder_kit.data.decoding import Decoding
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
        decoding: how images are decoded.
        targets: makes a target of what a record says.
    """

    def __init__(self, store: RecordStore, numbers: Iterable[int], decoding: Decoding, targets: FieldTargets) -> None:
        # A list of numbers would be slow to send to loader processes.
        self._numbers: Int64[np.ndarray, " record"] = np.fromiter(numbers, dtype=np.int64)
        self._store, self._decoding, self._targets = store, decoding, targets

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        if isinstance(index, slice):
            return Records(self._store, self._numbers[index], self._decoding, self._targets)
        return Record(self._store, int(self._numbers[index]), self._decoding, self._targets)


@dataclass(frozen=True)
class Record:
    """One record, not yet read.

    Args:
        store: where it lies.
        number: its number there.
        decoding: how images are decoded.
        targets: makes a target of what it says.
    """

    store: RecordStore
    number: int
    decoding: Decoding
    targets: FieldTargets

    @property
    def path(self) -> str:
        """How to call it in messages."""
        return self.store.name(self.number)

    def name(self, root: Path) -> str:
        """How to call it wherever the data lies."""
        return self.store.key(self.number)

    def file(self) -> BytesIO:
        """The encoded image.

        Raises:
            OSError: if it cannot be read.
            ValueError: if there is none.
        """
        return BytesIO(self.store.read(self.number)[0])

    def content_digest(self) -> str:
        """Of the encoded image."""
        return self.store.content_digest(self.number)

    def read(self) -> RawSample | Unreadable:
        """Decode image and target."""
        try:
            encoded, value = self.store.read(self.number)
        except (OSError, ValueError) as error:
            return Unreadable(self.path, str(error))
        picture = decode_image(BytesIO(encoded), self.path, self.decoding)
        if isinstance(picture, Unreadable):
            return picture
        return self.targets.sample(picture, value, self.path, self.decoding.most_pixels)

    def label(self) -> Any | Unreadable:
        """The target without the image, of the kinds that do not hang on its pixels."""
        try:
            return self.targets(self.store.read_target(self.number))
        except (OSError, ValueError) as error:
            return Unreadable(self.path, str(error))
