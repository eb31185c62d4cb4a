"""Build plain data from the events of a YAML document while it is read, and stop before any limit is exceeded."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml

from reorder_kit.errors import quoted, shortened
from reorder_kit.recipe.plain_scalars import meaning_of

MOST_DEPTH = 50
"""The deepest nesting of mappings and lists."""
MOST_NODES = 50_000
"""The most mappings, lists, keys and values; the content of an alias counts each time."""

_MERGE = "<<"
_TEXT = "tag:yaml.org,2002:str"


class Mark(Protocol):
    """A position in a document, counted from 0."""

    @property
    def line(self) -> int:
        """The line of the position."""
        ...

    @property
    def column(self) -> int:
        """The column of the position."""
        ...


class YamlMistakeError(Exception):
    """What is wrong with a document, and where.

    Args:
        reason: what is wrong.
        mark: where it is wrong.
    """

    def __init__(self, reason: str, mark: Mark | None) -> None:
        super().__init__(reason)
        self.reason, self.mark = reason, mark


@dataclass
class _Collection:
    """A mapping or a list that is being read.

    Args:
        content: what has been read so far.
        anchor: its name in aliases.
        mark: where it begins.
        first: the number of nodes before it.
        key: the key of the next value; at most one element.
        merged: for a mapping, what is merged into it.
    """

    content: dict[Hashable, Any] | list[Any]
    anchor: str | None
    mark: Mark | None
    first: int
    key: list[Any] = field(default_factory=list)
    merged: list[dict[Hashable, Any]] | None = None

    def finished(self) -> Any:
        """The complete content; a mapping's own keys override merged ones, and earlier merges override later ones."""
        if self.merged is None or isinstance(self.content, list):
            return self.content
        whole: dict[Hashable, Any] = {}
        for each in [*reversed(self.merged), self.content]:
            whole |= each
        return whole


class _MergeKey:
    """Stands for a plain ``<<``."""


class PlainYaml:
    """Takes the events of one document and builds its ``content``."""

    def __init__(self) -> None:
        self.content: Any = None
        self._open: list[_Collection] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event.

        Raises:
            YamlMistakeError: if it is not allowed here, or exceeds a limit.
        """
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise YamlMistakeError("there is a second document", event.start_mark)
            case yaml.ScalarEvent():
                self._count(1, event.start_mark)
                value = self._scalar(event)
                self._remember(event.anchor, value, 1)
                self._add(value, event.start_mark)
            case yaml.AliasEvent():
                if event.anchor not in self._anchors:
                    raise YamlMistakeError(f"the anchor {quoted(event.anchor)} is not defined", event.start_mark)
                value, nodes = self._anchors[event.anchor]
                self._count(nodes, event.start_mark)
                self._add(value, event.start_mark)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin(event)
            case yaml.CollectionEndEvent():
                collection = self._open.pop()
                value = collection.finished()
                self._remember(collection.anchor, value, self._nodes - collection.first)
                self._add(value, collection.mark)

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        mark = event.start_mark
        if event.tag not in (None, "!"):
            raise _unknown_tag(event.tag, mark)
        if len(self._open) >= MOST_DEPTH:
            raise YamlMistakeError(f"mappings and lists are nested more than {MOST_DEPTH} deep", mark)
        first = self._nodes
        self._count(1, mark)
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        self._open.append(_Collection({} if is_mapping else [], event.anchor, mark, first))

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        if event.tag not in (None, "!", _TEXT):
            raise _unknown_tag(event.tag, event.start_mark)
        if event.tag is not None or not event.implicit[0]:
            return event.value
        if event.value == _MERGE and self._awaits_key():
            return _MergeKey
        try:
            return meaning_of(event.value)
        except ValueError as error:
            raise YamlMistakeError(str(error), event.start_mark) from None

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].content, dict) and not self._open[-1].key

    def _count(self, nodes: int, mark: Mark | None) -> None:
        self._nodes += nodes
        if self._nodes > MOST_NODES:
            raise YamlMistakeError(f"there are more than {MOST_NODES:,} keys and values", mark)

    def _remember(self, anchor: str | None, value: Any, nodes: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = value, nodes

    def _add(self, value: Any, mark: Mark | None) -> None:
        if not self._open:
            self.content = value
            return
        inside = self._open[-1]
        if isinstance(inside.content, list):
            inside.content.append(value)
        elif not inside.key:
            inside.key.append(_checked_key(value, inside, mark))
        else:
            key = inside.key.pop()
            if key is _MergeKey:
                inside.merged = _to_merge(value, mark)
            else:
                inside.content[key] = value


def _checked_key(key: Any, inside: _Collection, mark: Mark | None) -> Any:
    if not isinstance(key, Hashable):
        raise YamlMistakeError(f"the key {quoted(key)} must be a string, number or boolean", mark)
    if key in inside.content or (key is _MergeKey and inside.merged is not None):
        raise YamlMistakeError(f"the key {quoted(_MERGE if key is _MergeKey else key)} is given twice", mark)
    return key


def _to_merge(value: Any, mark: Mark | None) -> list[dict[Hashable, Any]]:
    mappings = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in mappings):
        raise YamlMistakeError(f"{_MERGE} can only merge mappings, not {quoted(value)}", mark)
    return mappings


def _unknown_tag(tag: str, mark: Mark | None) -> YamlMistakeError:
    return YamlMistakeError(f"the tag {shortened(tag)} is not supported", mark)
