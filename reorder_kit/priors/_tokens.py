"""The sequences that orders make from tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from reorder_kit.errors import ComponentError
from reorder_kit.interfaces import ComponentOptions, Part, Tokenizer
from reorder_kit.orders.order import Order


class TokenOptions(ComponentOptions):
    """Options of all priors that compress."""

    tokens: Literal["unigram", "bigram"] = Field(
        "unigram", description="unigram: tokens one by one; bigram: overlapping pairs of them, from slot to slot"
    )
    prefer: Literal["most", "least"] = Field(
        "most", description="start from the ordering whose sequences are the most or the least compressible"
    )
    tokenizer: Part[Tokenizer] = Field(Part.named("pixels"), description="what gives each patch its tokens")

    @property
    def stretch(self) -> int:
        """The number of consecutive slots that make one number of the sequence."""
        return 1 if self.tokens == "unigram" else 2


def ordered_tokens(
    batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Iterable[Order], tokenizer: Tokenizer
) -> Iterator[Iterator[Int[Tensor, "image slot token"]]]:
    """For each batch of images, its tokens in every order, one order at a time; images are tokenized once.

    Raises:
        ComponentError: if the tokenizer gives tokens outside its vocabulary, or not for every patch.
    """
    chosen = list(orders)
    for patches in batches:
        tokens = checked_tokens(tokenizer, patches)
        yield (order.apply(tokens) for order in chosen)


def checked_tokens(
    tokenizer: Tokenizer, patches: Float[Tensor, "image patch pixel"]
) -> Int[Tensor, "image patch token"]:
    """The tokens of some images.

    Raises:
        ComponentError: if they are not integers within the vocabulary, equally many for each patch.
    """
    tokens: Any = tokenizer.tokens(patches)
    kind, name, vocabulary = tokenizer.kind.name, tokenizer.name, tokenizer.vocabulary
    if not isinstance(vocabulary, int) or vocabulary < 2:
        raise ComponentError(
            kind, name, f"its vocabulary is {vocabulary!r}", "say how many tokens there are, 2 or more"
        )
    if not isinstance(tokens, Tensor):
        raise ComponentError(kind, name, f"gave {type(tokens).__name__}, not whole numbers")
    if tokens.ndim != 3 or tokens.shape[:2] != patches.shape[:2]:
        expected = f"[{len(patches)} images, {patches.shape[1]} patches, tokens]"
        raise ComponentError(kind, name, f"gave shape {tuple(tokens.shape)}, not {expected}")
    if tokens.is_floating_point():
        raise ComponentError(kind, name, f"gave {tokens.dtype}, not whole numbers")
    if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < vocabulary:
        there_are = f"there are 0 to {vocabulary - 1}"
        raise ComponentError(kind, name, f"gave {int(tokens.min())} to {int(tokens.max())}; {there_are}")
    return tokens


def overlapping(
    tokens: Int[Tensor, "image slot token"], length: int, vocabulary: int
) -> Int[Tensor, "image stretch token"]:
    """Number each stretch of consecutive slots by the tokens in one place of their patches, the last as the ones digit.

    >>> import torch
    >>> overlapping(torch.tensor([[[0], [1], [2]]]), 2, vocabulary=10).flatten().tolist()
    [1, 12]
    """
    stretches = max(0, tokens.shape[1] - length + 1)
    numbers = tokens[:, :stretches]
    for ahead in range(1, length):
        numbers = numbers * vocabulary + tokens[:, ahead : ahead + stretches]
    return numbers
