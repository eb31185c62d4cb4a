"""Records of a split, read one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from reorder_kit.data.annotated import RawSample
from reorder_kit.data.box_plausibility import BoxFormat
from reorder_kit.data.decoded_cache import key_of
from reorder_kit.data.decoding import Decoding
from reorder_kit.data.field_targets import FieldTargets, Label, mask_values
from reorder_kit.data.image_file import decode_image
from reorder_kit.data.record_objects import BoxCounts
from reorder_kit.interfaces import Identity, Unreadable
from reorder_kit.interfaces.identity import ENDS_BYTES, Stored, digest_of


class RecordStore(Protocol):
    """Holds the records of a split."""

    def __len__(self) -> int:
        """Records."""
        ...

    def name(self, number: int) -> str:
        """A record's name in messages."""
        ...

    def identity(self, number: int) -> Identity:
        """A record's name, independent of the data's location, and what identifies its image."""
        ...

    def read(self, number: int) -> tuple[bytes, Any]:
        """The encoded image of a record, and the value of its target.

        Raises:
            OSError: if it cannot be read.
            ValueError: if something is missing or malformed.
        """
        ...

    def read_target(self, number: int) -> Any:
        """The value of a record's target, without its image.

        Raises:
            OSError: if it cannot be read.
            ValueError: if it is missing or malformed.
        """
        ...

    def class_names(self) -> Sequence[str] | None:
        """The names that the data gives to class numbers; None if it gives none."""
        ...

    def labels(self) -> Iterable[Sequence[Label]]:
        """The class labels of each record, empty if they cannot be read. Not used if targets are masks."""
        ...

    def count_boxes(self, box_format: BoxFormat) -> BoxCounts:
        """The number of invalid boxes of each record, and of all its boxes; used if targets are boxes."""
        ...


@dataclass(frozen=True)
class RecordIdentity(Identity):
    """The identity of a record, by its key.

    Args:
        key: its name, independent of the data's location.
        size: size of the encoded image, in bytes; 0 if there is none.
        read: reads some of its bytes, starting at an offset.
    """

    key: str
    size: int
    read: Callable[[int, int], bytes]

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    def encoded(self) -> bytes:
        """The encoded image; empty if there is none."""
        return self.read(0, self.size) if self.size else b""

    def stored(self) -> Stored | None:
        """The size."""
        return Stored(self.size) if self.size else None

    def digest(self) -> str:
        """The digest, without reading the bytes between the ends."""
        if self.size <= 2 * ENDS_BYTES:
            return super().digest()
        try:
            return digest_of(self.size, self.read(0, ENDS_BYTES) + self.read(self.size - ENDS_BYTES, ENDS_BYTES))
        except OSError:
            return ""


class Records(Sequence["Record"]):
    """Some records of a store.

    Args:
        store: holds the records.
        numbers: their numbers in the store.
        decoding: how images are decoded.
        targets: makes a target from a record's value.
    """

    def __init__(self, store: RecordStore, numbers: Iterable[int], decoding: Decoding, targets: FieldTargets) -> None:
        # An array: a list of numbers would be slow to send to loader processes.
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
        store: holds the record.
        number: its number in the store.
        decoding: how images are decoded.
        targets: makes a target from the record's value.
    """

    store: RecordStore
    number: int
    decoding: Decoding
    targets: FieldTargets

    @property
    def path(self) -> str:
        """The name of the record in messages."""
        return self.store.name(self.number)

    def file(self) -> BytesIO:
        """The encoded image.

        Raises:
            OSError: if it cannot be read.
            ValueError: if there is no image.
        """
        encoded = self.store.identity(self.number).encoded()
        if not encoded:
            raise ValueError("there is no image")
        return BytesIO(encoded)

    def identity(self, root: Path) -> Identity:
        """Its name, independent of the data's location, and what identifies its image."""
        return self.store.identity(self.number)

    def decoding_key(self) -> bytes:
        """The key of the encoded image, its decoding and its target."""
        try:
            value = self.store.read_target(self.number)
        except (OSError, ValueError) as error:
            value = str(error)
        identity = self.store.identity(self.number)
        return key_of(identity.name, identity.digest(), value, self.decoding, self.targets)

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

    def mask_values(self) -> NDArray[Any] | Unreadable:
        """The values of its mask, without the image."""
        legend = self.targets.legend
        assert legend is not None  # only called for masks
        try:
            return mask_values(self.store.read_target(self.number), legend, self.decoding.most_pixels)
        except (OSError, ValueError) as error:
            return Unreadable(self.path, str(error))

    def label(self) -> Any | Unreadable:
        """The target without the image, for kinds that do not depend on its pixels."""
        try:
            return self.targets(self.store.read_target(self.number))
        except (OSError, ValueError) as error:
            return Unreadable(self.path, str(error))
