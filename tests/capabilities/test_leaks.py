"""Tasks with hidden patches refuse orders that leak them."""

from __future__ import annotations

import pytest

import reorder_kit
from capability_cases import load
from leaking_learners import LEAKS, Plugin
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.recipe.overrides import override

TASKS = ("masked_reconstruction", "next_patch")


@pytest.mark.parametrize("leak", LEAKS)
@pytest.mark.parametrize("name", TASKS)
def test_they_are_refused_by_validate_and_by_run(name, leak, tmp_path):
    capability = load(name, tmp_path)
    learner, reason = LEAKS[leak]
    changes = {"order.learner": learner, "backbone.depth": 2}
    content, host = override(capability.recipe, changes.items()), capability.host(Plugin())
    with pytest.raises(RecipeError, match=reason) as validated:
        compose(content, host, "trial")
    assert [problem.path for problem in validated.value.problems] == ["task"]
    with pytest.raises(RecipeError, match=reason):
        reorder_kit.run(content, out=tmp_path / "run", host=host)
    # If only the data gives the image shape, nothing can be refused before it is opened.
    unshaped = override(content, {"data.name": "unshaped-digits"}.items())
    assert compose(unshaped, host, "trial").task.name == content["task"]["name"]
    with pytest.raises(ReorderKitError, match=reason):
        reorder_kit.run(unshaped, out=tmp_path / "run", host=host)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", TASKS)
def test_whole_patches_with_a_soft_gradient_are_accepted(name, tmp_path):
    capability = load(name, tmp_path)
    learner = {"name": "softsort", "warmup_epochs": 0}  # straight-through by default, since both tasks are dense
    folder = capability.run("run", {"order.learner": learner, "train.epochs": 1})
    assert "soft_to_hard_gap" not in folder.metrics.read_text()


def test_next_patch_refuses_a_backbone_that_looks_ahead(tmp_path):
    capability = load("next_patch", tmp_path)
    content = override(capability.recipe, {"backbone.causal": False}.items())
    for refuse in (
        lambda: compose(content, capability.host(), "trial"),
        lambda: capability.run("run", {"backbone.causal": False}),
    ):
        with pytest.raises(RecipeError, match="the backbone is not causal: it would see the patches it predicts"):
            refuse()
    assert not (tmp_path / "run").exists()
