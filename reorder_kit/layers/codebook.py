"""A codebook for vector quantization that follows the vectors it encodes."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

DECAY = 0.95
DEAD_SHARE = 0.1
"""A code is dead if it is used less often than this share of the average code."""


class Codebook(nn.Module):
    """Codes, each the running mean of the vectors that are nearest to it; codes that are nearest to none are replaced.

    Nothing is learned by gradient. Sources: moving averages of A. van den Oord et al., "Neural Discrete Representation
    Learning", 2017, https://arxiv.org/abs/1711.00937, appendix A.1 (their N_i and m_i are our ``counts`` and ``sums``);
    random restarts of P. Dhariwal et al., "Jukebox", 2020, https://arxiv.org/abs/2005.00341, section 3.1.

    Args:
        codes: number of codes.
        dim: length of a code.
    """

    codes: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("codes", torch.zeros(codes, dim))
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("sums", torch.zeros(codes, dim))

    def nearest(self, vectors: Float[Tensor, "vector dim"]) -> Int[Tensor, " vector"]:
        """The number of the code nearest to each vector; the first one in a tie."""
        # |v - c|^2 without |v|^2, which is the same for all codes.
        return (self.codes.square().sum(dim=1) - 2 * vectors @ self.codes.T).argmin(dim=1)

    @torch.no_grad()
    def start(self, vectors: Float[Tensor, "vector dim"], generator: torch.Generator) -> None:
        """Begin with some of the vectors as codes.

        Args:
            vectors: at least one; some are used several times if there are fewer than codes.
            generator: random generator for the choice.
        """
        self._restart(torch.ones_like(self.counts, dtype=torch.bool), vectors, generator)

    @torch.no_grad()
    def follow(
        self, vectors: Float[Tensor, "vector dim"], numbers: Int[Tensor, " vector"], generator: torch.Generator
    ) -> None:
        """Move every code toward the vectors that are nearest to it, and replace dead codes with some of the vectors.

        Args:
            vectors: the encoded vectors.
            numbers: number of the code nearest to each.
            generator: random generator for the choice of vectors for dead codes.
        """
        met = torch.bincount(numbers, minlength=len(self.codes)).to(self.counts)
        added = torch.zeros_like(self.sums).index_add_(0, numbers, vectors)
        self.counts.mul_(DECAY).add_(met, alpha=1 - DECAY)
        self.sums.mul_(DECAY).add_(added, alpha=1 - DECAY)
        self.codes.copy_(self.sums / self.counts.clamp(min=1e-6)[:, None])
        self._restart(self.counts < DEAD_SHARE * len(vectors) / len(self.codes), vectors, generator)

    def _restart(self, dead: Tensor, vectors: Tensor, generator: torch.Generator) -> None:
        places = dead.nonzero().squeeze(1)
        chosen = torch.randperm(len(vectors), generator=generator)
        vectors = vectors[chosen[torch.arange(len(places)) % len(vectors)]]
        # The average count of all codes, so that a replaced code has time to be used.
        average = len(chosen) / len(self.codes)
        self.codes[places], self.counts[places], self.sums[places] = vectors, average, average * vectors
