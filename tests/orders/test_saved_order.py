"""Orders saved as JSON, numpy and safetensors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile

GRID = Grid(2, 2)
ORDER = Order([3, 0, 2, 1], grid=GRID)
PARTIAL = Order([3, 0], grid=GRID)
CLIP = Order([3, 0, 2, 1], grid=Grid(1, 2, frames=2))
GROUPED = Order(torch.tensor([[2, 0, 1, 3], [1, 0, 2, 3]]), groups=torch.tensor([0, 1, 1]), grid=GRID)


@pytest.mark.parametrize("order", [ORDER, PARTIAL, CLIP])
@pytest.mark.parametrize("ending", ["json", "safetensors"])
def test_a_file_holds_the_order_and_its_grid(order, ending, tmp_path):
    order.save(tmp_path / f"order.{ending}")
    found = Order.load(str(tmp_path / f"order.{ending}"))
    assert (found, found.grid) == (order, order.grid)


def test_json_is_the_file_of_an_order(tmp_path):
    ORDER.save(str(tmp_path / "mine.json"))
    assert OrderFile.load(tmp_path / "mine.json") == OrderFile("mine", GRID, ORDER)
    assert "checksum" in json.loads((tmp_path / "mine.json").read_text())


def test_numpy_holds_patch_numbers_alone(tmp_path):
    ORDER.save(tmp_path / "order.npy")
    assert np.load(tmp_path / "order.npy").tolist() == [3, 0, 2, 1]
    assert Order.load(tmp_path / "order.npy") == ORDER
    assert Order.load(tmp_path / "order.npy").grid is None


def test_numpy_does_not_hold_what_would_be_read_as_another_order(tmp_path):
    PARTIAL.save(tmp_path / "order.npy")
    with pytest.raises(ReorderKitError, match="holds patch 3, so it leaves patches out"):
        Order.load(tmp_path / "order.npy")
    with pytest.raises(ReorderKitError, match="numbers alone look like one of 2"):
        Order([1, 0], grid=GRID).save(tmp_path / "first.npy")
    assert not (tmp_path / "first.npy").exists()


def test_safetensors_hold_orders_of_every_shape(tmp_path):
    GROUPED.save(tmp_path / "order.safetensors")
    found = Order.load(tmp_path / "order.safetensors")
    assert (found, found.grid) == (GROUPED, GRID)


@pytest.mark.parametrize("ending", ["json", "npy"])
def test_orders_that_differ_between_images_are_refused_elsewhere(ending, tmp_path):
    with pytest.raises(ReorderKitError, match="differs between images") as refusal:
        GROUPED.save(tmp_path / f"order.{ending}")
    assert "safetensors" in refusal.value.hint


def test_json_needs_a_grid(tmp_path):
    with pytest.raises(ReorderKitError, match="an order file names the grid") as refusal:
        Order([1, 0]).save(tmp_path / "order.json")
    assert "with_grid" in refusal.value.hint


@pytest.mark.parametrize("name", ["order", "order.txt", "order.pt", "order.JSON5"])
def test_another_ending_is_refused(name, tmp_path):
    with pytest.raises(ReorderKitError, match=r"saved as \.json, \.npy, \.safetensors"):
        ORDER.save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ReorderKitError, match="absent"):
        ORDER.save(tmp_path / "absent" / "order.npy")


@pytest.mark.parametrize("grid", [torch.zeros(0), torch.tensor([2, 2]), torch.tensor([3, 3, 1]), torch.tensor(1)])
def test_a_wrong_grid_in_a_file_is_refused_by_name(grid, tmp_path):
    path = tmp_path / "order.safetensors"
    save_file({"indices": ORDER.indices, "num_patches": torch.tensor(4), "grid": grid}, path)
    with pytest.raises(ReorderKitError, match=r"order\.safetensors: "):
        Order.load(path)
