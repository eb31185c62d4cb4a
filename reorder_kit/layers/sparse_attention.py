"""Multi-head attention in a sparse pattern along the sequence, with global tokens."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reorder_kit.ops.sparse_attention import sparse_attention, sparse_attention_weights
from reorder_kit.ops.sparse_pattern import SparsePattern


class SparseAttention(nn.Module):
    """Self-attention of slots in a pattern. Global tokens see all slots, and are seen by them unless causal.

    In causal attention, a slot that saw a global token would see later slots through it in the next block.

    Args:
        dim: width of the tokens.
        heads: number of attention heads, a divisor of ``dim``.
        pattern: which slots see each other.
        causal: slots see only earlier slots.
        dropout: dropout probability after the output projection.
        num_global: number of global tokens before the slots.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        pattern: SparsePattern,
        causal: bool = False,
        dropout: float = 0.0,
        num_global: int = 0,
    ) -> None:
        super().__init__()
        self.heads, self.pattern, self.causal, self.num_global = heads, pattern, causal, num_global
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(dropout)

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], valid: Bool[Tensor, "batch slot"] | None = None
    ) -> Float[Tensor, "batch token dim"]:
        """Apply the attention.

        Args:
            tokens: the global tokens, then the slots.
            valid: False for padding, which no other token sees.
        """
        query, key, value = self._project(tokens)
        first, shown = self.num_global, self._shown
        seen = sparse_attention(
            query[:, :, first:],
            key[:, :, first - shown :],
            value[:, :, first - shown :],
            self.pattern,
            self.causal,
            shown,
            valid,
        )
        if first:
            mask = None if valid is None else self._of_all(valid)
            everything = nn.functional.scaled_dot_product_attention(query[:, :, :first], key, value, attn_mask=mask)
            seen = torch.cat([everything, seen], dim=2)
        mixed: Tensor = self.proj_drop(self.proj(seen.transpose(1, 2).flatten(2)))
        return mixed

    def weights(
        self, tokens: Float[Tensor, "batch token dim"], valid: Bool[Tensor, "batch slot"] | None = None
    ) -> Float[Tensor, "batch token token"]:
        """The attention weight of each token on each token, averaged over heads; same arguments as the module."""
        query, key, _ = self._project(tokens)
        first, shown = self.num_global, self._shown
        shares = sparse_attention_weights(
            query[:, :, first:], key[:, :, first - shown :], self.pattern, self.causal, shown, valid
        )
        shares = nn.functional.pad(shares, (first - shown, 0))
        if first:
            scores: Tensor = query[:, :, :first] @ key.transpose(2, 3) / query.shape[3] ** 0.5
            if valid is not None:
                scores = scores.masked_fill(~self._of_all(valid), -torch.inf)
            shares = torch.cat([scores.softmax(dim=-1), shares], dim=2)
        mean: Tensor = shares.mean(dim=1)
        return mean

    def sees(self, slots: Int[Tensor, " query"], num_slots: int) -> Bool[Tensor, "query slot"]:
        """Which slots the given slots see."""
        return self.pattern.sees(slots, torch.arange(num_slots, device=slots.device), num_slots, self.causal)

    @property
    def _shown(self) -> int:
        """Number of global tokens that slots see."""
        return 0 if self.causal else self.num_global

    def _project(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        query, key, value = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return query, key, value

    def _of_all(self, valid: Tensor) -> Tensor:
        """Which tokens a global token sees: all but padding."""
        return nn.functional.pad(valid, (self.num_global, 0), value=True)[:, None, None]
