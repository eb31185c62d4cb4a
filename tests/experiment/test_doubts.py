"""Options without effect are reported once, with their field."""

from __future__ import annotations

import pytest

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.doubts import doubts
from reorder_kit.testing import host_with

HOST = host_with()
SMALL = {"patch_size": 2, "dim": 8, "heads": 2, "depth": 1}  # 16 patches of a digit


def found(**sections):
    recipe = {
        "format_version": 1,
        "name": "trial",
        "data": "digits",
        "backbone": {"name": "local", **SMALL},
        **sections,
    }
    return doubts(compose(recipe, HOST, "trial"))


# Of eight blocks, five are left besides a global one and a window of three blocks.
BIGBIRD = {"pattern": "bigbird", "block": 2, "window": 1, "num_global": 1}
IDLE = [
    ({"name": "transformer-xl", "segment": 16, "memory": 4}, ["memory"]),
    ({"name": "transformer-xl", "segment": 17, "memory": 4, "readout": "cls"}, ["memory"]),
    ({"name": "transformer-xl", "segment": 16, "memory": 4, "memory_gradient": True}, ["memory", "memory_gradient"]),
    ({"name": "transformer-xl", "segment": 16, "memory": 4, "readout": "cls"}, []),
    ({"name": "transformer-xl", "segment": 15, "memory": 4}, []),
    ({"name": "transformer-xl", "segment": 16, "memory": 0}, []),
    ({"name": "transformer-xl", "segment": 1, "memory": 2}, ["causal"]),
    ({"name": "local", "window": 15}, ["window"]),
    ({"name": "local", "window": 14}, []),
    ({"name": "local", "window": 15, "readout": "cls"}, []),
    ({"name": "local", "window": 16, "readout": "cls"}, ["window"]),
    ({"name": "local", "window": 0, "readout": "mean"}, ["causal"]),
    ({"name": "longformer", "window": 15}, ["window"]),
    ({"name": "longformer", "window": 14}, []),
    ({"name": "sparse", "stride": 15}, ["stride"]),
    ({"name": "sparse", "stride": 14}, []),
    ({"name": "sparse", "pattern": "fixed", "block": 16}, ["block", "num_summary"]),
    ({"name": "sparse", "pattern": "fixed", "block": 15}, []),
    ({"name": "sparse", **BIGBIRD, "num_random": 1}, []),
    ({"name": "sparse", **BIGBIRD, "num_random": 5}, ["window", "num_random", "num_global", "random_seed"]),
    ({"name": "sparse", **BIGBIRD, "num_random": 4}, []),
    ({"name": "sparse", **BIGBIRD, "window": 6, "num_random": 0}, ["window", "num_random", "num_global"]),
    ({"name": "sparse", **BIGBIRD, "num_global": 0, "num_random": 0, "window": 0, "block": 1}, ["causal"]),
]


@pytest.mark.parametrize(("backbone", "idle"), IDLE, ids=str)
def test_options_of_a_backbone_that_change_nothing_are_named(backbone, idle):
    told = [doubt for doubt in found(backbone={**SMALL, **backbone}) if "changes nothing" in doubt]
    assert [doubt.partition(":")[0] for doubt in told] == [f"backbone.{name}" for name in idle]


SCHEDULES = [
    ({"shape": "constant", "hold_epochs": 2}, ["schedule.hold_epochs"]),
    ({"shape": "constant", "min_ratio": 0.1}, ["schedule.min_ratio"]),
    ({"shape": "constant", "min_ratio": 0.1, "warmup_epochs": 1}, []),
    ({"shape": "linear", "hold_epochs": 9, "warmup_epochs": 1}, ["schedule.shape"]),
    ({"shape": "linear", "hold_epochs": 8, "warmup_epochs": 1}, []),
    ({"hold_epochs": 9, "warmup_epochs": 1}, []),
    ({"warmup_epochs": 10}, ["schedule.warmup_epochs"]),
    ({"warmup_epochs": "100%"}, ["schedule.warmup_epochs"]),
    ({"shape": "linear", "hold_epochs": "90%", "warmup_epochs": 1}, ["schedule.shape"]),
    ({"shape": "linear", "hold_epochs": "90%", "warmup_epochs": "9%"}, []),
]


@pytest.mark.parametrize(("schedule", "idle"), SCHEDULES, ids=str)
def test_fields_of_the_schedule_that_change_nothing_are_named(schedule, idle):
    assert [doubt.partition(":")[0] for doubt in found(schedule=schedule)] == idle


def test_where_there_is_one_patch_there_is_no_order_to_learn():
    one = {"name": "local", **SMALL, "patch_size": 8}
    told = found(backbone=one, order={"learner": "softsort"}, controls=["fixed-start"])
    assert [doubt.partition(":")[0] for doubt in told] == ["backbone.window", "backbone.causal", "order.learner"]


@pytest.mark.parametrize("search", [{"search_epochs": 0}, {"warmup_epochs": 10}], ids=str)
def test_a_search_that_never_starts_is_told(search):
    told = found(order={"learner": {"name": "softsort", **search}}, controls=["fixed-start"])
    assert [doubt.partition(":")[0] for doubt in told] == ["order.learner"]


DENSE = {
    "data": {"name": "scenes", "batch_size": 2, "image_size": 16, "digits": [1, 1], "digit_size": [8, 12]},
    "task": {"name": "segmentation"},
}
ON_CLS, ON_LAST = {"readout": "cls", "depth": 1}, {"readout": "last", "window": 64}


@pytest.mark.parametrize(
    ("backbone", "of_readout", "of_slots"),
    [
        ({"name": "sparse", "stride": 3, **ON_CLS}, True, False),
        ({"name": "violin", "along_sequence": True, **ON_CLS}, True, False),
        ({"name": "longformer", "window": 1, **ON_CLS}, True, False),
        ({"name": "vit", "slot_positions": "relative", **ON_CLS}, True, False),
        ({"name": "longformer", **ON_LAST}, False, True),
        ({"name": "local", "causal": False, **ON_LAST}, False, True),
        ({"name": "transformer-xl", "segment": 1, "memory": 0, "readout": "last"}, False, True),
        ({"name": "vit"}, True, True),
        ({"name": "local", "window": 1}, False, False),
    ],
    ids=str,
)
def test_a_backbone_that_is_blind_to_the_order_is_told_where_the_task_reads_what_is_blind(
    backbone, of_readout, of_slots
):
    for sections, blind in (({}, of_readout), (DENSE, of_slots)):
        told = found(backbone={**SMALL, **backbone}, order={"learner": "softsort"}, **sections)
        assert any("same output in every order" in doubt for doubt in told) == blind
