"""Fixed rules: expected orders worked out by hand, and properties that hold on every rectangle."""

from __future__ import annotations

import importlib
import itertools
import json
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from reorder_kit import orderings
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Ordering
from reorder_kit.orders.checksums import digest_of
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile

MODULES = sorted(module.name for module in pkgutil.iter_modules(orderings.__path__, f"{orderings.__name__}."))
RULES: dict[str, type[Ordering]] = {
    rule.name: rule for module in MODULES for rule in importlib.import_module(module).register_orderings()
}

# fmt: off
WORKED_OUT = [
    ("row", "3x3", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ("row", "2x4", [0, 1, 2, 3, 4, 5, 6, 7]),
    ("column", "3x3", [0, 3, 6, 1, 4, 7, 2, 5, 8]),
    ("column", "2x4", [0, 4, 1, 5, 2, 6, 3, 7]),
    ("column", "3x2", [0, 2, 4, 1, 3, 5]),
    ("boustrophedon", "3x3", [0, 1, 2, 5, 4, 3, 6, 7, 8]),
    ("boustrophedon", "2x4", [0, 1, 2, 3, 7, 6, 5, 4]),
    ("boustrophedon", "3x2", [0, 1, 3, 2, 4, 5]),
    ("spiral", "3x3", [0, 1, 2, 5, 8, 7, 6, 3, 4]),
    ("spiral", "2x4", [0, 1, 2, 3, 7, 6, 5, 4]),
    ("spiral", "3x2", [0, 1, 3, 5, 4, 2]),
    ("spiral", "4x4", [0, 1, 2, 3, 7, 11, 15, 14, 13, 12, 8, 4, 5, 6, 10, 9]),
    ("diagonal", "3x3", [0, 1, 3, 2, 4, 6, 5, 7, 8]),
    ("diagonal", "2x4", [0, 1, 4, 2, 5, 3, 6, 7]),
    ("diagonal", "4x4", [0, 1, 4, 2, 5, 8, 3, 6, 9, 12, 7, 10, 13, 11, 14, 15]),
    ("snake", "3x3", [0, 1, 3, 6, 4, 2, 5, 7, 8]),
    ("snake", "2x4", [0, 1, 4, 5, 2, 3, 6, 7]),
    ("snake", "3x2", [0, 1, 2, 4, 3, 5]),
    ("snake", "4x4", [0, 1, 4, 8, 5, 2, 3, 6, 9, 12, 13, 10, 7, 11, 14, 15]),
    ("morton", "3x3", [0, 1, 3, 4, 2, 5, 6, 7, 8]),
    ("morton", "2x4", [0, 1, 4, 5, 2, 3, 6, 7]),
    ("morton", "4x4", [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]),
    ("morton", "3x5", [0, 1, 5, 6, 2, 3, 7, 8, 10, 11, 12, 13, 4, 9, 14]),
    ("hilbert", "2x2", [0, 2, 3, 1]),
    ("hilbert", "3x3", [0, 3, 6, 7, 8, 5, 4, 1, 2]),
    ("hilbert", "2x4", [0, 4, 5, 1, 2, 6, 7, 3]),
    ("hilbert", "4x2", [0, 1, 3, 2, 4, 5, 7, 6]),
    ("hilbert", "3x2", [0, 1, 3, 5, 4, 2]),
    ("hilbert", "4x4", [0, 1, 5, 4, 8, 12, 13, 9, 10, 14, 15, 11, 7, 6, 2, 3]),
    ("center-out", "1x4", [2, 1, 3, 0]),
    ("center-out", "2x2", [1, 3, 2, 0]),
    ("center-out", "2x3", [1, 4, 2, 5, 3, 0]),
    ("center-out", "3x3", [4, 1, 5, 7, 3, 2, 8, 6, 0]),
    ("center-out", "4x4", [6, 10, 9, 5, 2, 7, 11, 14, 13, 8, 4, 1, 3, 15, 12, 0]),
    ("strided", "2x2", [0, 3, 1, 2]),
    ("strided", "1x5", [0, 4, 2, 1, 3]),
    ("strided", "3x3", [0, 8, 2, 6, 4, 1, 7, 3, 5]),
    ("strided", "2x4", [0, 2, 5, 7, 1, 3, 4, 6]),
    ("strided", "4x4", [0, 10, 2, 8, 5, 15, 7, 13, 1, 11, 3, 9, 4, 14, 6, 12]),
    # random.Random(0).random() gives .844 .758 .421 .259 .511 .405 .784 .303 .477
    ("random", "3x3", [3, 7, 5, 2, 8, 4, 1, 6, 0]),
    ("random", "1x9", [3, 7, 5, 2, 8, 4, 1, 6, 0]),
]
JPEG_FIGURE_A6 = [
    [0, 1, 5, 6, 14, 15, 27, 28],
    [2, 4, 7, 13, 16, 26, 29, 42],
    [3, 8, 12, 17, 25, 30, 41, 43],
    [9, 11, 18, 24, 31, 40, 44, 53],
    [10, 19, 23, 32, 39, 45, 52, 54],
    [20, 22, 33, 38, 46, 51, 55, 60],
    [21, 34, 37, 47, 50, 56, 59, 61],
    [35, 36, 48, 49, 57, 58, 62, 63],
]
# fmt: on


def order_of(name: str, grid: Grid, folder: Path, options: Mapping[str, Any] | None = None) -> list[int]:
    """The order of any rule; one that reads a file gets the columns of the grid, from the last to the first."""
    chosen = dict(options or {})
    if {"file", "race"} & RULES[name].Options.model_fields.keys():
        ruled = grid.transposed if chosen.get("transpose") else grid
        columns = np.arange(ruled.num_patches).reshape(-1, ruled.width).T[::-1]
        file = folder / f"{name}-{ruled}" / "order.json"
        file.parent.mkdir(exist_ok=True)
        OrderFile("columns", ruled, Order(columns.flatten().tolist())).save(file)
        chosen |= {"file": file} if name == "custom" else {"race": file.parent}
    if name == "raced":
        (file.parent / "setup.json").touch()
        (file.parent / "race.json").write_text(json.dumps({"files": {"order.json": digest_of(file)}}))
    order = RULES[name](RULES[name].Options.model_validate(chosen)).order(grid)
    assert order.is_static
    assert order.is_full
    return order.indices.tolist()


def path_of(name: str, grid: Grid) -> np.ndarray:
    """The (row, column) of every slot."""
    order = RULES[name]().order(grid).indices.numpy()
    return np.stack(np.divmod(order, grid.width), axis=1)


@pytest.mark.parametrize(("name", "grid", "expected"), WORKED_OUT)
def test_orders_worked_out_by_hand(name: str, grid: str, expected: list[int]) -> None:
    assert RULES[name]().order(Grid.parse(grid)).indices.tolist() == expected


def test_snake_is_the_zigzag_of_jpeg() -> None:
    assert RULES["snake"]().order(Grid(8, 8)).rank.reshape(8, 8).tolist() == JPEG_FIGURE_A6


# Rows of 2x3:  0 1 2    The spiral 0 1 2 5 4 3 of 2x3 goes 0 3 4 5 2 1 when it follows the rule of 3x2.
#               3 4 5
@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("row", {"transpose": True}, [0, 3, 1, 4, 2, 5]),
        ("row", {"flip": "horizontal"}, [2, 1, 0, 5, 4, 3]),
        ("row", {"flip": "vertical"}, [3, 4, 5, 0, 1, 2]),
        ("row", {"flip": "both"}, [5, 4, 3, 2, 1, 0]),
        ("row", {"reverse": True}, [5, 4, 3, 2, 1, 0]),
        ("row", {"transpose": True, "flip": "horizontal"}, [2, 5, 1, 4, 0, 3]),
        ("row", {"transpose": True, "flip": "vertical"}, [3, 0, 4, 1, 5, 2]),
        ("spiral", {"transpose": True}, [0, 3, 4, 5, 2, 1]),
        ("spiral", {"flip": "vertical", "reverse": True}, [0, 1, 2, 5, 4, 3]),
        ("spiral", {"transpose": True, "reverse": True}, [1, 2, 5, 4, 3, 0]),
        ("spiral", {"transpose": True, "flip": "horizontal", "reverse": True}, [1, 0, 3, 4, 5, 2]),
        ("spiral", {"transpose": True, "flip": "both", "reverse": True}, [4, 3, 0, 1, 2, 5]),
    ],
)
def test_options_worked_out_by_hand(name: str, options: dict[str, Any], expected: list[int], tmp_path: Path) -> None:
    assert order_of(name, Grid(2, 3), tmp_path, options) == expected


