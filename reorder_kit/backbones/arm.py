"""ARM: Mamba blocks that walk along the sequence and across it."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.backbones._arm_weights import load_arm_weights
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    IMAGENET,
    Backbone,
    BackboneFacts,
    Encoded,
    HomePath,
    ImageShape,
    Order,
    PatchSequence,
)
from reorder_kit.interfaces.numbers import Depth, Fraction, Size, Whole
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import PatchOptions, patch_geometry
from reorder_kit.layers.position_options import AddedPositionOptions, check_fit
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.readout import mean_of_halves
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.slot_embedding import SlotEmbedding
from reorder_kit.layers.swiglu import SwiGLU
from reorder_kit.layers.walked_tokens import WalkedTokens
from reorder_kit.ops.scan_backend import ScanBackend

# Width and depth, as released.
SIZES = {"base": (768, 12), "large": (1024, 24), "huge": (1536, 24)}


class Arm(Backbone):
    """ARM (Ren et al., 2024, https://arxiv.org/abs/2406.07537): four selective scans and a gated MLP in each block.

    REOrder's Mamba results (https://arxiv.org/abs/2505.23751) use this architecture. A block is ``tokens +
    mixer(norm(tokens))``, then ``tokens + SwiGLU(norm(tokens))`` with a hidden width of 8/3 dim. The scans share the
    input and output projections, have separate other weights, and are averaged. CLS is in the middle of every scan.

    The first scan follows the sequence, and the second goes back along it. The third follows the order with the rows
    and columns of the image exchanged, and the fourth goes back along that: on a square grid they visit ``(column,
    row)`` where the first two visit ``(row, column)``. So in row-major order the third goes down the columns, as in the
    released code; in any other order all four are still walks through the image.
    :func:`reorder_kit.ops.transposed_walk.transposed_walk` defines this for other rectangles, partial orders and clips.

    The readout ``mean`` is the one of ARM's published results: the mean of the slots before CLS and after it, with
    equal weight for both halves. CLS is part of the scans with either readout. With learned positions, CLS has one as
    well.

    The base size for 196 patches of 16 px with a classifier of 1,000 classes has 85,031,656 parameters, by our count of
    the released definition. REOrder's 85,036,264 include six more vectors of width 768, from three norms: of the 768
    values of a patch before projection, of the result, and before the classifier. Its code also puts CLS first and
    reads out the last patch, while its scans still treat the middle token as CLS.

    ``weights`` loads a released checkpoint, before or after fine-tuning.
    """

    name = "arm"
    needs = frozenset({"order"})

    class Options(PatchOptions, AddedPositionOptions):
        size: Literal["base", "large", "huge"] = Field("base", description="width and depth as published")
        depth: Depth | None = Field(None, description="blocks, instead of the size's")
        dim: Size | None = Field(None, description="width of the embedding, instead of the size's")
        state: Whole = Field(16, ge=1, le=256, description="size of the state of a channel")
        conv_width: Whole = Field(4, ge=1, le=256, description="slots a convolution sees, including the current one")
        expand: Whole = Field(1, ge=1, le=100, description="channels of a mixer, times dim")
        readout: Literal["mean", "cls"] = Field("mean", description="what summarizes the sequence")
        drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
        gradient_checkpointing: bool = Field(
            False, description="recompute blocks in the backward pass: less memory, more time"
        )
        backend: ScanBackend = Field(
            "auto", description="what computes the scans; auto: mamba-ssm if it can be used, else torch"
        )
        weights: HomePath | None = Field(
            None, description="file with a released ARM checkpoint (.safetensors, .pth) to start from"
        )

        def unused(self) -> dict[str, str]:
            """The size, if it is fully overridden."""
            return {} if None in (self.depth, self.dim) else {"size": "depth and dim are given"}

        @model_validator(mode="after")
        def _fits(self) -> Arm.Options:
            check_fit(self.positions, self.slot_positions, self.width(), heads=1)
            if self.weights is not None and self.slot_positions != "none":
                raise ValueError("released weights only have positions by patch: leave out slot_positions")
            return self

        def width(self) -> int:
            """Width of the embedding."""
            return self.dim or SIZES[self.size][0]

        def blocks(self) -> int:
            """Number of blocks."""
            return self.depth or SIZES[self.size][1]

    options: Arm.Options

    @classmethod
    def facts(cls, options: Arm.Options, image: ImageShape) -> BackboneFacts:
        """Always sensitive to the order, and never causal: scans go both ways."""
        grid = patch_geometry(options, image).grid
        check_positions(options.positions, grid, options.width())
        return BackboneFacts(
            grid,
            options.width(),
            options.blocks(),
            order_sensitive=grid.num_patches > 1,
            has_positions=options.positions != "none",
            no_influence="what was read long ago may be forgotten down to the last bit",
            pixel_scale=IMAGENET if options.weights is not None else None,
        )

    @classmethod
    def without_downloads(cls, options: Arm.Options) -> Arm.Options:
        """Drop the released weights: a run's weights are in its checkpoint."""
        return options.model_copy(update={"weights": None})

    def __init__(self, options: Arm.Options, image: ImageShape) -> None:
        super().__init__(options, image)
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), self.dim, options.positions)
        self.slot_embedding = SlotEmbedding(options.slot_positions, self.grid.num_patches, self.dim)
        self.cls_token = learned_vectors(1, 1, self.dim)
        self.position_of_cls = learned_vectors(1, 1, self.dim) if options.positions == "learned" else None
        self.blocks = nn.ModuleList(
            ArmBlock(options, drop_path) for drop_path in drop_path_rates(options.drop_path, self.depth)
        )
        self.norm = nn.LayerNorm(self.dim, eps=1e-5)
        if options.weights is not None:
            load_arm_weights(self, self.grid, options.weights)

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
        """Run the blocks ``start`` to ``stop``.

        Raises:
            ReorderKitError: if patches were left out and the order does not say which.
        """
        # Imported on first use: torch's compiler takes seconds.
        from reorder_kit.layers.order_across import order_across

        own = self.cls_token if self.position_of_cls is None else self.cls_token + self.position_of_cls
        extra_tokens = starting_tokens(own, extra_tokens, sequence, start)
        blocks = range(self.depth)[start:stop]
        if 0 in blocks:
            sequence = self.slot_embedding(sequence)
        walked = WalkedTokens.of(sequence, extra_tokens, "middle")
        across: Order = order_across(walked)
        tokens = walked.tokens
        recompute = self.options.gradient_checkpointing
        for index in blocks:
            tokens = run_block(self.blocks[index], tokens, across, walked.lengths, recompute=recompute)
        if self.depth - 1 in blocks:
            tokens = self.norm(tokens.to(self.norm.weight.dtype))
        return walked.encoded(tokens)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The CLS token, or the mean of both halves of the slots."""
        if self.options.readout == "cls":
            assert encoded.extra_tokens is not None  # CLS is always walked
            return encoded.extra_tokens[:, 0]
        return mean_of_halves(encoded.sequence)

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot: scans go both ways."""
        return torch.ones(num_slots, dtype=torch.bool)


