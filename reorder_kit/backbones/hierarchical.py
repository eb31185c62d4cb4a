"""Levels of blocks along the sequence, and 2x2 merging between them."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Backbone, BackboneFacts, ComponentOptions, Encoded, ImageShape, Level, PatchSequence
from reorder_kit.interfaces.numbers import Depth, Fraction, Ratio, Size, Slots, Whole
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.levels import PatchMerging, full_order, in_slots, level_grids, row_major
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import PatchOptions, patch_geometry
from reorder_kit.layers.positions import Positions, check_positions
from reorder_kit.layers.readout import first_slot, last_slot, mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.walking_order import walking_order
from reorder_kit.ops.scan_backend import ScanBackend


class LevelOptions(ComponentOptions):
    """The blocks of one level."""

    mixer: Literal["local", "attention", "mamba"] = Field(
        description="local: attention in a window along the sequence; attention: to every slot; mamba: a scan along it"
    )
    depth: Depth = Field(1, description="blocks")
    window: Slots = Field(2, description="local: slots seen on a side besides the slot itself, slots")
    causal: bool = Field(False, description="local, attention: see earlier slots only")
    heads: Size = Field(4, description="local, attention: heads; they divide the width of the level")
    mlp_ratio: Ratio = Field(4.0, description="local, attention: width of an MLP's hidden layer, times the level's")
    state: Whole = Field(16, ge=1, le=256, description="mamba: size of the state of a channel")
    conv_width: Whole = Field(4, ge=1, le=256, description="mamba: slots a convolution sees, including the current one")
    expand: Whole = Field(2, ge=1, le=100, description="mamba: channels of a mixer, times the width of the level")
    bidirectional: bool = Field(True, description="mamba: walk in both directions")

    def unused(self) -> dict[str, str]:
        """Options of other mixers."""
        of_attention, of_mamba = ["causal", "heads", "mlp_ratio"], ["state", "conv_width", "expand", "bidirectional"]
        others = {"local": of_mamba, "attention": ["window", *of_mamba], "mamba": ["window", *of_attention]}
        return dict.fromkeys(others[self.mixer], f"the mixer is {self.mixer}")

    def sees(self, cells: int) -> int:
        """How many slots on each side a slot of an attention block sees, out of ``cells``."""
        return cells - 1 if self.mixer == "attention" else min(self.window, cells - 1)

    def is_symmetric(self, cells: int) -> bool:
        """Whether a block treats all slots alike, regardless of their position."""
        if cells == 1:
            return True
        if self.mixer == "mamba":
            return False
        return self.sees(cells) == 0 or (self.sees(cells) == cells - 1 and not self.causal)

    def shows_all(self, cells: int, to_last: bool) -> bool:
        """Whether, after the blocks, every slot, or at least the last one, has a path from all slots.

        Args:
            cells: the number of slots of the level.
            to_last: check only the last slot.
        """
        if self.mixer == "mamba":
            return to_last or self.bidirectional or cells == 1
        return self.depth * self.sees(cells) >= cells - 1 and (to_last or not self.causal or cells == 1)


class Hierarchical(Backbone):
    """Levels of blocks along the sequence; between levels, four patches become one cell.

    The grid is halved as in Swin (Liu et al., 2021, https://arxiv.org/abs/2103.14030): the embeddings of a square of
    2x2 patches are normalized and mapped to one of twice the width. A cell takes the place of its first valid patch, so
    the order of the patches determines that of the cells. Each level has its own kind of blocks, all along the
    sequence: those of `local`, attention to all slots, or those of `mamba`::

        backbone:
          name: hierarchical
          patch_size: 4
          levels:
            - {mixer: local, window: 2, depth: 2}
            - {mixer: mamba, depth: 2}
            - {mixer: attention}

    With attention to all slots at every level and the readout ``mean``, the order changes nothing: a control.

    The readout ``last`` is the last slot of the coarsest level; if that level walks in both directions, it is the mean
    of the slots where they end. Which patches are in the last cell depends on the order, so some level must let it see
    all of them; other options are refused.

    The sides of the grid are multiples of 2 for each further level. Every patch is needed: partial orders are refused.
    Windows and walks skip padding, which is merged as zeros; a cell is padding if all of its patches are.
    """

    name = "hierarchical"
    needs = frozenset({"order"})

    class Options(PatchOptions):
        levels: tuple[LevelOptions, ...] = Field(
            (LevelOptions(mixer="local"), LevelOptions(mixer="local")),
            description="the blocks of each level, finest first; 2 to 8 levels",
        )
        dim: Size = Field(32, description="width of the finest level")
        growth: Whole = Field(2, ge=1, le=4, description="width of a level, times that of the finer one")
        readout: Literal["mean", "last"] = Field("mean", description="what summarizes the coarsest level")
        positions: Positions = Field("learned", description="absolute 2-D positions, added by patch")
        drop_path: Fraction = Field(0.0, description="stochastic depth of the last block, probability")
        gradient_checkpointing: bool = Field(
            False, description="recompute blocks in the backward pass: less memory, more time"
        )
        backend: ScanBackend = Field(
            "auto", description="what computes the scans of mamba; auto: mamba-ssm if it can be used, else torch"
        )

        def unused(self) -> dict[str, str]:
            """The backend, if no level scans."""
            if any(level.mixer == "mamba" for level in self.levels):
                return {}
            return {"backend": "no level has the mixer mamba"}

        @model_validator(mode="after")
        def _fits(self) -> Hierarchical.Options:
            if not 2 <= len(self.levels) <= 8:
                raise ValueError(f"levels: give 2 to 8, not {len(self.levels)}")
            for number, (level, width) in enumerate(zip(self.levels, self.widths(), strict=True)):
                if level.mixer != "mamba" and width % level.heads:
                    raise ValueError(f"the width {width} of level {number} is not divisible by {level.heads} heads")
            if self.positions == "sincos" and self.dim % 4:
                raise ValueError(f"sincos positions need a dim that is a multiple of 4, not {self.dim}")
            return self

        def widths(self) -> list[int]:
            """Width of each level."""
            return [self.dim * self.growth**level for level in range(len(self.levels))]

    options: Hierarchical.Options

    @classmethod
    def facts(cls, options: Hierarchical.Options, image: ImageShape) -> BackboneFacts:
        """Never causal; blind to the order if each level and the readout treat all slots alike."""
        grid = patch_geometry(options, image).grid
        check_positions(options.positions, grid, options.dim)
        grids = level_grids(grid, len(options.levels))
        cells = [each.num_patches for each in grids]
        if not _reads_all(options, cells):
            raise ReorderKitError(
                "with the readout 'last', the order may decide which patches are read: only those with a path to the "
                f"last of the {cells[-1]} cells of the coarsest level",
                "use readout: mean, or a mixer, window or depth with which the last cell sees all others",
            )
        first = accumulate((level.depth for level in options.levels), initial=0)
        symmetric = all(level.is_symmetric(count) for level, count in zip(options.levels, cells, strict=True))
        return BackboneFacts(
            grid,
            options.widths()[-1],
            sum(level.depth for level in options.levels),
            tuple(Level(*each) for each in zip(grids, options.widths(), first, strict=False)),
            order_sensitive=not symmetric or (options.readout == "last" and cells[-1] > 1),
            slots_order_sensitive=not symmetric,
            has_positions=options.positions != "none",
            idle=_idle(options, cells),
            no_influence="what was read long ago may be forgotten down to the last bit"
            if any(level.mixer == "mamba" for level in options.levels)
            else "",
        )

    def __init__(self, options: Hierarchical.Options, image: ImageShape) -> None:
        super().__init__(options, image)
        levels = self.as_built.levels
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), options.dim, options.positions)
        self.level_of_block = [number for number, level in enumerate(options.levels) for _ in range(level.depth)]
        rates = drop_path_rates(options.drop_path, self.depth)
        self.blocks = nn.ModuleList(
            _block(options, number, self.as_built, rate)
            for number, rate in zip(self.level_of_block, rates, strict=True)
        )
        self.merges = nn.ModuleList(PatchMerging(fine.dim, coarse.dim) for fine, coarse in pairwise(levels))
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
        """Run the blocks ``start`` to ``stop``."""
        full_order(sequence)
        patches = sequence.patches
        sequence = sequence.with_patches(patches.to(torch.promote_types(patches.dtype, torch.float32)))
        encoded: list[PatchSequence] = []
        blocks = range(self.depth)[start:stop]
        for index in blocks:
            level = self.level_of_block[index]
            if sequence.grid != self.as_built.levels[level].grid:
                encoded.append(sequence)
                sequence = self._merged(sequence, level)
            sequence = sequence.with_patches(self._mixed(index, sequence))
        if self.depth - 1 in blocks:
            sequence = sequence.with_patches(self.norm(sequence.patches))
        return Encoded(sequence, levels=(*encoded, sequence))

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The mean over the coarsest level, or the slots where its walks end."""
        if self.options.readout == "mean":
            return mean_slot(encoded.sequence)
        coarsest, last = self.options.levels[-1], last_slot(encoded.sequence)
        both = coarsest.mixer == "mamba" and coarsest.bidirectional
        return (last + first_slot(encoded.sequence)) / 2 if both else last

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot: options that leave a slot without a path to the readout are refused."""
        return torch.ones(num_slots, dtype=torch.bool)

    def _merged(self, sequence: PatchSequence, level: int) -> PatchSequence:
        order, grid = full_order(sequence), self.as_built.levels[level].grid
        places = row_major(sequence, order)
        cells: PatchSequence = self.merges[level - 1](places, grid)
        return in_slots(cells, order.merged(grid, places.valid))

    def _mixed(self, index: int, sequence: PatchSequence) -> Float[Tensor, "batch slot dim"]:
        recompute = self.options.gradient_checkpointing
        block, valid, mixed = self.blocks[index], sequence.valid, sequence.patches
        if self.options.levels[self.level_of_block[index]].mixer != "mamba":
            mixed = run_block(block, mixed, valid, recompute=recompute)
        elif valid is None:
            mixed = run_block(block, mixed, None, recompute=recompute)
        else:
            walk = walking_order(sequence, None)
            mixed = walk.restore(run_block(block, walk.apply(mixed), valid.sum(dim=1), recompute=recompute))
        return mixed


def _block(options: Hierarchical.Options, number: int, facts: BackboneFacts, drop_path: float) -> nn.Module:
    """A block of a level, initialized as in the backbone it comes from."""
    # Imported on first use: timm, FlexAttention and torch's compiler take seconds.
    from reorder_kit.layers.attention_block import AttentionBlock
    from reorder_kit.layers.mamba_mixer import MambaMixer
    from reorder_kit.layers.mixer_block import MixerBlock
    from reorder_kit.layers.windowed_attention import WindowedAttention

    level, dim = options.levels[number], facts.levels[number].dim
    if level.mixer == "mamba":
        mixer = MambaMixer(dim, level.state, level.conv_width, level.expand, level.bidirectional, options.backend)
        return MixerBlock(dim, mixer, drop_path, residuals=facts.depth)
    window = level.sees(facts.levels[number].grid.num_patches)
    attention = WindowedAttention(dim, level.heads, window, level.causal)
    return AttentionBlock(attention, dim, level.mlp_ratio, dropout=0.0, drop_path=drop_path)


def _reads_all(options: Hierarchical.Options, cells: list[int]) -> bool:
    """Whether every slot has a path to the readout, in any order."""
    if options.readout == "mean":
        return True
    levels = list(zip(options.levels, cells, strict=True))
    coarsest, count = levels[-1]
    return coarsest.shows_all(count, to_last=True) or any(
        level.shows_all(count, to_last=False) for level, count in levels
    )


def _idle(options: Hierarchical.Options, cells: list[int]) -> dict[str, str]:
    """Windows that cover a whole level, and directions if a slot sees only itself."""
    found: dict[str, str] = {}
    for number, (level, count) in enumerate(zip(options.levels, cells, strict=True)):
        if level.mixer == "local" and level.window >= count - 1:
            reason = f"it holds all {count} cells of the level, as does any window from {count - 1} on"
            found[f"levels.{number}.window"] = reason if count > 1 else "the level has a single cell"
        if level.mixer != "mamba" and level.sees(count) == 0:
            found[f"levels.{number}.causal"] = "a slot sees only itself"
    return found


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Levels with merging."""
    return [Hierarchical]
