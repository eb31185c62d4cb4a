"""Random numbers that belong to a sample: a function of its seed, a name and a position."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

# SplitMix64: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014,
# https://doi.org/10.1145/2660193.2660195. Torch has no unsigned 64-bit arithmetic; products of signed numbers wrap
# around to the same bits.
_GAMMA = 0x9E3779B97F4A7C15 - (1 << 64)
_MULTIPLIERS = (0xBF58476D1CE4E5B9 - (1 << 64), 0x94D049BB133111EB - (1 << 64))
_MANTISSA = 24


def uniform(
    seeds: Int[Tensor, " sample"], name: str, shape: Sequence[int], device: torch.device | str
) -> Float[Tensor, "sample *shape"]:
    """Uniform numbers in [0, 1), the same on every device and for any composition of the batch.

    Args:
        seeds: the seeds of the samples.
        name: what the numbers are for; different names give unrelated numbers.
        shape: the shape of a sample's numbers.
        device: where they are generated.
    """
    keys = _mixed(seeds.to(device=device, dtype=torch.int64) ^ _hash(name))
    positions = torch.arange(1, math.prod(shape) + 1, device=device)
    bits = _mixed(keys[:, None] + positions * _GAMMA)
    numbers = _shifted(bits, 64 - _MANTISSA).to(torch.float32).mul_(2.0**-_MANTISSA)
    return numbers.view(len(seeds), *shape)


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


def _mixed(state: Int[Tensor, "*any"]) -> Int[Tensor, "*any"]:
    """The output function of SplitMix64, in place: every bit depends on all bits of the state."""
    first, second = _MULTIPLIERS
    state.bitwise_xor_(_shifted(state, 30)).mul_(first)
    state.bitwise_xor_(_shifted(state, 27)).mul_(second)
    return state.bitwise_xor_(_shifted(state, 31))


def _shifted(bits: Int[Tensor, "*any"], by: int) -> Int[Tensor, "*any"]:
    """An unsigned right shift; torch's own shift keeps the sign."""
    return (bits >> by).bitwise_and_((1 << (64 - by)) - 1)
