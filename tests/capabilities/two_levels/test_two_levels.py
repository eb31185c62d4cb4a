"""A hierarchical backbone under the built-in segmentation: merged orders, places and figures, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from capability_cases import prepared
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.interfaces import Order
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order_file import OrderFile

FINE, COARSE = Grid(6, 8), Grid(3, 4)


@pytest.fixture(scope="module")
def run(capability, finished):
    return capability.open(finished)


@pytest.fixture(scope="module")
def final(finished):
    return finished.read_result().order.final


def so_far(block, slots):
    """The block, slot by slot."""
    read = []
    for slot in range(slots.shape[1]):
        mean = slots[:, : slot + 1].mean(dim=1)
        read.append(slots[:, slot] + torch.tanh(block.linear(torch.cat([slots[:, slot], mean], dim=1))))
    return torch.stack(read, dim=1)


def cells_in_order(order):
    """The cells in the order in which a walk first reaches one of their patches."""
    cells = [patch // 8 // 2 * 4 + patch % 8 // 2 for patch in order]
    return list(dict.fromkeys(cells))


def read_by_hand(model, images, order):
    """The outputs of block 0 for patches and of block 1 for cells, both row-major."""
    backbone = model.backbone
    pixels = images.reshape(-1, 6, 4, 8, 4).permute(0, 1, 3, 2, 4).reshape(len(images), 48, 16)
    tokens = F.linear(pixels, backbone.embed.weight.flatten(1), backbone.embed.bias)
    read = so_far(backbone.blocks[0], tokens[:, order])
    patches = torch.empty_like(read)
    for slot, patch in enumerate(order):
        patches[:, patch] = read[:, slot]
    cells = []
    for row in range(3):
        for column in range(4):
            corner = 16 * row + 2 * column
            square = [patches[:, corner + patch] for patch in (0, 1, 8, 9)]
            cells.append(backbone.merge(torch.cat(square, dim=1)))
    walk = cells_in_order(order)
    read = so_far(backbone.blocks[1], torch.stack([cells[cell] for cell in walk], dim=1))
    places = torch.empty_like(read)
    for slot, cell in enumerate(walk):
        places[:, cell] = read[:, slot]
    return patches, places


def test_the_final_order_was_learned_and_merges_as_a_walk_does(finished, final):
    assert final != finished.read_result().order.start
    assert Order(final).merged(COARSE).indices.tolist() == cells_in_order(final)


def test_features_stand_in_their_places_on_both_grids(run, final):
    batch = prepared(run, 5, "test")
    with torch.no_grad():
        features = run.model.read(batch)
        patches, places = read_by_hand(run.model, batch.images, final)
    fine, coarse = features.pyramid()
    assert (fine.grid, coarse.grid, features.patches().grid) == (FINE, COARSE, COARSE)
    torch.testing.assert_close(fine.patches, patches)
    torch.testing.assert_close(coarse.patches, places)
    torch.testing.assert_close(features.patches().patches, places)
    assert features.order == Order(final)
    assert features.slots().order == Order(cells_in_order(final))


def enlarged(scores, grid):
    """Scores of patches or cells, between their centers."""
    scores = scores.unflatten(1, (grid.height, grid.width)).permute(0, 3, 1, 2)
    return F.interpolate(scores, size=(24, 32), mode="bilinear", align_corners=False)


def test_the_figures_are_those_of_masks_drawn_from_both_levels(run, finished, final):
    batch = prepared(run, 40, "test")
    with torch.no_grad():
        patches, places = read_by_hand(run.model, batch.images, final)
        norm, linear = run.model.head.finer[0]
        means, deviations = patches.mean(dim=2, keepdim=True), patches.var(dim=2, correction=0, keepdim=True)
        normed = (patches - means) / torch.sqrt(deviations + 1e-5) * norm.weight + norm.bias
        scores = enlarged(linear(normed), FINE) + enlarged(run.model.head.linear(places), COARSE)
        scores = scores.double().numpy()
    truth = batch.targets.numpy()
    top = scores.max(axis=1, keepdims=True)
    logarithms = scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True))
    loss = -np.take_along_axis(logarithms, truth[:, None], axis=1).mean()
    figures = finished.read_result().as_dict()["metrics"]["test"]
    assert figures["loss"] == pytest.approx(loss, rel=1e-5)
    said = scores.argmax(axis=1)
    unions = {number: ((said == number) | (truth == number)).sum() for number in range(scores.shape[1])}
    shares = [((said == n) & (truth == n)).sum() / union for n, union in unions.items() if union]
    assert figures["mIoU"] == pytest.approx(np.mean(shares))


def test_reports_have_the_patches_of_the_finest_level(finished, final):
    order = finished.read_result().as_dict()["order"]
    assert len(order["influence"]) == 48
    assert order["reach"] == {"slots": 48, "of": 48, "is_selection": False}
    assert OrderFile.load(finished.order).grid == FINE
    assert sorted(final) == list(range(48))


@pytest.mark.parametrize(
    ("learner", "reason"),
    [({"name": "softsort", "straight_through": False}, "merges neighbors, so no slot may hold a mixture of patches")],
)
def test_soft_mixtures_are_refused_before_data_is_loaded(capability, learner, reason):
    with pytest.raises(RecipeError, match=reason):
        capability.run("refused", {"order.learner": learner})
    assert not (capability.out / "refused").exists()


def test_a_start_that_leaves_patches_out_is_refused(capability, tmp_path):
    OrderFile("half", FINE, Order(list(range(24)), 48)).save(tmp_path / "half.json")
    order = {"start": {"file": str(tmp_path / "half.json")}, "learner": None}
    with pytest.raises(ReorderKitError, match="leaves out 24 of 48 patches, but a hierarchical backbone merges"):
        capability.run("partial", {"order": order})
    assert not (capability.out / "partial").exists()
