"""``search: validated``: a learned order is used only if short trainings favor it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import reorder_kit
from reorder_kit.cli._run_summary import print_summary
from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.names_in_use import has_learned
from reorder_kit.interfaces import OrderLearner
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.order_learners._phases import PhasedLearner, PhaseOptions
from reorder_kit.orders.order import Order
from reorder_kit.reports.run_page import run_page
from reorder_kit.reports.table import Table
from reorder_kit.runs.result import RunResult
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.training.evaluate_run import evaluate_run
from reorder_kit.training.run_check import check_run
from reorder_kit.training.trainer import Trainer
from reorder_kit.training.validated_search import search_alone

CHAIN = {"name": "planted-chain", "grid": [1, 8], "train_images": 512, "validation_images": 200, "test_images": 100}


class Oracle(PhasedLearner):
    """Jumps to an order at the end of its search."""

    name = "oracle"
    uses_reward = False

    class Options(PhaseOptions):
        to: list[int]

    options: Options

    def build_policy(self, context: Any) -> FixedOrder:
        return OraclePolicy(self.options.to, context.start)


class OraclePolicy(FixedOrder):
    def __init__(self, to: list[int], start: Order) -> None:
        super().__init__(start)
        self.to = to

    def advance(self, progress: Any) -> None:
        if progress.phase == "search" and progress.share == 1.0:
            self.indices.copy_(torch.tensor(self.to))


def recipe(**learner: Any) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": "chain",
        "data": {**CHAIN, "batch_size": 64},
        "backbone": {
            "name": "local", "patch_size": 1, "window": 1, "causal": True, "depth": 1, "dim": 16, "heads": 2,
            "readout": "mean", "positions": "none",
        },
        "order": {"start": "row", "learner": {"name": "oracle", "search": "validated", "search_epochs": 1, **learner}},
        "optimizer": {"lr": 0.03},
        "train": {"epochs": 3, "device": "cpu"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def hidden() -> list[int]:
    experiment = compose(recipe(to=[]), host_with(Oracle), "test")
    order = experiment.data_source.hidden_order()
    assert order is not None
    return [int(patch) for patch in order.indices]


def run(content: dict[str, Any], out: Path, **options: Any) -> tuple[RunFolder, RunResult]:
    result = reorder_kit.run(content, out=out, host=host_with(Oracle), **options).result
    return RunFolder(out), result


def weights(folder: RunFolder) -> dict[str, torch.Tensor]:
    checkpoint = folder.latest_checkpoint()
    assert checkpoint is not None
    return load_file(checkpoint / "model.safetensors")


def figures(folder: RunFolder) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    timed = ("seconds", "images_per_second", "checksum")
    return [{key: value for key, value in line.items() if key not in timed} for line in lines]


def test_a_better_order_is_accepted(hidden: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = {**recipe(to=hidden, trial_steps=24), "controls": ["learned-static"]}
    folder, result = run(content, tmp_path / "run")
    verdict = result.validated
    assert verdict is not None
    assert verdict.trials is not None
    assert verdict.is_accepted
    assert verdict.trials.p < 0.05
    assert verdict.trials.gain > 0.05
    assert (verdict.trials.steps, verdict.trials.images, len(set(verdict.trials.seeds))) == (24, 302, 3)
    assert result.order.final == hidden
    assert result.order.start == list(range(8))
    print_summary(folder, result, has_learner=True)
    printed = " ".join(capsys.readouterr().out.split())
    assert "A better order was found" in printed
    (closed_form,) = result.order.words_of_closed_form
    assert " ".join(closed_form.split()) in printed
    page = run_page(folder, host_with(Oracle))
    assert verdict.words in page.verdict
    (search,) = [section for section in page.sections if section.name == "search"]
    (trials,) = [block for block in search.blocks if isinstance(block, Table)]
    assert [len(row) for row in trials.rows] == [4, 4, 4]
    # The run is the one that trains in this order from the first step.
    static = RunFolder(folder.controls / "learned-static")
    assert all(torch.equal(value, weights(static)[name]) for name, value in weights(folder).items())
    assert [line["validation"] for line in figures(folder)] == [line["validation"] for line in figures(static)]


def test_a_rejected_order_costs_time_and_nothing_else(
    hidden: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = recipe(to=list(range(8)), trial_steps=24)
    content["order"]["start"] = {"name": "custom", "file": str(tmp_path / "hidden.json")}
    grid = {"name": "hidden", "grid": [1, 8], "order": hidden}
    (tmp_path / "hidden.json").write_text(json.dumps(grid))
    content["controls"] = ["fixed-start"]
    folder, result = run(content, tmp_path / "run")
    verdict = result.validated
    assert verdict is not None
    assert verdict.trials is not None
    assert not verdict.is_accepted
    assert verdict.trials.p > 0.9
    start = RunFolder(folder.controls / "fixed-start")
    mine, kept = weights(folder), weights(start)
    assert mine.keys() == kept.keys()
    assert all(torch.equal(mine[name], kept[name]) for name in mine)
    assert figures(folder) == figures(start)
    assert folder.test_scores.read_bytes() == start.test_scores.read_bytes()
    assert result.metrics == start.read_result().metrics
    print_summary(folder, result, has_learner=True)
    printed = capsys.readouterr().out
    assert "No better order found" in printed
    assert "losed-form score" not in printed  # of a learned order, in which the run was not trained
    # Everything is checked, and the run reopens in its order.
    checked = list(check_run(folder))
    assert all(found.problem is None for found in checked)
    assert {"trial.json", "validated.json"} <= {found.file.name for found in checked}
    report = evaluate_run(folder, [], "test", host_with(Oracle))
    assert report.orders[0].metrics.score("top1") == result.score


def test_a_search_that_changes_nothing_needs_no_trials(tmp_path: Path) -> None:
    content = recipe(to=list(range(8)))
    content["train"]["epochs"] = 1
    folder, result = run(content, tmp_path / "run")
    assert result.validated is not None
    assert result.validated.trials is None
    assert "left the start as it was" in result.validated.words
    assert not folder.trials.exists()


def test_stopped_at_any_moment_it_goes_on_as_if_it_had_not_been(
    hidden: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = recipe(to=hidden, trial_steps=6, warmup_epochs=0)
    content["train"]["epochs"] = 1
    content["data"]["batch_size"] = 128
    whole, expected = run(content, tmp_path / "whole")
    finish = Trainer._finish_epoch
    ended: list[int] = []
    # Epochs: one of search, 6 trials of 2 (4 steps an epoch), one of the run.
    stops = {1, 2, 5, 13}

    def stop(trainer: Trainer, *given: Any) -> None:
        finish(trainer, *given)
        ended.append(1)
        if len(ended) in stops:
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_finish_epoch", stop)
    stopped = 0
    while True:
        try:
            folder, result = run(content, tmp_path / "stopped", resume=stopped > 0)
            break
        except KeyboardInterrupt:
            stopped += 1
    assert stopped == len(stops)
    assert len(ended) == 14
    untimed = {"seconds": 0.0}
    assert expected.validated is not None
    assert result.validated is not None
    assert expected.validated.trials is not None
    assert result.validated.trials is not None
    assert result.validated.trials.model_copy(update=untimed) == expected.validated.trials.model_copy(update=untimed)
    assert figures(folder) == figures(whole)
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(folder).items())


def test_images_stay_those_that_the_search_began_with(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert not has_learned(folder)
    (folder.search / "checkpoints" / "epoch-000001").mkdir(parents=True)
    assert has_learned(folder)


def test_the_search_is_the_first_part_of_then_retrain() -> None:
    content = recipe(to=[], warmup_epochs=0.5, search_epochs=1.2)
    experiment = compose(content, host_with(Oracle), "test")
    assert experiment.trials is not None
    search = search_alone(experiment, 10)
    assert search.recipe.train.epochs == 2
    assert search.phases(2).bounds(10) == (5, 20)
    assert search.resolved()["order"]["learner"] == {
        "name": "oracle", "to": [], "search": "while-training", "warmup_epochs": 0.5, "search_epochs": 1.5
    }  # fmt: skip
    in_steps = compose({**content, "train": {"steps": 30, "device": "cpu"}}, host_with(Oracle), "test")
    assert search_alone(in_steps, 10).recipe.train.steps == 17


def test_trials_judge_one_order_of_all_images() -> None:
    class Moody(Oracle):
        """Dynamic."""

        name = "moody"

        def build_policy(self, context: Any) -> FixedOrder:
            policy = FixedOrder(context.start)
            policy.is_static = False
            return policy

    content = recipe(to=[])
    content["order"]["learner"]["name"] = "moody"
    with pytest.raises(RecipeError, match="judges one order of all images") as error:
        compose(content, host_with(Moody), "test")
    assert [problem.path for problem in error.value.problems] == ["order.learner.search"]


@pytest.mark.parametrize("learner", ["softsort", "reinforce", "gumbel-sinkhorn", "segment-search"])
def test_trials_that_nobody_asked_for_are_refused(learner: str) -> None:
    content = recipe()
    content["order"]["learner"] = {"name": learner, "trial_seeds": 3}
    with pytest.raises(RecipeError, match="with search: while-training, there are no trials"):
        compose(content, host_with(), "test")
    assert issubclass(host_with().order_learners.get(learner), OrderLearner)
