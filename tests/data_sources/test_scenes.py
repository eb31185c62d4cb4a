"""Scenes of digits: the drawing, its targets, and reproducibility."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pydantic
import pytest
import torch

from reorder_kit.data.scene_drawing import INK, NOBODY, Glyphs, SceneRules, _enlarge, draw_scene
from reorder_kit.data_sources.digits import Digits
from reorder_kit.data_sources.scenes import DrawnScenes, Scenes, _glyphs_of_splits
from reorder_kit.interfaces import BOXES, MASK, MULTI_LABEL, BoxTarget, DataSplits, ImageShape, TargetKind

SMALL = {"train_images": 40, "validation_images": 10, "test_images": 10}


def open_scenes(kind: TargetKind, seed: int = 0, **options: Any) -> DataSplits:
    return Scenes(Scenes.Options(**{**SMALL, **options}), kind).open(seed)


def rules(**given: Any) -> SceneRules:
    values = {"size": (48, 64), "digits": (2, 6), "digit_size": (10, 24), "max_hidden": 0.1, "noise": 0.0}
    return SceneRules(**{**values, **given})


def squares() -> Glyphs:
    """Full squares of the classes 3 and 7, all of whose pixels are ink."""
    return Glyphs(np.ones((2, 8, 8), dtype=np.float32), np.array([3, 7]))


def test_the_three_kinds_of_targets_tell_of_the_same_scene() -> None:
    kinds: tuple[TargetKind, ...] = (MULTI_LABEL, BOXES, MASK)
    labels, boxes, masks = (open_scenes(kind).train for kind in kinds)
    for number in range(len(labels)):
        (image, present, *_), (same, target, *_), (again, mask, *_) = labels[number], boxes[number], masks[number]
        assert torch.equal(image, same)
        assert torch.equal(image, again)
        assert isinstance(target, BoxTarget)
        assert set(present.nonzero().flatten().tolist()) == set(target.classes.tolist())
        assert set((mask.long().unique() - 1).tolist()) - {-1} == set(target.classes.tolist())
        inside = torch.zeros_like(mask)
        for box in target.boxes.long().tolist():
            left, top, right, bottom = box
            inside[top:bottom, left:right] = 1
        assert (inside[mask > 0] == 1).all()


def test_a_box_fits_the_visible_ink_tightly() -> None:
    for number in range(20):
        scene = draw_scene(np.random.RandomState(number), squares(), rules())
        for digit, (left, top, right, bottom) in enumerate(scene.boxes().astype(int).tolist()):
            places = [(row, column) for row, column in np.ndindex(48, 64) if scene.owner[row, column] == digit]
            assert (top, left) == (min(row for row, _ in places), min(column for _, column in places))
            assert (bottom, right) == (max(row for row, _ in places) + 1, max(column for _, column in places) + 1)


def test_squares_that_hide_nothing_are_drawn_whole() -> None:
    for number in range(20):
        scene = draw_scene(np.random.RandomState(number), squares(), rules(max_hidden=0.0))
        sides = scene.boxes()[:, 2:] - scene.boxes()[:, :2]
        assert (sides[:, 0] == sides[:, 1]).all()
        assert sides.min() >= 10
        assert sides.max() <= 24
        assert np.array_equal(scene.picture, (scene.owner != NOBODY).astype(np.float32))
        assert int((scene.owner != NOBODY).sum()) == int((sides[:, 0] ** 2).sum())
        assert set(scene.mask()[scene.owner == 0].tolist()) == {int(scene.classes[0]) + 1}
        assert not scene.mask()[scene.owner == NOBODY].any()


@pytest.mark.parametrize("allowed", [0.0, 0.1, 0.5])
def test_no_digit_loses_more_of_its_ink_than_allowed(allowed: float) -> None:
    """Removing the last digits of a scene one by one shows how much of each was visible."""
    worst = 0.0
    for number in range(60):
        wanted = rules(digits=(6, 6), digit_size=(16, 16), max_hidden=allowed)
        scene = draw_scene(np.random.RandomState(number), squares(), wanted)
        for digit in range(len(scene.classes)):
            worst = max(worst, 1 - int((scene.owner == digit).sum()) / 16**2)
    assert worst <= allowed
    assert worst > 0.8 * allowed or allowed == 0


def test_the_number_of_digits_and_their_size_are_drawn_from_both_ends() -> None:
    roomy = rules(size=(200, 200), max_hidden=0.0)
    scenes = [draw_scene(np.random.RandomState(number), squares(), roomy) for number in range(300)]
    assert {len(scene.classes) for scene in scenes} == {2, 3, 4, 5, 6}
    sides = np.concatenate([scene.boxes()[:, 2] - scene.boxes()[:, 0] for scene in scenes])
    assert set(sides.tolist()) == set(range(10, 25))
    places = np.concatenate([scene.boxes() for scene in scenes])
    assert (places.min(), places.max()) == (0, 200)


def test_a_crowded_scene_leaves_digits_out() -> None:
    crowded = rules(size=(16, 16), digits=(5, 5), digit_size=(16, 16), max_hidden=0.5)
    assert len(draw_scene(np.random.RandomState(0), squares(), crowded).classes) == 1


@pytest.mark.parametrize("side", [8, 11, 16, 28])
def test_a_digit_is_enlarged_bilinearly(side: int) -> None:
    picture = np.random.RandomState(0).random_sample((8, 8)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(picture)[None, None], size=(side, side), mode="bilinear"
    )
    assert np.allclose(_enlarge(picture, side), expected[0, 0].numpy(), atol=1e-6)


def test_noise_is_the_background_and_nothing_else() -> None:
    scene = draw_scene(np.random.RandomState(0), squares(), rules(noise=0.25))
    background = scene.picture[scene.owner == NOBODY]
    # Uniform from 0 to 0.25: mean 0.125, with a standard error of 0.25 / sqrt(12 * 1500) = 0.0019.
    assert background.max() <= 0.25
    assert abs(background.mean() - 0.125) < 0.008
    assert np.allclose(scene.picture[scene.owner != NOBODY], 1.0)


def test_every_handwritten_digit_has_ink() -> None:
    parts = _glyphs_of_splits()
    assert sum(map(len, parts)) == 1797
    for side in (8, 14, 28):
        assert all((_enlarge(picture, side) > INK).any() for part in parts for picture in part.pictures)


def test_handwritten_digits_are_in_one_split_and_test_is_that_of_digits() -> None:
    parts = _glyphs_of_splits()
    contents = [{picture.tobytes() for picture in part.pictures} for part in parts]
    assert not contents[0] & contents[1]
    assert not (contents[0] | contents[1]) & contents[2]
    digits = Digits().open(seed=0).test
    assert [digits[number].target for number in range(len(digits))] == parts[2].classes.tolist()


def fingerprint(splits: DataSplits) -> str:
    pictures = [splits.train[3], splits.validation[3], splits.test[3]]
    return hashlib.sha256(b"".join(image.numpy().tobytes() for image, *_ in pictures)).hexdigest()


def test_scenes_hang_on_their_own_seed_alone() -> None:
    first = fingerprint(open_scenes(BOXES, seed=0))
    assert fingerprint(open_scenes(BOXES, seed=1)) == first
    assert fingerprint(open_scenes(BOXES, scene_seed=1)) != first


def test_more_scenes_leave_the_others_as_they_are() -> None:
    few, many = (DrawnScenes(count, (0, 2), squares(), rules()) for count in (4, 9))
    assert all(torch.equal(few[number].image, many[number].image) for number in range(4))
    assert torch.equal(many[-1].image, many[8].image)
    with pytest.raises(IndexError):
        few[4]


def test_pixels_are_standardised() -> None:
    train = open_scenes(MULTI_LABEL, train_images=100).train
    pixels = torch.stack([train[number].image for number in range(100)])
    assert abs(pixels.mean()) < 1e-4
    assert abs(pixels.std() - 1) < 1e-3


def test_masks_have_a_class_for_the_background() -> None:
    assert open_scenes(MASK).classes == ["background", *"0123456789"]
    assert open_scenes(BOXES).classes == list("0123456789")


def test_the_size_can_be_a_rectangle() -> None:
    splits = open_scenes(MASK, image_size=[32, 80])
    assert splits.image == ImageShape(1, 32, 80)
    assert splits.test[0].target.shape == (32, 80)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"digits": [4, 3]}, r"digits \[4, 3\]: the first number is larger than the second"),
        ({"digits": [1, 101]}, "a scene can hold at most 100"),
        ({"digit_size": [20, 10]}, r"digit_size \[20, 10\]: the first number is larger than the second"),
        ({"digit_size": [7, 10]}, "digit_size starts at 7, but must be at least 8"),
        ({"image_size": [20, 90]}, r"digit_size goes up to 28, but image_size is \(20, 90\)"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=message):
        Scenes.Options(**options)
