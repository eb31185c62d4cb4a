"""A distribution over orders that models which patch follows which."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.ops.gumbel import gumbel_noise
from reorder_kit.ops.partial_orders import slots_of_patches


def successor_logits(order: Int[Tensor, " patch"], strength: float) -> Float[Tensor, "predecessor patch"]:
    """Logits whose greedy order is the given full order.

    Args:
        order: the patch in each slot.
        strength: logit of each patch after its predecessor in the order, above 0; all other logits are 0.
    """
    logits = torch.zeros(len(order) + 1, len(order), device=order.device)
    logits[_predecessors(order, len(order)), order] = strength
    return logits


@dataclass(frozen=True)
class Successors:
    """Patches are drawn without replacement, each with a probability that depends on the one before it.

    A first-order Markov chain over the remaining patches: the next is drawn from a softmax over their logits in the row
    of the last one. It is the counterpart of :class:`~reorder_kit.ops.plackett_luce.PlackettLuce`, whose scores say
    *when* a patch comes: with a logit for each pair, a good run of neighbors keeps its probability wherever it is in
    the sequence.

    Everything is computed in float32, or in float64 for logits in float64. As the temperature approaches 0, only the
    greedy order remains, if no logits of a row are equal; toward infinity all orders become equally probable.
    Log-probability, score and entropy take memory for every sample, slot and patch.

    Source: de Boer et al., "A Tutorial on the Cross-Entropy Method", Annals of Operations Research 2005, tours drawn by
    node transitions (the softmax of our row i is row i of their P, renormalized over what is left); learned by policy
    gradient on one problem, as in active search, Bello et al., "Neural Combinatorial Optimization",
    https://arxiv.org/abs/1611.09940.

    Args:
        logits: ``logits[i, j]`` is for patch j to follow patch i; the last row is for the first slot.
        temperature: above 0; divides the logits.
    """

    logits: Float[Tensor, "*batch predecessor patch"]
    temperature: float = 1.0

    @property
    def scaled_logits(self) -> Float[Tensor, "*batch predecessor patch"]:
        """The logits of the distribution itself."""
        logits = self.logits if self.logits.dtype == torch.float64 else self.logits.float()
        return logits / self.temperature

    def sample(
        self, count: int, generator: torch.Generator, slots: int | None = None
    ) -> Int[Tensor, "sample *batch slot"]:
        """Draw independent orders.

        Args:
            count: number of orders for each distribution of the batch.
            generator: patches are drawn one by one on its device, so that a run draws the same orders on every device.
            slots: length of partial orders; all patches if not given.
        """
        logits = self.scaled_logits.detach().to(generator.device)
        return _walk(logits.expand(count, *logits.shape), slots, generator).to(self.logits.device)

    def log_prob(self, orders: Int[Tensor, "*sample slot"]) -> Float[Tensor, "*sample"]:
        """Log-probability of each order, in nats.

        Args:
            orders: full or partial orders; their last leading dimensions are those of the logits.
        """
        chosen: Float[Tensor, "*sample slot 1"] = self._log_choices(orders).gather(-1, orders.unsqueeze(-1))
        return chosen.squeeze(-1).sum(dim=-1)

    def score(self, orders: Int[Tensor, "*sample slot"]) -> Float[Tensor, "*sample predecessor patch"]:
        """The score function: the gradient of the log-probability with respect to the scaled logits, in closed form.

        In the row of each predecessor it is 1 for the patch that was chosen, minus the probability of every patch. Its
        mean over the distribution is zero.
        """
        patches = self.logits.shape[-1]
        probabilities = self._log_choices(orders).exp()
        chosen = torch.nn.functional.one_hot(orders, patches).to(probabilities.dtype)
        rows = _predecessors(orders, patches).unsqueeze(-1).expand_as(chosen)
        empty = probabilities.new_zeros(*orders.shape[:-1], patches + 1, patches)
        return empty.scatter(-2, rows, chosen - probabilities)

    def entropy(self, orders: Int[Tensor, "*sample slot"]) -> Float[Tensor, "*sample"]:
        """The entropy of each choice, given those before it, summed over the slots of each order; in nats.

        The entropy of the distribution is the mean of it over all orders, by the chain rule: over drawn orders it is an
        unbiased estimate, with less variance than minus the log-probability, because the randomness of each choice is
        integrated out (Rao-Blackwell).
        """
        log_choices = self._log_choices(orders)
        # A placed patch has probability zero; its infinite logarithm would give NaN.
        finite = log_choices.masked_fill(log_choices.isneginf(), 0.0)
        return -(log_choices.exp() * finite).sum(dim=(-2, -1))

    def greedy(self) -> Int[Tensor, "*batch patch"]:
        """The order in which every slot takes the most probable remaining patch; in ties, the first in row-major."""
        return _walk(self.scaled_logits.detach().cpu()).to(self.logits.device)

    def _log_choices(self, orders: Int[Tensor, "*sample slot"]) -> Float[Tensor, "*sample slot patch"]:
        """The log-probability of every patch in every slot, given those before it; -inf for placed patches."""
        patches = self.logits.shape[-1]
        logits = self.scaled_logits.expand(*orders.shape[:-1], patches + 1, patches)
        rows = logits.take_along_dim(_predecessors(orders, patches).unsqueeze(-1), dim=-2)
        slots = torch.arange(orders.shape[-1], device=orders.device).unsqueeze(-1)
        is_placed = slots_of_patches(orders, patches).unsqueeze(-2) < slots
        return rows.masked_fill(is_placed, -math.inf).log_softmax(dim=-1)


def _predecessors(orders: Int[Tensor, "*batch slot"], patches: int) -> Int[Tensor, "*batch slot"]:
    """The patch before each slot; for the first slot, the number of patches, which is the last row of the logits."""
    return torch.cat([orders.new_full((*orders.shape[:-1], 1), patches), orders[..., :-1]], dim=-1)


def _walk(
    logits: Float[Tensor, "*batch predecessor patch"],
    slots: int | None = None,
    generator: torch.Generator | None = None,
) -> Int[Tensor, "*batch slot"]:
    """Go from patch to patch by the largest logit, or the largest Gumbel-perturbed one: a draw from the softmax."""
    *batch, _, patches = logits.shape
    last = torch.full((*batch, 1), patches, device=logits.device)
    placed = logits.new_zeros(*batch, patches)
    order = []
    for _ in range(patches if slots is None else slots):
        row = logits.take_along_dim(last.unsqueeze(-1), dim=-2).squeeze(-2) + placed
        if generator is not None:
            row = row + gumbel_noise(row.shape, generator)
        last = row.argmax(dim=-1, keepdim=True)
        placed.scatter_(-1, last, -math.inf)
        order.append(last)
    return torch.cat(order, dim=-1)
