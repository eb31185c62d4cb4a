"""The interface of a backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Bool, Float
from torch import Tensor, nn

from reorder_kit.grid import Grid
from reorder_kit.interfaces.component import Component
from reorder_kit.sequence import Encoded, PatchSequence


@dataclass(frozen=True)
class AttentionMaps:
    """Which token looks at which, in every block of a backbone.

    Args:
        blocks: for each block, the share that each token (first) gives to each token (second), the mean over heads.
            What a token gives adds up to one.
        readout: the share of each token in the readout; adds up to one.
        first_slot: the token in slot 0; those of the other slots follow it.
    """

    blocks: tuple[Float[Tensor, "batch token token"], ...]
    readout: Float[Tensor, "batch token"]
    first_slot: int = 0


class Backbone(nn.Module, Component, ABC):
    """A model that cuts images into patches and encodes the sequence of them.

    A complete plugin, a bag of patches that looks at neighbours in the sequence::

        from pydantic import Field
        from torch import nn
        import torch
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import Backbone, ComponentOptions, Encoded, Grid, PatchSequence

        class Convolution(Backbone):
            \"""A 1-D convolution over the sequence.\"""

            name = "convolution"
            order_sensitive = True
            depth = 1

            class Options(ComponentOptions):
                patch_size: int = Field(2, ge=1, description="side of a patch, pixels")
                dim: int = Field(32, ge=1, description="width of the embedding")

            def __init__(self, options, image):
                super().__init__()
                self.grid = Grid(image.height // options.patch_size, image.width // options.patch_size)
                self.dim = options.dim
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

    A backbone is built as ``Backbone(options, image)``. It sets ``grid`` (patches of an image), ``dim`` (width of an
    embedding) and ``depth`` (blocks), and says of itself:

    * ``needs``: what it uses beyond patches. ``{"order"}`` for image-space scans, hierarchical merging, rotary or
      relative 2-D positions and segment bookkeeping. Whoever declares nothing gets ``order=None``, so it cannot peek.
    * ``order_sensitive``: whether its output can change when the patches stand in another order.
    """

    needs: ClassVar[frozenset[str]] = frozenset()
    order_sensitive: bool
    grid: Grid
    dim: int
    depth: int

    @abstractmethod
    def tokenize(self, images: Float[Tensor, "batch channel height width"]) -> PatchSequence:
        """Cut images into row-major patches and embed them, their absolute 2-D positions added by patch."""

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
        tokens are made before the first block and handed on as ``extra_tokens``. The backbone puts them where it wants
        them in the sequence and takes them out again.
        """

    @abstractmethod
    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The readout: one vector for each image."""

    @abstractmethod
    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Which slots have a path to the readout. Where some have none, an order selects patches, too."""

    def attention(self, sequence: PatchSequence) -> AttentionMaps | None:
        """Which token looks at which when a sequence is encoded, padding at none but itself.

        None, as here, where the blocks do not mix tokens by attention over the sequence, or the readout is no mean of
        tokens.
        """
        return None
