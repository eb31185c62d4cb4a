"""Mamba along the sequence of patches."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence
from reorder_kit.interfaces.numbers import Depth, Fraction, Size, Whole
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import PatchOptions, patch_geometry
from reorder_kit.layers.position_options import AddedPositionOptions, check_fit
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.readout import first_slot, last_slot, mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.slot_embedding import SlotEmbedding
from reorder_kit.layers.walking_order import ClsPosition, walking_order
from reorder_kit.ops.scan_backend import ScanBackend

# Width by size; all are 24 blocks deep. Vision Mamba, Zhu et al., 2024, https://arxiv.org/abs/2401.09417.
DIMS = {"tiny": 192, "small": 384, "base": 768}
DEPTH = 24


class Mamba(Backbone):
    """Mamba (Gu and Dao, 2023, https://arxiv.org/abs/2312.00752): a state walks along the sequence.

    What it meets is written into the state, kept and read as the input itself decides, so it matters what came before.
    As it stands, with two directions and CLS in the middle, it is Vision Mamba (Vim, Zhu et al., 2024,
    https://arxiv.org/abs/2401.09417), less the position of CLS, which has none here. With ``bidirectional: false`` the
    mixers are those of the package mamba-ssm, and load its weights.

    Blocks are ``tokens + mixer(norm(tokens))`` with root mean square norms (Zhang and Sennrich, 2019,
    https://arxiv.org/abs/1910.07467); the residual is float32 under any autocast. Padding is walked last and changes
    nothing.

    The readout ``last`` takes each direction where it ends: when bidirectional, the mean of the last slot and the
    first. A CLS token at an end is where one of two directions starts, so in the last block it hears the other alone.

    The base size has 97.6 million parameters with a classifier of 1,000 classes. The Mamba of REOrder
    (https://arxiv.org/abs/2505.23751) has 85,036,264: it is ARM (Ren et al., 2024, https://arxiv.org/abs/2406.07537),
    12 blocks of this width with an MLP in each, and four scans in image space.
    """

    name = "mamba"

    class Options(PatchOptions, AddedPositionOptions):
        size: Literal["tiny", "small", "base"] = Field("small", description="width and depth as published")
        depth: Depth | None = Field(None, description="blocks, instead of the size's")
        dim: Size | None = Field(None, description="width of the embedding, instead of the size's")
        state: Whole = Field(16, ge=1, le=256, description="size of the state of a channel")
        conv_width: Whole = Field(4, ge=1, le=256, description="slots a convolution sees, the current one included")
        expand: Whole = Field(2, ge=1, le=100, description="channels of a mixer, times dim")
        bidirectional: bool = Field(True, description="walk in both directions")
        readout: Literal["cls", "mean", "last"] = Field("cls", description="what summarises the sequence")
        cls_position: ClsPosition | None = Field(
            None, description="where CLS stands among the patches; middle when bidirectional, else end, if not given"
        )
        drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
        gradient_checkpointing: bool = Field(
            False, description="recompute blocks in the backward pass: less memory, more time"
        )
        backend: ScanBackend = Field(
            "auto", description="what computes the scan; auto: mamba-ssm where it can be used, else torch"
        )

        def unused(self) -> dict[str, str]:
            """The size, where nothing is left of it."""
            return {} if None in (self.depth, self.dim) else {"size": "depth and dim are given"}

        @model_validator(mode="after")
        def _fits(self) -> Mamba.Options:
            check_fit(self.positions, self.slot_positions, self.width(), heads=1)
            if self.readout != "cls" and self.cls_position is not None:
                raise ValueError(f"cls_position places a CLS token, which the readout {self.readout!r} does not have")
            if self.cls_position == "start" and not self.bidirectional:
                raise ValueError("a CLS token at the start sees no patch unless bidirectional: true")
            return self

        def width(self) -> int:
            """Width of the embedding."""
            return self.dim or DIMS[self.size]

        def blocks(self) -> int:
            """Number of blocks."""
            return self.depth or DEPTH

        def place_of_cls(self) -> ClsPosition | None:
            """Where CLS stands; None if there is no CLS."""
            if self.readout != "cls":
                return None
            return self.cls_position or ("middle" if self.bidirectional else "end")

    options: Mamba.Options

    @classmethod
    def facts(cls, options: Mamba.Options, image: ImageShape) -> BackboneFacts:
        """Always sensitive to the order; causal with ``bidirectional: false``, wherever CLS stands."""
        grid = patch_geometry(options, image).grid
        check_positions(options.positions, grid, options.width())
        return BackboneFacts(
            grid,
            options.width(),
            options.blocks(),
            is_causal=not options.bidirectional,
            order_sensitive=grid.num_patches > 1,
            has_positions=options.positions != "none",
            no_influence="what was read long ago may be forgotten down to the last bit",
        )

    def __init__(self, options: Mamba.Options, image: ImageShape) -> None:
        super().__init__(options, image)
        self.cls_position = options.place_of_cls()
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), self.dim, options.positions)
        self.slot_embedding = SlotEmbedding(options.slot_positions, self.grid.num_patches, self.dim)
        self.cls_token = None if self.cls_position is None else learned_vectors(1, 1, self.dim)
        self.blocks = nn.ModuleList(
            MambaBlock(options, drop_path) for drop_path in drop_path_rates(options.drop_path, self.depth)
        )
        self.norm = nn.RMSNorm(self.dim, eps=1e-5)

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
        """Run the blocks ``start`` to ``stop``."""
        extra_tokens = starting_tokens(self.cls_token, extra_tokens, sequence, start)
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            sequence = self.slot_embedding(sequence)
        tokens = sequence.patches if extra_tokens is None else torch.cat([sequence.patches, extra_tokens], dim=1)
        order = walking_order(sequence, self.cls_position)
        tokens = order.apply(tokens.to(torch.promote_types(tokens.dtype, torch.float32)))
        extra = tokens.shape[1] - sequence.num_slots
        lengths = None if sequence.valid is None else sequence.valid.sum(dim=1) + extra
        for index in blocks:
            tokens = self._block(index, tokens, lengths)
        if self.depth - 1 in blocks:
            tokens = self.norm(tokens.to(self.norm.weight.dtype))
        tokens = order.restore(tokens)
        patches, rest = tokens[:, : sequence.num_slots], tokens[:, sequence.num_slots :]
        return Encoded(sequence.with_patches(patches), None if extra_tokens is None else rest)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The CLS token, the mean of all slots, or the slot where each direction ends."""
        if encoded.extra_tokens is not None:
            return encoded.extra_tokens[:, 0]
        if self.options.readout == "mean":
            return mean_slot(encoded.sequence)
        last = last_slot(encoded.sequence)
        return (last + first_slot(encoded.sequence)) / 2 if self.options.bidirectional else last

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot, unless a single direction comes to CLS in the middle."""
        reached = torch.ones(num_slots, dtype=torch.bool)
        if self.cls_position == "middle" and not self.options.bidirectional:
            reached[num_slots // 2 :] = False
        return reached

    def _block(
        self, index: int, tokens: Float[Tensor, "batch token dim"], lengths: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch token dim"]:
        recompute = self.options.gradient_checkpointing
        mixed: Tensor = run_block(self.blocks[index], tokens, lengths, recompute=recompute)
        return mixed


class MambaBlock(nn.Module):
    """A mixer, pre-norm, on a residual that keeps its own dtype.

    Args:
        options: of the backbone.
        drop_path: stochastic depth, probability.
    """

    def __init__(self, options: Mamba.Options, drop_path: float) -> None:
        # Imported on first use: timm and torch's compiler, for which the mixer is an operator, take seconds.
        from timm.layers import DropPath

        from reorder_kit.layers.mamba_mixer import MambaMixer

        super().__init__()
        dim = options.width()
        self.norm = nn.RMSNorm(dim, eps=1e-5)
        self.mixer = MambaMixer(
            dim, options.state, options.conv_width, options.expand, options.bidirectional, options.backend
        )
        self.drop_path = DropPath(drop_path)
        with torch.no_grad():  # so that the residual starts no larger in deep models, as in mamba-ssm
            self.mixer.out_proj.weight /= math.sqrt(options.blocks())

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], lengths: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch token dim"]:
        """Add what the mixer makes of the tokens; ``lengths`` as in the mixer."""
        mixed: Tensor = self.drop_path(self.mixer(self.norm(tokens.to(self.norm.weight.dtype)), lengths))
        return tokens + mixed


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Mamba."""
    return [Mamba]
