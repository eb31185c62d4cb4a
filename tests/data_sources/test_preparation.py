"""An outside image is prepared like a test image, without the data."""

from __future__ import annotations

import shutil
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from reorder_kit.data.given_images import find_images, read_given
from reorder_kit.interfaces import BOXES
from reorder_kit.testing import host_with
from small_data import SMALL
from tiny_data import SOURCES, pixels

HOST = host_with()
IMAGES = {f"image-{number}": pixels(f"image-{number}") for number in range(12)}
OPTIONS = {"fmow": {"crop": "image"}}


def opened(name, options):
    source = HOST.data_sources.get(name)
    built = source(source.Options.model_validate(options, context={"host": HOST}))
    return built, built.open(0)


def prepared(preparation, content):
    (given,) = find_images(content).images
    return preparation.transform(read_given(given, preparation.decoding).pixels)


@pytest.mark.parametrize("source", SOURCES, ids=str)
@pytest.mark.parametrize(
    "changed",
    [
        {"image_size": 8},
        {"image_size": [10, 14]},
        {"image_size": 8, "mean": [0.1, 0.2, 0.3], "std": [1.0, 0.5, 0.25]},
    ],
    ids=["as-it-is", "other-size", "other-scale"],
)
def test_it_equals_the_test_image(source, changed, tmp_path):
    if source.name == "hf":
        pytest.importorskip("datasets", reason="the extra hf is not installed")
    source.fill(tmp_path, IMAGES)
    options = source.data(tmp_path, **changed, **OPTIONS.get(source.name, {}))
    del options["name"]
    built, splits = opened(source.name, options)
    expected = [(splits.test.identity(index).encoded(), splits.test[index]) for index in range(len(splits.test))]
    shutil.rmtree(tmp_path)
    preparation = built.preparation(splits.image)
    if "mean" in changed:
        assert built.pixel_scale == (tuple(changed["mean"]), tuple(changed["std"]))
    for encoded, sample in expected:
        found = prepared(preparation, Image.open(BytesIO(encoded)))
        assert torch.equal(found.image, sample.image)
        assert found.content == sample.content
        assert found.target is None
    assert preparation.shows_all or BOXES not in built.target_kinds


def test_images_of_data_in_memory_are_prepared_alike(tmp_path):
    built, splits = opened("torchvision", SMALL["torchvision"](tmp_path))
    raw = np.frombuffer((tmp_path / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    first = raw.reshape(-1, 28, 28)[0]
    assert torch.equal(prepared(built.preparation(splits.image), first).image, splits.test[0].image)


def test_scenes_are_measured_again():
    built, splits = opened("scenes", SMALL["scenes"](None))
    preparation = built.preparation(splits.image)
    picture = splits.test.draw(0).picture
    found = prepared(preparation, np.rint(picture * 255).astype(np.uint8))
    # Half a step of 255, of values up to 1 with a standard deviation above 0.1.
    torch.testing.assert_close(found.image, splits.test[0].image, atol=0.5 / 255 / 0.1, rtol=0)
    wide = prepared(preparation, np.zeros((32, 64), np.uint8))
    assert (wide.content, preparation.shows_all) == ((32, 64), True)


def test_a_place_in_an_image_says_that_images_are_read_as_a_whole():
    source = HOST.data_sources.get("fmow")
    built = source(source.Options.model_validate({"root": "nowhere"}))
    (note,) = built.preparation(built.image).notes
    assert "Crop them in the same way first" in note


def test_a_source_without_image_files_prepares_nothing():
    source = HOST.data_sources.get("planted-chain")()
    assert source.preparation(source.image) is None
