"""Images that were repaired or removed after a run had stopped at them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import reorder_kit
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.recorded_data import open_data, reopen_data
from reorder_kit.jobs.one_run import train_in_folder
from reorder_kit.runs.data_record import DataRecord, NamedImages
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from tests.helpers.tiny_data import CLASSES, SOURCES, TinySource, class_of, pixels, save
from tests.inputs.test_recorded_splits import NAMES, begin, experiment, fill, names

SOURCE = SOURCES[0]
BROKEN = [f"broken-{number}" for number in range(24)]


def recipe(root: Path) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": "trial",
        "data": SOURCE.data(root, batch_size=16),
        "task": {"name": "classification"},
        "backbone": {"name": "local", "patch_size": 4, "dim": 8, "heads": 2, "depth": 1},
        "order": {"start": "row"},
        "train": {"epochs": 1, "device": "cpu"},
    }


def break_some(root: Path) -> list[Path]:
    paths = [root / CLASSES[class_of(name)] / f"{name}.png" for name in BROKEN]
    for number, path in enumerate(paths):
        path.write_bytes(b"broken" * (number + 1))
    return paths


def remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink()


def repair(paths: list[Path]) -> None:
    for path in paths:
        save(path, pixels(path.stem))


@pytest.mark.parametrize(("mend", "images"), [(remove, 40), (repair, 64)])
def test_a_run_that_stopped_at_broken_images_goes_on_without_them(tmp_path: Path, mend: Any, images: int) -> None:
    fill(SOURCE, tmp_path / "data", NAMES)
    broken = break_some(tmp_path / "data")
    with pytest.raises(ReorderKitError, match="could not be read, more than") as caught:
        reorder_kit.run(recipe(tmp_path / "data"), out=tmp_path / "run")
    assert "repair or remove them" in (caught.value.hint or "")
    assert (tmp_path / "run" / "data.json").exists()
    mend(broken)
    result = reorder_kit.run(recipe(tmp_path / "data"), out=tmp_path / "run", resume=True)
    folder = RunFolder(tmp_path / "run")
    record = DataRecord.read(folder.data)
    assert sum(record.images.values()) == images
    assert record.split_digest == NamedImages.read(folder.split_file).digest()
    assert result is not None
    reopen_data(experiment(SOURCE, tmp_path / "data"), folder)


def test_rows_of_a_study_go_on_without_broken_images(tmp_path: Path) -> None:
    fill(SOURCE, tmp_path / "data", NAMES)
    broken, rows = break_some(tmp_path / "data"), [tmp_path / "study" / name for name in ("one", "two")]

    def train(row: Path) -> None:
        train_in_folder(recipe(tmp_path / "data"), row, host_with(), "row", tmp_path / "study" / "splits")

    for row in rows:
        with pytest.raises(ReorderKitError, match="could not be read, more than"):
            train(row)
    remove(broken)
    for row in rows:
        train(row)
    digests = {DataRecord.read(RunFolder(row).data).split_digest for row in rows}
    assert len(digests) == 1
    assert {sum(DataRecord.read(RunFolder(row).data).images.values()) for row in rows} == {40}


@pytest.fixture
def shared(tmp_path: Path) -> tuple[Path, Path]:
    """Data, and its names recorded by a run of a study."""
    root, split_file = tmp_path / "data", tmp_path / "study" / "splits" / "key.jsonl.gz"
    fill(SOURCE, root, NAMES)
    start(root, tmp_path / "study" / "one", split_file)
    return root, split_file


def start(root: Path, row: Path, split_file: Path, source: TinySource = SOURCE) -> RunFolder:
    folder = RunFolder(row)
    folder.path.mkdir(parents=True, exist_ok=True)
    opened = open_data(experiment(source, root), folder, split_file)
    opened.write(folder, split_file)
    return folder


def test_names_of_a_study_are_taken_anew_while_nothing_was_trained(tmp_path: Path, shared: tuple[Path, Path]) -> None:
    root, split_file = shared
    before = NamedImages.read(split_file)
    (root / CLASSES[0] / "image-0.png").unlink(missing_ok=True)
    (root / CLASSES[1] / "image-1.png").unlink(missing_ok=True)
    removed = 40 - len(list(root.rglob("*.png")))
    two = start(root, tmp_path / "study" / "two", split_file)
    assert removed > 0
    assert sum(DataRecord.read(two.data).images.values()) == 40 - removed
    assert NamedImages.read(split_file).digest() != before.digest()
    # The first run begins with the same images when it is retried.
    one = RunFolder(tmp_path / "study" / "one")
    start(root, one.path, split_file)
    assert DataRecord.read(one.data) == DataRecord.read(two.data)


@pytest.mark.parametrize("is_finished", [False, True])
def test_names_of_a_study_stay_when_a_run_has_learned_from_them(
    tmp_path: Path, shared: tuple[Path, Path], is_finished: bool
) -> None:
    root, split_file = shared
    one, before = RunFolder(tmp_path / "study" / "one"), split_file.read_bytes()
    if is_finished:
        one.result.write_text("{}")
    else:
        (one.checkpoints / "epoch-0001").mkdir(parents=True)
    next(root.rglob("*.png")).unlink()
    with pytest.raises(ReorderKitError, match="are missing"):
        start(root, tmp_path / "study" / "two", split_file)
    assert split_file.read_bytes() == before


def test_another_study_does_not_keep_the_names(tmp_path: Path, shared: tuple[Path, Path]) -> None:
    root, split_file = shared
    shutil.copytree(tmp_path / "study", tmp_path / "other")
    (tmp_path / "other" / "one" / "checkpoints" / "epoch-0001").mkdir(parents=True)
    next(root.rglob("*.png")).unlink()
    start(root, tmp_path / "study" / "two", split_file)


def test_a_run_whose_names_were_replaced_says_so(tmp_path: Path, shared: tuple[Path, Path]) -> None:
    root, split_file = shared
    opened = open_data(experiment(SOURCE, root), RunFolder(tmp_path / "study" / "one"), split_file)
    opened.require_names(split_file)
    next(root.rglob("*.png")).unlink()
    start(root, tmp_path / "study" / "two", split_file)
    with pytest.raises(ReorderKitError, match=r"has rewritten .*key\.jsonl\.gz"):
        opened.require_names(split_file)


@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_a_run_without_a_checkpoint_takes_the_images_as_they_are(tmp_path: Path, source: TinySource) -> None:
    if source.name == "hf":
        pytest.importorskip("datasets", reason="the extra hf is not installed")
    root, folder = tmp_path / "data", RunFolder(tmp_path / "run")
    fill(source, root, NAMES)
    begin(source, root, folder)
    shutil.rmtree(root)
    fill(source, root, NAMES[:-8])
    splits = begin(source, root, folder)
    assert names(splits) == names(reopen_data(experiment(source, root), folder).splits)
    assert sum(DataRecord.read(folder.data).images.values()) == sum(map(len, names(splits)))


def test_damaged_names_of_a_run_without_a_checkpoint_are_written_anew(tmp_path: Path) -> None:
    root, folder = tmp_path / "data", RunFolder(tmp_path / "run")
    fill(SOURCE, root, NAMES)
    begin(SOURCE, root, folder)
    folder.split_file.write_bytes(b"damaged")
    begin(SOURCE, root, folder)
    assert NamedImages.read(folder.split_file).digest() == DataRecord.read(folder.data).split_digest
