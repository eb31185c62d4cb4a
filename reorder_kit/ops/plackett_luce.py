"""The Plackett-Luce distribution over orders."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.ops.gumbel import gumbel_noise
from reorder_kit.ops.partial_orders import completed
from reorder_kit.ops.scores import order_of_scores


@dataclass(frozen=True)
class PlackettLuce:
    """Patches are drawn one after the other without replacement, each with probability proportional to ``exp(logit)``.

    One object does everything, so that a sample and its log-probability cannot have different temperatures. Everything
    is computed in float32, or in float64 for logits in float64.

    An order may be partial, with only the first slots. Its probability is that of these choices, whatever follows.

    As the temperature approaches 0, only the greedy order remains, if no logits are equal; equal logits share their
    slots evenly, unless logits are around 10^5 temperatures large and absorb the noise of a draw. Toward infinity all
    orders become equally probable.

    Source: Plackett, "The Analysis of Permutations", Applied Statistics 1975; sampling by Gumbel top-k, Yellott 1977,
    and for partial orders Kool et al., "Stochastic Beams and Where to Find Them", ICML 2019,
    https://arxiv.org/abs/1903.06059 (their phi is our ``scaled_logits``, their k our slots).

    Args:
        logits: one for each patch.
        temperature: above 0; divides the logits.
    """

    logits: Float[Tensor, "*batch patch"]
    temperature: float = 1.0

    @property
    def scaled_logits(self) -> Float[Tensor, "*batch patch"]:
        """The logits of the distribution itself."""
        logits = self.logits if self.logits.dtype == torch.float64 else self.logits.float()
        return logits / self.temperature

    def sample(
        self, count: int, generator: torch.Generator, slots: int | None = None
    ) -> Int[Tensor, "sample *batch slot"]:
        """Draw independent orders.

        Args:
            count: number of orders for each distribution of the batch.
            generator: noise is drawn on its device, so that a run draws the same orders on every device.
            slots: length of partial orders; all patches if not given.
        """
        noise = gumbel_noise((count, *self.logits.shape), generator).to(self.logits.device)
        return order_of_scores(self.scaled_logits.detach() + noise)[..., :slots]

    def log_prob(self, orders: Int[Tensor, "*sample slot"]) -> Float[Tensor, "*sample"]:
        """Log-probability of each order, in nats.

        Stable at any scale of the logits: the log of the remaining mass is a reversed cumulative log-sum-exp.

        Args:
            orders: full or partial orders; their last leading dimensions are those of the logits.
        """
        chosen, remaining = self._choices(completed(orders, self.logits.shape[-1]))
        return (chosen - remaining)[..., : orders.shape[-1]].sum(dim=-1)

    def score(self, orders: Int[Tensor, "*sample slot"]) -> Float[Tensor, "*sample patch"]:
        """The score function: the gradient of the log-probability with respect to the scaled logits, in closed form.

        For each patch it is 1 if the patch was placed, minus its probability in every choice it took part in. Its mean
        over the distribution is zero.
        """
        full = completed(orders, self.logits.shape[-1])
        chosen, remaining = self._choices(full)
        # The sum over choices of exp(logit - remaining); every term is a probability.
        expected = (chosen + _log_inverse_masses(remaining, orders.shape[-1])).exp()
        placed = torch.arange(full.shape[-1], device=full.device) < orders.shape[-1]
        return torch.zeros_like(expected).scatter(-1, full, placed.to(expected.dtype) - expected)

    def entropy(self, orders: Int[Tensor, "*sample slot"]) -> Float[Tensor, "*sample"]:
        """The entropy of each choice, given those before it, summed over the slots of each order; in nats.

        The entropy of the distribution is the mean of it over all orders, by the chain rule: over drawn orders it is an
        unbiased estimate, with less variance than minus the log-probability, because the randomness of each choice is
        integrated out (Rao-Blackwell). For equal logits it is exact.
        """
        chosen, remaining = self._choices(completed(orders, self.logits.shape[-1]))
        # A choice first decides whether it is the patch that was chosen, and if not, chooses among the others: the
        # entropy of slot s is the sum over t >= s of exp(remaining[t] - remaining[s]) times that of the binary choice
        # at t. No terms cancel. At the last patch there is no choice.
        yes, no = (chosen - remaining)[..., :-1], remaining.diff(dim=-1)
        binary = -(yes.exp() * yes + no.exp() * no)
        times = (remaining + _log_inverse_masses(remaining, orders.shape[-1])).exp()[..., :-1]
        return (binary * times).sum(dim=-1)

    def perturbed_logits(
        self, orders: Int[Tensor, "*sample slot"], generator: torch.Generator
    ) -> Float[Tensor, "*sample patch"]:
        """Draw Gumbel-perturbed logits, given that their descending order is a full order.

        Drawn for orders of this distribution, they are distributed as scaled logits plus Gumbel noise. They can be
        differentiated twice, and take memory for every sample and pair of patches.

        Source: Gadetsky et al., "Low-Variance Black-Box Gradient Estimates for the Plackett-Luce Distribution", AAAI
        2020, https://arxiv.org/abs/1911.10036 (their z-tilde, from their v). In terms of exp(-z), patches arrive one
        after the other, with waiting times whose rate is the remaining mass.
        """
        remaining = _pairwise_logcumsumexp(self._choices(orders)[0].flip(-1)).flip(-1)
        # The log of an exponential waiting time is minus a Gumbel value.
        waiting = -gumbel_noise(orders.shape, generator).to(remaining) - remaining
        return torch.zeros_like(remaining).scatter(-1, orders, -_pairwise_logcumsumexp(waiting))

    def greedy(self) -> Int[Tensor, "*batch patch"]:
        """The order in which every slot takes the most probable remaining patch: the mode of the distribution."""
        return order_of_scores(self.logits)

    def _choices(
        self, orders: Int[Tensor, "*sample slot"]
    ) -> tuple[Float[Tensor, "*sample slot"], Float[Tensor, "*sample slot"]]:
        """The scaled logit of the patch in every slot of full orders, and the log of the mass from that slot on."""
        chosen = self.scaled_logits.expand(orders.shape).gather(-1, orders)
        return chosen, chosen.flip(-1).logcumsumexp(-1).flip(-1)


def _log_inverse_masses(remaining: Float[Tensor, "*sample slot"], slots: int) -> Float[Tensor, "*sample slot"]:
    """The log of the sum of ``exp(-remaining)`` over the choices up to each slot; there are ``slots`` choices."""
    sums = (-remaining[..., :slots]).logcumsumexp(dim=-1)
    return torch.cat([sums, sums[..., -1:].expand_as(remaining[..., slots:])], dim=-1)


def _pairwise_logcumsumexp(values: Float[Tensor, "*batch place"]) -> Float[Tensor, "*batch place"]:
    """Like ``torch.logcumsumexp``, whose second derivative is NaN where the first is zero."""
    places = values.shape[-1]
    until = torch.ones(places, places, dtype=torch.bool, device=values.device).tril()
    return values.unsqueeze(-2).masked_fill(~until, -math.inf).logsumexp(dim=-1)
