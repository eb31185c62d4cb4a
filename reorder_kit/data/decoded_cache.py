"""Images decoded only once: the option ``cache`` of every source that decodes files."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Generic, Literal, TypeVar

import PIL
from pydantic import Field

import reorder_kit
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.free_memory import free_memory
from reorder_kit.data.image_store import ImageStore
from reorder_kit.data.packed_images import pack, unpack
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import ComponentOptions, DataSplits, HomePath, Unreadable

Decoded = TypeVar("Decoded")

LOOKED_AT = 64
"""The number of images that are decoded when data is opened, to estimate the space that all of them need."""

# Increase it when decoding or the stored format changes.
_FORMAT = 1
_GIGABYTE = 10**9
# A share of the free space: models, checkpoints and the system need the rest.
_SHARE = 0.8


class CacheOptions(ComponentOptions):
    """Whether images are decoded once, or each time they are used."""

    cache: Literal["none", "memory", "disk"] = Field(
        "none",
        description="none: images are decoded each time they are used; memory: once, and kept for the duration of the "
        "run in memory shared by the loader processes; disk: once, and kept in a file for later runs. Images are kept "
        "as decoded, before any transform, so results are the same. A run whose images do not fit is refused",
    )
    cache_folder: HomePath | None = Field(
        None,
        description="folder for the files of cache: disk, which may be deleted at any time; ~ is the home folder; "
        "default: reorder-kit/images in the user's cache folder",
    )

    def unused(self) -> dict[str, str]:
        """A cache folder without a disk cache."""
        return super().unused() | ({} if self.cache == "disk" else {"cache_folder": "only cache: disk uses a folder"})

    def with_cache(self, splits: DataSplits, root: Path) -> DataSplits:
        """Opened data whose images are decoded once, if the options say so.

        Args:
            splits: the splits, of :class:`DecodedSamples`.
            root: the folder of the data.

        Raises:
            ReorderKitError: if there is too little space.
        """
        sets = [each for each in (splits.train, splits.validation, splits.test) if isinstance(each, DecodedSamples)]
        if self.cache == "memory":
            processes = max(1, int(os.environ.get("LOCAL_WORLD_SIZE") or 1))  # as torchrun says
            space = int(_SHARE * free_memory()) // processes
            each = "" if processes == 1 else f" for each of {processes} processes"
            _require_space(sets, space, f"memory is available{each}: {_SHARE:.0%} of the free memory")
            first = 0
            store = ImageStore(sum(map(len, sets)), space)
            for samples in sets:
                samples.keep_decoded(store, range(first, first + len(samples)))
                first += len(samples)
        elif self.cache == "disk":
            keys = [[samples.decoding_key(index) for index in range(len(samples))] for samples in sets]
            ordered = sorted(key for of_set in keys for key in of_set)
            path = _folder(self.cache_folder) / _file_name(root, ordered)
            space = int(_SHARE * _space_for(path))
            _require_space(sets, space, f"disk space is available in {path.parent}: {_SHARE:.0%} of the free space")
            store, number_of = ImageStore(len(ordered), space, path), {key: place for place, key in enumerate(ordered)}
            for samples, of_set in zip(sets, keys, strict=True):
                samples.keep_decoded(store, [number_of[key] for key in of_set])
        return splits


class DecodedSamples(ABC, Generic[Decoded]):
    """A set of samples that are first decoded, then transformed; the decoded samples can be kept."""

    _store: ImageStore | None = None
    _numbers: Sequence[int] = ()

    @abstractmethod
    def __len__(self) -> int:
        """Samples."""

    @abstractmethod
    def decode(self, index: int) -> Decoded | Unreadable:
        """Read and decode a sample, with the same result each time."""

    @abstractmethod
    def decoding_key(self, index: int) -> bytes:
        """A key of all that the result of :meth:`decode` depends on: file, content, options, target."""

    def keep_decoded(self, store: ImageStore, numbers: Sequence[int]) -> None:
        """Decode each sample once from now on.

        Args:
            store: keeps the decoded samples.
            numbers: each sample's number in the store.
        """
        self._store, self._numbers = store, numbers

    def decoded(self, index: int) -> Decoded | Unreadable:
        """The decoded sample, from the store if it is there. Unreadable samples are tried again each time."""
        if self._store is None:
            return self.decode(index)
        number = self._numbers[index]
        packed = self._store.get(number)
        if packed is not None:
            try:
                kept: Decoded = unpack(packed, check=self._store.path is not None)
            except (ValueError, TypeError, pickle.UnpicklingError):  # after a crash, or from another version
                pass
            else:
                return kept
        read = self.decode(index)
        if not isinstance(read, Unreadable):
            self._store.put(number, pack(read))
        return read


def file_key(path: str) -> bytes:
    """A key that changes with a file, from the cheaply read part of its content and its modification time."""
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError:
        changed = 0
    return f"{path} {FileIdentity(Path(), path).digest()} {changed}".encode(errors="surrogateescape")


def key_of(*parts: object) -> bytes:
    """A digest of plain data and data classes."""
    # A pickle contains all of their content, and is only written here, never read.
    return hashlib.blake2b(pickle.dumps(parts, protocol=5), digest_size=16).digest()


def _require_space(sets: Sequence[DecodedSamples[object]], space: int, where: str) -> None:
    """Check that all images fit, estimated from a spread sample of the data.

    Raises:
        ReorderKitError: naming the needed and the available space.
    """
    places = [(samples, index) for samples in sets for index in range(len(samples))]
    step = max(1, len(places) // LOOKED_AT)
    decoded = (samples.decode(index) for samples, index in places[step // 2 :: step])
    sizes = [_size(read) for read in decoded if not isinstance(read, Unreadable)]
    needed = len(places) * sum(sizes) // max(1, len(sizes))
    if needed > space:
        raise ReorderKitError(
            f"data.cache: the {len(places):,} decoded images take about {_told(needed)}, but only {_told(space)} of "
            f"{where}",
            "use cache: none; a smaller copy of large images also loads faster",
        )


def _size(decoded: object) -> int:
    packed = pack(decoded)
    try:
        unpack(packed)
    except pickle.UnpicklingError as error:
        raise ReorderKitError(f"data.cache: the images of this source cannot be kept: {error}", "use none") from error
    return len(packed)


def _folder(given: Path | None) -> Path:
    """The given folder, or the user's cache folder."""
    if given is not None:
        return given
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "reorder-kit", "images").expanduser()
    except RuntimeError as error:  # a user without a home, as in some containers
        raise ReorderKitError(f"data.cache_folder: {error}", "name an existing folder") from error


def _file_name(root: Path, keys: Sequence[bytes]) -> str:
    """A file name that changes with everything that decoded images depend on."""
    content = key_of(_FORMAT, PIL.__version__, reorder_kit.__version__, keys).hex()
    return f"{root.name}-{content}.images"


def _space_for(path: Path) -> int:
    """The bytes available for a file: its current size plus the free space."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        there = path.stat().st_size if path.exists() else 0
        return there + shutil.disk_usage(path.parent).free
    except OSError as error:
        raise ReorderKitError(
            f"data.cache: {path.parent} cannot be used: {error}", "name another folder with data.cache_folder"
        ) from error


def _told(size: int) -> str:
    return f"{size / _GIGABYTE:,.3g} GB"
