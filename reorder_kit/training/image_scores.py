"""What each image of a split scores."""

from __future__ import annotations

import numpy as np
from accelerate.utils import gather_object
from jaxtyping import Float
from torch import Tensor

from reorder_kit.runs.test_scores import Scores


class ImageScores:
    """What each image of a split scores, image by image, with images dealt out to processes as loaders do: by turns.

    Args:
        images: of the split.
    """

    def __init__(self, images: int) -> None:
        self._images = images
        self._scores: list[float] = []

    def add(self, scores: Float[Tensor, " batch"] | None) -> None:
        """The next batch of this process; None if the task does not score single images."""
        if scores is not None:
            self._scores += scores.tolist()

    def gather_read(self) -> Scores:
        """The scores of the images that could be read, process by process. Every process has to call it."""
        shares: list[list[float]] = gather_object([self._scores])
        return np.array([score for share in shares for score in share], dtype=np.float32)

    def gather(self) -> Scores | None:
        """The scores in the order of the split; None unless every image has one. Every process has to call it."""
        shares: list[list[float]] = gather_object([self._scores])
        if sum(map(len, shares)) < self._images:
            return None
        scores = np.empty(self._images, dtype=np.float32)
        for process, share in enumerate(shares):
            scores[process :: len(shares)] = share
        return scores