def test_every_module_registers_the_ordering_it_is_named_after() -> None:
    assert [module.rsplit(".", 1)[-1].replace("_", "-") for module in MODULES] == sorted(RULES)


@pytest.mark.parametrize("name", RULES)
def test_visits_every_patch_once_on_every_small_grid(name: str, tmp_path: Path) -> None:
    for height, width in itertools.product(range(1, 9), repeat=2):
        assert sorted(order_of(name, Grid(height, width), tmp_path)) == list(range(height * width))


@pytest.mark.parametrize("name", sorted(RULES.keys() - {"random", "custom", "raced"}))
def test_goes_frame_after_frame(name: str, tmp_path: Path) -> None:
    frame = order_of(name, Grid(3, 4), tmp_path)
    expected = [*frame, *(patch + 12 for patch in frame)]
    assert order_of(name, Grid(3, 4, frames=2), tmp_path) == expected


def test_flips_inside_each_frame_and_reverses_all_of_them(tmp_path: Path) -> None:
    grid = Grid(1, 3, frames=2)
    assert order_of("row", grid, tmp_path, {"flip": "horizontal"}) == [2, 1, 0, 5, 4, 3]
    assert order_of("row", grid, tmp_path, {"reverse": True}) == [5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("sides", [(1, 1), (3, 5), (8, 8), (14, 14), (1, 9), (6, 2)])
def test_center_out_never_comes_closer_to_the_center(sides: tuple[int, int]) -> None:
    path = path_of("center-out", Grid(*sides))
    distances = np.hypot(*(path - (np.array(sides) - 1) / 2).T).round(9)
    assert (np.diff(distances) >= 0).all()


@pytest.mark.parametrize("sides", [(8, 8), (7, 10), (14, 14), (1, 8), (16, 4)])
def test_strided_reads_every_second_row_and_column_then_a_checkerboard(sides: tuple[int, int]) -> None:
    path = path_of("strided", Grid(*sides))
    quarter = len(range(0, sides[0], 2)) * len(range(0, sides[1], 2))
    assert (path[:quarter] % 2 == 0).all()
    checkerboard = (sides[0] * sides[1] + 1) // 2
    assert (path[:checkerboard].sum(axis=1) % 2 == 0).all()


def test_every_prefix_of_strided_leaves_no_large_gap() -> None:
    for height, width in [(8, 8), (12, 12), (14, 14), (9, 16)]:
        path = path_of("strided", Grid(height, width))
        everywhere = np.array(list(itertools.product(range(height), range(width))))
        for slots in range(4, height * width):
            gaps = np.linalg.norm(everywhere[:, None] - path[None, :slots], axis=-1).min(axis=1)
            # Half a diagonal of the square that each read patch represents, doubled for a half-read level.
            assert gaps.max() <= 2 * (height * width / slots) ** 0.5, (height, width, slots)


@pytest.mark.parametrize("name", ["boustrophedon", "spiral"])
def test_steps_to_a_neighbour(name: str) -> None:
    for height, width in itertools.product(range(1, 13), repeat=2):
        steps = np.abs(np.diff(path_of(name, Grid(height, width)), axis=0))
        assert (steps.sum(axis=1) == 1).all(), (height, width)


@pytest.mark.parametrize("height", range(1, 33))
def test_hilbert_steps_to_a_neighbour_with_one_diagonal_at_most(height: int) -> None:
    for width in range(1, 33):
        path = path_of("hilbert", Grid(height, width))
        assert sorted(map(tuple, path)) == list(itertools.product(range(height), range(width)))
        assert tuple(path[0]) == (0, 0)
        steps = np.abs(np.diff(path, axis=0))
        assert (steps.max(axis=1, initial=0) == 1).all(), (height, width)
        longer, shorter = max(height, width), min(height, width)
        needs_diagonal = longer % 2 == 1 and shorter % 2 == 0 and shorter > 2
        assert (steps.sum(axis=1) == 2).sum() == needs_diagonal, (height, width)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5])
