"""Copies of one image with different labels, boxes or masks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reorder_kit.data.contradictions import CONTRADICTING
from reorder_kit.errors import ReorderKitError
from reorder_kit.runs.run_folder import RunFolder
from tests.helpers import shards
from tests.helpers.tiny_data import CLASSES, SOURCES, TinySource, class_of, pixels, save
from tests.inputs.test_recorded_splits import begin

NAMES = [f"image-{number}" for number in range(40)]
BY_NAME = {source.name: source for source in SOURCES}
SETS_ASIDE = [source for source in SOURCES if source.name not in ("imagenet", "fmow")]


def told(source: TinySource, root: Path, run: Path) -> dict[str, tuple[int, str]]:
    return {found.what: (found.count, found.example) for found in begin(source, root, RunFolder(run)).findings}


@pytest.mark.parametrize("source", SETS_ASIDE, ids=str)
def test_copies_with_other_targets_are_counted(source: TinySource, tmp_path: Path) -> None:
    if source.name == "hf":
        pytest.importorskip("datasets", reason="the extra hf is not installed")
    root = tmp_path / "data"
    root.mkdir()
    # Images 0 and 1 have the same bytes and different classes; 2 and 4 have the same bytes and one class.
    images = {name: pixels({"image-1": "image-0", "image-4": "image-2"}.get(name, name)) for name in NAMES}
    source.fill(root, images)
    if source.name == "segmentation-folder":  # for sources with masks as images
        save(root / "masks" / "image-1.png", np.ones((8, 8), np.uint8))
    found = told(source, root, tmp_path / "run")
    count, example = found[CONTRADICTING]
    assert count == 1
    assert " and " in example
    assert found["images are copies of others, and stay in the same split"][0] == 2


@pytest.mark.parametrize("source", SETS_ASIDE, ids=str)
def test_copies_with_the_same_targets_are_no_contradiction(source: TinySource, tmp_path: Path) -> None:
    if source.name == "hf":
        pytest.importorskip("datasets", reason="the extra hf is not installed")
    root = tmp_path / "data"
    root.mkdir()
    source.fill(root, {name: pixels(f"picture-{number % 20}") for number, name in enumerate(NAMES)})
    assert CONTRADICTING not in told(source, root, tmp_path / "run")


@pytest.mark.parametrize("name", ["imagenet", "fmow"])
def test_copies_within_a_split_of_the_data_are_counted(tmp_path: Path, name: str) -> None:
    source, root = BY_NAME[name], tmp_path / "data"
    root.mkdir()
    source.fill(root, {name: pixels("image-0" if name == "image-1" else name) for name in NAMES})
    assert told(source, root, tmp_path / "run")[CONTRADICTING][0] == 1


def test_copies_in_a_test_split_are_counted(tmp_path: Path) -> None:
    for split, numbers in (("train", range(20)), ("test", range(20, 30))):
        for number in numbers:
            save(tmp_path / "data" / split / CLASSES[number % 2] / f"{number}.png", pixels(f"image-{number}"))
    save(tmp_path / "data" / "test" / CLASSES[1] / "again.png", pixels("image-20"))
    found = told(BY_NAME["image-folder"], tmp_path / "data", tmp_path / "run")
    assert found[CONTRADICTING][0] == 1
    assert "test/cat/again.png" in found[CONTRADICTING][1]


def _folders(root: Path) -> None:
    for name in NAMES:
        save(root / CLASSES[class_of(name)] / f"{name}.png", pixels(name))
    for name in NAMES[:20]:
        save(root / "eel" / f"other-{name}.png", pixels(name))


def _table(root: Path) -> None:
    lines = ["path,dog,cat,eel"]
    for name in NAMES:
        save(root / f"{name}.png", pixels(name))
        lines.append(f"{name}.png,{class_of(name)},{1 - class_of(name)},0")
    for name in NAMES[:20]:
        save(root / f"other-{name}.png", pixels(name))
        lines.append(f"other-{name}.png,0,0,1")
    (root / "labels.csv").write_text("\n".join(lines))


def _shards(root: Path) -> None:
    members = []
    for prefix, names in (("", NAMES), ("other-", NAMES[:20])):
        for name in names:
            label = "2" if prefix else str(class_of(name))
            members += [(f"{prefix}{name}.png", shards.picture(pixels(name))), (f"{prefix}{name}.cls", label.encode())]
    shards.write(root / "train.tar", members)


@pytest.mark.parametrize(
    ("name", "fill", "class_name"),
    [
        ("image-folder", _folders, "eel"),
        ("multi-label-folder", _folders, "eel"),
        ("multi-label-csv", _table, "eel"),
        ("webdataset", _shards, "2"),
    ],
    ids=["image-folder", "multi-label-folder", "multi-label-csv", "webdataset"],
)
def test_a_class_of_nothing_but_copies_of_others_is_refused(
    tmp_path: Path, name: str, fill: Callable[[Path], None], class_name: str
) -> None:
    root = tmp_path / "data"
    root.mkdir()
    fill(root)
    with pytest.raises(ReorderKitError, match=f"training images of the class '{class_name}' has a copy without it"):
        begin(BY_NAME[name], root, RunFolder(tmp_path / "run"))


def test_a_class_of_a_few_copies_is_reported(tmp_path: Path) -> None:
    for name in NAMES:
        save(tmp_path / "data" / CLASSES[class_of(name)] / f"{name}.png", pixels(name))
    save(tmp_path / "data" / "eel" / "one.png", pixels("image-0"))
    save(tmp_path / "data" / "eel" / "two.png", pixels("image-2"))
    assert told(BY_NAME["image-folder"], tmp_path / "data", tmp_path / "run")[CONTRADICTING][0] == 2


def test_broken_copies_are_no_contradiction_of_boxes(tmp_path: Path) -> None:
    """Nothing is learned from them, and their boxes cannot be read."""
    source, root = BY_NAME["webdataset"], tmp_path / "data"
    members: list[tuple[str, bytes]] = []
    for name in NAMES:
        target = {"objects": {"bbox": [[1, 1, 2, 2]], "category": [class_of(name)]}}
        encoded = b"broken" if name in NAMES[:4] else shards.picture(pixels(name))
        members += [(f"{name}.png", encoded), (f"{name}.json", json.dumps(target).encode())]
    root.mkdir()
    shards.write(root / "train.tar", members)
    detection = TinySource(source.name, "detection", source.fill, source.options)
    assert CONTRADICTING not in told(detection, root, tmp_path / "run")


def test_images_that_differ_in_one_pixel_are_no_copies(tmp_path: Path) -> None:
    for name in NAMES:
        image = pixels(NAMES[0])
        image[0, 0] = NAMES.index(name)
        path = tmp_path / "data" / CLASSES[class_of(name)] / f"{name}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    assert told(BY_NAME["image-folder"], tmp_path / "data", tmp_path / "run") == {}
