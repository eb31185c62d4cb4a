"""Run folders of policies that order each image, leave patches out, or order before two blocks."""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from typer.testing import CliRunner

import reorder_kit
from order_plugins import by_norm, host_of_order_plugins, recipe_with
from reorder_kit import hookimpl
from reorder_kit.analysis.saliency import follow_saliency
from reorder_kit.cli import _lookup
from reorder_kit.cli._run_summary import print_summary
from reorder_kit.cli.main import app
from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.interfaces import Order
from reorder_kit.orders.checksums import with_checksum
from reorder_kit.orders.order_file import OrderFile, words_of_spread
from reorder_kit.orders.patches import cut
from reorder_kit.reports.page import Page, Words
from reorder_kit.reports.write import page_of
from reorder_kit.runs.run_folder import RunFolder
from says import says

pytestmark = pytest.mark.slow

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
    """A finished run with the events of a listener."""

    def __init__(self, folder: RunFolder, heard: Heard, host: Any) -> None:
        self.folder, self.heard, self.host = folder, heard, host
        self.order = folder.read_result().as_dict()["order"]
        self.lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
        self.stored = OrderFile.load(folder.order)

    def images(self, split: str) -> torch.Tensor:
        loaded = LoadedRun.open(self.folder.path, self.host)
        samples = getattr(loaded.experiment.open_data(), split)
        return torch.cat([batch.images for batch in evaluation_loader(samples, loaded.context.kind, split, 100, 0)])


class Failures(logging.Handler):
    """Errors of a run's listeners; the run continues without them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def ran(tmp_path: Any, learner: str | None, **changes: Any) -> Ran:
    heard, failures = Heard(), Failures()
    host = host_of_order_plugins(heard)
    logger = logging.getLogger("reorder_kit.host.plugin_host")
    logger.addHandler(failures)
    reorder_kit.run(recipe_with(learner, **changes), out=tmp_path / "run", host=host)
    logger.removeHandler(failures)
    assert failures.messages == []
    return Ran(RunFolder(tmp_path / "run"), heard, host)


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    controls = ["fixed-start", "learned-static", "other-image", "other-image-same-class"]
    return ran(tmp_path_factory.mktemp("dynamic"), "by-norm", controls=controls)


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran(tmp_path_factory.mktemp("partial"), "keep-some", keep=8, controls=["fixed-start", "learned-static"])


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return ran(tmp_path_factory.mktemp("composed"), "again")


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
    controls = dynamic.folder.read_result().as_dict()["controls"]
    own = dynamic.folder.read_result().as_dict()["metrics"]["test"]
    other, same = controls["other-image"], controls["other-image-same-class"]
    assert other["own"]["test"]["images"] == other["metrics"]["test"]["images"] == own["images"] == 497
    assert other["own"]["test"]["top1"] == pytest.approx(own["top1"])
    # Which images have a partner follows from the classes in the one batch of 497 images.
    assert same["metrics"]["test"]["images"] == 497
    assert other["metrics"]["test"]["loss"] != pytest.approx(own["loss"], rel=1e-3)
    assert same["metrics"]["test"]["loss"] != pytest.approx(own["loss"], rel=1e-3)


def test_learned_static_of_a_dynamic_run_is_trained_in_the_consensus(dynamic: Ran) -> None:
    control = RunFolder(dynamic.folder.controls / "learned-static")
    order = control.read_result().as_dict()["order"]
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
    order = control.read_result().as_dict()["order"]
    assert order["start"] == order["final"] == partial.order["final"]
    assert order["kendall_tau_to_start"] == 1.0
    assert order["reach"] == {"slots": 5, "of": 8, "left_out": 8, "is_selection": True}


def test_the_run_knows_how_many_slots_it_reads_before_it_begins(partial: Ran, dynamic: Ran) -> None:
    assert [len(run.reach) for run in partial.heard.runs[:1]] == [8]
    assert [len(run.reach) for run in dynamic.heard.runs[:1]] == [16]


def test_only_a_learner_that_says_so_starts_from_a_partial_order(partial: Ran, tmp_path: Any) -> None:
    start = {"start": {"file": str(partial.folder.order)}}
    with pytest.raises(ReorderKitError, match="the starting order leaves out 8 of 16 patches, but softsort orders all"):
        ran(tmp_path / "softsort", None, order={**start, "learner": "softsort"})
    assert not (tmp_path / "softsort").exists()
    further = ran(tmp_path, None, order={**start, "learner": {"name": "keep-some", "keep": 3}})
    assert further.order["final"] == partial.order["final"][-3:]


# Orders before two blocks


def test_orders_before_two_blocks_are_reported_composed(composed: Ran) -> None:
    assert composed.order["final"] == composed.order["start"][::-1]
    assert composed.order["reach"] == {"slots": None, "of": 16, "is_selection": False}


def test_slots_dropped_before_a_later_block_are_patches_left_out(tmp_path: Any) -> None:
    run = ran(tmp_path, "again", keep=6)
    assert run.order["final"] == run.order["start"][::-1][:6]
    assert run.order["reach"] == {"slots": None, "of": 6, "left_out": 10, "is_selection": True}


# Output of commands


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The output of a successful command."""
    monkeypatch.setattr(_lookup, "load_host", host_of_order_plugins)
    monkeypatch.setenv("COLUMNS", "200")

    def told(*arguments: Any) -> str:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    return told