def test_hilbert_is_hilberts_curve_on_powers_of_two(order: int) -> None:
    # The L-system of the curve, in which F steps, + and - turn: A -> +BF-AFA-FB+ and B -> -AF+BFB+FA-.
    program = "A"
    for _ in range(order):
        program = program.translate({ord("A"): "+BF-AFA-FB+", ord("B"): "-AF+BFB+FA-"})
    turns = {"+": 1j, "-": -1j}
    cell, direction, drawn = 0j, 1 + 0j, [(0, 0)]
    for letter in program:
        direction *= turns.get(letter, 1)
        if letter == "F":
            cell += direction
            drawn.append((int(cell.imag), int(cell.real)))
    assert list(map(tuple, path_of("hilbert", Grid(2**order, 2**order)))) == drawn


@pytest.mark.parametrize("sides", [(8, 8), (9, 13), (14, 14), (15, 20), (23, 32), (31, 31), (32, 17)])
def test_hilbert_keeps_near_slots_near_in_the_grid(sides: tuple[int, int]) -> None:
    path = path_of("hilbert", Grid(*sides))
    slots = np.arange(len(path))
    apart = np.abs(slots[:, None] - slots)
    squared_distance = ((path[:, None] - path) ** 2).sum(axis=-1)
    # Hilbert's own curve stays below 6 (Gotsman and Lindenbaum, 1996); rows of 32 patches reach 31.
    assert (squared_distance <= 9 * apart).all()


