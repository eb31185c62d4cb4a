"""Multi-head attention whose scores fade with the distance along space-filling curves."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reorder_kit.interfaces import Order
from reorder_kit.ops.curve_decay import curve_decay


class CurveAttention(nn.Module):
    """Masked attention of VIOLIN: ``softmax(scores * strength * mean of masks)``.

    The mask of a curve is ``sigmoid(decay) ** distance``, with a decay learned for each head; every head also has a
    strength. The global token is at distance 0 from everything: its row and column of the mask are 1.

    Source: Candogan et al., 2026 (https://arxiv.org/abs/2606.14757), and their code,
    https://github.com/LIONS-EPFL/VIOLIN, for the starting values and for the global token.

    Args:
        dim: width of the tokens.
        heads: number of attention heads, a divisor of ``dim``.
        places: the place of each patch on each curve through the image; there may be no curves.
        along_sequence: use the sequence as one more curve.
        dropout: dropout probability after the output projection.
        num_global: number of global tokens before the slots.
        keep_places: save the places with the weights, for curves that cannot be computed again.
    """

    places: Tensor

    def __init__(
        self,
        dim: int,
        heads: int,
        places: Int[Tensor, "curve patch"],
        along_sequence: bool,
        dropout: float = 0.0,
        num_global: int = 0,
        keep_places: bool = False,
    ) -> None:
        super().__init__()
        self.heads, self.along_sequence, self.num_global = heads, along_sequence, num_global
        self.num_curves = len(places)
        self.register_buffer("places", places, persistent=keep_places)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.decay = nn.Parameter(torch.empty(len(places) + along_sequence, heads).uniform_(5, 9))
        self.strength = nn.Parameter(torch.empty(heads).normal_(std=0.5))
        self.proj = nn.Linear(dim, dim)
        self.proj_drop = nn.Dropout(dropout)

    def forward(
        self,
        tokens: Float[Tensor, "batch token dim"],
        order: Order | None = None,
        valid: Bool[Tensor, "batch slot"] | None = None,
    ) -> Float[Tensor, "batch token dim"]:
        """Apply the attention.

        Args:
            tokens: the global tokens, then the slots.
            order: the patch in each slot; None is row-major.
            valid: False for padding, which no other token sees.
        """
        shares, value = self._attend(tokens, order, valid)
        mixed: Tensor = self.proj_drop(self.proj((shares @ value).transpose(1, 2).flatten(2)))
        return mixed

    def weights(
        self,
        tokens: Float[Tensor, "batch token dim"],
        order: Order | None = None,
        valid: Bool[Tensor, "batch slot"] | None = None,
    ) -> Float[Tensor, "batch token token"]:
        """The attention weight of each token on each token, averaged over heads; same arguments as the module."""
        mean: Tensor = self._attend(tokens, order, valid)[0].mean(dim=1)
        return mean

    def mask(
        self, num_slots: int, batch: int, order: Order | None, valid: Bool[Tensor, "batch slot"] | None
    ) -> Float[Tensor, "any_batch head token token"]:
        """The factor of the scores, including the strength of a head; one for all images if they agree."""
        log_decay = nn.functional.logsigmoid(self.decay)
        parts = []
        if self.num_curves:
            in_image = curve_decay(self.places, log_decay[: self.num_curves])
            parts.append(_in_order(in_image, order, batch))
        if self.along_sequence:
            slots = torch.arange(num_slots, device=self.decay.device).unsqueeze(0)
            # Padding takes no place in the sequence.
            slots = slots if valid is None else valid.cumsum(dim=1) - 1
            parts.append(curve_decay(slots.unsqueeze(0), log_decay[self.num_curves :]).transpose(0, 1))
        mask = sum(parts[1:], start=parts[0]) / len(log_decay)
        mask = nn.functional.pad(mask, (self.num_global, 0, self.num_global, 0), value=1.0)
        return mask * self.strength[:, None, None]

    def _attend(
        self, tokens: Tensor, order: Order | None, valid: Tensor | None
    ) -> tuple[Float[Tensor, "batch head token token"], Float[Tensor, "batch head token head_dim"]]:
        """The attention weights between tokens, and the values."""
        batch, length, dim = tokens.shape
        query, key, value = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mask = self.mask(length - self.num_global, batch, order, valid)
        scores = (query @ key.transpose(2, 3)) * (dim // self.heads) ** -0.5 * mask
        if valid is not None:
            seen = nn.functional.pad(valid, (self.num_global, 0), value=True)[:, None, None]
            # Padding sees itself, so that no softmax is empty.
            seen = seen | torch.eye(length, dtype=torch.bool, device=valid.device)
            scores = scores.masked_fill(~seen, -torch.inf)
        return scores.softmax(dim=-1).to(value.dtype), value


def _in_order(
    mask: Float[Tensor, "head patch patch"], order: Order | None, batch: int
) -> Float[Tensor, "any_batch head slot slot"]:
    """Move rows and columns of patches into slots."""
    if order is None:
        return mask.unsqueeze(0)
    if order.is_static:
        return mask[:, order.indices][:, :, order.indices].unsqueeze(0)
    rows = order.per_image(batch)
    return mask[:, rows.unsqueeze(2), rows.unsqueeze(1)].transpose(0, 1)
