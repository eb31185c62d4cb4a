"""Sinkhorn against POT, Python Optimal Transport: the plan of least cost with entropy, between uniform marginals."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.ops.sinkhorn import sinkhorn

ot = pytest.importorskip("ot", reason="POT is not installed; it is the package `pot`")


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.3, 1.0, 10.0, 1e4])
@pytest.mark.parametrize("size", [1, 2, 16, 49])
def test_it_is_the_plan_of_pot(size: int, temperature: float) -> None:
    logits = torch.rand(size, size, generator=torch.Generator().manual_seed(size), dtype=torch.float64)
    share = torch.full((size,), 1 / size, dtype=torch.float64)
    plan = ot.sinkhorn(share, share, -logits, temperature, method="sinkhorn_log", numItermax=5_000, stopThr=1e-9)
    matrix = sinkhorn(logits, temperature, max_iterations=5_000, tolerance=1e-7)
    torch.testing.assert_close(matrix, size * plan, rtol=1e-4, atol=1e-6)