def test_random_depends_on_the_seed_alone(tmp_path: Path) -> None:
    grid = Grid(6, 6, frames=2)
    first, again = (order_of("random", grid, tmp_path, {"seed": 7}) for _ in range(2))
    assert first == again
    assert first != order_of("random", grid, tmp_path, {"seed": 8})


def test_random_shuffles_across_frames(tmp_path: Path) -> None:
    first_half = order_of("random", Grid(6, 6, frames=2), tmp_path)[:36]
    assert 0 < sum(patch >= 36 for patch in first_half) < 36


def test_random_puts_every_patch_anywhere(tmp_path: Path) -> None:
    orders = np.array([order_of("random", Grid(2, 2), tmp_path, {"seed": seed}) for seed in range(400)])
    counts = np.stack([np.bincount(column, minlength=4) for column in orders.T])
    # 100 expected each, with a standard deviation of 8.7
    assert (np.abs(counts - 100) < 40).all()


@pytest.mark.parametrize("options", [{"seed": -1}, {"seed": 1.5}, {"sed": 1}, {"flip": "sideways"}])
def test_refuses_options_that_mean_nothing(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        RULES["random"].Options.model_validate(options)


def custom(file: Path, **options: Any) -> Ordering:
    return RULES["custom"](RULES["custom"].Options(file=file, **options))


def test_custom_gives_the_order_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text('{"name": "mine", "grid": [2, 3], "order": [4, 2, 0, 5, 1, 3]}')
    assert custom(file).order(Grid(2, 3)).indices.tolist() == [4, 2, 0, 5, 1, 3]
    assert list(custom(file).cells(2, 3)) == [(1, 1), (0, 2), (0, 0), (1, 2), (0, 1), (1, 0)]


def test_custom_takes_a_numpy_file_of_as_many_patches(tmp_path: Path) -> None:
    file = tmp_path / "mine.npy"
    Order([4, 2, 0, 5, 1, 3]).save(file)
    assert custom(file).order(Grid(2, 3)).indices.tolist() == [4, 2, 0, 5, 1, 3]
    with pytest.raises(
        ReorderKitError, match=r"mine\.npy: an order of 6 patches does not fit the 3x3 grid, which has 9"
    ):
        custom(file).order(Grid(3, 3))


def test_custom_gives_an_order_across_frames(tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text('{"name": "mine", "grid": [2, 1, 2], "order": [3, 0, 2, 1]}')
    assert custom(file).order(Grid(1, 2, frames=2)).indices.tolist() == [3, 0, 2, 1]


def test_custom_refuses_the_order_of_another_grid(tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text('{"name": "mine", "grid": [2, 3], "order": [4, 2, 0, 5, 1, 3]}')
    with pytest.raises(ReorderKitError) as refusal:
        custom(file).order(Grid(3, 2))
    assert str(file) in refusal.value.message
    assert "2x3" in refusal.value.message
    assert "3x2" in refusal.value.message
    assert refusal.value.hint
    with pytest.raises(ReorderKitError, match=r"3x2 grid \(transposed\)"):
        custom(file, transpose=True).order(Grid(2, 3))
    with pytest.raises(ReorderKitError, match="2x2x3"):
        custom(file).order(Grid(2, 3, frames=2))


def test_custom_reads_an_order_that_leaves_patches_out(tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text('{"name": "mine", "grid": [2, 3], "order": [4, 2, 0]}')
    assert custom(file).order(Grid(2, 3)) == Order([4, 2, 0], 6)
    assert custom(file, reverse=True, flip="horizontal").order(Grid(2, 3)) == Order([2, 0, 4], 6)


class TopRow(Ordering):
    """The top row, from left to right, or what a test says."""

    name = "top-row"

    def cells(self, height: int, width: int) -> list[tuple[int, int]]:
        return [(0, column) for column in range(width)]


def test_only_a_rule_that_says_so_may_leave_patches_out() -> None:
    with pytest.raises(ReorderKitError, match="does not visit every patch of the 2x3 grid exactly once"):
        TopRow().order(Grid(2, 3))

    class Declared(TopRow):
        may_leave_out = True

    assert Declared().order(Grid(2, 3)) == Order([0, 1, 2], 6)

    class Twice(Declared):
        def cells(self, height: int, width: int) -> list[tuple[int, int]]:
            return [(0, 0), (0, 0)]

    with pytest.raises(ReorderKitError, match="exactly once"):
        Twice().order(Grid(2, 3))


def test_custom_refuses_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"absent\.json"):
        custom(tmp_path / "absent.json").order(Grid(2, 3))


def test_custom_needs_a_file() -> None:
    with pytest.raises(ValidationError, match="file"):
        RULES["custom"].Options()


@pytest.mark.parametrize("walk", [[(0, 0)], [(0, 0), (0, 1), (0, 1)], [(0, 0), (0, 2)]], ids=["misses", "twice", "out"])
def test_a_rule_that_does_not_visit_every_patch_once_is_refused(walk: list[tuple[int, int]]) -> None:
    class Broken(Ordering):
        name = "broken"

        def cells(self, height: int, width: int) -> list[tuple[int, int]]:
            return walk

    with pytest.raises(ReorderKitError, match="'broken' does not visit every patch of the 1x2 grid exactly once"):
        Broken().order(Grid(1, 2))
