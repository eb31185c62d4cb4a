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
    """Says with numbers what is in each patch, for priors that look at sequences of tokens.

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

    One that looks at whole images asks :meth:`images` for them, and brings its codes back to the row-major patches.

    Args:
        options: the options of the recipe.
        image: the images whose patches it will see.
        grid: their patches.
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
        """Tokens there are, at least 2. A class attribute will do where it is always the same."""

    @abstractmethod
    def tokens(self, patches: Float[Tensor, "image patch pixel"]) -> Int[Tensor, "image patch token"]:
        """The tokens of each patch, from 0, as many for one patch as for any other.

        What an image gets must not depend on the images beside it.

        Args:
            patches: the normalised pixels of each patch, row-major; pixels by channel, row and column.
        """

    def images(self, patches: Float[Tensor, "image patch pixel"]) -> Float[Tensor, "image channel *frame height width"]:
        """The images or clips that patches were cut from."""
        return paste(patches, self.grid, self.image)

    @property
    def tile(self) -> tuple[int, int, int]:
        """Channels, height and width of a patch."""
        return self.image.channels, self.image.height // self.grid.height, self.image.width // self.grid.width
