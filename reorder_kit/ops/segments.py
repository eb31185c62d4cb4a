"""A sequence cut into segments that remember what came before them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad


@dataclass(frozen=True)
class Segments:
    """Segments of equal size, cut from the end of a sequence: the last one is full, the first one may be short.

    Source: the segment-level recurrence of Transformer-XL, Dai et al., 2019, https://arxiv.org/abs/1901.02860, section
    3.2. They cut an endless stream, in which no segment is short; their L is our ``size``, their M our ``memory``.

    Args:
        num_tokens: length of the sequence.
        size: number of tokens in a segment, at most ``num_tokens``.
        memory: number of tokens before it that a segment remembers, at most those before the last segment.
    """

    num_tokens: int
    size: int
    memory: int

    @classmethod
    def of_sequence(cls, num_tokens: int, size: int, memory: int) -> Segments:
        """Segments that are no longer than the sequence, with no more memory than it can fill.

        >>> Segments.of_sequence(num_tokens=7, size=3, memory=9)
        Segments(num_tokens=7, size=3, memory=4)
        """
        size = min(size, num_tokens)
        return cls(num_tokens, size, min(memory, num_tokens - size))

    @property
    def count(self) -> int:
        """The number of segments."""
        return -(-self.num_tokens // self.size)

    @property
    def missing(self) -> int:
        """The number of tokens that the first segment lacks."""
        return self.count * self.size - self.num_tokens

    def split(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch segment size dim"]:
        """The tokens by segment, with zeros before the first."""
        batch, _, dim = tokens.shape
        return pad(tokens, (0, 0, self.missing, 0)).view(batch, self.count, self.size, dim)

    def join(self, segments: Float[Tensor, "batch segment size dim"]) -> Float[Tensor, "batch token dim"]:
        """Undo :meth:`split`."""
        return segments.flatten(1, 2)[:, self.missing :]

    def before_last(self, tokens: Float[Tensor, "batch token dim"]) -> Float[Tensor, "batch past dim"]:
        """The tokens that some segment may remember."""
        return tokens[:, : self.num_tokens - self.size]

    def remember(self, past: Float[Tensor, "batch past dim"]) -> Float[Tensor, "batch segment memory dim"]:
        """The memory of every segment, with zeros where there were no tokens.

        Args:
            past: the result of :meth:`before_last`.
        """
        filled = pad(past, (0, 0, self.memory + self.missing, 0))
        return filled.unfold(1, self.memory, self.size).transpose(2, 3)

    def visible(
        self, causal: bool, valid: Bool[Tensor, "batch token"] | None = None, device: torch.device | None = None
    ) -> Bool[Tensor, "#batch segment query key"]:
        """What each token of a segment sees of the memory and the segment, in this sequence.

        Missing tokens are seen only by themselves, which keeps the softmax defined.

        Args:
            causal: no token sees a later one.
            valid: False for padding, which must come before everything else.
            device: the device of the mask.
        """
        first = self.size * torch.arange(self.count, device=device) - self.missing
        query = torch.arange(self.size, device=device).unsqueeze(1)
        key = torch.arange(-self.memory, self.size, device=device)
        token = first.unsqueeze(1) + key
        there = (token >= 0).unsqueeze(0)
        if valid is not None:
            there = there & valid[:, token.clamp(min=0)]
        allowed = key <= query if causal else torch.ones_like(key == query)
        return (there.unsqueeze(2) & allowed) | (key == query)

    def sees(self, causal: bool) -> Bool[Tensor, "query key"]:
        """Which tokens see which, over the whole sequence.

        >>> Segments(num_tokens=5, size=2, memory=1).sees(causal=True).int().tolist()
        [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [0, 0, 1, 1, 0], [0, 0, 1, 1, 1]]
        """
        token = torch.arange(self.num_tokens)
        first = ((token + self.missing) // self.size * self.size - self.missing).unsqueeze(1)
        last = token.unsqueeze(1) if causal else first + self.size - 1
        return (token >= first - self.memory) & (token <= last)
