"""No image in two splits."""

from __future__ import annotations

from reorder_kit.data.dealing import MOST_COMPARED, is_copy
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import SPLITS, DataSplits, HasIdentities, Identity, Sample


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
    for split, samples in zip(SPLITS, sets, strict=True):
        if not isinstance(samples, HasIdentities):
            continue
        for index in range(len(samples)):
            identity = samples.identity(index)
            other_split, other = first.setdefault(identity.digest(), (split, identity))
            # Files that were cut short may well be alike; nothing is learned from them.
            if other_split != split and is_copy(identity, other) and isinstance(samples[index], Sample):
                raise ReorderKitError(
                    f"data: the {split} image {identity.name} is the {other_split} image {other.name}: they have the"
                    " same bytes",
                    "an image belongs to one split; remove it from one of them",
                )
