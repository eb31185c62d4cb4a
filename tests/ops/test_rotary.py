"""Rotary positions against complex numbers, timm and transformers."""

from __future__ import annotations

import pytest
import torch
from timm.layers import apply_rot_embed_cat
from torch import Tensor
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from reorder_kit.ops.naive.rotary import rotate as rotate_by_definition
from reorder_kit.ops.rotary import Rotation, rotate

VECTORS = torch.randn(2, 3, 5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
ANGLES = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
ROTATION = Rotation(ANGLES.sin(), ANGLES.cos())


def by_definition(vectors: Tensor) -> Tensor:
    rows = [
        torch.stack([rotate_by_definition(head, angles) for head in image])
        for image, angles in zip(vectors, ANGLES, strict=True)
    ]
    return torch.stack(rows)


def test_values_and_gradients_are_those_of_complex_numbers() -> None:
    fast, slow = (VECTORS.clone().requires_grad_() for _ in range(2))
    actual, expected = rotate(fast, ROTATION), by_definition(slow)
    torch.testing.assert_close(actual, expected)
    weights = torch.randn_like(actual)
    for result in (actual, expected):
        (result * weights).sum().backward()
    torch.testing.assert_close(fast.grad, slow.grad)


def test_values_are_those_of_timm_and_of_transformers() -> None:
    sin, cos = (torch.cat([part, part], dim=-1) for part in (ROTATION.sin, ROTATION.cos))
    timms = apply_rot_embed_cat(VECTORS, torch.cat([sin, cos], dim=-1).unsqueeze(1), half=True)
    torch.testing.assert_close(rotate(VECTORS, ROTATION), timms)
    query, key = apply_rotary_pos_emb(VECTORS, 2 * VECTORS, cos, sin)
    torch.testing.assert_close(rotate(VECTORS, ROTATION), query)
    torch.testing.assert_close(rotate(2 * VECTORS, ROTATION), key)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_what_is_not_turned_stays_as_it_is_and_the_type_does_too(dtype: torch.dtype) -> None:
    still = Rotation(torch.zeros(1, 5, 4), torch.ones(1, 5, 4))
    vectors = VECTORS.to(dtype)
    assert torch.equal(rotate(vectors, still), vectors)
    assert rotate(vectors, still).dtype == dtype
