"""Saliency methods on models with known answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from reorder_kit.analysis.saliency_methods.baseline import mean_training_image
from reorder_kit.analysis.saliency_methods.gradient import Gradient
from reorder_kit.analysis.saliency_methods.occlusion import Occlusion
from reorder_kit.analysis.saliency_methods.rollout import Rollout, rolled_out
from reorder_kit.backbones.local import Local
from reorder_kit.backbones.recurrent import Recurrent
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    CLASS,
    AttentionMaps,
    Backbone,
    BackboneFacts,
    Batch,
    DataSplits,
    Encoded,
    ImageShape,
    PatchSequence,
    Sample,
)
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.patches import cut
from reorder_kit.tasks.classification import Classification
from reorder_kit.tasks.segmentation import Segmentation

GRID = Grid(2, 3)
IMAGE = ImageShape(1, 4, 6)
PROGRESS = Progress(0, 1, 1)
ORDER = Order([4, 2, 0, 5, 1, 3])


class Pixels(Backbone):
    """Patches are their own pixels, and slots are weighted."""

    name = "pixels"

    @classmethod
    def facts(cls, options, image):
        return BackboneFacts(GRID, dim=4, depth=1)

    def __init__(self, weights):
        super().__init__(None, IMAGE)
        self.weights = nn.Parameter(weights)  # slot dim

    def tokenize(self, images):
        return PatchSequence(cut(images, GRID), GRID)

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        return Encoded(sequence)

    def summarize(self, encoded):
        return (encoded.sequence.patches * self.weights).sum(dim=1)

    def reach(self, num_slots):
        return torch.ones(num_slots, dtype=torch.bool)


class PatchReader(Pixels):
    """Reads one patch, in whatever slot."""

    needs = frozenset({"order"})

    def __init__(self, patch):
        super().__init__(torch.ones(6, 4))
        self.patch = patch

    def tokenize(self, images):
        sequence = super().tokenize(images)
        return PatchSequence(sequence.patches, GRID, Order.identity(6))

    def summarize(self, encoded):
        order = encoded.sequence.order.per_image(encoded.sequence.batch)
        return (encoded.sequence.patches * (order == self.patch).unsqueeze(-1)).sum(dim=1)


class Sum(nn.Module):
    def forward(self, features):
        return features.summary().sum(dim=1)


class SumOfOutputs(Classification):
    """Its loss is what the head says, so it is linear in the pixels where the model is."""

    def loss_per_image(self, outputs, targets):
        return outputs


def planted(backbone):
    return OrderedModel(backbone, FixedOrder(Order.identity(6)), Sum()).eval()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.randn(5, 1, 4, 6, generator=generator), torch.zeros(5, dtype=torch.long), CLASS)


BASELINE = torch.arange(24.0).reshape(1, 4, 6) / 24


@pytest.mark.parametrize("method", [Gradient(BASELINE), Occlusion(BASELINE)], ids=["gradient", "occlusion"])
def test_a_patch_that_alone_is_read_has_all_saliency(method, batch):
    model = planted(PatchReader(4))
    for order in (Order.identity(6), ORDER, Order(torch.stack([torch.randperm(6) for _ in range(5)]))):
        saliency = method.measure(model, SumOfOutputs(), batch, order, PROGRESS)
        assert saliency.shape == (5, 6)
        assert (saliency[:, 4] > 0).all()
        assert saliency[:, [0, 1, 2, 3, 5]].abs().max() < 1e-6


@pytest.mark.parametrize("method", [Gradient(BASELINE), Occlusion(BASELINE)], ids=["gradient", "occlusion"])
def test_a_slot_that_alone_is_read_gives_its_patch_all_saliency(method, batch):
    weights = torch.zeros(6, 4)
    weights[-1] = 1
    saliency = method.measure(planted(Pixels(weights)), SumOfOutputs(), batch, ORDER, PROGRESS)
    assert saliency.argmax(dim=1).tolist() == [3] * 5  # the patch in the last slot of the order
    assert saliency[:, [0, 1, 2, 4, 5]].abs().max() < 1e-6


def test_of_a_linear_loss_gradient_and_occlusion_are_the_change_worked_out_by_hand(batch):
    weights = torch.randn(6, 4, generator=torch.Generator().manual_seed(1))
    model = planted(Pixels(weights))
    expected = torch.zeros(5, 6)
    for slot, patch in enumerate(ORDER.indices.tolist()):
        row, column = divmod(patch, 3)
        pixels = (slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
        change = (BASELINE[0][pixels] - batch.images[:, 0][:, *pixels]).flatten(1)
        expected[:, patch] = (change @ weights[slot]).abs()
    for method in (Gradient(BASELINE), Occlusion(BASELINE)):
        torch.testing.assert_close(method.measure(model, SumOfOutputs(), batch, ORDER, PROGRESS), expected)


def test_occlusion_sees_what_the_gradient_cannot(batch):
    class Saturated(SumOfOutputs):
        def loss_per_image(self, outputs, targets):
            return outputs.clamp(max=-1e3)  # flat

    model = planted(Pixels(torch.ones(6, 4)))
    assert Gradient(BASELINE).measure(model, Saturated(), batch, ORDER, PROGRESS).sum() == 0
    far = Occlusion(torch.full((1, 4, 6), -1e3)).measure(model, Saturated(), batch, ORDER, PROGRESS)
    assert (far > 0).all()


def test_measuring_leaves_no_gradient_behind(batch):
    model = planted(Pixels(torch.ones(6, 4)))
    for method in (Gradient(BASELINE), Occlusion(BASELINE)):
        assert not method.measure(model, SumOfOutputs(), batch, ORDER, PROGRESS).requires_grad
    assert model.backbone.weights.grad is None
    assert not batch.images.requires_grad


def test_the_baseline_is_the_mean_training_image():
    generator = torch.Generator().manual_seed(2)
    images = torch.rand(70, 3, 4, 6, generator=generator)
    samples = [Sample(image, 0) for image in images]
    splits = DataSplits(ImageShape(3, 4, 6), ["a"], samples, [], [])
    torch.testing.assert_close(mean_training_image(splits, GRID, seed=0), images.mean(dim=0))


# Rollout


def test_rollout_is_the_product_of_all_blocks():
    generator = np.random.default_rng(0)
    blocks = [generator.dirichlet(np.ones(5), size=(2, 5)) for _ in range(3)]
    readout = generator.dirichlet(np.ones(5), size=2)
    expected = []
    for image in range(2):
        whole = np.eye(5)
        for weights in blocks:  # as published: the first block is on the right
            whole = (0.5 * weights[image] + 0.5 * np.eye(5)) @ whole
        expected.append(readout[image] @ whole)
    maps = AttentionMaps(tuple(map(torch.from_numpy, blocks)), torch.from_numpy(readout))
    np.testing.assert_allclose(rolled_out(maps).numpy(), np.stack(expected))


def test_a_window_that_sees_all_alike_is_worked_out_by_hand(batch):
    """One causal block of window 1 whose scores are equal: the last passes on 3/4 of itself and 1/4 of its neighbor."""
    backbone = Local(Local.Options(patch_size=2, window=1, depth=1, dim=8, heads=2), IMAGE)
    nn.init.zeros_(backbone.blocks[0].attn.qkv.weight)
    model = OrderedModel(backbone, FixedOrder(Order.identity(6)), Sum()).eval()
    saliency = Rollout().measure(model, SumOfOutputs(), batch, ORDER, PROGRESS)
    assert saliency[0].tolist() == [0, 0.25, 0, 0.75, 0, 0]  # slots 5 and 4 hold patches 3 and 1


@pytest.mark.parametrize(
    ("backbone", "task", "message"),
    [
        (Recurrent(Recurrent.Options(patch_size=2, dim=4), IMAGE), SumOfOutputs(), "recurrent .* does not have"),
        (Local(Local.Options(patch_size=2), IMAGE), Segmentation(), "segmentation does not use"),
    ],
)
def test_where_rollout_says_nothing_it_is_refused(backbone, task, message, batch):
    model = OrderedModel(backbone, FixedOrder(Order.identity(6)), Sum()).eval()
    with pytest.raises(ReorderKitError, match=message):
        Rollout().measure(model, task, batch, ORDER, PROGRESS)
