"""Compressibility against scores: the correlation and its points."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import spearmanr

from reorder_kit.data.training_patches import TrainingPatches
from reorder_kit.experiment.compose import compose
from reorder_kit.orders.order import Order
from reorder_kit.reports.compressibility import ScoredOrder, correlate, score_orders
from reorder_kit.reports.images import OpenedRun
from reorder_kit.reports.record import RunRecord
from reorder_kit.runs.run_folder import RunFolder


def points(compressibility, scores):
    return [ScoredOrder("fixed", x, y, 1) for x, y in zip(compressibility, scores, strict=True)]


def test_the_correlation_is_that_of_ranks():
    # By hand: 1 - 6 sum(d^2) / (n (n^2 - 1)) = 1 - 6 * 4 / (5 * 24).
    found = correlate(points([1, 20, 300, 4000, 50000], [2, 1, 4, 3, 5]))
    assert found.rho == pytest.approx(0.8)
    assert -1 <= found.low < 0.8 < found.high <= 1
    assert found.orders == 5


def test_orders_in_one_rank_leave_no_doubt_whatever_is_drawn():
    found = correlate(points([1, 2, 3, 4, 5], [10, 11, 30, 31, 90]))
    assert (found.rho, found.low, found.high) == pytest.approx((1, 1, 1))


def test_turning_the_scores_round_turns_the_interval_round():
    x, y = [3, 1, 4, 15, 9, 2], [2.0, 7.0, 1.0, 8.0, 2.5, 0.5]
    up, down = correlate(points(x, y)), correlate(points(x, [-each for each in y]))
    assert (up.rho, up.low, up.high) == pytest.approx((-down.rho, -down.high, -down.low))


def test_ties_share_a_rank_as_in_scipy():
    x, y = [1, 1, 2, 3, 3, 3], [0.5, 0.25, 0.25, 0.75, 0.75, 0.0]
    assert correlate(points(x, y)).rho == pytest.approx(spearmanr(x, y).statistic)


@pytest.mark.parametrize(("x", "y"), [([1, 2, 3, 4], [1, 2, 3, 4]), ([1] * 6, [1, 2, 3, 4, 5, 6])])
def test_there_is_none_for_few_orders_or_equal_ones(x, y):
    assert correlate(points(x, y)) is None


@pytest.mark.slow
def test_what_seeds_have_in_common_is_taken_out(trained, tmp_path, copied_run, host):
    scores = {"a": (0, 0.5), "b": (0, 0.75), "c": (1, 0.625), "d": (1, 0.875)}  # the second seed is lucky by 1/8
    runs = {}
    for place, (name, (seed, score)) in enumerate(scores.items()):
        order = Order([*range(place, 16), *range(place)])
        copied_run(trained, tmp_path / name, order, order, score, seed)
        runs[name] = [RunRecord.read(RunFolder(tmp_path / name))]
    found = score_orders(runs, OpenedRun.open(runs["a"][0], host))
    assert [(each.group, each.score) for each in found] == [("a", 0.5625), ("b", 0.8125), ("c", 0.5625), ("d", 0.8125)]


@pytest.mark.slow
def test_a_point_is_an_order_with_the_mean_over_its_runs(trained, tmp_path, copied_run, host):
    row, back = Order.identity(16), Order(list(range(15, -1, -1)))
    for name, order, score in (("a", row, 0.5), ("b", row, 0.75), ("c", back, 0.25)):
        copied_run(trained, tmp_path / name, order, order, score)
    runs = {name: RunRecord.read(RunFolder(tmp_path / name)) for name in "abc"}
    opened = OpenedRun.open(runs["a"], host)
    first, second = score_orders({"fixed": [runs["a"], runs["b"]], "learned": [runs["c"]]}, opened)
    assert (first.group, first.score, first.runs) == ("fixed", 0.625, 2)
    assert (second.group, second.score, second.runs) == ("learned", 0.25, 1)
    patches = torch.cat(list(TrainingPatches(opened.splits, runs["a"].grid, 0, 128)))
    grid = runs["a"].grid
    start = {"prior": "lzma"}
    backbone = {"name": "vit", "patch_size": 2}
    content = {"format_version": 1, "name": "x", "data": "digits", "backbone": backbone, "order": {"start": start}}
    prior = compose(content, host, "test").start.build(opened.splits.image, grid)
    expected = prior.score(patches, {"row": row, "back": back})
    assert (first.compressibility, second.compressibility) == pytest.approx((expected["row"], expected["back"]))
