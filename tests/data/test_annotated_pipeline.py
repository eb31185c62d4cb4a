"""Images with boxes, masks and labels, through transforms and letterboxing: all of them stay together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors

from reorder_kit.data.annotated import AnnotatedImages, AnnotatedOptions, LabelledFile, RawSample
from reorder_kit.data.annotated_pipeline import AnnotatedPipeline
from reorder_kit.data.decoding import Decoding
from reorder_kit.data.letterbox import content_size, letterbox
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, BoxTarget, ImageShape, Sample, Unreadable

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1 / 255,) * 3}


def pipeline(size: Any, *transforms: Any, **options: Any) -> AnnotatedPipeline:
    """The training pipeline, without changing the values in the file."""
    made = AnnotatedOptions(image_size=size, train_transforms=transforms, **{**PLAIN, **options})
    return made.pipelines()[0]


def square(height: int, width: int, left: int, top: int, right: int, bottom: int) -> Tensor:
    """A black image with a white rectangle."""
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    image[:, top:bottom, left:right] = 255
    return image


def box_target(*boxes: tuple[float, ...], crowd: bool = False) -> BoxTarget:
    count = len(boxes)
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(count, 4)
    return BoxTarget(corners, torch.arange(count), torch.full((count,), crowd))


def mask_of(image: Tensor) -> Tensor:
    return (image[0] > 0).long()


def extent(bright: Tensor) -> tuple[int, int, int, int]:
    """Left, top, right and bottom edge of the bright area."""
    rows, columns = torch.where(bright.any(dim=1))[0], torch.where(bright.any(dim=0))[0]
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


# Letterboxing


@pytest.mark.parametrize(
    ("height", "width", "size", "expected"),
    [
        (100, 200, (64, 64), (32, 64)),
        (200, 100, (64, 64), (64, 32)),
        (10, 10, (64, 96), (64, 64)),
        (32, 48, (64, 96), (64, 96)),
        (33, 100, (32, 32), (11, 32)),
        (1, 1000, (32, 32), (1, 32)),
        (99, 7, (64, 64), (64, 5)),
    ],
)
def test_the_content_keeps_its_proportions(
    height: int, width: int, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert content_size(height, width, size) == expected


def test_one_side_is_filled_whatever_the_proportions() -> None:
    for height in range(1, 120, 7):
        for width in range(1, 120, 7):
            content = content_size(height, width, (48, 32))
            assert content[0] == 48 or content[1] == 32
            assert 1 <= content[0] <= 48
            assert 1 <= content[1] <= 32


def test_image_boxes_and_mask_are_letterboxed_alike() -> None:
    # Twice as wide as high, brought to a quarter: 8 rows of content above 8 rows of padding.
    image = square(32, 64, left=16, top=8, right=40, bottom=24)
    with_boxes = pipeline(16)(RawSample(image, box_target((16, 8, 40, 24))))
    with_mask = pipeline(16)(RawSample(image, mask_of(image)))
    assert with_boxes.content == with_mask.content == (8, 16)
    assert with_boxes.target.boxes.tolist() == [[4, 2, 10, 6]]
    assert extent(with_boxes.image[0] > 127) == (4, 2, 10, 6)
    assert extent(with_mask.target == 1) == (4, 2, 10, 6)
    assert (with_mask.target[8:] == IGNORED).all()
    assert (with_mask.target[:8] != IGNORED).all()
    assert torch.equal(with_boxes.image, with_mask.image)


def test_a_small_image_is_enlarged() -> None:
    image = square(4, 2, left=0, top=1, right=1, bottom=3)
    sample = pipeline((8, 12))(RawSample(image, box_target((0, 1, 1, 3))))
    assert sample.content == (8, 4)
    assert sample.target.boxes.tolist() == [[0, 2, 2, 6]]
    mask = pipeline((8, 12))(RawSample(image, mask_of(image))).target
    assert extent(mask == 1) == (0, 2, 2, 6)
    assert (mask[:, 4:] == IGNORED).all()


def test_an_image_of_the_right_size_is_left_untouched_and_has_no_padding() -> None:
    image = torch.randint(256, (3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    sample = pipeline(8)(RawSample(image, mask_of(image)))
    assert sample.content is None
    torch.testing.assert_close(sample.image, image.float())
    assert torch.equal(sample.target, mask_of(image))


def test_padding_is_zero_after_the_mean_was_taken_away() -> None:
    image = torch.full((3, 4, 8), 51, dtype=torch.uint8)
    sample = pipeline(8, mean=(0.1, 0.2, 0.3), std=(0.1, 0.1, 0.2))(RawSample(image, torch.tensor([1.0, 0.0])))
    assert sample.content == (4, 8)
    assert not sample.image[:, 4:].any()
    torch.testing.assert_close(sample.image[:, 0, 0], torch.tensor([1.0, 0.0, -0.5]))


def test_masks_hold_only_values_they_had() -> None:
    mask = torch.where(torch.rand(37, 53, generator=torch.Generator().manual_seed(0)) < 0.5, 3, 90)
    for size in (16, 37, 100):
        found = pipeline(size)(RawSample(torch.zeros(3, 37, 53, dtype=torch.uint8), mask)).target
        assert found.dtype == torch.int64
        assert set(found.unique().tolist()) == {3, 90, IGNORED}


def test_a_smaller_mask_takes_the_middle_of_the_pixels_it_stands_for() -> None:
    # Three to one: the middle one. The first would move a mask by a third of a pixel against its image.
    mask = torch.arange(9).expand(9, 9)
    letterboxed = letterbox(tv_tensors.Mask(mask), (3, 3))
    assert letterboxed.tolist() == [[1, 4, 7]] * 3


def test_labels_do_not_move() -> None:
    labels = torch.tensor([1.0, 0.0, 1.0])
    sample = pipeline(8, "RandomHorizontalFlip")(RawSample(square(3, 9, 0, 0, 2, 2), labels))
    assert torch.equal(sample.target, labels)


# Boxes at borders


def test_boxes_that_reach_over_the_image_end_where_its_content_does() -> None:
    # 20x40, so that the lower half of the result is padding, into which the second box would reach.
    boxes = box_target((-5, -5, 20, 10), (20, 10, 60, 40), (0, 0, 40, 20))
    sample = pipeline(20)(RawSample(square(20, 40, 0, 0, 1, 1), boxes))
    assert sample.content == (10, 20)
    assert sample.target.boxes.tolist() == [[0, 0, 10, 5], [10, 5, 20, 10], [0, 0, 20, 10]]


def test_boxes_beside_the_image_and_without_area_are_left_out_with_their_classes() -> None:
    boxes = box_target((41, 0, 50, 10), (3, 3, 3, 9), (1, 1, 2, 2), (0, 21, 40, 30), (39, 19, 40, 20))
    target = pipeline(40)(RawSample(square(20, 40, 0, 0, 1, 1), boxes)).target
    assert target.boxes.tolist() == [[1, 1, 2, 2], [39, 19, 40, 20]]
    assert target.classes.tolist() == [2, 4]
    assert len(target.crowd) == 2


def test_no_rounding_leads_a_box_out_of_the_content() -> None:
    for height in range(5, 90, 4):
        for width in (7, 33, 64, 97):
            full = RawSample(square(height, width, 0, 0, 1, 1), box_target((0, 0, width, height)))
            sample = pipeline(32)(full)
            content_height, content_width = sample.content or (32, 32)
            found = sample.target.boxes[0]
            assert found[2] <= content_width
            assert found[3] <= content_height
            assert found.tolist() == pytest.approx([0, 0, content_width, content_height], abs=1e-4)


def test_a_pixel_of_a_large_image_still_has_a_box() -> None:
    sample = pipeline(16)(RawSample(square(160, 160, 0, 0, 1, 1), box_target((50, 60, 51, 61))))
    assert sample.target.boxes.tolist() == [pytest.approx([5.0, 6.0, 5.1, 6.1])]


def test_an_image_without_boxes_has_an_empty_target() -> None:
    target = pipeline(16, "RandomHorizontalFlip", {"name": "RandomCrop", "size": 4})(
        RawSample(square(8, 8, 0, 0, 1, 1), box_target())
    ).target
    assert target.boxes.shape == (0, 4)
    assert target.boxes.dtype == torch.float32
    assert target.classes.dtype == torch.int64


def test_marks_of_a_crowd_stay() -> None:
    assert pipeline(8)(RawSample(square(4, 4, 0, 0, 2, 2), box_target((0, 0, 2, 2), crowd=True))).target.crowd.all()


# Transforms


FLIPS = ({"name": "RandomHorizontalFlip", "p": 1.0}, {"name": "RandomVerticalFlip", "p": 1.0})


def test_flips_take_image_boxes_and_mask_along() -> None:
    image = square(16, 32, left=2, top=4, right=10, bottom=6)
    for number, expected in ((1, (22, 4, 30, 6)), (2, (22, 10, 30, 12))):
        flipped = pipeline(32, *FLIPS[:number])
        with_boxes = flipped(RawSample(image, box_target((2, 4, 10, 6))))
        assert with_boxes.target.boxes.tolist() == [list(expected)]
        assert extent(with_boxes.image[0] > 127) == expected
        assert extent(flipped(RawSample(image, mask_of(image))).target == 1) == expected


def test_a_crop_cuts_image_boxes_and_mask_alike() -> None:
    image = square(8, 8, left=3, top=3, right=8, bottom=8)
    boxes = box_target((3, 3, 8, 8), (0, 0, 2, 2))
    crop = pipeline(8, {"name": "CenterCrop", "size": 4})
    with_boxes, with_mask = crop(RawSample(image, boxes)), crop(RawSample(image, mask_of(image)))
    # The middle four pixels, enlarged to eight: all of the large box except the first pixel remains, and nothing of the
    # small one.
    assert with_boxes.target.boxes.tolist() == [[2, 2, 8, 8]]
    assert with_boxes.target.classes.tolist() == [0]
    assert extent(with_boxes.image[0] > 127) == (2, 2, 8, 8)
    assert extent(with_mask.target == 1) == (2, 2, 8, 8)


@pytest.mark.parametrize(
    "transform",
    [
        {"name": "RandomResizedCrop", "size": [40, 60], "scale": [0.4, 1.0]},
        {"name": "RandomCrop", "size": [40, 50]},
        {"name": "RandomAffine", "degrees": 0, "translate": [0.2, 0.2], "scale": [0.7, 1.2]},
        {"name": "RandomZoomOut", "p": 1.0, "side_range": [1.0, 1.5]},
        {"name": "Pad", "padding": [3, 9, 1, 2]},
    ],
    ids=lambda transform: str(transform["name"]),
)
def test_a_bright_square_its_box_and_its_mask_stay_together(transform: dict[str, Any]) -> None:
    image = square(64, 96, left=36, top=28, right=52, bottom=40)
    made = pipeline(64, transform, "RandomHorizontalFlip")
    seen = set()
    for seed in range(6):
        torch.manual_seed(seed)
        with_boxes = made(RawSample(image, box_target((36, 28, 52, 40))))
        torch.manual_seed(seed)
        with_mask = made(RawSample(image, mask_of(image)))
        assert torch.equal(with_boxes.image, with_mask.image)
        bright = extent(with_boxes.image[0] > 127)
        assert with_boxes.target.boxes[0].tolist() == pytest.approx(bright, abs=1.1)
        assert extent(with_mask.target == 1) == pytest.approx(bright, abs=1)
        seen.add(bright)
    assert len(seen) > 1


@pytest.mark.parametrize("fill", [{}, {"fill": 1}, {"fill": [1, 2, 3]}], ids=str)
@pytest.mark.parametrize(
    "transform",
    [{"name": "Pad", "padding": 4}, {"name": "RandomAffine", "degrees": 0, "translate": [0.5, 0.5]}],
    ids=lambda transform: str(transform["name"]),
)
def test_what_a_transform_uncovers_is_ignored_and_no_class(transform: dict[str, Any], fill: dict[str, Any]) -> None:
    torch.manual_seed(1)
    image = torch.full((3, 8, 8), 9, dtype=torch.uint8)
    mask = torch.full((8, 8), 2)
    # Sizes at which nothing is scaled.
    sample = pipeline(16 if "padding" in transform else 8, {**transform, **fill})(RawSample(image, mask))
    colour = torch.as_tensor(fill.get("fill", 0)).expand(3).tolist()
    assert set(sample.target.unique().tolist()) == {2, IGNORED}
    assert sample.image[:, sample.target == IGNORED].unique(dim=1).flatten().tolist() == pytest.approx(colour)


def test_the_random_stream_decides_alone() -> None:
    image = torch.randint(256, (3, 20, 30), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    made = pipeline(16, {"name": "RandomResizedCrop", "size": 16}, "RandomHorizontalFlip")

    def draw(seed: int) -> Sample:
        torch.manual_seed(seed)
        return made(RawSample(image, mask_of(image)))

    assert torch.equal(draw(3).image, draw(3).image)
    assert torch.equal(draw(3).target, draw(3).target)
    assert not torch.equal(draw(3).image, draw(4).image)


def test_only_training_images_are_transformed() -> None:
    options = AnnotatedOptions(image_size=8, train_transforms=FLIPS[:1], **PLAIN)
    image = square(8, 8, 0, 0, 2, 2)
    train, evaluation = (made(RawSample(image, mask_of(image))) for made in options.pipelines())
    assert extent(train.target == 1) == (6, 0, 8, 2)
    assert extent(evaluation.target == 1) == (0, 0, 2, 2)


def test_a_transform_that_cannot_move_masks_is_named() -> None:
    raw = RawSample(square(8, 8, 0, 0, 2, 2), torch.zeros(8, 8, dtype=torch.int64))
    made = pipeline(8, "RandAugment")
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    with pytest.raises(ReorderKitError, match=r"data.train_transforms: \[RandAugment\(\)\] fails.*Mask"):
        made.check(raw)
    assert torch.equal(torch.rand(1), expected)


def test_a_transform_that_changes_the_channels_is_named() -> None:
    made = pipeline(8, {"name": "Grayscale", "num_output_channels": 1})
    with pytest.raises(ReorderKitError, match=r"\[Grayscale\(num_output_channels=1\)\] gives 1 channels, not 3"):
        made(RawSample(square(8, 8, 0, 0, 2, 2), torch.zeros(2)))


# Options


def test_the_size_is_of_a_square_or_height_and_width() -> None:
    assert AnnotatedOptions(image_size=96).image == ImageShape(3, 96, 96)
    assert AnnotatedOptions(image_size=(64, 96), channels=1).image == ImageShape(1, 64, 96)


def test_values_are_normalised_as_imagenet_unless_said_otherwise() -> None:
    image = torch.full((3, 8, 8), 255, dtype=torch.uint8)
    raw = RawSample(image, torch.zeros(2))
    colour = AnnotatedOptions(image_size=8).pipelines()[1](raw).image[:, 0, 0]
    torch.testing.assert_close(colour, (1 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225]))
    grey = AnnotatedOptions(image_size=8, channels=1).pipelines()[1](raw._replace(image=image[:1])).image
    assert grey.shape == (1, 8, 8)
    assert grey[0, 0, 0].item() == pytest.approx((1 - 1.347 / 3) / (0.678 / 3))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"image_size": 0}, "greater than or equal to 1"),
        ({"image_size": (8, 0)}, "greater than or equal to 1"),
        ({"channels": 2}, "3 or 1"),
        ({"mean": (0.5,)}, "mean has 1 numbers for 3 channels"),
        ({"channels": 1, "std": (0.5, 0.5, 0.5)}, "std has 3 numbers for 1 channels"),
        ({"std": (0.5, 0.0, 0.5)}, "greater than 0"),
        ({"train_transforms": ["RandomFlip"]}, "unknown transform 'RandomFlip'"),
        ({"train_transforms": ["Fit"]}, "Fit needs the argument 'size'"),
        ({"train_transforms": [{"name": "Fit", "size": 8}]}, "Fit would crop images but not their targets"),
        ({"sise": 8}, "sise"),
    ],
    ids=str,
)
def test_mistakes_of_a_recipe(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=reason):
        AnnotatedOptions(**options)


# Files


def test_files_that_cannot_be_used_are_unreadable(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "whole.png").read_bytes()[:40])
    Image.fromarray(np.zeros((2, 2), dtype=np.uint8)).save(tmp_path / "small.png")
    decoding = Decoding(channels=3)
    entries = [
        LabelledFile(str(tmp_path / name), decoding, torch.ones(1)) for name in ("whole.png", "torn.png", "small.png")
    ]
    cropped = pipeline(4, {"name": "RandomCrop", "size": 4})
    samples = AnnotatedImages(entries, Path(), cropped, cropped)
    assert len(samples) == 3
    whole, torn, small = (samples[index] for index in range(3))
    assert isinstance(whole, Sample)
    assert isinstance(torn, Unreadable)
    assert torn.path.endswith("torn.png")
    assert isinstance(small, Unreadable)
    assert small.path.endswith("small.png")
    assert "RandomCrop" in small.reason
