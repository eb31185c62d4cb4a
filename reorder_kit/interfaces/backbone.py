"""The interface of a backbone."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from jaxtyping import Bool, Float
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.class_fact import ClassFact
from reorder_kit.interfaces.component import Component, Kind
from reorder_kit.interfaces.pixel_scale import PixelScale
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.orders.sequence import Encoded, PatchSequence


@dataclass(frozen=True)
class Level:
    """One grid of a backbone.

    Args:
        grid: its cells; at the finest level, the patches.
        dim: width of an embedding on this level.
        first_block: the first block that works on it: 0 for the finest level, later for each coarser one.
    """

    grid: Grid
    dim: int
    first_block: int = 0


@dataclass(frozen=True)
class BackboneFacts:
    """What is known of a backbone before it is built.

    Args:
        grid: the patches that :meth:`Backbone.tokenize` cuts an image or a clip into.
        dim: width of the readout.
        depth: number of blocks.
        levels: the grids of a hierarchical backbone, finest first; ``grid`` and ``dim`` alone if not given.
        is_causal: the content of a slot after encoding does not depend on later slots, whatever the readout sees.
        order_sensitive: the readout can change when the patches are in another order.
        slots_order_sensitive: the same for the content of the slots of any level, mapped back to the image, which is
            what dense tasks read. Equal to ``order_sensitive`` if not given.
        has_positions: absolute positions are added by patch, so patches can be told apart by their positions.
        downloads: building downloads weights.
        idle: options that change nothing for such images, each with the reason; for a number, larger values change
            nothing either. A nested option is named by its path: ``levels.0.window``. A recipe that sets them causes
            a warning.
        no_influence: why a slot in reach may have no measurable influence, for example because gradients are stopped
            on purpose, or a gate starts at zero. If empty, every slot in reach has some, and a run warns of any that
            does not.
        caution: a warning about a recipe: a sentence that begins with the option in question.
        pixel_scale: the scale of pixels that the weights it starts from were trained with; None if they are new, or
            their scale is not known. A recipe whose data has another scale causes a warning.

    Raises:
        ReorderKitError: if the finest level's grid is not that of the patches, or the levels do not follow each other.

    >>> BackboneFacts(Grid(4, 4), dim=32, depth=2).levels
    (Level(grid=Grid(height=4, width=4, frames=1), dim=32, first_block=0),)
    """

    grid: Grid
    dim: int
    depth: int
    levels: tuple[Level, ...] = ()
    is_causal: bool = False
    order_sensitive: bool = True
    slots_order_sensitive: bool | None = None
    has_positions: bool = False
    downloads: bool = False
    idle: Mapping[str, str] = field(default_factory=dict, hash=False)
    no_influence: str = ""
    caution: str = ""
    pixel_scale: PixelScale | None = None

    def __post_init__(self) -> None:
        if self.slots_order_sensitive is None:
            object.__setattr__(self, "slots_order_sensitive", self.order_sensitive)
        if not self.levels:
            object.__setattr__(self, "levels", (Level(self.grid, self.dim),))
        if self.levels[0].grid != self.grid:
            raise ReorderKitError(
                f"the finest level has a {self.levels[0].grid} grid, but the patches have a {self.grid} grid",
                "give levels from the finest to the coarsest",
            )
        first = [level.first_block for level in self.levels]
        if first[0] != 0 or first != sorted(set(first)):
            raise ReorderKitError(
                f"the levels begin with the blocks {first}",
                "set first_block to the first block of each level: 0 for the finest, later for each coarser one",
            )

    @property
    def first_merge(self) -> int:
        """The block before which patches are first merged; ``depth`` if they never are."""
        return self.levels[1].first_block if len(self.levels) > 1 else self.depth


@dataclass(frozen=True)
class AttentionMaps:
    """Which token attends to which, in every block of a backbone.

    Args:
        blocks: for each block, the attention of each token (first) to each token (second), averaged over heads.
            A token's attention adds up to one.
        readout: the share of each token in the readout; the shares add up to one.
        first_slot: the token of slot 0; those of the other slots follow it.
    """

    blocks: tuple[Float[Tensor, "batch token token"], ...]
    readout: Float[Tensor, "batch token"]
    first_slot: int = 0


class Backbone(nn.Module, Component, ABC):
    """A model that cuts images into patches and encodes their sequence.

    A complete plugin, a bag of patches that looks at neighbors in the sequence::

        from pydantic import Field
        from torch import nn
        import torch
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import Backbone, BackboneFacts, ComponentOptions, Encoded, Grid, PatchSequence

        class Convolution(Backbone):
            \"""A 1-D convolution over the sequence.\"""

            name = "convolution"

            class Options(ComponentOptions):
                patch_size: int = Field(2, ge=1, description="side of a patch, pixels")
                dim: int = Field(32, ge=1, description="width of the embedding")

            @classmethod
            def facts(cls, options, image):
                grid = Grid(image.height // options.patch_size, image.width // options.patch_size)
                return BackboneFacts(grid, options.dim, depth=1)

            def __init__(self, options, image):
                super().__init__(options, image)
                self.embed = nn.Conv2d(image.channels, options.dim, options.patch_size, options.patch_size)
                self.mix = nn.Conv1d(options.dim, options.dim, kernel_size=3, padding=1)

            def tokenize(self, images):
                return PatchSequence(self.embed(images).flatten(2).transpose(1, 2), self.grid)

            def encode(self, sequence, start=0, stop=None, extra_tokens=None):
                if start == 0 and stop != 0:
                    mixed = self.mix(sequence.patches.transpose(1, 2)).transpose(1, 2)
                    sequence = sequence.with_patches(sequence.patches + mixed.relu())
                return Encoded(sequence)

            def summarize(self, encoded):
                return encoded.sequence.patches.mean(dim=1)

            def reach(self, num_slots):
                return torch.ones(num_slots, dtype=torch.bool)

        @hookimpl
        def register_backbones():
            return [Convolution]

    A backbone is built as ``Backbone(options, image)``. It declares two things:

    * :meth:`facts`: grid, width, depth and everything else that is known without building it. The ``grid``, ``dim``,
      ``depth`` and ``order_sensitive`` of a built backbone are these facts.
    * ``needs``: what it uses beyond patches. ``{"order"}`` for image-space scans, hierarchical merging, rotary or
      relative 2-D positions and segment bookkeeping. A backbone that declares nothing gets ``order=None``, so it
      cannot peek.

    A hierarchical backbone lists its ``levels`` in its facts, needs the order, and gives :class:`Encoded` a sequence
    for each level; ``sequence.order.merged(grid, valid)``, with the row-major mask of valid patches, is the order of
    the next level. All ordering happens before the first merge.

    Args:
        options: the options of the recipe.
        image: the images or clips it will read.

    Raises:
        ReorderKitError: if it cannot be built with these options for such images.
    """

    kind = Kind("backbone", "backbones")
    needs: ClassVar[frozenset[str]] = frozenset()
    class_facts = MappingProxyType(
        {
            "needs": ClassFact(
                'frozenset({"order"}) or frozenset()',
                lambda value: isinstance(value, frozenset | set) and value <= {"order"},
            )
        }
    )

    def __init__(self, options: Any, image: ImageShape) -> None:
        super().__init__()
        self.options = options
        self.image = image
        self.as_built = self.facts(options, image)

    @classmethod
    def declares(cls) -> dict[str, str]:
        """Its needs, its facts and its reach."""
        return {
            "needs": ", ".join(sorted(cls.needs)) or "only the patches",
            "facts": inspect.cleandoc(cls.facts.__doc__ or ""),
            "reach": inspect.cleandoc(cls.reach.__doc__ or ""),
        }

    @classmethod
    @abstractmethod
    def facts(cls, options: Any, image: ImageShape) -> BackboneFacts:
        """What is known before a backbone is built, without building weights or drawing random numbers.

        Raises:
            ReorderKitError: if it cannot be built with these options for such images.
        """

    @classmethod
    def without_downloads(cls, options: Any) -> Any:
        """The options with which the same backbone downloads nothing; unchanged by default."""
        return options

    @property
    def grid(self) -> Grid:
        """The patches of an image or a clip."""
        return self.as_built.grid

    @property
    def dim(self) -> int:
        """Width of the readout."""
        return self.as_built.dim

    @property
    def depth(self) -> int:
        """Number of blocks."""
        return self.as_built.depth

    @property
    def order_sensitive(self) -> bool:
        """Whether the readout can change when the patches are in another order."""
        return self.as_built.order_sensitive

    @abstractmethod
    def tokenize(self, images: Float[Tensor, "batch channel *frame height width"]) -> PatchSequence:
        """Cut images into row-major patches and embed them; absolute 2-D positions are added by patch."""

    @abstractmethod
    def encode(
        self,
        sequence: PatchSequence,
        start: int = 0,
        stop: int | None = None,
        extra_tokens: Float[Tensor, "batch extra dim"] | None = None,
    ) -> Encoded:
        """Run the blocks ``start`` to ``stop`` (all to the end if None).

        Encoding in two parts equals encoding in one: the final norm belongs to the last block, and CLS and register
        tokens are made before the first block and passed on as ``extra_tokens``. The backbone inserts them into the
        sequence where it needs them and removes them again.
        """

    @abstractmethod
    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The readout: one vector for each image."""

    @abstractmethod
    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Which slots have a path to the readout. If some have none, an order also selects patches.

        A run compares it with the measured influence, and warns if the two contradict each other.
        """

    def attention(self, sequence: PatchSequence) -> AttentionMaps | None:
        """Which token attends to which when a sequence is encoded; padding attends only to itself.

        None, the default, if the blocks do not mix tokens by attention over the sequence, or the readout is not a mean
        of tokens.
        """
        return None
