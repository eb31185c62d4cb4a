"""Images that are decoded once: the option ``cache`` of every source that decodes files."""

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
"""So many images are decoded when the data is opened, to know how much space all of them need."""

# Goes up when images are decoded or kept in another way.
_FORMAT = 1
_GIGABYTE = 10**9
# Of what is free: models, checkpoints and the system need the rest.
_SHARE = 0.8


class CacheOptions(ComponentOptions):
    """Whether images are decoded once, or whenever they are used."""

    cache: Literal["none", "memory", "disk"] = Field(
        "none",
        description="none: images are decoded whenever they are used; memory: once, and kept in memory that the "
        "processes that load images share, for as long as the run lasts; disk: once, and kept in a file for later "
        "runs. Images are kept as decoded, before any transform, so results are the same; what does not fit is refused",
    )
    cache_folder: HomePath | None = Field(
        None,
        description="folder of the files of cache: disk, which may be deleted at any time; ~ is the home folder; "
        "not given: reorder-kit/images in the user's cache folder",
    )

    def unused(self) -> dict[str, str]:
        """A folder without a file."""
        return super().unused() | ({} if self.cache == "disk" else {"cache_folder": "cache: disk alone has a folder"})

    def with_cache(self, splits: DataSplits, root: Path) -> DataSplits:
        """Opened data whose images are decoded once, if that is asked for.

        Args:
            splits: of :class:`DecodedSamples`.
            root: where the data lies.

        Raises:
            ReorderKitError: if there is too little space, or none at all.
        """
        sets = [each for each in (splits.train, splits.validation, splits.test) if isinstance(each, DecodedSamples)]
        if self.cache == "memory":
            processes = max(1, int(os.environ.get("LOCAL_WORLD_SIZE") or 1))  # as torchrun says
            space = int(_SHARE * free_memory()) // processes
            each = "" if processes == 1 else f" for each of {processes} processes"
            _require_space(sets, space, f"memory may be used{each}: {_SHARE:.0%} of what is free")
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
            _require_space(sets, space, f"the disk of {path.parent} may be used: {_SHARE:.0%} of what is free")
            store, number_of = ImageStore(len(ordered), space, path), {key: place for place, key in enumerate(ordered)}
            for samples, of_set in zip(sets, keys, strict=True):
                samples.keep_decoded(store, [number_of[key] for key in of_set])
        return splits


class DecodedSamples(ABC, Generic[Decoded]):
    """A set of samples that are decoded first and transformed then; what was decoded can be kept."""

    _store: ImageStore | None = None
    _numbers: Sequence[int] = ()

    @abstractmethod
    def __len__(self) -> int:
        """Samples."""

    @abstractmethod
    def decode(self, index: int) -> Decoded | Unreadable:
        """Read and decode a sample, the same each time: nothing random."""

    @abstractmethod
    def decoding_key(self, index: int) -> bytes:
        """What differs where :meth:`decode` could give something else: files, their content, options, targets."""

    def keep_decoded(self, store: ImageStore, numbers: Sequence[int]) -> None:
        """Decode each sample once from now on.

        Args:
            store: where it is kept.
            numbers: of each sample in the store.
        """
        self._store, self._numbers = store, numbers

    def decoded(self, index: int) -> Decoded | Unreadable:
        """The decoded sample, which is decoded now or was before. What cannot be read is tried again each time."""
        if self._store is None:
            return self.decode(index)
        number = self._numbers[index]
        packed = self._store.get(number)
        if packed is not None:
            try:
                kept: Decoded = unpack(packed, check=self._store.path is not None)
            except (ValueError, TypeError, pickle.UnpicklingError):  # a crash while it was written, another version
                pass
            else:
                return kept
        read = self.decode(index)
        if not isinstance(read, Unreadable):
            self._store.put(number, pack(read))
        return read


def file_key(path: str) -> bytes:
    """What differs where a file was changed: its content as far as that is cheap to know, and its time of change."""
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError:
        changed = 0
    return f"{path} {FileIdentity(Path(), path).digest()} {changed}".encode(errors="surrogateescape")


def key_of(*parts: object) -> bytes:
    """A digest of plain data and data classes."""
    # A pickle says everything of them, and is only written here, never read.
    return hashlib.blake2b(pickle.dumps(parts, protocol=5), digest_size=16).digest()


def _require_space(sets: Sequence[DecodedSamples[object]], space: int, where: str) -> None:
    """Check that all images fit, by a look at some from all over the data.

    Raises:
        ReorderKitError: naming what is needed and what is there.
    """
    places = [(samples, index) for samples in sets for index in range(len(samples))]
    step = max(1, len(places) // LOOKED_AT)
    decoded = (samples.decode(index) for samples, index in places[step // 2 :: step])
    sizes = [_size(read) for read in decoded if not isinstance(read, Unreadable)]
    needed = len(places) * sum(sizes) // max(1, len(sizes))
    if needed > space:
        raise ReorderKitError(
            f"data.cache: the {len(places):,} decoded images take about {_told(needed)}, but {_told(space)} of {where}",
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
    """The given one, or the user's cache folder."""
    if given is not None:
        return given
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "reorder-kit", "images").expanduser()
    except RuntimeError as error:  # a user without a home, as in some containers
        raise ReorderKitError(f"data.cache_folder: {error}", "name a folder that is there") from error


def _file_name(root: Path, keys: Sequence[bytes]) -> str:
    """Another one wherever anything differs that decoded images depend on."""
    content = key_of(_FORMAT, PIL.__version__, reorder_kit.__version__, keys).hex()
    return f"{root.name}-{content}.images"


def _space_for(path: Path) -> int:
    """Bytes that a file may have: those that it has, and those that are free."""
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
