"""Data sets of Hugging Face, from the hub or from a folder."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field, model_validator

from reorder_kit.data.annotated import AnnotatedSource
from reorder_kit.data.content_digest import bytes_digest
from reorder_kit.data.field_targets import Label, Labels
from reorder_kit.data.findings import Findings
from reorder_kit.data.record_objects import BoxCounts, BoxFormat, count_boxes
from reorder_kit.data.record_options import RecordOptions, open_records
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import BOXES, CLASS, MASK, MULTI_LABEL, DataSource, DataSplits, TargetKind
from reorder_kit.interfaces.paths import in_home, on_this_machine

VALIDATION_NAMES = ("validation", "val", "valid", "dev")
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

    * ``class``: a ``ClassLabel``, a whole number or a text;
    * ``multi-label``: a list of these;
    * ``boxes``: objects with ``bbox`` (four numbers, see ``box_format``), ``category`` (as a class) and, where it is
      there, ``iscrowd``; a dictionary of lists or a list of dictionaries;
    * ``mask``: an image with one channel.

    Boxes without width or height, or of no four finite numbers, are left out, and counted in the log.

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
            None, description=f"name of the split for validation; not given: {', '.join(VALIDATION_NAMES)} if there"
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

    def open(self, seed: int) -> DataSplits:
        """Open the Arrow files, and read the classes of the training images where the columns do not name them."""
        options, kind = self.options, self.target_kind
        loaded = _load(options)
        names = self._split_names(loaded)
        column = options.target_column or TARGET_COLUMNS[kind]
        tables = {
            split: _Table(loaded[name], options.dataset, name, options.image_column, column, kind)
            for split, name in names.items()
        }
        train = tables["train"]
        labels = options.given_labels(kind) or train.labels()
        if kind != MASK:
            for table in tables.values():
                table.require_known(labels)
        is_complete = len(tables) == 3
        classes = None if is_complete or kind == MASK else train.classes(labels)
        return open_records(
            options,
            options.targets(kind, labels),
            tables,
            lambda row: () if classes is None else classes[row],
            seed,
            options.dataset,
            self.recorded,
            Findings(),
        )

    def _split_names(self, loaded: dict[str, Any]) -> dict[str, str]:
        """The name of each split that the data set has."""
        options = self.options
        for field, name in (("train", options.train), ("validation", options.validation), ("test", options.test)):
            if name is not None and name not in loaded:
                raise ReorderKitError(
                    f"data.{field}: {options.dataset} has no split {name!r}", f"its splits: {', '.join(loaded)}"
                )
        free = [name for name in (*VALIDATION_NAMES, "test") if name in loaded]
        free = [name for name in free if name not in (options.train, options.validation, options.test)]
        test = options.test or ("test" if "test" in free else None)
        validation = options.validation or next((name for name in free if name != "test"), None)
        if test is None and options.validation is None:
            test, validation = validation, None
        chosen = {"train": options.train, "validation": validation, "test": test}
        return {split: name for split, name in chosen.items() if name is not None}


def _load(options: HuggingFace.Options) -> dict[str, Any]:
    """The data set's splits by name."""
    try:
        # Imported late: not everyone has it, and it takes seconds.
        import datasets
    except ImportError as error:
        raise ReorderKitError(
            f"data.name: hf needs the package datasets: {error}", "pip install 'reorder-kit[hf]'"
        ) from error
    place = options.dataset
    is_saved = any((place / name).is_file() for name in ("dataset_dict.json", "state.json"))
    if place.is_absolute() and not place.is_dir():
        raise ReorderKitError(f"data.dataset: there is no folder {place}")
    for field, value, useless in (
        ("config", options.config, is_saved),
        ("revision", options.revision, place.is_dir()),
    ):
        if value is not None and useless:
            raise ReorderKitError(f"data.{field}: a local folder has none", "leave it out")
    try:
        if is_saved:
            loaded = datasets.load_from_disk(str(place))
        else:
            loaded = datasets.load_dataset(str(place), options.config, revision=options.revision)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        # OSError is also what a missing network ends in, ValueError a configuration that does not exist.
        raise ReorderKitError(
            f"data.dataset: cannot open {place}: {error}",
            "a local folder has to exist; a data set of the hub needs its full name, and a network the first time",
        ) from error
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


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

    def key(self, number: int) -> str:
        """The split and the number of a row."""
        return f"{self._split}/{number}"

    def content_digest(self, number: int) -> str:
        """Of the encoded image of a row; empty if there is none."""
        try:
            return bytes_digest(_encoded(self._rows[number].column(self._image)[0].as_py()))
        except (OSError, ValueError):
            return ""

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

    def labels(self) -> Labels:
        """The classes: those that the column names, or those that its rows have."""
        names = getattr(_label_feature(self._feature, self._kind), "names", None)
        return Labels.found(self._distinct(), "data.target_column") if names is None else Labels.named(names)

    def require_known(self, labels: Labels) -> None:
        """Check the classes of every row.

        Raises:
            ReorderKitError: if one is unknown.
        """
        for label in self._distinct():
            if label not in labels.numbers:
                hint = "the classes are those of the training images, or of data.classes"
                if label == -1:
                    hint = "-1 stands for images without a class; name another split, as data.test=validation"
                count = len(labels.names)
                raise ReorderKitError(
                    f"data.target_column: {self._name} has the class {label!r}, which is none of the {count} classes",
                    hint,
                )

    def classes(self, labels: Labels) -> list[list[int]]:
        """The numbers of the classes of every row; none where it has none."""
        column = self._column()
        if self._kind == CLASS:
            rows = [[label] for label in column.to_pylist()]
        elif self._kind == MULTI_LABEL:
            rows = column.to_pylist()
        else:
            rows = _categories(column)
        return [[labels.numbers[label] for label in row or () if label is not None] for row in rows]

    def count_boxes(self, box_format: BoxFormat) -> BoxCounts:
        """How many boxes of each row are none, and how many there are."""
        chunks = self._column().iterchunks()
        counts = [count_boxes(value, box_format) for chunk in chunks for value in chunk.to_pylist()]
        return np.array(counts, dtype=np.int64).reshape(-1, 2)

    def _column(self) -> Any:
        return self._target_column[:].column(self._target)

    def _distinct(self) -> list[Label]:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._column()
        while not _is_scalar(column.type):
            column = pc.struct_field(column, "category") if pa.types.is_struct(column.type) else pc.list_flatten(column)
        return [label for label in pc.unique(column).to_pylist() if label is not None]


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

    if kind == MASK:
        return _is_image(feature)
    if _is_image(feature):
        return False
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

    checks = (pa.types.is_integer, pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string)
    return any(check(stored) for check in checks)


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