class ArmBlock(nn.Module):
    """A mixer and a gated MLP, both pre-norm, on a residual that keeps its own dtype.

    Args:
        options: the backbone's options.
        drop_path: stochastic depth, probability.
    """

    def __init__(self, options: Arm.Options, drop_path: float) -> None:
        # Imported on first use: timm and torch's compiler, for which the mixer is an operator, take seconds.
        from timm.layers import DropPath

        from reorder_kit.layers.four_walk_mixer import FourWalkMixer

        super().__init__()
        dim = options.width()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-5), nn.LayerNorm(dim, eps=1e-5)
        self.mixer = FourWalkMixer(dim, options.state, options.conv_width, options.expand, options.backend)
        self.mlp = SwiGLU(dim, dim * 8 // 3)
        self.drop_path = DropPath(drop_path)
        with torch.no_grad():  # keeps the residual from starting larger in deep models, as in mamba-ssm
            self.mixer.out_proj.weight /= math.sqrt(options.blocks())

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], across: Order, lengths: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch token dim"]:
        """Add the mixer's output to the tokens, then the MLP's; arguments as in the mixer."""
        mixed: Tensor = self.drop_path(self.mixer(self.norm1(tokens.to(self.norm1.weight.dtype)), across, lengths))
        tokens = tokens + mixed
        mapped: Tensor = self.drop_path(self.mlp(self.norm2(tokens.to(self.norm2.weight.dtype))))
        return tokens + mapped


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """ARM."""
    return [Arm]
