"""The scores of the single images of a split."""

from __future__ import annotations

import numpy as np
from accelerate.utils import gather_object
from jaxtyping import Float
from torch import Tensor

from reorder_kit.runs.test_scores import Scores


class ImageScores:
    """The score of each image of a split, with images dealt out to processes in turn, as in the loaders.

    Args:
        images: the number of images in the split.
    """

    def __init__(self, images: int) -> None:
        self._images = images
        self._scores: list[float] = []

    def add(self, scores: Float[Tensor, " batch"] | None) -> None:
        """Add the next batch of this process; None if the task does not score single images."""
        if scores is not None:
            self._scores += scores.tolist()

    def gather_read(self) -> Scores:
        """The scores of the readable images, process by process. Every process must call it."""
        shares: list[list[float]] = gather_object([self._scores])
        return np.array([score for share in shares for score in share], dtype=np.float32)

    def gather(self) -> Scores | None:
        """The scores in the sequence of the split; None unless every image has one. Every process must call it."""
        shares: list[list[float]] = gather_object([self._scores])
        if sum(map(len, shares)) < self._images:
            return None
        scores = np.empty(self._images, dtype=np.float32)
        for process, share in enumerate(shares):
            scores[process :: len(shares)] = share
        return scores
