"""Check that no image is in two splits or has contradicting targets."""

from __future__ import annotations

from reorder_kit.data.contradictions import Contradictions
from reorder_kit.data.copies import MOST_COMPARED, Copies
from reorder_kit.data.large_data import NamedSamples, shared_in_large_data
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import SPLITS, DataSplits, Finding, HasIdentities, Sample, merged


def shared_images(splits: DataSplits) -> tuple[Finding, ...]:
    """Check that no image is in two splits, under any name, and that copies have the same targets.

    Only images whose files agree in size and at both ends are read completely. Sets without identities are not
    compared. With more than :data:`~reorder_kit.data.copies.MOST_COMPARED` images, files are compared by inode, and
    copies are searched in a sample.

    Args:
        splits: opened data.

    Returns:
        Findings that may be harmless, and how many images were not compared.

    Raises:
        ReorderKitError: naming the first image that is in two splits, with both of its names; or a class whose training
            images all also occur with other targets.
    """
    sets = (splits.train, splits.validation, splits.test)
    named: dict[str, NamedSamples] = {
        split: samples for split, samples in zip(SPLITS, sets, strict=True) if isinstance(samples, HasIdentities)
    }
    if sum(map(len, sets)) > MOST_COMPARED:
        return shared_in_large_data(named)
    found = Copies[tuple[str, int]]()
    contradictions = {split: Contradictions(samples) for split, samples in named.items()}
    for split, samples in named.items():
        for index in range(len(samples)):
            identity = samples.identity(index)
            other_split, other = found.first(identity, (split, index))
            if (other_split, other) == (split, index):
                continue
            if other_split == split:
                contradictions[split].compare(other, index)
            # Truncated files may well be equal; nothing is learned from them.
            elif isinstance(samples[index], Sample):
                raise ReorderKitError(
                    f"data: the {split} image {identity.name} and the {other_split} image"
                    f" {named[other_split].identity(other).name} have the same bytes",
                    "an image belongs to one split; remove it from one of them",
                )
    if "train" in contradictions:
        contradictions["train"].refuse_whole_classes(splits.classes)
    return merged(finding for each in contradictions.values() for finding in each.findings)
