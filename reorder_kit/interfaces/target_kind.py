"""The interface of a kind of target: how the targets of a batch are collated, moved, and taken apart."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from reorder_kit.interfaces.class_fact import ClassFact
from reorder_kit.orders.image_shape import ImageShape


class TargetKind(ABC):
    """What the targets of a data source are, and what can be done with them.

    Two kinds with the same name are equal. Targets stay plain values: a batch has a tensor whose first axis is the
    batch, a list with an entry for each image, or a tuple or a mapping of these. For such values, only ``collate`` has
    to be written. A complete kind, to be listed in ``target_kinds`` of a data source and of a task::

        import torch
        from reorder_kit.interfaces import TargetKind

        class Angle(TargetKind):
            \"""A direction in radians; a batch has its cosine and its sine.\"""

            name = "angle"

            def collate(self, items):
                angles = torch.tensor(items, dtype=torch.float32)
                return torch.stack([angles.cos(), angles.sin()], dim=1)

    A kind declares:

    * ``name``: its name in messages and in ``describe``.
    * ``lies_in_image``: whether targets consist of positions in the image. Then images whose patches are moved
      (``data.plant``) would need other targets, and are refused.
    """

    name: ClassVar[str]
    lies_in_image: ClassVar[bool] = False

    @abstractmethod
    def collate(self, items: Sequence[Any]) -> Any:
        """The targets of a batch, from those of its samples, of which there is at least one."""

    def to(self, targets: Any, device: torch.device | str) -> Any:
        """The targets on another device; anything without ``to`` stays where it is."""
        return self._moved(targets, lambda part: _on(part, device))

    def pin(self, targets: Any) -> Any:
        """The targets in pinned memory; anything without ``pin_memory`` stays where it is."""
        return self._moved(targets, lambda part: part.pin_memory() if hasattr(part, "pin_memory") else part)

    def take(self, targets: Any, index: Int[Tensor, " row"]) -> Any:
        """The targets of some images of the batch, in the sequence of ``index``.

        Raises:
            TypeError: if the targets are not among the values that the class describes.
        """
        if isinstance(targets, Tensor):
            return targets[index.to(targets.device)]
        if isinstance(targets, list):
            return [targets[row] for row in index.tolist()]
        if targets is None:
            return None
        if isinstance(targets, tuple | Mapping):
            return _by_part(targets, lambda part: self.take(part, index))
        raise TypeError(f"the target kind {self} cannot take images out of a {type(targets).__name__}: override take")

    def presence(self, targets: Any, classes: Sequence[str]) -> Float[Tensor, "batch class"] | None:
        """1.0 for the classes that each image has, 0.0 for the others; None if that has no meaning."""
        return None

    def misfit(self, target: Any, classes: Sequence[str], image: ImageShape) -> str | None:
        """What is wrong with a sample's target, in words that follow "the target"; None, the default, if nothing is.

        Args:
            target: the target of the sample.
            classes: names of the classes.
            image: the shape of every image.
        """
        return None

    @property
    def tells_classes(self) -> bool:
        """Whether :meth:`presence` says which classes an image has."""
        return type(self).presence is not TargetKind.presence

    def _moved(self, targets: Any, move: Callable[[Any], Any]) -> Any:
        if isinstance(targets, list):
            return [self._moved(entry, move) for entry in targets]
        return _by_part(targets, lambda part: self._moved(part, move)) if _has_parts(targets) else move(targets)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TargetKind) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<target kind {self.name}>"


def _on(part: Any, device: torch.device | str) -> Any:
    if isinstance(part, Tensor):
        return part.to(device, non_blocking=True)
    return part.to(device) if hasattr(part, "to") else part


def _has_parts(targets: Any) -> bool:
    return isinstance(targets, tuple | Mapping)


def _by_part(targets: Any, change: Callable[[Any], Any]) -> Any:
    """The same tuple, named tuple or mapping of changed parts."""
    if isinstance(targets, Mapping):
        return {key: change(part) for key, part in targets.items()}
    parts = [change(part) for part in targets]
    return type(targets)(*parts) if hasattr(targets, "_fields") else tuple(parts)


def _are_kinds(value: object) -> bool:
    return isinstance(value, tuple | list) and bool(value) and all(isinstance(each, TargetKind) for each in value)


TARGET_KINDS = ClassFact("a tuple of target kinds, such as (CLASS,)", _are_kinds)
