"""Images and targets in tar files of the WebDataset format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from jaxtyping import UInt8
from pydantic import Field, field_validator, model_validator

from reorder_kit.data.annotated import AnnotatedSource
from reorder_kit.data.box_plausibility import BoxFormat
from reorder_kit.data.brace_pattern import names_of
from reorder_kit.data.field_targets import Label, labels_in
from reorder_kit.data.file_identity import FileIdentity, name_below
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_options import HomePath
from reorder_kit.data.image_walk import JUNK_FOUND, is_junk
from reorder_kit.data.real_files import is_folder, is_regular
from reorder_kit.data.record_classes import RecordClasses, find_classes_of
from reorder_kit.data.record_objects import BoxCounts, count_boxes
from reorder_kit.data.record_options import RecordOptions, open_records
from reorder_kit.data.records import RecordIdentity
from reorder_kit.data.shard_files import ShardFiles
from reorder_kit.data.shard_index import Places, ShardIndex, index_shard
from reorder_kit.data.shard_notes import NOTE_ENDING, add_to_note, as_array, from_array, read_note
from reorder_kit.data.target_member import TargetMember, is_json
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import BOXES, CLASS, MASK, MULTI_LABEL, DataSource, DataSplits, Identity, TargetKind

TARGET_ENDINGS: dict[TargetKind, str] = {CLASS: "cls", MULTI_LABEL: "json", BOXES: "json", MASK: "mask.png"}
JSON_FIELDS: dict[TargetKind, str] = {CLASS: "class", MULTI_LABEL: "labels", BOXES: "objects"}


class WebDataset(AnnotatedSource):
    """Shards in WebDataset format: tar files in which the members ``0001.jpg`` and ``0001.cls`` form a sample.

    By target kind, the target is

    * ``class``: a member ``cls`` with the number or the name of the class, or ``class`` in a JSON member;
    * ``multi-label``: ``labels`` in a JSON member, a list of classes;
    * ``boxes``: ``objects`` in a JSON member, a list of dictionaries with ``bbox`` (four numbers, see ``box_format``),
      ``category`` (a class) and optionally ``iscrowd``; or a dictionary of such lists;
    * ``mask``: a member ``mask.png``.

    A JSON member that is not a dictionary is the value itself.

    Images are turned upright according to their EXIF orientation, which the library webdataset does not do. So boxes
    are assumed to be made on the stored pixels, and turned with the image; so are masks, except those whose size
    matches only the upright pixels. Cases that the sizes do not decide are reported.

    Shards are not streamed. Their headers are read once. The place of each member, and what must be known of its target
    before training, are noted in a file next to the shard (``NAME.tar.index.npz``, or in the user's cache folder);
    members are then read by position. So shards are shuffled, divided and resumed like image files: an epoch has every
    sample once across all ranks and workers, in a new permutation of all samples, and a resumed run continues with the
    same batches. The price is random access, which is cheap on local solid-state disks, in the file system's cache, and
    on mounted object stores that can read a range; on spinning disks and stores that fetch whole files, streaming would
    be much faster. Only uncompressed tar files are read, including several concatenated into one file. An extension
    starts at the first dot of a name; hidden files, broken links and the like are left out and counted. A note that
    does not match the shard's members is rewritten.

    Missing splits are set aside from train by ``split_seed``, test first, with shares as equal as possible across
    classes, where each image counts for its rarest class; no class loses its last training image.

    Boxes without width or height, or without four finite numbers, are left out and counted. ``iscrowd`` is a boolean, 0
    or 1, also as text; anything else makes the sample unreadable. Before training, boxes of up to 100 images of each
    split are compared with the image sizes, and refused if they look normalized, like the other format, or with x and y
    exchanged.

    Except for masks, all targets are read the first time, to find the classes. If ``classes`` are given, class numbers
    are positions in that list, from 0; numbers that start at 1 are refused. Lists of labels with a 0 or 1 for each
    class are read as such if there are more than two classes.

    Source: https://github.com/webdataset/webdataset
    """

    name = "webdataset"
    target_kinds = (CLASS, MULTI_LABEL, BOXES, MASK)

    class Options(RecordOptions):
        root: HomePath = Field(description="the folder of the shards; ~ is the home folder")
        train: str = Field(description="shards for training, below root: train-*.tar, or train-{000..146}.tar")
        validation: str | None = Field(
            None, description="shards for validation, in the same form; default: set aside from train"
        )
        test: str | None = Field(
            None, description="shards for testing, in the same form; default: set aside from train"
        )
        image_endings: tuple[str, ...] = Field(
            ("jpg", "jpeg", "png", "webp"), min_length=1, description="extensions of images; the first match is used"
        )
        target_ending: str | None = Field(
            None,
            description="extension of the members with the targets; default by kind: "
            + ", ".join(f"{ending} ({kind})" for kind, ending in TARGET_ENDINGS.items()),
        )
        json_field: str | None = Field(
            None,
            description="field of a JSON target; default by kind: "
            + ", ".join(f"{name} ({kind})" for kind, name in JSON_FIELDS.items()),
        )

        @field_validator("train", "validation", "test")
        @classmethod
        def _is_a_pattern(cls, pattern: str | None) -> str | None:
            if pattern is not None:
                for name in names_of(pattern):
                    if not name or PurePath(name).is_absolute() or ".." in PurePath(name).parts:
                        raise ValueError(f"{pattern!r} must lead to files below root")
            return pattern

        @model_validator(mode="after")
        def _image_is_not_the_target(self) -> WebDataset.Options:
            if self.target_ending in self.image_endings:
                raise ValueError(f"{self.target_ending!r} cannot be the extension of both images and targets")
            return self

        def unused(self) -> dict[str, str]:
            """Options without effect, including a JSON field of members that are not JSON."""
            ending = self.target_ending
            if ending is None or is_json(ending):
                return super().unused()
            return super().unused() | {"json_field": f"members with the extension {ending} have no fields"}

    options: Options
    _notes_beside = True

    def without_downloads(self) -> WebDataset:
        """The source with notes of shards written only into the user's cache folder."""
        source = copy(self)
        source._notes_beside = False
        return source

    def open(self, seed: int) -> DataSplits:
        """Index the shards, and read the training targets if necessary."""
        options, kind = self.options, self.target_kind
        meaning = self._target_member()
        findings = Findings()
        patterns = {"train": options.train, "validation": options.validation, "test": options.test}
        paths = {
            split: _find_shards(options.root, pattern, f"data.{split}", findings)
            for split, pattern in patterns.items()
            if pattern is not None
        }
        _require_distinct(paths)
        shards = {
            split: _Shards(options.root, split_paths, options.image_endings, meaning, self._notes_beside)
            for split, split_paths in paths.items()
        }
        for of_split in shards.values():
            of_split.tell(findings)
        if kind == MASK:
            classes = RecordClasses.of_masks(options.mask_classes(), shards)
        else:
            classes = find_classes_of(kind, options.classes, shards, "data.target_ending", findings)
        return open_records(
            options, kind, classes, shards, seed, options.root, self.recorded, findings, usual_frame="stored"
        )

    def _target_member(self) -> TargetMember:
        kind, field = self.target_kind, self.options.json_field
        ending = self.options.target_ending or TARGET_ENDINGS[kind]
        if kind != CLASS and is_json(ending) == (kind == MASK):
            raise ReorderKitError(
                f"data.target_ending: {kind} targets cannot be read from members with the extension {ending}"
            )
        if field is not None and not is_json(ending):
            raise ReorderKitError(f"data.json_field does nothing: members with the extension {ending} have no fields")
        return TargetMember(kind, ending, field or JSON_FIELDS.get(kind))


def _find_shards(root: Path, pattern: str, field: str, findings: Findings) -> list[Path]:
    if not is_folder(root, "data.root"):
        raise ReorderKitError(f"data.root: the folder {root} does not exist")
    found: dict[Path, None] = {}
    for name in names_of(pattern):
        # A pattern without an extension also matches the notes next to shards, even unfinished ones.
        matching = []
        for path in sorted(root.glob(name)):
            if is_junk(path.name) and path.name != PurePath(name).name:
                findings.add(JUNK_FOUND, name_below(root, str(path)))
            elif NOTE_ENDING not in path.name and is_regular(path):
                matching.append(path)
        if not matching:
            raise ReorderKitError(f"{field}: the shard {root / name} does not exist")
        found |= dict.fromkeys(matching)
    return list(found)


def _require_distinct(paths: Mapping[str, Iterable[Path]]) -> None:
    owner: dict[Path, str] = {}
    for split, split_paths in paths.items():
        for path in split_paths:
            if path in owner:
                raise ReorderKitError(f"data.{split}: the shard {path} is also in data.{owner[path]}")
            owner[path] = split


class _Shards:
    """The samples of several shards: the places of each sample's image and target."""

    def __init__(
        self, root: Path, paths: Sequence[Path], images: Sequence[str], target: TargetMember, notes_beside: bool
    ) -> None:
        self._root, self._notes_beside = root, notes_beside
        self._indexes = [index_shard(path, notes_beside) for path in paths]
        self._ends = np.cumsum([len(index) for index in self._indexes])
        self._image_endings, self._target, self._files = images, target, ShardFiles()
        self._image_places = np.concatenate([_places(index, images, "data.image_endings") for index in self._indexes])
        self._target_places = np.concatenate(
            [_places(index, [target.ending], "data.target_ending") for index in self._indexes]
        )

    def __len__(self) -> int:
        return int(self._ends[-1])

    def tell(self, findings: Findings) -> None:
        """Report what was left out of the shards or read differently."""
        for index in self._indexes:
            for finding in index.findings:
                findings.add(finding.what, finding.example, finding.count)
            dotted = _dotted(index, self._image_endings, self._target.ending)
            if dotted:
                what = "samples have no image but another dot in their name, where the extension starts"
                findings.add(what, f"{index.path}, {dotted[0]}", len(dotted))

    def name(self, number: int) -> str:
        """A sample's name in messages."""
        index, place = self._place(number)
        return index.name(place)

    def identity(self, number: int) -> Identity:
        """The identity of a sample, by its shard and its name in the shard."""
        index, place = self._place(number)
        shard = FileIdentity(self._root, str(index.path)).name
        offset, size = self._image_places[number].tolist()
        return RecordIdentity(
            f"{shard}/{index.key(place)}",
            size,
            lambda start, length: self._files.read(index.path, offset + start, length),
        )

    def read(self, number: int) -> tuple[bytes, Any]:
        """The encoded image of a sample, and the value of its target.

        Raises:
            OSError: if the shard has changed.
            ValueError: if the sample lacks one of them, or its target is malformed.
        """
        return self._read(number, self._image_places, "image"), self.read_target(number)

    def read_target(self, number: int) -> Any:
        """The value of a sample's target.

        Raises:
            OSError: if the shard has changed.
            ValueError: if the sample lacks it, or it is malformed.
        """
        return self._target.value(self._read(number, self._target_places, f"member {self._target.ending}"))

    def class_names(self) -> None:
        """None: shards have no class names besides the labels of their samples."""

    def labels(self) -> Iterator[Sequence[Label]]:
        """The classes of every sample; empty if they cannot be read, which is reported when the sample is read."""
        return self._noted(f"labels {self._target}", lambda value: labels_in(self._target.kind, value), [])

    def count_boxes(self, box_format: BoxFormat) -> BoxCounts:
        """The number of invalid boxes of each sample, and of all its boxes."""
        counts = self._noted(f"boxes {box_format} {self._target}", lambda value: count_boxes(value, box_format), (0, 0))
        return np.array(list(counts), dtype=np.int64).reshape(-1, 2)

    def _noted(self, name: str, extract: Callable[[Any], Any], default: Any) -> Iterator[Any]:
        """The extracts of all targets, noted next to each shard and read from there the next time.

        Args:
            name: the name of the note.
            extract: gives what is noted of a target; a ValueError selects the default.
            default: the value for a sample whose target cannot be read.
        """

        def extracted(numbers: Iterable[int]) -> UInt8[np.ndarray, " byte"]:
            return as_array([self._extracted(number, extract, default) for number in numbers])

        for index, end in zip(self._indexes, self._ends.tolist(), strict=True):
            samples = range(end - len(index), end)
            noted = read_note(index.path, [name])
            values = None if noted is None else _listed(noted[name])
            # A note may be outdated although size and time match.
            ends = [*samples[:1], *samples[-1:]]
            if values is None or len(values) != len(index) or values[:1] + values[-1:] != from_array(extracted(ends)):
                array = extracted(samples)
                add_to_note(index.path, {name: array}, self._notes_beside)
                values = from_array(array)
            yield from values

    def _extracted(self, number: int, extract: Callable[[Any], Any], default: Any) -> Any:
        try:
            return extract(self.read_target(number))
        except ValueError:
            return default
        except OSError as error:
            raise ReorderKitError(f"{self.name(number)} cannot be read: {error}") from error

    def _read(self, number: int, places: Places, what: str) -> bytes:
        offset, size = places[number].tolist()
        if offset < 0:
            index, sample = self._place(number)
            endings = [ending for ending, there in index.members.items() if there[sample, 0] >= 0]
            raise ValueError(f"the sample has no {what}; extensions of its members: {', '.join(endings)}")
        return self._files.read(self._indexes[self._shard(number)].path, offset, size)

    def _place(self, number: int) -> tuple[ShardIndex, int]:
        shard = self._shard(number)
        return self._indexes[shard], number - int(self._ends[shard]) + len(self._indexes[shard])

    def _shard(self, number: int) -> int:
        return int(np.searchsorted(self._ends, number, side="right"))


def _listed(array: UInt8[np.ndarray, " byte"]) -> list[Any] | None:
    """The noted list; None if it is not a list."""
    try:
        values = from_array(array)
    except ValueError:
        return None
    return values if isinstance(values, list) else None


def _places(index: ShardIndex, endings: Sequence[str], field: str) -> Places:
    places = index.places(endings)
    if len(places) and (places[:, 0] < 0).all():
        dotted = _dotted(index, endings, "")
        why = f"; an extension starts at the first dot of a name, as in {dotted[0]}" if dotted else ""
        raise ReorderKitError(
            f"{field}: no sample of {index.path} has a member {' or '.join(endings)}",
            f"its extensions: {', '.join(index.members)}{why}",
        )
    return places


def _dotted(index: ShardIndex, endings: Sequence[str], other: str) -> list[str]:
    """The members with such an extension after another dot, of samples that lack these extensions.

    Args:
        index: the index of the shard.
        endings: the wanted extensions.
        other: an extension with another meaning.
    """
    is_lacking = index.places(endings)[:, 0] < 0
    return [
        f"{index.key(sample)}.{ending}"
        for ending, places in index.members.items()
        if ending != other and ending.rpartition(".")[2] in endings
        for sample in np.flatnonzero(is_lacking & (places[:, 0] >= 0)).tolist()
    ]


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [WebDataset]
