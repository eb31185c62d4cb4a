"""The candidates of a race."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from race_cases import TELLING, race_host, race_recipe
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.fixed_orders import fixed_orders
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.race import pool as racing
from reorder_kit.race.candidate import Candidate
from reorder_kit.race.opened import OpenedRecipe
from reorder_kit.race.pool import Brought, Pool, _brought, _by_saliency, pool_of, read_apart, trimmed

HOST = race_host()


def pool(brought: Brought | None = None, **sections: Any) -> Pool:
    recipe = race_recipe(**sections)
    experiment = compose(recipe, HOST, "test")
    return pool_of(OpenedRecipe.open(experiment, experiment.open_data()), recipe, brought or Brought(), HOST)


def test_rules_priors_and_the_start_race_each_order_once() -> None:
    found = pool(order={"start": "snake"})
    assert {each.order for each in found.fixed} == set(fixed_orders(HOST, Grid(3, 3)).values())
    assert found.start == "snake"  # a rule by its own name
    others = [each.name for each in found.candidates if not each.is_fixed]
    assert {"informed", "probe"} <= set(others)
    assert [each.is_fixed for each in found.candidates] == sorted(each.is_fixed for each in found.candidates)
    assert len({each.key for each in found.candidates}) == len(found.candidates)
    informed = next(each for each in found.candidates if each.name == "informed")
    assert set(informed.indices[-2:]) == set(TELLING)


def test_orders_that_are_brought_along_race_and_another_grid_is_refused(tmp_path: Path) -> None:
    mine, wrong = tmp_path / "mine.json", tmp_path / "wrong.json"
    OrderFile("mine", Grid(3, 3), Order([8, 1, 2, 3, 4, 5, 6, 0, 7])).save(mine)
    OrderFile("wrong", Grid(2, 2), Order([3, 1, 0, 2])).save(wrong)
    assert pool(Brought(files=(mine,))).candidates[0] == Candidate("mine", (8, 1, 2, 3, 4, 5, 6, 0, 7), 9)
    with pytest.raises(ReorderKitError, match=r"wrong\.json: its order has a 2x2 grid, but the recipe has a 3x3"):
        pool(Brought(files=(wrong,)))


def test_partial_orders_race_with_random_subsets_and_equal_slots(tmp_path: Path) -> None:
    found = pool(order={"start": "row", "keep": 0.34})
    assert {each.order.num_slots for each in found.candidates} == {3}
    names = {each.name for each in found.candidates}
    assert {"random-2", "random-4", "strided", "center-out", "row"} <= names
    short = tmp_path / "short.json"
    OrderFile("short", Grid(3, 3), Order([1, 0], 9)).save(short)
    with pytest.raises(ReorderKitError, match="has 2 slots, but the recipe's start has 3"):
        pool(Brought(files=(short,)), order={"start": "row", "keep": 0.34})


def test_where_not_all_can_be_paid_for_the_best_by_score_take_part() -> None:
    candidates = [
        Candidate.of(name, Order([place, *(patch for patch in range(4) if patch != place)]), is_fixed=name != "probe")
        for place, name in enumerate(["informed", "probe", "row", "spiral"])
    ]

    def first_patch(orders: Any) -> list[float]:
        return [float(order.indices[0]) for order in orders]

    def names(count: int) -> list[str]:
        return [each.name for each in trimmed(candidates, count, ["row", "informed"], first_patch)]

    assert names(4) == ["informed", "probe", "row", "spiral"]
    assert names(3) == ["row", "informed", "spiral"]
    assert names(2) == ["row", "informed"]
    assert names(1) == ["row"]


def test_the_start_the_first_prior_and_what_is_brought_along_take_part_whatever_their_score(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    OrderFile("mine", Grid(3, 3), Order([8, 1, 0, 2, 3, 5, 4, 6, 7])).save(mine)
    found = pool(Brought(files=(mine,)))
    assert set(found.certain) == {"mine", "informed", found.start}


def test_the_most_salient_patch_gets_the_most_influential_slot() -> None:
    order = _by_saliency(Order([2, 0, 1]), [0.1, 0.7, 0.2], torch.tensor([0.2, 0.3, 0.5]))
    assert order.indices.tolist() == [2, 1, 0]  # patch 0 is the most salient, then 1, then 2


@pytest.mark.parametrize(("split", "may_choose"), [("test", False), ("validation", True), ("train", True)])
def test_saliency_on_test_images_chooses_no_order(
    split: str, may_choose: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = OrderFile("learned", Grid(1, 2), Order([0, 1]))
    by_slot = SimpleNamespace(by_slot=SimpleNamespace(final=[0.75, 0.25]))
    record = SimpleNamespace(split=split, influence=[0.25, 0.75], apart_from_slots=by_slot)
    monkeypatch.setattr(racing.RunFolder, "read_order", lambda folder: stored)
    monkeypatch.setattr(racing.RunFolder, "read_result", lambda folder: None)
    monkeypatch.setattr(racing, "read_saliency", lambda folder, result: record)
    notes: list[str] = []
    run = tmp_path / "walk"
    found = list(_brought(Brought(runs=(run,)), stored.grid, stored.order, notes))
    assert [each.name for each in found] == ["walk-learned", *(["walk-saliency"] if may_choose else [])]
    told = f"{run}: no order by saliency, which was recorded on test images"
    command = f"reorder-kit saliency {run} --split validation"
    assert notes == ([] if may_choose else [f"{told} ({command})"])


def test_a_run_that_is_none_is_called_so(tmp_path: Path) -> None:
    def refused(path: Path) -> str | None:
        with pytest.raises(ReorderKitError, match="does not hold a finished run") as caught:
            list(_brought(Brought(runs=(path,)), Grid(1, 2), Order([0, 1]), []))
        return caught.value.hint

    assert (
        refused(tmp_path / "nowhere") == "it does not exist: give the folder of a finished run, such as runs/quickstart"
    )
    assert refused(tmp_path) == "it is not a run folder: give the folder of a finished run, such as runs/quickstart"
    (tmp_path / "recipe.yaml").touch()
    assert refused(tmp_path) == "resume it with: reorder-kit run RECIPE --resume"


def test_candidates_that_are_read_alike_race_once_and_a_rule_stands_for_them() -> None:
    mine = Candidate("mine", (0, 1, 2), 3)
    other, start = Candidate("other", (1, 2, 0), 3), Candidate("start", (2, 1, 0), 3)
    row = Candidate("row", (1, 0, 2), 3, is_fixed=True)
    found = read_apart(Pool((mine, other, start, row), "start", ("first",), ("start", "mine")), (False, False, True))
    assert found.candidates == (other, row)  # 2 is read in mine and in row, 0 in other and in the start
    assert found.start == "other"
    assert found.certain == ("row", "other")
    assert found.notes == (
        "first",
        "2 of 4 candidates differ from others only in slots that are not read; only one of each such group races",
    )
    pool = Pool((mine, other, start, row), "start", (), ("start",))
    assert read_apart(pool, (True, True, True)) == pool
