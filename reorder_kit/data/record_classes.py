"""The classes of records: reconciles the names in the data with those in the recipe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reorder_kit.data.class_findings import MAPPED, tell_of_absent
from reorder_kit.data.field_targets import Label, Labels, is_number, is_number_as_text
from reorder_kit.data.findings import Findings
from reorder_kit.data.records import RecordStore
from reorder_kit.data.spellings import CLASSES_RESPELLED, spelled_as
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import CLASS, MULTI_LABEL, TargetKind

Names = Sequence[str]


@dataclass(frozen=True)
class RecordClasses:
    """The classes of records.

    Args:
        names: names of the classes, by number.
        labels: by split, the labels that its records use for the classes.
        is_multi_hot: whether lists of labels have a 0 or 1 for each class, instead of the classes that are present.
        unknown: by split, the first label that is not a class; only splits that have such a label.
    """

    names: tuple[str, ...]
    labels: Mapping[str, Labels]
    is_multi_hot: bool
    unknown: Mapping[str, Label]

    @classmethod
    def of_masks(cls, names: Names, splits: Iterable[str]) -> RecordClasses:
        """The classes of masks, whose values are turned into numbers by a legend."""
        return cls(tuple(names), dict.fromkeys(splits, Labels.named(names)), False, {})

    def numbers(self, split: str, store: RecordStore) -> list[list[int]]:
        """The numbers of the classes of each record; unknown classes are left out."""
        return [self._numbers_of(split, row) for row in store.labels()]

    def _numbers_of(self, split: str, row: Iterable[Label]) -> list[int]:
        called = (place for place, value in enumerate(row) if value) if self.is_multi_hot else row
        numbers = (self.labels[split].find(label) for label in called)
        return [number for number in numbers if number is not None]


def find_classes_of(
    kind: TargetKind,
    given: Names | None,
    stores: Mapping[str, RecordStore],
    field: str,
    findings: Findings,
) -> RecordClasses:
    """The classes in the recipe, else those named by the data, else those that occur in the training records.

    Splits that name the same classes in a different sequence are matched by name.

    Args:
        kind: the kind of the targets; not masks.
        given: names of the classes in the recipe.
        stores: the records of each split.
        field: the recipe's field that says where targets are, for messages.
        findings: collects what was guessed or converted.

    Raises:
        ReorderKitError: if names or numbers of classes contradict each other, or nothing can be learned from the
            training records.
    """
    for split, store in stores.items():
        if not len(store):
            raise ReorderKitError(f"data.{split}: there are no images")
    own = _own_names(given, stores, findings)
    tallies = {split: _Tally(store.labels()) for split, store in stores.items()}
    names, labels = _labels(given, own, tallies, field)
    _require_numbers_from_0(given, own, tallies, field)
    known = None if given is None and own["train"] is None else len(names)
    is_multi_hot = kind == MULTI_LABEL and _is_multi_hot(tallies, known, field)
    unknown: dict[str, Label] = {}
    for split, store in stores.items():
        marked = tallies[split].marked
        if kind == MULTI_LABEL and not is_multi_hot and marked is not None:
            raise ReorderKitError(
                f"{field}: the labels of {store.name(marked)} look like a 0 or 1 for each class, but not all records"
                " have such a list of the same length",
                "give every record a 0 or 1 for each class, or write the names of the classes that are present",
            )
        if own[split] is not None and tuple(own[split] or ()) != names:
            findings.add(MAPPED, store.name(0), len(store))
        if is_multi_hot:
            findings.add("lists of 0 and 1 are read as one entry per class", store.name(0), len(store))
        else:
            _tell_of_text(labels[split], tallies[split], findings)
            strange = [label for label in tallies[split].times if labels[split].find(label) is None]
            if strange:
                unknown[split] = strange[0]
    classes = RecordClasses(names, labels, is_multi_hot, unknown)
    if is_multi_hot:
        occurring = {number for row in classes.numbers("train", stores["train"]) for number in row}
    else:
        found = (labels["train"].find(label) for label in tallies["train"].times)
        occurring = {number for number in found if number is not None}
    _require_enough(kind, names, occurring, field)
    tell_of_absent(names, occurring, findings)
    return classes


_MARKS = frozenset(("0", "1", "-1", "0.0", "1.0", "-1.0"))
"""Marks of a class that is absent, present or uncertain."""


class _Tally:
    """The labels in the records of a split."""

    def __init__(self, rows: Iterable[Sequence[Label]]) -> None:
        self.times: Counter[Label] = Counter()
        self.lengths: set[int] = set()
        self.marked: int | None = None
        """The index of the first record whose labels can only be marks of presence, one per class."""
        for number, row in enumerate(rows):
            self.times.update(row)
            self.lengths.add(len(row))
            texts = set(map(str, row))
            if self.marked is None and len(texts) < len(row) and texts <= _MARKS:
                self.marked = number
        self.lengths.discard(0)

    @property
    def numbers(self) -> set[int]:
        """The labels that are numbers, or numbers written as text."""
        return {int(label) for label in self.times if isinstance(label, int) or is_number_as_text(label)}

    @property
    def columns(self) -> int:
        """The length of the lists, if all are equally long and hold only 0 and 1; else 0."""
        return max(self.lengths) if len(self.lengths) == 1 and set(self.times) <= {0, 1} else 0


def _own_names(given: Names | None, stores: Mapping[str, RecordStore], findings: Findings) -> dict[str, Names | None]:
    """The names given by each split, in the Unicode form used in the recipe or in train."""
    own = {split: store.class_names() for split, store in stores.items()}
    wanted = own["train"] if given is None else given
    if wanted is None:
        return own
    spelled: dict[str, Names | None] = {}
    for split, names in own.items():
        spelled[split] = None if names is None else spelled_as(wanted, names)
        changed = sum(before != after for before, after in zip(names or (), spelled[split] or (), strict=True))
        findings.add(CLASSES_RESPELLED, stores[split].name(0), changed)
    return spelled


def _labels(
    given: Names | None, own: Mapping[str, Names | None], tallies: Mapping[str, _Tally], field: str
) -> tuple[tuple[str, ...], dict[str, Labels]]:
    """The names, and for each split the labels that its records use."""
    of_train = own["train"]
    if given is None and of_train is None:
        found = Labels.found(tallies["train"].times, field)
        for split, names in own.items():
            if names is not None:
                _require_same(found.names, names, split, "the training images have", field)
        return found.names, {
            split: found if names is None else Labels.by_name(found.names, names) for split, names in own.items()
        }
    wanted, whose = (given, "data.classes has") if given is not None else (of_train, "the train split has")
    assert wanted is not None
    labels = {}
    for split, names in own.items():
        if names is not None:
            _require_same(wanted, names, split, whose, field)
            labels[split] = Labels.by_name(wanted, names)
        elif given is None and any(is_number(label) and label not in wanted for label in tallies[split].times):
            raise ReorderKitError(
                f"{field}: the {split} split has class numbers without names, but those of train have names",
                "list the class names in data.classes; then numbers are positions in that list",
            )
        else:
            labels[split] = Labels.named(wanted if given is None else _unambiguous(given))
    return tuple(wanted), labels


def _require_same(wanted: Names, names: Names, split: str, whose: str, field: str) -> None:
    """Check that a split has the same names, in any sequence."""
    differing = [name for name in names if name not in wanted] + [name for name in wanted if name not in names]
    if differing:
        first = differing[0]
        has, lacks = (f"the {split} split names", whose + " no such class") if first in names else (whose, "")
        lacks = lacks or f"the {split} split does not name it"
        raise ReorderKitError(
            f"{field}: classes differ: {has} {first!r}, {lacks}",
            f"{len(wanted)} classes were expected, and the {split} split names {len(names)}; make their names equal",
        )


def _unambiguous(names: Names) -> Names:
    """The names, if no number can mean one class by name and another by position."""
    for place, name in enumerate(names):
        if name.isdecimal() and int(name) != place:
            raise ReorderKitError(
                f"data.classes: {name!r} is at position {place}, so a record's {int(name)} could mean two classes",
                "names that are numbers must be 0, 1, 2, ...; leave out data.classes to take them from the data",
            )
    return names


def _require_numbers_from_0(
    given: Names | None, own: Mapping[str, Names | None], tallies: Mapping[str, _Tally], field: str
) -> None:
    for split, tally in tallies.items():
        if given is not None and own[split] is None and 0 not in tally.numbers and len(given) in tally.numbers:
            raise ReorderKitError(
                f"{field}: the {split} split has the class number {len(given)} and never 0; positions in data.classes"
                f" go from 0 to {len(given) - 1}",
                "the numbers seem to start at 1: leave out data.classes, or put a name for 0 first, as in [none, "
                f"{given[0]}, ...]",
            )


def _is_multi_hot(tallies: Mapping[str, _Tally], known: int | None, field: str) -> bool:
    """Whether lists of 0 and 1 have an entry per class, which is certain if class numbers would otherwise repeat."""
    columns = tallies["train"].columns
    if columns == 2 and known in (None, 2):
        raise ReorderKitError(
            f"{field}: every training image has a list of two labels, 0 or 1, which could be class numbers or mark "
            "each class as present or absent",
            "write the names of the classes that are present",
        )
    is_multi_hot = columns > 2
    if is_multi_hot and columns != known:
        told = "they have no names" if known is None else f"there are {known} classes"
        raise ReorderKitError(
            f"{field}: every training image has a list of {columns} labels, each 0 or 1, which looks like one entry "
            f"per class; but {told}",
            f"name {columns} classes in data.classes, or write the names of those that are present",
        )
    for split, tally in tallies.items():
        differs = tally.columns != columns if is_multi_hot else tally.columns > 2
        if tally.times and differs:
            raise ReorderKitError(
                f"{field}: the label lists of the {split} split differ in form from those of train: some have a 0 or 1 "
                "for each class",
                "write the names of the classes that are present in all splits",
            )
    return is_multi_hot


def _tell_of_text(labels: Labels, tally: _Tally, findings: Findings) -> None:
    for label, times in tally.times.items():
        if is_number_as_text(label) and label not in labels.numbers and labels.find(label) is not None:
            findings.add("class numbers written as text are read as numbers", repr(label), times)
        elif isinstance(label, str) and label not in labels.numbers and labels.find(label) is not None:
            findings.add(CLASSES_RESPELLED, ascii(label), times)


def _require_enough(kind: TargetKind, names: Names, occurring: set[int], field: str) -> None:
    if not occurring:
        raise ReorderKitError(
            f"{field}: no training image has any of the {len(names)} classes", "check the class names and this field"
        )
    if kind == CLASS and len(occurring) < 2:
        raise ReorderKitError(
            f"{field}: all training images have the same class, {names[min(occurring)]!r}",
            "any model would be right; check that this is the right field, and these are the right records",
        )
