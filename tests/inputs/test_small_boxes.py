"""Boxes made on smaller images, or in units other than pixels: they fit, in one corner."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from boxed_inputs import DECLARING, SOURCES, Picture, open_boxed, usual
from reorder_kit.interfaces import Finding

every_source = pytest.mark.parametrize("source", SOURCES)
HEIGHT, WIDTH = 200, 240
Box = tuple[float, ...]


def boxes_in(height: float, width: float, count: int = 24) -> list[Box]:
    """Edges of boxes all over an image of this size, one of them as large as it."""
    random = np.random.default_rng(1)
    lefts, tops = random.uniform(0, 0.8 * width, count), random.uniform(0, 0.8 * height, count)
    rights, bottoms = random.uniform(lefts + 0.1 * width, width), random.uniform(tops + 0.1 * height, height)
    edges = [tuple(map(float, np.round(box))) for box in zip(lefts, tops, rights, bottoms, strict=True)]
    return [(0.0, 0.0, float(width), float(height)), *edges[1:]]


def pictures(source: str, boxes: list[Box], each: int = 4, declared: str | None = "own") -> list[Picture]:
    numbers = usual(source, *boxes)
    starts = range(0, len(numbers), each)
    return [Picture(numbers[start : start + each], None, declared, HEIGHT, WIDTH) for start in starts]


def told(source: str, root: Path, train: list[Picture], test: list[Picture] | None = None) -> list[Finding]:
    found = open_boxed(source, root, train, test or ()).findings
    return [finding for finding in found if "reach at most" in finding.what]


@every_source
@pytest.mark.parametrize("declared", ["own", None])
def test_boxes_in_percent_are_told_of(source: str, declared: str | None, tmp_path: Path) -> None:
    [found] = told(source, tmp_path, pictures(source, boxes_in(100, 100), declared=declared))
    assert "0.42 of the width and 0.50 of the height" in found.what
    assert "no edge lies beyond 100: percent; or the annotated images may have been smaller" in found.what
    assert found.count == 24


@every_source
@pytest.mark.parametrize("scale", [0.15, 0.45, 0.5])
def test_boxes_of_a_smaller_copy_are_told_of(source: str, scale: float, tmp_path: Path) -> None:
    [found] = told(source, tmp_path, pictures(source, boxes_in(scale * HEIGHT, scale * WIDTH)))
    assert f"{scale:.2f} of the width and {scale:.2f} of the height" in found.what
    assert "(the annotated images may have been smaller)" in found.what


@every_source
def test_small_boxes_of_the_test_alone_are_told_of(source: str, tmp_path: Path) -> None:
    train = pictures(source, boxes_in(HEIGHT, WIDTH))
    assert len(told(source, tmp_path, train, pictures(source, boxes_in(60, 80)))) == 1


@every_source
def test_a_small_image_among_large_ones_changes_nothing(source: str, tmp_path: Path) -> None:
    small = Picture(usual(source, (0, 0, 80, 60)), height=60, width=80)
    assert len(told(source, tmp_path, [*pictures(source, boxes_in(60, 80)), small])) == 1


@pytest.mark.parametrize("source", ["coco-detection", "webdataset"])
@pytest.mark.parametrize(
    ("height", "width", "count", "each"),
    [
        pytest.param(HEIGHT, WIDTH, 24, 4, id="all over"),
        pytest.param(HEIGHT / 2, WIDTH, 24, 4, id="upper half"),
        pytest.param(HEIGHT, WIDTH / 2, 24, 4, id="left half"),
        pytest.param(0.6 * HEIGHT, 0.6 * WIDTH, 24, 4, id="a little aside"),
        pytest.param(60, 80, 19, 3, id="few boxes"),
        pytest.param(60, 80, 24, 6, id="few images"),
    ],
)
def test_ordinary_boxes_are_not(
    source: str, height: float, width: float, count: int, each: int, tmp_path: Path
) -> None:
    assert told(source, tmp_path, pictures(source, boxes_in(height, width, count), each)) == []


@pytest.mark.parametrize("source", DECLARING)
def test_it_is_the_size_of_the_file_where_none_is_declared(source: str, tmp_path: Path) -> None:
    boxes = boxes_in(100, 100)
    numbers = usual(source, *boxes)
    train = [Picture(numbers[start : start + 4], None, None, 100, 100) for start in range(0, 24, 4)]
    assert told(source, tmp_path, train) == []
