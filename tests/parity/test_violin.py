"""VIOLIN against numbers from its released code.

They were recorded once, from ``DeiT/models_violin.py`` and ``DeiT/curves.py`` of https://github.com/LIONS-EPFL/VIOLIN
at commit 95fac3c40e19f1c4956d3d5b3d10871308febb3c, with the curves in the order of ours.
"""

from __future__ import annotations

import hashlib
import math

import pytest
import torch
from torch import Tensor

from reorder_kit.backbones.violin import Violin, places_on
from reorder_kit.interfaces import Grid
from reorder_kit.layers.curve_attention import CurveAttention
from reorder_kit.testing.component import options_of

CURVES = options_of(Violin, {"patch_size": 16}).curves

# SHA-256 of the places on a 14x14 grid, a byte for each patch, row-major; from the end that patch 0 is nearer to.
PLACES = {
    "snake": "4d27119e09df1af0",
    "snake_T": "703740010bdaadfe",
    "zigzag_T": "1654c5254b52124b",
    "zigzag": "7f601a9a0a52acf1",
    "peano": "e68165b89c3a01d2",
    "peano_T": "b13c89167351c9a4",
    "hilbert": "bfb4065493078486",
    "hilbert_T": "5f9b4e6a89bb52e2",
}

# What attention of width 4 with 2 heads gives on a 4x4 grid: with CLS, which comes first, and without.
WITH_CLS = [
    [-1.025023, -0.323131, 0.845642, 1.542161],
    [-1.332972, 1.083541, 0.966629, 1.898368],
    [-1.551511, 0.386185, 0.32039, 1.582779],
    [-1.456067, -0.406311, -0.06895, 1.329469],
    [-1.978327, 0.74419, 1.028922, 1.79206],
    [-1.967857, 0.738568, 0.702154, 1.826532],
    [-1.355019, 0.139809, 0.571615, 1.527929],
    [-1.499035, -0.786485, -0.401719, 1.246027],
    [-1.845992, 0.878326, 0.511119, 1.752007],
    [-1.206179, 0.061723, 0.357395, 1.494474],
    [-1.376497, 0.184603, 0.764928, 1.585373],
    [-1.709466, 0.478166, -0.005101, 1.574743],
    [-1.273335, 0.017985, 0.231123, 1.495156],
    [-1.30838, 0.094734, 0.207164, 1.444972],
    [-1.548866, 0.514039, 0.098324, 1.539383],
    [-1.316457, 0.139511, 0.232366, 1.538877],
    [-1.159138, 0.073204, 0.397485, 1.542808],
]
WITHOUT = [
    [-1.535074, 0.241523, 0.588187, 1.546452],
    [-1.292444, 1.111204, 1.099852, 1.909544],
    [-1.377185, 0.248207, 0.356312, 1.503039],
    [-1.646314, -0.271213, -0.139476, 1.318439],
    [-2.012947, 0.710576, 1.03593, 1.781107],
    [-1.609961, 0.482993, 0.426666, 1.709624],
    [-1.390805, 0.105703, 0.326094, 1.416786],
    [-1.717607, -0.606902, -0.365106, 1.286568],
    [-1.836572, 0.855324, 0.375914, 1.749488],
    [-1.266549, 0.071398, 0.304982, 1.466535],
    [-1.257388, 0.048538, 0.37702, 1.38246],
    [-1.479133, 0.294722, 0.2803, 1.544375],
    [-1.329187, 0.019794, 0.140446, 1.44256],
    [-1.395417, 0.123254, 0.155278, 1.44446],
    [-1.258056, 0.344201, 0.476018, 1.564185],
    [-1.370058, 0.158265, 0.33471, 1.527434],
]


def waves(first: int, *shape: int) -> Tensor:
    """Reproducible numbers between -1 and 1: sines of squares."""
    squares = torch.arange(first, first + math.prod(shape), dtype=torch.float64) ** 2
    return squares.sin().reshape(shape)


def test_the_curves_are_those_of_the_released_code() -> None:
    found = []
    for places in places_on(CURVES, Grid(14, 14)).tolist():
        from_start = places if places[0] <= places[-1] else [195 - place for place in places]
        found.append(hashlib.sha256(bytes(from_start)).hexdigest()[:16])
    assert found == list(PLACES.values())


@torch.no_grad()
@pytest.mark.parametrize(("num_cls", "expected"), [(1, WITH_CLS), (0, WITHOUT)])
def test_attention_is_that_of_the_released_code(num_cls: int, expected: list[list[float]]) -> None:
    attention = CurveAttention(4, 2, places_on(CURVES, Grid(4, 4)), along_sequence=False, num_global=num_cls).double()
    attention.qkv.weight.copy_(waves(1, 12, 4))
    attention.qkv.bias.copy_(waves(101, 12))
    attention.proj.weight.copy_(waves(201, 4, 4))
    attention.proj.bias.copy_(waves(301, 4))
    attention.decay.copy_(waves(401, 8, 2))
    attention.strength.copy_(2 + waves(501, 2))
    found = attention(waves(601, 1, num_cls + 16, 4))[0]
    # Theirs sums the masks in single precision.
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=2e-6)
