"""The interface of a tokenizer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType

from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.interfaces.class_fact import ClassFact
from reorder_kit.interfaces.component import Component, ComponentOptions, Kind
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.orders.patches import paste


class Tokenizer(Component, ABC):
    """Turns each patch into token numbers, for priors that look at sequences of tokens.

    A complete plugin::

        from reorder_kit import hookimpl
        from reorder_kit.interfaces import Tokenizer

        class Brightness(Tokenizer):
            \"""Whether a patch is darker or brighter than the image.\"""

            name = "brightness"
            vocabulary = 2

            def tokens(self, patches):
                return (patches.mean(dim=2, keepdim=True) > patches.mean(dim=(1, 2), keepdim=True)).long()

        @hookimpl
        def register_tokenizers():
            return [Brightness]

    A tokenizer of whole images gets them from :meth:`images`, and maps its codes back to the row-major patches.

    Args:
        options: the options of the recipe.
        image: the shape of the images whose patches it will see.
        grid: the grid of their patches.
    """

    kind = Kind("tokenizer", "tokenizers")
    class_facts = MappingProxyType(
        {
            "vocabulary": ClassFact(
                "a whole number from 2, or a property", lambda value: type(value) is int and value >= 2
            )
        }
    )

    def __init__(self, options: ComponentOptions, image: ImageShape, grid: Grid) -> None:
        self.options = options
        self.image = image
        self.grid = grid

    @property
    @abstractmethod
    def vocabulary(self) -> int:
        """The number of different tokens, at least 2. If it is always the same, a class attribute is enough."""

    @abstractmethod
    def tokens(self, patches: Float[Tensor, "image patch pixel"]) -> Int[Tensor, "image patch token"]:
        """The tokens of each patch, numbered from 0, equally many for every patch.

        An image's tokens must not depend on the other images of the batch.

        Args:
            patches: the normalized pixels of each patch, row-major; pixels by channel, row and column.
        """

    def images(self, patches: Float[Tensor, "image patch pixel"]) -> Float[Tensor, "image channel *frame height width"]:
        """The images or clips that patches were cut from."""
        return paste(patches, self.grid, self.image)

    @property
    def tile(self) -> tuple[int, int, int]:
        """Channels, height and width of a patch."""
        return self.image.channels, self.image.height // self.grid.height, self.image.width // self.grid.width
