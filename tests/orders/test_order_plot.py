"""``order.plot``: the path over the grid, with an image below it."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.picture import picture_of

GRID = Grid(2, 4)
# Two rows of four pixels: red is 0 to 7, green and blue are zero.
RED = np.zeros((2, 4, 3), dtype=np.uint8)
RED[:, :, 0] = np.arange(8).reshape(2, 4)
EXPECTED = RED[None] / 255


@pytest.mark.parametrize(
    "image",
    [
        RED,
        RED / 255,
        Image.fromarray(RED),
        torch.from_numpy(RED).permute(2, 0, 1),
        torch.from_numpy(RED).permute(2, 0, 1)[None],
        (torch.from_numpy(RED).permute(2, 0, 1) / 255).double().requires_grad_(),
        np.concatenate([RED, RED[:, :, :1]], axis=2),
        Image.fromarray(RED).convert("RGBA"),
        RED.astype(np.int64),
    ],
    ids=[
        "uint8",
        "shares",
        "pillow",
        "channel first",
        "batch of one",
        "with gradient",
        "alpha",
        "pillow with alpha",
        "int64",
    ],
)
def test_an_image_is_taken_as_people_have_it(image):
    np.testing.assert_allclose(picture_of(image, GRID), EXPECTED, atol=1e-7)


@pytest.mark.parametrize(
    "image",
    [RED[:, :, 0], RED[:, :, :1], torch.from_numpy(RED)[:, :, 0], Image.fromarray(RED[:, :, 0])],
    ids=["array", "one channel", "tensor", "pillow"],
)
def test_one_channel_is_gray(image):
    np.testing.assert_allclose(picture_of(image, GRID), np.repeat(EXPECTED[..., :1], 3, axis=3))


@pytest.mark.parametrize("axes", [(3, 0, 1, 2), (0, 3, 1, 2), (0, 1, 2, 3)])
def test_a_clip_has_a_picture_for_each_frame(axes):
    clip = np.stack([RED, RED + 10])
    found = picture_of(clip.transpose(axes), Grid(2, 4, frames=2))
    np.testing.assert_allclose(found, clip / 255)


def test_a_normalized_image_is_stretched():
    found = picture_of(torch.tensor([[[-2.0, 0.0, 1.0, 2.0]]]), Grid(1, 4))
    assert found[0, 0, :, 0].tolist() == [0, 0.5, 0.75, 1]
    assert picture_of(torch.full((1, 1, 4), 3.0), Grid(1, 4)).max() == 0.5


def test_a_photo_that_lies_on_its_side_is_turned_upright():
    lying = Image.fromarray(RED.transpose(1, 0, 2)[:, ::-1].copy())
    exif = Image.Exif()
    exif[0x0112] = 8  # rotate by 90 degrees counterclockwise
    lying.save(file := io.BytesIO(), "PNG", exif=exif)
    found = picture_of(Image.open(file), GRID)
    np.testing.assert_allclose(found, EXPECTED)


@pytest.mark.parametrize(
    ("image", "grid", "message"),
    [
        (np.zeros((5, 5, 3)), GRID, "an image of 5x5 pixels cannot be cut into 2x4 patches"),
        (np.zeros((2, 3, 8, 8)), GRID, "2 images, of shape"),
        (np.zeros((5, 8, 8)), GRID, "not one image"),
        (np.zeros(8), GRID, "not one image"),
        (np.zeros((3, 8, 8)), Grid(2, 4, frames=2), "not a clip of 2 frames"),
        (np.zeros((3, 5, 8, 8)), Grid(2, 4, frames=2), "not a clip of 2 frames"),
        (np.zeros((0, 8, 3)), GRID, "expected an image, got a ndarray of shape"),
        ("photo.jpg", GRID, "expected an image, got the path 'photo.jpg'"),
        (None.__class__, GRID, "expected an image, got a type"),
        ([[1], [1, 2]], GRID, "this is not an image"),
        (torch.full((3, 8, 8), float("nan")), GRID, "NaN or infinity"),
    ],
    ids=str,
)
def test_what_is_no_image_is_refused_in_words(image, grid, message):
    with pytest.raises(ReorderKitError, match=message):
        picture_of(image, grid)


def shown(figure):
    return np.asarray(Image.open(io.BytesIO(figure._repr_png_())).convert("RGB")).astype(int)


def test_a_figure_shows_the_image_below_the_path():
    green = np.zeros((2, 2, 3), dtype=np.uint8)
    green[0, 0] = (0, 200, 0)
    figure = Order([0, 1, 3, 2], grid=Grid(2, 2)).plot(green)
    picture = shown(figure)
    inside = (abs(picture - [0, 200, 0]) <= 2).all(axis=-1)
    # One cell of 0.85 inches at 160 dpi, minus the number and a quarter of the path with its white edge.
    assert 0.4 * 136**2 < inside.sum() < 136**2
    assert not (abs(shown(Order([0, 1, 3, 2], grid=Grid(2, 2)).plot()) - [0, 200, 0]) <= 2).all(axis=-1).any()


def test_notebooks_show_a_figure_once():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    figure = Order([1, 0], grid=Grid(1, 2)).plot()
    assert plt.get_fignums() == before
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_the_title_is_the_order_unless_one_is_given():
    order = Order([3, 0], grid=Grid(2, 2))
    assert order.plot().texts[0].get_text() == "2 of 4 patches, 2x2 grid"
    assert order.plot(title="mine").texts[0].get_text() == "mine"


def test_a_clip_and_a_partial_order_are_drawn():
    assert shown(Order([7, 0, 3], grid=Grid(2, 2, frames=2)).plot(torch.rand(3, 2, 4, 4))).size


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (Order([1, 0]), "an order without a grid cannot be drawn"),
        (Order([[1, 0], [0, 1]], grid=Grid(1, 2)), "same for all images"),
        (Order(range(129 * 128), grid=Grid(129, 128)), "too large for a picture"),
    ],
)
def test_what_cannot_be_drawn_is_refused(order, message):
    with pytest.raises(ReorderKitError, match=message):
        order.plot()
