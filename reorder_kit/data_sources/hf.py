"""Hugging Face data sets, from the hub or from a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from reorder_kit.data.annotated import AnnotatedSource
from reorder_kit.data.box_plausibility import BoxFormat
from reorder_kit.data.field_targets import Label, labels_of_row
from reorder_kit.data.file_identity import NamedFile
from reorder_kit.data.findings import Findings
from reorder_kit.data.record_classes import RecordClasses, find_classes_of
from reorder_kit.data.record_objects import BoxCounts, count_boxes
from reorder_kit.data.record_options import RecordOptions, open_records
from reorder_kit.data.records import RecordIdentity
from reorder_kit.data.split_names import Split, by_split
from reorder_kit.data_sources._hf_loading import fetched, load_splits
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import BOXES, CLASS, MASK, MULTI_LABEL, DataSource, DataSplits, Identity, TargetKind
from reorder_kit.interfaces.paths import in_home, on_this_machine

TARGET_COLUMNS: dict[TargetKind, str] = {CLASS: "label", MULTI_LABEL: "labels", BOXES: "objects", MASK: "mask"}


def _hub_or_folder(path: Path) -> Path:
    """Make the path of a folder absolute; a name on the hub stays unchanged."""
    return on_this_machine(path) if in_home(path).is_dir() else in_home(path)


class HuggingFace(AnnotatedSource):
    """A data set that the library ``datasets`` can read, from the hub or from a local folder.

    A local folder was written by ``save_to_disk``, or is one that ``load_dataset`` understands, such as a folder of
    Parquet files, which is copied into the library's cache once; neither needs a network. Images are not loaded into
    memory: Arrow maps the files, and a row is decoded when it is read. Install the library with
    ``pip install 'reorder-kit[hf]'``.

    By target kind, the target column holds

    * ``class``: a ``ClassLabel``, a whole number, also as a float such as 1.0, or a string;
    * ``multi-label``: a list of these;
    * ``boxes``: objects with ``bbox`` (four numbers, see ``box_format``), ``category`` (as a class) and optionally
      ``iscrowd``; a dictionary of lists or a list of dictionaries;
    * ``mask``: an image with one channel.

    Boxes without width or height, or without four finite numbers, are left out and counted. ``iscrowd`` is a boolean, 0
    or 1, also as text; anything else makes the row unreadable. Before training, boxes of up to 100 images of each split
    are compared with the image sizes, and refused if they look normalized, like the other format, or with x and y
    exchanged.

    If a ``ClassLabel`` names the classes, numbers are matched by these names: splits and ``data.classes`` may list them
    in a different sequence, but must have the same names. Lists of labels with a 0 or 1 for each class are read as such
    if there are more than two classes.

    Images are turned upright according to their EXIF orientation. The library does the same, so boxes are assumed to be
    made on the upright pixels; so are masks, except those whose size matches only the stored pixels, which are turned
    with the image. Cases that the sizes do not decide are reported.

    A missing validation split is set aside from train. If there is a validation split but no test split, it becomes the
    test split, and validation is set aside from train; if there is neither, both are set aside, test first. Images are
    set aside by ``split_seed``, with shares as equal as possible across classes, where each image counts for its rarest
    class; no class loses its last training image. Unlabeled test images, which many data sets have, are refused: name
    another split.

    Source: https://huggingface.co/docs/datasets
    """

    name = "hf"
    target_kinds = (CLASS, MULTI_LABEL, BOXES, MASK)

    class Options(RecordOptions):
        dataset: Annotated[Path, AfterValidator(_hub_or_folder)] = Field(
            description="name on the Hugging Face hub, or a local folder; ~ is the home folder"
        )
        config: str | None = Field(None, description="the configuration, if the data set has several")
        revision: str | None = Field(None, description="commit, branch or tag on the hub; default: the newest")
        train: str = Field("train", description="name of the split for training")
        validation: str | None = Field(
            None, description="name of the split for validation; default: validation, val, valid or dev, if any"
        )
        test: str | None = Field(None, description="name of the split for testing; default: test, if any")
        image_column: str = Field("image", description="column with the images")
        target_column: str | None = Field(
            None,
            description="column with the targets; default by kind: "
            + ", ".join(f"{column} ({kind})" for kind, column in TARGET_COLUMNS.items()),
        )

        @model_validator(mode="after")
        def _splits_are_told_apart(self) -> HuggingFace.Options:
            named = [name for name in (self.train, self.validation, self.test) if name is not None]
            if len(set(named)) < len(named):
                raise ValueError("train, validation and test must be different splits")
            return self

    options: Options
    _may_download = True

    @property
    def downloads(self) -> str | None:
        """The download of a data set from the hub, or of files that a local data set names elsewhere."""
        return fetched(self.options.dataset) if self._may_download else None

    def without_downloads(self) -> HuggingFace:
        """The source restricted to local files and earlier downloads from the hub."""
        source = copy(self)
        source._may_download = False
        return source

    def open(self, seed: int) -> DataSplits:
        """Open the Arrow files, and read the classes of the training images if the columns do not name them."""
        options, kind = self.options, self.target_kind
        loaded = load_splits(options.dataset, options.config, options.revision, self._may_download)
        names = self._split_names(loaded)
        column = options.target_column or TARGET_COLUMNS[kind]
        tables = {
            split: _Table(loaded[name], options.dataset, name, options.image_column, column, kind)
            for split, name in names.items()
        }
        findings = Findings()
        if kind == MASK:
            classes = RecordClasses.of_masks(options.mask_classes(), tables)
        else:
            classes = find_classes_of(kind, options.classes, tables, "data.target_column", findings)
            for split, label in classes.unknown.items():
                raise tables[split].unknown(label, len(classes.names))
        return open_records(
            options, kind, classes, tables, seed, options.dataset, self.recorded, findings, usual_frame="upright"
        )

    def _split_names(self, loaded: dict[str, Any]) -> dict[str, str]:
        """The name of each split that the data set has."""
        options = self.options
        given: dict[Split, str | None] = {
            "train": options.train,
            "validation": options.validation,
            "test": options.test,
        }
        hint = "choose with data.train, data.validation or data.test"
        named = by_split(loaded, f"data.dataset: {options.dataset}", hint, given)
        train = named.get("train", options.train) if options.train == "train" else options.train
        for field, name in (("train", train), ("validation", options.validation), ("test", options.test)):
            if name is not None and name not in loaded:
                raise ReorderKitError(
                    f"data.{field}: {options.dataset} has no split {name!r}", f"its splits: {', '.join(loaded)}"
                )
        taken = (train, options.validation, options.test)
        free = {split: name for split, name in named.items() if name not in taken}
        test, validation = options.test or free.get("test"), options.validation or free.get("validation")
        if test is None and options.validation is None:
            test, validation = validation, None
        chosen = {"train": train, "validation": validation, "test": test}
        return {split: name for split, name in chosen.items() if name is not None}


@dataclass(frozen=True)
class _Row(Identity):
    """The image of a row.

    Args:
        key: the split and the row number.
        cell: reads its Arrow value.
    """

    key: str
    cell: Callable[[], Any]

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    def encoded(self) -> bytes:
        """The file, which is in the data set or next to it; empty if there is none."""
        return self._stored().encoded()

    def digest(self) -> str:
        """The digest, without copying the bytes between the ends."""
        return self._stored().digest()

    def _stored(self) -> Identity:
        image = self.cell()
        stored = image["bytes"].as_buffer() if image.is_valid else None
        if stored is not None:
            return RecordIdentity(
                self.key, stored.size, lambda start, length: stored[start : start + length].to_pybytes()
            )
        path = image["path"].as_py() if image.is_valid else None
        return RecordIdentity(self.key, 0, lambda start, length: b"") if path is None else NamedFile(self.key, path)


class _Table:
    """The image column and the target column of a split."""

    def __init__(self, dataset: Any, place: Path, split: str, image: str, target: str, kind: TargetKind) -> None:
        name = f"{place}, split {split}"
        self._split = split
        features = dataset.features
        for field, column in (("data.image_column", image), ("data.target_column", target)):
            if column not in features:
                raise ReorderKitError(
                    f"{field}: {name} has no column {column!r}", f"its columns: {', '.join(features)}"
                )
        if not _is_image(features[image]):
            raise ReorderKitError(
                f"data.image_column: column {image!r} of {name} must hold images, but holds {features[image]}"
            )
        if not _fits(features[target], kind):
            raise ReorderKitError(
                f"data.target_column: column {target!r} of {name} must hold {kind} targets, but holds "
                f"{features[target]}",
                "name another column, or a task for these targets",
            )
        self._name, self._image, self._target, self._kind = name, image, target, kind
        self._feature = features[target]
        # As Arrow values instead of Python objects, so that reading the targets does not decode the images.
        self._rows = dataset.select_columns(list(dict.fromkeys((image, target)))).with_format("arrow")
        self._target_column = self._rows.select_columns([target])

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, number: int) -> str:
        """A row's name in messages."""
        return f"{self._name}, row {number}"

    def identity(self, number: int) -> Identity:
        """The identity of a row by split and number; the row is read only if more than its name is needed."""
        return _Row(f"{self._split}/{number}", lambda: self._rows[number].column(self._image)[0])

    def read(self, number: int) -> tuple[bytes, Any]:
        """The encoded image of a row, and its target.

        Raises:
            OSError: if a file outside the data set cannot be read.
            ValueError: if there is no image.
        """
        row = self._rows[number]
        target = row.column(self._target)[0].as_py()
        image = _encoded(row.column(self._image)[0].as_py())
        return image, _encoded(target) if self._kind == MASK else target

    def read_target(self, number: int) -> Any:
        """The target of a row, without its image.

        Raises:
            OSError: if a file outside the data set cannot be read.
            ValueError: if the target is an image, and there is none.
        """
        target = self._target_column[number].column(self._target)[0].as_py()
        return _encoded(target) if self._kind == MASK else target

    def class_names(self) -> Sequence[str] | None:
        """The names of a ``ClassLabel``; None if the column has another type."""
        names: Sequence[str] | None = getattr(_label_feature(self._feature, self._kind), "names", None)
        return names

    def labels(self) -> Iterator[Sequence[Label]]:
        """The classes of every row, which may be empty."""
        for number, row in enumerate(self._rows_of_labels()):
            try:
                yield labels_of_row(row)
            except ValueError as error:
                hint = "floats such as 1.0 count as whole numbers; convert probabilities or measurements to classes"
                raise ReorderKitError(f"data.target_column: {self.name(number)}: {error}", hint) from error

    def _rows_of_labels(self) -> Iterator[Any]:
        for chunk in self._column().iterchunks():
            if self._kind == CLASS:
                yield from ([label] for label in chunk.to_pylist())
            else:
                yield from chunk.to_pylist() if self._kind == MULTI_LABEL else _categories(chunk)

    def unknown(self, label: Label, classes: int) -> ReorderKitError:
        """The error for a row with an unknown class."""
        hint = "the classes are those of the training images, or of data.classes"
        if label == -1:
            hint = "-1 marks images without a class; name another split, as in data.test=validation"
        return ReorderKitError(
            f"data.target_column: {self._name} has the class {label!r}, which is not one of the {classes} classes", hint
        )

    def count_boxes(self, box_format: BoxFormat) -> BoxCounts:
        """The number of invalid boxes of each row, and of all its boxes."""
        chunks = self._column().iterchunks()
        counts = [count_boxes(value, box_format) for chunk in chunks for value in chunk.to_pylist()]
        return np.array(counts, dtype=np.int64).reshape(-1, 2)

    def _column(self) -> Any:
        return self._target_column[:].column(self._target)


