"""Attention whose scores depend on the distance of query and key."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from reorder_kit.ops.biased_attention import biased_attention


def relative_attention(
    query: Float[Tensor, "*batch head query dim"],
    key: Float[Tensor, "*batch head key dim"],
    value: Float[Tensor, "*batch head key dim"],
    relative_key: Float[Tensor, "head distance dim"],
    content_bias: Float[Tensor, "head dim"],
    position_bias: Float[Tensor, "head dim"],
    visible: Bool[Tensor, "*#batch query key"],
) -> Float[Tensor, "*batch head query dim"]:
    """Attention with the scores ``(q_i + u) k_j + (q_i + v) r_(i-j)``, divided by the square root of ``dim``.

    The queries belong to the last of the tokens that the keys belong to; those of the memory come before them.

    Source: Dai et al., "Transformer-XL: Attentive Language Models beyond a Fixed-Length Context", ACL 2019
    (https://arxiv.org/abs/1901.02860), section 3.3. Their u is our ``content_bias``, their v our ``position_bias``,
    their W_(k,R) R our ``relative_key``.

    Every query is multiplied by the keys of all distances at once, and a view shifts the rows of the result from
    distances to keys.

    Args:
        query: queries of the last tokens.
        key: keys of all tokens, the memory first.
        value: values of all tokens.
        relative_key: keys of the distances ``i - j``, descending from ``key - 1``, the farthest before; at least down
            to 0, and to ``1 - query`` for queries that see ahead.
        content_bias: added to the query when multiplied with a key.
        position_bias: added to the query when multiplied with a distance.
        visible: which keys a query sees, the same for all heads. At least one, or the result is NaN.
    """
    # Heads come first, so that the keys of all distances, which differ only by head, are multiplied once.
    batch, scale = query.shape[:-3], query.shape[-1] ** -0.5
    query = query.movedim(-3, 0)
    heads = len(query)
    distances = pad(relative_key, (0, 0, 0, 1)).transpose(1, 2)
    meets_distances = (query.reshape(heads, -1, query.shape[-1]) + position_bias.unsqueeze(1)) * scale
    by_distance = (meets_distances @ distances).unflatten(1, query.shape[1:-1])
    attended = biased_attention(
        query + content_bias.reshape(heads, *[1] * len(batch), 1, -1),
        key.movedim(-3, 0),
        value.movedim(-3, 0),
        _distances_to_keys(by_distance, key.shape[-2]),
        torch.zeros_like(visible, dtype=by_distance.dtype).masked_fill(~visible, float("-inf")),
    )
    return attended.movedim(0, -3)


def _distances_to_keys(
    scores: Float[Tensor, "*batch query distance"], num_keys: int
) -> Float[Tensor, "*batch query key"]:
    """A view in which the score of a query with a key is in the column of the key.

    The score of query i with key j is in column ``queries - 1 - i + j``. With the rows written as one line, this place
    moves by ``columns - 1`` from one query to the next, so rows that are one column shorter align the keys. This needs
    one column more than keys. Keys ahead of the last distance show an arbitrary score.
    """
    queries, columns = scores.shape[-2:]
    line = scores.flatten(-2)[..., queries - 1 : queries - 1 + queries * (columns - 1)]
    shifted = line.view(*scores.shape[:-2], queries, columns - 1)
    # Even a full slice costs a copy in the backward pass.
    return shifted if columns - 1 == num_keys else shifted[..., :num_keys]
