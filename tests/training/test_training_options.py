import json

import pytest
import torch
from pydantic import Field
from safetensors.torch import load_file

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.tasks.classification import Classification
from reorder_kit.testing import host_with

REINFORCE = {
    "name": "reinforce",
    "warmup_epochs": 1,
    "search_epochs": 1,
    "temperature": {"shape": "constant", "peak": 0.2},
    "groups": 4,
}
SOFTSORT = {"name": "softsort", "warmup_epochs": 1, "search_epochs": 1, "lr": 2.0}


class Watched(Classification):
    """Classification that records what training does with it."""

    name = "watched"

    class Options(Classification.Options):
        reward_scale: float = Field(1.0, description="factor of every reward; 0 makes them all the same")

    def __init__(self, options=None):
        super().__init__(options)
        self.orders, self.losses = [], []

    def step(self, model, batch, progress):
        result = super().step(model, batch, progress)
        if model.training:
            (first,) = result.passes
            self.orders.append(first.proposals[0].order)
            self.losses.append(result.loss.detach().clone())
        return result

    def reward_per_image(self, outputs, targets, loss):
        return self.options.reward_scale * super().reward_per_image(outputs, targets, loss)


class Run:
    """A finished run, and its record."""

    def __init__(self, out, **sections):
        seen = []

        class Spy(Watched):
            def __init__(self, options=None):
                super().__init__(options)
                seen.append(self)

        class Plugin:
            @hookimpl
            def register_tasks(self):
                return [Spy]

        host = host_with(Plugin())
        recipe = {
            "format_version": 1,
            "name": "small",
            "data": {"name": "digits", "batch_size": 240},
            "task": "watched",
            "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1},
            "optimizer": {"lr": 3e-3},
            **sections,
        }
        recipe["train"] = {"epochs": 2, "device": "cpu", **sections.get("train", {})}
        self.result = reorder_kit.run(recipe, out=out, host=host).as_dict()
        self.task = seen[0]
        self.folder = RunFolder(out)
        self.metrics = [json.loads(line) for line in self.folder.metrics.read_text().splitlines()]

    def weights(self, name="model", control=None):
        folder = RunFolder(self.folder.controls / control) if control else self.folder
        return load_file(folder.latest_checkpoint() / f"{name}.safetensors")

    def metrics_of(self, control):
        lines = RunFolder(self.folder.controls / control).metrics.read_text().splitlines()
        return [json.loads(line) for line in lines]


def difference(first, second):
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_two_batches_for_a_step_equal_one_of_twice_the_size(tmp_path):
    # 1,200 images: 5 batches of 240 make 2 steps and a half; of 480 they make 2 and a smaller last one.
    halves = Run(tmp_path / "halves", train={"accumulate": 2})
    whole = Run(tmp_path / "whole", data={"name": "digits", "batch_size": 480})
    assert [len(loss) for loss in halves.task.losses] == [240] * 10
    assert [len(loss) for loss in whole.task.losses] == [480, 480, 240] * 2
    ours, theirs = halves.weights(), whole.weights()
    # A bias of keys has no effect, so its gradient is just rounding, which Adam amplifies.
    ours.pop("backbone.blocks.0.attn.qkv.bias")
    assert difference(ours, theirs) < 1e-5
    assert halves.metrics[-1]["train"]["loss"] == pytest.approx(whole.metrics[-1]["train"]["loss"], abs=1e-5)


def test_the_averaged_weights_are_the_ones_that_are_judged(tmp_path):
    slow = Run(tmp_path / "slow", optimizer={"lr": 0.02}, train={"ema_decay": 0.9999})
    plain = Run(tmp_path / "plain", optimizer={"lr": 0.02})
    assert difference(slow.weights(), plain.weights()) == 0
    untrained = Run(tmp_path / "untrained", optimizer={"lr": 1e-12})
    # After 10 steps such a slow average has hardly left the start.
    losses = [run.result["metrics"]["test"]["loss"] for run in (slow, plain, untrained)]
    assert losses[0] == pytest.approx(losses[2], abs=0.01)
    assert losses[1] < losses[2] - 0.1
    assert difference(slow.weights("ema"), slow.weights()) > 1e-3


def test_the_average_is_the_exponential_one(tmp_path):
    # One step per epoch: after two, 0.25 of the start, 0.25 of the first step and 0.5 of the second.
    options = {"data": {"name": "digits", "batch_size": 1200}, "schedule": {"shape": "constant"}}
    first = Run(tmp_path / "first", **options, train={"epochs": 1, "ema_decay": 0.5})
    both = Run(tmp_path / "both", **options, train={"epochs": 2, "ema_decay": 0.5})
    after_one, after_two = first.weights(), both.weights()
    for name, averaged in both.weights("ema").items():
        start = 2 * first.weights("ema")[name] - after_one[name]
        expected = 0.25 * start + 0.25 * after_one[name] + 0.5 * after_two[name]
        assert torch.allclose(averaged, expected, atol=1e-6), name


