"""A recurrent network that walks along the sequence."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Backbone, BackboneFacts, Encoded, ImageShape, Order, PatchSequence
from reorder_kit.interfaces.numbers import Depth, Fraction, Size
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import PatchOptions, patch_geometry
from reorder_kit.layers.position_options import AddedPositionOptions, check_fit
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.readout import first_slot, last_slot, mean_slot
from reorder_kit.layers.slot_embedding import SlotEmbedding


class Recurrent(Backbone):
    """A GRU (Cho et al., 2014, https://arxiv.org/abs/1406.1078) or LSTM (Hochreiter and Schmidhuber, 1997).

    The simplest case in which the order matters although every slot reaches the readout. A block is residual and
    pre-norm: ``patches + cell(norm(patches))``. Padding does not change the state.

    When bidirectional, each direction has half of ``dim``, and the readout ``last`` reads each half where its direction
    ends: the forward half of the last slot and the backward half of the first.
    """

    name = "recurrent"

    class Options(PatchOptions, AddedPositionOptions):
        cell: Literal["gru", "lstm"] = Field("gru", description="the recurrent cell")
        bidirectional: bool = Field(False, description="walk in both directions, with half of dim each")
        readout: Literal["last", "mean"] = Field("last", description="what summarizes the sequence")
        depth: Depth = Field(2, description="blocks")
        dim: Size = Field(32, description="width of the embedding and of the state")
        dropout: Fraction = Field(0.0, description="dropout on what a block adds, probability")

        @model_validator(mode="after")
        def _fits(self) -> Recurrent.Options:
            if self.bidirectional and self.dim % 2:
                raise ValueError(f"two directions share dim, which must be even, not {self.dim}")
            check_fit(self.positions, self.slot_positions, self.dim, heads=1)
            return self

    options: Recurrent.Options

    @classmethod
    def facts(cls, options: Recurrent.Options, image: ImageShape) -> BackboneFacts:
        """Always sensitive to the order; causal unless ``bidirectional: true``."""
        grid = patch_geometry(options, image).grid
        check_positions(options.positions, grid, options.dim)
        return BackboneFacts(
            grid,
            options.dim,
            options.depth,
            is_causal=not options.bidirectional,
            order_sensitive=grid.num_patches > 1,
            has_positions=options.positions != "none",
            no_influence="what was read long ago may be forgotten down to the last bit",
        )

    def __init__(self, options: Recurrent.Options, image: ImageShape) -> None:
        super().__init__(options, image)
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), self.dim, options.positions)
        self.slot_embedding = SlotEmbedding(options.slot_positions, self.grid.num_patches, self.dim)
        self.blocks = nn.ModuleList(_RecurrentBlock(options) for _ in range(self.depth))
        self.norm = nn.LayerNorm(self.dim)

    def tokenize(self, images: Float[Tensor, "batch channels *frame height width"]) -> PatchSequence:
        """Cut images, or every frame of clips, into row-major patches."""
        sequence: PatchSequence = self.embedding(images)
        return sequence

    def encode(
        self,
        sequence: PatchSequence,
        start: int = 0,
        stop: int | None = None,
        extra_tokens: Float[Tensor, "batch extra dim"] | None = None,
    ) -> Encoded:
        """Run the blocks ``start`` to ``stop``. There are no extra tokens."""
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            sequence = self.slot_embedding(sequence)
        patches = sequence.patches
        for index in blocks:
            patches = self.blocks[index](patches, sequence.valid)
        if self.depth - 1 in blocks:
            patches = self.norm(patches)
        return Encoded(sequence.with_patches(patches))

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The slot where each direction ends, or the mean of all slots."""
        if self.options.readout == "mean":
            return mean_slot(encoded.sequence)
        last = last_slot(encoded.sequence)
        if not self.options.bidirectional:
            return last
        half = self.dim // 2
        return torch.cat([last[:, :half], first_slot(encoded.sequence)[:, half:]], dim=1)

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot: the state carries all of them to the end."""
        return torch.ones(num_slots, dtype=torch.bool)


class _RecurrentBlock(nn.Module):
    def __init__(self, options: Recurrent.Options) -> None:
        super().__init__()
        cell = nn.GRU if options.cell == "gru" else nn.LSTM
        directions = 2 if options.bidirectional else 1
        self.norm = nn.LayerNorm(options.dim)
        self.cell = cell(options.dim, options.dim // directions, batch_first=True, bidirectional=options.bidirectional)
        self.dropout = nn.Dropout(options.dropout)

    def forward(
        self, patches: Float[Tensor, "batch slot dim"], valid: Bool[Tensor, "batch slot"] | None
    ) -> Float[Tensor, "batch slot dim"]:
        normed = self.norm(patches)
        if normed.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # oneDNN has no LSTM in bfloat16 for processors without AVX-512.
            with torch.autocast("cpu", enabled=False):
                states = self._walk(normed.float(), valid)
        else:
            states = self._walk(normed, valid)
        added: Tensor = self.dropout(states)
        return patches + added

    def _walk(
        self, patches: Float[Tensor, "batch slot dim"], valid: Bool[Tensor, "batch slot"] | None
    ) -> Float[Tensor, "batch slot dim"]:
        if valid is not None:
            return self._walk_valid(patches, valid)
        states: Tensor = self.cell(patches)[0]
        return states

    def _walk_valid(
        self, patches: Float[Tensor, "batch slot dim"], valid: Bool[Tensor, "batch slot"]
    ) -> Float[Tensor, "batch slot dim"]:
        """Move the padding after the valid slots, walk those, and move everything back."""
        padding_last = Order.trusted((~valid).int().argsort(dim=1, stable=True), valid.shape[1])
        # An image without a valid slot walks one step, because a packed sequence cannot be empty. Its output is not
        # read.
        lengths = valid.sum(dim=1).clamp(min=1).cpu()
        packed = pack_padded_sequence(padding_last.apply(patches), lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.cell(packed)[0], batch_first=True, total_length=valid.shape[1])
        return padding_last.restore(states)


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """A GRU or LSTM."""
    return [Recurrent]