def test_show_order_shows_a_consensus_as_one_with_orders_of_images(dynamic: Ran, told: Callable[..., str]) -> None:
    said = told("show-order", dynamic.folder.path)
    assert f"trial has no single order: {words_of_spread(dynamic.order['spread'])}." in said
    assert said.count("The order of one image:") == 4
    content = json.loads(told("show-order", dynamic.folder.path, "--json"))
    assert (content["is_consensus"], content["spread"]) == (True, dynamic.order["spread"])


def test_export_order_says_when_no_lines_for_timm_do_the_same(
    dynamic: Ran, composed: Ran, partial: Ran, told: Callable[..., str], tmp_path: Any
) -> None:
    said = told("export-order", dynamic.folder.path, "--to", tmp_path)
    assert "This is a consensus; the run itself orders each image" in said
    assert "num_prefix_tokens" not in said
    assert OrderFile.load(tmp_path / "order.json") == dynamic.stored
    said = told("export-order", composed.folder.path, "--to", tmp_path)
    assert "This is the composed order of all blocks" in said
    assert "num_prefix_tokens" not in said
    assert "num_prefix_tokens" in told("export-order", partial.folder.path, "--to", tmp_path)


def test_evaluate_compares_with_the_consensus(dynamic: Ran, told: Callable[..., str]) -> None:
    command = ("evaluate", dynamic.folder.path, "--order", dynamic.folder.order, "--order", "row")
    report = json.loads(told(*command, "--json"))
    own, consensus, row = report["orders"]
    examples = [Order(order).kendall_tau(dynamic.stored.order) for order in _orders_of(dynamic)]
    assert own["kendall_tau_to_own"] == pytest.approx(np.mean(examples))
    assert consensus["kendall_tau_to_own"] == 1.0
    assert row["kendall_tau_to_own"] == pytest.approx(dynamic.stored.order.kendall_tau(Order.identity(16)))
    stated = dynamic.folder.read_result().as_dict()["metrics"]["test"]
    assert own["metrics"]["loss"] == pytest.approx(stated["loss"], rel=1e-5)
    assert consensus["metrics"]["loss"] != pytest.approx(stated["loss"], rel=1e-3)
    assert "It has no single order: each image has its own order" in told(*command)


def test_evaluate_says_that_other_orders_are_used_before_block_0_alone(composed: Ran, told: Callable[..., str]) -> None:
    said = told("evaluate", composed.folder.path, "--order", "row")
    assert "It also orders before block 1: tau compares with the composed order; other orders apply before" in said


