"""The display of an order in a notebook: well-formed, small, and faithful."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
import torch

from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

SHUFFLED_64 = torch.randperm(64**2, generator=torch.Generator().manual_seed(0))
NUMBER = r"-?[\d.]+"


def drawn(order):
    """The elements of the picture by name, and the text below it."""
    tree = ElementTree.fromstring(order._repr_html_())
    svg = tree.find("svg")
    assert svg is not None
    return svg, "".join(tree.itertext())


def paths(svg, **look):
    return [
        each.get("d") for each in svg.iter("path") if all(each.get(k.replace("_", "-")) == v for k, v in look.items())
    ]


def walked(svg):
    """The centers of the patches along the path, in cells, read only from the drawn lines."""
    points = []
    for line in paths(svg, stroke_width=".5"):
        x = y = 0.0
        for command, rest in re.findall(rf"([Mmhv])((?:[ ]?{NUMBER})+)", line):
            numbers = [float(number) for number in re.findall(NUMBER, rest)]
            if command == "M":
                x, y = numbers
            elif command == "m":
                x, y = x + numbers[0], y + numbers[1]
            elif command == "h":
                x += numbers[0]
            else:
                y += numbers[0]
            if not points or points[-1] != (x, y):
                points.append((x, y))
    return [(int(y / 2 - 0.5), int(x / 2 - 0.5)) for x, y in points]


@pytest.mark.parametrize("grid", [Grid(1, 1), Grid(1, 2), Grid(3, 5), Grid(8, 8), Grid(14, 14)], ids=str)
def test_the_path_goes_through_the_patches_in_their_order(grid):
    for seed in range(3):
        indices = torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(seed))
        svg, _ = drawn(Order(indices, grid=grid))
        expected = [divmod(index, grid.width) for index in indices.tolist()]
        assert walked(svg) == (expected if len(expected) > 1 else [])
        circle = svg.find("circle")
        assert (float(circle.get("cy")) / 2 - 0.5, float(circle.get("cx")) / 2 - 0.5) == expected[0]


def test_a_snake_has_no_jumps_and_a_row_order_has_dashed_ones():
    svg, text = drawn(Order([0, 1, 3, 2], grid=Grid(2, 2)))
    assert paths(svg, stroke_dasharray=".4 .3") == []
    assert text == "2x2 grid, 4 patches; starts at the circle, ends at the square"
    svg, text = drawn(Order([0, 1, 2, 3], grid=Grid(2, 2)))
    assert paths(svg, stroke_dasharray=".4 .3") == ["M3 1l-2 2"]
    assert text.endswith("; 1 jump (dashed)")


def test_a_jump_over_patches_is_an_arc():
    svg, _ = drawn(Order([0, 2, 1], grid=Grid(1, 3)))
    (jump,) = paths(svg, stroke_dasharray=".4 .3")
    assert re.fullmatch(rf"M1 1q2 ?{NUMBER} 4 0", jump)


def test_patches_that_are_left_out_are_shaded():
    svg, text = drawn(Order([0, 5], grid=Grid(2, 3)))
    assert paths(svg, fill="currentColor") == ["M2 0h4v2h-4zM0 2h4v2h-4z"]
    assert text.startswith("2x3 grid, 2 of 6 patches; the others are shaded;")


def test_frames_stand_side_by_side():
    svg, text = drawn(Order(range(8), grid=Grid(2, 2, frames=2)))
    assert [each.text for each in svg.iter("text")] == ["frame 0", "frame 1"]
    assert text.startswith("frame 0frame 12x2x2 grid, 8 patches")


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (Order([1, 0]), "Its grid is not known"),
        (Order([[1, 0], [0, 1]], grid=Grid(1, 2)), "Each image has its own order"),
        (Order(range(65 * 64), grid=Grid(65, 64)), "too large to be drawn here: order.plot() draws it."),
        (Order(range(129 * 128), grid=Grid(129, 128)), "too large to be drawn."),
        (Order(range(2 * 2049), grid=Grid(2, 2049)), "too large to be drawn."),
    ],
)
def test_what_cannot_be_drawn_is_told_in_words(order, words):
    tree = ElementTree.fromstring(order._repr_html_().replace("<br>", "<br/>"))
    assert words in "".join(tree.itertext())
    assert repr(order) in "".join(tree.itertext())
    assert tree.find("svg") is None


@pytest.mark.parametrize(("indices", "most"), [(range(64**2), 30_000), (SHUFFLED_64, 90_000)])
def test_a_large_grid_stays_small(indices, most):
    html = Order(indices, grid=Grid(64, 64))._repr_html_()
    assert len(html) < most
    svg = ElementTree.fromstring(html).find("svg")
    assert max(int(svg.get("width")), int(svg.get("height"))) <= 320


def test_it_takes_the_colors_of_the_page_and_can_be_read_aloud():
    html = Order([0, 1, 2, 3], grid=Grid(2, 2))._repr_html_()
    svg, _ = drawn(Order([0, 1, 2, 3], grid=Grid(2, 2)))
    assert svg.get("role") == "img"
    assert "4 patches" in svg.get("aria-label")
    assert "white" not in html
    assert "background" not in html
    assert " id=" not in html  # ids of several pictures on a page would clash


def test_the_colors_can_be_told_from_a_light_and_a_dark_page():
    svg, _ = drawn(Order(range(100), grid=Grid(10, 10)))
    colors = {each.get("stroke") for each in svg.iter("path")} - {"currentColor", None}
    assert len(colors) == 24
    for color in colors:
        for page in ("#ffffff", "#111111"):
            assert contrast(color, page) >= 3  # WCAG 2.1, 1.4.11


def contrast(first, second):
    """WCAG 2.1: relative luminance, https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio."""

    def luminance(color):
        parts = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted([luminance(first), luminance(second)])
    return (high + 0.05) / (low + 0.05)
