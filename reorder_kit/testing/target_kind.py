"""The contract of target kinds."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reorder_kit.interfaces import ReorderKitError, TargetKind
from reorder_kit.testing._values import are_same, leaves
from reorder_kit.testing.rule import Rule, expect, expect_equal, hold, rule


@dataclass(frozen=True)
class TargetKindCase:
    """A target kind, and targets of samples.

    Args:
        kind: the kind.
        items: at least three targets.
        classes: names of the classes, by number.
    """

    kind: TargetKind
    items: tuple[Any, ...]
    classes: tuple[str, ...]

    def __str__(self) -> str:
        return f"target kind {type(self.kind).__name__}"

    @property
    def collated(self) -> Any:
        """The targets of a batch."""
        return self.kind.collate(list(self.items))


@rule
def has_a_name_and_says_what_a_target_is(case: TargetKindCase) -> None:
    """Give the class a ``name``, by which kinds are compared, and a docstring that says what a sample's target is."""
    expect(isinstance(getattr(case.kind, "name", None), str), f"its name is {getattr(case.kind, 'name', None)!r}")
    expect((type(case.kind).__doc__ or "").strip(), "its class has no docstring")
    expect(isinstance(case.kind.lies_in_image, bool), f"lies_in_image is {case.kind.lies_in_image!r}")


@rule
def is_equal_by_name_also_in_another_process(case: TargetKindCase) -> None:
    """Do not override equality and hash, and define the class at the top of a module: loader processes pickle it."""
    sent = pickle.loads(pickle.dumps(case.kind))
    expect(sent == case.kind, "it is not equal to itself after pickle")
    expect_equal(hash(sent), hash(case.kind), "the hash after pickle")
    expect(case.kind != case.kind.name, "it is equal to its name")


@rule
def takes_images_out_in_the_sequence_asked_for(case: TargetKindCase) -> None:
    """Return from ``collate`` a tensor whose first axis is the batch, a list, or a tuple or mapping of these; or
    override ``take``.
    """
    chosen = [2, 0]
    taken = case.kind.take(case.collated, torch.tensor(chosen))
    _expect_same(taken, case.kind.collate([case.items[place] for place in chosen]), "images 2 and 0 of a batch")


@rule
def takes_no_images_or_all(case: TargetKindCase) -> None:
    """Let ``take`` work for no images, as in a batch without readable images, and for all images."""
    every = torch.arange(len(case.items))
    _expect_same(case.kind.take(case.collated, every), case.collated, "all images of a batch")
    nothing = case.kind.take(case.collated, every[:0])
    long = [part for part in _tensors(nothing) if len(part)]
    expect(not long and not (isinstance(nothing, list) and nothing), f"taking no images from a batch gives {nothing!r}")
    case.kind.take((), every[:0])


@rule
def moves_every_tensor_to_the_device(case: TargetKindCase) -> None:
    """Let ``to`` move everything in the targets of a batch; objects with their own ``to`` are moved by it."""
    _expect_same(case.kind.to(case.collated, "cpu"), case.collated, "targets that stay on the CPU")
    expect(
        all(part.is_meta for part in _tensors(case.kind.to(case.collated, "meta"))),
        "a tensor stays in place when the targets are moved",
    )


@rule
def presence_has_a_row_for_each_image_and_a_column_for_each_class(case: TargetKindCase) -> None:
    """Return 1.0 and 0.0 of shape (batch, class) from ``presence``, whatever images were taken; or do not define it."""
    whole = case.kind.presence(case.collated, case.classes)
    if whole is None:
        expect(not case.kind.tells_classes, "presence is None, although it is overridden")
        return
    expect_equal(tuple(whole.shape), (len(case.items), len(case.classes)), "the shape of presence")
    values = set(whole.flatten().tolist())
    expect(values <= {0.0, 1.0}, f"presence holds {values}")
    chosen = torch.tensor([2, 0])
    taken = case.kind.presence(case.kind.take(case.collated, chosen), case.classes)
    expect(taken is not None and torch.equal(taken, whole[chosen]), "presence differs after taking some images")
    empty = case.kind.presence((), case.classes)
    expect(empty is not None and tuple(empty.shape) == (0, len(case.classes)), "an empty batch has no presence")


@rule
def leaves_the_targets_of_samples_as_they_are(case: TargetKindCase) -> None:
    """Create new tensors in ``collate``: a data source may keep its targets and return them again."""
    before = pickle.dumps(case.items)
    case.kind.take(case.kind.to(case.collated, "cpu"), torch.tensor([1]))
    expect(pickle.dumps(case.items) == before, "the targets of the samples were changed")


TARGET_KIND_RULES: tuple[Rule[TargetKindCase], ...] = (
    has_a_name_and_says_what_a_target_is,
    is_equal_by_name_also_in_another_process,
    takes_images_out_in_the_sequence_asked_for,
    takes_no_images_or_all,
    moves_every_tensor_to_the_device,
    presence_has_a_row_for_each_image_and_a_column_for_each_class,
    leaves_the_targets_of_samples_as_they_are,
)


def target_kind_case(kind: TargetKind, items: Sequence[Any], classes: Sequence[str] = ("a", "b")) -> TargetKindCase:
    """A case for the rules of target kinds; see :func:`check_target_kind`."""
    if len(items) < 3:
        raise ReorderKitError(f"{len(items)} targets are too few to take images from a batch", "give at least three")
    return TargetKindCase(kind, tuple(items), tuple(classes))


def check_target_kind(kind: TargetKind, items: Sequence[Any], classes: Sequence[str] = ("a", "b")) -> None:
    """Check a target kind against its contract.

    Args:
        kind: the kind.
        items: targets of at least three samples, as a data source returns them.
        classes: names of the classes, by number, for a kind that knows which are present.

    Raises:
        BrokenRulesError: naming each broken rule, what was seen, and what to do.
        ReorderKitError: if there are fewer than three targets.

    >>> from reorder_kit.interfaces import CLASS
    >>> check_target_kind(CLASS, [0, 1, 1, 0])
    """
    hold(target_kind_case(kind, items, classes), TARGET_KIND_RULES)


def _tensors(targets: Any) -> list[Tensor]:
    return [part for _, part in leaves(targets) if isinstance(part, Tensor)]


def _expect_same(found: Any, expected: Any, what: str) -> None:
    expect_equal(type(found).__name__, type(expected).__name__, f"the type of {what}")
    expect(are_same(found, expected), f"{what} are {found!r}, not {expected!r}")
