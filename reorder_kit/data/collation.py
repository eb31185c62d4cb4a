"""From samples to a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from reorder_kit.interfaces import Batch, Sample, TargetKind, Unreadable, merged


class DrawnSample(NamedTuple):
    """A sample and its further views.

    Args:
        versions: the sample itself, then its views.
        seeds: the seed of each.
    """

    versions: tuple[Sample, ...]
    seeds: tuple[int, ...]


def collate(drawn: Sequence[DrawnSample | Unreadable], kind: TargetKind, views: int = 0) -> Batch:
    """Stack the readable samples, name the unreadable ones, and report the findings.

    Args:
        drawn: the samples.
        kind: the kind of their targets.
        views: the number of further views of each sample.
    """
    read = [sample for sample in drawn if isinstance(sample, DrawnSample)]
    unreadable = tuple(sample for sample in drawn if isinstance(sample, Unreadable))
    batch, *further = (_stacked(read, version, kind) for version in range(1 + views))
    findings = merged(finding for sample in read for finding in sample.versions[0].findings)
    return replace(batch, unreadable=unreadable, views=tuple(further), findings=findings)


def _stacked(read: Sequence[DrawnSample], version: int, kind: TargetKind) -> Batch:
    if not read:
        return Batch(torch.empty(0), (), kind)
    samples = [sample.versions[version] for sample in read]
    return Batch(
        torch.stack([sample.image for sample in samples]),
        kind.collate([sample.target for sample in samples]),
        kind,
        content=_content(samples),
        seeds=torch.tensor([sample.seeds[version] for sample in read]),
    )


def _content(samples: Sequence[Sample]) -> Int[Tensor, "batch 2"] | None:
    if all(sample.content is None for sample in samples):
        return None
    return torch.tensor([sample.content or tuple(sample.image.shape[-2:]) for sample in samples])
