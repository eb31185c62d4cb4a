"""Informed starts of runs on digits, worked out with numpy."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from by_hand import digits, patches_2x2
from reorder_kit.experiment.compose import compose
from reorder_kit.ops.folded_ridge import PENALTIES
from reorder_kit.ops.naive import greedy_ridge as naive
from reorder_kit.testing import host_with
from reorder_kit.training.run import run_experiment

REACHED = [11, 12, 13, 14, 15]
"""Slots that two blocks of window 2 connect to the last one."""
SEED = 3


def standardized(values):
    centered = values - values.mean(axis=0)
    return centered / np.maximum(centered.std(axis=0), 1e-9)


def features_of(patch):
    """Whitened components and their squares, of an image's four pixels."""
    centered = patch - patch.mean(axis=0)
    left, scales, _ = np.linalg.svd(centered, full_matrices=False)
    whitened = np.where(scales > 1e-4 * scales.max(), left * np.sqrt(len(patch)), 0)
    return np.concatenate([whitened, standardized(whitened**2)], axis=1)


@cache
def told_by_hand():
    """The five patches that together say most about the digit, each chosen by separate regressions."""
    images, labels = digits("train")
    chosen = torch.randperm(1200, generator=torch.Generator().manual_seed(SEED)).numpy()
    patches = patches_2x2(images[chosen])
    features = np.stack([features_of(patches[:, patch]) for patch in range(16)], axis=1)
    one_hot = np.eye(10)[labels[chosen]]
    targets, folds = one_hot - one_hot.mean(axis=0), np.arange(1200) % 3
    errors = [naive.held_out_error(features, targets, folds, penalty) for penalty in PENALTIES]
    penalty = PENALTIES[int(np.argmin(errors))]
    found = []
    for _ in REACHED:
        left = [patch for patch in range(16) if patch not in found]
        errors = [naive.held_out_error(features[:, [*found, patch]], targets, folds, penalty) for patch in left]
        found.append(left[int(np.argmin(errors))])
    return found


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Short runs by their start."""

    def run(name, start, **sections):
        host = host_with()
        content = {
            "format_version": 1,
            "name": name,
            "seed": SEED,
            "data": {"name": "digits", "batch_size": 300},
            "backbone": {"name": "local", "patch_size": 2, "window": 2, "dim": 8, "heads": 2, "readout": "last"},
            "order": {"start": start},
            "train": {"steps": 4, "device": "cpu"},
            **sections,
        }
        return run_experiment(compose(content, host, name), host, tmp_path_factory.mktemp(name) / "run")[1]

    return run


def test_the_patches_that_tell_most_together_are_the_ones_that_are_read(runs):
    result = runs("informed", {"prior": "informed"})
    assert {result.order.start[slot] for slot in REACHED} == set(told_by_hand())
    # The last slot has the most influence on an untrained model by far.
    assert result.order.start[15] == told_by_hand()[0]
    prior = result.as_dict()["order"]["prior"]
    (measured,) = prior.pop("measured")
    assert prior == {"name": "informed", "chosen": None}
    assert measured["steps"] == 0
    # Of five slots that are read, the last one has most of the influence.
    assert 1 < measured["effective_slots"] < 5
    (words,) = result.order.words_of_effective_slots
    assert words.startswith(f"Effective slots, of 16: {measured['effective_slots']:.1f} in untrained models, ")
    assert result.order.closed_form is None
    assert result.order.words_of_closed_form == []


def test_where_the_model_looks_elsewhere_the_patches_go_there(runs):
    """With a readout of every slot and unlimited windows, each slot has influence; the best patch has the most."""
    backbone = {"name": "recurrent", "patch_size": 2, "dim": 8, "readout": "last"}
    start = {"prior": {"name": "informed", "models": 1, "steps": 2}}
    result = runs("recurrent", start, backbone=backbone)
    assert result.order.start[15] == told_by_hand()[0]
    assert [each.steps for each in result.order.prior.measured] == [2]
