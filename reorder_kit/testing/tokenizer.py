"""The contract of tokenizers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.interfaces import Grid, ImageShape, Tokenizer
from reorder_kit.testing.component import (
    COMPONENT_RULES,
    ComponentCase,
    OptionsGiven,
    expect_no_draw,
    options_of,
    with_other_random_numbers,
)
from reorder_kit.testing.rule import Rule, expect, expect_equal, hold, rule

IMAGES = 6
SHAPES: tuple[tuple[ImageShape, Grid], ...] = (
    (ImageShape(1, 4, 6), Grid(2, 3)),
    (ImageShape(3, 8, 8), Grid(2, 4)),
    (ImageShape(2, 5, 1), Grid(1, 1)),
)


@dataclass(frozen=True)
class TokenizerCase(ComponentCase[Tokenizer]):
    """A tokenizer, and the images and patches to test it with.

    Args:
        image: the shape of the images.
        grid: the grid of patches.
    """

    image: ImageShape
    grid: Grid

    def __str__(self) -> str:
        return f"{super().__str__()} for {self.image} images in {self.grid} patches"

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Built."""
        return self.component(self.options, self.image, self.grid)

    @property
    def patches(self) -> Float[Tensor, "image patch pixel"]:
        """Patches of a few noise images."""
        return self.noise(IMAGES)

    def noise(self, images: int) -> Float[Tensor, "image patch pixel"]:
        """Patches of noise images."""
        pixels = self.image.channels * self.image.height * self.image.width * self.image.frames // self.grid.num_patches
        generator = torch.Generator().manual_seed(1)
        return torch.randn(images, self.grid.num_patches, pixels, generator=generator)

    def tokens(self, patches: Float[Tensor, "image patch pixel"] | None = None) -> Int[Tensor, "image patch token"]:
        """The tokens of patches; of the noise patches if none are given."""
        return self.tokenizer.tokens(self.patches if patches is None else patches)


@rule
def every_patch_has_the_same_number_of_tokens(case: TokenizerCase) -> None:
    """Return integers (int64) of shape (image, patch, token), with at least one token for each patch."""
    tokens = case.tokens()
    expect_equal(tokens.dtype, torch.int64, "the type of the tokens")
    expect(tokens.ndim == 3, f"their shape is {tuple(tokens.shape)}")
    expect_equal(tuple(tokens.shape[:2]), (IMAGES, case.grid.num_patches), "the number of images and patches")
    expect(tokens.shape[2] >= 1, "there are no tokens")


@rule
def every_token_is_in_the_vocabulary(case: TokenizerCase) -> None:
    """Set ``vocabulary`` to the number of possible tokens, at least 2; tokens count from 0."""
    tokens, vocabulary = case.tokens(), case.tokenizer.vocabulary
    expect(vocabulary >= 2, f"the vocabulary is {vocabulary}")
    least, most = int(tokens.min()), int(tokens.max())
    expect(0 <= least <= most < vocabulary, f"tokens range from {least} to {most}, but the vocabulary is {vocabulary}")


@rule
def distinguishes_patches(case: TokenizerCase) -> None:
    """Let tokens depend on the pixels: the patches of noise all differ, so their tokens cannot all be equal."""
    tokens = case.tokens(case.noise(64))
    expect(tokens.min() < tokens.max(), "every token of 64 noise images is the same")


@rule
def an_image_has_the_same_tokens_in_any_batch(case: TokenizerCase) -> None:
    """Normalize and compare within an image, never over the images of a batch."""
    whole = case.tokens()
    alone = torch.cat([case.tokens(image) for image in torch.split(case.patches, 1)])
    expect(torch.equal(alone, whole), "images one by one have different tokens than in a batch")
    expect(
        torch.equal(case.tokens(case.patches.flip(0)), whole.flip(0)),
        "images in another sequence have different tokens",
    )


@rule
def gives_the_same_tokens_every_time(case: TokenizerCase) -> None:
    """Draw no random numbers, keep no state about images, and do not change the patches."""
    patches, tokenizer = case.patches, case.tokenizer
    expect_no_draw(lambda: tokenizer.tokens(patches))
    expect(torch.equal(patches, case.patches), "the patches were changed")
    again = with_other_random_numbers(lambda: case.component(case.options, case.image, case.grid).tokens(patches))
    expect(torch.equal(again, case.tokens()), "another tokenizer with the same options gives other tokens")


TOKENIZER_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    every_patch_has_the_same_number_of_tokens,
    every_token_is_in_the_vocabulary,
    distinguishes_patches,
    an_image_has_the_same_tokens_in_any_batch,
    gives_the_same_tokens_every_time,
)


def tokenizer_case(tokenizer: type[Tokenizer], options: OptionsGiven, image: ImageShape, grid: Grid) -> TokenizerCase:
    """A case for the rules of tokenizers; see :func:`check_tokenizer`."""
    return TokenizerCase(tokenizer, options_of(tokenizer, options), image, grid)


def check_tokenizer(
    tokenizer: type[Tokenizer], options: OptionsGiven = None, shapes: Sequence[tuple[ImageShape, Grid]] = SHAPES
) -> None:
    """Check a tokenizer against its contract.

    Args:
        tokenizer: the class.
        options: options as in a recipe; the defaults if not given.
        shapes: shapes of images and grids of patches, for a tokenizer that does not accept all, such as a trained one.

    Raises:
        BrokenRulesError: naming each broken rule, what was seen, and what to do.
        ReorderKitError: if the options are refused.

    >>> from reorder_kit.tokenizers.pixels import Pixels
    >>> check_tokenizer(Pixels, {"levels": 4})
    """
    for image, grid in shapes:
        hold(tokenizer_case(tokenizer, options, image, grid), TOKENIZER_RULES)
