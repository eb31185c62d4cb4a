"""Data as a run began with it: written down in the run folder, and the same whenever the run is reopened."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from reorder_kit.data.class_findings import alike_classes
from reorder_kit.data.copies import MOST_COMPARED
from reorder_kit.data.dealing import GoneImagesError, OtherImagesError
from reorder_kit.data.shared_images import shared_images
from reorder_kit.data.spellings import composed
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment, warn_of
from reorder_kit.experiment.names_in_use import has_learned, has_trained_with
from reorder_kit.experiment.same_classes import require_same_classes
from reorder_kit.interfaces import SPLITS, DataSplits, HasIdentities, RecordedSplits, SampleSet, merged
from reorder_kit.runs.data_record import DataRecord, NamedImages
from reorder_kit.runs.run_folder import RunFolder

SAMPLED = 1_000
"""Of data too large to look at every file, so many images of the largest split are looked at, and the same share of the
others."""


@dataclass(frozen=True)
class OpenedData:
    """Opened data, with what is written down of it.

    Args:
        splits: the samples.
        source: name of the data source.
        images: the names of the images; None where they have none.
        is_new: nothing was trained with other images yet, so that names written before are replaced.
    """

    splits: DataSplits
    source: str
    images: NamedImages | None
    is_new: bool = False

    def write(self, folder: RunFolder, split_file: Path) -> None:
        """Write it down, unless the run has learned from it already.

        Args:
            folder: of the run.
            split_file: where the names go.
        """
        if folder.data.exists() and has_learned(folder):
            return
        if self.images is not None:
            self._write_names(split_file)
        record = DataRecord(
            source=self.source,
            classes=list(self.splits.classes),
            images=_counts(self.splits),
            split_file=None if self.images is None else Path(os.path.relpath(split_file, folder.path)).as_posix(),
            split_digest=None if self.images is None else self.images.digest(),
            findings=self.splits.findings,
        )
        if _read_if_whole(folder) != record:
            record.write(folder.data)

    def require_names(self, split_file: Path) -> None:
        """Check that the names of the images are still there as this run began with them.

        Raises:
            ReorderKitError: if another run has replaced them, which is possible until the first checkpoint.
        """
        if self.images is not None and NamedImages.read(split_file).digest() != self.images.digest():
            raise ReorderKitError(
                f"data: another run has begun with other images, and has written {split_file} anew",
                "delete the folder of this run, and try again",
            )

    def _write_names(self, split_file: Path) -> None:
        assert self.images is not None
        if self.is_new and split_file.exists() and _digest_of(split_file) != self.images.digest():
            split_file.unlink(missing_ok=True)
        self.images.write(split_file)
        # Another run of the study may have been first, and have seen other images.
        if NamedImages.read(split_file).digest() != self.images.digest():
            raise ReorderKitError(
                f"data: the images have changed since another run began with them, which wrote {split_file}",
                "put the data back as it was, and try again",
            )


def open_data(experiment: Experiment, folder: RunFolder, split_file: Path) -> OpenedData:
    """Open the data of a run that begins, or goes on.

    A run without a checkpoint or the figures of an epoch has learned nothing, and takes the images as they are: those
    that could not be read may have been removed. Where others share them, they stay while one of these has learned.

    Args:
        experiment: the parts.
        folder: of the run.
        split_file: where the names of its images are, if another run has begun with the same data.

    Raises:
        ReorderKitError: if the data is not there, is not what the run began with, or has an image in two splits.
    """
    if folder.data.exists() and has_learned(folder):
        return reopen_data(experiment, folder)
    if folder.latest_checkpoint() is not None:
        raise ReorderKitError(
            f"{folder.data} is gone: which images the run began with is not known", "copy the run folder as a whole"
        )
    if split_file != folder.split_file and split_file.exists():
        try:
            opened = _open(experiment, NamedImages.read(split_file), str(split_file))
        except OtherImagesError:
            if has_trained_with(split_file):
                raise
        else:
            return opened
    opened = _open(experiment, None, str(split_file))
    further = (*alike_classes(opened.splits.classes), *shared_images(opened.splits))
    warn_of(further)
    findings = merged([*opened.splits.findings, *further])
    return replace(opened, splits=replace(opened.splits, findings=findings), is_new=True)


def open_as_recorded(experiment: Experiment, split_file: Path, began: str) -> OpenedData:
    """Open data with the images whose names are written down, or not at all.

    Args:
        experiment: the parts.
        split_file: the names of its images.
        began: what began with them, for messages.

    Raises:
        ReorderKitError: if the names are not there, or the images are others, naming the first that differs.
    """
    return _open(experiment, NamedImages.read(split_file), began)


def reopen_data(experiment: Experiment, folder: RunFolder) -> OpenedData:
    """Open the data that a run began with.

    Raises:
        ReorderKitError: if the data is not there, or not what the run began with, naming the first image that differs.
    """
    record = folder.read_data()
    recorded = folder.read_names(record)
    try:
        opened = _open(experiment, recorded, str(folder.path))
    except GoneImagesError:
        # Where classes are folders, a renamed one takes its images with it.
        require_same_classes(record.classes, experiment.open_data().classes, str(folder.path))
        raise
    require_same_classes(record.classes, opened.splits.classes, str(folder.path))
    counts = _counts(opened.splits)
    for split, images in record.images.items():
        if counts.get(split) != images:
            raise ReorderKitError(
                f"data: there are {counts.get(split)} {split} images, and were {images} when {folder.path} began",
                "put the data back as it was, or start a new run",
            )
    # What was found of copies and names of classes is not looked for again.
    known = {finding.what for finding in opened.splits.findings}
    kept = (finding for finding in record.findings if finding.what not in known)
    return replace(opened, splits=replace(opened.splits, findings=(*opened.splits.findings, *kept)))


def data_key(experiment: Experiment) -> str:
    """The same text for runs that have the same images in the same splits, as those of a study with several seeds."""
    source = experiment.data_source
    seed = experiment.recipe.seed if source.splits_by_seed else None
    parts = [source.name, source.options.model_dump(mode="json"), str(experiment.kind), seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _open(experiment: Experiment, recorded: NamedImages | None, began: str) -> OpenedData:
    splits = experiment.open_data(None if recorded is None else recorded.splits)
    images = _named(splits)
    if recorded is not None:
        _require_same(recorded, images, began)
    return OpenedData(splits, experiment.data_source.name, recorded or images)


def _read_if_whole(folder: RunFolder) -> DataRecord | None:
    with suppress(ReorderKitError):
        return DataRecord.read(folder.data) if folder.data.exists() else None
    return None


def _digest_of(split_file: Path) -> str:
    with suppress(ReorderKitError):
        return NamedImages.read(split_file).digest()
    return ""


def _sets(splits: DataSplits) -> Mapping[str, SampleSet]:
    return dict(zip(SPLITS, (splits.train, splits.validation, splits.test), strict=True))


def _counts(splits: DataSplits) -> dict[str, int]:
    return {split: len(samples) for split, samples in _sets(splits).items()}


def _named(splits: DataSplits) -> NamedImages | None:
    names: dict[str, tuple[str, ...]] = {}
    digests: dict[str, tuple[str, ...]] = {}
    step = 1 if sum(_counts(splits).values()) <= MOST_COMPARED else max(map(len, _sets(splits).values())) // SAMPLED
    for split, samples in _sets(splits).items():
        if not isinstance(samples, HasIdentities):
            return None
        identities = [samples.identity(index) for index in range(len(samples))]
        names[split] = tuple(identity.name for identity in identities)
        digests[split] = tuple("" if place % step else each.digest() for place, each in enumerate(identities))
    return NamedImages(RecordedSplits(*(names[split] for split in SPLITS)), digests)


def _require_same(recorded: NamedImages, opened: NamedImages | None, began: str) -> None:
    if opened is None:
        raise ReorderKitError(f"data: the images have no names any more, and had some when {began} began")
    for (split, names), (_, now) in zip(recorded.splits, opened.splits, strict=True):
        forms, forms_now = list(map(composed, names)), list(map(composed, now))
        if forms != forms_now:
            gone, new = sorted(set(forms) - set(forms_now)), sorted(set(forms_now) - set(forms))
            first = f"without {gone[0]}" if gone else f"with {new[0]}" if new else "in another sequence"
            raise OtherImagesError(
                f"data: the {split} images are not those that {began} began with: {first}",
                "put the data back as it was, or start a new run",
            )
        for name, was, is_now in zip(names, recorded.digests[split], opened.digests[split], strict=True):
            if was and was != is_now:
                what = "has another content" if is_now else "cannot be read any more"
                raise OtherImagesError(
                    f"data: the {split} image {name} {what}; {began} began with it",
                    "put it back as it was, or start a new run",
                )