def _categories(objects: Any) -> list[Any]:
    """The categories of every row's objects, without the boxes, which are slow to convert to Python numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(objects.type):
        rows: list[Any] = pc.struct_field(objects, "category").to_pylist()
        return rows
    flat = iter(pc.struct_field(pc.list_flatten(objects), "category").to_pylist())
    return [list(islice(flat, length or 0)) for length in pc.list_value_length(objects).to_pylist()]


def _encoded(cell: Any) -> bytes:
    """The file of an image, which is in the data set or next to it."""
    if cell is None or (cell["bytes"] is None and cell["path"] is None):
        raise ValueError("there is no image")
    return Path(cell["path"]).read_bytes() if cell["bytes"] is None else bytes(cell["bytes"])


def _is_image(feature: Any) -> bool:
    import datasets

    return isinstance(feature, datasets.Image)


def _fits(feature: Any, kind: TargetKind) -> bool:
    import pyarrow as pa

    if kind == MASK or _is_image(feature):
        return kind == MASK and _is_image(feature)
    stored = _stored(feature)
    if kind == BOXES:
        stored = stored.value_type if _is_list(stored) else stored
        if not pa.types.is_struct(stored) or any(stored.get_field_index(key) < 0 for key in ("bbox", "category")):
            return False
        category = stored.field("category").type
        return _is_scalar(category.value_type if _is_list(category) else category)
    if kind == MULTI_LABEL:
        return _is_list(stored) and _is_scalar(stored.value_type)
    return _is_scalar(stored)


def _stored(feature: Any) -> Any:
    """How Arrow stores a column."""
    import datasets

    return datasets.Features({"column": feature}).arrow_schema.field("column").type


def _is_scalar(stored: Any) -> bool:
    import pyarrow as pa

    # pandas turns whole numbers into floats if some are missing, and losses need 0 and 1 as floats.
    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)
    return any(check(stored) for check in (*checks, pa.types.is_large_string))


def _is_list(stored: Any) -> bool:
    import pyarrow as pa

    return any(check(stored) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _label_feature(feature: Any, kind: TargetKind) -> Any:
    """The feature of a single class, inside the lists and dictionaries that old and new releases write."""
    while True:
        if kind == BOXES and isinstance(feature, dict):
            feature = feature["category"]
        elif isinstance(feature, list):
            feature = feature[0]
        elif hasattr(feature, "feature"):
            feature = feature.feature
        else:
            return feature


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [HuggingFace]
