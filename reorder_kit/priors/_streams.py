"""Shared parts of priors that write tokens as bytes for a general compressor."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from reorder_kit.orders.order import Order
from reorder_kit.priors._compression import CompressionPrior
from reorder_kit.priors._tokens import ordered_tokens, overlapping


class StreamPrior(CompressionPrior):
    """Scores how small a compressor makes the numbers of an image, written from the first slot to the last."""

    @staticmethod
    @abstractmethod
    def compressed_bytes(data: bytes) -> int:
        """The size of the compressed stream beyond an empty one, in bytes. Called from several threads at once."""

    def bits_per_token(
        self, batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Mapping[str, Order]
    ) -> dict[str, Float[Tensor, " image"]]:
        """Compressed bits per token."""
        bits: dict[str, list[float]] = {name: [] for name in orders}
        # Compressors let other threads run, so as many are used as torch would use.
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            for ordered in ordered_tokens(batches, orders.values(), self.tokenizer):
                written = [self._numbers(tokens) for tokens in ordered]
                # Those of all orders are submitted before waiting for any, so that no thread runs out of work.
                sizes = [threads.map(self.compressed_bytes, map(bytes, numbers)) for numbers in written]
                for name, numbers, found in zip(orders, written, sizes, strict=True):
                    bits[name] += [8 * size / numbers[0].size if numbers[0].size else math.nan for size in found]
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in bits.items()}

    def _numbers(self, tokens: Int[Tensor, "image slot token"]) -> NDArray[np.unsignedinteger[Any]]:
        """The numbers written for each image, in as many bytes per number as needed."""
        numbers = overlapping(tokens, self.options.stretch, self.tokenizer.vocabulary)
        width = next(width for width in (1, 2, 4) if self.vocabulary <= 256**width)
        return numbers.numpy().astype(np.dtype(f"<u{width}"))
