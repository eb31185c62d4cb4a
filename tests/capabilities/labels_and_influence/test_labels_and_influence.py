"""A start from labels and influence, worked out with numpy."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from by_hand import digits, patches_2x2
from reorder_kit.errors import ReorderKitError
from reorder_kit.training import beginning

COLUMN = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15]
REACHED = [11, 12, 13, 14, 15]
"""Slots that two blocks of window 2 connect to the last one."""


def share_between(labels, images):
    """The share of each patch's variance that lies between classes."""
    patches = patches_2x2(images)
    total = ((patches - patches.mean(axis=0)) ** 2).sum(axis=(0, 2))
    within = sum(
        ((patches[labels == label] - patches[labels == label].mean(axis=0)) ** 2).sum(axis=(0, 2))
        for label in range(10)
    )
    return 1 - within / total


def expected_start(influence):
    images, labels = digits("train")
    by_telling = np.argsort(share_between(labels, images))
    order = [-1] * 16
    for slot, patch in zip(np.argsort(influence, kind="stable"), by_telling, strict=True):
        order[slot] = int(patch)
    return order


@pytest.fixture(scope="module")
def recorded(capability):
    """A run, and the influence that its prior received."""
    calls = []
    real = beginning.influence_of_short_training

    def recording(*arguments):
        influence = real(*arguments)

        def asked(orders, models, steps):
            calls.append((orders, models, steps, influence(orders, models, steps)))
            return calls[-1][-1]

        return asked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(beginning, "influence_of_short_training", recording)
        return capability.run("recorded"), calls


def test_every_patch_tells_classes_apart_to_another_degree():
    images, labels = digits("train")
    shares = np.sort(share_between(labels, images))
    assert 0 <= shares[0] < shares[-1] < 1
    assert np.diff(shares).min() > 1e-6


def test_informative_patches_stand_in_influential_slots(recorded):
    run, [(orders, models, steps, influence)] = recorded
    assert [order.indices.tolist() for order in orders] == [list(range(16)), COLUMN]
    assert (models, steps) == (2, 6)
    assert run.read_result().order.start == expected_start(influence.numpy())
    assert json.loads(run.start_order.read_text())["order"] == run.read_result().order.start


def test_influence_is_measured_where_the_model_looks(recorded):
    _, [(*_, influence)] = recorded
    assert float(influence.sum()) == pytest.approx(1, abs=1e-5)
    assert influence.nonzero().flatten().tolist() == REACHED


def test_the_most_informative_patches_are_the_ones_that_are_read(finished):
    images, labels = digits("train")
    best = np.argsort(share_between(labels, images))[-len(REACHED) :]
    start = finished.read_result().order.start
    assert sorted(start[slot] for slot in REACHED) == sorted(best.tolist())


def test_the_result_names_the_prior_and_no_ordering(finished):
    prior = finished.read_result().order.prior
    assert (prior.name, prior.chosen) == ("telling-patches", None)


def test_the_same_recipe_gives_the_same_start(finished, recorded):
    """The models that are trained for it are drawn from the seed alone, and leave no trace."""
    run, _ = recorded
    assert run.read_result().as_dict()["order"] == finished.read_result().as_dict()["order"]
    assert run.read_result().as_dict()["metrics"] == finished.read_result().as_dict()["metrics"]


def test_the_trainings_for_it_leave_the_run_as_it_would_be_without(capability, finished):
    start = {"name": "custom", "file": str(finished.start_order)}
    fixed = capability.run("fixed", {"order": {"start": start}})
    assert fixed.read_result().as_dict()["metrics"] == finished.read_result().as_dict()["metrics"]


def test_given_another_influence_it_starts_from_another_order(capability, monkeypatch):
    profile = torch.arange(16.0).roll(5)
    monkeypatch.setattr(beginning, "influence_of_short_training", lambda *_: lambda *_: profile / profile.sum())
    run = capability.run("stubbed", {"train": {"steps": 1, "device": "cpu"}})
    assert run.read_result().order.start == expected_start(profile.numpy())


def test_classes_are_as_frequent_as_in_all_training_images(capability, monkeypatch):
    """From 150 images, weighted by the labels of all 1,200."""
    monkeypatch.setattr(beginning, "influence_of_short_training", lambda *_: lambda *_: torch.arange(16.0))
    start = {"prior": {"name": "telling-patches", "images": 150}}
    run = capability.run("some-images", {"order.start": start, "train": {"steps": 1, "device": "cpu"}})
    images, labels = digits("train")
    chosen = torch.randperm(1200, generator=torch.Generator().manual_seed(4))[:150].numpy()
    patches, classes = patches_2x2(images[chosen]), labels[chosen]
    frequency = np.array([(labels == label).mean() for label in range(10)])
    means = np.array([patches[classes == label].mean(axis=0) for label in range(10)])
    within = np.array([patches[classes == label].var(axis=0) for label in range(10)])
    mean = np.tensordot(frequency, means, 1)
    between = np.tensordot(frequency, (means - mean) ** 2, 1).sum(axis=1)
    telling = between / (between + np.tensordot(frequency, within, 1).sum(axis=1))
    assert run.read_result().order.start == np.argsort(telling).tolist()


def test_a_prior_that_refuses_leaves_no_run_behind(capability):
    changes = {"data": {"name": "scenes", "batch_size": 8}, "task": "segmentation", "backbone.patch_size": 8}
    with pytest.raises(ReorderKitError, match="compares classes, but targets are of the kind mask"):
        capability.run("refused", changes)
    assert not (capability.out / "refused").exists()
