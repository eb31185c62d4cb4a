"""Phone photos in HEIC: read if pillow-heif is installed, and named otherwise."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from reorder_kit.data import heif
from reorder_kit.data.decoding import Decoding
from reorder_kit.data.header_size import header_sizes
from reorder_kit.data.image_file import Picture, read_image
from reorder_kit.data.image_walk import image_endings
from reorder_kit.data_sources.image_folder import ImageFolder
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits

pillow_heif = pytest.importorskip("pillow_heif")

HEIF = "HEIC images are left out; to read them: pip install 'reorder-kit[heif]'"
AVIF = "AVIF images are left out, because this build of Pillow cannot read them; try: pip install -U pillow"


@pytest.fixture(autouse=True)
def forgotten():
    """Reset the cached set of readable formats, before and after."""
    image_endings.cache_clear(), heif.reads_heif.cache_clear()
    yield
    image_endings.cache_clear(), heif.reads_heif.cache_clear()


def fill(root: Path, ending: str) -> np.ndarray:
    """Two classes with four PNG images each, and one more image with this extension; returns its pixels."""
    shades = np.linspace(0, 255, 32 * 48 * 3).astype(np.uint8).reshape(32, 48, 3)
    for label in ("cat", "dog"):
        (root / label).mkdir(parents=True)
        for number in range(4):
            Image.fromarray(np.full((32, 48, 3), 50 * number + len(label), np.uint8)).save(
                root / label / f"{number}.png"
            )
            Image.fromarray(shades // (1 + number)).save(root / label / f"{label}-{number}.png")
    if ending.lower() in heif.HEIF_ENDINGS:
        pillow_heif.from_pillow(Image.fromarray(shades)).save(root / "cat" / f"photo{ending}", quality=-1)
    else:
        (root / "cat" / f"photo{ending}").write_bytes(b"not looked into")
    return shades


def opened(root: Path) -> DataSplits:
    return ImageFolder(ImageFolder.Options(root=root)).open(0)


def names(splits: DataSplits) -> list[str]:
    return sorted(
        samples.identity(number).name
        for samples in (splits.train, splits.validation, splits.test)
        for number in range(len(samples))
    )


@pytest.mark.parametrize("ending", [".heic", ".HEIC", ".heif", ".hif"])
def test_a_photo_of_a_phone_is_read(tmp_path: Path, ending: str) -> None:
    shades = fill(tmp_path, ending)
    splits = opened(tmp_path)
    assert f"cat/photo{ending}" in names(splits)
    assert [finding.what for finding in splits.findings if "HEIC" in finding.what] == []
    picture = read_image(str(tmp_path / "cat" / f"photo{ending}"), Decoding(channels=3))
    assert isinstance(picture, Picture)
    difference = picture.pixels.permute(1, 2, 0).numpy().astype(int) - shades
    assert np.abs(difference).max() < 12  # lossless, except for its color space
    assert picture.findings == ()
    assert header_sizes(str(tmp_path / "cat" / f"photo{ending}")) == ((32, 48), (32, 48))


def test_without_the_extra_it_is_counted_and_the_extra_is_named(tmp_path: Path, monkeypatch) -> None:
    fill(tmp_path, ".heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    splits = opened(tmp_path)
    assert "cat/photo.heic" not in names(splits)
    assert [(each.count, each.example) for each in splits.findings if each.what == HEIF] == [(1, "cat/photo.heic")]


def test_a_broken_extra_is_as_a_missing_one(tmp_path: Path, monkeypatch) -> None:
    class Broken(ModuleType):
        def __getattr__(self, name: str) -> None:
            raise OSError("libheif.so: wrong ELF class")

    fill(tmp_path, ".heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", Broken("pillow_heif"))
    splits = opened(tmp_path)
    assert "cat/0.png" in names(splits)
    assert [(each.count, each.example) for each in splits.findings if each.what == HEIF] == [(1, "cat/photo.heic")]


def test_a_folder_of_such_photos_alone_is_refused_with_the_extra(tmp_path: Path, monkeypatch) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "photo.heic").write_bytes(b"not looked into")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ReorderKitError, match="hold no image") as refused:
        opened(tmp_path)
    assert "pip install 'reorder-kit[heif]'" in refused.value.hint


def test_without_avif_in_pillow_such_images_are_counted(tmp_path: Path, monkeypatch) -> None:
    fill(tmp_path, ".avif")
    monkeypatch.setattr("reorder_kit.data.image_walk.image_endings", lambda: (".png",))
    monkeypatch.setattr("reorder_kit.data.class_folders.image_endings", lambda: (".png",))
    splits = opened(tmp_path)
    assert [(each.count, each.example) for each in splits.findings if each.what == AVIF] == [(1, "cat/photo.avif")]
