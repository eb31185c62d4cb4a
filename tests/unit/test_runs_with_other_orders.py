"""Runs whose policy orders each image, leaves patches out, or orders before two blocks: what the run folder says."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

import reorder_kit
from order_plugins import by_norm, host_of_order_plugins, recipe_with
from reorder_kit import hookimpl
from reorder_kit.interfaces import Order
from reorder_kit.loaded_run import LoadedRun
from reorder_kit.order_file import OrderFile
from reorder_kit.patches import cut
from reorder_kit.run_folder import RunFolder
from reorder_kit.training.data_loading import evaluation_loader

VALIDATION_IMAGES = 100


class Heard:
    """A listener of order changes and of the run's facts."""

    def __init__(self) -> None:
        self.changes: list[tuple[int, Order, float | None]] = []
        self.runs: list[Any] = []

    @hookimpl
    def run_started(self, run: Any) -> None:
        self.runs.append(run)

    @hookimpl
    def order_changed(self, epoch: int, order: Order, spread: float | None) -> None:
        self.changes.append((epoch, order, spread))


class Ran:
    """A finished run with what a listener heard."""

    def __init__(self, folder: RunFolder, heard: Heard, host: Any) -> None:
        self.folder, self.heard, self.host = folder, heard, host
        self.order = folder.read_result()["order"]
        self.lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
        self.stored = OrderFile.load(folder.order)

    def images(self, split: str) -> torch.Tensor:
        loaded = LoadedRun.open(self.folder.path, self.host)
        samples = getattr(loaded.experiment.open_data(), split)
        return torch.cat([batch.images for batch in evaluation_loader(samples, loaded.context.kind, split, 100, 0)])


def ran(tmp_path: Any, learner: str | None, **changes: Any) -> Ran:
    heard = Heard()
    host = host_of_order_plugins(heard)
    reorder_kit.run(recipe_with(learner, **changes), out=tmp_path / "run", host=host)
    assert all(not plugin.reason for plugin in host.plugins if plugin.status == "failed")
    return Ran(RunFolder(tmp_path / "run"), heard, host)


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    controls = ["fixed-start", "learned-static", "other-image", "other-image-same-class"]
    return ran(tmp_path_factory.mktemp("dynamic"), "by-norm", controls=controls)


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran(tmp_path_factory.mktemp("partial"), "keep-some", keep=8, controls=["fixed-start", "learned-static"])


# An order for each image


def test_the_consensus_sorts_patches_by_their_mean_rank(dynamic: Ran) -> None:
    grid = dynamic.stored.grid
    orders = by_norm(cut(dynamic.images("validation"), grid)).numpy()
    assert len(orders) == VALIDATION_IMAGES
    ranks = np.argsort(orders, axis=1, kind="stable")
    consensus = np.argsort(ranks.mean(axis=0), kind="stable")
    place = np.argsort(consensus)
    distances = [(1 - kendalltau(rank, place).statistic) / 2 for rank in ranks]
    assert dynamic.order["is_consensus"] is True
    assert dynamic.order["final"] == consensus.tolist()
    assert dynamic.order["spread"] == pytest.approx(np.mean(distances))
    assert 0.05 < dynamic.order["spread"] < 0.5
    assert dynamic.order["examples"] == orders[:4].tolist()
    assert dynamic.stored.spread == dynamic.order["spread"]
    assert [example.indices.tolist() for example in dynamic.stored.examples] == orders[:4].tolist()


def test_an_order_per_image_is_not_reported_as_the_start(dynamic: Ran) -> None:
    start = Order(dynamic.order["start"])
    assert dynamic.order["final"] != dynamic.order["start"]
    expected = Order(dynamic.order["final"]).kendall_tau(start)
    assert dynamic.order["kendall_tau_to_start"] == pytest.approx(expected)
    assert [line["order"]["spread"] for line in dynamic.lines] == [dynamic.order["spread"]] * 2


