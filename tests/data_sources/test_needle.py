"""The needle: its images, and the best accuracy of any static order, from all possible images."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction
from itertools import product

import pydantic
import pytest
import torch
from torch import Tensor

from reorder_kit.data_sources.needle import Needle
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, cut
from reorder_kit.ops.needle import static_accuracy

SMALL = {"train_images": 400, "validation_images": 50, "test_images": 100}
MARKS = ("sign", "product", "predecessor")


def drawn(**options):
    splits = Needle(Needle.Options(**{**SMALL, **options})).open(0)
    images = torch.stack([splits.train[number].image for number in range(len(splits.train))])
    return splits, images, [splits.train[number].target for number in range(len(splits.train))]


def patches_of(images: Tensor, grid: Grid) -> Tensor:
    """Row-major patches; the pixels of each from left to right and down."""
    return cut(images, grid).int()


def needle_of(patches: list[tuple[int, ...]], mark: str) -> int:
    """The place of the needle, as the documentation defines it."""
    if mark == "product":
        (place,) = [place for place, patch in enumerate(patches) if patch[0] == patch[3]]
        return place
    (place,) = [place for place, patch in enumerate(patches) if patch[0] == 1]
    return place + (mark == "predecessor")


def class_of(patch: tuple[int, ...]) -> int:
    return 2 * (patch[1] == 1) + (patch[2] == 1)


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("grid", [(4, 4), (2, 3), (1, 2)])
def test_the_class_is_that_of_the_one_patch_that_is_marked(mark, grid):
    _, images, targets = drawn(mark=mark, grid=grid)
    assert images.shape[1:] == (1, 2 * grid[0], 2 * grid[1])
    assert set(images.unique().tolist()) == {-1.0, 1.0}
    for patches, target in zip(patches_of(images, Grid(*grid)).tolist(), targets, strict=True):
        assert class_of(patches[needle_of(patches, mark)]) == target


@pytest.mark.parametrize("mark", MARKS)
def test_places_classes_and_pixels_are_uniform(mark):
    splits, images, targets = drawn(mark=mark, grid=(2, 3), train_images=12_000)
    patches = patches_of(images, Grid(2, 3))
    places = Counter(needle_of(each, mark) for each in patches.tolist())
    possible = range(1, 6) if mark == "predecessor" else range(6)
    assert set(places) == set(possible)
    for counts, kinds in ((places, len(possible)), (Counter(targets), 4)):
        expected = 12_000 / kinds
        assert all(abs(count - expected) < 5 * expected**0.5 for count in counts.values())
    assert patches[..., 1:3].float().mean().abs() < 5 / (12_000 * 12) ** 0.5
    assert list(splits.classes) == ["- -", "- +", "+ -", "+ +"]


def test_the_needle_of_a_product_looks_like_every_decoy_pixel_by_pixel():
    _, images, _ = drawn(mark="product", train_images=12_000)
    assert patches_of(images, Grid(4, 4)).float().mean(dim=(0, 1)).abs().max() < 5 / (12_000 * 16) ** 0.5


def test_splits_differ_and_seeds_do_not():
    one, other = Needle(Needle.Options(**SMALL)).open(0), Needle(Needle.Options(**SMALL)).open(1)
    assert torch.equal(one.train[3].image, other.train[3].image)
    train = {one.train[number].image.numpy().tobytes() for number in range(400)}
    assert not train & {one.test[number].image.numpy().tobytes() for number in range(100)}


# The best static order


def possible_images(mark: str, places: int):
    """Every image, with its needle; the pixels that do not matter are left out."""
    heads = (-1, 1) if mark == "product" else (0,)
    contents = [(head, *pixels) for head in heads for pixels in product((-1, 1), repeat=2)]
    for needle in range(mark == "predecessor", places):
        for content in product(contents, repeat=places):
            marked = needle - (mark == "predecessor")
            yield (
                [
                    (head, head if place == needle else -head, *pixels)
                    if mark == "product"
                    else (1 if place == marked else -1, 0, *pixels)
                    for place, (head, *pixels) in enumerate(content)
                ],
                needle,
            )


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("read", [(), (3,), (0, 2), (2, 3), (1, 2, 3), (0, 1, 2, 3)])
def test_no_reader_of_the_same_patches_is_better_than_the_formula(mark, read):
    """The best guess for everything that a reader of these patches can see."""
    seen = defaultdict(Counter)
    for patches, needle in possible_images(mark, 4):
        signs = tuple(patches[place] for place in read)
        seen[signs][patches[needle][2:]] += 1
    total = sum(sum(counts.values()) for counts in seen.values())
    best = Fraction(sum(max(counts.values()) for counts in seen.values()), total)
    first = mark == "predecessor"
    bound = static_accuracy(sum(place >= first for place in read), 4 - first, 4)
    assert best <= bound
    if mark != "predecessor" or read in {(2, 3), (1, 2, 3), (0, 1, 2, 3), ()}:  # patches in a row, up to the last
        assert best == bound


def test_the_known_values():
    assert [round(float(static_accuracy(5, places, 4)), 3) for places in (16, 64, 15)] == [0.484, 0.309, 0.5]


@pytest.mark.parametrize(("read", "places", "classes"), [(5, 4, 4), (-1, 4, 4), (0, 0, 4), (1, 4, 0)])
def test_what_cannot_be_read_is_refused(read, places, classes):
    with pytest.raises(ReorderKitError):
        static_accuracy(read, places, classes)


@pytest.mark.parametrize("grid", [(1, 1), (65, 64)])
def test_a_grid_without_decoys_or_of_endless_patches_is_refused(grid):
    with pytest.raises(pydantic.ValidationError, match="must have 2 to 4,096 patches"):
        Needle.Options(grid=grid)
