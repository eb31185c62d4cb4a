"""The strided pattern of Sparse Transformers."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from reorder_kit.ops._attention_parts import exists, shares_of_parts, tiled
from reorder_kit.ops.sparse_pattern import SparsePattern


class StridedPattern(SparsePattern):
    """A slot sees the ``stride`` slots before it and every slot that is a multiple of ``stride`` away.

    When not causal, it also sees the same slots after it. A slot sees about ``2 stride + slots / stride`` others.

    Source: Child et al., "Generating Long Sequences with Sparse Transformers", 2019
    (https://arxiv.org/abs/1904.10509), section 4.3. A head sees what their two heads see together, which they call a
    merged head (section 5.1). Seeing both sides when not causal is our extension: theirs is causal.

    Args:
        stride: number of slots, their l, from 1.
    """

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def sees(
        self, query: Int[Tensor, "*batch query"], key: Int[Tensor, "*batch key"], num_slots: Tensor | int, causal: bool
    ) -> Bool[Tensor, "*batch query key"]:
        """The definition.

        >>> StridedPattern(2).sees(torch.tensor([5]), torch.arange(8), 8, causal=False).int().tolist()
        [[0, 1, 0, 1, 1, 1, 1, 1]]
        """
        behind = query.unsqueeze(-1) - key.unsqueeze(-2)
        seen = (behind.abs() <= self.stride) | (behind % self.stride == 0)
        return seen & (behind >= 0) if causal else seen

    def pairs(self, num_slots: int, causal: bool) -> int:
        """A window of two rows, or three, and a column for each cell of the table."""
        rows = -(-num_slots // self.stride)
        return rows * self.stride * ((2 if causal else 3) * self.stride + rows)

    def attend(
        self,
        query: Float[Tensor, "batch head slot dim"],
        key: Float[Tensor, "batch head {num_global}+slot dim"],
        value: Float[Tensor, "batch head {num_global}+slot dim"],
        causal: bool,
        num_global: int,
        num_valid: Int[Tensor, " batch"] | None,
    ) -> Float[Tensor, "batch head slot dim"]:
        """With the slots in a table of ``stride`` columns, a slot sees its own column and a window across rows."""
        stride, length = self.stride, query.shape[2]
        queries = tiled(query * query.shape[3] ** -0.5, stride)
        global_keys, global_values = (tokens[:, :, None, :num_global] for tokens in (key, value))
        keys, values = key[:, :, num_global:], value[:, :, num_global:]
        near_keys, near_values = (self._windows(tokens, causal) for tokens in (keys, values))
        # (batch, head, column, row, dim): all slots of a column attend to each other.
        column_keys, column_values = (tiled(tokens, stride).transpose(2, 3) for tokens in (keys, values))
        in_columns = (queries.transpose(2, 3) @ column_keys.transpose(3, 4)).transpose(2, 3)
        scores = [queries @ global_keys.transpose(3, 4), queries @ near_keys, in_columns]
        near, far = self._masks(queries.shape[2], length, causal, num_valid, query.device)
        everyone = near.new_ones(1, 1, num_global)
        of_global, of_near, of_far = shares_of_parts(scores, [everyone, near, far])
        seen = of_global @ global_values + of_near @ near_values.transpose(3, 4)
        seen = seen + (of_far.transpose(2, 3) @ column_values).transpose(2, 3)
        return seen.flatten(2, 3)[:, :, :length]

    def _windows(self, tokens: Float[Tensor, "batch head slot dim"], causal: bool) -> Tensor:
        """For each row: its slots, those of the row before and, when not causal, those of the row after, last."""
        rows_after = 0 if causal else self.stride
        padded = pad(tokens, (0, 0, self.stride, -tokens.shape[2] % self.stride + rows_after))
        return padded.unfold(2, 2 * self.stride + rows_after, self.stride)

    def _masks(
        self,
        rows: int,
        num_slots: int,
        causal: bool,
        num_valid: Int[Tensor, " batch"] | None,
        device: torch.device,
    ) -> tuple[Tensor, Tensor]:
        """What is visible in the window, and in the column beyond the window."""
        row = torch.arange(rows, device=device)
        column = torch.arange(self.stride, device=device)
        offset = torch.arange((2 if causal else 3) * self.stride, device=device) - self.stride
        behind = column.unsqueeze(1) - offset
        near = (behind <= self.stride) & (behind >= (0 if causal else -self.stride))
        there = exists(row.unsqueeze(1) * self.stride + offset, num_slots, num_valid).unsqueeze(-2)
        rows_behind = row.unsqueeze(1) - row
        far = (rows_behind if causal else rows_behind.abs()) >= 2
        in_column = exists(row * self.stride + column.unsqueeze(1), num_slots, num_valid).unsqueeze(-3)
        # Every query sees itself, even padding, so that no softmax is empty.
        return (near & there) | (behind == 0), far.unsqueeze(1) & in_column
