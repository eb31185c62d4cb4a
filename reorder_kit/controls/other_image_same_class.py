"""Other image of the same class: does the order give away the answer instead of saying how to read the image?"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Bool
from torch import Tensor

from reorder_kit.controls.other_image import OtherImage
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch


class OtherImageSameClass(OtherImage):
    """Each image is read in the order that the policy chose for another image with which it shares a class.

    An order that depends on the image may itself encode the answer. Then this control scores the same as the run, while
    ``other-image`` scores worse: what counts is the class that the order stands for, not the image.

    The partner is the next image of a random batch that shares a class, so it is any such image with equal probability.
    An image without a partner in its batch, or without any class, is left out on both sides; larger batches leave out
    fewer. If classes differ in size, more images of the rare classes are left out, equally on both sides.
    """

    name = "other-image-same-class"
    words = "each image in the order of another image that shares a class"
    needs = frozenset({"dynamic", "classes"})

    def may_lend(self, batch: Batch, classes: Sequence[str]) -> Bool[Tensor, "image partner"]:
        """Whether two images share a class."""
        presence = batch.kind.presence(batch.targets, classes)
        if presence is None:
            raise ReorderKitError(
                f"{self.name} needs targets that say which classes an image has; {batch.kind.name} targets do not",
                "remove it from controls",
            )
        present = (presence > 0).to(batch.images.device, batch.images.dtype)
        shares: Bool[Tensor, "image partner"] = present @ present.T > 0
        return shares & super().may_lend(batch, classes)
