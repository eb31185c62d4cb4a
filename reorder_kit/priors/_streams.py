"""What priors have in common that write tokens as bytes and let a general compressor have them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.patch_order import Order
from reorder_kit.priors._compression import CompressionPrior
from reorder_kit.priors._tokens import ordered_tokens, overlapping


class StreamPrior(CompressionPrior):
    """Scores how small a compressor makes the numbers of an image, written from the first slot to the last."""

    @staticmethod
    @abstractmethod
    def compressed_bytes(data: bytes) -> int:
        """What the compressed stream takes beyond an empty one, bytes. It is called from several threads at once."""

    def bits_per_token(
        self, batches: Iterable[Float[Tensor, "image patch pixel"]], orders: Mapping[str, Order]
    ) -> dict[str, Float[Tensor, " image"]]:
        """Compressed bits by the number of tokens."""
        bits: dict[str, list[float]] = {name: [] for name in orders}
        # Compressors let other threads run; as many are used as torch would use.
        with ThreadPoolExecutor(torch.get_num_threads()) as threads:
            for ordered in ordered_tokens(batches, orders.values(), self.tokenizer):
                for name, tokens in zip(orders, ordered, strict=True):
                    numbers = overlapping(tokens, self.options.stretch, self.tokenizer.vocabulary)
                    count = numbers[0].numel()
                    sizes = threads.map(self.compressed_bytes, self._as_bytes(numbers))
                    bits[name] += [8 * size / count if count else float("nan") for size in sizes]
        return {name: torch.tensor(values, dtype=torch.float64) for name, values in bits.items()}

    def _as_bytes(self, numbers: Int[Tensor, "image stretch token"]) -> list[bytes]:
        width = next(width for width in (1, 2, 4) if self.vocabulary <= 256**width)
        return [image.tobytes() for image in numbers.numpy().astype(np.dtype(f"<u{width}"))]
