"""The data that a run began with: recorded in the run folder, and the same whenever the run is reopened."""

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
"""If data is too large to check every file, this many images of the largest split are checked, and the same share of
the others."""


@dataclass(frozen=True)
class OpenedData:
    """Opened data, with what is recorded about it.

    Args:
        splits: the samples.
        source: name of the data source.
        images: the names of the images; None if they have none.
        is_new: whether nothing has been trained with other images, so that recorded names may be replaced.
    """

    splits: DataSplits
    source: str
    images: NamedImages | None
    is_new: bool = False

    def write(self, folder: RunFolder, split_file: Path) -> None:
        """Record the data, unless the run has already learned from it.

        Args:
            folder: the run's folder.
            split_file: the file for the names.
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
        """Check that the recorded names are still those that this run began with.

        Raises:
            ReorderKitError: if another run has replaced them, which is possible until the first checkpoint.
        """
        if self.images is not None and NamedImages.read(split_file).digest() != self.images.digest():
            raise ReorderKitError(
                f"data: another run has begun with different images and has rewritten {split_file}",
                "delete this run's folder and try again",
            )

    def _write_names(self, split_file: Path) -> None:
        assert self.images is not None
        if self.is_new and split_file.exists() and _digest_of(split_file) != self.images.digest():
            split_file.unlink(missing_ok=True)
        self.images.write(split_file)
        # Another run of the study may have been first, with different images.
        if NamedImages.read(split_file).digest() != self.images.digest():
            raise ReorderKitError(
                f"data: the images have changed since another run began with them, which wrote {split_file}",
                "restore the data and try again",
            )


def open_data(experiment: Experiment, folder: RunFolder, split_file: Path) -> OpenedData:
    """Open the data of a run that begins or resumes.

    A run without a checkpoint or the metrics of an epoch has learned nothing, and uses the current images: unreadable
    ones may have been removed. Shared names are kept as soon as one of the runs that share them has learned.

    Args:
        experiment: the parts.
        folder: the run's folder.
        split_file: the names of its images, if another run has begun with the same data.

    Raises:
        ReorderKitError: if the data is missing, differs from what the run began with, or has an image in two splits.
    """
    if folder.data.exists() and has_learned(folder):
        return reopen_data(experiment, folder)
    if folder.latest_checkpoint() is not None:
        raise ReorderKitError(
            f"{folder.data} is missing, so the images that the run began with are unknown", "copy the whole run folder"
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
    """Open data with exactly the recorded images, or refuse it.

    Args:
        experiment: the parts.
        split_file: the names of its images.
        began: the run that began with them, for messages.

    Raises:
        ReorderKitError: if the names are missing, or the images differ, naming the first that differs.
    """
    return _open(experiment, NamedImages.read(split_file), began)


def reopen_data(experiment: Experiment, folder: RunFolder) -> OpenedData:
    """Open the data that a run began with.

    Raises:
        ReorderKitError: if the data is missing, or differs from what the run began with, naming the first such image.
    """
    record = folder.read_data()
    recorded = folder.read_names(record)
    try:
        opened = _open(experiment, recorded, str(folder.path))
    except GoneImagesError:
        # If classes are folders, renaming one renames its images.
        require_same_classes(record.classes, experiment.open_data().classes, str(folder.path))
        raise
    require_same_classes(record.classes, opened.splits.classes, str(folder.path))
    counts = _counts(opened.splits)
    for split, images in record.images.items():
        if counts.get(split) != images:
            raise ReorderKitError(
                f"data: there are {counts.get(split)} {split} images, but there were {images} when {folder.path} began",
                "restore the data, or start a new run",
            )
    # Findings about copies and class names are not computed again.
    known = {finding.what for finding in opened.splits.findings}
    kept = (finding for finding in record.findings if finding.what not in known)
    return replace(opened, splits=replace(opened.splits, findings=(*opened.splits.findings, *kept)))


def data_key(experiment: Experiment) -> str:
    """A key that is equal for runs with the same images in the same splits, such as a study's runs of several seeds."""
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
        raise ReorderKitError(f"data: the images no longer have names, but had some when {began} began")
    for (split, names), (_, now) in zip(recorded.splits, opened.splits, strict=True):
        forms, forms_now = list(map(composed, names)), list(map(composed, now))
        if forms != forms_now:
            gone, new = sorted(set(forms) - set(forms_now)), sorted(set(forms_now) - set(forms))
            first = f"without {gone[0]}" if gone else f"with {new[0]}" if new else "in another sequence"
            raise OtherImagesError(
                f"data: the {split} images are not those that {began} began with: {first}",
                "restore the data, or start a new run",
            )
        for name, was, is_now in zip(names, recorded.digests[split], opened.digests[split], strict=True):
            if was and was != is_now:
                what = "has changed" if is_now else "can no longer be read"
                raise OtherImagesError(
                    f"data: the {split} image {name} {what} since {began} began",
                    "restore it, or start a new run",
                )
