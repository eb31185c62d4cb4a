"""Plain data from the events of a YAML document, as it is read: nothing that exceeds a limit is ever built."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

import yaml

from reorder_kit.errors import quoted, shortened
from reorder_kit.recipe.plain_scalars import meaning_of

MOST_DEPTH = 50
"""Mappings and lists inside each other."""
MOST_NODES = 50_000
"""Mappings, lists, keys and values; what an alias stands for counts each time."""

_MERGE = "<<"
_TEXT = "tag:yaml.org,2002:str"


class Mark(Protocol):
    """A place in a document, counted from 0."""

    @property
    def line(self) -> int:
        """Of the place."""
        ...

    @property
    def column(self) -> int:
        """Of the place."""
        ...


class YamlMistakeError(Exception):
    """What is wrong with a document, and where.

    Args:
        reason: what is wrong.
        mark: where.
    """

    def __init__(self, reason: str, mark: Mark | None) -> None:
        super().__init__(reason)
        self.reason, self.mark = reason, mark


@dataclass
class _Collection:
    """A mapping or a list that is being read.

    Args:
        content: what was read of it.
        anchor: what aliases call it.
        mark: where it begins.
        first: how many nodes there were before it.
        key: of the value that comes next; no more than one element.
        merged: of a mapping: what is merged into it.
    """

    content: dict[Hashable, Any] | list[Any]
    anchor: str | None
    mark: Mark | None
    first: int
    key: list[Any] = field(default_factory=list)
    merged: list[dict[Hashable, Any]] | None = None

    def finished(self) -> Any:
        """All of it; what a mapping says itself comes before what is merged, and an earlier mapping before a later."""
        if self.merged is None or isinstance(self.content, list):
            return self.content
        whole: dict[Hashable, Any] = {}
        for each in [*reversed(self.merged), self.content]:
            whole |= each
        return whole


class _MergeKey:
    """Stands for a plain ``<<``."""


class PlainYaml:
    """Takes the events of one document; ``content`` is what it holds."""

    def __init__(self) -> None:
        self.content: Any = None
        self._open: list[_Collection] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event.

        Raises:
            YamlMistakeError: if it cannot stand there, or exceeds a limit.
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
                    raise YamlMistakeError(f"there is no anchor {quoted(event.anchor)} before it", event.start_mark)
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
            raise YamlMistakeError(f"there are more than {MOST_DEPTH} mappings and lists inside each other", mark)
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
        raise YamlMistakeError(f"the key {quoted(key)} is no plain value", mark)
    if key in inside.content or (key is _MergeKey and inside.merged is not None):
        raise YamlMistakeError(f"the key {quoted(_MERGE if key is _MergeKey else key)} is given twice", mark)
    return key


def _to_merge(value: Any, mark: Mark | None) -> list[dict[Hashable, Any]]:
    mappings = value if isinstance(value, list) else [value]
    if not all(isinstance(each, dict) for each in mappings):
        raise YamlMistakeError(f"{_MERGE} merges mappings, not {quoted(value)}", mark)
    return mappings


def _unknown_tag(tag: str, mark: Mark | None) -> YamlMistakeError:
    return YamlMistakeError(f"the tag {shortened(tag)} means nothing here", mark)
