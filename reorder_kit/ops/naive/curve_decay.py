"""Masks that decay along curves, pair by pair."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor


def curve_decay(
    places: Int[Tensor, "curve slot"], log_decay: Float[Tensor, "curve head"]
) -> Float[Tensor, "head slot slot"]:
    """The sum over curves, with each power multiplied out."""
    heads, slots = log_decay.shape[1], places.shape[1]
    rows = []
    for head in range(heads):
        for query in range(slots):
            for key in range(slots):
                total = torch.zeros((), dtype=torch.float64)
                for curve, place in enumerate(places.tolist()):
                    power = torch.ones((), dtype=torch.float64)
                    for _ in range(abs(place[query] - place[key])):
                        power = power * log_decay[curve, head].double().exp()
                    total = total + power
                rows.append(total)
    return torch.stack(rows).reshape(heads, slots, slots)
