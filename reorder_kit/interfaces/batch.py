"""A batch of samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from reorder_kit.interfaces.counter_random import uniform
from reorder_kit.interfaces.data_source import Unreadable
from reorder_kit.interfaces.finding import Finding
from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds import NONE


@dataclass(frozen=True)
class Batch:
    """Samples, stacked.

    >>> batch = Batch(torch.zeros(3, 1, 2, 2), torch.tensor([7, 8, 9]))
    >>> batch.take(torch.tensor([2, 0])).targets
    tensor([9, 7])

    Args:
        images: the images, or clips.
        targets: the targets of the samples, as their kind collates them. After mixing images, shares of the classes.
        kind: the kind of the targets.
        unreadable: the images that are missing from this batch.
        content: height and width, in pixels, of the content in the top left corner of each image; the rest is padding.
            None if no image has padding.
        seeds: the seeds of the samples, in CPU memory, from which :meth:`random` draws; numbers from 0 if not given.
        views: further views of the same samples, in the same sequence, each with its own seeds.
        prepared: what a task has computed in ``prepare``, by name, such as masks or token ids; the first axis is the
            batch.
        findings: what was dropped, guessed or converted while reading the samples.

    Raises:
        ValueError: if the number of rows of a part differs from the number of images.
    """

    images: Float[Tensor, "batch channel *frame height width"]
    targets: Any = None
    kind: TargetKind = NONE
    unreadable: tuple[Unreadable, ...] = ()
    content: Int[Tensor, "batch 2"] | None = None
    seeds: Int[Tensor, " batch"] = field(default_factory=lambda: torch.arange(0))
    views: tuple[Batch, ...] = ()
    prepared: Mapping[str, Shaped[Tensor, "batch *rest"]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.seeds):
            object.__setattr__(self, "seeds", torch.arange(len(self)))
        rows = {"seeds": len(self.seeds), **{f"prepared[{name!r}]": len(part) for name, part in self.prepared.items()}}
        rows |= {f"views[{number}]": len(view) for number, view in enumerate(self.views)}
        for name, count in rows.items():
            if count != len(self):
                raise ValueError(f"a batch of {len(self)} images has {count} rows in {name}")

    def __len__(self) -> int:
        return self.images.shape[0]

    def take(self, index: Int[Tensor, " row"]) -> Batch:
        """Some images with everything that belongs to them, in the sequence of ``index``, without findings."""
        index = index.to(self.images.device)
        return Batch(
            self.images[index],
            self.kind.take(self.targets, index),
            self.kind,
            (),
            None if self.content is None else self.content[index],
            self.seeds[index.cpu()],
            tuple(view.take(index) for view in self.views),
            {name: part[index] for name, part in self.prepared.items()},
        )

    def with_images(self, images: Float[Tensor, "batch channel *frame height width"]) -> Batch:
        """The same samples with other images, such as negatives made from them."""
        return replace(self, images=images)

    def with_prepared(self, **tensors: Shaped[Tensor, "batch *rest"]) -> Batch:
        """The same samples with further tensors that a task has prepared."""
        return replace(self, prepared={**self.prepared, **tensors})

    def random(self, name: str, *shape: int) -> Float[Tensor, "batch *shape"]:
        """Uniform numbers in [0, 1) for each image, on the device of the images.

        They depend only on the image's seed, the name and the position, not on the other images, the device, or
        earlier draws. So tasks that use different names never draw the same numbers, and two orders are compared on
        the same masks.

        Args:
            name: what they are for, such as ``"my-task/mask"``.
            shape: the shape of one image's numbers.
        """
        return uniform(self.seeds, name, shape, self.images.device)

    def to(self, device: torch.device | str) -> Batch:
        """The batch on another device, without waiting for copies from pinned memory; seeds stay on the CPU."""
        return replace(
            self,
            images=self.images.to(device, non_blocking=True),
            targets=self.kind.to(self.targets, device),
            content=None if self.content is None else self.content.to(device, non_blocking=True),
            views=tuple(view.to(device) for view in self.views),
            prepared={name: part.to(device, non_blocking=True) for name, part in self.prepared.items()},
        )

    def pin_memory(self) -> Batch:
        """The batch in memory from which a GPU can copy asynchronously; torch's loader calls this."""
        return replace(
            self,
            images=self.images.pin_memory(),
            targets=self.kind.pin(self.targets),
            content=None if self.content is None else self.content.pin_memory(),
            views=tuple(view.pin_memory() for view in self.views),
            prepared={name: part.pin_memory() for name, part in self.prepared.items()},
        )
