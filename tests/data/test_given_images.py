"""Images given for prediction: what counts as an image, and how it is read."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch
from PIL import Image

from reorder_kit.data.given_images import IN_COLOR, IN_GRAY, find_images, read_given
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Decoding, Unreadable


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path


def read(content, **decoding):
    found = find_images(content)
    (image,) = found.images
    return read_given(image, Decoding(**{"channels": 3, **decoding}))


GRAY = np.array([[0, 51, 255], [1, 2, 3]], np.uint8)
COLOR = np.stack([GRAY, GRAY[::-1], GRAY], axis=-1)


def test_a_folder_stands_for_all_images_below_it_and_the_rest_is_counted(tmp_path):
    for name in ("b/deep/2.png", "b/1.PNG", "a.png", ".hidden.png"):
        save(tmp_path / name, GRAY, format="PNG")
    (tmp_path / "b" / "notes.txt").write_text("")
    (tmp_path / "b" / "more.csv").write_text("")
    found = find_images([tmp_path, tmp_path / "a.png"])
    names = ["a.png", "b/1.PNG", "b/deep/2.png", "a.png"]
    assert [image.name for image in found.images] == [str(tmp_path / name) for name in names]
    assert {finding.what.partition(" are left")[0]: finding.count for finding in found.findings} == {
        "hidden files and files of operating systems": 1,
        "files without an image extension": 2,
    }
    assert found.unreadable == []


def test_what_is_not_there_is_unreadable(tmp_path):
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    wrong = [tmp_path / name for name in ("empty", "missing.png", "pipe.png", "a" * 300)]
    found = find_images([*wrong, save(tmp_path / "a.png", GRAY)])
    assert [image.name for image in found.images] == [str(tmp_path / "a.png")]
    assert [each.reason for each in found.unreadable] == [
        "the folder holds no image",
        "there is no such file",
        "it is not a regular file",
        "it cannot be accessed: File name too long",
    ]
    with pytest.raises(ReorderKitError, match=r"no image found\n  .*empty: the folder holds no image\n  .*missing.png"):
        find_images(wrong)


def test_a_file_of_another_ending_is_read_where_it_is_named(tmp_path):
    path = save(tmp_path / "scan.dat", COLOR, format="PNG")
    assert torch.equal(read(path).pixels, torch.from_numpy(COLOR).permute(2, 0, 1))


@pytest.mark.parametrize("form", ["file", "pillow", "array"])
def test_channels_are_those_of_the_run_and_that_is_told(tmp_path, form):
    def given(pixels):
        path = save(tmp_path / "image.png", pixels)
        return {"file": lambda: path, "pillow": lambda: Image.open(path), "array": lambda: pixels}[form]()

    in_color, in_gray = read(given(GRAY)), read(given(COLOR), channels=1)
    assert torch.equal(in_color.pixels, torch.from_numpy(GRAY).expand(3, -1, -1))
    assert [finding.what for finding in in_color.findings] == [IN_COLOR]
    # ITU-R 601-2, as in Pillow.
    luma = COLOR.astype(float) @ [0.299, 0.587, 0.114]
    assert (in_gray.pixels[0].numpy() - luma).max() <= 1
    assert [finding.what for finding in in_gray.findings] == [IN_GRAY]
    assert read(given(GRAY), channels=1).findings == read(given(COLOR)).findings == ()


def test_16_bits_are_brought_to_8_as_the_run_did(tmp_path):
    wide = np.array([[0, 4095, 2048]], np.uint16)
    expected = [[[0, 255, 128]]]
    path = save(tmp_path / "wide.png", wide)
    for given in (path, Image.open(path), wide, wide[..., None]):
        found = read(given, channels=1, bit_depth=12)
        assert found.pixels.tolist() == expected
        assert "4,095" in found.findings[0].what
    color = read(np.stack([wide] * 3, axis=-1), bit_depth=12)
    assert color.pixels.tolist() == expected * 3
    too_bright = read(path, channels=1, bit_depth=8)
    assert isinstance(too_bright, Unreadable)
    assert "more than the 8 bits" in too_bright.reason


def test_transparent_arrays_are_laid_on_the_background_of_the_run():
    pixels = np.zeros((1, 2, 4), np.uint8)
    pixels[0, 0, 3] = 255
    found = read(pixels, background=(10, 20, 30))
    assert found.pixels[:, 0].T.tolist() == [[0, 0, 0], [10, 20, 30]]
    assert "transparent" in found.findings[0].what


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_of_pillow_are_turned_upright_as_files_are(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "turned.png", COLOR, exif=exif)
    from_file, from_memory = read(path), read(Image.open(path))
    assert torch.equal(from_file.pixels, from_memory.pixels)
    assert from_file.size == ((3, 2) if orientation >= 5 else (2, 3)) == tuple(from_file.pixels.shape[1:])


def test_the_size_of_a_photo_is_its_own_where_a_part_of_its_pixels_is_decoded(tmp_path):
    path = save(tmp_path / "large.jpg", np.zeros((400, 800, 3), np.uint8))
    found = read(path, least_side=100)
    assert found.pixels.shape == (3, 100, 200)
    assert found.size == (400, 800)


def test_an_image_in_memory_stays_as_it_is_and_is_read_whole(tmp_path):
    with Image.open(save(tmp_path / "large.jpg", np.zeros((400, 800, 3), np.uint8))) as given:
        found = read(given, least_side=100)
        assert given.size == (800, 400)
    assert found.size == tuple(found.pixels.shape[1:]) == (400, 800)


def test_several_images_may_come_in_one_array_or_an_iterator():
    assert len(find_images(np.zeros((5, 4, 4, 3), np.uint8)).images) == 5
    assert [image.name for image in find_images(iter([GRAY, COLOR])).images] == ["image 0", "image 1"]
    with pytest.raises(ReorderKitError, match="no image found"):
        find_images(iter([]))
