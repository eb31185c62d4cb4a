"""Multi-head attention in a window along the sequence, with global tokens that see and are seen by all."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reorder_kit.layers.attention_positions import NO_PLACES, TokenPlaces
from reorder_kit.ops.rotary import rotate
from reorder_kit.ops.sliding_window import sliding_window_attention, sliding_window_weights


class WindowedAttention(nn.Module):
    """Self-attention of slots in a window.

    Source: Beltagy et al., "Longformer", 2020 (https://arxiv.org/abs/2004.05150), sections 3.1 and 3.2. Their Q_s, K_s,
    V_s are computed by our ``qkv``, and Q_g, K_g, V_g, with which global tokens attend to everything, by
    ``global_query`` and ``global_key_value``. A slot sees a global token through that token's K_s and V_s. Global
    tokens have no place: positions do not affect what they see.

    Args:
        dim: width of the tokens.
        heads: number of attention heads, a divisor of ``dim``.
        window: number of slots seen on each side besides the slot itself.
        causal: slots see only earlier slots.
        dropout: dropout probability after the output projection.
        num_global: number of global tokens before the slots.
    """

    def __init__(
        self, dim: int, heads: int, window: int, causal: bool = False, dropout: float = 0.0, num_global: int = 0
    ) -> None:
        super().__init__()
        self.heads, self.window, self.causal, self.num_global = heads, window, causal, num_global
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(dropout)
        if num_global:
            self.global_query = nn.Linear(dim, dim)
            self.global_key_value = nn.Linear(dim, 2 * dim)

    def forward(
        self,
        tokens: Float[Tensor, "batch token dim"],
        valid: Bool[Tensor, "batch slot"] | None = None,
        places: TokenPlaces = NO_PLACES,
    ) -> Float[Tensor, "batch token dim"]:
        """Apply the attention.

        Args:
            tokens: the global tokens, then the slots.
            valid: False for padding, which no other token sees.
            places: the places of the tokens, for positions that act in attention.
        """
        batch, length, dim = tokens.shape
        query, key, value = self._query_key_value(tokens, places)
        seen = sliding_window_attention(
            query[:, :, self.num_global :],
            key,
            value,
            self.window,
            self.causal,
            self.num_global,
            valid,
            tuple(bias.without_first(self.num_global) for bias in places.biases),
        )
        if self.num_global:
            seen = torch.cat([self._seen_by_global_tokens(tokens, valid), seen], dim=2)
        mixed: Tensor = self.proj_drop(self.proj(seen.transpose(1, 2).reshape(batch, length, dim)))
        return mixed

    def _query_key_value(
        self, tokens: Float[Tensor, "batch token dim"], places: TokenPlaces
    ) -> tuple[Float[Tensor, "batch head token head_dim"], ...]:
        batch, length, _ = tokens.shape
        query, key, value = self.qkv(tokens).reshape(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if places.rotation is not None:
            query, key = rotate(query, places.rotation), rotate(key, places.rotation)
        return query, key, value

    def weights(
        self,
        tokens: Float[Tensor, "batch token dim"],
        valid: Bool[Tensor, "batch slot"] | None = None,
        places: TokenPlaces = NO_PLACES,
    ) -> Float[Tensor, "batch token token"]:
        """The attention weight of each token on each token, averaged over heads; same arguments as the module."""
        query, key, _ = self._query_key_value(tokens, places)
        shares = sliding_window_weights(
            query[:, :, self.num_global :],
            key,
            self.window,
            self.causal,
            self.num_global,
            valid,
            tuple(bias.without_first(self.num_global) for bias in places.biases),
        )
        if self.num_global:
            shares = torch.cat([self._weights_of_global_tokens(tokens, valid), shares], dim=2)
        mean: Tensor = shares.mean(dim=1)
        return mean

    def _weights_of_global_tokens(
        self, tokens: Float[Tensor, "batch token dim"], valid: Bool[Tensor, "batch slot"] | None
    ) -> Float[Tensor, "batch head global token"]:
        batch, length, _ = tokens.shape
        query = self.global_query(tokens[:, : self.num_global]).reshape(batch, self.num_global, self.heads, -1)
        key = self.global_key_value(tokens).reshape(batch, length, 2, self.heads, -1)[:, :, 0]
        scores = torch.einsum("bghd,bthd->bhgt", query, key) / query.shape[-1] ** 0.5
        if valid is not None:
            scores = scores.masked_fill(
                ~nn.functional.pad(valid, (self.num_global, 0), value=True)[:, None, None], -torch.inf
            )
        shares: Tensor = scores.softmax(dim=-1)
        return shares

    def _seen_by_global_tokens(
        self, tokens: Float[Tensor, "batch token dim"], valid: Bool[Tensor, "batch slot"] | None
    ) -> Float[Tensor, "batch head global head_dim"]:
        """Attention of a few queries to everything, without projecting tokens to keys and values.

        A query's score with a key, ``q (W x + b)``, is ``(q W) x`` plus ``q b``, which is the same for all keys and
        cancels in the softmax. Likewise, the mean of values is the value of the mean token.
        """
        batch, _, dim = tokens.shape
        key_weight, value_weight = self.global_key_value.weight.reshape(2, self.heads, -1, dim)
        value_bias = self.global_key_value.bias.reshape(2, self.heads, 1, -1)[1]
        query = self.global_query(tokens[:, : self.num_global]).reshape(batch, self.num_global, self.heads, -1)
        # One head as wide as the tokens, with a query for every head and global token.
        queries = torch.einsum("bghd,hdw->bhgw", query, key_weight).flatten(1, 2).unsqueeze(1)
        mask = None if valid is None else nn.functional.pad(valid, (self.num_global, 0), value=True)[:, None, None]
        means = nn.functional.scaled_dot_product_attention(
            queries, tokens[:, None], tokens[:, None], attn_mask=mask, scale=query.shape[-1] ** -0.5
        )
        means = means.reshape(batch, self.heads, self.num_global, dim)
        return torch.einsum("bhgw,hdw->bhgd", means, value_weight) + value_bias
