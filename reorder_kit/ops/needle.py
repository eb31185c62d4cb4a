"""A needle among decoys: what a model can know if its order is the same for every image.

An image has n patches, of which one, the needle, tells the class; its place is uniformly random. A model that reads the
same R places in every image reads the needle in a share R/n of all images. In the others, what it reads is independent
of the class, so it can only guess.
"""

from __future__ import annotations

from fractions import Fraction

from reorder_kit.errors import ReorderKitError


def static_accuracy(read: int, places: int, classes: int) -> Fraction:
    """The best accuracy of any model that reads the same patches of every image.

    Args:
        read: patches that are read, of those that may be the needle.
        places: patches that may be the needle.
        classes: number of classes, all equally frequent.

    Raises:
        ReorderKitError: if more patches are read than can be the needle, or a number is too small.

    >>> static_accuracy(5, 16, 4), float(static_accuracy(5, 16, 4))
    (Fraction(31, 64), 0.484375)
    """
    if not 0 <= read <= places or places < 1 or classes < 1:
        raise ReorderKitError(f"{read} of {places} patches cannot be read, of images of {classes} classes")
    found = Fraction(read, places)
    return found + (1 - found) / classes
