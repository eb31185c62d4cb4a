"""No image in two splits."""

from __future__ import annotations

from reorder_kit.data.copies import MOST_COMPARED, Copies
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import SPLITS, DataSplits, HasIdentities, Sample


def refuse_shared_images(splits: DataSplits) -> None:
    """Check that no image is in two splits, under the same or another name.

    Only images whose files have one size and the same ends are read as a whole. Sets without identities are not
    compared, nor are more than :data:`~reorder_kit.data.copies.MOST_COMPARED` images.

    Args:
        splits: opened data.

    Raises:
        ReorderKitError: naming the first image that is, under both of its names.
    """
    sets = (splits.train, splits.validation, splits.test)
    if sum(map(len, sets)) > MOST_COMPARED:
        return
    found = Copies[tuple[str, str]]()
    for split, samples in zip(SPLITS, sets, strict=True):
        if not isinstance(samples, HasIdentities):
            continue
        for index in range(len(samples)):
            identity = samples.identity(index)
            other_split, other = found.first(identity, (split, identity.name))
            # Files that were cut short may well be alike; nothing is learned from them.
            if other_split != split and isinstance(samples[index], Sample):
                raise ReorderKitError(
                    f"data: the {split} image {identity.name} is the {other_split} image {other}: they have the same"
                    " bytes",
                    "an image belongs to one split; remove it from one of them",
                )