def test_bf16_is_close_to_fp32_and_a_run_of_each_fits_in_one_process(tmp_path):
    exact = Run(tmp_path / "fp32", train={"precision": "fp32"})
    rounded = Run(tmp_path / "bf16", train={"precision": "bf16"})
    again = Run(tmp_path / "again", train={"precision": "fp32"})
    assert difference(exact.weights(), again.weights()) == 0
    assert 0 < difference(exact.weights(), rounded.weights()) < 0.1
    assert rounded.metrics[-1]["train"]["loss"] == pytest.approx(exact.metrics[-1]["train"]["loss"], rel=0.02)


def test_fp16_on_a_cpu_is_refused(tmp_path):
    with pytest.raises(ReorderKitError, match="fp16 needs a CUDA GPU"):
        Run(tmp_path / "fp16", train={"precision": "fp16"})


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_compiling_changes_nothing_but_rounding(tmp_path):
    plain = Run(tmp_path / "plain")
    compiled = Run(tmp_path / "compiled", train={"compile": True})
    assert compiled.weights().keys() == plain.weights().keys()
    assert compiled.metrics[-1]["train"]["loss"] == pytest.approx(plain.metrics[-1]["train"]["loss"], rel=1e-3)


def test_an_order_stays_at_the_start_in_the_warm_up_and_is_fixed_after_the_search(tmp_path):
    run = Run(tmp_path / "run", order={"start": "spiral", "learner": SOFTSORT}, train={"epochs": 4})
    assert [line["phase"] for line in run.metrics] == ["warm-up", "search", "hardened", "hardened"]
    start = OrderFile.load(run.folder.start_order).order
    orders = [OrderFile.load(run.folder.epoch_order(epoch)).order for epoch in range(1, 5)]
    assert orders[0] == start
    assert orders[1] != start
    assert orders[1] == orders[2] == orders[3]
    assert ["soft_to_hard_gap" in line for line in run.metrics] == [False, True, False, False]


@pytest.mark.parametrize("learner", [SOFTSORT, REINFORCE])
def test_a_run_and_its_fixed_start_control_are_the_same_until_the_search_begins(learner, tmp_path):
    run = Run(
        tmp_path / "run",
        task={"name": "watched", "mixup": 0.2},
        backbone={"name": "recurrent", "patch_size": 2, "dim": 8, "depth": 1, "dropout": 0.1},
        order={"start": "spiral", "learner": {**learner, "warmup_epochs": 2}},
        controls=["fixed-start"],
        train={"epochs": 3},
    )
    beside = run.metrics_of("fixed-start")
    for section in ("train", "validation", "order"):
        assert [line[section] for line in run.metrics[:2]] == [line[section] for line in beside[:2]]
    assert run.metrics[2]["train"] != beside[2]["train"]
    assert run.result["controls"]["fixed-start"]["metrics"]["test"]["images"] == 497


def test_the_learned_static_control_starts_from_the_learned_order_and_the_same_weights(tmp_path):
    run = Run(tmp_path / "run", order={"learner": SOFTSORT}, controls=["learned-static"])
    beside = RunFolder(run.folder.controls / "learned-static").read_result().as_dict()
    assert run.result["order"]["final"] != run.result["order"]["start"]
    assert beside["order"]["start"] == beside["order"]["final"] == run.result["order"]["final"]
    alone = Run(tmp_path / "alone", order={"start": {"file": str(run.folder.order)}})
    assert difference(run.weights(control="learned-static"), alone.weights()) == 0


def test_random_fixed_keeps_one_random_order(tmp_path):
    run = Run(tmp_path / "run", order={"start": "row", "control": "random-fixed"})
    assert len({tuple(order.indices.tolist()) for order in run.task.orders}) == 1
    assert run.result["order"]["final"] == run.result["order"]["start"] != list(range(16))
    other = Run(tmp_path / "other", seed=1, order={"start": "row", "control": "random-fixed"})
    assert other.result["order"]["start"] != run.result["order"]["start"]


def test_random_per_batch_draws_an_order_for_every_batch_and_is_judged_in_the_start(tmp_path):
    run = Run(tmp_path / "run", order={"start": "row", "control": "random-per-batch"})
    drawn = [tuple(order.indices.tolist()) for order in run.task.orders]
    assert len(set(drawn)) == len(drawn) == 10
    assert run.result["order"]["final"] == run.result["order"]["start"] == list(range(16))


def test_a_null_reward_moves_the_policy_without_knowing_good_from_bad(tmp_path):
    def logits(control, scale):
        run = Run(
            tmp_path / f"{control}{scale}",
            task={"name": "watched", "reward_scale": scale},
            order={"learner": {**REINFORCE, "baseline": "ema"}, "control": control},
        )
        return run.weights("policy")["logits"]

    null = logits("null-reward", 1.0)
    assert torch.equal(null, logits("null-reward", -1.0))
    assert not torch.equal(null, torch.linspace(0, -1, 16))
    assert not torch.equal(logits("none", 1.0), logits("none", -1.0))


@pytest.mark.parametrize("control", ["none", "null-reward"])
def test_rewards_that_are_all_the_same_leave_the_policy_where_it_started(control, tmp_path):
    task = {"name": "watched", "reward_scale": 0.0}
    run = Run(tmp_path / "run", task=task, order={"learner": REINFORCE, "control": control})
    assert torch.equal(run.weights("policy")["logits"], torch.linspace(0, -1, 16))
