"""The cost of encoding, and a trained model that reads less of its own order."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import reorder_kit
from order_plugins import NormPolicy
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.interfaces import Grid, Order, PatchSequence
from reorder_kit.model.fixed_policies import FirstSlots, FixedOrder
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.reports.cost_charts import CostPoint, cost_blocks, cost_blocks_of_study
from reorder_kit.reports.looks import looks_of
from reorder_kit.reports.write import page_of
from reorder_kit.runs.encoder_cost import EncoderCost, ShareCurve
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.statistics.headline import Headline
from reorder_kit.studies.results import Row
from reorder_kit.testing import host_with
from reorder_kit.training import encoder_cost
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.evaluate_run import evaluate_run
from reorder_kit.training.run_check import check_run
from reorder_kit.training.shares import slots_of_shares, write_shares

HOST, DIM = host_with(), 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("shares")
    recipe = {
        "format_version": 1,
        "name": "reads-half",
        "data": {"name": "digits", "batch_size": 400},
        "backbone": {"name": "vit", "grid": [4, 4], "dim": DIM, "depth": 1, "heads": 2},
        "order": {"start": "strided", "keep": 0.5},
        "train": {"epochs": 1, "device": "cpu"},
    }
    logging.disable(logging.WARNING)
    reorder_kit.run(recipe, out=root / "run", host=HOST)
    logging.disable(logging.NOTSET)
    return RunFolder(root / "run")


@pytest.fixture(scope="module")
def report(folder):
    OrderFile("four", Grid(4, 4), Order([0, 10, 2, 8], 16)).save(folder.path.parent / "four.json")
    return evaluate_run(folder, [str(folder.path.parent / "four.json")], "test", HOST, keep=[0.5, 0.25])


def operations(slots):
    """Operations of a transformer block with CLS: queries, keys, values, output and an MLP four times as wide."""
    tokens = slots + 1
    return 2 * tokens * DIM * (3 * DIM + DIM + 4 * DIM + 4 * DIM) + 2 * 2 * tokens**2 * DIM


def test_a_result_says_what_encoding_an_image_costs(folder):
    cost = folder.read_result().encoder
    assert (cost.slots, cost.operations) == (8, operations(8))
    assert 0 < cost.seconds < 1


def test_a_share_is_as_good_as_its_order_and_the_whole_as_good_as_the_run(report):
    own, four = report.orders
    quarter, half = report.shares
    assert [(share.keep, share.encoder.slots) for share in report.shares] == [(0.25, 4), (0.5, 8)]
    assert quarter.metrics == four.metrics != own.metrics
    assert half.metrics == own.metrics
    assert quarter.encoder.operations == operations(4)


def test_the_curve_is_kept_beside_the_run_and_shown_in_its_report(folder, report, tmp_path):
    curve = folder.read_shares()
    assert list(curve.shares) == report.shares
    assert json.loads(json.dumps(report.as_dict()))["shares"][0]["encoder"]["slots"] == 4
    page = page_of(folder.path, HOST)
    (section,) = [section for section in page.sections if section.name == "reading-less"]
    seconds, counted, words = section.blocks
    assert (seconds.name, counted.name) == ("shares-seconds", "shares-operations")
    assert "4 slots" in counted.alt
    assert "Elementwise operations are not counted" in words.text
    (check,) = [check for check in check_run(folder) if check.file.name == "shares.json"]
    assert check.problem is None
    curve.model_copy(update={"checkpoint": "of another run"}).write(folder.shares)
    with pytest.raises(ReorderKitError, match="belongs to another run"):
        folder.read_shares()
    curve.write(folder.shares)


def test_a_share_of_one_is_all_slots_of_its_own_order(folder, tmp_path):
    shutil.copytree(folder.path, tmp_path / "copy")
    report = evaluate_run(RunFolder(tmp_path / "copy"), [], "test", HOST, keep=[1])
    (whole,) = report.shares
    assert (whole.keep, whole.encoder.slots) == (0.5, 8)
    assert whole.metrics == report.orders[0].metrics


def shares_of(folder):
    return [(share.keep, share.encoder.slots) for share in ShareCurve.read(folder.shares).shares]


def test_shares_of_earlier_calls_stay_where_they_can_be_compared(folder, report, tmp_path):
    shutil.copytree(folder.path, tmp_path / "copy")
    copy = RunFolder(tmp_path / "copy")
    earlier = copy.read_shares()
    eighth = report.shares[0].model_copy(update={"keep": 0.125, "encoder": cost(2)})
    now = earlier.model_copy(update={"shares": [eighth, report.shares[1]]})
    assert write_shares(copy, now) == "shares.json also keeps earlier shares: 0.25."
    assert shares_of(copy) == [(0.125, 2), (0.25, 4), (0.5, 8)]
    # A new result for the same number of slots replaces the old one.
    again = earlier.model_copy(update={"shares": [eighth.model_copy(update={"keep": 0.13})]})
    assert write_shares(copy, again).endswith("keeps earlier shares: 0.25, 0.5.")
    assert shares_of(copy) == [(0.13, 2), (0.25, 4), (0.5, 8)]


@pytest.mark.parametrize("field", ["checkpoint", "split", "device", "images"])
def test_shares_that_cannot_be_compared_are_replaced_and_that_is_said(folder, report, tmp_path, field):
    shutil.copytree(folder.path, tmp_path / "copy")
    copy = RunFolder(tmp_path / "copy")
    other = report.shares[0]
    if field == "images":
        figures = other.metrics.model_copy(update={"root": {**other.metrics.root, "images": 3}})
        other = other.model_copy(update={"metrics": figures})
    changes = {"shares": [other]} if field == "images" else {"shares": [other], field: "another"}
    assert "which were replaced" in write_shares(copy, copy.read_shares().model_copy(update=changes))
    assert shares_of(copy) == [(0.25, 4)]


def test_shares_that_cannot_be_read_are_replaced_and_that_is_said(folder, report, tmp_path):
    shutil.copytree(folder.path, tmp_path / "copy")
    copy = RunFolder(tmp_path / "copy")
    curve = copy.read_shares()
    copy.shares.write_text("{")
    assert write_shares(copy, curve) == "shares.json could not be read, so it was replaced."
    assert shares_of(copy) == [(0.25, 4), (0.5, 8)]


@pytest.mark.parametrize(
    ("passed", "fastest", "batches"),
    [([9, 0.5, 0.3, 0.4, 0.3, 0.2, 0.1], 0.2, 5), ([9, *[0.02] * 39, 0.01, 0.001], 0.01, 40)],
)
def test_the_fastest_batch_counts_and_a_slow_model_reads_fewer(folder, monkeypatch, passed, fastest, batches):
    left = list(passed)
    monkeypatch.setattr(encoder_cost, "_seconds", lambda *_: left.pop(0))
    run = LoadedRun.open(folder.path, HOST)
    samples, recipe = run.experiment.open_data().test, run.experiment.recipe
    accelerator = build_accelerator(recipe.train)
    found = encoder_cost.encoder_cost(run.model, samples, run.context.kind, "test", 50, accelerator)
    assert found.seconds == pytest.approx(fastest / 50)
    assert len(passed) - len(left) == 1 + batches


@pytest.mark.parametrize(
    ("share", "reason"),
    [
        (0.75, r"that is 12 of 16 patches, but the order of the run holds 8"),
        (0.0, "is not a share of the patches"),
        (1.5, "is not a share of the patches"),
    ],
)
def test_a_share_that_the_run_cannot_read_is_refused_before_anything_is_evaluated(folder, share, reason):
    with pytest.raises(ReorderKitError, match=reason):
        evaluate_run(folder, [], "test", HOST, keep=[0.25, share])


@pytest.mark.parametrize(
    ("levels", "blocks", "reason"), [((1, 2), (0,), "hierarchical"), ((1,), (0, 1), "before a later block")]
)
def test_a_model_that_needs_every_patch_is_refused(levels, blocks, reason):
    policy = FixedOrder(Order.identity(16))
    policy.blocks = blocks
    model = SimpleNamespace(policy=policy, facts=SimpleNamespace(levels=levels))
    with pytest.raises(ReorderKitError, match=reason):
        slots_of_shares(SimpleNamespace(model=model), Order.identity(16), [0.5])


def test_of_orders_that_depend_on_the_image_each_is_cut():
    pixels = torch.tensor([[[3.0], [1.0], [2.0]], [[1.0], [2.0], [3.0]]])
    sequence = PatchSequence(pixels, Grid(1, 3), pixels=pixels)
    policy = FirstSlots(NormPolicy(3), 2)
    assert (policy.is_static, policy.needs) == (False, {"pixels"})
    assert policy.best_order(sequence).indices.tolist() == [[1, 2], [0, 1]]
    assert policy.propose(sequence).order == policy.best_order(sequence)


def cost(slots):
    return EncoderCost(slots=slots, seconds=slots / 1000, operations=1000 * slots)


def test_a_curve_takes_models_that_read_different_numbers_of_slots():
    points = [CostPoint("row", cost(4), 0.5), CostPoint("row", cost(16), 0.75), CostPoint("spiral", cost(8), 0.25)]
    seconds, counted, _ = cost_blocks("c", "digits", points, Headline("top1"), looks_of(["row", "spiral"]))
    line, _ = seconds.figure.axes[0].get_lines()
    assert line.get_xydata().tolist() == [[4.0, 0.5], [16.0, 0.75]]
    assert counted.figure.axes[0].get_lines()[0].get_xydata().tolist() == [[0.004, 0.5], [0.016, 0.75]]
    assert cost_blocks("c", "digits", points[:1], Headline("top1"), looks_of(["row"])) == []


def test_a_study_draws_a_line_for_each_backbone_and_order():
    def row(backbone, start, slots, score, control=None):
        estimate = mean_over_seeds([score, score])
        return Row("digits", backbone, start, None, control, estimate, (0, 1), ("a", "b"), slots, slots, True, 1.0)

    def records(slots, name):
        run = SimpleNamespace(recipe={"backbone": {"name": name}}, result=SimpleNamespace(encoder=cost(slots)))
        return [run, run]

    runs = {
        row("vit", "row", 16, 0.9): records(16, "vit"),
        row("vit-quarter", "row", 4, 0.8): records(4, "vit"),
        row("vit-quarter", "row", 4, 0.7, "random-fixed"): records(4, "vit"),
        row("mamba", "row", 16, 0.6): records(16, "mamba"),
    }
    seconds, *_ = cost_blocks_of_study(runs, Headline("top1"), looks_of(["row"]))
    lines = [line.get_xydata().tolist() for line in seconds.figure.axes[0].get_lines()]
    assert lines == [[[16.0, 0.6]], [[4.0, 0.8], [16.0, 0.9]]]
    assert "vit: row, 4 slots: 0.800" in seconds.alt


def of_row(backbone, slots, score, length=1.0, seed=0, **recipe):
    """A row of a study with its run."""
    estimate = mean_over_seeds([score])
    row = Row("digits", backbone, "random", None, None, estimate, (seed,), ("a",), slots, slots, True, 1.0)
    order = {"start": {"name": "random", "seed": seed}, "keep": slots / 16}
    content = {"name": backbone, "seed": seed, "backbone": {"name": "vit"}, "order": order, **recipe}
    return replace(row, length=length), [SimpleNamespace(recipe=content, result=SimpleNamespace(encoder=cost(slots)))]


@pytest.mark.parametrize(
    ("quarter", "names"),
    [
        (of_row("quarter", 4, 0.8, seed=1), ["vit: random"]),
        (of_row("quarter", 4, 0.8, optimizer={"lr": 0.1}), ["vit: random", "quarter: random"]),
        (of_row("quarter", 4, 0.8, 4.0), ["vit: random, 1x training", "quarter: random, 4x training"]),
    ],
)
def test_a_line_joins_rows_of_a_study_that_differ_in_keep_alone(quarter, names):
    seconds, *_ = cost_blocks_of_study(dict([of_row("vit", 16, 0.9), quarter]), Headline("top1"), looks_of(["random"]))
    assert len(seconds.figure.axes[0].get_lines()) == len(names)
    assert all(f"{name}, {slots} slots" in seconds.alt for name, slots in zip(names, (16, 4), strict=False))
