"""No image in two splits."""

from __future__ import annotations

from itertools import chain

from reorder_kit.data.dealing import MOST_COMPARED, is_copy
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import SPLITS, DataSplits, HasIdentities, Identity


def refuse_shared_images(splits: DataSplits) -> None:
    """Check that no image is in two splits, under the same or another name.

    Only images whose files have one size and the same ends are read as a whole. Sets without identities are not
    compared, nor are more than :data:`~reorder_kit.data.dealing.MOST_COMPARED` images.

    Args:
        splits: opened data.

    Raises:
        ReorderKitError: naming the first image that is, under both of its names.
    """
    sets = (splits.train, splits.validation, splits.test)
    if sum(map(len, sets)) > MOST_COMPARED:
        return
    first: dict[str, tuple[str, Identity]] = {}
    identities = chain.from_iterable(
        ((split, samples.identity(index)) for index in range(len(samples)))
        for split, samples in zip(SPLITS, sets, strict=True)
        if isinstance(samples, HasIdentities)
    )
    for split, identity in identities:
        digest = identity.digest()
        other_split, other = first.setdefault(digest, (split, identity))
        if other_split != split and is_copy(identity, other):
            raise ReorderKitError(
                f"data: the {split} image {identity.name} is the {other_split} image {other.name}: they have the same"
                " bytes",
                "an image belongs to one split; remove it from one of them",
            )
