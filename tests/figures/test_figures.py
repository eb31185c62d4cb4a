import math

import numpy as np
import pytest
import torch
from PIL import Image

from reorder_kit.errors import ReorderKitError
from reorder_kit.figures.curves import CurvePoint, draw_curves
from reorder_kit.figures.order_path import draw_order
from reorder_kit.figures.terminal import order_as_text
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


def text(*lines):
    return "\n".join(lines)


def pixels(path):
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def near(picture, colour, tolerance=8):
    """Which pixels have a color given as #rrggbb."""
    wanted = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    return (abs(picture - wanted) <= tolerance).all(axis=-1)


# The terminal


def test_a_snake_of_two_rows_is_one_line():
    assert order_as_text(Order([0, 1, 3, 2]), Grid(2, 2)) == text(
        "0 1    ●─┐",
        "3 2    ■─┘",
        "",
        "● start  ■ end",
    )


def test_a_spiral_winds_inwards():
    assert order_as_text(Order([0, 1, 2, 5, 8, 7, 6, 3, 4]), Grid(3, 3)) == text(
        "0 1 2    ●───┐",
        "7 8 3    ┌─■ │",
        "6 5 4    └───┘",
        "",
        "● start  ■ end",
    )


def test_rows_are_arrows_with_a_jump_between():
    assert order_as_text(Order.identity(9), Grid(3, 3)) == text(
        "0 1 2    ●───→",
        "3 4 5    ╶───→",
        "6 7 8    ╶───■",
        "",
        "● start  ■ end  2 jumps: 2→3, 5→6",
    )


def test_columns_from_the_bottom_are_arrows_up():
    assert order_as_text(Order([4, 2, 0, 5, 3, 1]), Grid(3, 2)) == text(
        "2 5    ↑ ■",
        "1 4    │ │",
        "0 3    ● ╵",
        "",
        "● start  ■ end  1 jump: 2→3",
    )


def test_a_patch_between_two_jumps_is_a_dot():
    assert order_as_text(Order([1, 3, 0, 2]), Grid(1, 4)) == text(
        "2 0 3 1    · ● ■ ·",
        "",
        "● start  ■ end  3 jumps: 0→1, 1→2, 2→3",
    )


def test_one_patch_is_start_and_end():
    assert order_as_text(Order([0]), Grid(1, 1)) == text("0    ●", "", "● start and end")


def test_a_patch_without_a_slot_is_left_out():
    assert order_as_text(Order([1, 0], 4), Grid(2, 2)) == text(
        "1 0    ■─●",
        "- -",
        "",
        "● start  ■ end  2 of 4 patches have no slot",
    )


def test_frames_stand_below_each_other():
    assert order_as_text(Order([0, 1, 3, 2]), Grid(1, 2, 2)) == text(
        "frame 0",
        "0 1    ●─→",
        "",
        "frame 1",
        "3 2    ■─╴",
        "",
        "● start  ■ end  1 jump: 1→2",
    )


def test_a_large_grid_is_drawn_without_ranks_and_fits_a_terminal():
    lines = order_as_text(Order.identity(1024), Grid(32, 32)).splitlines()
    assert lines[0] == "●" + 61 * "─" + "→"
    assert len(lines) == 34
    assert (
        lines[-1] == "● start  ■ end  31 jumps: 31→32, 63→64, 95→96, 127→128, 159→160, 191→192, 223→224, 255→256, ..."
    )


@pytest.mark.parametrize("side", [1, 2, 7, 12, 14, 16, 17, 32])
def test_no_row_is_wider_than_eighty_columns(side):
    drawing = order_as_text(Order(torch.randperm(side**2)), Grid(side, side))
    assert max(len(line) for line in drawing.splitlines()[:-1]) <= 80


@pytest.mark.parametrize("side", [3, 14])
def test_the_ranks_in_the_text_are_those_of_the_order(side):
    order = Order(torch.randperm(side**2))
    rows = [line.split()[:side] for line in order_as_text(order, Grid(side, side)).splitlines()[:side]]
    assert [int(rank) for row in rows for rank in row] == order.rank.tolist()


