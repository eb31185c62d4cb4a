"""Masks that decay along curves: the plain version in values and gradients."""

from __future__ import annotations

import torch

from reorder_kit.ops.curve_decay import curve_decay
from reorder_kit.ops.naive import curve_decay as naive


def test_values_and_gradients_are_those_of_the_plain_version() -> None:
    noise = torch.Generator().manual_seed(0)
    places = torch.stack([torch.randperm(7, generator=noise) for _ in range(3)])
    log_decay = (-torch.rand(3, 2, generator=noise, dtype=torch.float64)).requires_grad_()
    weights = torch.randn(2, 7, 7, generator=noise, dtype=torch.float64)
    found, expected = (module(places, log_decay) for module in (curve_decay, naive.curve_decay))
    torch.testing.assert_close(found, expected)
    gradients = [torch.autograd.grad((mask * weights).sum(), log_decay)[0] for mask in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_places_of_images_give_a_mask_for_each() -> None:
    places = torch.tensor([[[0, 1, 2], [2, 0, 1]], [[1, 0, 2], [0, 1, 2]]])
    log_decay = torch.tensor([[-0.5], [-0.1]], dtype=torch.float64)
    together = curve_decay(places, log_decay)
    for image in range(2):
        torch.testing.assert_close(together[:, image], curve_decay(places[:, image], log_decay))


def test_what_is_far_away_fades_to_nothing_and_has_a_finite_gradient() -> None:
    log_decay = torch.tensor([[-5.0]], requires_grad=True)
    mask = curve_decay(torch.tensor([[0, 60_000]]), log_decay)
    assert mask[0].tolist() == [[1, 0], [0, 1]]
    mask.sum().backward()
    assert log_decay.grad is not None
    assert log_decay.grad.isfinite().all()
