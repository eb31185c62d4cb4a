"""Smoothness: scores worked out by hand."""

import pytest
import torch
from reorder_kit_examples.smoothness import Smoothness

from reorder_kit import Grid, Order
from reorder_kit.interfaces import ImageShape
from reorder_kit.testing import check_prior

# One image of three patches with two pixels each.
PATCHES = torch.tensor([[[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]]])
ORDERS = {"row": Order([0, 1, 2]), "smooth": Order([0, 2, 1])}


def scores(norm: str, patches: torch.Tensor = PATCHES) -> dict[str, float]:
    options = Smoothness.Options.model_validate({"norm": norm})
    return Smoothness(options, ImageShape(1, 2, 3), Grid(1, 3)).score(patches, ORDERS)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_it_keeps_the_contract_of_priors(norm):
    check_prior(Smoothness, {"norm": norm})


def test_l1_is_minus_the_mean_absolute_difference():
    # row: (3 + 4 + 3 + 3) / 4; smooth: (0 + 1 + 3 + 3) / 4
    assert scores("l1") == pytest.approx({"row": -13 / 4, "smooth": -7 / 4})


def test_l2_is_minus_the_mean_length_of_a_step():
    # Lengths relative to the root of 2 pixels. row: 5 and the root of 18; smooth: 1 and the root of 18.
    lengths = {"row": -(5 + 18**0.5) / 2 / 2**0.5, "smooth": -(1 + 18**0.5) / 2 / 2**0.5}
    assert scores("l2") == pytest.approx(lengths)


def test_images_count_alike():
    twice = torch.cat([PATCHES, torch.zeros_like(PATCHES)])
    assert scores("l1", twice) == pytest.approx({"row": -13 / 8, "smooth": -7 / 8})


def test_a_single_patch_has_no_steps():
    prior = Smoothness(None, ImageShape(1, 2, 2), Grid(1, 1))
    assert prior.score(torch.ones(2, 1, 4), {"row": Order([0])}) == {"row": 0.0}
