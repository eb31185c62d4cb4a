"""A learned number for each difference between two places, added to the score of the tokens there."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

FAR = 2**40
"""A place that is far from any other. Queries at multiples of it have no place and get no bias."""


@dataclass(frozen=True)
class RelativeBias:
    """A bias of attention scores by the difference of places, query minus key.

    Places are whole numbers. Places in an image are numbered so that a difference gives the number of rows and columns
    between two patches.

    Source: T5, Raffel et al., 2020 (https://arxiv.org/abs/1910.10683), section 2.1, without their buckets of
    distances; in an image, Swin, Liu et al., 2021 (https://arxiv.org/abs/2103.14030), section 3.2.

    Args:
        table: a number for each head and difference. Differences beyond it add nothing.
        zero: the column of the difference 0; greater differences follow.
        places: the place of each token; :data:`FAR` or beyond for tokens without a place, which get no bias.
    """

    table: Float[Tensor, "head difference"]
    zero: int
    places: Int[Tensor, "#batch token"]

    def scores(self) -> Float[Tensor, "#batch head token token"]:
        """The bias for each query (first) and key (second)."""
        return self.between(self.places, self.places)

    def between(
        self, query: Int[Tensor, "*batch query"], key: Int[Tensor, "*batch key"]
    ) -> Float[Tensor, "*batch head query key"]:
        """The bias between queries and keys at the given places.

        >>> import torch
        >>> RelativeBias(torch.tensor([[-1.0, 0.0, 7.0]]), 1, torch.tensor([[0, 1, 3]])).scores()[0, 0].tolist()
        [[0.0, -1.0, 0.0], [7.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
        """
        differences = self.table.shape[1]
        # Moved by half of FAR, a query without a place is also far from itself.
        query = torch.where(query.abs() < FAR, query, query + FAR // 2)
        column = (query.unsqueeze(-1) - key.unsqueeze(-2) + self.zero + 1).clamp(0, differences + 1)
        # One index for all heads: indexing with a tensor of this shape would add up gradients one by one.
        found = pad(self.table, (1, 1)).index_select(1, column.flatten())
        return found.reshape(-1, *column.shape).movedim(0, -3)

    def without_first(self, tokens: int) -> RelativeBias:
        """The bias without the first tokens."""
        return replace(self, places=self.places[:, tokens:])

    def taken(self, tokens: Int[Tensor, "batch place"]) -> RelativeBias:
        """The bias of moved tokens."""
        return replace(self, places=self.places.expand(len(tokens), -1).gather(1, tokens))


def added_scores(biases: tuple[RelativeBias, ...]) -> Float[Tensor, "#batch head token token"] | None:
    """The sum of several biases; None if there are no biases."""
    return sum_of([bias.scores() for bias in biases])


def sum_of(scores: list[Tensor]) -> Tensor | None:
    """The sum; None if there are no scores."""
    if not scores:
        return None
    total = scores[0]
    for other in scores[1:]:
        total = total + other
    return total
