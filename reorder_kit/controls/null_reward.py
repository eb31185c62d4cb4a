"""Null reward: does a learner gain from its reward, or from trying orders as such?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces.control import InRunControl


class NullReward(InRunControl):
    """The learner receives noise with the same spread as the rewards. With a constant, it would not move at all."""

    name = "null-reward"
    words = "noise as the reward"
    needs = frozenset({"learner", "reward"})

    def reward(self, reward: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Noise that is independent of the order; shuffled rewards would keep the batch's mean."""
        return torch.randn_like(reward) * reward.std(correction=0)
