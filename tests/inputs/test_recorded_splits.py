"""A run keeps the images it began with: files added later are ignored, and missing or changed ones are refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.recorded_data import data_key, open_data, reopen_data
from reorder_kit.interfaces import DataSplits, HasIdentities
from reorder_kit.runs.data_record import DataRecord, NamedImages
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from tests.helpers.tiny_data import SOURCES, TinySource, pixels

HOST = host_with()
NAMES = [f"image-{number}" for number in range(40)]


def experiment(source: TinySource, root: Path, seed: int = 0, **options: Any) -> Experiment:
    content = {
        "format_version": 1,
        "name": "trial",
        "seed": seed,
        "data": source.data(root, **options),
        "task": {"name": source.task},
        "backbone": {"name": "vit", "patch_size": 4, "dim": 16, "depth": 1, "heads": 2},
        "order": {"start": "row"},
        "train": {"epochs": 1},
    }
    return compose(content, HOST, "trial.yaml")


def begin(source: TinySource, root: Path, folder: RunFolder, **options: Any) -> DataSplits:
    folder.path.mkdir(exist_ok=True)
    opened = open_data(experiment(source, root, **options), folder, folder.split_file)
    opened.write(folder, folder.split_file)
    return opened.splits


def names(splits: DataSplits) -> list[list[str]]:
    sets = (splits.train, splits.validation, splits.test)
    assert all(isinstance(samples, HasIdentities) for samples in sets)
    return [[samples.identity(index).name for index in range(len(samples))] for samples in sets]


def fill(source: TinySource, root: Path, images: list[str]) -> None:
    root.mkdir(exist_ok=True)
    source.fill(root, {name: pixels(name) for name in images})


@pytest.fixture(params=SOURCES, ids=str)
def source(request: pytest.FixtureRequest) -> TinySource:
    if request.param.name == "hf":
        pytest.importorskip("datasets", reason="the extra hf is not installed")
    return request.param


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path / "run")


@pytest.fixture
def began(source: TinySource, tmp_path: Path, folder: RunFolder) -> list[list[str]]:
    """The names of the images in each split of a run that has begun."""
    fill(source, tmp_path / "data", NAMES)
    return names(begin(source, tmp_path / "data", folder))


def test_images_are_named_the_same_wherever_they_lie(source, folder, began, tmp_path):
    assert not any(str(tmp_path) in name for split in began for name in split)
    assert sum(map(len, began)) >= len(NAMES)


def test_the_run_folder_says_what_was_read(source, folder, began):
    record = DataRecord.read(folder.data)
    assert record.source == source.name
    assert record.images == dict(zip(("train", "validation", "test"), map(len, began), strict=True))
    recorded = NamedImages.read(folder.split_file)
    assert [list(of_split) for _, of_split in recorded.splits] == began
    assert all(all(digests) for digests in recorded.digests.values())


def test_added_images_are_left_out_and_counted(source, folder, began, tmp_path):
    later = [f"later-{number}" for number in range(30)]
    fill(source, tmp_path / "data", [*NAMES, *later])
    splits = reopen_data(experiment(source, tmp_path / "data"), folder).splits
    assert names(splits) == began
    new = [finding for finding in splits.findings if "were added since the run began" in finding.what]
    assert [finding.count for finding in new] == [30]
    # Drawn from the current files, the splits would differ.
    assert names(begin(source, tmp_path / "data", RunFolder(tmp_path / "other"))) != began


def test_a_removed_image_is_refused_by_name(source, folder, began, tmp_path):
    gone = _first_in(began[1], NAMES)
    shutil.rmtree(tmp_path / "data")
    fill(source, tmp_path / "data", [name for name in NAMES if name != gone])
    # Rows are named only by number, so all after the missing one have moved.
    with pytest.raises(ReorderKitError, match="train/39" if source.name == "hf" else gone):
        reopen_data(experiment(source, tmp_path / "data"), folder)


def test_a_replaced_image_is_refused_by_name(source, folder, began, tmp_path):
    changed = _first_in(began[0], NAMES)
    shutil.rmtree(tmp_path / "data")
    root = tmp_path / "data"
    root.mkdir()
    source.fill(root, {name: pixels(name, int(name == changed)) for name in NAMES})
    with pytest.raises(ReorderKitError, match=_key(source, changed)):
        reopen_data(experiment(source, root), folder)


def test_an_unchanged_run_is_reopened_without_a_word(source, folder, began, tmp_path):
    splits = reopen_data(experiment(source, tmp_path / "data"), folder).splits
    assert names(splits) == began
    assert not [finding for finding in splits.findings if "new" in finding.what]


def test_moved_data_is_the_same_data(source, folder, began, tmp_path):
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    assert names(reopen_data(experiment(source, tmp_path / "elsewhere"), folder).splits) == began


def test_later_seeds_of_a_study_have_the_images_of_the_first(source, tmp_path):
    root, shared = tmp_path / "data", tmp_path / "splits"
    fill(source, root, NAMES)
    first, second = experiment(source, root, seed=0), experiment(source, root, seed=1)
    assert data_key(first) == data_key(second)
    split_file = shared / f"{data_key(first)}.jsonl.gz"
    runs = [RunFolder(tmp_path / name) for name in ("one", "two")]
    for run in runs:
        run.path.mkdir()
    opened = open_data(first, runs[0], split_file)
    opened.write(runs[0], split_file)
    began = names(opened.splits)
    del opened  # Arrow maps the files, which are rewritten
    fill(source, root, [*NAMES, *(f"later-{number}" for number in range(30))])
    again = open_data(second, runs[1], split_file)
    again.write(runs[1], split_file)
    assert names(again.splits) == began
    assert not runs[0].split_file.exists()
    assert names(reopen_data(second, runs[1]).splits) == began


def test_a_split_drawn_by_the_seed_of_the_run_is_not_shared(source, tmp_path):
    fill(source, tmp_path / "data", NAMES)
    first, second = (experiment(source, tmp_path / "data", seed=seed, split_seed=None) for seed in (0, 1))
    assert data_key(first) != data_key(second)


def test_the_names_of_a_study_have_to_come_with_its_run(source, tmp_path):
    root, shared, run = tmp_path / "data", tmp_path / "splits" / "key.jsonl.gz", RunFolder(tmp_path / "run")
    fill(source, root, NAMES)
    run.path.mkdir()
    open_data(experiment(source, root), run, shared).write(run, shared)
    shared.unlink()
    with pytest.raises(ReorderKitError, match=r"key\.jsonl\.gz") as raised:
        reopen_data(experiment(source, root), run)
    assert "copy" in (raised.value.hint or "")


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b damaged"])
def test_damaged_names_are_refused_by_the_file(source, folder, began, tmp_path, content):
    folder.split_file.write_bytes(content)
    with pytest.raises(ReorderKitError, match=r"split\.jsonl\.gz"):
        reopen_data(experiment(source, tmp_path / "data"), folder)


def _key(source: TinySource, name: str) -> str:
    """The name of an image in messages."""
    return f"train/{NAMES.index(name)} " if source.name == "hf" else name


def _first_in(split: list[str], candidates: list[str]) -> str:
    """The first of these images that a split has."""
    return next(
        name
        for number, name in enumerate(candidates)
        if any(f"{name}{end}" in key for key in split for end in (".", "_", "/"))
        or f"train/{number}" in split
        or any(key.endswith(f"/{name}") for key in split)
    )
