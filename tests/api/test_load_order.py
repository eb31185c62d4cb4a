"""``load_order``: all sources of an order, refusals and warnings."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from reorder_kit import Grid, Order, load_order
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.run_folder import RunFolder

GRID = Grid(2, 3)
INDICES = [4, 0, 3, 1, 5, 2]
ORDER = Order(INDICES)


@pytest.fixture(scope="module")
def host():
    return PluginHost(third_party=False)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(message, source, grid=None, host=None):
    with pytest.raises(ReorderKitError, match=message) as refusal:
        load_order(source, grid, host)
    return refusal.value.hint or ""


# Arrays


@pytest.mark.parametrize(
    "source",
    [
        INDICES,
        tuple(INDICES),
        np.array(INDICES),
        np.array(INDICES, dtype=np.uint16),
        np.array(INDICES, dtype=np.uint64),
        np.array(INDICES[::-1])[::-1],
        np.frombuffer(np.array(INDICES).tobytes(), dtype=np.int64),
        [np.int32(index) for index in INDICES],
        torch.tensor(INDICES),
        torch.tensor(INDICES, dtype=torch.int32),
        ORDER,
        Order(INDICES, grid=GRID),
        OrderFile("mine", GRID, ORDER),
    ],
    ids=lambda source: type(source).__name__,
)
def test_whatever_holds_patch_numbers_is_an_order(source):
    found = load_order(source, GRID)
    assert found == ORDER
    assert found.grid == GRID


@pytest.mark.parametrize("grid", [GRID, (2, 3), [2, 3], "2x3", np.array([2, 3]), (1, 2, 3)])
def test_a_grid_is_taken_as_people_write_it(grid):
    assert load_order(INDICES, grid).grid == GRID


@pytest.mark.parametrize("grid", [6, (6,), (2.0, 3.0), ("2", "3"), (1, 1, 2, 3), "2,3", int, (2, 3.5)])
def test_what_is_no_grid_is_refused(grid):
    refused("is not a grid", INDICES, grid)


def test_no_grid_is_guessed_for_a_square_number_of_patches():
    assert load_order(range(16)).grid is None
    assert load_order(np.arange(16)).num_patches == 16


def test_an_array_that_changes_later_leaves_the_order_alone():
    for array in (np.array(INDICES), torch.tensor(INDICES)):
        order = load_order(array)
        array[:2] = array[[1, 0]] if isinstance(array, np.ndarray) else array[:2].flip(0).clone()
        assert order == ORDER


def test_an_array_may_leave_patches_out_of_a_known_grid():
    assert load_order([5, 0], GRID) == Order([5, 0], num_patches=6)
    assert "grid=(14, 14)" in refused("order of 2 slots holds patch 5", [5, 0])


def test_an_order_of_fewer_patches_is_not_taken_for_one_that_leaves_some_out():
    hint = refused("an order of 4 patches does not fit the 2x3 grid, which has 6", [3, 1, 0, 2], GRID)
    assert "Order(array, 6)" in hint
    assert load_order(Order([3, 1, 0, 2], 6), GRID).grid == GRID


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ([0, 1, 1], "patch 1 appears twice"),
        ([0, -1], "outside 0..1"),
        ([], "shape"),
        ([0.0, 1.0], "patch numbers, not torch.float64"),
        (["0", "1"], "patch numbers"),
        ([[0, 1], [1, 0]], re.escape("not of the shape (2, 2)")),
        (np.arange(6).reshape(2, 3), re.escape("not of the shape (2, 3)")),
        (torch.zeros(2, 2, dtype=torch.long), re.escape("not of the shape (2, 2)")),
        ([[0, 1], [0]], "patch numbers"),
        (5, "cannot get an order from"),
        (None, "cannot get an order from"),
        ({0: 1}, "cannot get an order from"),
        ({1, 0}, "cannot get an order from"),
        (b"row", "cannot get an order from"),
        (Order, "cannot get an order from"),
    ],
    ids=str,
)
def test_what_is_no_order_is_refused_in_words(source, message):
    refused(message, source)


def test_an_order_of_another_grid_is_refused_by_name():
    known = Order(INDICES, grid=GRID)
    refused("the order is for a 2x3 grid, not 3x2", known, (3, 2))
    refused("the order is for a 2x3 grid, not 3x2", OrderFile("mine", GRID, ORDER), (3, 2))
    refused("an order of 6 patches does not fit the 2x2 grid", ORDER, (2, 2))


# Orderings


def test_a_name_is_an_ordering_and_needs_a_grid(host):
    assert load_order("column", GRID, host).indices.tolist() == [0, 3, 1, 4, 2, 5]
    assert load_order("column", (2, 1, 2), host).grid == Grid(1, 2, frames=2)
    assert "grid=(14, 14)" in refused("ordering 'column' needs a grid", "column", host=host)


def test_a_name_is_an_ordering_even_if_a_file_has_that_name(host, here):
    OrderFile("mine", GRID, ORDER).save(here / "row")
    with pytest.warns(
        UserWarning, match=r"'row' is read as the ordering .* './row' is the file or folder here"
    ) as told:
        assert load_order("row", GRID, host) == Order.identity(6)
    assert told[0].filename == __file__
    assert "'./row' is the file" in refused("needs a grid", "row", host=host)
    assert load_order("./row", host=host) == load_order(Path("row")) == ORDER


def test_a_name_that_is_nothing_is_refused_with_what_was_meant(host, here):
    (here / "runs" / "mine").mkdir(parents=True)
    assert "'hilbert'" in refused("hilbrt is not an ordering, an order file or a run folder", "hilbrt", GRID, host)
    assert str(Path("runs/mine")) in refused("mine is not an ordering", "mine", host=host)
    refused("absent.json: No such file", Path("absent.json"))


def test_an_ordering_that_needs_options_is_refused(host):
    refused("ordering 'custom'", "custom", GRID, host)


# Files


def test_a_json_file_knows_its_grid(host, here):
    OrderFile("mine", GRID, ORDER).save(here / "order.json")
    for source in ("order.json", Path("order.json"), here / "order.json"):
        for grid in (None, GRID):
            found = load_order(source, grid, host)
            assert (found, found.grid) == (ORDER, GRID)
        refused(r"order.json holds an order for the grid 2x3, not for 3x2", source, (3, 2), host)


def test_a_npy_file_has_the_grid_that_is_given(host, here):
    np.save("order.npy", np.array(INDICES, dtype=np.int32))
    assert load_order("order.npy", host=host) == ORDER
    assert load_order("order.npy", host=host).grid is None
    assert load_order(Path("order.npy"), GRID).grid == GRID
    refused("order.npy: an order of 6 patches does not fit the 3x3 grid, which has 9", Path("order.npy"), (3, 3))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([0.0, 1.0]), "patch numbers, not torch.float64"),
        (np.arange(6).reshape(2, 3), "not of the shape"),
        (np.array([0, 0]), "patch 0 appears twice"),
        (np.array([5, 0]), "holds patch 5"),
        (np.array(7), "not of the shape"),
    ],
    ids=str,
)
def test_a_npy_file_of_something_else_is_refused_by_name(array, message, here):
    np.save("order.npy", array)
    refused(f"order.npy: .*{message}", Path("order.npy"))


def test_a_npy_file_that_is_damaged_is_refused_by_name(here):
    np.save("order.npy", np.arange(200))
    whole = Path("order.npy").read_bytes()
    np.savez("many.npz", np.arange(2))
    np.save("objects.npy", np.array([{}], dtype=object))
    contents = {
        "cut": whole[:-5],
        "empty": b"",
        "text": b"0 1 2",
        "many": Path("many.npz").read_bytes(),
        "objects": Path("objects.npy").read_bytes(),
        "huge": whole.replace(b"(200,), }      ", b"(2000000000,), }", 1),
    }
    for name, content in contents.items():
        file = Path(f"{name}.npy")
        file.write_bytes(content)
        refused(f"{name}.npy: cannot be read", file)


def test_a_consensus_file_is_warned_of(here):
    OrderFile("mine", GRID, ORDER, spread=0.25).save(here / "order.json")
    with pytest.warns(UserWarning, match=r"mine: this is a consensus.*0\.250") as told:
        assert load_order(Path("order.json"), GRID) == ORDER
    assert told[0].filename == __file__


# Runs


def result(reach, **changes):
    """The part of a result that is read here."""
    return SimpleNamespace(order=SimpleNamespace(reach=SimpleNamespace(slots=reach)), **changes)


@pytest.fixture
def run(here, monkeypatch):
    """A folder that counts as a finished run."""
    folder = here / "a-run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("")
    (folder / "result.json").write_text("")
    OrderFile("a-run", GRID, ORDER).save(folder / "order.json")
    monkeypatch.setattr(RunFolder, "read_result", lambda self: result(reach=5))
    monkeypatch.setattr(RunFolder, "intact", lambda self, file: file)
    return folder


def test_a_run_gives_its_final_order_however_it_is_named(run, host):
    sources = [run, str(run), "a-run", RunFolder(run)]
    sources.append(type("Result", (), {"__fspath__": lambda self: str(run)})())
    sources += [SimpleNamespace(folder=folder) for folder in (run, str(run), RunFolder(run))]
    for source in sources:
        found = load_order(source, host=host)
        assert (found, found.grid) == (ORDER, GRID)
        refused("holds an order for the grid 2x3, not for 3x2", source, (3, 2), host)


def test_the_consensus_of_a_run_is_warned_of(run):
    OrderFile("a-run", GRID, ORDER, spread=0.5).save(run / "order.json")
    with pytest.warns(UserWarning, match=r"this is a consensus, not an order that the run used"):
        load_order(run)


def test_a_run_that_orders_again_later_is_warned_of(run, monkeypatch):
    monkeypatch.setattr(RunFolder, "read_result", lambda self: result(reach=None))
    with pytest.warns(UserWarning, match=r"a-run orders again before a later block"):
        load_order(run)


def test_a_folder_that_is_no_finished_run_is_refused(here):
    refused("has no final order", here)
    OrderFile("mine", GRID, ORDER).save(here / "order.json")
    assert "order.json" in refused("is not a run folder", here)
    refused("cannot get an order from", SimpleNamespace(folder=None))


def test_the_order_of_a_run_whose_controls_still_train_is_warned_of(here):
    folder = here / "a-run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text("")
    OrderFile("a-run", GRID, ORDER).save(folder / "order.json")
    with pytest.warns(UserWarning, match=r"a-run: the run is not finished: .* its controls may still be training"):
        assert load_order("a-run", GRID) == ORDER
    refused("holds an order for the grid 2x3, not for 3x2", folder, (3, 2))


def test_nothing_is_warned_of_without_reason(run, host):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_order(run, GRID, host)
        load_order("row", GRID, host)


def test_the_file_of_an_order_stays_plain_json(here):
    OrderFile("mine", GRID, Order(INDICES, grid=GRID)).save(here / "order.json")
    assert json.loads((here / "order.json").read_text())["order"] == INDICES
