"""Gumbel noise: its distribution, and no missing values."""

from __future__ import annotations

import torch
from scipy.stats import gumbel_r, kstest

from reorder_kit.ops.gumbel import gumbel_noise


def test_it_is_standard_gumbel_noise() -> None:
    # Kolmogorov-Smirnov; the false-alarm rate is 0.001.
    noise = gumbel_noise((100, 200), torch.Generator().manual_seed(0))
    assert noise.shape == (100, 200)
    assert noise.dtype == torch.float32
    assert kstest(noise.flatten().numpy(), gumbel_r.cdf).pvalue > 1e-3


def test_it_is_finite_where_a_uniform_number_is_zero(monkeypatch) -> None:
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.zeros(shape))
    assert gumbel_noise((3,), torch.Generator()).isfinite().all()


def test_the_generator_alone_decides_what_is_drawn() -> None:
    first, second, other = (gumbel_noise((4,), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
