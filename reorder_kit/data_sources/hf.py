"""Data sets of Hugging Face, from the hub or from a folder."""

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
    """A name on the hub stays as it is; a folder is found from every working directory."""
    return on_this_machine(path) if in_home(path).is_dir() else in_home(path)


class HuggingFace(AnnotatedSource):
    """A data set that the library ``datasets`` can read: of the hub, or in a local folder.

    A local folder is what ``save_to_disk`` wrote, or one that ``load_dataset`` understands, as a folder of Parquet
    files, which is copied into the library's cache once; neither needs a network. Images are not loaded into memory:
    Arrow maps the files, and a row is decoded when it is asked for. The library comes with
    ``pip install 'reorder-kit[hf]'``.

    By target kind, the target column holds

    * ``class``: a ``ClassLabel``, a whole number, also as a float such as 1.0, or a text;
    * ``multi-label``: a list of these;
    * ``boxes``: objects with ``bbox`` (four numbers, see ``box_format``), ``category`` (as a class) and, where it is
      there, ``iscrowd``; a dictionary of lists or a list of dictionaries;
    * ``mask``: an image with one channel.

    Boxes without width or height, or of no four finite numbers, are left out and counted. ``iscrowd`` is a boolean, 0
    or 1, also as text; anything else makes the row unreadable. Boxes of up to 100 images of each split are compared
    with these before training, and refused if they look normalized, of the other format or with x and y exchanged.

    Where a ``ClassLabel`` names the classes, its numbers are read by these names: splits, and ``data.classes``, may
    have them in another sequence, but have to have the same. Lists of labels with a 0 or 1 for each of more than two
    classes are read as such.

    Images are turned upright by their EXIF orientation. So does the library when it decodes them, hence boxes are taken
    as made on the upright pixels; so are masks, except those that have the size of the stored pixels and not of the
    upright ones, which are turned along. What the sizes do not tell is reported.

    A missing validation split is set aside from train. Where there is a validation split but no test, that is the test
    split, and validation is set aside from train; where there is neither, both are, test first. What is set aside is
    drawn by ``split_seed``, as nearly the same share of each image's rarest class as can be; no class loses its last
    training image by that. Unlabelled test images, which many data sets have, are refused: name another split.

    Source: https://huggingface.co/docs/datasets
    """

    name = "hf"
    target_kinds = (CLASS, MULTI_LABEL, BOXES, MASK)

    class Options(RecordOptions):
        dataset: Annotated[Path, AfterValidator(_hub_or_folder)] = Field(
            description="name on the Hugging Face hub, or a local folder; ~ is the home folder"
        )
        config: str | None = Field(None, description="which of several configurations a data set has")
        revision: str | None = Field(None, description="commit, branch or tag on the hub; not given: the newest")
        train: str = Field("train", description="name of the split for training")
        validation: str | None = Field(
            None, description="name of the split for validation; not given: validation, val, valid or dev if there"
        )
        test: str | None = Field(None, description="name of the split for testing; not given: test if there")
        image_column: str = Field("image", description="column with the images")
        target_column: str | None = Field(
            None,
            description="column with the targets; not given, by their kind: "
            + ", ".join(f"{column} ({kind})" for kind, column in TARGET_COLUMNS.items()),
        )

        @model_validator(mode="after")
        def _splits_are_told_apart(self) -> HuggingFace.Options:
            named = [name for name in (self.train, self.validation, self.test) if name is not None]
            if len(set(named)) < len(named):
                raise ValueError("train, validation and test are different splits")
            return self

    options: Options
    _may_download = True

    @property
    def downloads(self) -> str | None:
        """A data set of the hub, or what a local one says of files that are elsewhere."""
        return fetched(self.options.dataset) if self._may_download else None

    def without_downloads(self) -> HuggingFace:
        """What is in the folder, or was fetched from the hub before."""
        source = copy(self)
        source._may_download = False
        return source

    def open(self, seed: int) -> DataSplits:
        """Open the Arrow files, and read the classes of the training images where the columns do not name them."""
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
        hint = "say with data.train, data.validation or data.test which"
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
        key: the split and the number.
        cell: reads what Arrow holds of it.
    """

    key: str
    cell: Callable[[], Any]

    @property
    def name(self) -> str:
        """The key."""
        return self.key

    def encoded(self) -> bytes:
        """The file, which lies in the data set or beside it; nothing where there is none."""
        return self._stored().encoded()

    def digest(self) -> str:
        """Without copying what lies between the ends."""
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
    """The two columns of a split that are used."""

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
                f"data.image_column: column {image!r} of {name} does not hold images but {features[image]}"
            )
        if not _fits(features[target], kind):
            raise ReorderKitError(
                f"data.target_column: column {target!r} of {name} does not hold targets of the kind {kind} but "
                f"{features[target]}",
                "name another column, or a task that these targets are for",
            )
        self._name, self._image, self._target, self._kind = name, image, target, kind
        self._feature = features[target]
        # As Arrow rather than as Python objects, so that reading the targets does not decode the images.
        self._rows = dataset.select_columns(list(dict.fromkeys((image, target)))).with_format("arrow")
        self._target_column = self._rows.select_columns([target])

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, number: int) -> str:
        """How to call a row in messages."""
        return f"{self._name}, row {number}"

    def identity(self, number: int) -> Identity:
        """The split and the number of a row, which is read when more than its name is wanted."""
        return _Row(f"{self._split}/{number}", lambda: self._rows[number].column(self._image)[0])

    def read(self, number: int) -> tuple[bytes, Any]:
        """The encoded image of a row, and its target.

        Raises:
            OSError: if a file beside the data set cannot be read.
            ValueError: if there is no image.
        """
        row = self._rows[number]
        target = row.column(self._target)[0].as_py()
        image = _encoded(row.column(self._image)[0].as_py())
        return image, _encoded(target) if self._kind == MASK else target

    def read_target(self, number: int) -> Any:
        """The target of a row, without its image.

        Raises:
            OSError: if a file beside the data set cannot be read.
            ValueError: if it is an image, and there is none.
        """
        target = self._target_column[number].column(self._target)[0].as_py()
        return _encoded(target) if self._kind == MASK else target

    def class_names(self) -> Sequence[str] | None:
        """The names of a ``ClassLabel``; None if the column has another type."""
        names: Sequence[str] | None = getattr(_label_feature(self._feature, self._kind), "names", None)
        return names

    def labels(self) -> Iterator[Sequence[Label]]:
        """The classes of every row; none where it has none."""
        for number, row in enumerate(self._rows_of_labels()):
            try:
                yield labels_of_row(row)
            except ValueError as error:
                hint = "numbers may be floats, as 1.0; make classes of probabilities or measurements"
                raise ReorderKitError(f"data.target_column: {self.name(number)}: {error}", hint) from error

    def _rows_of_labels(self) -> Iterator[Any]:
        for chunk in self._column().iterchunks():
            if self._kind == CLASS:
                yield from ([label] for label in chunk.to_pylist())
            else:
                yield from chunk.to_pylist() if self._kind == MULTI_LABEL else _categories(chunk)

    def unknown(self, label: Label, classes: int) -> ReorderKitError:
        """The error that a row has a class that is none."""
        hint = "the classes are those of the training images, or of data.classes"
        if label == -1:
            hint = "-1 stands for images without a class; name another split, as data.test=validation"
        return ReorderKitError(
            f"data.target_column: {self._name} has the class {label!r}, which is none of the {classes} classes", hint
        )

    def count_boxes(self, box_format: BoxFormat) -> BoxCounts:
        """How many boxes of each row are none, and how many there are."""
        chunks = self._column().iterchunks()
        counts = [count_boxes(value, box_format) for chunk in chunks for value in chunk.to_pylist()]
        return np.array(counts, dtype=np.int64).reshape(-1, 2)

    def _column(self) -> Any:
        return self._target_column[:].column(self._target)


def _categories(objects: Any) -> list[Any]:
    """The categories of every row's objects, without the boxes, which would take long to turn into Python's numbers."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_struct(objects.type):
        rows: list[Any] = pc.struct_field(objects, "category").to_pylist()
        return rows
    flat = iter(pc.struct_field(pc.list_flatten(objects), "category").to_pylist())
    return [list(islice(flat, length or 0)) for length in pc.list_value_length(objects).to_pylist()]


def _encoded(cell: Any) -> bytes:
    """The file of an image, which lies in the data set or beside it."""
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

    # pandas makes floats of whole numbers of which some are missing, and losses want 0 and 1 as floats.
    checks = (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_string)
    return any(check(stored) for check in (*checks, pa.types.is_large_string))


def _is_list(stored: Any) -> bool:
    import pyarrow as pa

    return any(check(stored) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _label_feature(feature: Any, kind: TargetKind) -> Any:
    """The feature of a single class, inside the lists and dictionaries that older and newer releases write."""
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