# The picture of an order


@pytest.mark.parametrize(
    "grid", [Grid(1, 1), Grid(3, 5), Grid(1, 32), Grid(32, 1), Grid(12, 12), Grid(2, 3, 5)], ids=str
)
def test_every_grid_gives_a_picture(tmp_path, grid):
    draw_order(Order(torch.randperm(grid.num_patches)), grid, tmp_path / "order.png", title="random")
    picture = pixels(tmp_path / "order.png")
    assert 150 < min(picture.shape[:2]) <= max(picture.shape[:2]) < 2000


def test_patches_that_are_not_read_look_different_from_those_that_are(tmp_path):
    # Two columns; the last two slots are the right column of a 2x2 grid.
    order, grid = Order([0, 2, 3, 1]), Grid(2, 2)
    draw_order(order, grid, tmp_path / "all.png", title="x", reach=torch.ones(4, dtype=torch.bool))
    draw_order(order, grid, tmp_path / "some.png", title="x", reach=torch.tensor([False, False, True, True]))
    draw_order(order, grid, tmp_path / "untold.png", title="x")
    assert (pixels(tmp_path / "all.png") == pixels(tmp_path / "untold.png")).all()

    picture = pixels(tmp_path / "some.png")
    top_row_hatched = near(picture, "#e4e5ea", 1)[: picture.shape[0] // 2]
    columns = np.flatnonzero(top_row_hatched.any(axis=0))
    cell = 0.85 * 160
    # One cell wide, minus the lines of the grid and the adjacent frame.
    assert cell - 8 <= columns[-1] - columns[0] <= cell
    left_cell = picture[:, columns[0] : columns[-1]]
    right_cell = picture[:, columns[-1] + 8 : columns[-1] + int(cell)]
    assert near(left_cell, "#e4e5ea", 1).sum() > 5_000
    assert not near(right_cell[: picture.shape[0] // 2], "#e4e5ea", 1).any()
    # The frame around what is read, in the color of ink, is nearly as high as two cells.
    assert near(right_cell, "#1b1b24", 3).sum(axis=0).max() > 1.8 * cell


def test_the_path_runs_from_dark_blue_at_its_start_to_yellow_at_its_end(tmp_path):
    draw_order(Order.identity(6), Grid(1, 6), tmp_path / "order.png", title="")
    draw_order(Order([5, 4, 3, 2, 1, 0]), Grid(1, 6), tmp_path / "reverse.png", title="")
    for name, ends in (("order", "start left"), ("reverse", "start right")):
        picture = pixels(tmp_path / f"{name}.png")
        path = picture[:, : int(0.83 * picture.shape[1])]  # without the color bar
        path = path[: int(0.75 * len(path))]  # without the legend
        blue = np.flatnonzero(near(path, "#0d0887").any(axis=0)).mean()
        yellow = np.flatnonzero(near(path, "#fdbf2b", 14).any(axis=0)).mean()
        assert (blue < yellow) == (ends == "start left")
        assert abs(blue - yellow) == pytest.approx(5 * 0.85 * 160, abs=6)


def test_only_steps_to_neighbours_are_thick_lines(tmp_path):
    rows, snake = Order([0, 1, 2, 3]), Order([0, 1, 3, 2])
    dark = {}
    for name, order in (("rows", rows), ("snake", snake)):
        draw_order(order, Grid(2, 2), tmp_path / "order.png", title="")
        picture = pixels(tmp_path / "order.png")
        dark[name] = (picture.max(axis=-1) - picture.min(axis=-1) > 60).sum()
    # One more thick step: 0.2 cells wide, 0.42 cells between two dots; minus the thin jump.
    assert dark["snake"] - dark["rows"] == pytest.approx(0.2 * 0.42 * (0.85 * 160) ** 2, rel=0.5)


def test_a_title_is_not_read_as_mathematics(tmp_path):
    draw_order(Order([0]), Grid(1, 1), tmp_path / "order.png", title="costs $1 and $\\bad")
    assert (tmp_path / "order.png").exists()


@pytest.mark.parametrize("draw", [draw_order, order_as_text])
def test_an_order_that_does_not_fit_is_an_error(tmp_path, draw):
    more = {"path": tmp_path / "order.png", "title": ""} if draw is draw_order else {}
    with pytest.raises(ReorderKitError, match="4 patches cannot be drawn on the 3x3 grid of 9"):
        draw(Order.identity(4), Grid(3, 3), **more)
    with pytest.raises(ReorderKitError, match="same for all images"):
        draw(Order([[0, 1], [1, 0]]), Grid(1, 2), **more)


def test_a_reach_of_another_length_is_an_error(tmp_path):
    with pytest.raises(ReorderKitError, match="a reach over 3 slots"):
        draw_order(Order.identity(4), Grid(2, 2), tmp_path / "x.png", title="", reach=torch.ones(3, dtype=torch.bool))


# The curves

BLUE, VERMILLION = "#0072B2", "#D55E00"
WARM_UP, SEARCH, HARDENED = "#f0f0f4", "#fdf3dd", "#e6f2ec"


def line(epoch, loss=1.0, top1=0.5, tau=1.0, phase="search"):
    return CurvePoint(epoch, phase, loss, top1, tau)


def test_each_run_has_a_curve_and_moving_orders_a_panel(tmp_path):
    still = {"run": [line(1), line(2)]}
    moved = {"run": [line(1), line(2, tau=0.3)], "fixed-start": [line(1, top1=0.3), line(2, top1=0.4)]}
    draw_curves(still, "top1", tmp_path / "still.png")
    draw_curves(moved, "top1", tmp_path / "moved.png")
    two_panels, three_panels = pixels(tmp_path / "still.png"), pixels(tmp_path / "moved.png")
    assert three_panels.shape[0] - two_panels.shape[0] == pytest.approx(1.9 * 160, abs=2)
    assert near(two_panels, BLUE).any()
    assert not near(two_panels, VERMILLION).any()
    assert near(three_panels, VERMILLION).any()


def test_phases_are_bands_as_wide_as_they_are_long(tmp_path):
    phases = ["warm-up"] * 2 + ["search"] * 6 + ["hardened"] * 2
    draw_curves(
        {"run": [line(epoch, phase=phase) for epoch, phase in enumerate(phases, 1)]}, "top1", tmp_path / "c.png"
    )
    picture = pixels(tmp_path / "c.png")
    columns = [np.flatnonzero(near(picture, colour, 0).any(axis=0)) for colour in (WARM_UP, SEARCH, HARDENED)]
    assert [band[-1] - band[0] for band in columns] == pytest.approx(
        [4.8 * 160 * share for share in (0.2, 0.6, 0.2)], abs=4
    )
    assert columns[0][-1] <= columns[1][0] <= columns[1][-1] <= columns[2][0]


def test_a_run_in_one_phase_has_no_band(tmp_path):
    draw_curves({"run": [line(1), line(2)]}, "top1", tmp_path / "c.png")
    assert not near(pixels(tmp_path / "c.png"), SEARCH, 0).any()


def test_one_epoch_is_a_point(tmp_path):
    draw_curves({"run": [line(1)]}, "top1", tmp_path / "c.png")
    plot = pixels(tmp_path / "c.png")[:, : int((0.6 + 4.8) * 160)]
    assert near(plot, BLUE).sum() > 100


def test_figures_that_are_missing_leave_a_gap(tmp_path):
    gaps = [line(1), line(2, loss=math.nan, top1=math.nan, tau=math.nan), line(3, top1=math.nan), line(4)]
    draw_curves({"run": gaps}, "top1", tmp_path / "gaps.png")
    draw_curves({"run": [line(epoch) for epoch in range(1, 5)]}, "top1", tmp_path / "whole.png")
    drawn = [near(pixels(tmp_path / name), BLUE).sum() for name in ("gaps.png", "whole.png")]
    assert 0 < drawn[0] < drawn[1] - 1000
