"""Training images with shuffled targets."""

from __future__ import annotations

import pickle
from collections import Counter

import pytest
import torch

from reorder_kit.data.shuffled_targets import ShuffledTargets, shuffle_targets
from reorder_kit.data_sources.digits import Digits
from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.interfaces import Sample, Unreadable
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.testing import host_with
from reorder_kit.training.run import run_experiment

HOST = host_with()
BACKBONE = {"name": "local", "patch_size": 2, "window": 20, "causal": False, "readout": "mean", "dim": 32}
RECIPE = {
    "format_version": 1,
    "name": "trial",
    "data": {"name": "digits", "batch_size": 100},
    "backbone": BACKBONE,
    "order": {"learner": {"name": "softsort", "warmup_epochs": 0, "straight_through": True}},
    "controls": ["shuffled-targets"],
    "optimizer": {"lr": 5e-3},
    "train": {"epochs": 6, "device": "cpu"},
}


def test_images_stay_and_targets_are_dealt_out_anew():
    true = Digits().open(0)
    shuffled = shuffle_targets(true, seed=0)
    pairs = [(true.train[index], shuffled.train[index]) for index in range(len(true.train))]
    assert all(torch.equal(one.image, other.image) for one, other in pairs)
    assert Counter(one.target for one, _ in pairs) == Counter(other.target for _, other in pairs)
    same = sum(one.target == other.target for one, other in pairs) / len(pairs)
    assert same < 0.16  # ten classes of equal size: a tenth by chance, standard error 0.9 points
    assert shuffled.test is true.test
    assert shuffled.validation is true.validation
    again, other_seed = shuffle_targets(true, seed=0), shuffle_targets(true, seed=1)
    targets = [[split.train[index].target for index in range(100)] for split in (shuffled, again, other_seed)]
    assert targets[0] == targets[1] != targets[2]
    assert pickle.loads(pickle.dumps(shuffled.train))[3].target == shuffled.train[3].target


def test_a_target_that_cannot_be_read_is_missing():
    class Broken:
        def __len__(self):
            return 3

        def __getitem__(self, index):
            return Unreadable("broken.png", "truncated") if index == 1 else Sample(torch.zeros(1, 2, 2), index)

    dealt = ShuffledTargets(Broken(), torch.tensor([2, 0, 1]))
    assert dealt[0].target == 2
    assert isinstance(dealt[1], Unreadable)
    assert isinstance(dealt[2], Unreadable)


@pytest.mark.slow
def test_beside_a_run_a_model_with_shuffled_targets_learns_nothing(tmp_path):
    _, result = run_experiment(compose(RECIPE, HOST, "trial"), HOST, tmp_path / "run")
    control = result.controls["shuffled-targets"].metrics.test["top1"]
    assert result.metrics.test["top1"] > 0.5
    assert control < 0.25
    assert RunFolder(tmp_path / "run" / "controls" / "shuffled-targets").is_finished


def test_a_run_of_shuffled_targets_has_no_controls():
    with pytest.raises(RecipeError, match="a run that is itself a control cannot have controls"):
        compose({**RECIPE, "data": {"name": "digits", "shuffle_targets": True}}, HOST, "trial")
