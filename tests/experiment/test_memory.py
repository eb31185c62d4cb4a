"""The minimum memory of a run, compared with numbers worked out by hand, and refusals if there is less."""

from __future__ import annotations

import time

import pytest
import torch

from backbone_cases import options_of_4x4_pixels
from reorder_kit.data.free_memory import all_memory, free_memory
from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.memory import Machine, Needs, refuse_hopeless
from reorder_kit.experiment.validate import validate
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import ImageShape
from reorder_kit.recipe.library import read_recipe
from reorder_kit.studies.checking import check_study
from reorder_kit.testing import host_with
from reorder_kit.training.run import run_experiment

HOST = PluginHost(third_party=False)
DIGIT = ImageShape(1, 8, 8)
LARGE = Machine(memory=10**12, place="of memory", disk=10**12, cpus=2)


def experiment(backbone=None, **sections):
    """The digits in 16 patches; no order is learned."""
    backbone = {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "depth": 1, **(backbone or {})}
    content = {"format_version": 1, "name": "trial", "data": "digits", "backbone": backbone, **sections}
    return compose(content, HOST, "trial")


def needs(parameters=1000, images=None, **sections):
    return Needs.of(experiment(**sections), DIGIT, parameters, images)


def test_weights_have_a_gradient_and_two_moments_of_four_bytes_each():
    assert needs().weights == 1000 * 4 * 4
    assert needs(train={"ema_decay": 0.99}).weights == 1000 * 5 * 4
    frozen = {"weights": {"run": "runs/other", "parts": ["backbone"], "freeze": ["backbone"]}}
    assert needs(train=frozen).weights == 1000 * 4


def test_two_checkpoints_hold_weights_and_moments():
    assert needs().checkpoints == 2 * 1000 * 3 * 4
    assert needs(train={"ema_decay": 0.99}).checkpoints == 2 * 1000 * 4 * 4


def test_a_batch_has_no_more_images_than_there_are():
    data = {"name": "digits", "batch_size": 100}
    assert needs(data=data).images == 100 * 64 * 4
    assert needs(data=data, images=30).images == 30 * 64 * 4


def test_an_order_of_16_patches_takes_seven_bytes_each_after_every_epoch():
    assert needs(train={"epochs": 1000}).orders == 1000 * 16 * 7


@pytest.mark.parametrize(
    ("learner", "numbers"),
    [
        (None, 0),
        ({"name": "softsort"}, 4 * 16 + 2 * 16**2),  # a score of each patch; the permutation and its gradient
        ({"name": "softsort", "straight_through": True}, 4 * 16),
        ({"name": "gumbel-sinkhorn"}, 4 * 16**2 + 2 * 16**2),  # a logit for each slot and patch
    ],
)
def test_policies_grow_with_patches_or_with_their_pairs(learner, numbers):
    found = needs(order={"learner": learner}).policy
    assert 4 * numbers <= found <= 4 * (numbers + 64)  # and a few running means


@pytest.mark.parametrize("name", sorted(HOST.order_learners))
@pytest.mark.parametrize("side", [4, 8])
def test_the_size_of_a_policy_is_known_before_it_is_built(name, side):
    composed = experiment({"patch_size": None, "grid": [side, side]}, order={"learner": name})
    policy = composed.trial_policy(composed.facts(DIGIT), ("a", "b"))
    size = sum(tensor.numel() for tensor in (*policy.parameters(), *policy.buffers()))
    mixture = 2 * side**4 if policy.mixes else 0
    found = Needs.of(composed, DIGIT, 0).policy / 4 - mixture
    assert found == pytest.approx(4 * size, rel=0.25, abs=64)


def test_what_a_machine_cannot_hold_is_refused_with_the_numbers():
    held = needs(10**9, data={"name": "digits", "batch_size": 100})
    assert held.misfits(LARGE) == []
    (memory,) = held.misfits(Machine(8 * 10**9, "on the GPU", 10**12, 2))
    assert memory.path == "backbone"
    assert "takes at least 16 GB: 16 GB for the 1,000,000,000 parameters" in memory.message
    assert memory.message.endswith("there is 8 GB on the GPU")
    (disk,) = held.misfits(Machine(10**12, "of memory", 10 * 10**9, 2))
    assert disk.path == "train"
    assert disk.message.startswith("the run writes at least 24 GB: 24 GB for two checkpoints")


def test_it_fits_to_the_last_byte():
    held = needs()
    total = held.weights + held.policy + held.images
    assert held.misfits(Machine(total, "", 10**12, 1)) == []
    assert len(held.misfits(Machine(total - 1, "", 10**12, 1))) == 1


def test_processes_that_load_images_are_compared_with_the_cpus(tmp_path):
    many = experiment(data={"name": "digits", "workers": 200})
    refuse_hopeless(many, "trial", tmp_path, machine=Machine(10**12, "", 10**12, cpus=50))
    with pytest.raises(RecipeError, match=r"data\.workers: 200 processes would load images on a machine with 2 CPUs"):
        refuse_hopeless(many, "trial", tmp_path, machine=LARGE)


