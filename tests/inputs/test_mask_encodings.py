"""Masks of one data set in two encodings, such as 0 and 1 in some and 0 and 255 in others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pictures_in_sources import OF_MASKS, Item, encoded, open_source
from reorder_kit.data_sources.segmentation_folder import SegmentationFolder
from reorder_kit.errors import ReorderKitError

every_source = pytest.mark.parametrize("source", OF_MASKS)
SIDE = 6


def item(number: int, *values: int) -> Item:
    """A unique image, and a mask of background with these values."""
    picture = np.full((SIDE, SIDE, 3), number, dtype=np.uint8)
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    mask[2, : len(values)] = values
    return Item(encoded(picture), mask=encoded(mask))


def items(values: tuple[int, ...], count: int, first: int = 100) -> list[Item]:
    return [item(first + number, *values) for number in range(count)]


def of_encodings(source: str, root: Path, train: list[Item], test: list[Item]) -> list[tuple[str, int]]:
    splits = open_source(source, root, test, train)
    return [(finding.what, finding.count) for finding in splits.findings if "ignored pixels" in finding.what]


@every_source
def test_a_test_split_in_another_encoding_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError) as error:
        of_encodings(source, tmp_path, items((1,), 2), items((255,), 3, 200))
    first = "background" if source == "voc masks" else "ant"
    assert f"the 3 sampled test masks have no pixel outside the class '{first}'; their values: 0, 255" in str(
        error.value
    )
    assert "the training masks have 0, 1" in str(error.value.hint)


@every_source
def test_a_test_split_of_background_alone_is_refused(source: str, tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"the 40 sampled test masks .* their values: 0\n"):
        of_encodings(source, tmp_path, [], items((0,), 40, 150))


@every_source
def test_one_mask_with_an_object_is_enough_for_a_test(source: str, tmp_path: Path) -> None:
    test = items((0,), 40, 150)
    test[21] = item(99, 1)
    assert of_encodings(source, tmp_path, [], test) == []


@every_source
def test_training_masks_in_two_encodings_are_told_of(source: str, tmp_path: Path) -> None:
    [(_, count)] = of_encodings(source, tmp_path, items((255, 255), 12), items((1,), 2, 200))
    assert count == 12


@every_source
def test_a_few_masks_in_another_encoding_at_the_end_of_a_split_are_told_of(source: str, tmp_path: Path) -> None:
    test = [*items((1,), 50, 120), *items((255,), 10, 200)]
    assert len(of_encodings(source, tmp_path, [], test)) == 1


@every_source
@pytest.mark.parametrize(
    "masks",
    [
        pytest.param([(1, 255), (1, 255), (1,), (255,)], id="ignored rims"),
        pytest.param([(1, 255), (0,), (255,)], id="ignored places"),
        pytest.param([(1,), (0,), (1,)], id="nothing ignored"),
    ],
)
def test_pixels_that_are_ignored_on_purpose_are_not(source: str, masks: list[tuple[int, ...]], tmp_path: Path) -> None:
    of_split = [item(100 + number, *values) for number, values in enumerate(masks)]
    of_test = [item(150 + number, *values) for number, values in enumerate(masks)]
    assert of_encodings(source, tmp_path, of_split, of_test) == []


def test_a_split_that_is_set_aside_and_shows_nothing_is_told_of(tmp_path: Path) -> None:
    for number in range(10):
        made = item(100 + number, number == 9)
        for folder, data in (("images", made.data), ("masks", made.mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{number}.png").write_bytes(data or b"")
    # With this seed the one mask with an object stays in the training split.
    options = {"root": tmp_path, "classes": ("sea", "ship"), "split_seed": 0, "image_size": SIDE}
    splits = SegmentationFolder(SegmentationFolder.Options(**options)).open(0)
    told = [finding.what for finding in splits.findings if "set aside have no pixel outside 'sea'" in finding.what]
    assert [what.split()[0] for what in told] == ["validation", "test"]
