"""Clips: which patch is which, and the orders over frames, worked out by hand."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import reorder_kit
from by_hand import kendall_distance, loss_and_top1
from capability_cases import prepared
from reorder_kit.figures.terminal import order_as_text
from reorder_kit.interfaces import Order
from reorder_kit.orders.grid import Grid
from reorder_kit.reports.write import page_of

GRID = Grid(2, 3, frames=3)
# Three frames of 2x3 patches: 0 to 5, 6 to 11, 12 to 17. Place by place, each through all frames.
PLACE_BY_PLACE = [0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 16, 5, 11, 17]


@pytest.fixture(scope="module")
def model(capability, finished):
    return capability.open(finished).model


def clips(capability, finished, split):
    """Pixels as numpy sees them, and labels."""
    batch = prepared(capability.open(finished), 60, split)
    return batch.images.numpy(), batch.targets.numpy()


def test_a_patch_is_numbered_by_frame_row_and_column(model):
    for frame in range(3):
        for row in range(2):
            for column in range(3):
                clip = torch.zeros(1, 1, 3, 4, 6)
                clip[0, 0, frame, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = 1.0
                changed = (
                    model.backbone.tokenize(clip).patches - model.backbone.tokenize(torch.zeros_like(clip)).patches
                )
                (patch,) = changed[0].abs().sum(dim=1).nonzero().flatten().tolist()
                assert patch == (frame * 2 + row) * 3 + column


def test_the_start_walks_through_the_frames_of_each_place(finished):
    content = json.loads(finished.start_order.read_text())
    assert (content["grid"], content["order"]) == ([3, 2, 3], PLACE_BY_PLACE)


@pytest.mark.parametrize(
    ("name", "options", "order"),
    [
        ("column", {}, [0, 3, 1, 4, 2, 5]),
        ("boustrophedon", {}, [0, 1, 2, 5, 4, 3]),
        ("row", {"flip": "horizontal"}, [2, 1, 0, 5, 4, 3]),
    ],
)
def test_a_rule_for_one_frame_walks_frame_after_frame(capability, name, options, order):
    ordering = capability.host().orderings.get(name)
    found = ordering(ordering.Options(**options)).order(GRID)
    assert found.indices.tolist() == [6 * frame + patch for frame in range(3) for patch in order]
    backwards = ordering(ordering.Options(**options, reverse=True)).order(GRID)
    assert backwards.indices.tolist() == found.indices.tolist()[::-1]
    if name == "column":
        assert reorder_kit.order("column", 2, 3).indices.tolist() == order


def test_the_run_is_evaluated_in_the_order_it_reports(capability, finished, model):
    """The model by hand: patches cut with numpy, embedded, put in the final order, and encoded."""
    images, labels = clips(capability, finished, "test")
    pixels = images.reshape(60, 3, 2, 2, 3, 2).transpose(0, 1, 2, 4, 3, 5).reshape(60, 18, 4)
    embedding = model.backbone.embedding
    tokens = F.linear(torch.tensor(pixels), embedding.projection.weight.flatten(1), embedding.projection.bias)
    tokens = embedding.positions(tokens)
    final = finished.read_result().order.final
    sequence = model.backbone.tokenize(torch.tensor(images))
    torch.testing.assert_close(sequence.patches, tokens)
    with torch.no_grad():
        encoded = model.backbone.encode(sequence.with_patches(tokens[:, torch.tensor(final)]))
        outputs = model.head.linear(model.backbone.summarize(encoded))
    loss, top1 = loss_and_top1(outputs, labels)
    figures = finished.read_result().as_dict()["metrics"]["test"]
    assert (figures["loss"], figures["top1"]) == (pytest.approx(loss, rel=1e-5), pytest.approx(top1))


def test_the_result_compares_orders_of_all_frames(finished):
    order = finished.read_result().as_dict()["order"]
    final = np.array(order["final"])
    assert order["start"] == PLACE_BY_PLACE
    assert sorted(final) == list(range(18))
    assert order["kendall_tau_to_start"] == pytest.approx(1 - 2 * kendall_distance(final, np.array(PLACE_BY_PLACE)))
    assert order["reach"] == {"slots": 18, "of": 18, "is_selection": False}
    # Neighbors share an edge in a frame, or a location in consecutive frames.
    cells = [(patch // 6, patch // 3 % 2, patch % 3) for patch in order["final"]]
    steps = [sum(abs(a - b) for a, b in zip(*pair, strict=True)) for pair in itertools.pairwise(cells)]
    assert order["adjacency"] == pytest.approx(np.mean(np.array(steps) == 1))


def test_frames_stand_beside_each_other_in_reports(capability, finished):
    text = order_as_text(Order(PLACE_BY_PLACE), GRID)
    assert [line for line in text.splitlines() if line.startswith("frame")] == ["frame 0", "frame 1", "frame 2"]
    page = page_of(finished.path, capability.host())
    assert "2x3" in " ".join(page.facts)
    (playback,) = [section for section in page.sections if section.name == "playback"]
    assert playback.blocks == []  # no single picture shows frames