@pytest.mark.parametrize("name", sorted(HOST.backbones))
def test_parameters_are_counted_without_building_them(name, tmp_path):
    """A machine with room for one number fewer than the backbone has."""
    composed = compose(
        {
            "format_version": 1,
            "name": "trial",
            "data": {"name": "digits", "batch_size": 1},
            "backbone": {"name": name, **options_of_4x4_pixels(name)},
        },
        HOST,
        "trial",
    )
    with torch.random.fork_rng(devices=[]):
        parameters = sum(each.numel() for each in composed.build_backbone(DIGIT).parameters())
    least = 16 * parameters + 64 * 4
    refuse_hopeless(composed, "trial", tmp_path, machine=Machine(least, "", 10**12, 2))
    with pytest.raises(RecipeError, match=f"{parameters:,} parameters"):
        refuse_hopeless(composed, "trial", tmp_path, machine=Machine(least - 1, "", 10**12, 2))


HUGE = {
    "deep and wide": ({"depth": 1000, "dim": 65_536, "heads": 1}, {}),
    "pairs of patches": (
        {"name": "local", "grid": [256, 256], "patch_size": None, "depth": 1, "dim": 8, "heads": 2},
        {"data": {"name": "scenes", "image_size": 256}, "task": "multi-label", "order": {"learner": "gumbel-sinkhorn"}},
    ),
    "pixels": (
        {"grid": [1, 1], "patch_size": None},
        {"data": {"name": "scenes", "image_size": 65_536, "batch_size": 64}, "task": "multi-label"},
    ),
    "epochs": (
        {},
        {"train": {"epochs": 1_000_000}, "data": {"name": "scenes", "image_size": 256}, "task": "multi-label"},
    ),
}


@pytest.mark.parametrize("case", HUGE)
def test_huge_recipes_are_answered_soon_and_without_building_anything(case, tmp_path):
    backbone, sections = HUGE[case]
    machine = Machine(16 * 10**9, "of memory", 50 * 10**9, 2)
    began = time.process_time()
    with pytest.raises(RecipeError, match="at least"):
        refuse_hopeless(experiment(backbone, **sections), "trial", tmp_path, machine=machine)
    assert time.process_time() - began < 20  # of one or two


@pytest.mark.parametrize(
    ("sections", "reason"),
    [
        (
            {"data": {"name": "scenes", "image_size": 4096}, "task": "multi-label", "backbone": {"patch_size": 1}},
            "a grid of 4096x4096 has more than 65,536 patches",
        ),
        ({"data": {"name": "planted-chain", "grid": [65_536, 65_536], "plant": "row"}}, "more than 65,536 patches"),
        ({"data": {"name": "planted-chain", "grid": [2**40, 2]}}, "data.grid.0: input should be less than or equal to"),
    ],
)
def test_huge_grids_are_refused_before_an_order_is_worked_out(sections, reason):
    with pytest.raises(RecipeError, match=reason.replace(".", r"\.")):
        experiment(**sections)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"seeds": 100_000}, "a study has at most 1,000 seeds, not 100000"),
        ({"seeds": 10**80}, "a study has at most 1,000 seeds"),
        ({"seeds": list(range(2000))}, "seeds"),
        ({"seeds": 1000, "starts": {f"s{n}": {"name": "random", "seed": n} for n in range(21)}}, "runs"),
        (
            {"starts": {f"s{n}": "row" for n in range(500)}, "data": {f"d{n}": "digits" for n in range(500)}},
            "1,000 rows",
        ),
    ],
)
def test_a_study_has_so_many_runs_at_most(changed, reason, tmp_path):
    study = {
        "format_version": 1,
        "name": "many",
        "seeds": 2,
        "recipe": {"backbone": {"name": "local", "patch_size": 2}, "data": "digits"},
        "controls": [],
        **changed,
    }
    study["recipe"] = {key: value for key, value in study["recipe"].items() if key not in study}
    with pytest.raises(RecipeError, match=reason):
        check_study(study, HOST, "study", tmp_path)


def test_a_run_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(Machine, "here", classmethod(lambda cls, device, folder: cls(10**4, "of memory", 10**12, 2)))
    with pytest.raises(RecipeError, match="the run takes"):
        run_experiment(experiment(train={"epochs": 1, "device": "cpu"}), host_with(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_this_machine_has_more_memory_than_is_free(tmp_path):
    machine = Machine.here("cpu", tmp_path / "not" / "there")
    assert machine.memory == all_memory() >= free_memory() > 0
    assert machine.cpus >= 1
    assert machine.disk > 0


def test_no_shipped_recipe_is_hopeless_on_a_large_machine(tmp_path):
    for name in ("quickstart", "vit_reinforce"):
        content, source = read_recipe(name)
        refuse_hopeless(validate(content, HOST, source), source, tmp_path, machine=LARGE)