def test_listeners_are_told_of_the_consensus_and_its_spread_once(dynamic: Ran) -> None:
    ((epoch, order, spread),) = dynamic.heard.changes[:1]
    assert (epoch, order.indices.tolist(), spread) == (1, dynamic.order["final"], dynamic.order["spread"])
    assert len(dynamic.heard.changes) == 1


def test_a_dynamic_run_has_controls_that_read_images_in_the_orders_of_others(dynamic: Ran) -> None:
    controls = dynamic.folder.read_result()["controls"]
    own = dynamic.folder.read_result()["metrics"]["test"]
    other, same = controls["other-image"], controls["other-image-same-class"]
    assert other["own"]["test"]["images"] == other["metrics"]["test"]["images"] == own["images"] == 497
    assert other["own"]["test"]["top1"] == pytest.approx(own["top1"])
    # Which images have a partner follows from the classes in the one batch of 497 images.
    assert same["metrics"]["test"]["images"] == 497
    assert other["metrics"]["test"]["loss"] != pytest.approx(own["loss"], rel=1e-3)
    assert same["metrics"]["test"]["loss"] != pytest.approx(own["loss"], rel=1e-3)


def test_learned_static_of_a_dynamic_run_is_trained_in_the_consensus(dynamic: Ran) -> None:
    control = RunFolder(dynamic.folder.controls / "learned-static")
    order = control.read_result()["order"]
    assert order["start"] == order["final"] == dynamic.order["final"]
    assert "is_consensus" not in order


def test_a_dynamic_order_that_leaves_patches_out(tmp_path: Any) -> None:
    run = ran(tmp_path, "by-norm", keep=5)
    kept = by_norm(cut(run.images("validation"), run.stored.grid))[:, -5:]
    ranks = torch.full((len(kept), 16), 16.0).scatter(1, kept, torch.arange(5.0).expand(len(kept), -1))
    assert run.order["final"] == ranks.double().mean(dim=0).argsort(stable=True)[:5].tolist()
    assert run.order["reach"] == {"slots": 5, "of": 5, "left_out": 11, "is_selection": True}


def test_a_consensus_that_is_the_start_is_still_a_change() -> None:
    from reorder_kit.training.order_summary import OrderSummary

    start = Order.identity(4)
    assert OrderSummary(start) != OrderSummary(start, 0.1, (start,))


# Orders that leave patches out


def test_a_static_partial_order_goes_from_run_to_result(partial: Ran) -> None:
    kept = partial.order["start"][-8:]
    assert partial.order["final"] == kept
    assert partial.stored.order == Order(kept, 16)
    assert partial.order["reach"] == {"slots": 5, "of": 8, "left_out": 8, "is_selection": True}
    assert len(partial.order["influence"]) == 8
    counts = Counter(epoch for epoch, _, _ in partial.heard.changes)
    assert counts == {1: 1}
    assert (partial.folder.path / "order.png").exists()


def test_a_partial_order_can_be_the_start_of_what_learns_nothing(partial: Ran) -> None:
    control = RunFolder(partial.folder.controls / "learned-static")
    order = control.read_result()["order"]
    assert order["start"] == order["final"] == partial.order["final"]
    assert order["kendall_tau_to_start"] == 1.0
    assert order["reach"] == {"slots": 5, "of": 8, "left_out": 8, "is_selection": True}


def test_the_run_knows_how_many_slots_it_reads_before_it_begins(partial: Ran, dynamic: Ran) -> None:
    assert [len(run.reach) for run in partial.heard.runs[:1]] == [8]
    assert [len(run.reach) for run in dynamic.heard.runs[:1]] == [16]


# Orders before two blocks


@pytest.mark.parametrize("keep", [None, 6])
def test_orders_before_two_blocks_are_reported_composed(tmp_path: Any, keep: int | None) -> None:
    options = {} if keep is None else {"keep": keep}
    run = ran(tmp_path, "again", **options)
    assert run.order["final"] == run.order["start"][::-1][:keep]
    slots, left_out = keep or 16, {} if keep is None else {"left_out": 10}
    assert run.order["reach"] == {"slots": None, "of": slots, **left_out, "is_selection": keep is not None}
