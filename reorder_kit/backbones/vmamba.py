"""VMamba: cross scans in image space, level by level."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Backbone, BackboneFacts, Encoded, ImageShape, Level, PatchSequence
from reorder_kit.interfaces.numbers import Depth, Fraction, Ratio, Size, Whole
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.levels import full_order, in_slots, level_grids, row_major
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import PatchOptions, patch_geometry
from reorder_kit.layers.positions import AbsolutePositions, Positions, check_positions
from reorder_kit.layers.readout import mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.ops.scan_backend import ScanBackend

# Width of the finest level and blocks of each level, as published: T[s1l8], S[s1l20] and B[s1l20].
SIZES = {"tiny": (96, (2, 2, 8, 2)), "small": (96, (2, 2, 20, 2)), "base": (128, (2, 2, 20, 2))}


class Vmamba(Backbone):
    """VMamba (Liu et al., 2024, https://arxiv.org/abs/2401.10166): four selective scans over the image, in levels.

    Each block scans the patches of its level along the order, along the transposed order, and back along both, and adds
    up the four results at each place. A depthwise convolution over the image comes before, an MLP after. In row-major
    order these are the paper's walks: rows, columns, and both reversed. The transposed order is that of
    :func:`~reorder_kit.ops.transposed_walk.transposed_walk`: on a square grid, it visits the patch at ``(column, row)``
    where the order visits ``(row, column)``. Between levels a 3x3 convolution with stride 2 halves the grid, and a cell
    takes the place of its first valid patch. The readout is the mean over the coarsest level.

    The convolutions see neighbors in the image in any order, so the order matters less than in `mamba`.

    Stem: as everywhere in the kit, patches are embedded by a linear map of their own pixels, then normalized (the
    released models with an MLP have two overlapping 3x3 convolutions instead). The rest has the parameters of the
    released definition: 30.2 million in total for the size tiny, with a classifier of 1,000 classes.

    The sides of the grid are multiples of 2 for each further level. Every patch is needed: partial orders are refused.
    Convolutions read padding as zeros, as they do beyond the edge of an image; scans walk it last.
    """

    name = "vmamba"
    needs = frozenset({"order"})

    class Options(PatchOptions):
        size: Literal["tiny", "small", "base"] = Field("tiny", description="width and depths as published")
        depths: Annotated[tuple[Depth, ...], Field(min_length=2, max_length=8)] | None = Field(
            None, description="blocks of each level, finest first, instead of the size's"
        )
        dim: Size | None = Field(
            None, description="width of the finest level, instead of the size's; it doubles from level to level"
        )
        state: Whole = Field(1, ge=1, le=256, description="size of the state of a channel")
        conv_width: Whole = Field(3, ge=1, le=255, description="rows and columns that a convolution sees, odd")
        expand: Whole = Field(1, ge=1, le=100, description="channels of a scan, times the width of the level")
        mlp_ratio: Ratio = Field(4.0, description="width of the hidden layer of an MLP, times that of the level")
        positions: Positions = Field("none", description="absolute 2-D positions, added by patch")
        drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
        gradient_checkpointing: bool = Field(
            False, description="recompute blocks in the backward pass: less memory, more time"
        )
        backend: ScanBackend = Field(
            "auto", description="what computes the scans; auto: mamba-ssm if it can be used, else torch"
        )

        def unused(self) -> dict[str, str]:
            """The size, if it is fully overridden."""
            return {} if None in (self.depths, self.dim) else {"size": "depths and dim are given"}

        @model_validator(mode="after")
        def _fits(self) -> Vmamba.Options:
            if self.conv_width % 2 == 0:
                raise ValueError(f"conv_width must be odd, so that a convolution has a center, not {self.conv_width}")
            if self.positions == "sincos" and self.width() % 4:
                raise ValueError(f"sincos positions need a dim that is a multiple of 4, not {self.width()}")
            return self

        def width(self) -> int:
            """Width of the finest level."""
            return self.dim or SIZES[self.size][0]

        def blocks(self) -> tuple[int, ...]:
            """Blocks of each level."""
            return self.depths or SIZES[self.size][1]

    options: Vmamba.Options

    @classmethod
    def facts(cls, options: Vmamba.Options, image: ImageShape) -> BackboneFacts:
        """Sensitive to the order, and never causal."""
        grid = patch_geometry(options, image).grid
        check_positions(options.positions, grid, options.width())
        depths = options.blocks()
        first = [0, *accumulate(depths)]
        levels = tuple(
            Level(cells, options.width() << level, first[level])
            for level, cells in enumerate(level_grids(grid, len(depths)))
        )
        return BackboneFacts(
            grid,
            levels[-1].dim,
            sum(depths),
            levels,
            has_positions=options.positions != "none",
            no_influence="what was read long ago may be forgotten down to the last bit",
        )

    def __init__(self, options: Vmamba.Options, image: ImageShape) -> None:
        # Imported on first use: timm and torch's compiler, for which the scan is an operator, take seconds.
        from reorder_kit.layers.cross_scan_block import ConvMerging, CrossScan, CrossScanBlock

        super().__init__(options, image)
        levels, depths = self.as_built.levels, options.blocks()
        finest = levels[0]
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), finest.dim, positions="none")
        self.embedding_norm = nn.LayerNorm(finest.dim)
        self.positions = AbsolutePositions(options.positions, finest.grid, finest.dim)
        self.level_of_block = [level for level, depth in enumerate(depths) for _ in range(depth)]
        self.blocks = nn.ModuleList(
            CrossScanBlock(
                CrossScan(levels[level].dim, options.state, options.conv_width, options.expand, options.backend),
                levels[level].dim,
                options.mlp_ratio,
                drop_path,
            )
            for level, drop_path in zip(
                self.level_of_block, drop_path_rates(options.drop_path, self.depth), strict=True
            )
        )
        self.merges = nn.ModuleList(ConvMerging(fine.dim, coarse.dim) for fine, coarse in pairwise(levels))
        self.norm = nn.LayerNorm(self.dim)

    def tokenize(self, images: Float[Tensor, "batch channels *frame height width"]) -> PatchSequence:
        """Cut images, or every frame of clips, into row-major patches."""
        sequence: PatchSequence = self.embedding(images)
        return sequence.with_patches(self.positions(self.embedding_norm(sequence.patches)))

    def encode(
        self,
        sequence: PatchSequence,
        start: int = 0,
        stop: int | None = None,
        extra_tokens: Float[Tensor, "batch extra dim"] | None = None,
    ) -> Encoded:
        """Run the blocks ``start`` to ``stop``, all of them on row-major patches."""
        from reorder_kit.ops.cross_scan import four_walks

        order = full_order(sequence)
        places = row_major(sequence, order)
        places = places.with_patches(places.patches.to(torch.promote_types(places.patches.dtype, torch.float32)))
        walks = four_walks(order, places.grid, places.valid)
        encoded: list[PatchSequence] = []
        blocks = range(self.depth)[start:stop]
        for index in blocks:
            level = self.level_of_block[index]
            grid = self.as_built.levels[level].grid
            if places.grid != grid:
                encoded.append(in_slots(places, order))
                order = order.merged(grid, places.valid)
                places = self.merges[level - 1](places, grid)
                walks = four_walks(order, grid, places.valid)
            mixed = run_block(self.blocks[index], places, walks, recompute=self.options.gradient_checkpointing)
            places = places.with_patches(mixed)
        if self.depth - 1 in blocks:
            places = places.with_patches(self.norm(places.patches))
        encoded.append(in_slots(places, order))
        return Encoded(encoded[-1], levels=tuple(encoded))

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The mean over the coarsest level."""
        return mean_slot(encoded.sequence)

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot."""
        return torch.ones(num_slots, dtype=torch.bool)


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """VMamba."""
    return [Vmamba]
