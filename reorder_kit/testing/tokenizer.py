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
    """A tokenizer of patches of some images.

    Args:
        image: their shape.
        grid: their patches.
    """

    image: ImageShape
    grid: Grid

    def __str__(self) -> str:
        return f"{super().__str__()} of {self.image} images in {self.grid} patches"

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Built."""
        return self.component(self.options, self.image, self.grid)

    @property
    def patches(self) -> Float[Tensor, "image patch pixel"]:
        """Of a few images of noise."""
        return self.noise(IMAGES)

    def noise(self, images: int) -> Float[Tensor, "image patch pixel"]:
        """Patches of images of noise."""
        pixels = self.image.channels * self.image.height * self.image.width * self.image.frames // self.grid.num_patches
        generator = torch.Generator().manual_seed(1)
        return torch.randn(images, self.grid.num_patches, pixels, generator=generator)

    def tokens(self, patches: Float[Tensor, "image patch pixel"] | None = None) -> Int[Tensor, "image patch token"]:
        """The tokens of patches; those of noise if none are given."""
        return self.tokenizer.tokens(self.patches if patches is None else patches)


@rule
def every_patch_has_as_many_tokens_as_any_other(case: TokenizerCase) -> None:
    """Give whole numbers (int64) of the shape (image, patch, token), with at least one token for each patch."""
    tokens = case.tokens()
    expect_equal(tokens.dtype, torch.int64, "the type of the tokens")
    expect(tokens.ndim == 3, f"their shape is {tuple(tokens.shape)}")
    expect_equal(tuple(tokens.shape[:2]), (IMAGES, case.grid.num_patches), "the number of images and patches")
    expect(tokens.shape[2] >= 1, "there is no token")


@rule
def every_token_is_in_the_vocabulary(case: TokenizerCase) -> None:
    """Let ``vocabulary`` be the number of different tokens there can be, at least 2; tokens count from 0."""
    tokens, vocabulary = case.tokens(), case.tokenizer.vocabulary
    expect(vocabulary >= 2, f"the vocabulary is {vocabulary}")
    least, most = int(tokens.min()), int(tokens.max())
    expect(0 <= least <= most < vocabulary, f"tokens from {least} to {most}, of a vocabulary of {vocabulary}")


@rule
def tells_patches_apart(case: TokenizerCase) -> None:
    """Let tokens depend on the pixels: of noise, whose patches all differ, not every token can be the same."""
    tokens = case.tokens(case.noise(64))
    expect(tokens.min() < tokens.max(), "every token of 64 images of noise is the same")


@rule
def an_image_has_the_same_tokens_whatever_is_beside_it(case: TokenizerCase) -> None:
    """Normalize and compare within an image, never over the images of a batch."""
    whole = case.tokens()
    alone = torch.cat([case.tokens(image) for image in torch.split(case.patches, 1)])
    expect(torch.equal(alone, whole), "images that come one by one have other tokens than together")
    expect(torch.equal(case.tokens(case.patches.flip(0)), whole.flip(0)), "images in another sequence have others")


@rule
def gives_the_same_tokens_every_time(case: TokenizerCase) -> None:
    """Draw nothing at random, keep nothing of the images seen, and leave the patches as they are."""
    patches, tokenizer = case.patches, case.tokenizer
    expect_no_draw(lambda: tokenizer.tokens(patches))
    expect(torch.equal(patches, case.patches), "the patches are changed")
    again = with_other_random_numbers(lambda: case.component(case.options, case.image, case.grid).tokens(patches))
    expect(torch.equal(again, case.tokens()), "another tokenizer with the same options gives other tokens")


TOKENIZER_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    every_patch_has_as_many_tokens_as_any_other,
    every_token_is_in_the_vocabulary,
    tells_patches_apart,
    an_image_has_the_same_tokens_whatever_is_beside_it,
    gives_the_same_tokens_every_time,
)


def tokenizer_case(tokenizer: type[Tokenizer], options: OptionsGiven, image: ImageShape, grid: Grid) -> TokenizerCase:
    """What the rules of tokenizers are held to; see :func:`check_tokenizer`."""
    return TokenizerCase(tokenizer, options_of(tokenizer, options), image, grid)


def check_tokenizer(
    tokenizer: type[Tokenizer], options: OptionsGiven = None, shapes: Sequence[tuple[ImageShape, Grid]] = SHAPES
) -> None:
    """Hold a tokenizer to its contract.

    Args:
        tokenizer: the class.
        options: as a recipe gives them; the defaults if not given.
        shapes: of images and of the grids of their patches, where it does not take all, as one that was trained.

    Raises:
        BrokenRulesError: naming each rule that is broken, what was seen, and what to do.
        ReorderKitError: if the options are refused.

    >>> from reorder_kit.tokenizers.pixels import Pixels
    >>> check_tokenizer(Pixels, {"levels": 4})
    """
    for image, grid in shapes:
        hold(tokenizer_case(tokenizer, options, image, grid), TOKENIZER_RULES)
