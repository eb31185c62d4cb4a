"""One image under several names: never in two splits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reorder_kit.data import dealing
from reorder_kit.data.dealing import deal
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.findings import Findings
from reorder_kit.data.shared_images import shared_images
from reorder_kit.errors import ReorderKitError
from reorder_kit.runs.run_folder import RunFolder
from tests.helpers.tiny_data import SOURCES, TinySource, pixels
from tests.inputs.test_recorded_splits import begin, names

NAMES = [f"image-{number}" for number in range(40)]
SETS_ASIDE = [source for source in SOURCES if source.name not in ("imagenet", "fmow")]


@pytest.mark.parametrize("source", SETS_ASIDE, ids=str)
def test_copies_among_what_is_set_aside_stay_in_one_split(source: TinySource, tmp_path: Path) -> None:
    if source.name == "hf":
        pytest.importorskip("datasets", reason="the extra hf is not installed")
    root = tmp_path / "data"
    root.mkdir()
    # Images 0 and 20, 1 and 21, ... are the same; each pair has one class.
    source.fill(root, {name: pixels(f"picture-{number % 20}") for number, name in enumerate(NAMES)})
    splits = begin(source, root, RunFolder(tmp_path / "run"))
    digests = [{split.identity(n).digest() for n in range(len(split))} for split in (splits.train, splits.test)]
    assert not digests[0] & digests[1]
    assert sum(map(len, names(splits))) == len(NAMES)
    assert any("copies" in finding.what for finding in splits.findings)


@pytest.mark.parametrize("ending", ["png", "bmp"])
def test_a_training_image_in_the_test_folder_is_refused_under_both_names(tmp_path: Path, ending: str) -> None:
    root = tmp_path / "data"
    for split, numbers in (("train", range(20)), ("test", range(20, 26))):
        for number in numbers:
            path = root / split / f"class-{number % 2}" / f"image-{number}.{ending}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels(path.stem)).save(path)
    source = SOURCES[0]
    begin(source, root, RunFolder(tmp_path / "before"))
    (root / "test" / "class-0" / f"other.{ending}").write_bytes((root / f"train/class-0/image-4.{ending}").read_bytes())
    with pytest.raises(ReorderKitError) as raised:
        begin(source, root, RunFolder(tmp_path / "after"))
    assert f"test/class-0/other.{ending}" in raised.value.message
    assert f"train/class-0/image-4.{ending}" in raised.value.message


def test_a_linked_folder_of_training_images_is_no_test_split(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for number in range(20):
        path = root / "train" / f"class-{number % 2}" / f"image-{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(path.stem)).save(path)
    (root / "test").symlink_to(root / "train")
    with pytest.raises(ReorderKitError, match="train/class-"):
        begin(SOURCES[0], root, RunFolder(tmp_path / "run"))


def test_images_of_one_size_with_the_same_ends_are_told_apart(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for split in ("train", "test"):
        for number in range(12):
            # An uncompressed picture of 12 kB whose first and last rows are black.
            image = np.zeros((64, 64, 3), dtype=np.uint8)
            image[30:34] = np.random.RandomState(number + 100 * (split == "test")).randint(0, 255, (4, 64, 3))
            path = root / split / f"class-{number % 2}" / f"image-{number}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    splits = begin(SOURCES[0], root, RunFolder(tmp_path / "run"))
    assert len({splits.test.identity(number).digest() for number in range(12)}) == 1
    shared_images(splits)


def test_images_of_very_large_data_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dealing, "MOST_COMPARED", 3)
    paths = [str(tmp_path / f"{number}.png") for number in range(4)]
    for path in paths:
        Path(path).write_bytes(b"the same")
    findings = Findings()

    def identify(path: str) -> FileIdentity:
        return FileIdentity(tmp_path, path)

    dealt = deal(None, (paths, None, None), identify, findings, lambda kept: (kept[:2], kept[2:3], kept[3:]))
    assert dealt == (paths[:2], paths[2:3], paths[3:])
