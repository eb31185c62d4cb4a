"""Null reward: does a learner gain from its reward, or from trying orders as such?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.control import InRunControl


class NullReward(InRunControl):
    """The learner receives noise of the same spread as the rewards. A constant would keep it from moving at all."""

    name = "null-reward"
    words = "noise for a reward"
    needs = frozenset({"learner", "reward"})

    def reward(self, reward: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Noise that knows nothing of the order; rewards that were merely shuffled would keep the batch's mean."""
        return torch.randn_like(reward) * reward.std(correction=0)