def test_the_summary_of_a_run_claims_no_single_order(dynamic: Ran, composed: Ran, capsys: Any) -> None:
    print_summary(dynamic.folder, dynamic.folder.read_result(), has_learner=True)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "No single order: each image has its own order" in said
    assert "order-example-4.png" in said
    print_summary(composed.folder, composed.folder.read_result(), has_learner=True)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "Patches are ordered again before a later block: which slots reach the readout is not known." in said


def test_saliency_by_slot_is_refused_where_no_two_orders_can_be_compared(
    dynamic: Ran, composed: Ran, partial: Ran
) -> None:
    reasons = {"depends on the image": dynamic, "orders again before block 1": composed, "a partial order": partial}
    for reason, run in reasons.items():
        with pytest.raises(ReorderKitError, match=reason):
            follow_saliency(LoadedRun.open(run.folder.path, run.host), "gradient", "test", 20)


# The report


def report_of(run: Ran, target: Path) -> tuple[Page, str]:
    page = page_of(run.folder.path, run.host)
    page.write(target)
    return page, (target / "report.html").read_text()


def track(page: Page) -> dict[str, Any]:
    """The orders of the playback."""
    (section,) = (section for section in page.sections if section.name == "playback")
    (player,) = section.blocks
    return player.as_dict()["tracks"][0]


def test_the_report_of_a_consensus(dynamic: Ran, tmp_path: Path) -> None:
    page, text = report_of(dynamic, tmp_path)
    said = " ".join(page.verdict)
    assert (
        f"by-norm has no single order: {words_of_spread(dynamic.order['spread'])}. In these orders: test top1" in said
    )
    assert "Trained in the consensus order, the same for all images, from the first step, the score is" in said
    assert "The control learned-static" not in said
    assert "How much the images' orders differ" in text
    assert f"Consensus orders: {words_of_spread(dynamic.order['spread'])} at the end." in track(page)["note"]
    assert [step["order"] for step in track(page)["steps"]] == [dynamic.order["start"], *[dynamic.order["final"]] * 2]
    control = dynamic.folder.read_result().as_dict()["controls"]["learned-static"]
    assert control["words"] == "the consensus of the learned orders from the first step"


def test_the_report_of_an_order_that_leaves_patches_out(partial: Ran, tmp_path: Path) -> None:
    page, text = report_of(partial, tmp_path)
    assert any(
        line.startswith("5 of 8 slots reach the readout, and 8 of 16 patches have no slot:") for line in page.verdict
    )
    shown = track(page)
    assert [len(step["order"]) for step in shown["steps"]] == [16, 8, 8]
    assert len(shown["colors"]) == 16
    assert shown["reached"] == {16: [False] * 11 + [True] * 5, 8: [False] * 3 + [True] * 5}
    assert "slot 0 at the start, no slot at the end" in text


def test_the_report_of_orders_before_two_blocks(composed: Ran, tmp_path: Path) -> None:
    page, _ = report_of(composed, tmp_path)
    assert not any("reach" in line for line in page.verdict)
    assert track(page)["reached"] == {}


def test_a_report_says_why_there_is_no_influence(partial: Ran, tmp_path: Path) -> None:
    folder = RunFolder(Path(shutil.copytree(partial.folder.path, tmp_path / "copy")))
    result = folder.read_result().as_dict()
    result["order"] |= {"influence": None, "influence_does_not_apply": "a step of trial reads its batch 2 times"}
    folder.result.write_text(json.dumps(with_checksum(result)))
    (section,) = (section for section in page_of(folder.path, partial.host).sections if section.name == "slots")
    words = [block.text for block in section.blocks if isinstance(block, Words)]
    (sentence,) = words
    assert says(sentence, "influence", "not measured", "trial", "2 times")


def _orders_of(run: Ran) -> list[list[int]]:
    orders: list[list[int]] = by_norm(cut(run.images("validation"), run.stored.grid)).tolist()
    return orders
